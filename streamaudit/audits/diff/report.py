"""The report of a diff: verdicts first, uncertainty visible, and the caveats of the two sides."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path
from statistics import median

from streamaudit.audits.diff.baseline import Baseline, join_baseline, save, take_base
from streamaudit.audits.diff.compare import Compared, compare, only_on_one_side
from streamaudit.audits.diff.counts import Period, Scan
from streamaudit.audits.diff.finding import finding_of
from streamaudit.audits.diff.headline import describe, name_metric
from streamaudit.audits.diff.question import METRICS, Ask
from streamaudit.audits.diff.scan import scan
from streamaudit.audits.diff.shown_rows import drop_same_waits
from streamaudit.audits.empty import explain_empty
from streamaudit.audits.metrics import PERCENTILES
from streamaudit.audits.scope.scope import Scope
from streamaudit.report.finding import VERDICTS
from streamaudit.report.model import NO_WINDOW, Column, Interval, Mark, Note, Report, Row, Table
from streamaudit.report.numbers import change, count, ratio
from streamaudit.stats import Comparison
from streamaudit.store.store import Store

TITLE = "streamaudit diff"
SUBJECT = "what changed"

COLUMNS = (
    Column("verdict", None, "regression, improvement, no change or inconclusive", whole=True, essential=True),
    Column("metric", None, "what is compared", whole=True, essential=True),
    Column("stat", None, "percentile, or rate", whole=True, essential=True),
    Column("unit", None, "unit of the values: ms or ratio", wide=True),
    Column("base_n", "calls", "calls of the base", together="n"),
    Column("head_n", "calls", "calls of the head", together="n"),
    Column("base_n_eff", "calls", "independent calls that the base's are worth", wide=True),
    Column("head_n_eff", "calls", "independent calls that the head's are worth", wide=True),
    Column("base_value", None, "value of the base", unit_from="unit", kept=True),
    Column("head_value", None, "value of the head", unit_from="unit", kept=True),
    Column("head_value_at_base_mix", None, "the head's at the base's mix of strata", wide=True, unit_from="unit"),
    Column("change_ratio", "ratio", "change at the base's mix, relative to the base", essential=True, signed=True),
    Column("ci_low_ratio", "ratio", "95 % interval of the change, low end", signed=True, together="interval"),
    Column("ci_high_ratio", "ratio", "95 % interval, high end; NULL has no bound", signed=True,
        together="interval"),
    Column("change_abs", None, "change at the base's mix", wide=True, unit_from="unit"),
    Column("ci_low_abs", None, "95 % interval of it, low end", wide=True, unit_from="unit"),
    Column("ci_high_abs", None, "95 % interval of it, high end", wide=True, unit_from="unit"),
    Column("mix_change_ratio", "ratio", "what another mix of strata adds to the plain change", wide=True, signed=True),
    Column("p_adjusted", None, "p value, corrected for the number of comparisons"),
    Column("from_share", "ratio", "share of the change made by one stratum, if more than half", wide=True),
    Column("reason", None, "why it is inconclusive, and what would help"),
)

_MOVED_TOGETHER, _AT_LEAST = 0.5, 6
_SAME_HOURS = 0.8
_LONGER = 0.2


def run(store: Store, scope: Scope, ask: Ask) -> Report:
    """Compare both sides by ``scope.by``: one row per group, metric and statistic, then those of the total."""
    taxed = "tax_rate" in ask.metrics
    scope.prepare(store, taxed=taxed)
    counts = scan(store, scope, ask, taxed=taxed)
    report = build_report(counts, scope, ask)
    if all(counts.periods):
        return report
    return replace(report, notes=tuple(_explain_side(store, scope, ask, counts, note) for note in report.notes))


def _explain_side(store: Store, scope: Scope, ask: Ask, counts: Scan, note: Note) -> Note:
    """Return the note that a side has no calls with the reason, such as a mistyped name."""
    if note.code != "empty":
        return note
    side = ask.base if counts.periods[0] is None else ask.head
    only = (*scope.only, (ask.on, side.value)) if ask.on and side.value is not None else scope.only
    why = explain_empty(
        store, replace(scope, only=only, since=side.since or scope.since, until=side.until or scope.until)
    )
    words, hidden = (f"{note.message}: {one}" if one else "" for one in (why.message, why.redacted))
    return replace(note, message=words, redacted=hidden)


def run_against(store: Store, scope: Scope, ask: Ask, baseline: Baseline) -> Report:
    """Compare the head with a saved base."""
    taxed = "tax_rate" in ask.metrics
    scope.prepare(store, taxed=taxed)
    head = scan(store, scope, ask, taxed=taxed, stored_elsewhere=baseline.period, multiple_of_s=baseline.block_s)
    named = replace(ask, base=replace(ask.base, value=baseline.value if baseline.on == ask.on else None))
    return build_report(join_baseline(baseline, head, ask, scope.by), scope, named)


def save_base(store: Store, scope: Scope, ask: Ask, path: Path) -> None:
    """Write the counts of the base side to a file."""
    scope.prepare(store)
    save(take_base(scan(store, scope, ask, taxed=True), ask, scope.by), path)


def build_report(counts: Scan, scope: Scope, ask: Ask) -> Report:
    """Return the report of counts from a store or a file."""
    rows = _drop_unmeasured(compare(counts, ask, len(scope.by)), ask)
    strata = tuple(name for name in ask.strata if name != ask.on)
    groups = sorted((row for row in rows if row.group is not None), key=_order)
    totals = sorted((row for row in rows if row.group is None), key=_order)
    tables = []
    if scope.by:
        tables.append(_table("by_" + "_".join(scope.by), groups, scope.by, strata))
    tables.append(_table("total", totals, (), strata))
    tables.append(_sides(counts, ask))
    tables += _one_sided_tables(counts, strata)
    notes = (*_tested_note(rows), *caveats(rows, counts, scope))
    answer, names = describe(drop_same_waits(rows), ask, scope.by)
    return Report(
        TITLE, _interval(counts, scope), tuple(tables), scope.by, scope.filters, notes, headline=answer,
        headline_names=names, subject=SUBJECT, command="diff",
    )  # fmt: skip


def apply_gate(report: Report, fail_on: tuple[str, ...], on_insufficient: str) -> Report:
    """Return the report with the verdict of a gate.

    ``fail_on`` names ``regression`` or metrics whose regression fails. A metric that could not be compared, for lack of
    calls or of the figure, is too little data and not a pass.
    """
    compared = [
        (str(row["metric"]), table.findings[index])
        for table in report.tables if table.findings for index, row in enumerate(table.records())
    ]  # fmt: skip
    asked = [finding for metric, finding in compared if "regression" in fail_on or metric in fail_on]
    if any(finding.is_failure for finding in asked):
        return replace(report, verdict="fail")
    missing = {name for name in fail_on if name != "regression"} - {metric for metric, _ in compared}
    unknown = not asked or missing or any(finding.is_undecided for finding in asked)
    return replace(report, verdict="insufficient" if unknown and on_insufficient != "pass" else "pass")


def _drop_unmeasured(rows: list[Compared], ask: Ask) -> list[Compared]:
    """Return the rows without the metrics that no call of either side has."""
    known = {row.metric for row in rows if row.group is None and row.found.base_n + row.found.head_n}
    return [row for row in rows if row.metric in known]


def _order(row: Compared) -> tuple[object, ...]:
    """Sort key: verdicts in their order, the largest changes first; rows that cannot be judged at all last."""
    one = row.found
    size = abs(one.change_ratio or 0.0) if one.verdict in VERDICTS[:2] else 0.0
    group = tuple((value is None, value or "") for value in row.group or ())
    calls = -(one.base_n + one.head_n)
    place = (METRICS.index(row.metric), one.stat, calls, group)
    return VERDICTS.index(one.verdict), bool(one.gate), -round(size, 12), place


def _table(name: str, rows: list[Compared], by: tuple[str, ...], strata: tuple[str, ...]) -> Table:
    made_by = tuple(Column(f"from_{one}", None, "the stratum that makes most of it", wide=True) for one in strata)
    columns = (*map(Column, by), *COLUMNS[:-2], *made_by, *COLUMNS[-2:])
    cells = tuple(_cells(row, len(strata)) for row in rows)
    marks = {}
    for index, row in enumerate(rows):
        if not row.found.reason:
            marks[(index, "reason")] = Mark(instead=" ")
        for one, estimated in zip(("base_value", "head_value"), row.estimated, strict=True):
            if estimated and getattr(row.found, one) is not None:
                marks[(index, one)] = Mark(prefix="~ ")
        if any(row.estimated) and row.found.head_value_at_base_mix is not None:
            marks[(index, "head_value_at_base_mix")] = Mark(prefix="~ ")
    findings = {
        index: finding_of(row.found, dict(zip(by, row.group or (), strict=False))) for index, row in enumerate(rows)
    }
    return Table(name, columns, cells, by, shape="intervals", marks=marks, findings=findings)


def _cells(row: Compared, strata: int) -> Row:
    one = row.found
    made_by = row.driver[:strata] if row.driver else (None,) * strata
    change = (
        (None,) * 8 if one.gate else (
            one.change_ratio, one.ci_low_ratio, one.ci_high_ratio, one.change_abs, one.ci_low_abs, one.ci_high_abs,
            _mix_part(one), one.p_adjusted,
        )
    )  # fmt: skip
    return (
        *(row.group or ()), one.verdict, row.metric, one.stat, "ms" if one.relative else "ratio",
        one.base_n, one.head_n, _whole(one.base_n_eff), _whole(one.head_n_eff),
        _figure(one.base_value), _figure(one.head_value), _figure(one.head_value_at_base_mix),
        *map(_figure, change), *made_by, _figure(one.driver_share), one.reason or None,
    )  # fmt: skip


def _mix_part(one: Comparison) -> float | None:
    """Return the part of the plain change that is due to the mix, relative to the base.

    The plain change is the change at the base's mix plus this part.
    """
    if one.head_value is None or one.head_value_at_base_mix is None or not one.base_value:
        return None
    return (one.head_value - one.head_value_at_base_mix) / one.base_value


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def _figure(value: float | None) -> float | None:
    """Round to ten digits: further ones differ between machines."""
    return None if value is None else float(f"{value:.10g}")


def _sides(counts: Scan, ask: Ask) -> Table:
    columns = (
        Column("side"), *((Column(ask.on),) if ask.on else ()), Column("first_call"), Column("last_call"),
        Column("calls", "calls", essential=True),
    )  # fmt: skip
    rows = tuple(
        (name, *((side.value,) if ask.on else ()), *_span(period))
        for name, side, period in zip(("base", "head"), (ask.base, ask.head), counts.periods, strict=True)
    )
    return Table("sides", columns, rows, leads=True)


def _one_sided_tables(counts: Scan, strata: tuple[str, ...]) -> list[Table]:
    """Return the strata that are on one side only, and so have no comparison."""
    found = only_on_one_side(counts)
    if not found or not strata:
        return []
    columns = (*map(Column, strata), Column("side"), Column("calls", "calls"))
    rows = tuple((*place[: len(strata)], "base" if side == 0 else "head", calls) for place, side, calls in found)
    return [Table("not_compared", columns, rows, strata, title="on one side only, not compared")]


def _span(period: Period | None) -> Row:
    if period is None:
        return (None, None, 0)
    return (period.first.replace(tzinfo=UTC), period.last.replace(tzinfo=UTC), period.calls)


def _interval(counts: Scan, scope: Scope) -> Interval:
    periods = [period for period in counts.periods if period]
    if not periods:
        return NO_WINDOW
    last = max(period.last for period in periods).replace(tzinfo=UTC) + timedelta(microseconds=1)
    return Interval(min(period.first for period in periods).replace(tzinfo=UTC), last, scope.tz)


def _tested_note(rows: list[Compared]) -> Iterator[Note]:
    tests = sum(row.found.p_adjusted is not None for row in rows)
    if tests:
        yield Note("tested", f"p is adjusted for {count(tests, 'comparison')}", tests, about=("p_adjusted",))


def caveats(rows: list[Compared], counts: Scan, scope: Scope) -> Iterator[Note]:
    """Yield the caveats of the two sides."""
    base, head = counts.periods
    if base is None or head is None:
        yield Note("empty", f"the {'base' if base is None else 'head'} side is empty")
        return
    paired = any(row.found.paired for row in rows)
    if paired:
        yield Note("canary", "both sides ran at the same time: changes common to both are not counted")
    shared = (base.hours & head.hours).bit_count() / base.hours.bit_count()
    if shared < _SAME_HOURS:
        yield Note(
            "other_hours",
            f"the head covers {ratio(shared)} of the base's hours of weekdays and weekends; a load that follows the "
            "clock can look like a change",
        )
    if not paired:
        yield from _common_change_notes(rows)
    coverage = [row.found.coverage for row in rows if row.group is None]
    least = [min((one[index] for one in coverage), default=1.0) for index in (0, 1)]
    alone = {side: 1 - share for side, share in zip(("base", "head"), least, strict=True) if share < 1}
    shares = " and ".join(f"{ratio(share)} of the {side}'s calls" for side, share in alone.items())
    for place, side in enumerate(alone):
        text = f"{shares} have no counterpart on the other side and are not compared"
        yield Note(f"no_counterpart_{side}", text, data_only=place > 0)
    lengths = _input_lengths(counts, 1), _input_lengths(counts, 0)
    if lengths[0] and lengths[1] and abs(lengths[0] / lengths[1] - 1) > _LONGER:
        yield Note(
            "inputs_changed",
            _describe_inputs(lengths[0] / lengths[1] - 1),
        )
    few = sum(bool(row.found.gate) for row in rows if row.found.verdict == "too little data")
    if few:
        text = f"{count(few, 'comparison')} {'lacks' if few == 1 else 'lack'} data for a test"
        yield Note("too_little", f"{text}: use fewer dimensions, longer windows, or run both sides at once", few)


def _describe_inputs(change: float) -> str:
    direction = "longer" if change > 0 else "shorter"
    return f"prompts are {ratio(abs(change))} {direction} on average, which changes waits too"


def _common_change_notes(rows: list[Compared]) -> Iterator[Note]:
    """Yield a note when most groups change the same way: the cause is then likely common to all.

    People read the first of them.
    """
    is_first = True
    for metric in dict.fromkeys(row.metric for row in rows):
        for stat in PERCENTILES:
            tested = [
                row.found for row in rows
                if row.group is not None and (row.metric, row.found.stat) == (metric, stat) and not row.found.gate
            ]  # fmt: skip
            moved = [one.change_ratio for one in tested if one.p is not None and one.p <= 0.05 and one.change_ratio]
            for sign in (1, -1):
                alike = sum(change * sign > 0 for change in moved)
                if len(tested) >= _AT_LEAST and alike > _MOVED_TOGETHER * len(tested):
                    middle = median(one.change_ratio or 0.0 for one in tested)
                    figure = f"{name_metric(metric)} {stat}"
                    yield Note(
                        f"moved_together_{metric}_{stat}",
                        f"{alike} of {len(tested)} groups changed alike in {figure} (median {change(middle)}): the "
                        "cause is probably common to all",
                        data_only=not is_first,
                    )
                    is_first = False


def _input_lengths(counts: Scan, side: int) -> float | None:
    of_side = counts.rates["side"] == side
    calls = float(counts.rates["input_calls"][of_side].sum())
    return float(counts.rates["input_tokens"][of_side].sum()) / calls if calls else None
