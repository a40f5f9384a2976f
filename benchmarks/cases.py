"""The measurements: each is one function that gives targets and rows. Stores are made fresh in a work folder."""

import sys
from collections.abc import Callable

from benchmarks.cases_of_files import small_files
from benchmarks.cases_of_reports import answers, report
from benchmarks.cases_of_sources import sources
from benchmarks.generate import HERE, Kind
from benchmarks.measure import Command, interleaved, once
from benchmarks.peers.compare import compare_peers
from benchmarks.results import Findings, Goal, Row, at_most, at_size
from benchmarks.settings import Settings, lines

SAMPLES = HERE.parent / "sample_traces"
_NOISE = 1.05
"""Two measurements of the same work differ by as much."""


def ingest_text(settings: Settings) -> Findings:
    """Text-heavy Langfuse lines against DuckDB storing the same fields, and against DuckDB only parsing them."""
    file, size = settings.input("text")
    store, plain = settings.folder / "text.duckdb", settings.folder / "bare.duckdb"
    found = interleaved({
        "streamaudit": settings.ingest(file, store),
        "load": settings.script("bare.py", "load", "text", file, str(plain), fresh=plain),
        "scan": settings.script("bare.py", "scan", "text", file),
    }, settings.runs)  # fmt: skip
    case, own = "ingest-text", found["streamaudit"]
    speed = found["scan"].cpu_s / own.cpu_s
    what = f"ingest, text-heavy Langfuse lines, {size:,.0f} MB"
    return Findings(
        (
            at_most(what, own, found["load"], 0.44, "DuckDB storing the fields"),
            Goal("the same", "≥ 0.6 x the speed of parsing alone", f"{speed:.2f} x", speed >= 0.6),
        ),
        (
            Row(case, "streamaudit ingest", own, size, "stored by DuckDB", found["load"]),
            Row(case, "the same against parsing alone", own, size, "parsed by DuckDB", found["scan"]),
            Row(case, "bare DuckDB, stores the fields, texts too", found["load"], size),
            Row(case, "bare DuckDB, parses the fields", found["scan"], size),
        ),
    )


def ingest_lean(settings: Settings) -> Findings:
    """A fifth of the lean raw lines and all of them, against DuckDB storing the fields that are in the file as text."""
    goals: list[Goal] = []
    rows: list[Row] = []
    for share in (0.2, 1.0):
        file, size = settings.input("lean", share)
        store, plain = settings.folder / "lean.duckdb", settings.folder / "bare.duckdb"
        found = interleaved({
            "streamaudit": settings.ingest(file, store),
            "load": settings.script("bare.py", "load", "lean", file, str(plain), fresh=plain),
        }, settings.runs)  # fmt: skip
        calls = lines(file)
        own, theirs = (path.stat().st_size / calls for path in (store, plain))
        what, note = f"ingest, lean raw lines, {calls:,} calls", f"its file: {theirs:.0f} B a call"
        goals.append(at_most(what, found["streamaudit"], found["load"], 1.8, "DuckDB storing the fields"))
        rows += [
            Row("ingest-lean", f"streamaudit ingest, {calls:,} calls", found["streamaudit"], size, "stored by DuckDB",
                found["load"]),
            Row("ingest-lean", "bare DuckDB, stores the fields", found["load"], size, note=note),
        ]  # fmt: skip
    goals.append(Goal("store, without chunk lists", "≤ 150 B a call", f"{own:.0f} B a call", own <= 150))
    return Findings(tuple(goals), tuple(rows))


def reingest(settings: Settings) -> Findings:
    """The lean file again: with --force against the first time, and unchanged."""
    file, size = settings.input("lean")
    store = settings.folder / "again.duckdb"
    found = interleaved({
        "first": settings.ingest(file, store),
        "forced": settings.tool("ingest", "-q", "--force", "--db", str(store), file),
        "unchanged": settings.tool("ingest", "-q", "--db", str(store), file),
    }, settings.runs)  # fmt: skip
    case, first, unchanged_s = "reingest", found["first"], found["unchanged"].wall_s
    return Findings(
        (
            at_most("ingest of the same file again, --force", found["forced"], first, _NOISE, "the first time", "≤ 1"),
            Goal("ingest of the same file, unchanged", "< 1 s", f"{unchanged_s:.2f} s", unchanged_s < 1),
        ),
        (
            Row(case, "first ingest", first, size),
            Row(case, "ingest --force", found["forced"], size, "first ingest", first),
            Row(case, "ingest, unchanged", found["unchanged"], None, "first ingest", first),
        ),
    )


