"""Count both sides of a diff over exported calls: an engine counts by place, side, block of time and bucket.

The counts are those of ``scan`` over the store of these calls, and what follows from them is the same: a bucket, that
of a cut and the bin of a session are columns of the export. Places are numbered by the engine in the order in which it
gives them, which is that of their names' bytes.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

import numpy as np

from streamaudit.audits.diff.counts import TICKING, Period, Place, Scan, block_width_s, find_ticks
from streamaudit.audits.diff.histogram import CENSORED, EMPTY, HEAD, Histogram, pack, unpack
from streamaudit.audits.diff.question import Ask
from streamaudit.audits.diff.sessions import BINS, Sessions, add_up
from streamaudit.audits.metrics import LATENCIES
from streamaudit.audits.scope.portable import microseconds, moment, name_weeks
from streamaudit.audits.scope.scope import MAX_BY, Scope
from streamaudit.store.engines.protocol import Engine

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAX_STRATA = 3
_HOUR_US, _WEEK_US = 3_600_000_000, 604_800_000_000
_THURSDAY_H = 3 * 24
"""1970 began on a Thursday, this many hours into its week."""
_WORKDAYS_H = 5 * 24

_TICKS = ", ".join(
    f"count({name}_ms) AS {name}_known, "
    f"count(*) FILTER (WHERE floor({name}_ms / 100) * 100 = {name}_ms) AS {name}_on_tick, "
    f"count(*) FILTER (WHERE floor({name}_ms / 1000) * 1000 = {name}_ms) AS {name}_on_second"
    for name in TICKING
)
_PLACES = """
SELECT {keys}side, min(start_us) AS first_us, max(start_us) AS last_us, count(*) AS calls,
    count(session_bin) AS session_calls, count(*) FILTER (WHERE ttvt_ms > 0) AS ttvt_calls, {ticks}
