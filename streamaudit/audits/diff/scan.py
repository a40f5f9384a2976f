"""Count both sides of a diff: four queries for any number of groups, metrics and statistics."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from math import floor
from operator import or_
from typing import TYPE_CHECKING, Any

from streamaudit.audits.diff.histogram import (
    CENSORED,
    HEAD,
    NONE,
    Counted,
    Histogram,
    code_of,
    count_cells,
    define_codes,
    unpack,
)
from streamaudit.audits.diff.question import Ask
from streamaudit.audits.diff.sessions import BINS, Sessions, add_up, count_sessions
from streamaudit.audits.metrics import LATENCIES
from streamaudit.audits.scope.scope import MAX_BY, Scope
from streamaudit.audits.waits import list_recorders
from streamaudit.store.package_files import package_text
from streamaudit.store.store import Store

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDTHS_S = (1, 2, 5, 10, 20, 60, 120, 300, 600, 1800, 3600, 10_800, 21_600, 43_200, 86_400)
LEAST_BLOCKS = 20
_MOST_BLOCKS = 1_000_000
"""A block of time is the longest of these widths that cuts the shorter side into at least LEAST_BLOCKS blocks."""
TICK_MS, COARSE_TICK_MS = 100.0, 1000.0
"""A clock this coarse can create a difference of one tick; finer ones stay below the smallest change that matters."""
_ON_THE_TICK = 0.999
_MOST_CALLS = 12_000_000
"""Calls in memory at a time, at up to 40 bytes each while they are transferred."""
_EPOCH = datetime(1970, 1, 1)
_TICKING = ("ttft", "ttvt", "duration")

# A remainder takes three times as long to compute as this equivalent expression.
_PLACES = """
SELECT
    by_1, by_2, by_3, by_4, stratum_1, stratum_2, stratum_3, side, source,
    min(start_time) AS first, max(start_time) AS last, count(*) AS calls,
    bit_or(1::BIGINT << ((isodow(start_time) > 5)::INTEGER * 24 + hour(start_time)::INTEGER)) AS hours,
    count(*) FILTER (ttvt_ms > 0) AS ttvt_calls,
    [count(ttft_ms), count(*) FILTER (floor(ttft_ms / 100) * 100 = ttft_ms)] AS ttft_ticks,
    [count(ttvt_ms), count(*) FILTER (floor(ttvt_ms / 100) * 100 = ttvt_ms)] AS ttvt_ticks,
    [count(duration_ms), count(*) FILTER (floor(duration_ms / 100) * 100 = duration_ms)] AS duration_ticks
FROM sided WHERE side IS NOT NULL GROUP BY ALL ORDER BY ALL
"""
_SECONDS = """
SELECT count(*) FILTER (floor(ttft_ms / 1000) * 1000 = ttft_ms),
    count(*) FILTER (floor(ttvt_ms / 1000) * 1000 = ttvt_ms),
    count(*) FILTER (floor(duration_ms / 1000) * 1000 = duration_ms)
FROM sided WHERE side IS NOT NULL
"""
_NUMBERED = """
CREATE OR REPLACE TEMP TABLE diff_places AS
SELECT (generate_subscripts($by_1::VARCHAR[], 1) - 1)::BIGINT AS place, unnest($by_1::VARCHAR[]) AS by_1,
    unnest($by_2::VARCHAR[]) AS by_2, unnest($by_3::VARCHAR[]) AS by_3, unnest($by_4::VARCHAR[]) AS by_4,
    unnest($stratum_1::VARCHAR[]) AS stratum_1, unnest($stratum_2::VARCHAR[]) AS stratum_2,
    unnest($stratum_3::VARCHAR[]) AS stratum_3
"""
_KEYS = ("by_1", "by_2", "by_3", "by_4", "stratum_1", "stratum_2", "stratum_3")

Place = tuple[str | None, ...]
"""A group's dimensions and a stratum's, NULL where there are fewer."""


@dataclass(frozen=True, slots=True)
class Period:
    """A side's traffic: its first and last call, the number of calls, and the hours of weekdays and weekends."""

    first: datetime
    last: datetime
    calls: int
    hours: int
    """Bit h is an hour of a weekday, bit 24 + h of a weekend, UTC."""


@dataclass(frozen=True, slots=True)
class Scan:
    """Counts of both sides.

    ``places`` are numbered as in the arrays; ``latencies`` has the histograms of the base and of the head by metric,
    ``rates`` the columns place, side, block and sums. A side without calls has no period.
    """

    places: list[Place]
    periods: tuple[Period | None, Period | None]
    block_s: int
    ticks_ms: dict[str, float]
    """Tick of a latency's clock in milliseconds, if it is coarse."""
    latencies: dict[str, tuple[Histogram, Histogram]]
    rates: "dict[str, NDArray[Any]]"
    sessions: Sessions


