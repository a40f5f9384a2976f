"""A figure of each group day by day, week by week or month by month, for the line that a screen draws next to it."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from streamaudit.audits.base import query_figures
from streamaudit.audits.figures import ask
from streamaudit.audits.metrics import METRICS
from streamaudit.audits.scope.scope import MAX_BY, Scope
from streamaudit.errors import UsageError
from streamaudit.report.model import Column, Interval, Json, Table, Value
from streamaudit.store.dimensions import CALENDAR
from streamaudit.store.store import Store

_MOST_PERIODS = 31
"""Days are shown up to this many, then weeks up to this many, then months."""
_GRAINS = (("day", 1), ("week", 7), ("month", 31))


def series(values: Iterable[float | int | None]) -> Json:
    """Return a list of values as a cell; None is a period without a value."""
    return Json(json.dumps([None if value is None else float(f"{value:.10g}") for value in values]))


def add_trend(
    store: Store, scope: Scope, tables: Sequence[Table], interval: Interval, metric: str, after: str
) -> tuple[Table, ...]:
    """Return the tables of groups and total with a column of one figure by period, placed after the column ``after``.

    The row of all other groups has none. Raises UsageError where the groups leave no room for a period.
    """
    if len(scope.by) >= MAX_BY:
        raise UsageError(f"--trend takes at most {MAX_BY - 1} dimensions in --by")
    grain, periods = _periods(interval)
    stem, _, unit = metric.rpartition("_")
    column = Column(
        f"{stem}_by_{grain}_{unit}", METRICS[metric].unit, f"{METRICS[metric].help}, by {grain}, oldest first",
        kept=True, trend=True,
    )  # fmt: skip
    return tuple(
        _add_column(table, column, after, _query(store, scope, table, grain, metric), periods)
        if any(one.name == after for one in table.columns) else table
        for table in tables
    )  # fmt: skip


_Key = tuple[Value, ...]


def _query(store: Store, scope: Scope, table: Table, grain: str, metric: str) -> dict[_Key, dict[Value, Value]]:
    """Return the figure of each group of a table by period."""
    by = table.by
    shown = [row[: len(by)] for index, row in enumerate(table.rows) if index != table.rest_row] if by else None
    asked = replace(scope, by=(*by, grain), top=None)
    found: dict[_Key, dict[Value, Value]] = {}
    for row in query_figures(store, asked, ask((metric,)), {"slo_ms": None}, shown):
        found.setdefault(tuple(row[: len(by)]), {})[row[len(by)]] = row[MAX_BY]
    return found


def _add_column(
    table: Table, column: Column, after: str, found: dict[_Key, dict[Value, Value]], periods: Sequence[str]
) -> Table:
    place = table.position(after) + 1

    def cell(index: int, row: tuple[Value, ...]) -> Value:
        mine = None if index == table.rest_row else found.get(tuple(row[: len(table.by)]))
        values = [mine.get(period) for period in periods] if mine else []
        return series(one if isinstance(one, int | float) else None for one in values) if values else None

    rows = tuple((*row[:place], cell(index, row), *row[place:]) for index, row in enumerate(table.rows))
    return replace(table, columns=(*table.columns[:place], column, *table.columns[place:]), rows=rows)


def _periods(interval: Interval) -> tuple[str, list[str]]:
    """Return the length of a period, and the names of those from the first day to the last."""
    if interval.since is None or interval.until is None:
        return "day", []
    zone = ZoneInfo(interval.tz)
    first = interval.since.astimezone(zone).date()
    last = (interval.until - timedelta(microseconds=1)).astimezone(zone).date()
    days = max((last - first).days + 1, 1)
    grain = next((name for name, length in _GRAINS if days <= length * _MOST_PERIODS), "month")
    return grain, list(dict.fromkeys(_name(first + timedelta(days=day), grain) for day in range(days)))


def _name(day: date, grain: str) -> str:
    return day.strftime(CALENDAR[grain])
