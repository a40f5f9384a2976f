"""Measure how answers from an exported folder grow with its calls: DuckDB, and Apache Spark with one and two workers.

``python benchmarks/growth.py [--millions 1,5,20] [--workers 1,2] [--runs 3] [--page]``, in an environment with the
extra ``spark``, and with ``$SPARK_HOME`` where Spark is. ``make bench-growth`` does that.

The first million is read from JSON lines and exported by the program itself; larger folders hold the same files again.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.generate import DATA, RECORDS
from benchmarks.growth_page import KEPT, Measured, keep, tables
from benchmarks.measure import once, pin
from benchmarks.settings import Settings
from streamaudit.api import Result, Session
from streamaudit.config.settings import Settings as Configuration
from tests.engines.cluster import Cluster, cluster

Asked = Mapping[str, Callable[[Session], Result]]
QUESTIONS: Asked = {
    "report by tenant, model": lambda s: s.report(by="tenant,model"),
    "ttft by model": lambda s: s.ttft(by="model"),
    "tax by tenant": lambda s: s.tax(by="tenant", split=True),
    "history by day": lambda s: s.history(by="day"),
    "diff by route": lambda s: s.diff(by="route"),
}
_CORES = 2
_WORKER_MB = 1536
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Command line: measure, print, and keep with ``--page``."""
    options = _options()
    began, load = datetime.now(UTC), os.getloadavg()[0]
    cores = pin(_CORES)
    DATA.mkdir(parents=True, exist_ok=True)
    asked = {name: ask for name, ask in QUESTIONS.items() if name.startswith(tuple(options.questions.split(",")))}
    found: dict[str, Any] = {"questions": list(asked), "sizes": {}, "engines": {}}
    with tempfile.TemporaryDirectory(dir=DATA) as folder:
        place = Path(folder)
        folders = _write(place, options.millions, found)
        for name, engine in _engines(place, options.workers):
            _say(f"{name} ...")
            found["engines"][name] = _measure(engine, folders, asked, options.runs)
    found["about"] = {
        "date": f"{began:%Y-%m-%d %H:%M} UTC",
        "machine": f"{cores} cores, {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9:.0f} GB",
        "load": f"{load:.1f} at the start, {os.getloadavg()[0]:.1f} at the end", "runs": options.runs,
    }  # fmt: skip
    print(tables(found))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    if options.page:
        keep(found)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--millions", type=lambda text: [int(one) for one in text.split(",")], default=[1, 5, 20])
    parser.add_argument("--workers", type=lambda text: [int(one) for one in text.split(",")], default=[1, 2])
    parser.add_argument("--questions", default="", help="words with which the questions begin, separated by commas")
    parser.add_argument("--runs", type=int, default=3, help="runs of a question; the median is shown")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure unrounded here too")
    parser.add_argument("--page", action="store_true", help=f"keep the figures in {KEPT.name} and docs/growth.md")
    return parser.parse_args()


def _write(place: Path, millions: list[int], found: dict[str, Any]) -> dict[int, Path]:
    """The folders by millions of calls; what making the first one took goes into ``found``."""
    settings = Settings(1e6 / RECORDS["lean"], 1, place)
    file, megabytes = settings.input("lean")
    store, first = place / "store.duckdb", place / "1"
    steps = {}
    for step, command in (("ingest", settings.ingest(file, store)),
                          ("export", settings.tool("export", str(first), "--db", str(store)))):  # fmt: skip
        _say(f"{step} ...")
        steps[step] = once(command).cpu_s
    found["json_bytes"], found["store_bytes"] = megabytes * 1e6, store.stat().st_size
    found["cpu_s"] = steps
    folders = {1: first}
    for size in sorted(set(millions) - {1}):
        folders[size] = place / str(size)
        shutil.copytree(first, folders[size])
        for path in first.glob("day=*/*.parquet"):
            for copy in range(1, size):
                target = folders[size] / path.parent.name / f"{path.stem}{copy}.parquet"
                shutil.copyfile(path, target)
    for size in millions:
        parts = list(folders[size].glob("day=*/*.parquet"))
        found["sizes"][str(size)] = {"bytes": sum(part.stat().st_size for part in parts), "files": len(parts)}
    return {size: folders[size] for size in millions}


