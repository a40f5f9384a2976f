"""The measurements: each is one function that gives rows. Stores are made fresh in a work folder."""

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.generate import HERE, Kind, data_file
from benchmarks.measure import Command, Sample, interleaved, once, remove, warm
from benchmarks.results import Row

SAMPLES = HERE.parent / "sample_traces"
_BY = "model,route,tenant"


@dataclass(frozen=True, slots=True)
class Settings:
    """Scale of the inputs, runs per figure, and the folder for stores."""

    scale: float
    runs: int
    folder: Path

    def input(self, kind: Kind, share: float = 1.0) -> tuple[str, float]:
        """An input file in the page cache, and its size in MB."""
        scale = round(self.scale * share, 6)
        path = data_file(kind, scale)
        if not path.exists():
            once(self.script("generate.py", "--scale", str(scale), "--kind", kind))
        warm(path)
        return str(path), path.stat().st_size / 1e6

    def env(self) -> dict[str, str]:
        """The environment of streamaudit, away from the user's own store."""
        return {**os.environ, "XDG_DATA_HOME": str(self.folder), "NO_COLOR": "1"}

    def tool(self, *arguments: str, fresh: Path | None = None) -> Command:
        """One streamaudit command, with a store that is deleted before it."""
        prepare = (lambda: remove(fresh)) if fresh else (lambda: None)
        return Command([sys.executable, "-m", "streamaudit", *arguments], prepare, self.env())

    def script(self, name: str, *arguments: str, fresh: Path | None = None) -> Command:
        """One script of this folder."""
        prepare = (lambda: remove(fresh)) if fresh else (lambda: None)
        return Command([sys.executable, str(HERE / name), *arguments], prepare, self.env())

    def ingest(self, file: str, store: Path) -> Command:
        """A first ingest into a store of its own."""
        return self.tool("ingest", "-q", "--db", str(store), file, fresh=store)


def ingest_text(settings: Settings) -> list[Row]:
    """Text-heavy Langfuse lines against DuckDB storing the same fields, and against DuckDB only parsing them."""
    file, size = settings.input("text")
    store, plain = settings.folder / "text.duckdb", settings.folder / "bare.duckdb"
    found = interleaved({
        "streamaudit": settings.ingest(file, store),
        "load": settings.script("bare.py", "load", "text", file, str(plain), fresh=plain),
        "scan": settings.script("bare.py", "scan", "text", file),
    }, settings.runs)  # fmt: skip
    case, own = "ingest-text", found["streamaudit"]
    return [
        Row(case, "streamaudit ingest", own, size, "stored by DuckDB", found["load"], "≤ 1.3"),
        Row(case, "the same against parsing alone", own, size, "parsed by DuckDB", found["scan"]),
        Row(case, "bare DuckDB, stores the fields, texts too", found["load"], size),
        Row(case, "bare DuckDB, parses the fields", found["scan"], size),
    ]


def ingest_lean(settings: Settings) -> list[Row]:
    """Lean raw lines against DuckDB storing the fields that are in the file as text."""
    file, size = settings.input("lean")
    store, plain = settings.folder / "lean.duckdb", settings.folder / "bare.duckdb"
    found = interleaved({
        "streamaudit": settings.ingest(file, store),
        "load": settings.script("bare.py", "load", "lean", file, str(plain), fresh=plain),
    }, settings.runs)  # fmt: skip
    case, calls = "ingest-lean", _lines(file)
    return [
        Row(case, "streamaudit ingest", found["streamaudit"], size, "stored by DuckDB", found["load"], "≤ 1.5"),
        Row(case, "bare DuckDB, stores the fields", found["load"], size),
        Row(case, "store size", value=f"{store.stat().st_size / calls:.0f} B a call", target="< 250 B"),
        Row(case, "bare DuckDB's file", value=f"{plain.stat().st_size / calls:.0f} B a call"),
    ]


def reingest(settings: Settings) -> list[Row]:
    """The lean file again: with --force against the first time, and unchanged."""
    file, size = settings.input("lean")
    store = settings.folder / "again.duckdb"
    found = interleaved({
        "first": settings.ingest(file, store),
        "forced": settings.tool("ingest", "-q", "--force", "--db", str(store), file),
        "unchanged": settings.tool("ingest", "-q", "--db", str(store), file),
    }, settings.runs)  # fmt: skip
    return [
        Row("reingest", "ingest --force", found["forced"], size, "first ingest", found["first"], "≤ 1"),
        Row("reingest", "ingest, unchanged", found["unchanged"], None, "first ingest", found["first"], "at once"),
    ]


