"""Questions: one file each. An audit has static SQL over ``scope``, its options, and turns the rows into a Report.

``groups`` is what they share: one query run per group, for the rest beyond ``--top``, and for the total.
"""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

from streamaudit.report import Column, Mark, Row, Table, Value
from streamaudit.scope import MAX_BY, Scope, show_groups
from streamaudit.store import Store

MIN_CALLS = {"p50": 1, "p90": 10, "p95": 20, "p99": 100}
"""A percentile of fewer calls than this is NULL: the tail of a handful is not a number."""

Rank = Callable[[dict[str, Value]], tuple[Any, ...]]


def discover() -> dict[str, ModuleType]:
    """Every audit in this folder by name."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))
    return {name: importlib.import_module(f"{__name__}.{name}") for name in names}


def group_tables(
    store: Store,
    scope: Scope,
    query: str,
    columns: tuple[Column, ...],
    rank: Rank,
    params: dict[str, Any] | None = None,
) -> tuple[Table, ...]:
    """The table by dimension (when any is asked for) and the total.

    ``query`` selects ``by_1`` … ``by_4`` and then ``columns`` in order, grouped. Groups stand in descending ``rank``;
    those beyond ``scope.top`` are one rest row computed from their calls, not from their rows.
    """
    bound = {**scope.params(), **(params or {})}
    total_rows = store.query(scope.sql(query), {**bound, "by": [], "embeddings": bound["embeddings"]})
    figures = tuple(tuple(row[MAX_BY:]) for row in total_rows) or (_empty(columns),)
    total = _marked(Table("total", columns, figures))
    if not scope.by:
        return (total,)
    depth = len(scope.by)
    rows = [(*row[:depth], *row[MAX_BY:]) for row in store.query(scope.sql(query), bound)]
    dimensions = tuple(Column(name) for name in scope.by)
    names = [*scope.by, *(column.name for column in columns)]
    rows.sort(key=lambda row: tuple((value is not None, value or "") for value in row[:depth]))
    rows.sort(key=lambda row: rank(dict(zip(names, row, strict=True))), reverse=True)
    rest_row, rest_groups = None, 0
    if scope.top is not None and len(rows) > scope.top:
        rest_groups = len(rows) - scope.top
        rows = rows[: scope.top]
        show_groups(store, [row[:depth] for row in rows])
        rest = store.query(scope.sql(query, rest=True), bound)
        rest_row = len(rows)
        rows.append((*[None] * depth, *rest[0][MAX_BY:]))
    table = Table("by_" + "_".join(scope.by), (*dimensions, *columns), tuple(rows), scope.by, rest_row, rest_groups)
    return (_marked(table), total)


def _empty(columns: tuple[Column, ...]) -> Row:
    return tuple(0 if column.unit == "calls" else None for column in columns)


def _marked(table: Table) -> Table:
    """Say in place of a percentile why it is not there, and show a lower bound as one."""
    marks: dict[tuple[int, str], Mark] = {}
    for index, record in enumerate(table.records()):
        for column in table.columns:
            mark = _mark(column, record)
            if mark:
                marks[(index, column.name)] = mark
    return replace(table, marks=marks)


def bound(value: Value, low: Value, high: Value, *, leaves_out: bool = False) -> Mark | None:
    """How a sum is to be read beside its interval: as an estimate when it stands above the low end, as a lower bound
    when the high end is further up or calls are left out, as it is otherwise."""
    if isinstance(value, int) and isinstance(low, int) and value > low:
        return Mark(prefix="~ ")
    return Mark(prefix="≥ ") if leaves_out or high != value else None


def _mark(column: Column, record: dict[str, Value]) -> Mark | None:
    name, value = column.name, record[column.name]
    percentile = name.removesuffix("_ms")[-3:]
    if value is None and percentile in MIN_CALLS and name.startswith("ttft"):
        calls = record.get("ttft_calls")
        if isinstance(calls, int) and 0 < calls < MIN_CALLS[percentile]:
            return Mark(instead=f"n={calls}")
    if name in ("tax_tokens", "tax_usd") and value is not None:
        known = (record["tax_tokens"], record["tax_low_tokens"], record["tax_high_tokens"])
        return bound(*known, leaves_out=name == "tax_usd" and bool(record.get("tax_unpriced_calls")))
    return None