FROM sided GROUP BY {keys}side ORDER BY {order}side
"""
_HOURS = """
SELECT DISTINCT side, start_us % 604800000000 - start_us % 604800000000 % 3600000000 AS hour_us FROM sided
"""

# An aggregate of the calls comes first, so that few rows are joined to their places.
_COUNTED = """
, placed AS (
    SELECT *, start_us - start_us % $width_us AS block_us FROM sided
    WHERE start_us >= CASE side WHEN 0 THEN $base_from_us ELSE $head_from_us END
){given}, counted AS (
    SELECT {keys}side, {of}, {sums} FROM {rows} GROUP BY {keys}side, {of}
)
"""
_NUMBERED = """, places AS (
    SELECT {named}, ROW_NUMBER() OVER (ORDER BY {order}) - 1 AS place
    FROM (SELECT DISTINCT {keys} FROM sided) AS names
)
SELECT place, side, {columns} FROM counted JOIN places ON {same}"""
_ONE_PLACE = "SELECT 0 AS place, side, {columns} FROM counted"

_CUT = (
    "CASE WHEN {bucket} IS NULL THEN $censored "
    "ELSE $censored + 1 + CAST(({bucket} - {bucket} % 2) / 2 AS INTEGER) END"
)
"""The number of a wait that was cut short, as histogram.py gives it."""
_CUT_WAIT = "CASE WHEN outcome IN ('cancelled', 'timeout') THEN " + _CUT.format(bucket="cut_bucket") + " END"
# As the macro cut_before_visible.
_UNSEEN = """CASE
            WHEN outcome NOT IN ('cancelled', 'timeout') OR ttft_status NOT IN ('usable', 'censored') OR ttvt_ms > 0
                OR delivered_tokens > 0 OR rendered_tokens > 0 OR visible_output_chars > 0 THEN 1 = 0
            ELSE delivered_tokens = 0 OR visible_output_chars = 0 OR {recorded} END"""
_LASTED = "duration_ms IS NOT NULL AND (cache_hit IS NULL OR NOT cache_hit)"
_BUCKETS = {
    "ttft": f"CASE WHEN ttft_status = 'usable' THEN ttft_bucket WHEN ttft_status = 'censored' THEN {_CUT_WAIT} END",
    "ttvt": "CASE WHEN ttft_status = 'usable' AND ttvt_ms > 0 AND ttvt_bucket IS NOT NULL THEN ttvt_bucket"
            f" WHEN {_UNSEEN} THEN {_CUT_WAIT} END",
    "duration": f"CASE WHEN {_LASTED} AND outcome IN ('completed', 'unknown') THEN duration_bucket"
                f" WHEN {_LASTED} AND outcome IN ('cancelled', 'timeout', 'interrupted') THEN "
                + _CUT.format(bucket="duration_bucket") + " END",
    "tpot": "tpot_bucket",
}  # fmt: skip
"""The bucket of each latency, as latencies.sql codes it."""
_RECORDERS = """, recorders AS (
    SELECT source AS recorder_source, model AS recorder_model, 1 AS is_recorder
    FROM scope WHERE outcome = 'completed' AND ttft_status = 'usable'
    GROUP BY source, model HAVING 2 * count(*) FILTER (WHERE ttvt_ms > 0) > count(*)
)"""
_BUCKETED = """(
        SELECT placed.*, {bucket} AS bucket
        FROM placed{joined}
    ) AS bucketed WHERE bucket IS NOT NULL"""
_RECORDED = """ LEFT JOIN recorders
            ON recorder_source IS NOT DISTINCT FROM source AND recorder_model IS NOT DISTINCT FROM model"""

# As rates.sql; a product of two counts of tokens may be wider than 64 bits.
_TAXED = """, taxable AS (
    SELECT *,
        CASE WHEN $taxed AND outcome = 'completed' THEN 0
            WHEN $taxed AND outcome = 'cancelled' THEN tax_best END AS tax,
        CASE WHEN $taxed AND outcome IN ('completed', 'cancelled') THEN billed_tokens END AS output
    FROM placed
), rated AS (
    SELECT *, CASE WHEN tax IS NOT NULL AND output IS NOT NULL THEN 1 ELSE 0 END AS is_taxed FROM taxable
)"""
_PRODUCT = """COALESCE(
        sum(CAST({} AS DECIMAL(18, 0)) * CAST({} AS DECIMAL(18, 0))) FILTER (WHERE is_taxed = 1), 0)"""
_RATES = {
    "calls": "count(*)",
    "cancelled": "count(*) FILTER (WHERE outcome = 'cancelled')",
    "failed": "count(*) FILTER (WHERE outcome = 'error')",
    "ended": "count(*) FILTER (WHERE outcome <> 'unknown')",
    "tax_cancelled": "count(*) FILTER (WHERE is_taxed = 1 AND outcome = 'cancelled')",
    "tax_calls": "count(*) FILTER (WHERE is_taxed = 1)",
    "tax": "COALESCE(sum(tax) FILTER (WHERE is_taxed = 1), 0)",
    "output": "COALESCE(sum(output) FILTER (WHERE is_taxed = 1), 0)",
    "tax_tax": _PRODUCT.format("tax", "tax"),
    "tax_output": _PRODUCT.format("tax", "output"),
    "output_output": _PRODUCT.format("output", "output"),
    "tax_events": "count(*) FILTER (WHERE is_taxed = 1 AND tax > 0)",
    "estimated": "count(*) FILTER (WHERE is_taxed = 1 AND outcome = 'cancelled' AND tax_class = 'estimated')",
    "input_tokens": "COALESCE(sum(input_tokens), 0)",
    "input_calls": "count(input_tokens)",
}


def scan_exported(
    engine: Engine, scope: Scope, ask: Ask, *, taxed: bool, stored_elsewhere: Period | None, multiple_of_s: int
) -> Scan:
    """Count both sides as ``scan`` does."""
    counting = _Counting(engine, scope, ask)
    found = counting.find_places()
    hours = counting.find_hours() if found else (0, 0)
    keys = list(dict.fromkeys(place for place, *_ in found))
    periods = tuple(_period([row for row in found if row[1] == side], hours[side]) for side in (0, 1))
    known = [period for period in (*periods, stored_elsewhere) if period]
    width_s = block_width_s(known, ask.skip_first_s, multiple_of_s)
    totals = [sum(row[at] for row in found) for at in range(5, 7 + 3 * len(TICKING))] if found else []
    latencies = {name: (EMPTY, EMPTY) for name in LATENCIES if name in ask.metrics}
    if not found:
        rates, sessions = _empty_rates(), add_up([])
        return Scan(keys, (None, None), width_s, {}, latencies, rates, sessions)
    begins = [period.first + timedelta(seconds=ask.skip_first_s) if period else None for period in periods]
    counting.set_blocks(width_s, begins)
    session_calls, ttvt_calls, *ticks = totals
    for name in latencies:
        latencies[name] = counting.count_latency(name, finds_recorders=bool(ttvt_calls))
    known_calls, on_tick, on_second = (dict(zip(TICKING, ticks[at::3], strict=True)) for at in range(3))
    return Scan(
        keys, (periods[0], periods[1]), width_s, find_ticks(known_calls, on_tick, lambda: on_second), latencies,
        counting.count_rates(taxed=taxed), counting.count_sessions() if session_calls else add_up([]),
    )  # fmt: skip


class _Counting:
    """The texts of one comparison, with their parameters."""

    def __init__(self, engine: Engine, scope: Scope, ask: Ask) -> None:
        self._engine, self._scope, self._ask = engine, scope, ask
        self._keys = [
            *(f"by_{slot}" for slot in range(1, len(scope.by) + 1)),
            *(f"stratum_{slot}" for slot in range(1, len(ask.held) + 1)),
        ]
        self._order = [f"{key} NULLS LAST" for key in self._keys]
        self._blocks: dict[str, Any] = {}
        self._width_s = 1

    def find_places(self) -> list[tuple[Any, ...]]:
        """Return place, side, first and last call, and counts, for each place and side, in the order of places."""
        columns = {"keys": _list(self._keys), "order": _list(self._order), "ticks": _TICKS}
        text, params = self._write(_PLACES.format(**columns))
        rows, depth, keys = self._engine.rows(text, params), len(self._scope.by), len(self._keys)
        return [
            (_place(row[:depth], row[depth:keys]), *row[keys:]) for row in name_weeks(self._scope, rows)
        ]  # fmt: skip

    def find_hours(self) -> tuple[int, int]:
        """Return the hours of weekdays and weekends with calls of each side, as ``Period.hours``."""
        text, params = self._write(_HOURS)
        hours: tuple[list[int], list[int]] = ([0], [0])
        for side, hour_us in self._engine.rows(text, params):
            hour = (hour_us // _HOUR_US + _THURSDAY_H) % (_WEEK_US // _HOUR_US)
            hours[side].append(1 << (24 * (hour >= _WORKDAYS_H) + hour % 24))
        return reduce(or_, hours[0]), reduce(or_, hours[1])

    def set_blocks(self, width_s: int, begins: Sequence[datetime | None]) -> None:
        """Set the width of a block, and from when on the calls of each side count."""
        base, head = (microseconds(begin) if begin else 0 for begin in begins)
        self._width_s = width_s
        self._blocks = {"width_us": width_s * 1_000_000, "base_from_us": base, "head_from_us": head}

    def count_latency(self, name: str, *, finds_recorders: bool) -> tuple[Histogram, Histogram]:
        """Return the histograms of the base and the head."""
        joins = name == "ttvt" and finds_recorders
        bucket = _BUCKETS[name].replace("{recorded}", "is_recorder IS NOT NULL" if joins else "1 = 0")
        found = self._count(
            ("block_us", "bucket"), {"n": "count(*)"},
            _BUCKETED.format(bucket=bucket, joined=_RECORDED if joins else ""), _RECORDERS if joins else "",
        )  # fmt: skip
        if not len(found["n"]):
            return EMPTY, EMPTY
        block = self._block(found)
        first = int(block.min())
        key = pack(found["place"] + found["side"] * HEAD, block - first, found["bucket"])
        order = np.argsort(key)
        return unpack([(key[order], found["n"][order].astype(np.uint32))], first)

    def count_rates(self, *, taxed: bool) -> "dict[str, NDArray[Any]]":
        """Return the sums of rates.sql."""
        found = self._count(("block_us",), _RATES, "rated", _TAXED, {"taxed": taxed})
        if not len(found["calls"]):
            return _empty_rates()
        block = self._block(found)
        order = np.lexsort([block, found["side"], found["place"]])
        columns: dict[str, NDArray[Any]] = {
            "place": found["place"].astype(np.int32), "side": found["side"].astype(np.uint8),
            "block": block.astype(np.int32), **{name: found[name].astype(np.float64) for name in _RATES},
        }  # fmt: skip
        return {name: values[order] for name, values in columns.items()}

    def count_sessions(self) -> Sessions:
        """Return the calls of each bin of sessions."""
        rows = "placed WHERE session_bin IS NOT NULL"
        found = self._count(("session_bin",), {"n": "count(*)"}, rows)
        key = (found["place"] * 2 + found["side"]) * BINS + found["session_bin"]
        return add_up([np.stack([key, found["n"]])])

    def _count(
        self, of: Sequence[str], sums: dict[str, str], rows: str, given: str = "", params: dict[str, Any] | None = None
    ) -> "dict[str, NDArray[Any]]":
        """Return sums over ``rows`` by place, side and the columns ``of``; ``given`` are relations that rows need."""
        text = _COUNTED.format(
            keys=_list(self._keys), of=", ".join(of), given=given, rows=rows,
            sums=", ".join(f"{sql} AS {name}" for name, sql in sums.items()),
        )  # fmt: skip
        columns = ", ".join([*of, *sums])
        if self._keys:
            text += _NUMBERED.format(
                named=", ".join(f"{key} AS place_{key}" for key in self._keys), order=", ".join(self._order),
                keys=", ".join(self._keys), columns=columns,
                same=" AND ".join(f"place_{key} IS NOT DISTINCT FROM {key}" for key in self._keys),
            )  # fmt: skip
        else:
            text += _ONE_PLACE.format(columns=columns)
        whole, own = self._write(text)
        return self._engine.arrays(whole, {**own, **self._blocks, **(params or {}), "censored": CENSORED})

    def _block(self, found: "dict[str, NDArray[Any]]") -> "NDArray[Any]":
        block: NDArray[Any] = found["block_us"] // self._blocks["width_us"]
        return block

    def _write(self, query: str) -> tuple[str, dict[str, Any]]:
        return self._ask.write(self._scope, query)


def _list(columns: Sequence[str]) -> str:
    """Return columns as the beginning of a longer list."""
    return "".join(f"{column}, " for column in columns)


def _place(group: Sequence[Any], strata: Sequence[Any]) -> Place:
    return (*group, *[None] * (MAX_BY - len(group)), *strata, *[None] * (_MAX_STRATA - len(strata)))


def _period(rows: list[tuple[Any, ...]], hours: int) -> Period | None:
    if not rows:
        return None
    first, last = moment(min(row[2] for row in rows)), moment(max(row[3] for row in rows))
    assert first is not None and last is not None
    return Period(first, last, sum(row[4] for row in rows), hours)


def _empty_rates() -> "dict[str, NDArray[Any]]":
    keys = {"place": np.int32, "side": np.uint8, "block": np.int32}
    return {name: np.zeros(0, keys.get(name, np.float64)) for name in (*keys, *_RATES)}
