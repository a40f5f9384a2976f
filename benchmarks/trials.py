"""One trial: two sides of made-up traffic, compared the way ``streamaudit diff`` does and the ways others do."""

from datetime import datetime, timedelta
from zlib import crc32

import numpy as np

from benchmarks.worlds import DAY_S, Array, Dice, Traffic, World
from streamaudit.audits.diff.compare import bucket_scale
from streamaudit.audits.diff.counts import Period, block_width_s
from streamaudit.audits.diff.histogram import CENSORED
from streamaudit.audits.diff.question import LEAST_MS, LEAST_RATE, LEAST_RATIO
from streamaudit.audits.metrics import PERCENTILES
from streamaudit.stats import Comparison, Rows, Sums, compare_quantiles, compare_ratio
from streamaudit.store.buckets import edges_us

SEED = 20261129
ALPHA = 0.05
_DRAWS = 1000
_EDGES = np.array(edges_us())
_SHIFT = 1 << 13


def dice_of(name: str, n: int, repetition: int) -> Dice:
    """The same for the same trial on every machine."""
    return np.random.default_rng([SEED, crc32(name.encode()), n, repetition])


def rows_of(side: Traffic, block_s: int) -> Rows:
    """What the scan counts of a side."""
    bucket, cut = (
        np.searchsorted(_EDGES, np.round(ms * 1000), side="right") for ms in (side.ms, side.patience_ms)
    )  # fmt: skip
    bucket = np.where(side.left, CENSORED + 1 + cut // 2, bucket)
    block = (side.at_s // block_s).astype(np.int64)
    first = int(block.min()) if len(block) else 0
    key, n = np.unique((side.stratum * _SHIFT + block - first) * _SHIFT + bucket, return_counts=True)
    return Rows(key // _SHIFT // _SHIFT, key // _SHIFT % _SHIFT + first, key % _SHIFT, n.astype(np.float64))


def sums_of(at_s: Array, y: Array, z: Array, block_s: int) -> Sums:
    """What the scan sums up of a side of one stratum."""
    block, place = np.unique((at_s // block_s).astype(np.int64), return_inverse=True)

    def total(values: Array) -> Array:
        return np.bincount(place, weights=values, minlength=len(block))

    return Sums(
        np.zeros(len(block), dtype=np.int64), block, total(np.ones(len(y))), total(y), total(z), total(y * y),
        total(y * z), total(z * z), total(y > 0),
    )  # fmt: skip


def width_s(*sides: Array) -> int:
    """The width of the blocks for calls at these moments."""
    epoch = datetime(1970, 1, 1)
    return block_width_s([
        Period(epoch + timedelta(seconds=float(at_s.min())), epoch + timedelta(seconds=float(at_s.max())), len(at_s), 0)
        for at_s in sides
    ])  # fmt: skip


def sessions_of(side: Traffic) -> float:
    """How many sessions of equal size are worth as much as a side's."""
    size = np.bincount(side.session)
    return float(size.sum() ** 2 / (size.astype(float) ** 2).sum())


def compared(base: Traffic, head: Traffic, quantiles: dict[str, float] = PERCENTILES) -> list[Comparison]:
    """TTFT of both sides, before verdicts."""
    block_s = width_s(base.at_s, head.at_s)
    strata = int(max(base.stratum.max(), head.stratum.max())) + 1
    return compare_quantiles(
        rows_of(base, block_s), rows_of(head, block_s), strata, bucket_scale(), quantiles,
        (LEAST_RATIO, LEAST_MS["ttft"]), int(DAY_S) // block_s, (sessions_of(base), sessions_of(head)),
    )  # fmt: skip


def rate_compared(base: tuple[Array, Array, Array], head: tuple[Array, Array, Array]) -> Comparison:
    """A ratio of sums of both sides, each its moments, y and z, before the verdict."""
    block_s = width_s(base[0], head[0])
    return compare_ratio(
        "rate", sums_of(*base, block_s), sums_of(*head, block_s), 1, (LEAST_RATIO, LEAST_RATE), int(DAY_S) // block_s
    )


def differs(one: Comparison) -> bool:
    """Enough data, and a difference at 5 % before correction."""
    return not one.gate and one.p is not None and one.p <= ALPHA


def mann_whitney(base: Array, head: Array) -> bool:
    """Whether a rank test calls the two different."""
    from scipy.stats import mannwhitneyu  # takes a second to load, in each worker that only collects tests

    return bool(mannwhitneyu(base, head).pvalue <= ALPHA)


def bootstrap(dice: Dice, base: Array, head: Array, quantiles: dict[str, float]) -> list[bool]:
    """Whether the bootstrap interval of a quantile's difference leaves out 0, for each. The quantile of a resample of
    rows is an order statistic whose index is binomial (Schultzberg and Ankargren, 2022), so no row is drawn."""
    ordered = [np.sort(side) for side in (base, head)]
    found = []
    for p in quantiles.values():
        drawn = [side[np.minimum(dice.binomial(len(side) + 1, p, _DRAWS), len(side)).clip(1) - 1] for side in ordered]
        low, high = np.quantile(drawn[1] - drawn[0], [ALPHA / 2, 1 - ALPHA / 2])
        found.append(bool(low > 0 or high < 0))
    return found


def z_test(base: Array, head: Array) -> bool:
    """Whether the usual test of two shares of independent calls calls them different."""
    from scipy.stats import norm

    n, events = (len(base), len(head)), (float((base > 0).sum()), float((head > 0).sum()))
    pooled = sum(events) / sum(n)
    error = np.sqrt(pooled * (1 - pooled) * (1 / n[0] + 1 / n[1]))
    return bool(error > 0 and abs(events[1] / n[1] - events[0] / n[0]) / error >= norm.ppf(1 - ALPHA / 2))


def sides_of(world: World, n: int, repetition: int, factor: float = 1.0, above: float = 0.0) -> tuple[Traffic, Traffic]:
    """The sides of one trial in a world."""
    return world.sides(dice_of(world.name, n, repetition), n, factor, above)
