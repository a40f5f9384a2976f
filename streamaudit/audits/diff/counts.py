"""Counts of both sides of a diff, and the blocks of time that calls are counted in."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from streamaudit.audits.diff.histogram import Histogram
from streamaudit.audits.diff.sessions import Sessions

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDTHS_S = (1, 2, 5, 10, 20, 60, 120, 300, 600, 1800, 3600, 10_800, 21_600, 43_200, 86_400)
LEAST_BLOCKS = 20
_MOST_BLOCKS = 1_000_000
"""A block of time is the longest of these widths that cuts the shorter side into at least LEAST_BLOCKS blocks."""
TICK_MS, COARSE_TICK_MS = 100.0, 1000.0
"""A clock this coarse can create a difference of one tick; finer ones stay below the smallest change that matters."""
TICKING = ("ttft", "ttvt", "duration")
"""Latencies whose clock may be coarse."""
_ON_THE_TICK = 0.999
_EPOCH = datetime(1970, 1, 1)

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


def block_of(instant: datetime, width_s: int) -> int:
    """Return the number of the block of an instant, counted from 1970."""
    return (instant - _EPOCH) // timedelta(seconds=width_s)


def block_width_s(periods: Sequence[Period], skip_first_s: float = 0.0, multiple_of_s: int = 1) -> int:
    """Return the widest block, in seconds, of which the shorter side spans at least 20.

    The narrowest block when none is spanned so often.
    """

    def blocks(period: Period, width_s: int) -> int:
        return block_of(period.last, width_s) - block_of(period.first + timedelta(seconds=skip_first_s), width_s) + 1

    span_s = (max(p.last for p in periods) - min(p.first for p in periods)).total_seconds() if periods else 0.0
    widths = [w for w in WIDTHS_S if w % multiple_of_s == 0 and span_s / w < _MOST_BLOCKS] or [WIDTHS_S[-1]]
    fitting = [w for w in widths if periods and min(blocks(period, w) for period in periods) >= LEAST_BLOCKS]
    return fitting[-1] if fitting else widths[0]


def find_ticks(
    known: Mapping[str, int], on_tick: Mapping[str, int], count_seconds: Callable[[], Mapping[str, int]]
) -> dict[str, float]:
    """Return the tick of each latency whose values are multiples of one, of the number of calls that have the latency
    and of those on a tick. ``count_seconds`` counts those on the coarser tick, and is asked only where there are any.
    """
    found = {name: TICK_MS for name in TICKING if known[name] and on_tick[name] >= _ON_THE_TICK * known[name]}
    if found:
        seconds = count_seconds()
        found |= {name: COARSE_TICK_MS for name in found if seconds[name] >= _ON_THE_TICK * known[name]}
    return found
