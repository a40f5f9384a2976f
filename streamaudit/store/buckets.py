"""Histogram buckets with exact edges: the same value is in the same bucket on every machine and in every engine.

The n-th power of 1.01, rounded up to whole microseconds, is an edge; powers that round to the same microsecond are one
edge. In order they are the edges 1, 2, 3, ... of the table, so edge 1 is 1 µs. **Bucket k holds the whole microseconds
from edge k up to, not including, edge k + 1.** Up to 89 µs every microsecond is a bucket of its own; from there on
bucket k begins at the power k + 362 and is never wider than 1 %. Bucket 0, the underflow bucket, holds what is below 1
µs: zero and negative values. The last bucket begins at seven days and has no upper edge. All of it is integer
arithmetic: a logarithm would put a value on an edge below it on one machine and above it on another.

In SQL a value finds its bucket without a join: a logarithm gives a bucket that is the right one or the next, and one
comparison with the exact edge decides.
"""

from bisect import bisect_right
from functools import cache

from streamaudit.store.store import Store

NUMERATOR, DENOMINATOR = 101, 100
"""The ratio of two neighbouring edges."""
BUCKET_SLACK = NUMERATOR / DENOMINATOR - 1
"""By how much a value in a bucket may differ from another one in it, as a share."""
LAST_EDGE_US = 7 * 24 * 3600 * 1_000_000


@cache
def edges_us() -> tuple[int, ...]:
    """Return all edges in microseconds, ascending; ``edges_us()[k - 1]`` is where bucket k begins."""
    edges = [1]
    power, scale = 1, 1
    while edges[-1] < LAST_EDGE_US:
        power, scale = power * NUMERATOR, scale * DENOMINATOR
        edge = -(-power // scale)
        if edge > edges[-1]:
            edges.append(edge)
    return tuple(edges)


def bucket(us: int) -> int:
    """Return the bucket of a whole number of microseconds."""
    return bisect_right(edges_us(), us)


def bounds_us(number: int) -> tuple[int | None, int | None]:
    """Return where a bucket begins and where the next one does, in microseconds; None on an open side. Raises
    IndexError for a number that is no bucket."""
    edges = edges_us()
    if not 0 <= number <= len(edges):
        raise IndexError(f"there is no bucket {number}")
    return edges[number - 1] if number else None, edges[number] if number < len(edges) else None


_MACROS = """
CREATE OR REPLACE TEMP MACRO bucket_guess(us) AS greatest(1, least(len(getvariable('bucket_edges')),
    CASE WHEN us < 90 THEN us ELSE (ln(us) * 100.49917080713044)::BIGINT - 362 END));
CREATE OR REPLACE TEMP MACRO bucket_of(us) AS CASE WHEN us < 1 THEN 0 ELSE
    (bucket_guess(us) - (us < getvariable('bucket_edges')[bucket_guess(us)])::INTEGER)::INTEGER END;
"""
"""100.499 is 1 / ln 1.01: rounded, it names the nearest edge, which the value may not have reached."""


def define_buckets(store: Store) -> None:
    """Define the macro ``bucket_of(us)`` for the queries of a store: the bucket of a BIGINT, NULL for NULL."""
    store.query("SET VARIABLE bucket_edges = $edges::BIGINT[]", {"edges": list(edges_us())})
    store.script(_MACROS)
