"""Count latencies by place, block of time and bucket, without a database row per call.

A query returns, for each call, its cell (place and block in one number) and each latency as a code. numpy finds the
bucket, packs it below the cell and sorts: a hash table of cells and buckets, which are nearly as many as the calls,
takes several times as long and as much memory.
"""

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from streamaudit.store.buckets import define_buckets, edges_us
from streamaudit.store.store import Store

if TYPE_CHECKING:
    from numpy.typing import NDArray

Counted = tuple["NDArray[Any]", "NDArray[Any]"]
"""Keys, ascending, and how many calls have each."""

HEAD = 1 << 30
"""Added to the number of a place on the side of the head."""
NONE = -(1 << 31)
"""The code of a call without the latency."""
CENSORED = len(edges_us()) + 1
"""The number of waits that were cut short at an unknown time, beyond all buckets; those cut within the buckets 2 m and
2 m + 1 have the number m + 1 after it."""
_CUT = -(1 << 12)
"""The code of a wait that was cut at once; a microsecond later it is one less."""
_MOST_CUT = CENSORED + 1 + len(edges_us()) // 2
_BUCKET_BITS, _BLOCK_BITS = 12, 20
_DROPPED_BITS = 52 - 8
_BELOW_ONE = (1023 << 8) - 1
"""Sign, exponent and first 8 bits of a float just below 1."""
_PART = 1 << 17
"""Calls processed at a time, so that their temporary arrays stay in the processor's cache."""

# Four bytes a call: microseconds up to 35 minutes unchanged, longer or negative ones as their bucket. The codes of
# waits that were cut short lie below those of buckets.
_CODE = """
CREATE OR REPLACE TEMP MACRO bucket_code(us) AS CASE
    WHEN us IS NULL THEN -2147483648 WHEN us BETWEEN 0 AND 2147483647 THEN us::INTEGER ELSE -1 - bucket_of(us) END;
CREATE OR REPLACE TEMP MACRO cut_code(us, censored) AS CASE
    WHEN us IS NULL THEN censored WHEN us BETWEEN 0 AND 2147479550 THEN (-4096 - us)::INTEGER
    ELSE censored - 1 - bucket_of(us) // 2 END;
"""

assert _MOST_CUT < 1 << _BUCKET_BITS, "a bucket has its bits"


@dataclass(frozen=True, slots=True)
class Histogram:
    """Calls of one side and one latency: ``n`` in each place, block and bucket, in this order."""

    place: "NDArray[Any]"
    block: "NDArray[Any]"
    bucket: "NDArray[Any]"
    n: "NDArray[Any]"

    def of_places(self, first: int, last: int) -> "Histogram":
        """Return the counts of a range of places, both ends included."""
        # In the array's own type, otherwise numpy converts the whole array for each search.
        low, high = np.searchsorted(self.place, np.array([first, last + 1], dtype=self.place.dtype))
        return Histogram(self.place[low:high], self.block[low:high], self.bucket[low:high], self.n[low:high])


EMPTY = Histogram(np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.uint16), np.zeros(0, np.uint32))


def define_codes(store: Store) -> None:
    """Define ``bucket_code(us)`` and ``cut_code(us, censored)`` for queries of a store; ``count_cells`` reads both."""
    define_buckets(store)
    store.script(_CODE)


def code_of(bucket: int) -> int:
    """Return the code of a bucket."""
    return -1 - bucket


def count_cells(cell: "NDArray[Any]", code: "NDArray[Any]") -> Counted:
    """Count calls by cell and bucket. ``cell`` has one entry a call, as ``unpack`` reads it, without its bucket."""
    key, size = np.empty(len(code), np.int64), 0
    for start in range(0, len(code), _PART):
        part = code[start : start + _PART]
        known = np.flatnonzero(part != NONE)
        key[size : size + len(known)] = cell[start : start + _PART][known] | buckets_of(part[known])
        size += len(known)
    key = key[:size]
    key.sort()
    begins = np.ones(size, dtype=bool)
    np.not_equal(key[1:], key[:-1], out=begins[1:])
    first = np.flatnonzero(begins)
    n = np.empty(len(first), np.uint32)
    n[:-1], n[-1:] = first[1:] - first[:-1], size - first[-1:]
    return key[first], n


def pack(place: "NDArray[Any]", block: "NDArray[Any]", bucket: "NDArray[Any]") -> "NDArray[Any]":
    """Return the keys that ``unpack`` reads; ``place`` has HEAD added on the side of the head, ``block`` is counted
    from the first one."""
    key: NDArray[Any] = (place << _BLOCK_BITS | block) << _BUCKET_BITS | bucket
    return key


def unpack(parts: list[Counted], first_block: int) -> tuple[Histogram, Histogram]:
    """Return the histograms of the base and the head from counts that have no key in common.

    A key is side, place (30 bits), block after the first one (20 bits) and bucket (12 bits).
    """
    key, n = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    if len(parts) > 1:
        order = np.argsort(key)
        key, n = key[order], n[order]
    place = (key >> (_BLOCK_BITS + _BUCKET_BITS)).astype(np.int32)
    block = ((key >> _BUCKET_BITS & ((1 << _BLOCK_BITS) - 1)) + first_block).astype(np.int32)
    bucket = (key & ((1 << _BUCKET_BITS) - 1)).astype(np.uint16)
    head = int(np.searchsorted(place, np.int32(HEAD)))
    place[head:] -= HEAD
    return (
        Histogram(place[:head], block[:head], bucket[:head], n[:head]),
        Histogram(place[head:], block[head:], bucket[head:], n[head:]),
    )


def buckets_of(code: "NDArray[Any]") -> "NDArray[Any]":
    """Return the bucket of each code; none of the codes may be NONE."""
    lowest, edges = _tables()
    us = np.maximum(code, 0)
    bucket: NDArray[Any] = lowest[np.maximum((us.astype(np.float64).view(np.int64) >> _DROPPED_BITS) - _BELOW_ONE, 0)]
    bucket += us >= edges[bucket]
    named = np.flatnonzero(code < 0)
    if len(named):
        bucket[named] = _decode_buckets(code[named])
    return bucket


def _decode_buckets(code: "NDArray[Any]") -> "NDArray[Any]":
    """Return the number that a code below 0 names, or that of its moment of a cut."""
    found = -1 - code
    cut = np.flatnonzero(code <= _CUT)
    found[cut] = CENSORED + 1 + np.searchsorted(_tables()[1], _CUT - code[cut], side="right") // 2
    return found


@cache
def _tables() -> "tuple[NDArray[Any], NDArray[Any]]":
    """Return a table of buckets and a table of where the next bucket begins, both by the bits of a float.

    For each sign, exponent and first 8 bits of a whole number as a float, the first table has the bucket of the
    smallest such number. These numbers are at most 0.4 % apart, buckets about 1 %: a number is in that bucket or in the
    next one, which begins at the value in the second table.
    """
    last = int(np.float64(1 << 31).view(np.int64)) >> _DROPPED_BITS
    smallest = (np.arange(_BELOW_ONE, last + 1) << _DROPPED_BITS).view(np.float64)
    edges = np.array(edges_us())
    return np.searchsorted(edges, smallest, side="right").astype(np.int16), edges
