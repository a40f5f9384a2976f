"""The counts that a diff is made of: three queries, whatever the number of groups, metrics and statistics."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from importlib.resources import files
from math import floor
from operator import or_
from typing import TYPE_CHECKING, Any

from streamaudit.buckets import define_buckets, edges_us
from streamaudit.diff.ask import Ask
from streamaudit.scope import MAX_BY, SIDED, Scope
from streamaudit.store import Store

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDTHS_S = (1, 2, 5, 10, 20, 60, 120, 300, 600, 1800, 3600, 10_800, 21_600, 43_200, 86_400)
LEAST_BLOCKS = 20
_MOST_BLOCKS = 1_000_000
"""A block of time is the longest of these that cuts the shorter side into at least so many."""
CENSORED = len(edges_us()) + 1
TICK_MS, COARSE_TICK_MS = 100.0, 1000.0
"""A clock that coarse makes one tick of difference from nothing; finer ones stay below what matters anyhow."""
_ON_THE_TICK = 0.999
_TICKING = ("ttft", "ttvt", "duration")

_PLACES = """
SELECT
    by_1, by_2, by_3, by_4, stratum_1, stratum_2, stratum_3, side, source,
    min(start_time) AS first, max(start_time) AS last, count(*) AS calls,
    bit_or(1::BIGINT << ((isodow(start_time) > 5)::INTEGER * 24 + hour(start_time)::INTEGER)) AS hours,
    count(*) FILTER (ttvt_ms > 0) AS ttvt_calls,
    [count(ttft_ms), count(*) FILTER (ttft_ms % 100 = 0)] AS ttft_ticks,
    [count(ttvt_ms), count(*) FILTER (ttvt_ms % 100 = 0)] AS ttvt_ticks,
    [count(duration_ms), count(*) FILTER (duration_ms % 100 = 0)] AS duration_ticks
FROM sided WHERE side IS NOT NULL GROUP BY ALL ORDER BY ALL
"""
_SECONDS = """
SELECT count(*) FILTER (ttft_ms % 1000 = 0), count(*) FILTER (ttvt_ms % 1000 = 0),
    count(*) FILTER (duration_ms % 1000 = 0)
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
"""A group's dimensions and a stratum's, NULL where fewer are asked for."""


@dataclass(frozen=True, slots=True)
class Period:
    """One side's traffic: its first and last call, how many, and the hours of weekdays and weekends it ran in."""

    first: datetime
    last: datetime
    calls: int
    hours: int
    """Bit h is an hour of a weekday, bit 24 + h of a weekend, UTC."""


@dataclass(frozen=True, slots=True)
class Scan:
    """Counts of both sides. ``places`` are numbered as in the arrays; ``latencies`` has the columns metric, place,
    side, block, bucket and n, ``rates`` place, side, block and sums. A side without calls has no period."""

    places: list[Place]
    periods: tuple[Period | None, Period | None]
    block_s: int
    ticks_ms: dict[str, float]
    """How coarse the clock of a latency is, where it is coarse."""
    latencies: "dict[str, NDArray[Any]]"
    rates: "dict[str, NDArray[Any]]"


def scan(store: Store, scope: Scope, ask: Ask, *, beside: Period | None = None, multiple_of_s: int = 1) -> Scan:
    """Count both sides. The scope must be prepared. ``beside`` is a side that is not in the store, whose blocks are
    ``multiple_of_s`` wide."""
    params = ask.params(scope)
    found = store.query(scope.sql(SIDED + _PLACES), params)
    keys = list(dict.fromkeys(tuple(row[:7]) for row in found))
    periods = tuple(_period([row for row in found if row[7] == side]) for side in (0, 1))
    known = [period for period in (*periods, beside) if period]
    width_s = block_width_s(known, ask.skip_first_s, multiple_of_s)
    define_buckets(store)
    store.run(_NUMBERED, {name: [key[index] for key in keys] for index, name in enumerate(_KEYS)})
    skip = timedelta(seconds=ask.skip_first_s)
    bound = {
        **params, "metrics": list(ask.metrics), "block_s": width_s, "censored": CENSORED,
        "ttvt_sources": sorted({row[8] for row in found if row[13]}),
        "base_from": periods[0].first + skip if periods[0] else None,
        "head_from": periods[1].first + skip if periods[1] else None,
    }  # fmt: skip
    store.run("CREATE OR REPLACE TEMP TABLE diff_calls AS " + scope.sql(SIDED + _text("calls.sql")), bound)
    first_block = store.one("SELECT coalesce(min(block), 0) FROM diff_calls")[0]
    latencies = _unpacked(store.arrays(_text("latencies.sql"), {"first_block": first_block}), first_block)
    rates = store.arrays(_text("rates.sql"))
    store.run("DROP TABLE diff_calls")
    return Scan(keys, (periods[0], periods[1]), width_s, _ticks(store, scope, ask, found), latencies, rates)


def _unpacked(found: "dict[str, NDArray[Any]]", first_block: int) -> "dict[str, NDArray[Any]]":
    """The columns that ``latencies.sql`` packs into ``key``: place, side (1 bit), block (20 bits), bucket (12 bits)."""
    key = found["key"]
    return {
        "metric": found["metric"],
        "place": (key >> 33).astype("int32"),
        "side": (key >> 32 & 1).astype("uint8"),
        "block": ((key >> 12 & 0xFFFFF) + first_block).astype("int32"),
        "bucket": (key & 0xFFF).astype("uint16"),
        "n": found["n"],
    }


def block_width_s(periods: list[Period], skip_first_s: float = 0.0, multiple_of_s: int = 1) -> int:
    """The widest block of which the shorter side spans at least 20; the narrowest there is when none does."""

    def blocks(period: Period, width_s: int) -> int:
        first = floor((period.first + timedelta(seconds=skip_first_s) - datetime(1970, 1, 1)).total_seconds() / width_s)
        return floor((period.last - datetime(1970, 1, 1)).total_seconds() / width_s) - first + 1

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
    if found:  # so few stores have such a clock that all others need not count the coarser tick
        seconds = dict(zip(_TICKING, store.one(scope.sql(SIDED + _SECONDS), ask.params(scope)), strict=True))
        found |= {name: COARSE_TICK_MS for name in found if seconds[name] >= _ON_THE_TICK * known[name]}
    return found


def _text(name: str) -> str:
    return files("streamaudit.diff").joinpath(name).read_text("utf-8")


assert MAX_BY == 4, "the places have four dimensions"
