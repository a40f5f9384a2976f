"""Every question that an export answers, and how far its answer may be from the store's own."""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from streamaudit.api import Filters, Result, Session
from streamaudit.audits.check.thresholds import parse_check
from streamaudit.config.settings import Settings
from streamaudit.report.model import Note, Report, Table
from streamaudit.store.engines.protocol import Engine
from streamaudit.store.exported import ExportedStore

Question = Callable[[Session], Result]

# Not operation=embedding, which Sail 0.7 fails to plan: its own schemas differ in which columns can be NULL.
WINDOW: Filters = {"since": "2026-11-12", "until": "2026-11-18"}
ONLY: Filters = {"only": ["tenant=acme,glob*,-"]}
PERCENTILES = ("_p50_ms", "_p90_ms", "_p95_ms", "_p99_ms", "_per_s_p50")

_ENTRIES: tuple[tuple[str, object, dict[str, object]], ...] = (
    ("ttft_ms", ["p(95)<2600", "avg<900", "p(50)<baseline*1.40"], {"by": "tenant"}),
    ("ttvt_ms", "p(50)<700", {"where": "route=/v1/*"}),
    ("duration_ms", "p(90)<9400", {"by": "model,route", "min_n": 200}),
    ("tpot_ms", "avg<30", {"severity": "warn"}),
    ("cancel_rate", "<0.08", {"by": "group:tenant"}),
    ("error_rate", "<=baseline*1.5", {}),
    ("tax_rate", "<0.02", {"by": "deploy"}),
    ("tax_tokens", "<100000", {}),
    ("tax_usd", "<0.5", {"by": "tenant"}),
    ("cost_usd", "<baseline+1", {"by": "provider"}),
    ("calls", ">=10", {"by": "tenant,model"}),
)
SETTINGS = Settings(
    groups={"big": {"tenant": ("acme", "glob*")}, "small": {"tenant": ("*e*", "st?rk")}},
    checks=tuple(parse_check({"metric": metric, "expect": expect, **more}, f"checks.toml:{line}")
        for line, (metric, expect, more) in enumerate(_ENTRIES, start=1)),
)  # fmt: skip
QUESTIONS: dict[str, Question] = {
    "report": lambda s: s.report(),
    "report by tenant, two and the rest": lambda s: s.report(by="tenant", top=2),
    "report by model and route": lambda s: s.report(by="model,route"),
    "report by hour": lambda s: s.report(by="hour"),
    "report by week and tenant, in a window": lambda s: s.report(by="week,tenant", top=3, **WINDOW),
    "report by operation, some": lambda s: s.report(by="operation", **ONLY),
    "report over time": lambda s: s.report(by="model", trend=True),
    "report of nobody": lambda s: s.report(only=["tenant=acne"]),
    "report of no day": lambda s: s.report(since="2020-01-01", until="2020-02-01"),
    "ttft by tenant": lambda s: s.ttft(by="tenant", top=3, slo="800ms"),
    "ttft by model, OpenTelemetry's bounds": lambda s: s.ttft(by="model", buckets="otel", **WINDOW),
    "tax": lambda s: s.tax(split=True, top_calls=5),
    "tax by month and tenant": lambda s: s.tax(by="month,tenant", top=2, split=True),
    "report by tenant over time, one and the rest": lambda s: s.report(by="tenant", top=1, trend=True, **WINDOW),
    "tax by route and model, three and the rest": lambda s: s.tax(by="route,model", top=3, **ONLY),
    "ttft by provider, OpenTelemetry's bounds, one and the rest": lambda s: s.ttft(
        by="provider", top=1, buckets="otel",
    ),
    "history by deploy": lambda s: s.history(by="deploy"),
    "history by day": lambda s: s.history(by="day"),
    "history by week": lambda s: s.history(by="week"),
    "diff of the last two deploys by route": lambda s: s.diff(by="route"),
    "diff of two weeks by tenant, without strata": lambda s: s.diff(
        base_since="2026-11-09", since="2026-11-16", until="2026-11-23", by="tenant", strata="none", top=4,
    ),
    "diff of two models, waits alone": lambda s: s.diff(
        "gpt-4o-mini", "claude-haiku-4-5", on="model", metric="ttft,ttvt,tpot", stat="p50,p99", skip_first="6h",
        **WINDOW,
    ),
    "diff by week of deploys, some tenants": lambda s: s.diff(by="week,tenant", metric="ttft,tax_rate", **ONLY),
    "diff of a deploy that is none": lambda s: s.diff("2020.1", "2020.2"),
    "check of a window": lambda s: s.check(**WINDOW),
    "check of everything, some tenants": lambda s: s.check(
        since="2026-11-16", until="2026-11-23", on_insufficient="fail", only=ONLY["only"],
    ),
    "weekly": lambda s: s.weekly(week="2026-W47"),
    "weekly of a window by two": lambda s: s.weekly(since="2026-11-14", until="2026-11-18", by="provider,tenant"),
    "diff as a gate": lambda s: s.diff(fail_on="regression", min_effect="10%"),
}  # fmt: skip


def content(report: Report) -> list[object]:
    """What two engines must agree on: every row, mark and note."""
    return [report.interval, report.notes, report.headline, *((one.name, one.rows, one.marks) for one in report.tables)]


