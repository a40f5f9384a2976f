"""The measurements: each is one function that gives targets and rows. Stores are made fresh in a work folder."""

import sys
from collections.abc import Callable

from benchmarks.cases_of_files import small_files
from benchmarks.cases_of_sources import sources
from benchmarks.generate import HERE, Kind
from benchmarks.measure import Command, Sample, interleaved, once
from benchmarks.peers.compare import compare_peers
from benchmarks.results import Findings, Goal, Row
from benchmarks.settings import Settings, lines

SAMPLES = HERE.parent / "sample_traces"
BY = "model,route,tenant"
DIFF = (
    "--base-since", "2026-10-01", "--since", "2026-10-16", "--by", "tenant,model", "--metric",
    "ttft,duration,tpot,cancel_rate",
)  # fmt: skip
"""Half of the calls against the other half."""
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
            _at_most(what, own, found["load"], 1.3, "DuckDB storing the fields"),
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
    """Lean raw lines against DuckDB storing the fields that are in the file as text."""
    file, size = settings.input("lean")
    store, plain = settings.folder / "lean.duckdb", settings.folder / "bare.duckdb"
    found = interleaved({
        "streamaudit": settings.ingest(file, store),
        "load": settings.script("bare.py", "load", "lean", file, str(plain), fresh=plain),
    }, settings.runs)  # fmt: skip
    case, calls = "ingest-lean", lines(file)
    own, theirs = (path.stat().st_size / calls for path in (store, plain))
    what = f"ingest, lean raw lines, {calls:,} calls"
    return Findings(
        (
            _at_most(what, found["streamaudit"], found["load"], 1.5, "DuckDB storing the fields"),
            Goal("store, without chunk lists", "< 250 B a call", f"{own:.0f} B a call", own < 250),
        ),
        (
            Row(case, "streamaudit ingest", found["streamaudit"], size, "stored by DuckDB", found["load"]),
            Row(case, "bare DuckDB, stores the fields", found["load"], size, note=f"its file: {theirs:.0f} B a call"),
        ),
    )


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
            _at_most("ingest of the same file again, --force", found["forced"], first, _NOISE, "the first time", "≤ 1"),
            Goal("ingest of the same file, unchanged", "< 1 s", f"{unchanged_s:.2f} s", unchanged_s < 1),
        ),
        (
            Row(case, "first ingest", first, size),
            Row(case, "ingest --force", found["forced"], size, "first ingest", first),
            Row(case, "ingest, unchanged", found["unchanged"], None, "first ingest", first),
        ),
    )


def memory(settings: Settings) -> Findings:
    """Peak memory of ingesting a quarter of each file and the whole of it, with the default settings."""
    goals: list[Goal] = []
    rows: list[Row] = []
    kinds: tuple[Kind, ...] = ("text", "lean")
    for kind in kinds:
        peaks: list[float] = []
        for share in (0.25, 1.0):
            file, size = settings.input(kind, share)
            sample = once(settings.ingest(file, settings.folder / "memory.duckdb"))
            peaks.append(sample.rss_mb)
            rows.append(Row("memory", f"ingest {kind}, {size:,.0f} MB", sample, size))
        growth = peaks[1] / peaks[0]
        goals += [
            Goal(f"peak memory of ingest, {kind}", "< 600 MB", f"{max(peaks):,.0f} MB", max(peaks) < 600),
            Goal("the same at 4 times the size", "flat: ≤ 1.1 x", f"{growth:.2f} x", growth <= 1.1),
        ]
    return Findings(tuple(goals), tuple(rows))


def report(settings: Settings) -> Findings:
    """A report by model, route and tenant over twice the lean file's calls, against the bare group-by on its table."""
    file, _ = settings.input("lean")
    store = settings.folder / "report.duckdb"
    once(settings.ingest(file, store))
    once(settings.script("multiply.py", str(store)))
    found = interleaved({
        "streamaudit": settings.tool("report", "--by", BY, "--format", "json", "--db", str(store)),
        "diff": settings.tool("diff", *DIFF, "--format", "json", "--db", str(store)),
        "groups": settings.script("bare.py", "groups", str(store)),
        "report": settings.script("bare.py", "report", str(store)),
    }, settings.runs)  # fmt: skip
    case, own, diff, calls = "report", found["streamaudit"], found["diff"], 2 * lines(file)
    ratio = max(own.cpu_s - 0.4, 0) / found["groups"].cpu_s
    return Findings(
        (
            Goal(
                f"report --by {BY}, {calls:,} calls", "≤ 1.3 x the bare group-by + 0.4 s", f"{ratio:.2f} x + 0.4 s",
                ratio <= 1.3,
            ),
            Goal(
                f"diff of {calls:,} calls, 200 groups, four metrics", "< 10 s", f"{diff.wall_s:.1f} s",
                diff.wall_s < 10,
            ),
            Goal("the same, peak memory", "< 1,000 MB", f"{diff.rss_mb:,.0f} MB", diff.rss_mb < 1000),
        ),
        (
            Row(case, f"report, {calls:,} calls", own, None, "bare group-by", found["groups"]),
            Row(case, "the same", own, None, "bare group-by and total", found["report"]),
            Row(case, f"diff, {calls:,} calls", diff, None, "bare group-by", found["groups"]),
            Row(case, "bare group-by", found["groups"]),
            Row(case, "bare group-by and total", found["report"]),
        ),
    )  # fmt: skip


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
    each = own.cpu_s / calls * 1e6
    return Findings(
        (
            Goal(
                f"all audits of {calls:,} calls, chunk times of 5 %", "≤ 12 CPU s a million (10 M in 60 s on 2 cores)",
                f"{each:.1f} CPU s", each <= 12,
            ),
            Goal("the same, peak memory", "< 1,500 MB", f"{own.rss_mb:,.0f} MB", own.rss_mb < 1500),
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
            Goal("report on the demo store", "< 0.6 s", f"{report_s:.2f} s", report_s < 0.6),
        ),
        (
            Row("startup", "streamaudit --help", found["help"]),
            Row("startup", "report on the demo store", found["report"]),
            Row("startup", "an empty Python, for scale", found["python"]),
            Row("startup", "import duckdb and connect, for scale", found["duckdb"]),
        ),
    )


def _at_most(what: str, own: Sample, other: Sample, limit: float, named: str, shown: str | None = None) -> Goal:
    """A target for the ratio of CPU times."""
    ratio = own.cpu_s / other.cpu_s
    return Goal(what, f"{shown or f'≤ {limit:g}'} x {named}", f"{ratio:.2f} x", ratio <= limit)


CASES: dict[str, Callable[[Settings], Findings]] = {
    "ingest-text": ingest_text,
    "ingest-lean": ingest_lean,
    "sources": sources,
    "small-files": small_files,
    "reingest": reingest,
    "memory": memory,
    "report": report,
    "audits": audits,
    "startup": startup,
    "peers": compare_peers,
}
