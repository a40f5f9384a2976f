"""The largest changes of a period.

These are the taxes of tenants, routes and models, the groups whose latency or rates clearly improved or worsened, and
the change with each new deploy compared with the one before it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC

from streamaudit.audits.diff.compare import Compared, compare
from streamaudit.audits.diff.finding import finding_of
from streamaudit.audits.diff.question import Ask, Side
from streamaudit.audits.diff.scan import scan
from streamaudit.audits.scope.scope import Scope
from streamaudit.audits.weekly.changes import Money, drivers
from streamaudit.audits.weekly.figures import relative
from streamaudit.audits.weekly.period import Period
from streamaudit.report.finding import Finding
from streamaudit.report.model import Column, Mark, Row, Table, Value
from streamaudit.store.store import Store

MOVES = (
    Column("dimension", None, "which dimension moved", kept=True),
    Column("name", None, "its value", kept=True, dimension_from="dimension"),
    Column("figure", None, "what moved: its tax, a percentile or a rate", kept=True, whole=True),
    Column("value", None, "of this period", unit_from="unit", kept=True),
    Column("before", None, "of the period before", unit_from="unit", kept=True),
    Column("change", None, "value - before", unit_from="unit", wide=True),
    Column("change_ratio", "ratio", "at the mix before; of a tax plain; NULL from nothing", kept=True, signed=True),
    Column("verdict", None, "of the comparison; NULL for a tax, which is counted and not compared", kept=True),
    Column("calls", "calls", "its calls in this period", wide=True),
    Column("unit", None, "unit of the values", wide=True),
)
MIN_MONEY, PRICED = 0.1, 0.8
"""A change below the first share of the whole tax is not a mover; dollars rank where they cover the second share."""
MIN_MOVED_USD = 1.0
"""Nor is a smaller change in dollars news, whatever its share."""
CAUSES = ("route", "model", "tenant")
"""Where a change of a deploy is looked for, first where its remedy is."""
MOST_DEPLOYS = 2
"""The number of latest new deploys that are compared with the one before."""
_FROM = "the {} that made more than half of it"
DEPLOYS = (
    Column("deploy"), Column("first_call", None, "its first call in either period"),
    Column("calls", "calls", "its calls in this period"),
)  # fmt: skip


def new_deploys(found: list[Money], period: Period) -> list[Money]:
    """Return the deploys whose first call of both periods is in this one, in the order of their first call."""
    start = period.since.replace(tzinfo=None)
    live = [one for one in _deploys(found) if not one.calls[0] and one.first is not None and one.first >= start]
    return live[-MOST_DEPLOYS:]


@dataclass(frozen=True, slots=True)
class Deployed:
    """A new deploy compared with the one before it: the total, and the values of each of ``CAUSES`` by its name.

    The parts say where a change is; there are none where the total has no regression.
    """

    name: str
    rows: list[Compared]
    parts: list[tuple[str, Compared]]


def compare_deploys(store: Store, both: Scope, ask: Ask, found: list[Money], live: list[Money]) -> list[Deployed]:
    """Return every new deploy compared with the one before it, over both periods; the rows are not yet decided.

    The group of a row of the total is the new deploy.
    """
    order = [one.value for one in _deploys(found)]
    deployed: list[Deployed] = []
    for one in live:
        at = order.index(one.value)
        if at and one.value is not None:
            sides = replace(ask, on="deploy", base=Side(order[at - 1]), head=Side(one.value))
            rows = [
                replace(row, group=(one.value,)) for row in compare(scan(store, both, sides, taxed=True), sides, 0)
            ]
            worse = any(row.found.verdict == "regression" for row in rows)
            deployed.append(Deployed(one.value, rows, list(_parts(store, both, sides)) if worse else []))
    return deployed


def _parts(store: Store, both: Scope, sides: Ask) -> Iterator[tuple[str, Compared]]:
    for name in CAUSES:
        counts = scan(store, replace(both, by=(name,)), sides, taxed=True)
        yield from ((name, row) for row in compare(counts, sides, 1) if row.group is not None)


def _deploys(found: list[Money]) -> list[Money]:
    named = [one for one in found if one.dimension == "deploy" and one.value is not None and one.first is not None]
    return sorted(named, key=lambda one: (one.first, one.value))


def deploys_table(live: list[Money]) -> Table:
    """Return the table of new deploys."""
    rows = tuple(
        (one.value, one.first.replace(tzinfo=UTC, microsecond=0) if one.first else None, one.calls[1]) for one in live
    )
    return Table("new_deploys", DEPLOYS, rows, ("deploy",), title="went live")


def movers_table(
    store: Store, asked: Scope, ask: Ask, found: list[Money], groups: dict[str, list[Compared]], most: int
) -> Table:
    """Return the movers of every dimension, at most ``most`` of either kind.

    ``asked.by`` ends with the deploy, and ``groups`` has the comparisons of each dimension.
    """
    dimensions = [name for name in asked.by if name != "deploy"]
    priced = _is_mostly_priced([one for one in found if one.dimension == dimensions[0]])
    chosen = [one for name in dimensions for one in _most_expensive(found, name, most, priced=priced)]
    made_by = drivers(store, asked, ask, chosen, priced=priced)
    rows: list[tuple[Row, dict[str, str]]] = []
    bounds: dict[int, list[int]] = {}
    findings: dict[int, Finding] = {}
    for name in ("deploy", *dimensions):
        for one, why in zip(chosen, made_by, strict=True):
            if one.dimension == name:
                bounds[len(rows)] = one.uncertain
                rows.append((_money_row(one, priced=priced), why))
        for row in _select_changed(groups.get(name, []), most):
            findings[len(rows)] = finding_of(row.found, dict(zip((name,), row.group or (), strict=False)))
            rows.append(_compared_row(name, row, ask))
    shown = [name for name in asked.by if any(name in why for _, why in rows)]
    columns = (*MOVES, *(Column(f"from_{name}", None, _FROM.format(name)) for name in shown))
    cells = tuple((*row, *(why.get(name) for name in shown)) for row, why in rows)
    return Table(
        "movers", columns, cells, title="what moved most", marks=_mover_marks(columns, cells, bounds), findings=findings
    )


def _is_mostly_priced(found: list[Money]) -> bool:
    """Return whether dollars cover nearly all of the tax, so that they can rank it; otherwise tokens do."""
    known, whole = (
        sum(sum(tokens or 0 for tokens in one.tokens) for one in found if every or one.change_usd is not None)
        for every in (False, True)
    )
    return known >= PRICED * whole


def _most_expensive(found: list[Money], dimension: str, most: int, *, priced: bool) -> list[Money]:
    of_dimension = [one for one in found if one.dimension == dimension]
    sides = [sum((one.usd if priced else one.tokens)[side] or 0 for one in of_dimension) for side in (0, 1)]
    least = max(MIN_MONEY * max(sides), MIN_MOVED_USD if priced else 0.0)
    moved = [one for one in of_dimension if abs(one.change(priced=priced)) > least]
    moved.sort(key=lambda one: (-abs(one.change(priced=priced)), one.value is None, one.value or ""))
    return moved[:most]


def _select_changed(rows: list[Compared], most: int) -> list[Compared]:
    """Return the groups with a verdict, sorted by calls times change, largest first.

    Each group and metric is listed once, with its larger change.
    """
    best: dict[tuple[object, str], Compared] = {}
    for row in rows:
        if row.found.verdict in ("regression", "improvement"):
            key = (row.group, row.metric)
            if key not in best or abs(row.found.change_ratio or 0) > abs(best[key].found.change_ratio or 0):
                best[key] = row

    def weight(row: Compared) -> tuple[float, str, str]:
        name = (row.group or (None,))[0]
        return -abs(row.found.change_ratio or 0) * row.found.head_n, row.metric, name or ""

    return sorted(best.values(), key=weight)[:most]


def _money_row(one: Money, *, priced: bool) -> Row:
    values = one.usd if priced else one.tokens
    before, value = values
    change = one.change(priced=priced)
    unit = "usd" if priced else "tokens"
    return (
        one.dimension, one.value, f"tax_low_{unit}", value, before, change,
        relative(value, before), None, one.calls[1], unit,
    )  # fmt: skip


def _compared_row(name: str, row: Compared, ask: Ask) -> tuple[Row, dict[str, str]]:
    one = row.found
    figure = f"{row.metric}_{one.stat}_ms" if one.relative else row.metric
    why = {
        stratum: value for stratum, value in zip(ask.strata, row.driver or (), strict=False)
        if value is not None and stratum != name
    }  # fmt: skip
    assert row.group is not None
    cells = (
        name, row.group[0], figure, one.head_value, one.base_value, one.change_abs, one.change_ratio, one.verdict,
        one.head_n, "ms" if one.relative else "ratio",
    )  # fmt: skip
    return tuple(_digits(cell) for cell in cells), why


def _digits(value: Value) -> Value:
    """Round to ten digits: further ones differ between machines."""
    return float(f"{value:.10g}") if isinstance(value, float) else value


def _mover_marks(
    columns: Sequence[Column], rows: Sequence[Row], bounds: dict[int, list[int]]
) -> dict[tuple[int, str], Mark]:
    """Return the marks of movers; ``bounds`` has the calls of uncertain tax of both periods, by row."""
    marks: dict[tuple[int, str], Mark] = {}
    for index, row in enumerate(rows):
        record = dict(zip((column.name for column in columns), row, strict=True))
        if isinstance(record["change"], int | float) and record["change"] > 0:
            marks[(index, "change")] = Mark(prefix="+")
        for name, value in record.items():
            if value is None and (name == "verdict" or name.startswith("from_")):
                marks[(index, name)] = Mark(instead=" ")
        if record["figure"] in ("tax_low_usd", "tax_low_tokens"):
            for name, uncertain in zip(("before", "value"), bounds[index], strict=True):
                if uncertain and record[name] is not None:
                    marks[(index, name)] = Mark(prefix="≥ ")
            if not record["before"]:
                marks[(index, "change_ratio")] = Mark(instead="new")
    return marks
