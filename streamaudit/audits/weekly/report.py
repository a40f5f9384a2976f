"""The summary as a report: figures of both periods, the largest changes and their causes, broken thresholds.

Only those caveats are included that change how the figures are read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from streamaudit.audits import history
from streamaudit.audits import overview as overview
from streamaudit.audits.diff import report as diffs
from streamaudit.audits.diff.compare import Compared, compare
from streamaudit.audits.diff.counts import Scan
from streamaudit.audits.diff.question import Ask, Side, parse_names
from streamaudit.audits.diff.scan import scan
from streamaudit.audits.failures.suppressions import Suppression
from streamaudit.audits.scope.scope import MAX_BY, Scope
from streamaudit.audits.weekly import failures
from streamaudit.audits.weekly.changes import money
from streamaudit.audits.weekly.completeness import reach_notes
from streamaudit.audits.weekly.figures import figures
from streamaudit.audits.weekly.headline import describe
from streamaudit.audits.weekly.input_money import add_input_money
from streamaudit.audits.weekly.movers import compare_deploys, deploys_table, movers_table, new_deploys
from streamaudit.audits.weekly.period import Period, find_earlier_start
from streamaudit.errors import UsageError
from streamaudit.report.model import Interval, Note, Report, Table, Value
from streamaudit.stats import decide
from streamaudit.store.dimensions import PLAIN
from streamaudit.store.store import Store

if TYPE_CHECKING:
    from streamaudit.audits.check.evaluate import Evaluations
    from streamaudit.audits.check.report import Alias

DIMENSIONS = ("tenant", "route", "model")
MOST_DIMENSIONS = MAX_BY - 1
"""The last place is the deploy's, which explains changes."""
MOVERS = 2
"""Default number of movers per dimension and kind."""
TREND_PERIODS = 8
_LEAST_TREND = 3
SAMPLE_WEEK = "2026-W47"
"""The last week of the sample traces."""
MIN_NOTED = 0.01
"""A gap in a smaller share of the calls changes no figure of a summary."""

_CAVEATS = frozenset({
    "empty", "data_range", "data_starts", "sampled", "diversity_sampled", "rejected", "no_tenant", "tenant_from_user",
    "no_cancels", "no_start_time", "other_hours", "inputs_changed", "percentiles_from_buckets", "export_narrowed",
})  # fmt: skip
_CAVEATS_OF_SHARE = frozenset({"usage_unknown", "cost_unknown", "outcome_unknown", "outcome_word"})

