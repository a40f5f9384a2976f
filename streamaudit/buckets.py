"""Histogram buckets with exact edges: the same value is in the same bucket on every machine and in every engine.

The n-th power of 1.01, rounded up to whole microseconds, is an edge; powers that round to the same microsecond are one
edge. In order they are the edges 1, 2, 3, ... of the table, so edge 1 is 1 µs. **Bucket k holds the whole microseconds
from edge k up to, not including, edge k + 1.** Up to 89 µs every microsecond is a bucket of its own; from there on
bucket k begins at the power k + 362 and is never wider than 1 %. Bucket 0, the underflow bucket, holds what is below
1 µs: zero and negative values. The last bucket begins at seven days and is open. All of it is integer arithmetic: a
logarithm would put a value that stands on an edge left of it on one machine and right of it on another.

In SQL a value finds its bucket without a join: among all integers that share their number of digits and their first
three digits (a *cell*) there is at most one edge after the first integer, so a cell's first bucket and that edge are
all that has to be known.
"""

from bisect import bisect_right
from functools import cache

from streamaudit.store import Store

NUMERATOR, DENOMINATOR = 101, 100
"""The ratio of two neighbouring edges."""
LAST_EDGE_US = 7 * 24 * 3600 * 1_000_000
UNDERFLOW = 0

_LEAD = 3
_MOST_DIGITS = 19  # of a BIGINT


@cache
def edges_us() -> tuple[int, ...]:
    """All edges in microseconds, ascending; ``edges_us()[k - 1]`` is where bucket k begins."""
    edges = [1]
    power, scale = 1, 1
    while edges[-1] < LAST_EDGE_US:
        power, scale = power * NUMERATOR, scale * DENOMINATOR
        edge = -(-power // scale)
        if edge > edges[-1]:
            edges.append(edge)
    return tuple(edges)


def bucket(us: int) -> int:
    """The bucket of a whole number of microseconds."""
    return bisect_right(edges_us(), us)


def bounds_us(number: int) -> tuple[int | None, int | None]:
    """Where a bucket begins and where the next one does; None on the open side. IndexError for no bucket."""
    edges = edges_us()
    if not 0 <= number <= len(edges):
        raise IndexError(f"there is no bucket {number}")
    return edges[number - 1] if number else None, edges[number] if number < len(edges) else None


@cache
def cells() -> tuple[list[int | None], list[int | None]]:
    """For every cell, at 1000 × (digits - 1) + first three digits: its first bucket, and the edge that ends it. None
    where there is no such cell, and for the end of the last bucket."""
    edges = (*edges_us(), None)
    first: list[int | None] = [None] * (1000 * _MOST_DIGITS)
    ends = first.copy()
    for digits in range(1, _MOST_DIGITS + 1):
        shown = min(digits, _LEAD)
        for lead in range(10 ** (shown - 1), 10**shown):
            number = bucket(lead * 10 ** (digits - shown))
            place = 1000 * (digits - 1) + lead
            first[place], ends[place] = number, edges[number]
    return first, ends


_MACROS = """
CREATE OR REPLACE TEMP MACRO bucket_cell(us) AS 1000 * (length(us::VARCHAR) - 1) + left(us::VARCHAR, 3)::INTEGER + 1;
CREATE OR REPLACE TEMP MACRO bucket_of(us) AS CASE WHEN us < 1 THEN 0 ELSE
    getvariable('bucket_first')[bucket_cell(us)]
    + coalesce(us >= getvariable('bucket_ends')[bucket_cell(us)], false)::INTEGER END;
"""


def define_buckets(store: Store) -> None:
    """Make ``bucket_of(us)`` known to the queries of a store: the bucket of a BIGINT, NULL for NULL."""
    first, ends = cells()
    store.query("SET VARIABLE bucket_first = $first::INTEGER[]", {"first": first})
    store.query("SET VARIABLE bucket_ends = $ends::BIGINT[]", {"ends": ends})
    store.script(_MACROS)