def differences(stored: Report, exported: Report) -> Iterator[str]:
    """Where two reports differ: counts and sums at all, dollars by more than rounding, percentiles by more than 1 %."""
    if stored.command == "weekly":
        if not any(note.code == "not_audited" for note in exported.notes):
            yield "what an export cannot look for is not said"
        stored, exported = _without_audits(stored), replace(exported, notes=tuple(_notes_but(exported, "not_audited")))
    if [one.name for one in stored.tables] != [one.name for one in exported.tables]:
        yield f"tables {[one.name for one in stored.tables]} {[one.name for one in exported.tables]}"
        return
    if stored.command == "diff" and (stored.headline, stored.verdict) != (exported.headline, exported.verdict):
        yield f"{stored.headline} {exported.headline}"
    if stored.interval != exported.interval:
        yield f"{stored.interval} {exported.interval}"
    yield from _notes(stored.notes, exported.notes, has_bound=stored.command != "diff")
    for one, other in zip(stored.tables, exported.tables, strict=True):
        # Changes and lines over time follow from percentiles, each of which is compared by itself.
        if one.name not in ("changes", "trends"):
            yield from _rows(one, other)


def _without_audits(report: Report) -> Report:
    """A summary without what the audits of a store add to it: findings, and input that was paid twice."""
    tables = []
    for table in report.tables:
        if table.name == "movers":
            paid_twice = ("cache_missed_usd", "reread_usd")
            table = table.select([at for at, row in enumerate(table.records()) if row["figure"] not in paid_twice])
        if table.name != "failures":
            tables.append(table)
    return replace(report, tables=tuple(tables), notes=tuple(_notes_but(report, "failures")))


def _notes_but(report: Report, code: str) -> Iterator[Note]:
    return (note for note in report.notes if note.code != code)


def _notes(stored: tuple[Note, ...], exported: tuple[Note, ...], *, has_bound: bool) -> Iterator[str]:
    said = {note.code: (note.message, note.count) for note in exported}
    bound = said.pop("percentiles_from_buckets", ("", None))[0]
    if has_bound != ("at most 1 %" in bound):
        yield "the bound of the percentiles is not said, or is where a store's are from buckets too"
    wanted = {note.code: (note.message, note.count) for note in stored}
    yield from (f"note {code}: {wanted.get(code)} {said.get(code)}" for code in wanted | said
                if wanted.get(code) != said.get(code))  # fmt: skip


def _rows(one: Table, other: Table) -> Iterator[str]:
    if len(one.rows) != len(other.rows):
        yield f"{one.name}: {len(one.rows)} rows, {len(other.rows)} exported"
        return
    for index, (wanted, found) in enumerate(zip(one.records(), other.records(), strict=True)):
        for name, value in wanted.items():
            if one.name in ("thresholds", "gates") and str(wanted["metric"]).endswith("_ms"):
                if not _meets(name, wanted, found):
                    yield f"{one.name} row {index} {name}: {value!r} {found[name]!r}"
            elif one.name in ("figures", "movers") and str(wanted["figure"]).endswith("_ms"):
                if not _moves(name, value, found[name]):
                    yield f"{one.name} row {index} {name}: {value!r} {found[name]!r}"
            elif not _same(name, value, found[name]):
                yield f"{one.name} row {index} {name}: {value!r} {found[name]!r}"
    if one.name not in ("thresholds", "gates") and one.marks != other.marks:
        yield f"{one.name}: marks {one.marks} {other.marks}"


def _meets(name: str, wanted: dict[str, Any], found: dict[str, Any]) -> bool:
    """Whether a threshold of a latency is the store's: the same verdict, an interval that holds the store's value."""
    if name in ("value", "baseline", "limit"):
        return _same("_p50_ms", wanted[name], found[name])
    if name == "reason":
        return wanted[name] == found[name] or str(found[name]).startswith("between ")
    if name in ("low", "high") and None not in (wanted["value"], found["low"], found["high"]):
        return bool(found["low"] <= wanted["value"] * (1 + 1e-6) and wanted["value"] <= found["high"] * (1 + 1e-6))
    return bool(wanted[name] == found[name])


def _moves(name: str, value: Any, found: Any) -> bool:
    """Whether a latency of a summary is the store's within the bound of its percentile; its change, of two of them."""
    if name == "change_ratio" and isinstance(value, float):
        return math.isclose(value, found, abs_tol=0.02 * (1 + abs(value)))
    return _same("ttft_by_" if name == "trend" else "_p50_ms", value, found)


def _same(name: str, value: Any, found: Any) -> bool:
    if value is None or found is None:
        return value is found
    if isinstance(value, str) and "_by_" in name:
        pairs = zip(json.loads(str(value)), json.loads(str(found)), strict=True)
        return all(_same("_p50_ms", one, other) for one, other in pairs)
    if isinstance(value, float) and name.endswith(PERCENTILES):
        return math.isclose(value, found, rel_tol=0.01, abs_tol=1e-3)
    return math.isclose(value, found, rel_tol=1e-6, abs_tol=1e-6) if isinstance(value, float) else bool(value == found)


def session_over(folder: Path, engine: Engine) -> Session:
    """Return a session over an exported folder that an engine of its own answers for."""
    session = Session(SETTINGS, data=str(folder))
    session._store = session._open.enter_context(ExportedStore(engine, str(folder)))
    return session
