"""Shared parts of audits: one file per audit, with static SQL over ``scope``, its options and its Report.

``group_tables`` runs one query per group, for the rest beyond ``--top``, and for the total.
"""

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from streamaudit.audits.figures import FigureQuery, Steps
from streamaudit.audits.portable_figures import figure_rows, find_top
from streamaudit.audits.scope.scope import MAX_BY, Scope, show_groups
from streamaudit.report.model import Column, Mark, Row, Table, Value
from streamaudit.store.dimensions import CALENDAR
from streamaudit.store.store import Store
from streamaudit.store.views.percentiles import MIN_CALLS

_ROUNDING = 1e-9
"""Sums in dollars whose relative difference is smaller are equal."""

_MOST_HELD = 32_000_000
"""Up to this many values are held in memory at once, each in 24 bytes or so. Exact percentiles hold the values of all
calls once for a latency, twice where groups and total are one statement. Where these are too many, groups and total are
asked apart; where those of the groups alone are, one latency after the other, which reads the calls once for each, and
adds the total up from the groups. (To count values in buckets first, and keep those near a rank alone, takes as long as
to keep all.)"""
_KEEP = "CREATE OR REPLACE TEMP TABLE {name} AS "
_KEEP_MORE = "INSERT INTO {name} "

Rank = Callable[[dict[str, Value]], tuple[Any, ...]]


def discover() -> dict[str, ModuleType]:
    """Return every audit in this folder by its ``NAME``; a module without one is not an audit."""
    folder = str(Path(__file__).parent)
    modules = [importlib.import_module(f"{__package__}.{found.name}") for found in pkgutil.iter_modules([folder])]
    return {module.NAME: module for module in modules if hasattr(module, "NAME")}


def group_tables(
    store: Store,
    scope: Scope,
    query: str | FigureQuery,
    columns: tuple[Column, ...],
    rank: Rank,
    params: dict[str, Any] | None = None,
) -> tuple[Table, ...]:
    """Return the table by dimension (when any is requested) and the total.

    ``query`` selects ``by_1`` … ``by_4`` and then ``columns`` in order, grouped; after them it may give a list of the
    columns whose sum leaves calls out, which a screen then shows as a lower bound, and of those that rest on estimates,
    with a ``~`` before their name. A text that is no ``FigureQuery`` is one that only a store answers. Groups are
    sorted by descending ``rank``, and in time order where a dimension is one of time. Those beyond ``scope.top`` (the
    earlier ones where time comes first) are one rest row computed from their calls, not from their rows.
    """
    asked = query if isinstance(query, FigureQuery) else FigureQuery((), False, query)
    bound = params or {}
    group_rows, total_rows, groups = _query_groups(store, scope, asked, bound)
    end = MAX_BY + len(columns)
    figures = tuple(tuple(row[MAX_BY:end]) for row in total_rows) or (_empty(columns),)
    total = _add_marks(Table("total", columns, figures), [_partial(row, end) for row in total_rows])
    if not scope.by:
        return (total,)
    depth = len(scope.by)
    rows = [(*row[:depth], *row[MAX_BY:]) for row in group_rows]
    end = depth + len(columns)
    dimensions = tuple(Column(name) for name in scope.by)
    names = [*scope.by, *(column.name for column in columns)]
    rows.sort(key=lambda row: tuple((value is not None, value or "") for value in row[:depth]))
    rows.sort(key=lambda row: rank(dict(zip(names, row[:end], strict=True))), reverse=True)
    times = [place for place, name in enumerate(scope.by) if name in CALENDAR]
    if times:
        rows = _order_in_time(rows, times[0])
    rest_row, rest_groups, earlier = None, 0, times[:1] == [0]
    if scope.top is not None and groups > scope.top:
        rest_groups = groups - scope.top
        rows = _keep_newest(rows, scope.top) if earlier else rows[: scope.top]
        rest = _query_rest(store, scope, asked, bound, [row[:depth] for row in rows])
        rest_row = len(rows)
        rows.append((*[None] * depth, *rest[0][MAX_BY:]))
    figures = tuple(tuple(row[:end]) for row in rows)
    table = Table("by_" + "_".join(scope.by), (*dimensions, *columns), figures, scope.by, rest_row, rest_groups,
        rest_is="earlier" if earlier else "other",
    )  # fmt: skip
    return (_add_marks(table, [_partial(row, end) for row in rows]), total)


