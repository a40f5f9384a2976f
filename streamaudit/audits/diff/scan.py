"""Count both sides of a diff: four queries for any number of groups, metrics and statistics."""

from datetime import timedelta
from functools import reduce
from operator import or_
from typing import Any

from streamaudit.audits.diff.counts import TICKING, Period, Scan, block_of, block_width_s, find_ticks
from streamaudit.audits.diff.exported import scan_exported
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

_MOST_CALLS = 12_000_000
"""Calls in memory at a time, at up to 40 bytes each while they are transferred."""

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


def scan(
    store: Store, scope: Scope, ask: Ask, *, taxed: bool, stored_elsewhere: Period | None = None, multiple_of_s: int = 1
) -> Scan:
    """Count both sides.

    The scope must be prepared; without ``taxed`` there are no sums of the tax. ``stored_elsewhere`` is a side that is
    not in the store, whose blocks are ``multiple_of_s`` wide.
    """
    if store.engine is not None:
        return scan_exported(
            store.engine, scope, ask, taxed=taxed, stored_elsewhere=stored_elsewhere, multiple_of_s=multiple_of_s
        )
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
    first = min((block_of(period.first, bound["block_s"]) for period in periods), default=0)
    last = max((block_of(period.last, bound["block_s"]) for period in periods), default=0)
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


def _period(rows: list[tuple[Any, ...]]) -> Period | None:
    if not rows:
        return None
    hours = reduce(or_, (row[12] for row in rows))
    return Period(min(row[9] for row in rows), max(row[10] for row in rows), sum(row[11] for row in rows), hours)


def _ticks(store: Store, scope: Scope, ask: Ask, rows: list[tuple[Any, ...]]) -> dict[str, float]:
    def count_seconds() -> dict[str, int]:
        return dict(zip(TICKING, store.one(ask.sql(scope, _SECONDS), ask.params(scope)), strict=True))

    columns = dict(enumerate(TICKING, start=14))
    known, on_tick = ({name: sum(row[at][place] for row in rows) for at, name in columns.items()} for place in (0, 1))
    return find_ticks(known, on_tick, count_seconds)


assert MAX_BY == 4, "the places have four dimensions"
