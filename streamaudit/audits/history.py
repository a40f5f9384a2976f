"""The figures of deploys, days, weeks or months in order, and the points where they changed for good.

A change is a shift of the level of a figure's logarithm, found by PELT (Killick, Fearnhead and Eckley, Journal of the
American Statistical Association 107, 2012) with the least-squares cost, as ``ruptures`` implements it
(https://centre-borelli.github.io/ruptures-docs/). Noise is measured on the differences of neighbours, which a few
shifts hardly touch. Each shift costs ``PENALTY`` times the logarithm of the number of points, and both of its sides
have at least two points.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from math import exp, log

from streamaudit.audits.base import group_tables
from streamaudit.audits.failures.base import LEAST_EXAMINED
from streamaudit.audits.failures.periods import find_by_period
from streamaudit.audits.figures import ask
from streamaudit.audits.metrics import column
from streamaudit.audits.notes import interval_and_notes
from streamaudit.audits.scope.portable import Texts
from streamaudit.audits.scope.scope import Scope
from streamaudit.audits.trend import series
from streamaudit.errors import UsageError
from streamaudit.report.model import Column, Mark, Note, Report, Row, Table, Value
from streamaudit.report.numbers import NUMBERS, count, ratio
from streamaudit.store.store import Store

TITLE = "streamaudit history"
SUBJECT = "history"
BY = ("deploy", "day", "week", "month")
MIN_PERIODS = 8
PENALTY = 6.0
"""On noise alone it finds a shift in 6 of 100 series of 8 points, 4 of 12, 2 of 20, fewer than 1 of 30 (600 each)."""
MIN_CHANGE = 0.05
_LEAST_NOISE = 0.01
"""Least noise: without it, every fluctuation of a nearly constant figure would be a change."""

COLUMNS = (
    column("calls"),
    column("ttft_p50_ms"),
    column("ttft_p95_ms"),
    column("duration_p95_ms", wide=True),
    column("cancel_rate"),
    column("error_rate"),
    column("output_tokens_per_call", wide=True),
    column("tax_rate"),
    column("cost_usd", wide=True),
)
_NAMES = (*(one.name for one in COLUMNS), "first_call")
_QUERY = ask(_NAMES, with_left_out=True)
DEPLOY = Column("deploy", None, "what was first deployed in the period; of the first period not known", wide=True)
_DEPLOYED = Texts(
    exact="""
SELECT arg_min(by_1, start_time), deploy, min(start_time) FROM scope WHERE deploy IS NOT NULL AND start_time IS NOT NULL
GROUP BY deploy ORDER BY min(start_time), deploy
""",
    portable="""