def _query_groups(
    store: Store, scope: Scope, query: FigureQuery, bound: dict[str, Any]
) -> tuple[Sequence[Row], Sequence[Row], int]:  # fmt: skip
    """Return the rows of the groups, none without dimensions, those of the total, and the number of all groups.

    An engine returns the groups alone that have a row of their own, where their ranks say which these are.
    """
    if store.engine is not None and scope.top and scope.by and query.ranks and not set(scope.by) & set(CALENDAR):
        keys, groups = find_top(store, scope, query.ranks, bound, scope.top)
        rows = query_figures(store, scope, query, bound, keys) if keys else []
        # Embeddings are in the total where they are in the groups.
        of_total = {**bound, "embeddings": scope.params()["embeddings"]}
        return rows, query_figures(store, scope.total(), query, of_total), groups
    if store.engine is not None:
        rows = figure_rows(store, scope, query.names, bound, with_left_out=query.with_left_out, with_total=True)
        return _part_total(rows) if scope.by else ([], rows, 0)
    # With the parameters of the groups: embeddings are in the total where they are in them.
    of_total = {**scope.params(), **bound}
    steps = _find_steps(store, query)
    if steps is not None:
        _fill(store, _KEEP, steps, scope.total().sql, {**of_total, "is_total": True})
        if scope.by:
            _fill(store, _KEEP_MORE, steps, scope.sql, {**of_total, "is_total": False})
    asked = steps or query
    if not scope.by:
        return [], scope.rows(store, asked.text, bound), 0
    if asked.text_with_total is not None and (steps is not None or _can_hold(store, 2 * query.lists)):
        return _part_total(scope.rows(store, asked.text_with_total, bound))
    rows = scope.rows(store, query.text, bound)
    return rows, scope.total().rows(store, query.text, of_total), len(rows)


def _find_steps(store: Store, query: FigureQuery) -> Steps | None:
    """Return the steps in which the query is asked; None where it is a single statement."""
    return None if _can_hold(store, query.lists) else query.steps