class Local:
    """DuckDB in this process."""

    address = "duckdb"

    def cpu_s(self) -> float:
        return time.process_time()

    def shuffled(self) -> int:
        return 0


class Spark:
    """A cluster, whose processes are counted with this one."""

    def __init__(self, running: Cluster, log: Path) -> None:
        self.address, self._running, self._log = running.address, running, log

    def cpu_s(self) -> float:
        """CPU seconds of every process of the cluster so far, executors included, and of the client."""
        groups = {one.pid for one in self._running.processes}
        return time.process_time() + sum(_cpu_of(groups))

    def shuffled(self) -> int:
        """Bytes that its tasks have written for others to read, by its event log."""
        total = 0
        for file in self._log.iterdir():
            with file.open(encoding="utf-8", errors="replace") as lines:
                for line in lines:
                    if line.startswith('{"Event":"SparkListenerTaskEnd"') and line.endswith("}\n"):
                        metrics = json.loads(line).get("Task Metrics") or {}
                        total += metrics.get("Shuffle Write Metrics", {}).get("Shuffle Bytes Written", 0)
        return total


def _cpu_of(groups: set[int]) -> Iterator[float]:
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                fields = Path(entry.path, "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) in groups:
                yield (int(fields[11]) + int(fields[12])) * _TICK_S


@contextmanager
def _local(place: Path) -> Iterator[Local]:
    del place
    yield Local()


@contextmanager
def _spark(place: Path, workers: int) -> Iterator[Spark]:
    log = place / f"events{workers}"
    log.mkdir()
    options = {"spark.eventLog.enabled": "true", "spark.eventLog.dir": log.as_uri(),
               "spark.eventLog.compress": "false", "spark.eventLog.rolling.enabled": "false"}  # fmt: skip
    with cluster(place / f"spark{workers}", workers, memory_mb=_WORKER_MB, options=options) as running:
        yield Spark(running, log)


def _engines(place: Path, counts: Sequence[int]) -> Iterator[tuple[str, Local | Spark]]:
    with _local(place) as local:
        yield "DuckDB", local
    for workers in counts:
        with _spark(place, workers) as spark:
            yield f"Spark, {workers} worker{'s' if workers > 1 else ''}", spark


def _measure(
    engine: Local | Spark, folders: dict[int, Path], asked: Asked, runs: int
) -> dict[str, dict[str, Measured]]:
    """What each question takes, by size and question. The first one is asked twice, to warm up what compiles."""
    with Session(Configuration(), data=str(folders[min(folders)]), engine=engine.address) as session:
        next(iter(asked.values()))(session)
    return {str(size): dict(_of_size(engine, folder, asked, runs)) for size, folder in folders.items()}


def _of_size(engine: Local | Spark, folder: Path, asked: Asked, runs: int) -> Iterator[tuple[str, Measured]]:
    with Session(Configuration(), data=str(folder), engine=engine.address) as session:
        session.connect()
        for name, ask in asked.items():
            taken = []
            for _ in range(runs):
                cpu, shuffled, began = engine.cpu_s(), engine.shuffled(), time.perf_counter()
                ask(session)
                wall = time.perf_counter() - began
                taken.append((wall, engine.cpu_s() - cpu, engine.shuffled() - shuffled))
            wall_s, cpu_s, shuffle = (statistics.median(column) for column in zip(*taken, strict=True))
            _say(f"  {folder.name} M, {name}: {wall_s:.1f} s, {cpu_s:.1f} CPU s, {shuffle / 1e6:.1f} MB shuffled")
            yield name, {"wall_s": wall_s, "cpu_s": cpu_s, "shuffle_bytes": shuffle}


def _say(text: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