_NOT_AUDITED = Note(
    "not_audited", "an export has no steps of traces, so streaming failures and input paid twice are not looked for: "
    "streamaudit audit asks a store",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Checked:
    """The evaluated thresholds of the period, and the function that shows the names in them."""

    findings: "Evaluations"
    alias: "Alias | None" = None


def parse_dimensions(text: str | None) -> tuple[str, ...]:
    """Parse the dimensions to look for movers in. Raises UsageError for unknown ones, the deploy, or too many."""
    found = parse_names("--by", text, tuple(name for name in PLAIN if name != "deploy")) or DIMENSIONS
    if len(found) > MOST_DIMENSIONS:
        raise UsageError(f"--by takes at most {MOST_DIMENSIONS} dimensions here; the deploy is always looked at")
    return found


def run(
    store: Store, scope: Scope, period: Period, *, movers: int = MOVERS, checked: Checked | None = None,
    suppressions: Sequence[Suppression] = (), today: date | None = None,
) -> Report:  # fmt: skip
    """Return the summary of a period; ``scope.by`` names the dimensions to look for movers in.

    ``suppressions`` are findings of audits that are accepted; ``today`` is the day in the scope's zone unless given.
    """
    dimensions = scope.by or DIMENSIONS
    now = replace(scope, by=(), since=period.since, until=period.until, top=None)
    then = replace(now, since=period.before, until=period.since)
    head, base = overview.run(store, now), overview.run(store, then)
    both = replace(scope, by=(), since=period.before, until=period.until, top=None)
    ask = Ask(
        None, Side(None, period.before, period.since), Side(None, period.since, period.until),
        ("ttft", "cancel_rate", "error_rate", "tax_rate"), ("p50", "p95"),
    )  # fmt: skip
    totals: list[Compared] = []
    groups: dict[str, list[Compared]] = {}
    comparison_notes: list[Note] = []
    for name in dimensions:  # not at the same time: the counts of a large store take much memory
        counts = scan(store, replace(both, by=(name,)), ask, taxed=True)
        rows = compare(counts, ask, 1)
        if not totals:
            totals = [row for row in rows if row.group is None]
            comparison_notes = list(_of_the_comparison(counts, rows, both))
        groups[name] = [row for row in rows if row.group is not None]
    asked = replace(both, by=(*dimensions, "deploy"))
    found = money(store, asked, ask)
    live = new_deploys(found, period)
    deployed = compare_deploys(store, both, ask, found, live)
    groups["deploy"] = [row for one in deployed for row in one.rows]
    decide([row.found for row in (*totals, *(row for listed_rows in groups.values() for row in listed_rows))])
    # Compared with no data, everything would be a mover.
    moved = movers_table(store, asked, ask, found, groups, movers) if _any(head) and _any(base) else None
    trend, reach = list(_trend(store, scope, period)), list(reach_notes(store, now))
    # Audits come last: they prepare the calls without their tax.
    today = today or datetime.now(ZoneInfo(scope.tz)).date()
    audited = store.engine is None
    failed = failures.find_changes(store, both, period, suppressions, today) if audited and _any(head) else []
    changed = failed if _any(base) else []
    if moved is not None and movers and audited:
        moved = add_input_money(store, both, moved, dimensions)
    tables = [
        figures(head.tables[0], base.tables[0], totals, head.notes, _lines(trend)),
        *([moved] if moved else []), *([deploys_table(live)] if live and _any(base) else []),
        *failures.changes_table(changed), *_gates(checked), *trend[:1],
    ]  # fmt: skip
    notes = (
        *reach, *_caveats(head), *comparison_notes, *_no_base(base, head), *_tally(checked),
        *failures.tally(failed, period, compared=_any(base)), *(() if audited else (_NOT_AUDITED,)),
    )  # fmt: skip
    answer, names = describe(head, base, totals, deployed, [*failures.describe(changed), *_broken(checked)])
    return Report(
        _title(period), Interval(period.since, period.until, scope.tz), tuple(tables), dimensions, head.filters, notes,
        checked.findings.verdict if checked else None, headline=answer, headline_names=names,
        command="weekly",
    )  # fmt: skip


def _broken(checked: Checked | None) -> Iterator[str]:
    if checked is not None:
        broken = [
            f"{count:,} {word}" for word, count in (
                ("failed", checked.findings.count("fail")), ("warned", checked.findings.count("warn")),
            ) if count
        ]  # fmt: skip
        yield f"Thresholds: {', '.join(broken) or 'none broken'}."


def _any(report: Report) -> bool:
    return not any(note.code == "empty" for note in report.notes)


def _title(period: Period) -> str:
    if period.kind == "window":
        return "This window vs the one before"
    return f"{period.kind.capitalize()} {period.name} vs {period.before_name}"


def _gates(checked: Checked | None) -> Iterator[Table]:
    if checked is not None:
        from streamaudit.audits.check import report as checks

        found = checked.findings
        pressing = replace(found, rows=tuple(one for one in found.rows if one.verdict in ("fail", "warn", "held")))
        table = checks.report(pressing, everything=True, alias=checked.alias).tables[0]
        if table.rows:
            yield replace(table, name="gates", title="thresholds that were broken")


def _tally(checked: Checked | None) -> Iterator[Note]:
    if checked is not None:
        from streamaudit.audits.check.report import tally

        yield Note("gates", f"thresholds: {tally(checked.findings)}")


def _trend(store: Store, scope: Scope, period: Period) -> Iterator[Table]:
    """Yield the same figures of the last periods, for a page to draw."""
    if period.kind not in history.BY:
        return
    since = find_earlier_start(period, TREND_PERIODS - 1, scope.tz)
    whole = replace(scope, by=(period.kind,), since=since, until=period.until, top=None)
    found = history.run(store, whole).tables
    yield replace(found[0], name="trend", title="the last periods", aside=True)
    yield from (replace(table, aside=True) for table in found if table.name == "trends")


def _lines(trend: Sequence[Table]) -> dict[str, Value]:
    """Return each figure over the last periods, by its name; none where two or fewer periods are no trend."""
    if not trend or len(trend[0].rows) < _LEAST_TREND:
        return {}
    return {str(row["figure"]): row["trend"] for table in trend if table.name == "trends" for row in table.records()}


def _caveats(head: Report) -> Iterator[Note]:
    calls = next(head.tables[0].records())["calls"]
    whole = calls if isinstance(calls, int) else 0
    for note in head.notes:
        if note.code in _CAVEATS or (note.code in _CAVEATS_OF_SHARE and (note.count or 0) >= MIN_NOTED * whole):
            yield replace(note, about=())


def _of_the_comparison(counts: Scan, rows: list[Compared], scope: Scope) -> Iterator[Note]:
    together = False
    for note in diffs.caveats(rows, counts, scope) if all(counts.periods) else ():
        moved = note.code.startswith("moved_together")
        if note.code in _CAVEATS or note.code.startswith("no_counterpart") or (moved and not together):
            together |= moved
            yield note


def _no_base(base: Report, head: Report) -> Iterator[Note]:
    if _any(head) and not _any(base):
        yield Note("no_base", "the period before has no calls, so nothing is compared")
