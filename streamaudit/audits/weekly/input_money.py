"""Movers of the money that input cost a second time: prompts that a cache could have read, and context sent again.

Both come from the audits ``cache`` and ``growth``, at the prices of the calls' dates. A call may be in both, since what
is sent again is what a cache could have read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from streamaudit.audits.failures import cache, growth
from streamaudit.audits.failures.base import Audit, prepare_audit
from streamaudit.audits.scope.scope import Scope
from streamaudit.audits.weekly.figures import relative
from streamaudit.report.model import Mark, Row, Table
from streamaudit.store.store import Store

_FIGURES: tuple[tuple[str, Audit, str], ...] = (
    ("cache_missed_usd", cache, cache.MISSED), ("reread_usd", growth, growth.REREAD),
)  # fmt: skip
LEAST_USD, LEAST_SHARE = 1.0, 0.1
"""A change below the first number of dollars, or below the second share of the figure's whole, is not a mover."""
_Sides = list[float]


def add_input_money(store: Store, both: Scope, table: Table, dimensions: Sequence[str]) -> Table:
    """Return the table of movers with the value whose twice paid input moved most, one of each figure.

    ``both`` is the scope of both periods; its calls are prepared without tax, and the border is set
    (``compare_windows``).
    """
    rows = [*table.rows]
    marks = dict(table.marks)
    names = [column.name for column in table.columns]
    for figure, audit, statement in _FIGURES:
        # One row says it: the route, its model and its tenant move by the same calls.
        found = _movers(store, both, audit, statement, dimensions)
        for dimension, value, sides, calls in sorted(found, key=lambda one: -abs(one[2][1] - one[2][0]))[:1]:
            before, now = sides
            change = now - before
            cells = (dimension, value, figure, now, before, change, relative(now, before), None, calls, "usd")
            marks |= {(len(rows), name): Mark(instead=" ") for name in ("verdict", *names[len(cells) :])}
            marks |= {(len(rows), name): Mark(prefix="~ ") for name in ("value", "before") if audit is cache}
            if change > 0 and before:
                marks[(len(rows), "change")] = Mark(prefix="+")
            if not before:
                marks[(len(rows), "change_ratio")] = Mark(instead="new")
            rows.append((*cells, *[None] * (len(names) - len(cells))))
    return replace(table, rows=tuple(rows), marks=marks)


def _movers(
    store: Store, both: Scope, audit: Audit, statement: str, dimensions: Sequence[str]
) -> Iterator[tuple[str, str | None, _Sides, int]]:
    """Yield dimension, value, dollars before and now, and calls now, of the largest change in each dimension."""
    scope, params = prepare_audit(store, both, audit, {}, by=(*dimensions, "side"))
    rows: list[Row] = store.query(scope.sql(statement), params)
    place = len(dimensions)
    for index, dimension in enumerate(dimensions):
        money: dict[str | None, _Sides] = {}
        calls: dict[str | None, int] = {}
        for row in rows:
            name, side, usd = row[index], int(row[place] == "now"), row[-2]
            assert name is None or isinstance(name, str)
            if isinstance(usd, int | float):
                money.setdefault(name, [0.0, 0.0])[side] += usd
                calls[name] = calls.get(name, 0) + (int(row[-1] or 0) if side else 0)  # type: ignore[arg-type]
        whole = max((sum(sides[side] for sides in money.values()) for side in (0, 1)), default=0.0)
        least = max(LEAST_USD, LEAST_SHARE * whole)
        moved = [(name, sides) for name, sides in money.items() if abs(sides[1] - sides[0]) >= least]
        moved.sort(key=lambda one: (-abs(one[1][1] - one[1][0]), one[0] is None, one[0] or ""))
        for name, sides in moved[:1]:
            yield dimension, name, [_digits(one) for one in sides], calls[name]


def _digits(value: float) -> float:
    """Round to ten digits: further ones differ between machines."""
    return float(f"{value:.10g}")