def scan(
    store: Store, scope: Scope, ask: Ask, *, taxed: bool, stored_elsewhere: Period | None = None, multiple_of_s: int = 1
) -> Scan:
    """Count both sides.

    The scope must be prepared; without ``taxed`` there are no sums of the tax. ``stored_elsewhere`` is a side that is
    not in the store, whose blocks are ``multiple_of_s`` wide.
    """
    params = ask.params(scope)
    found = store.query(ask.sql(scope, _PLACES), params)
    keys = list(dict.fromkeys(tuple(row[:7]) for row in found))
    periods = (_period([row for row in found if row[7] == 0]), _period([row for row in found if row[7] == 1]))
    known = [period for period in (*periods, stored_elsewhere) if period]
    width_s = block_width_s(known, ask.skip_first_s, multiple_of_s)
    store.run(_NUMBERED, {name: [key[index] for key in keys] for index, name in enumerate(_KEYS)})
    begins = [period.first + timedelta(seconds=ask.skip_first_s) if period else None for period in periods]
    placed = ask.sql(scope, package_text("audits.diff", "placed.sql"))
    bound = {**params, "block_s": width_s, "base_from": begins[0], "head_from": begins[1]}
    recorded = list_recorders(store, scope) if "ttvt" in ask.metrics and any(row[13] for row in found) else []
    latencies, sessions = _latencies(
        store, placed, ask, [period for period in periods if period], {**bound, "ttvt_recorded": recorded}, len(keys)
    )
    rates = store.arrays(placed + package_text("audits.diff", "rates.sql"), {**bound, "taxed": taxed})
    return Scan(keys, periods, width_s, _ticks(store, scope, ask, found), latencies, rates, sessions)


def _latencies(
    store: Store, placed: str, ask: Ask, periods: list[Period], bound: dict[str, Any], places: int
) -> tuple[dict[str, tuple[Histogram, Histogram]], Sessions]:
    """Count the requested latencies and the sessions, as many calls at a time as memory allows."""
    names = [name for name in LATENCIES if name in ask.metrics]
    define_codes(store)
    # A block is found from an instant rounded to the nearest second, which may be the next block's first.
    first = min((_block(period.first, bound["block_s"]) for period in periods), default=0)
    last = max((_block(period.last, bound["block_s"]) for period in periods), default=0) + 1
    steps = -(-sum(period.calls for period in periods) // _MOST_CALLS) or 1
    width = -(-(last + 1 - first) // steps)
    coded = {
        **bound, "latencies": names or [*LATENCIES][:1], "on_head": HEAD, "first_block": first, "none": NONE,
        "censored": code_of(CENSORED), "session_mask": BINS - 1,
    }  # fmt: skip
    parts: dict[str, list[Counted]] = {name: [] for name in names}
    sessions = []
    for start in range(first, last + 1, width):
        blocks = {"from_block": start, "to_block": start + width - 1}
        found = store.arrays(placed + package_text("audits.diff", "latencies.sql"), {**coded, **blocks})
        sessions.append(count_sessions(found["cell"], found.pop("session"), places))
        for name in names:
            parts[name].append(count_cells(found["cell"], found.pop(name)))
    return {name: unpack(parts.pop(name), first) for name in names}, add_up(sessions)


def _block(instant: datetime, width_s: int) -> int:
    return floor((instant - _EPOCH).total_seconds() / width_s)


def block_width_s(periods: list[Period], skip_first_s: float = 0.0, multiple_of_s: int = 1) -> int:
    """Return the widest block, in seconds, of which the shorter side spans at least 20.

    The narrowest block when none is spanned so often.
    """

    def blocks(period: Period, width_s: int) -> int:
        return _block(period.last, width_s) - _block(period.first + timedelta(seconds=skip_first_s), width_s) + 1

    span_s = (max(p.last for p in periods) - min(p.first for p in periods)).total_seconds() if periods else 0.0
    widths = [w for w in WIDTHS_S if w % multiple_of_s == 0 and span_s / w < _MOST_BLOCKS] or [WIDTHS_S[-1]]
    fitting = [w for w in widths if periods and min(blocks(period, w) for period in periods) >= LEAST_BLOCKS]
    return fitting[-1] if fitting else widths[0]


def _period(rows: list[tuple[Any, ...]]) -> Period | None:
    if not rows:
        return None
    hours = reduce(or_, (row[12] for row in rows))
    return Period(min(row[9] for row in rows), max(row[10] for row in rows), sum(row[11] for row in rows), hours)


def _ticks(store: Store, scope: Scope, ask: Ask, rows: list[tuple[Any, ...]]) -> dict[str, float]:
    found: dict[str, float] = {}
    known: dict[str, int] = {}
    for column, name in enumerate(_TICKING, start=14):
        known[name], on_tick = (sum(row[column][index] for row in rows) for index in range(2))
        if known[name] and on_tick >= _ON_THE_TICK * known[name]:
            found[name] = TICK_MS
    if found:  # few stores have such a clock, so count the coarser tick only then
        seconds = dict(zip(_TICKING, store.one(ask.sql(scope, _SECONDS), ask.params(scope)), strict=True))
        found |= {name: COARSE_TICK_MS for name in found if seconds[name] >= _ON_THE_TICK * known[name]}
    return found


assert MAX_BY == 4, "the places have four dimensions"
