"""What an ingest pays for a file rather than for its records: many small files, and a small one into a large store."""

import re
from itertools import islice
from pathlib import Path

from benchmarks.measure import interleaved, once
from benchmarks.results import Findings, Goal, Row
from benchmarks.settings import Settings, lines

_FILES = 5_000
"""At scale 1."""
_LINES = 20
_ID = re.compile(rb'("(?:request|trace)_id":")([0-9a-f]+)')
"""An id among others like it: one that sorts behind them all would be found in no part of the store at a glance."""


def small_files(settings: Settings) -> Findings:
    """Files of 20 lean lines each into a store of their own, and one of them into twice the lean file's calls."""
    file, _ = settings.input("lean")
    store, large = settings.folder / "small.duckdb", settings.folder / "large.duckdb"
    folder = settings.folder / "small"
    files = _split(Path(file), folder, max(10, round(_FILES * settings.scale)))
    new = settings.folder / "new.jsonl"
    once(settings.ingest(file, large))
    once(settings.script("multiply.py", str(large)))
    calls = 2 * lines(file)
    found = interleaved({
        "files": settings.ingest(str(folder), store),
        "one": settings.tool("ingest", "-q", "--db", str(large), str(new)),
        "nothing": settings.tool("ingest", "-q", "--db", str(large), str(new)),
    }, 1)  # fmt: skip
    each = found["files"].cpu_s / files
    added = found["one"].cpu_s - found["nothing"].cpu_s
    return Findings(
        (
            Goal(
                f"ingest, {files:,} files of {_LINES} lines", "≤ 0.01 CPU s a file", f"{each:.4f} CPU s", each <= 0.01
            ),
            Goal(
                f"ingest, one file of {_LINES} lines into {calls:,} calls", "≤ 0.3 CPU s over an unchanged file",
                f"{added:.2f} CPU s", added <= 0.3,
            ),
        ),
        (
            Row("small-files", f"ingest, {files:,} files", found["files"]),
            Row("small-files", f"ingest, a file into {calls:,} calls", found["one"]),
            Row("small-files", "the same, unchanged", found["nothing"]),
        ),
    )  # fmt: skip


def _split(file: Path, folder: Path, files: int) -> int:
    """Write the first lines of a file to small ones, and one whose calls have ids of their own; return their number."""
    folder.mkdir(exist_ok=True)
    with file.open("rb") as stream:
        for number in range(files):
            (folder / f"{number:05d}.jsonl").write_bytes(b"".join(islice(stream, _LINES)))
        first = b"".join(islice(stream, _LINES))
    (folder.parent / "new.jsonl").write_bytes(_ID.sub(lambda found: found[1] + found[2][::-1], first))
    return files
