"""What a question costs: over large stores against the bare group-by, and against DuckDB reading the file each time."""

from pathlib import Path

from benchmarks.measure import interleaved, once
from benchmarks.results import Findings, Goal, Row, at_most, at_size
from benchmarks.settings import Settings, lines

BY = "model,route,tenant"
DIFF = (
    "--base-since", "2026-10-01", "--since", "2026-10-16", "--by", "tenant,model", "--metric",
    "ttft,duration,tpot,cancel_rate",
)  # fmt: skip
"""Half of the calls against the other half."""


def report(settings: Settings) -> Findings:
    """A report by model, route and tenant against the bare group-by on its table, over twice the lean file's calls and
    over a fifth of them; and a diff of the former."""
    large, small = _report(settings, 1.0, doubled=True), _report(settings, 0.2, doubled=False)
    return Findings((*large.goals, *small.goals), (*large.rows, *small.rows))


def _report(settings: Settings, share: float, *, doubled: bool) -> Findings:
    file, _ = settings.input("lean", share)
    store = settings.folder / "report.duckdb"
    once(settings.ingest(file, store))
    if doubled:
        once(settings.script("multiply.py", str(store)))
    commands = {
        "streamaudit": settings.tool("report", "--by", BY, "--format", "json", "--db", str(store)),
        "groups": settings.script("bare.py", "groups", str(store)),
        "report": settings.script("bare.py", "report", str(store)),
    }
    if doubled:
        commands["diff"] = settings.tool("diff", *DIFF, "--format", "json", "--db", str(store))
    found = interleaved(commands, settings.runs)
    case, own, calls = "report", found["streamaudit"], (2 if doubled else 1) * lines(file)
    ratio = max(own.cpu_s - 0.4, 0) / found["groups"].cpu_s
    goals = [
        Goal(f"report --by {BY}, {calls:,} calls", "≤ 1.8 x the bare group-by + 0.4 s", f"{ratio:.2f} x + 0.4 s",
            ratio <= 1.8),
    ]  # fmt: skip
    rows = [
        Row(case, f"report, {calls:,} calls", own, None, "bare group-by", found["groups"]),
        Row(case, "the same", own, None, "bare group-by and total", found["report"]),
        Row(case, "bare group-by", found["groups"]),
        Row(case, "bare group-by and total", found["report"]),
    ]
    if doubled:
        diff = found["diff"]
        goals += [
            Goal(f"diff of {calls:,} calls, 200 groups, four metrics", "≤ 6 s for 10 M", f"{diff.wall_s:.1f} s",
                at_size(diff.wall_s <= 6, calls)),
            Goal("the same, peak memory", "< 800 MB", f"{diff.rss_mb:,.0f} MB",
                at_size(diff.rss_mb < 800, calls)),
        ]  # fmt: skip
        rows.append(Row(case, f"diff, {calls:,} calls", diff, None, "bare group-by", found["groups"]))
    return Findings(tuple(goals), tuple(rows))


def answers(settings: Settings) -> Findings:
    """The report's question answered from a store, and straight from the file, against DuckDB that reads the file for
    this one question; over a twentieth and a fifth of the lean file."""
    goals: list[Goal] = []
    rows: list[Row] = []
    for share in (0.05, 0.2):
        file, size = settings.input("lean", share)
        store = settings.folder / "answers.duckdb"
        once(settings.ingest(file, store))
        about = ("report", "-q", "--by", BY, "--format", "json")
        found = interleaved({
            "store": settings.tool(*about, "--db", str(store)),
            "file": settings.tool(*about, file),
            "duckdb": settings.script("peers/report_duckdb.py", file),
        }, settings.runs)  # fmt: skip
        calls, named = lines(file), "DuckDB reading the file"
        goals += [
            at_most(f"report from a store of {calls:,} calls", found["store"], found["duckdb"], 0.5, named),
            at_most(f"report FILE of {Path(file).stat().st_size / 1e6:,.0f} MB", found["file"], found["duckdb"], 3,
                named),
        ]  # fmt: skip
        rows += [
            Row("answers", f"report, {calls:,} calls stored", found["store"], None, named, found["duckdb"]),
            Row("answers", "report FILE", found["file"], size, named, found["duckdb"]),
            Row("answers", "DuckDB, the same question from the file", found["duckdb"], size),
        ]
    return Findings(tuple(goals), tuple(rows))