SELECT min_by(by_1, start_us) AS period, deploy, min(start_us) AS first_us
FROM scope WHERE deploy IS NOT NULL AND start_us IS NOT NULL GROUP BY deploy ORDER BY first_us, deploy
""",
)
WATCHED = ("ttft_p50_ms", "ttft_p95_ms", "duration_p95_ms", "cancel_rate", "error_rate", "tax_rate")
CHANGES = (
    Column("metric", None, "the figure that changed"),
    Column("at", None, "the first period after the change"),
    Column("before", None, "geometric mean of the periods since the change before", unit_from="unit"),
    Column("after", None, "geometric mean of the periods up to the next change", unit_from="unit"),
    Column("change_ratio", "ratio", "from before to after", signed=True),
    Column("unit", None, "ms or ratio", wide=True),
)


TRENDS = (
    Column("figure", None, "which figure"),
    Column("latest", None, "of the last period", unit_from="unit"),
    Column("lowest", None, "of any period", unit_from="unit"),
    Column("highest", None, "of any period", unit_from="unit"),
    Column("trend", None, "of every period, oldest first; NULL where it is not known", trend=True),
    Column("unit", None, "unit of the values", wide=True),
)
FOUND = (
    Column("critical_findings", None, "findings of audits that are critical, by group; NULL for too few calls"),
    Column("warning_findings", None, "findings of audits that are warnings, by group; NULL for too few calls"),
)
_FINDINGS = (
    Column("finding", None, "what an audit found"),
    Column("severity", None, "critical or warning"),
    Column("groups", None, "groups that have it, such as routes"),
    Column("affected_calls", "calls", "calls that show it"),
    Column("usd_at_stake", "usd", "what was paid for it; NULL when unknown or unpriced"),
    Column("audit", None, "the audit that found it", wide=True),
)


def run(store: Store, scope: Scope, *, findings: bool = False) -> Report:
    """Return one row per period of ``scope.by`` (one of ``BY``), first to last, and the changes of every figure.

    With ``findings`` the findings of all audits are counted by period, and listed in a table of their own.
    """
    if len(scope.by) != 1 or scope.by[0] not in BY:
        raise UsageError("history --by takes one of " + ", ".join(BY))
    scope.prepare(store)
    columns = (*COLUMNS, Column("first_call"))
    whole = replace(scope, top=None)
    tables: tuple[Table, ...] = group_tables(
        store, whole, _QUERY, columns, rank=lambda row: (-_number(row["first_call"]),)
    )  # fmt: skip
    periods, total = (_drop_last_column(table) for table in (tables[0], tables[-1]))
    shown = [index for index, row in enumerate(periods.rows) if row[0] is not None]
    unnamed = len(periods.rows) - len(shown)
    marks = {(shown.index(at), name): mark for (at, name), mark in periods.marks.items() if at in shown}
    periods = replace(periods, rows=tuple(periods.rows[at] for at in shown), marks=marks)
    if scope.by != ("deploy",):
        periods, total = _add_deploys(store, scope, periods, total)
    changes = [change for name in WATCHED for change in _changes(periods, name)]
    breaks: dict[int, dict[str, float]] = {}
    for index, name, change, _ in changes:
        breaks.setdefault(index, {})[name] = change
    interval, notes = interval_and_notes(store, scope)
    tables = (
        replace(periods, breaks=breaks, shape="trend"), total,
        Table("changes", CHANGES, tuple(row for *_, row in changes), title="changes"),
    )  # fmt: skip
    if findings:
        tables = _add_findings(store, scope, tables)
    if len(periods.rows) > 1:
        tables = (*tables, _trends(periods))
    answer, names = _describe(scope.by[0], len(shown), [row for *_, row in changes])
    return Report(
        TITLE, interval, tables, scope.by, scope.filters, (*notes, *_notes(periods, unnamed)), headline=answer,
        headline_names=names, subject=SUBJECT, command="history",
    )  # fmt: skip


def _add_findings(store: Store, scope: Scope, tables: tuple[Table, ...]) -> tuple[Table, ...]:
    """Return the tables with the number of findings of each period, and their list before the changes."""
    periods, total, changes = tables
    (by,) = scope.by
    found = find_by_period(store, scope, by)
    calls = periods.position("calls")

    def counts(row: Row) -> Row:
        mine = found.get(row[0] if row[0] is None else str(row[0]), [])
        if not mine and _number(row[calls]) < LEAST_EXAMINED.default:
            return (None, None)
        return tuple(sum(one.groups for one in mine if one.severity == name) for name in ("critical", "warning"))

    wider = replace(
        periods, columns=(*periods.columns, *FOUND), rows=tuple((*row, *counts(row)) for row in periods.rows)
    )
    sums = [sum(one.groups for mine in found.values() for one in mine if one.severity == name)
            for name in ("critical", "warning")]  # fmt: skip
    listed = tuple(
        (row[0], one.code, one.severity, one.groups, one.affected_calls, one.usd, one.audit)
        for row in periods.rows for one in found.get(str(row[0]), [])
    )  # fmt: skip
    return (
        wider, replace(total, columns=(*total.columns, *FOUND), rows=tuple((*row, *sums) for row in total.rows)),
        Table("findings", (Column(by), *_FINDINGS), listed, (by,), title=f"findings by {by}"), changes,
    )  # fmt: skip


def _describe(by: str, periods: int, changes: list[Row]) -> tuple[str, tuple[tuple[str, Value], ...]]:
    """Return a headline with a place for the period of the largest change, and that period."""
    if periods < MIN_PERIODS:
        return f"Too few {by}s to see a trend: {periods:,} of {MIN_PERIODS:,}.", ()
    if not changes:
        return f"No lasting change over {count(periods, by)}.", ()
    metric, at, before, after, change, unit = max(changes, key=lambda row: abs(_number(row[4])))
    show = NUMBERS["ms" if unit == "ms" else "ratio"]
    figure = str(metric).removesuffix("_ms").replace("_", " ").replace("ttft", "TTFT")
    sign = "+" if _number(change) > 0 else ""
    values = f"{show(_number(before))} → {show(_number(after))}"
    return (
        f"{count(len(changes), 'lasting change')} over {count(periods, by)}; the largest with {{0}}: {figure} "
        f"{sign}{ratio(_number(change))} ({values}).",
        ((by, f"{at:%Y-%m-%d}" if isinstance(at, datetime) else at),),
    )


def _add_deploys(store: Store, scope: Scope, periods: Table, total: Table) -> tuple[Table, Table]:
    """Return the tables with a column of the deploys that started in each period.

    Deploys of the first period may have started before it.
    """
    began: dict[Value, list[str]] = {}
    first = periods.rows[0][0] if periods.rows else None
    for period, deploy, _ in scope.rows(store, _DEPLOYED):
        if period != first:
            began.setdefault(period, []).append(deploy)
    rows = tuple((*row, ", ".join(began.get(row[0], [])) or None) for row in periods.rows)
    marks = {**periods.marks, **{(i, "deploy"): Mark(instead=" ") for i, row in enumerate(rows) if row[-1] is None}}
    return (
        replace(periods, columns=(*periods.columns, DEPLOY), rows=rows, marks=marks),
        replace(total, columns=(*total.columns, DEPLOY), rows=tuple((*row, None) for row in total.rows),
            marks={**total.marks, (0, "deploy"): Mark(instead=" ")}),
    )  # fmt: skip


def shifts(values: Sequence[float]) -> list[int]:
    """Return the indexes at which the level of a series of positive values shifts.

    Empty for fewer than ``MIN_PERIODS`` values.
    """
    if len(values) < MIN_PERIODS:
        return []
    import numpy as np
    import ruptures

    levels = np.log(np.asarray(values, dtype=np.float64))
    steps = np.diff(levels)
    robust = 1.4826 * float(np.median(np.abs(steps - np.median(steps)))) / 2**0.5
    noise = max(robust, 0.7 * float(np.sqrt(np.mean(steps**2) / 2)), _LEAST_NOISE)
    found = ruptures.Pelt(model="l2", min_size=2, jump=1).fit(((levels - levels.mean()) / noise).reshape(-1, 1))
    return [int(index) for index in found.predict(pen=PENALTY * log(len(values)))[:-1]]


def _changes(periods: Table, name: str) -> list[tuple[int, str, float, Row]]:
    """Return the shifts of one figure over the periods that have it: row index, figure, relative change, and row."""
    place = periods.position(name)
    known = [(index, _number(row[place])) for index, row in enumerate(periods.rows) if _number(row[place]) > 0]
    edges = [0, *shifts([value for _, value in known]), len(known)]
    rows: list[tuple[int, str, float, Row]] = []
    unit = periods.columns[place].unit
    for before, at, after in zip(edges, edges[1:], edges[2:], strict=False):
        old, new = (_mean([value for _, value in part]) for part in (known[before:at], known[at:after]))
        if abs(new / old - 1) >= MIN_CHANGE:
            index = known[at][0]
            row: Row = (name, periods.rows[index][0], old, new, float(f"{new / old - 1:.10g}"), unit)
            rows.append((index, name, new / old - 1, row))
    return rows


def _trends(periods: Table) -> Table:
    """Return each figure over all periods, for a screen to draw as a line."""
    rows: list[Row] = []
    for one in COLUMNS:
        place = periods.position(one.name)
        values = [value if isinstance(value, int | float) else None for value in (row[place] for row in periods.rows)]
        known = [value for value in values if value is not None]
        if known:
            rows.append((one.name, values[-1], min(known), max(known), series(values), one.unit))
    return Table("trends", TRENDS, tuple(rows), title="over time")


def _mean(values: list[float]) -> float:
    return float(f"{exp(sum(map(log, values)) / len(values)):.10g}")


def _number(value: Value) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _drop_last_column(table: Table) -> Table:
    return replace(table, columns=table.columns[:-1], rows=tuple(row[:-1] for row in table.rows))


def _notes(periods: Table, unnamed: int) -> list[Note]:
    found: list[Note] = []
    if len(periods.rows) < MIN_PERIODS:
        few = f"lasting changes need {MIN_PERIODS} {periods.by[0]}s, and there are {len(periods.rows)}"
        found.append(Note("few_periods", f"{few}; streamaudit diff compares two"))
    if unnamed:
        found.append(Note("unnamed", f"calls without a {periods.by[0]} are in the total only"))
    return found
