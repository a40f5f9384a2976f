"""Follow a busy folder of logs for long, and compare the store with one clean reading: ``python -m tests.soak``.

``--minutes 60 --files 1000 --kill-every 60``: logs grow in pieces that end in the middle of a line, new ones appear,
a log is rotated and the follower is killed at every turn, and reports read the store meanwhile. Prints one line of JSON
and exits with 1 unless both stores are equal and memory and open files of the follower stayed flat.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from tests.cli.running import PROGRAM
from tests.cli.traffic import Record, as_lines, call

_TICK_S = 0.2
_OF_ONE_LOAD = ("load_id", "record_hash")
"""Columns that name the reading itself."""


@dataclass
class Logs:
    """A folder of logs that grow, and what was written in all."""

    folder: Path
    files: int
    chance: random.Random
    written: int = 0
    rotations: int = 0
    rest: dict[Path, str] = field(default_factory=dict)

    def append(self) -> None:
        """Write the rest of a line that was cut before and some calls more, and cut the last of them in the middle."""
        path = self.folder / f"app-{self.chance.randrange(self.files)}.jsonl"
        text = self.rest.pop(path, "") + as_lines(self._calls(self.chance.randint(1, 5)))
        cut = self.chance.randrange(1, len(text)) if self.chance.random() < 0.5 else len(text)
        self._write(path, text[:cut])
        if text[cut:]:
            self.rest[path] = text[cut:]

    def rotate(self) -> None:
        """Give a log that ends with a whole line another name; the next call opens a new one."""
        whole = [path for path in sorted(self.folder.glob("app-*.jsonl")) if path not in self.rest]
        if whole:
            self.rotations += 1
            path = self.chance.choice(whole)
            path.rename(self.folder / f"old-{self.rotations}-{path.name}")

    def finish(self) -> None:
        """End every line."""
        for path, text in self.rest.items():
            self._write(path, text)
        self.rest.clear()

    def _calls(self, count: int) -> Iterator[Record]:
        for _ in range(count):
            self.written += 1
            yield call(self.written, tenant_id=f"t{self.written % 7}", metadata={"at": self.written})

    @staticmethod
    def _write(path: Path, text: str) -> None:
        with path.open("a") as log:
            log.write(text)


@dataclass(frozen=True)
class Sample:
    """Memory and open files of the follower, and how long it had been running."""

    age_s: float
    rss_mb: float
    handles: int


def _sample(process: subprocess.Popen[bytes], started: float) -> Sample | None:
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
        handles = len(os.listdir(f"/proc/{process.pid}/fd"))
    except OSError:
        return None
    rss_kb = next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")), None)
    return None if rss_kb is None else Sample(time.monotonic() - started, rss_kb / 1024, handles)


def _follow(folder: Path, store: Path) -> subprocess.Popen[bytes]:
    argv = (*PROGRAM, "ingest", str(folder), "--watch", "--every", "0.5s", "--db", str(store), "-q")
    return subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _run(*words: str | Path) -> int:
    return subprocess.run([*PROGRAM, *map(str, words)], capture_output=True, check=False).returncode


def differing(one: Path, other: Path) -> int:
    """Count the calls that only one of two stores has, or that differ in any column but those of the load."""
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{one}' AS one (READ_ONLY); ATTACH '{other}' AS other (READ_ONLY)")
        sides = [f"SELECT * EXCLUDE ({', '.join(_OF_ONE_LOAD)}) FROM {name}.calls" for name in ("one", "other")]
        only = [f"({sides[one]} EXCEPT ALL {sides[1 - one]})" for one in (0, 1)]
        return int(connection.execute(f"SELECT count(*) FROM ({' UNION ALL '.join(only)})").fetchall()[0][0])


def soak(folder: Path, minutes: float, files: int, kill_every_s: float, seed: int = 1) -> dict[str, Any]:
    """Run it and return what was counted."""
    logs = Logs(folder / "logs", files, random.Random(seed))
    logs.folder.mkdir()
    store, clean = folder / "store.duckdb", folder / "clean.duckdb"
    lives: list[list[Sample]] = []
    reads: dict[int, int] = {}
    end = time.monotonic() + minutes * 60
    while time.monotonic() < end:
        started, life = time.monotonic(), list[Sample]()
        follower = _follow(logs.folder, store)
        while time.monotonic() < min(end, started + kill_every_s):
            for _ in range(5):
                logs.append()
            if len(life) % 25 == 24:
                code = _run("report", "--db", store, "--wait", "30s", "--format", "json")
                reads[code] = reads.get(code, 0) + 1
            if (sample := _sample(follower, started)) is not None:
                life.append(sample)
            time.sleep(_TICK_S)
        lives.append(life)
        logs.rotate()
        follower.send_signal(signal.SIGKILL)
        follower.wait()
    logs.finish()
    caught_up = _run("ingest", logs.folder, "--db", store, "-q")
    read_whole = _run("ingest", logs.folder, "--db", clean, "-q")
    peaks = [max(sample.rss_mb for sample in life) for life in lives if life]
    return {
        "minutes": minutes, "calls": logs.written, "files": len(list(logs.folder.iterdir())), "kills": len(lives),
        "rotations": logs.rotations, "reports_by_exit_code": reads, "exit_codes": [caught_up, read_whole],
        "calls_that_differ": differing(store, clean),
        "first_peak_mb": round(peaks[0]), "last_peak_mb": round(peaks[-1]),
        "most_open_files": max(sample.handles for life in lives for sample in life),
        "flat": peaks[-1] <= 1.2 * peaks[0] + 20,
    }  # fmt: skip


def main() -> int:
    """Command line of the soak."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--kill-every", type=float, default=60, metavar="SECONDS")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = soak(Path(folder), options.minutes, options.files, options.kill_every)
    print(json.dumps(found))
    return int(bool(found["calls_that_differ"]) or not found["flat"] or any(found["exit_codes"]))


if __name__ == "__main__":
    sys.exit(main())
