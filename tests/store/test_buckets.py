"""The bucket edges: exact, dense, at most one percent apart, and the same in SQL as in Python."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamaudit.audits.diff.histogram import NONE, buckets_of, define_codes
from streamaudit.store.buckets import LAST_EDGE_US, bounds_us, bucket, define_buckets, edges_us
from streamaudit.store.store import Store

HOUR_US = 3600 * 1_000_000
EDGES = edges_us()

durations = st.one_of(
    st.integers(1, 1000),
    st.integers(1, 24 * HOUR_US),
    st.sampled_from(EDGES),
    st.sampled_from(EDGES[1:]).map(lambda us: us - 1),
)


def in_sql(store: Store, values: list[int | None]) -> dict[int | None, int | None]:
    """The bucket of each value as a query finds it."""
    define_buckets(store)
    return dict(store.query("SELECT us, bucket_of(us) FROM (SELECT unnest($us::BIGINT[]) AS us)", {"us": values}))


def test_an_edge_is_a_power_of_the_ratio_rounded_up_to_a_microsecond() -> None:
    """Worked independently with fractions, over every edge: from one microsecond to seven days."""
    power = Fraction(1)
    wanted: list[int] = []
    while not wanted or wanted[-1] < LAST_EDGE_US:
        up = -(-power.numerator // power.denominator)
        wanted += [up] if up not in wanted[-1:] else []
        power *= Fraction(101, 100)
    assert list(EDGES) == wanted
    assert EDGES[:3] == (1, 2, 3)


def test_every_edge_begins_a_bucket_and_ids_have_no_gaps() -> None:
    """The value on an edge is one bucket above the value before it, for every edge there is."""
    for number, edge in enumerate(EDGES, start=1):
        assert bucket(edge) == number
        assert bucket(edge - 1) == number - 1


@given(durations, durations)
def test_a_longer_time_is_in_no_lower_bucket(one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert bucket(low) <= bucket(high)


@given(durations)
def test_a_value_lies_within_its_bucket_which_is_at_most_one_percent_wide(us: int) -> None:
    """Any two values of one bucket differ by less than a percent, or are the same microsecond."""
    low, high = bounds_us(bucket(us))
    assert low is not None and high is not None
    assert low <= us < high
    assert high - 1 == low or Fraction(high - 1, low) < Fraction(101, 100)


def test_what_is_below_a_microsecond_and_beyond_the_last_edge_has_a_bucket_too() -> None:
    """Zero and negative values are in the underflow bucket; the last one is open."""
    assert bucket(0) == bucket(-5) == 0
    assert bounds_us(0) == (None, 1)
    assert bucket(10**18) == bucket(EDGES[-1]) == len(EDGES)
    assert bounds_us(len(EDGES)) == (EDGES[-1], None)
    for number in (-1, len(EDGES) + 1):
        with pytest.raises(IndexError):
            bounds_us(number)


def test_sql_and_python_agree_on_and_around_every_edge(store: Store) -> None:
    """On each edge, before it and after it, at both ends of the range of a BIGINT, and for NULL."""
    values = [edge + step for edge in EDGES for step in (-1, 0, 1)]
    found = in_sql(store, [None, -(1 << 63), -1, *values, 10**18, (1 << 63) - 1])
    assert found.pop(None) is None
    assert found == {us: bucket(us) for us in found if us is not None}


@given(st.lists(durations, min_size=50, max_size=50))
def test_sql_and_python_agree_everywhere(store: Store, values: list[int]) -> None:
    found = in_sql(store, [*values])
    assert found == {us: bucket(us) for us in values}


def test_the_bucket_ids_that_older_exports_hold_stay_what_they_are() -> None:
    """Above the part where every microsecond is a bucket, an id is the power of 1.01 below the value, less 362."""
    assert [bucket(us) for us in (1, 50, 100)] == [1, 50, 100]
    for us in (1_000, 100_000, 400_000, 1_000_000, 30_000_000, HOUR_US):
        power, value = -1, Fraction(1)
        while value <= us:
            power, value = power + 1, value * Fraction(101, 100)
        assert bucket(us) == power - 362
    assert (bucket(400_000), bucket(30_000_000), len(EDGES)) == (934, 1368, 2365)


def test_a_code_names_the_bucket_on_and_around_every_edge(store: Store) -> None:
    """What diff counts with numpy: short times as they are, long and negative ones by bucket; NULL is told apart."""
    values = [edge + step for edge in EDGES for step in (-1, 0, 1)]
    values += [-(1 << 63), -1, (1 << 31) - 1, 1 << 31, 10**18, (1 << 63) - 1]
    define_codes(store)
    found = store.arrays("SELECT bucket_code(us) AS code FROM (SELECT unnest($us::BIGINT[]) AS us)", {"us": values})
    assert buckets_of(found["code"]).tolist() == [bucket(us) for us in values]
    assert buckets_of(np.arange(100_000, dtype=np.int32)).tolist() == [bucket(us) for us in range(100_000)]
    assert store.one("SELECT bucket_code(NULL::BIGINT)") == (NONE,)