def _can_hold(store: Store, lists: int) -> bool:
    """Return whether this number of lists of the values of all calls can be held at once."""
    return lists == 0 or store.is_small(_MOST_HELD // lists)


def _part_total(rows: Sequence[Row]) -> tuple[Sequence[Row], Sequence[Row], int]:
    """Return the rows of groups, that of the total, and the number of groups; their last value says which they are."""
    of_groups = [row[:-1] for row in rows if not row[-1]]
    return of_groups, [row[:-1] for row in rows if row[-1]], len(of_groups)


def _fill(store: Store, to: str, steps: Steps, over: Callable[[str], str], params: dict[str, Any]) -> None:
    """Put into the table of each step what it finds ``over`` a scope."""
    for name, text in steps.tables.items():
        store.run(to.format(name=name) + over(text), params)


def query_figures(
    store: Store, scope: Scope, query: FigureQuery, params: dict[str, Any],
    shown: Sequence[Sequence[Any]] | None = None,
) -> Sequence[Row]:  # fmt: skip
    """Return the rows of the groups of a scope, from the store or from the engine that answers for it.

    ``shown`` names the groups whose rows are used, by their first dimensions: an engine returns no others.
    """
    if store.engine is not None:
        return figure_rows(store, scope, query.names, params, with_left_out=query.with_left_out, shown=shown)
    return scope.rows(store, query.text, params)


def _query_rest(
    store: Store, scope: Scope, query: FigureQuery, bound: dict[str, Any], shown: list[Row]
) -> Sequence[Row]:  # fmt: skip
    """Return the row of all groups but these."""
    if store.engine is not None:
        return figure_rows(store, scope, query.names, bound, with_left_out=query.with_left_out, rest=shown)
    steps = _find_steps(store, query)
    if steps is not None:
        show_groups(store, shown)
        _fill(store, _KEEP, steps, partial(scope.sql, rest=True), {**scope.params(), **bound, "is_total": False})
    return scope.rows(store, (steps or query).text, bound, rest=shown)


def _order_in_time(rows: Sequence[Row], place: int) -> list[Row]:
    """Return ranked rows in the order of the time in this column, each group of the columns before it by itself.

    Groups are in the order of their first row, rows of one time stay in their order, those without a time come last.
    """
    groups = {key: index for index, key in reversed([(i, row[:place]) for i, row in enumerate(rows)])}
    return sorted(rows, key=lambda row: (groups[row[:place]], row[place] is None, _moment(row[place])))


def _moment(name: Value) -> tuple[str, int]:
    """Return the place in time of an hour, day, week or month by its name, of which only an hour may have an offset."""
    text, offset = str(name)[:16], str(name)[16:]
    if not offset:
        return text, 0
    minutes = int(offset[1:3]) * 60 + int(offset[4:6])
    return text, minutes if offset[0] == "-" else -minutes


def _keep_newest(rows: Sequence[Row], top: int) -> list[Row]:
    """Return the last rows in time, of the same time the first ones; calls without a time are earlier than any."""
    places = range(len(rows))
    newest = sorted(places, key=lambda at: (rows[at][0] is not None, _moment(rows[at][0])), reverse=True)[:top]
    return [rows[at] for at in sorted(newest)]


def _empty(columns: tuple[Column, ...]) -> Row:
    return tuple(0 if column.unit == "calls" else None for column in columns)


def _partial(row: Row, end: int) -> frozenset[str]:
    """Return the columns that leave calls out, if the query lists them after its last column."""
    named: Any = row[end] if len(row) > end else ()
    return frozenset(name for name in named if name)


def _add_marks(table: Table, partial: Sequence[frozenset[str]] = ()) -> Table:
    """Return the table with the reason for a missing percentile in its place, and lower bounds marked."""
    marks: dict[tuple[int, str], Mark] = {}
    percentiles = _list_percentiles(table.columns)
    for index, record in enumerate(table.records()):
        left_out = partial[index] if partial else frozenset()
        found = {
            name.removeprefix("~"): Mark(prefix="~ " if name.startswith("~") else "≥ ")
            for name in left_out if record.get(name.removeprefix("~")) is not None
        }  # fmt: skip
        found |= _mark_percentiles(percentiles, record)
        if "tax_low_tokens" in record:
            found |= tax_marks(record)
        marks |= {(index, name): mark for name, mark in found.items()}
    return replace(table, marks=marks)


def _list_percentiles(columns: tuple[Column, ...]) -> list[tuple[str, str, int]]:
    """Return the columns that are percentiles: name, the column that counts the calls (of a latency between chunks: the
    gaps) it is of, and the fewest that give one."""
    names, found = {column.name for column in columns}, []
    for column in columns:
        latency, _, percentile = column.name.removesuffix("_ms").rpartition("_")
        counts = next((name for name in (f"{latency}_gaps", f"{latency}_calls") if name in names), None)
        if percentile in MIN_CALLS and counts is not None:
            found.append((column.name, counts, MIN_CALLS[percentile]))
    return found


def _mark_percentiles(percentiles: Sequence[tuple[str, str, int]], record: dict[str, Value]) -> dict[str, Mark]:
    """Return the number of calls or gaps instead of each percentile that has too few of them."""
    return {
        name: Mark(instead=f"n={n}") for name, counts, fewest in percentiles
        if record[name] is None and isinstance(n := record[counts], int) and 0 < n < fewest
    }  # fmt: skip


def mark_value(value: Value, low: Value, high: Value, shows: str, *, leaves_out: bool = False) -> Mark | None:
    """Return the mark of a value between two ends, as ``mark_bound`` does.

    Calls that have an interval and no value are in the low end alone. A value below it would be wrong, so a screen
    shows the low end, which is in the column ``shows``, as a lower bound.
    """
    if isinstance(value, int | float) and isinstance(low, int | float) and value < low * (1 - _ROUNDING):
        return Mark(prefix="≥ ", shows=shows)
    return mark_bound(value, low, high, leaves_out=leaves_out)


def mark_bound(value: Value, low: Value, high: Value, *, leaves_out: bool = False) -> Mark | None:
    """Return the mark of a sum given its interval; None for an exact or an unknown sum.

    It is an estimate when it is above the low end, a lower bound when the high end is further up or calls are left out.
    """
    if not isinstance(value, int | float):
        return None
    if isinstance(low, int | float) and value > low * (1 + _ROUNDING):
        return Mark(prefix="~ ")
    same = isinstance(high, int | float) and abs(high - value) <= abs(value) * _ROUNDING
    return Mark(prefix="≥ ") if leaves_out or not same else None


def mark_high_end(high: Value, open_calls: Value, *, differs: bool) -> Mark | None:
    """Return the mark of a high end: an upper bound, or no upper bound because of a number of calls."""
    if isinstance(open_calls, int) and open_calls:
        return Mark(instead="no upper bound") if high is None else Mark(suffix=f" + {open_calls:,} open")
    return Mark(prefix="≤ ") if differs and high is not None else None


def _mark_range(record: dict[str, Value], *, is_open: bool) -> Mark | None:
    """Return the mark that shows a tax in dollars as its two ends; None where they are the same, or none is known."""
    value, low, high = (record[f"tax_{end}usd"] for end in ("", "low_", "high_"))
    if low is None:
        return None
    exact = value is not None and value == low == high
    return None if exact and not is_open else Mark(between=("tax_low_usd", "tax_high_usd"), open=is_open)


def tax_marks(record: dict[str, Value]) -> dict[str, Mark]:
    """Return the marks of the cancellation tax of a group.

    The tax of a call of unknown outcome is unknown too: the ends are those of the calls known to have been cancelled.
    """
    unknown = record["outcome_unknown_calls"]
    unpriced, left_out = record["tax_unpriced_calls"], isinstance(unknown, int) and unknown > 0
    low, value, high = (record[f"tax_{end}tokens"] for end in ("low_", "", "high_"))
    open_calls = sum(count for count in (record["tax_open_calls"], unknown) if isinstance(count, int))
    is_open = left_out or bool(unpriced)
    usd = mark_value(record["tax_usd"], record["tax_low_usd"], record["tax_high_usd"], "tax_low_usd",
        leaves_out=is_open)  # fmt: skip
    # No column has the low end of these, so they are not shown where their value is below it.
    derived = replace(usd, shows=None if usd.shows is None else "") if usd else None
    found = {
        "tax_low_tokens": mark_bound(low, low, high, leaves_out=left_out),
        "tax_tokens": mark_value(value, low, high, "tax_low_tokens", leaves_out=left_out),
        "tax_high_tokens": mark_high_end(high, open_calls, differs=low != high),
        "tax_high_known_tokens": mark_high_end(record.get("tax_high_known_tokens"), open_calls, differs=low != high),
        "tax_usd": _mark_range(record, is_open=is_open),
        "tax_low_usd": mark_bound(record["tax_low_usd"], record["tax_low_usd"], record["tax_high_usd"],
            leaves_out=left_out or bool(unpriced)),
        "tax_high_usd": mark_high_end(record["tax_high_usd"], open_calls,
            differs=record["tax_low_usd"] != record["tax_high_usd"]),
        "tax_per_1000_calls_usd": derived,
        "tax_per_tenant_usd": derived,
    }  # fmt: skip
    return {name: mark for name, mark in found.items() if mark and name in record}
