"""Arguments and results of a comparison."""

from dataclasses import dataclass
from math import inf, log
from typing import Any

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.float64]
Places = NDArray[np.int64]

MIN_STRATUM, NO_COUNTERPART = 20, 60
"""A stratum with fewer calls on a side is merged with others, or left out when the other side has this many."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Counts of one group and metric, one entry per stratum, block and bucket: ``n`` calls.

    ``bucket`` numbers the intervals of ``Scale``, or the time at which a wait was cut short: see there.
    """

    stratum: Places
    block: Places
    bucket: NDArray[Any]
    n: Counts


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums of one group and ratio, one entry per stratum and block: of y, z, and their products over ``n`` calls."""

    stratum: Places
    block: Places
    n: Counts
    y: Counts
    z: Counts
    yy: Counts
    yz: Counts
    zz: Counts
    events: Counts
    """Calls with y above 0."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Bounds of the buckets, as logarithms of milliseconds.

    ``censored``, the number beyond the last, is for waits cut short at an unknown time: they count as longer than any.
    ``censored + 1 + m`` is for waits that were cut within the buckets 2 m and 2 m + 1, and lasted at least that long.
    """

    ln_low: Counts
    ln_high: Counts

    @property
    def censored(self) -> int:
        """The number of the bucket beyond the last."""
        return len(self.ln_low)


@dataclass(frozen=True, slots=True)
class Mix:
    """The strata to compare: ``of`` maps a stratum to its position among those compared, -1 where it is excluded."""

    of: Places
    weights: Counts
    coverage: tuple[float, float]
    """Share of each side's calls whose stratum is compared."""


@dataclass(slots=True)
class Comparison:
    """A statistic on both sides. Values are milliseconds, or a ratio; None is unknown.

    ``p`` is before correction. ``base_value`` is of the calls that are compared, ``head_value`` of all: strata of the
    base without a counterpart are left out, and those of the head are part of the change of mix. So ``head_value /
    base_value - 1`` is ``change_ratio`` plus the part of the mix. ``base_value_all`` is of all calls of the base.
    """

    stat: str
    base_n: int
    head_n: int
    base_value: float | None = None
    base_value_all: float | None = None
    head_value: float | None = None
    head_value_at_base_mix: float | None = None
    base_n_eff: float | None = None
    head_n_eff: float | None = None
    change_ratio: float | None = None
    ci_low_ratio: float | None = None
    ci_high_ratio: float | None = None
    change_abs: float | None = None
    ci_low_abs: float | None = None
    ci_high_abs: float | None = None
    p: float | None = None
    p_adjusted: float | None = None
    verdict: str = "too little data"
    reason: str = ""
    gate: str = ""
    """The reason why it cannot be judged; empty when it can."""
    paired: bool = False
    driver: int | None = None
    """The stratum that makes more than half of the change."""
    driver_share: float | None = None
    coverage: tuple[float, float] = (1.0, 1.0)
    sessions: tuple[float, float] = (inf, inf)
    """The effective number of sessions of each side."""
    tost: tuple[float, float] = (-inf, inf)
    """The 90 % interval: of the ratio minus 1 for latencies, of the difference for ratios."""
    rise: float = 0.0
    """The change that matters, in the unit of ``tost``."""
    relative: bool = True
    """Whether ``tost`` and ``rise`` are relative, as of latencies, or absolute, as of ratios."""


def mix_strata(base_n: Counts, head_n: Counts, base_weight: Counts) -> Mix:
    """Return which strata are compared and their weights. ``base_weight`` measures the base's mix."""
    few = np.minimum(base_n, head_n) < MIN_STRATUM
    alone = few & (np.maximum(base_n, head_n) >= NO_COUNTERPART)
    of = np.full(len(base_n), -1, dtype=np.int64)
    kept = ~few
    of[kept] = np.arange(kept.sum())
    rest = few & ~alone
    if min(base_n[rest].sum(), head_n[rest].sum()) >= (MIN_STRATUM if kept.any() else 1):
        of[rest] = kept.sum()
    taken = of >= 0
    weights = sum_by_place(of[taken], base_weight[taken]) if taken.any() else np.zeros(0)
    total = weights.sum()
    covered = (share(base_n[taken].sum(), base_n.sum()), share(head_n[taken].sum(), head_n.sum()))
    return Mix(of, weights / total if total > 0 else weights, covered)


def explain_mismatch(base_n: Counts, head_n: Counts, mix: Mix) -> str:
    """Return why nothing can be compared; empty when something can."""
    if min(base_n.sum(), head_n.sum()) == 0:
        return "no calls on one side"
    return "" if mix.weights.sum() > 0 else "no group of calls is on both sides"


def sum_by_place(places: Places, weights: Counts, size: int = 0) -> Counts:
    """Return the sum of the weights at each place."""
    return np.bincount(places, weights=weights, minlength=size).astype(np.float64, copy=False)


def share(part: float, whole: float) -> float:
    """Return a part of a whole, 0 when the whole is 0."""
    return float(part / whole) if whole else 0.0


def ln_ms(us: float) -> float:
    """Return the logarithm of the milliseconds in a number of microseconds."""
    return log(us / 1000)