def memory(settings: Settings) -> list[Row]:
    """Peak memory of ingesting a quarter of each file and the whole of it."""
    rows = []
    kinds: tuple[Kind, ...] = ("text", "lean")
    for kind in kinds:
        peaks: list[Sample] = []
        for share in (0.25, 1.0):
            file, size = settings.input(kind, share)
            peaks.append(once(settings.ingest(file, settings.folder / "memory.duckdb")))
            rows.append(Row("memory", f"ingest {kind}, {size:,.0f} MB", peaks[-1], size, target="< 1,500 MB"))
        growth = peaks[1].rss_mb / peaks[0].rss_mb
        rows.append(Row("memory", f"{kind}: peak at 4 times the size", value=f"x {growth:.2f}", target="flat"))
    return rows


def report(settings: Settings) -> list[Row]:
    """A report by model, route and tenant over twice the lean file's calls, against the bare group-by on its table."""
    file, _ = settings.input("lean")
    store = settings.folder / "report.duckdb"
    once(settings.ingest(file, store))
    once(settings.script("multiply.py", str(store)))
    found = interleaved({
        "streamaudit": settings.tool("report", "--by", _BY, "--format", "json", "--db", str(store)),
        "groups": settings.script("bare.py", "groups", str(store)),
        "report": settings.script("bare.py", "report", str(store)),
    }, settings.runs)  # fmt: skip
    case, own, calls = "report", found["streamaudit"], 2 * _lines(file)
    return [
        Row(case, f"report --by {_BY}, {calls:,} calls", own, None, "bare group-by", found["groups"], "≤ 1.3 + 0.4 s"),
        Row(case, "the same", own, None, "bare group-by and total", found["report"]),
        Row(case, "bare group-by", found["groups"]),
        Row(case, "bare group-by and total", found["report"]),
    ]


def startup(settings: Settings) -> list[Row]:
    """What every command pays: --help, and a report on a store of the size of the demo."""
    store = settings.folder / "demo.duckdb"
    samples = sorted(str(path) for path in SAMPLES.glob("*.gz"))
    prepare = settings.tool("ingest", "-q", "--db", str(store), *samples, fresh=store)
    once(prepare)
    found = interleaved({
        "help": settings.tool("--help"),
        "report": settings.tool("report", "--by", "tenant", "--db", str(store)),
        "python": Command([sys.executable, "-c", "import duckdb; duckdb.connect()"]),
    }, settings.runs)  # fmt: skip
    return [
        Row("startup", "streamaudit --help", found["help"], target="< 0.2 s"),
        Row("startup", "report on the demo store", found["report"], target="< 0.6 s"),
        Row("startup", "import duckdb and connect, for scale", found["python"]),
    ]


def peers(settings: Settings) -> list[Row]:
    """The report's question straight from the lean file, by others."""
    file, size = settings.input("lean")
    commands = {"streamaudit report FILE": settings.tool("report", "-q", "--by", _BY, "--format", "json", file)}
    for name in ("duckdb", "polars", "pandas"):
        if importlib.util.find_spec(name):
            commands[f"{name} script"] = settings.script(f"peers/report_{name}.py", file)
    if shutil.which("jq"):
        commands["jq and awk, no percentiles"] = Command(["sh", str(HERE / "peers" / "report_jq.sh"), file])
    found = interleaved(commands, settings.runs)
    own = found["streamaudit report FILE"]
    return [
        Row("peers", name, sample, size, *(("", None) if sample is own else ("streamaudit", own)))
        for name, sample in found.items()
    ]


def _lines(file: str) -> int:
    with open(file, "rb") as stream:
        return sum(block.count(b"\n") for block in iter(lambda: stream.read(1 << 22), b""))


CASES: dict[str, Callable[[Settings], list[Row]]] = {
    "ingest-text": ingest_text,
    "ingest-lean": ingest_lean,
    "reingest": reingest,
    "memory": memory,
    "report": report,
    "startup": startup,
    "peers": peers,
}
