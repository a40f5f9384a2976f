"""Find changes between two windows: the tax of every value of a few dimensions on both sides.

One scan covers both sides. For the largest changes it also finds the value of another dimension that made most of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from streamaudit.audits.diff.question import Ask
from streamaudit.audits.scope.scope import MAX_BY, Scope
from streamaudit.store.store import Store

# Grouping of a row: bit 0 for by_4 up to bit 3 for by_1, set where the row is not grouped by it.
_MONEY = """
SELECT
    by_1, by_2, by_3, by_4, grouping(by_1, by_2, by_3, by_4), side, count(*), min(start_time),
    CASE WHEN count(*) FILTER (outcome = 'unknown') < count(*)
        THEN coalesce(sum(tax_low) FILTER (outcome = 'cancelled'), 0)::BIGINT END,
    CASE WHEN count(*) FILTER (outcome = 'unknown') < count(*) THEN priced_sum(
        CASE WHEN outcome = 'cancelled' THEN tax_low END, CASE WHEN outcome = 'cancelled' THEN tax_low_usd END) END,
    count(*) FILTER (outcome = 'unknown' OR (outcome = 'cancelled' AND (tax_high IS DISTINCT FROM tax_low
        OR (tax_low > 0 AND tax_low_usd IS NULL))))
FROM sided
WHERE side IS NOT NULL
"""
_SINGLE = _MONEY + "GROUP BY side, GROUPING SETS ((by_1), (by_2), (by_3), (by_4))"
_PAIRS = (
    _MONEY
    + """
    AND (list_contains($values_1::VARCHAR[], by_1) OR list_contains($values_2::VARCHAR[], by_2)
        OR list_contains($values_3::VARCHAR[], by_3))
GROUP BY side, GROUPING SETS ((by_1, by_2), (by_1, by_3), (by_1, by_4), (by_2, by_3), (by_2, by_4), (by_3, by_4))
"""
)
_ALL = (1 << MAX_BY) - 1

MOST, NEARLY_ALL, RAISED = 0.5, 0.9, 1.25
"""A cause is named when it made more than the first share of a change, unless its share of calls exceeds the second.
A new deploy is named when the tax per call is at least the third times as high as before."""


@dataclass(slots=True)
class Money:
    """The tax of the calls of one value in both windows (base, head).

    Calls, low ends in tokens and in dollars, NULL where not known, and the first call of either window.
    """

    dimension: str
    value: str | None
    calls: list[int]
    tokens: list[int | None]
    usd: list[float | None]
    first: datetime | None = None
    uncertain: list[int] = field(default_factory=lambda: [0, 0])
    """Calls whose tax may be more than its low end: the tax has a range, no price, or the outcome is unknown."""

    @property
    def change_usd(self) -> float | None:
        """The rise of the low end in dollars; NULL when either side has no price."""
        base, head = self.usd
        return None if base is None or head is None else head - base

    @property
    def change_tokens(self) -> int | None:
        """The rise of the low end in tokens."""
        base, head = self.tokens
        return None if base is None or head is None else head - base

    def change(self, *, priced: bool) -> float:
        """Return the change in dollars where these are known, else in tokens; 0 when unknown."""
        return (self.change_usd if priced else self.change_tokens) or 0.0


def money(store: Store, scope: Scope, ask: Ask) -> list[Money]:
    """Return every value of the dimensions of ``scope.by`` on both sides. The scope must be prepared."""
    found: dict[tuple[int, str | None], Money] = {}
    for place, value, row in _of_level(store.query(ask.sql(scope, _SINGLE), ask.params(scope)), 1, len(scope.by)):
        (at,), (name,) = place, value
        one = found.setdefault((at, name), _no_money(scope.by[at], name))
        _set(one, row)
    return list(found.values())


def drivers(store: Store, scope: Scope, ask: Ask, movers: Sequence[Money], *, priced: bool) -> list[dict[str, str]]:
    """Return for each mover the value of every other dimension that made more than half of its change."""
    if not movers:
        return []
    values: dict[str, list[str]] = {f"values_{slot}": [] for slot in range(1, MAX_BY)}
    for mover in movers:
        if mover.value is not None:
            values[f"values_{scope.by.index(mover.dimension) + 1}"].append(mover.value)
    pairs: dict[tuple[str, str | None, str, str | None], Money] = {}
    rows = store.query(ask.sql(scope, _PAIRS), {**ask.params(scope), **values})
    for places, names, row in _of_level(rows, 2, len(scope.by)):
        for one, other in ((0, 1), (1, 0)):
            key = (scope.by[places[one]], names[one], scope.by[places[other]], names[other])
            _set(pairs.setdefault(key, _no_money(key[2], key[3])), row)
    return [_find_drivers(mover, pairs, priced=priced) for mover in movers]


def _find_drivers(
    mover: Money, pairs: dict[tuple[str, str | None, str, str | None], Money], *, priced: bool
) -> dict[str, str]:
    whole = mover.change(priced=priced)
    best: dict[str, tuple[float, str]] = {}
    for (dimension, value, other, name), part in pairs.items():
        if (dimension, value) == (mover.dimension, mover.value) and name is not None and whole:
            share = part.change(priced=priced) / whole
            if other == "deploy":
                tells = _raised_tax(part, mover)
            else:
                # A value that nearly all calls share explains nothing.
                tells = share > MOST and part.calls[1] < NEARLY_ALL * mover.calls[1]
            if tells:
                # Several can have made more than half where others shrank: name the one that made most.
                best[other] = min(best.get(other, (0.0, name)), (-share, name))
    return {other: name for other, (_, name) in best.items()}


def _raised_tax(deploy: Money, mover: Money) -> bool:
    """Return whether a new deploy made most of the tax and raised the tax per call.

    Having more tax than a deploy that it replaced is no evidence on its own.
    """
    tokens, all_tokens, before = deploy.tokens[1], mover.tokens[1], mover.tokens[0]
    if deploy.calls[0] or not (tokens and all_tokens and mover.calls[0]) or before is None:
        return False
    return tokens > MOST * all_tokens and tokens / deploy.calls[1] > RAISED * before / mover.calls[0]


def _of_level(rows: list[tuple[Any, ...]], depth: int, dimensions: int) -> Any:
    """Yield the rows of ``dimensions`` requested dimensions: their places, their values, and the row."""
    for row in rows:
        present = _ALL & ~row[MAX_BY]
        places = [at for at in range(MAX_BY) if present >> (MAX_BY - 1 - at) & 1]
        if len(places) == depth and all(at < dimensions for at in places):
            yield places, [row[at] for at in places], row[MAX_BY + 1 :]


def _no_money(dimension: str, value: str | None) -> Money:
    return Money(dimension, value, [0, 0], [0, 0], [0.0, 0.0])


def _set(one: Money, row: tuple[Any, ...]) -> None:
    side, calls, first, tokens, usd, uncertain = row
    one.calls[side], one.tokens[side], one.usd[side], one.uncertain[side] = calls, tokens, usd, uncertain
    one.first = min(one.first, first) if one.first else first
