"""Find changes between two windows: the tax of every value of a few dimensions on both sides.

One scan covers both sides. For the largest changes it also finds the value of another dimension that made most of them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import combinations
from typing import Any

from streamaudit.audits.diff.question import Ask
from streamaudit.audits.scope.portable import Texts, moment
from streamaudit.audits.scope.scope import Scope
from streamaudit.audits.sums import Sum, declare, finish, priced, write_exact, write_portable
from streamaudit.store.store import Store

_SUMS = declare({
    "calls": "count(*)",
    "first_start": Sum("min(start_time)", {"": "min(start_us)"}),
    "no_outcome": "count(*) FILTER (WHERE outcome = 'unknown')",
    "tokens": "coalesce(sum(tax_low) FILTER (WHERE outcome = 'cancelled'), 0)::BIGINT",
    "usd": priced("tax_low", "outcome = 'cancelled'"),
    "uncertain": "count(*) FILTER (WHERE outcome = 'unknown' OR (outcome = 'cancelled'"
        " AND (tax_high IS DISTINCT FROM tax_low OR (tax_low > 0 AND tax_low_usd IS NULL))))",
})  # fmt: skip
_MONEY = """
SELECT {by}, {absent}, side, {sums}
FROM sided
WHERE side IS NOT NULL{condition}
GROUP BY GROUPING SETS ({sets})
"""


def _write(depth: int, dimensions: int, condition: str = "") -> Texts:
    """Return the query for the tax by every ``depth`` of the dimensions at once."""
    by = [f"by_{slot}" for slot in range(1, dimensions + 1)]
    parts = {
        "by": ", ".join(by), "absent": ", ".join(f"GROUPING({name}) AS no_{name}" for name in by),
        "condition": condition, "sets": ", ".join(f"(side, {', '.join(names)})" for names in combinations(by, depth)),
    }  # fmt: skip
    return Texts(*(_MONEY.format(sums=sums, **parts) for sums in (write_exact(_SUMS), write_portable(_SUMS))))


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
    for place, value, row in _query(store, scope, ask, 1):
        (at,), (name,) = place, value
        one = found.setdefault((at, name), _no_money(scope.by[at], name))
        _set(one, row)
    return list(found.values())


def drivers(store: Store, scope: Scope, ask: Ask, movers: Sequence[Money], *, priced: bool) -> list[dict[str, str]]:
    """Return for each mover the value of every other dimension that made more than half of its change."""
    if not movers:
        return []
    values: dict[int, dict[str, str]] = {}
    for mover in movers:
        if mover.value is not None:
            slot = scope.by.index(mover.dimension) + 1
            of_slot = values.setdefault(slot, {})
            of_slot[f"value_{slot}_{len(of_slot)}"] = mover.value
    named = (f"by_{slot} IN ({', '.join(f'${key}' for key in of_slot)})" for slot, of_slot in values.items())
    condition = f" AND ({' OR '.join(named)})" if values else " AND 1 = 0"
    pairs: dict[tuple[str, str | None, str, str | None], Money] = {}
    params = {key: value for of_slot in values.values() for key, value in of_slot.items()}
    for places, names, row in _query(store, scope, ask, 2, condition, params):
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


def _query(
    store: Store, scope: Scope, ask: Ask, depth: int, condition: str = "", params: dict[str, Any] | None = None
) -> Iterator[tuple[list[int], list[str | None], tuple[Any, ...]]]:
    """Yield the places of ``depth`` dimensions, their values, and the side and sums of the calls with these."""
    dimensions = len(scope.by)
    rows = ask.rows(store, scope, _write(depth, dimensions, condition), params)
    for row in finish(store, _SUMS, rows) if store.engine is not None else rows:
        places = [at for at in range(dimensions) if not row[dimensions + at]]
        yield places, [row[at] for at in places], row[2 * dimensions :]


def _no_money(dimension: str, value: str | None) -> Money:
    return Money(dimension, value, [0, 0], [0, 0], [0.0, 0.0])


def _set(one: Money, row: tuple[Any, ...]) -> None:
    side, calls, started, no_outcome, tokens, usd, uncertain = row
    first = moment(started)
    if no_outcome == calls:
        tokens = usd = None
    one.calls[side], one.tokens[side], one.usd[side], one.uncertain[side] = calls, tokens, usd, uncertain
    one.first = min(one.first, first) if one.first and first else one.first or first