def memory(settings: Settings) -> Findings:
    """Peak memory of ingesting ever more of each file, with the default settings: lean lines from 0.25 to 16 M."""
    goals: list[Goal] = []
    rows: list[Row] = []
    shares: dict[Kind, tuple[float, ...]] = {"text": (0.25, 1.0), "lean": (0.05, 0.2, 0.8, 3.2)}
    for kind, sizes in shares.items():
        peaks: list[float] = []
        for share in sizes:
            file, size = settings.input(kind, share)
            sample = once(settings.ingest(file, settings.folder / "memory.duckdb"))
            peaks.append(sample.rss_mb)
            rows.append(Row("memory", f"ingest {kind}, {size:,.0f} MB, {lines(file):,} lines", sample, size))
        growth = max(peaks) / min(peaks)
        goals += [
            Goal(f"peak memory of ingest, {kind}", "< 600 MB", f"{max(peaks):,.0f} MB", max(peaks) < 600),
            Goal(f"the same from 1 to {sizes[-1] / sizes[0]:.0f} times the size", "flat: ≤ 1.1 x", f"{growth:.2f} x",
                growth <= 1.1),
        ]  # fmt: skip
    return Findings(tuple(goals), tuple(rows))


def audits(settings: Settings) -> Findings:
    """All audits of streaming failures over twice the lean file's calls, of which 5 % have chunk times."""
    file, _ = settings.input("lean")
    store = settings.folder / "audits.duckdb"
    once(settings.ingest(file, store))
    once(settings.script("multiply.py", str(store)))
    once(settings.script("equip.py", str(store)))
    own = interleaved(
        {"audit": settings.tool("audit", "--format", "json", "--db", str(store))}, settings.runs
    )["audit"]  # fmt: skip
    calls = 2 * lines(file)
    return Findings(
        (
            Goal(f"all audits of {calls:,} calls, chunk times of 5 %", "< 60 s for 10 M", f"{own.wall_s:.1f} s",
                at_size(own.wall_s < 60, calls)),
            Goal("the same, peak memory", "< 1,500 MB", f"{own.rss_mb:,.0f} MB",
                at_size(own.rss_mb < 1500, calls)),
        ),
        (Row("audits", f"audit, {calls:,} calls", own),),
    )  # fmt: skip


def startup(settings: Settings) -> Findings:
    """What every command pays: --help, and a report on a store of the size of the demo."""
    store = settings.folder / "demo.duckdb"
    samples = sorted(str(path) for path in SAMPLES.glob("*.gz"))
    once(settings.tool("ingest", "-q", "--db", str(store), *samples, fresh=store))
    found = interleaved({
        "help": settings.tool("--help"),
        "report": settings.tool("report", "--by", "tenant", "--db", str(store)),
        "python": Command([sys.executable, "-c", "pass"]),
        "duckdb": Command([sys.executable, "-c", "import duckdb; duckdb.connect()"]),
    }, max(settings.runs, 5))  # fmt: skip
    help_s, report_s = found["help"].wall_s, found["report"].wall_s
    return Findings(
        (
            Goal("streamaudit --help", "< 0.2 s", f"{help_s:.2f} s", help_s < 0.2),
            Goal("report on the demo store", "≤ 0.40 s", f"{report_s:.2f} s", report_s <= 0.4),
        ),
        (
            Row("startup", "streamaudit --help", found["help"]),
            Row("startup", "report on the demo store", found["report"]),
            Row("startup", "an empty Python, for scale", found["python"]),
            Row("startup", "import duckdb and connect, for scale", found["duckdb"]),
        ),
    )


CASES: dict[str, Callable[[Settings], Findings]] = {
    "ingest-text": ingest_text,
    "ingest-lean": ingest_lean,
    "sources": sources,
    "small-files": small_files,
    "reingest": reingest,
    "memory": memory,
    "report": report,
    "answers": answers,
    "audits": audits,
    "startup": startup,
    "peers": compare_peers,
}
