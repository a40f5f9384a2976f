"""The memory of the whole process stays within --memory-limit and 300 MB, whatever is read."""

import gzip
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from sample_traces.benchmarks import vllm
from tests.cli.running import PROGRAM, Cli
from tests.cli.traffic import call

pytestmark = pytest.mark.proof

LIMIT_MB, OWN_MB = 512, 300

# The system counts the memory of the process that starts another as the other's, and that of a test may be large.
MEASURE = """
import os, sys
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(pid, 0)
print(usage.ru_maxrss >> 10)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def _lines() -> Iterator[bytes]:
    yield from ((json.dumps(call(number)) + "\n").encode() for number in range(400_000))


def _array() -> Iterator[bytes]:
    yield b"["
    yield from ((json.dumps(call(number)) + ",\n").encode() for number in range(200_000))
    yield b'{"long":"' + b"x" * (20 << 20) + b'"},' + json.dumps(call(200_000)).encode() + b"]"


def _table() -> Iterator[bytes]:
    yield b"request_id,start_time,model,duration_ms,output_tokens\n"
    yield from (b"r%d,2026-11-16T08:00:00Z,gpt-4o-mini,5000,100\n" % number for number in range(1_000_000))


def _rejects() -> Iterator[bytes]:
    yield (json.dumps(call(0)) + "\n").encode()
    yield from (b"1\n" * 10_000 for _ in range(200))


def _one_object() -> Iterator[bytes]:
    run = vllm("a")
    many = 40_000
    run |= {"ttfts": [0.2] * many, "itls": [[0.01] * 100] * many, "input_lens": [5] * many, "output_lens": [101] * many}
    yield json.dumps(run, indent=1).encode()


def _bomb() -> Iterator[bytes]:
    yield (json.dumps(call(0)) + '\n{"request_id":"').encode()
    yield from (b"\0" * (1 << 20) for _ in range(1_000))


def _bomb_of_one_value() -> Iterator[bytes]:
    yield b'{"ttfts":['
    yield from (b"[],[],[],[],[]," * (1 << 16) for _ in range(1_000))


def _parquet() -> Iterator[bytes]:
    """Rows with texts that do not compress, in groups as large as most writers make them."""
    rows = "SELECT 'r' || i AS request_id, TIMESTAMPTZ '2026-11-16 08:00:00Z' + to_milliseconds(i) AS start_time, " \
        "'gpt-4o-mini' AS model, 5000 AS duration_ms, 100 AS output_tokens, 'completed' AS outcome, " \
        "repeat(sha256(i::VARCHAR), 8) AS output_text FROM range(400_000) t(i)"  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "calls.parquet")
        with duckdb.connect() as database:
            database.execute(f"COPY ({rows}) TO '{path}' (FORMAT parquet)")
        yield path.read_bytes()


FILES: dict[str, tuple[Callable[[], Iterator[bytes]], str]] = {
    "lines": (_lines, "calls.jsonl"), "an array with a long element": (_array, "calls.json"),
    "a table": (_table, "calls.csv"), "a packed table": (_table, "calls.csv.gz"),
    "columns": (_parquet, "calls.parquet"), "packed lines": (_lines, "calls.jsonl.gz"),
    "rejects alone": (_rejects, "calls.jsonl"),
    "one object of 25 MB": (_one_object, "run.json"), "lines of a packed gigabyte": (_bomb, "calls.jsonl.gz"),
    "a value of a packed gigabyte": (_bomb_of_one_value, "run.json.gz"),
}  # fmt: skip


@pytest.mark.parametrize("piped", [False, True], ids=["file", "standard input"])
@pytest.mark.parametrize("name", FILES)
def test_no_file_takes_more_memory_than_allowed(name: str, piped: bool, cli: Cli) -> None:
    """Read or refused: the largest resident size of the process is measured by the system."""
    write, file = FILES[name]
    path = cli.folder / file
    with gzip.open(path, "wb", compresslevel=1) if file.endswith(".gz") else path.open("wb") as out:
        for piece in write():
            out.write(piece)
    words = [sys.executable, "-c", MEASURE, *PROGRAM, "ingest", "-" if piped else file, "--db", "store.duckdb", "-q"]
    with path.open("rb") as given:
        done = subprocess.run(
            [*words, "--memory-limit", f"{LIMIT_MB}MB"], cwd=cli.folder, env=cli.environment(),
            stdin=given if piped else subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode in (0, 3), done.stderr
    assert int(done.stdout) <= LIMIT_MB + OWN_MB, f"{done.stdout} MB: {done.stderr}"
