"""Turn counts into comparisons: every requested metric and statistic for each group and the total."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from streamaudit.audits.diff.counts import Place, Scan
from streamaudit.audits.diff.histogram import CENSORED, Histogram
from streamaudit.audits.diff.question import LEAST_MS, LEAST_RATE, Ask
from streamaudit.audits.diff.sessions import effective
from streamaudit.audits.metrics import LATENCIES, PERCENTILES
from streamaudit.audits.scope.scope import MAX_BY
from streamaudit.stats import (
    MIN_COVERAGE,
    MIN_STRATUM,
    NO_COUNTERPART,
    Comparison,
    Rows,
    Scale,
    Sums,
    compare_quantiles,
    compare_ratio,
    decide,
    ln_ms,
)
from streamaudit.store.buckets import edges_us

if TYPE_CHECKING:
    from numpy.typing import NDArray

_RATES = {
    "cancel_rate": ("ended", "cancelled", "ended", "cancelled", "cancelled", "ended", "cancelled"),
    "error_rate": ("ended", "failed", "ended", "failed", "failed", "ended", "failed"),
    "tax_rate": ("tax_calls", "tax", "output", "tax_tax", "tax_output", "output_output", "tax_events"),
}
"""Columns of the scan for n, y, z, yy, yz, zz and the number of events."""


_DAY_S = 86_400
NO_SHARED_HOURS = "the sides have no hour of weekdays or of weekends in common: compare the same hours"


@dataclass(frozen=True, slots=True)
class Compared:
    """A row of a diff: a group (None for the total), a metric, and the comparison."""

    group: Place | None
    metric: str
    found: Comparison
    driver: Place | None
    """The stratum that makes more than half of the change."""
    estimated: tuple[bool, bool] = (False, False)
    """Whether the figure of the base, and of the head, rests on more than what was recorded: a tax of estimated calls,
    or outcomes as often as among the calls that say how they ended."""


def compare(scan: Scan, ask: Ask, depth: int) -> list[Compared]:
    """Return every group, then the total, with verdicts after one correction for all of them.

    ``depth`` is how many dimensions groups have. Nothing when neither side has a call.
    """
    groups: dict[Place, list[int]] = {}
    for number, place in enumerate(scan.places):
        groups.setdefault(place[:depth], []).append(number)
    rows: list[Compared] = []
    if depth:
        for group, places in groups.items():
            rows += _of_group(scan, ask, group, places)
    if scan.places:
        rows += _of_group(scan, ask, None, list(range(len(scan.places))))
    if not _hours_shared(scan):
        for row in rows:
            row.found.gate = row.found.gate or NO_SHARED_HOURS
    decide([row.found for row in rows])
    return rows


def _hours_shared(scan: Scan) -> bool:
    """Return whether any hour of a weekday, or of a weekend, has calls of both sides."""
    base, head = scan.periods
    return base is None or head is None or bool(base.hours & head.hours)


def only_on_one_side(scan: Scan) -> list[tuple[Place, int, int]]:
    """Return the strata of the total that have no counterpart, largest first.

    Each is the stratum, its side and its number of calls.
    """
    calls: dict[Place, list[float]] = {}
    places, sides, counts = (scan.rates[name].tolist() for name in ("place", "side", "calls"))
    for place, side, count in zip(places, sides, counts, strict=True):
        calls.setdefault(scan.places[place][MAX_BY:], [0.0, 0.0])[side] += count
    alone = [
        (place, int(both[1] > both[0]), int(max(both))) for place, both in calls.items()
        if min(both) < MIN_STRATUM and max(both) >= NO_COUNTERPART
    ]  # fmt: skip
    return sorted(alone, key=lambda one: (-one[2], one[1], tuple(value or "" for value in one[0])))


def _of_group(scan: Scan, ask: Ask, group: Place | None, places: list[int]) -> Iterator[Compared]:
    strata: dict[Place, int] = {}
    stratum_of = np.zeros(len(scan.places), dtype=np.int64)
    for number in places:
        stratum_of[number] = strata.setdefault(scan.places[number][MAX_BY:], len(strata))
    names = list(strata)
    chosen = {name: PERCENTILES[name] for name in ask.quantiles}
    blocks_a_day = _DAY_S // scan.block_s
    sessions = effective(scan.sessions, _calls(scan, places), places[0], places[-1])
    for metric in ask.metrics:
        if metric in LATENCIES:
            least = (ask.least_ratio, max(LEAST_MS[metric], scan.ticks_ms.get(metric, 0.0)))
            sides = [_rows(side, places, stratum_of) for side in scan.latencies[metric]]
            for found in compare_quantiles(
                sides[0], sides[1], len(names), bucket_scale(), chosen, least, blocks_a_day, sessions
            ):
                yield Compared(group, metric, found, _driver(found, names))
        else:
            sums = [_sums(scan, metric, side, places, stratum_of) for side in (0, 1)]
            least = (ask.least_ratio, LEAST_RATE)
            found = compare_ratio("rate", sums[0], sums[1], len(names), least, blocks_a_day, sessions)
            if metric == "tax_rate":
                _drop_unknown_tax(found, [_tax_known(scan, side, places) for side in (0, 1)])
            yield Compared(group, metric, found, _driver(found, names), _estimated(scan, metric, places))


def _estimated(scan: Scan, metric: str, places: list[int]) -> tuple[bool, bool]:
    """Return whether the rate of each side rests on estimates, or leaves calls of unknown outcome out."""
    low, high = _between(scan.rates["place"], places[0], places[-1] + 1)
    rates = {name: values[low:high] for name, values in scan.rates.items()}
    # A baseline of an earlier version does not count estimates.
    counts = rates.get("estimated", rates["side"] * 0) if metric == "tax_rate" else rates["calls"] - rates["ended"]
    base, head = (bool(counts[rates["side"] == side].sum()) for side in (0, 1))
    return base, head


def _calls(scan: Scan, places: list[int]) -> tuple[float, float]:
    """Return the calls of each side."""
    low, high = _between(scan.rates["place"], places[0], places[-1] + 1)
    head = scan.rates["side"][low:high] == 1
    calls = scan.rates["calls"][low:high]
    return float(calls[~head].sum()), float(calls[head].sum())


def _tax_known(scan: Scan, side: int, places: list[int]) -> float:
    """Return the share of cancelled calls whose tax is known; 1 when none was cancelled."""
    low, high = _between(scan.rates["place"], places[0], places[-1] + 1)
    of_side = scan.rates["side"][low:high] == side
    left, known = (float(scan.rates[name][low:high][of_side].sum()) for name in ("cancelled", "tax_cancelled"))
    return known / left if left else 1.0


def _drop_unknown_tax(found: Comparison, known: list[float]) -> None:
    """Remove the values of a rate whose tax is unknown, and gate it when too little is known.

    Completed calls alone would make the rate 0.
    """
    if not known[0]:
        found.base_value = found.base_value_all = None
    if not known[1]:
        found.head_value = None
    if min(known) == 0:
        found.head_value_at_base_mix = None
    if min(known) < MIN_COVERAGE:
        found.gate = f"the tax is known of only {min(known):.0%} of the calls that users left"


def _driver(found: Comparison, names: list[Place]) -> Place | None:
    return names[found.driver] if found.driver is not None else None


def _rows(side: Histogram, places: list[int], stratum_of: "NDArray[Any]") -> Rows:
    # Places of a group are contiguous, because they are sorted by the group's dimensions first.
    found = side.of_places(places[0], places[-1])
    return Rows(stratum_of[found.place], found.block, found.bucket, found.n.astype(np.float64))


def _between(ascending: "NDArray[Any]", low: int, high: int) -> "NDArray[Any]":
    """Return the positions of two values, searched for in the array's own type."""
    return np.searchsorted(ascending, np.array([low, high], dtype=ascending.dtype))


def _sums(scan: Scan, metric: str, side: int, places: list[int], stratum_of: "NDArray[Any]") -> Sums:
    found = scan.rates
    low, high = _between(found["place"], places[0], places[-1] + 1)
    n, y, z, yy, yz, zz, events = _RATES[metric]
    taken = (found["side"][low:high] == side) & (found[n][low:high] > 0)

    def column(name: str) -> "NDArray[Any]":
        values: NDArray[Any] = found[name][low:high][taken]
        return values

    return Sums(
        stratum_of[column("place")], column("block").astype(np.int64),
        *(column(name) for name in (n, y, z, yy, yz, zz, events)),
    )  # fmt: skip


@cache
def bucket_scale() -> Scale:
    """Return the bounds of the histogram's buckets."""
    ln_edges = np.array([ln_ms(edge) for edge in edges_us()])
    # Below a microsecond, and beyond the last edge, a bucket gets a finite width so that it has a place on the scale.
    scale = Scale(np.concatenate([[ln_ms(0.5)], ln_edges]), np.concatenate([ln_edges, [ln_edges[-1] + np.log(1.01)]]))
    assert scale.censored == CENSORED
    return scale
