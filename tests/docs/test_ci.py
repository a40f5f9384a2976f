"""The recipe that gates a deploy, run as it stands on its page."""

import gzip
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.cli.running import SAMPLES
from tests.docs.pages import ROOT, blocks

PAGE = ROOT / "docs" / "ci.md"


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Path]:
    """A folder with the script of the page, sample traces, and ``streamaudit`` in its path."""
    (tmp_path / "gate.sh").write_text(next(blocks(PAGE, "bash")))
    shutil.copy(SAMPLES / "raw.jsonl.gz", tmp_path / "traces.jsonl.gz")
    folder = tmp_path / "bin"
    folder.mkdir()
    command = folder / "streamaudit"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m streamaudit "$@"\n')
    command.chmod(0o755)
    yield tmp_path


def run(folder: Path, *words: str) -> int:
    """The exit code of the script."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("STREAMAUDIT")}
    env |= {"PATH": f"{folder / 'bin'}:{env['PATH']}", "GITHUB_STEP_SUMMARY": str(folder / "step.md")}
    if "PYTHONPATH" not in env and (ROOT / "streamaudit").is_dir():
        env["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(["bash", "gate.sh", *words], cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.stdout == ""
    return done.returncode


def test_a_bad_deploy_stops_with_a_summary_and_a_test_view(gate: Path) -> None:
    """Exit code 1, the verdict at the top of the summary, a failure for each comparison that got worse."""
    assert run(gate, "traces.jsonl.gz") == 1
    summary = (gate / "step.md").read_text()
    assert summary.index("Verdict: **fail**") < summary.index("**regression**") < summary.index("<details>")
    failed = ElementTree.parse(gate / "diff.xml").findall(".//failure")
    assert summary.count("**regression**") == len(failed) > 0


def test_a_good_deploy_passes_and_a_missing_export_does_not(gate: Path) -> None:
    """Nothing was changed between the first two deploys; an export or a deploy that is not there is no
    pass."""
    assert run(gate, "traces.jsonl.gz", "2026.11.09-1", "2026.11.14-2") == 0
    assert "Verdict: **fail**" not in (gate / "step.md").read_text()
    assert run(gate, "no-such-file.jsonl") == 3
    with gzip.open(gate / "traces.jsonl.gz") as traces:
        (gate / "few.jsonl").write_bytes(b"".join(islice(traces, 30)))
    assert run(gate, "few.jsonl", "2026.11.09-1", "no-such-deploy") == 3
