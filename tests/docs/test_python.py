"""The examples of docs/python.md run as they stand."""

import subprocess
import sys
from pathlib import Path

from tests.cli.running import PATIENCE_S, Cli
from tests.docs import pages
from tests.support import raw_call, write_lines

PAGE = pages.ROOT / "docs" / "python.md"


def test_the_examples_run_and_print_figures(tmp_path: Path) -> None:
    records = [raw_call(f"c{number}", ttft_ms=number, metadata={"org": f"o{number % 2}"}) for number in range(6)]
    write_lines(tmp_path / "traces.jsonl", records)
    examples = list(pages.blocks(PAGE, "python"))
    assert examples
    for example in examples:
        done = subprocess.run(
            [sys.executable, "-c", example], cwd=tmp_path, env=Cli(tmp_path).environment(), capture_output=True,
            text=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "o0" in done.stdout and "o1" in done.stdout
