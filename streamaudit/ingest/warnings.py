"""Find contradictions in the staged records of a file: calls kept because they are rare, ends that many share or that
come before the start, seconds among milliseconds, totals above their parts, mapped values of another kind."""

from dataclasses import dataclass, field

from streamaudit.ingest.macros import define_macros
from streamaudit.ingest.mapping import KEYED, Mapping
from streamaudit.ingest.stock import Stock
from streamaudit.store.store import Store

# Values from the user's paths: in a keyed column their rank is 0. A value of another kind counts as present.
_FILLED = """
SELECT count(*), count({filled}), coalesce(count(*) FILTER (list_contains(misfits, $column)), 0)
FROM scratch.staged WHERE reason IS NULL AND kind <> 'other'
"""
_HELD_AS = {"cancelled": "cancel_flag", "outcome": "said_outcome"}

_SHARED = """
WITH traces AS (
    SELECT
        trace_id,
        -- A clock of whole seconds gives many spans one end.
        min(ends) = max(ends) AND min(start_time) < max(start_time) AND microsecond(min(ends)) % 1000000 <> 0 AS same
    FROM (
        SELECT trace_id, start_time,
            coalesce(end_time, later_by(start_time, duration_ms)) AS ends
        FROM scratch.staged WHERE reason IS NULL AND trace_id IS NOT NULL AND start_time IS NOT NULL
    )
    WHERE ends IS NOT NULL
    GROUP BY trace_id HAVING count(*) >= 3
), branching AS (
    -- A parent ends with its last child, so a chain has one end; parallel steps do not.
    SELECT trace_id
    FROM scratch.staged SEMI JOIN (FROM traces WHERE same) USING (trace_id)
    WHERE reason IS NULL
    GROUP BY trace_id
    HAVING count(parent_id) >= count(*) - 1 AND count(*) - count(DISTINCT parent_id) >= 2
        AND count(DISTINCT start_time) >= 3
)
SELECT CASE WHEN (SELECT count(*) FROM branching) * 2 > (SELECT count(*) FROM traces)
    THEN (SELECT count(*) FROM branching) ELSE 0 END
"""

def count_shared_ends(store: Store, stock: Stock) -> int:
    """Count the traces with parallel steps that began at different times and all ended within one microsecond, as
    written by an exporter that stamps whole batches (Mastra, mastra-ai/mastra#14474); 0 unless this holds for most
    traces of three spans and more."""
    if not stock.with_parent:
        return 0
    define_macros(store, _SHARED)
    return int(store.one(_SHARED)[0])


def find_unfilled(store: Store, mapping: Mapping) -> frozenset[str]:
    """Return the mapped columns for which no record of the staged file has the user's path."""
    return frozenset(column for column in mapping.paths if column != "call_id" and not _is_there(store, column))


def _is_there(store: Store, column: str) -> bool:
    filled = f"CASE WHEN {column}_rank = 0 THEN 1 END" if column in KEYED else _HELD_AS.get(column, column)
    records, values, misfits = store.one(_FILLED.format(filled=filled), {"column": column})
    return bool(values or misfits or not records)


@dataclass(frozen=True, slots=True)
class Doubts:
    """Values of one file that were dropped or look wrong; every figure except ``unexplained_tokens`` counts calls."""

    with_unexplained: int = 0
    """Calls whose own total exceeds input and output."""
    unexplained_tokens: int = 0
    misfits: dict[str, int] = field(default_factory=dict)
    """By column, calls whose value at its mapped path, or as their start, is of another kind."""
    mixed: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By column, calls whose values look like seconds, and calls whose values look like milliseconds."""


_MISFITS = """
SELECT misfit, count(*) FROM (
    SELECT unnest(misfits) AS misfit FROM scratch.staged WHERE reason IS NULL AND kind IN ('llm', 'embedding')
)
GROUP BY misfit ORDER BY misfit
"""
# Whether a latency of a file has a gap of a factor five, from a few hundred narrow buckets. Nearly no file has one, and
# the others are spared the sort of all their values that the next statement takes.
_HAS_GAP = """
WITH calls AS (
    FROM scratch.staged
    WHERE reason IS NULL AND kind = 'llm' AND NOT coalesce(failed, false) AND NOT coalesce(cache_hit, false)
), measured AS (
    SELECT file_of(line) AS file, 'duration_ms' AS name, duration_ms AS value FROM calls
    WHERE duration_ms > 0
    UNION ALL
    SELECT file_of(line) AS file, 'ttft_ms' AS name, ttft_ms AS value FROM calls WHERE ttft_ms > 0
), buckets AS (
    SELECT file, name, floor(ln(value) * 4) AS bucket, min(value) AS least, max(value) AS most FROM measured
    GROUP BY ALL
), steps AS (
    SELECT least / lag(most) OVER (PARTITION BY file, name ORDER BY bucket) AS step FROM buckets
)
SELECT coalesce(max(step) >= 5, false) FROM steps
"""
_LEAST_GROUP = 2
_LEAST_APART = 200
# Two groups of values a thousand times apart with nothing between them. Calls that failed, or were answered from a
# cache, may well take a thousandth of the time.
_MIXED = """
WITH timed AS (
    SELECT file_of(line) AS file, unnest([struct_pack(name := 'duration_ms', value := duration_ms),
        struct_pack(name := 'ttft_ms', value := ttft_ms)]) AS one
    FROM scratch.staged
    WHERE reason IS NULL AND kind = 'llm' AND NOT coalesce(failed, false) AND NOT coalesce(cache_hit, false)
), measured AS (
    SELECT file, one.name AS name, one.value AS value FROM timed WHERE one.value > 0
), ordered AS (
    SELECT file, name, value, value / lag(value) OVER (PARTITION BY file, name ORDER BY value) AS step FROM measured
), cut AS (
    SELECT file, name, arg_max(value, step) AS above, max(step) AS widest FROM ordered GROUP BY file, name
), sides AS (
    SELECT measured.file, measured.name, widest,
        count(*) FILTER (value < above) AS low, count(*) FILTER (value >= above) AS high,
        median(value) FILTER (value >= above) / median(value) FILTER (value < above) AS apart
    FROM measured JOIN cut ON cut.name = measured.name AND cut.file IS NOT DISTINCT FROM measured.file
    GROUP BY ALL
)
SELECT name, low, high, file FROM sides
WHERE widest >= 5 AND apart BETWEEN $least_apart AND 5000 AND least(low, high) >= greatest($least, 0.01 * (low + high))
ORDER BY file, name
"""


def find_doubts(store: Store, stock: Stock) -> Doubts:
    """Look for values that were dropped or look wrong in the staged file."""
    found = dict(store.query(_MISFITS)) if stock.misfits else {}
    calls = stock.read - stock.rejected - stock.not_calls
    may_be_mixed = calls >= 2 * _LEAST_GROUP and stock.spread is not None and stock.spread >= _LEAST_APART
    rows = _find_mixed(store) if may_be_mixed else []
    mixed = {name: (low, high) for name, low, high, _ in rows}
    return Doubts(stock.with_unexplained, stock.unexplained_tokens, found, mixed)


def find_mixed_file(store: Store) -> int | None:
    """Return the first of several files that are staged together in which a latency is in two units; None when it is so
    in none."""
    return min((file for _, _, _, file in _find_mixed(store)), default=None)


def _find_mixed(store: Store) -> list[tuple[str, int, int, int]]:
    """Return column, low and high values, and file, of each latency that is in two units."""
    return store.query(_MIXED, {"least": _LEAST_GROUP, "least_apart": _LEAST_APART}) if store.one(_HAS_GAP)[0] else []
