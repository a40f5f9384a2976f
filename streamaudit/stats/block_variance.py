"""Standard errors from blocks of time: the spread of the share of calls below a value between blocks."""

from dataclasses import dataclass, replace
from math import ceil, sqrt

import numpy as np
from scipy.special import stdtrit

from streamaudit.stats.inputs import Comparison, Counts, Places, sum_by_place

MIN_COVERAGE = 0.5
MIN_BLOCKS, MIN_TAIL_BLOCKS = 6, 4
JOIN_ABOVE, STILL_ABOVE, NOISE_ONLY, MIN_JOINED = 0.25, 0.40, 1.25, 8
"""Neighbouring blocks are joined while their correlation exceeds the first; above the second, joined blocks are still
correlated. Correlation counts only when blocks vary more than the third, the limit for chance, allows. Where they are
still correlated, the variance is at least that of a drift, and has no more than its degrees of freedom."""
DRIFT_FREEDOM = 2.0
MIN_SESSIONS = 8
"""Fewer sessions than this do not show how sessions differ, however many calls they have."""
PAIRED_OVERLAP, SHARED_CURVE = 0.8, 0.5
"""Blocks are compared in pairs when at least the first share of each side's blocks has a partner: of the same time, or
else of the same time of the week or day, if the two sides' blocks then correlate by at least the second."""


@dataclass(frozen=True, slots=True)
class Side:
    """A side at one statistic: the deviation of each block, and the variance if calls were independent."""

    e: Counts
    block: Places
    n_block: Counts
    v0: float
    n: float


@dataclass(frozen=True, slots=True)
class Spread:
    """Standard errors of both sides, the degrees of freedom, and the correlation of the blocks."""

    s: tuple[float, float]
    n_eff: tuple[float, float]
    df: float
    blocks: float
    likeness: float
    paired: bool


def spread_of(sides: list[Side], blocks_a_day: int = 0) -> Spread:
    """Return the standard errors of the base and the head, in pairs of blocks where these can be made.

    ``blocks_a_day`` is 0 when a block is not a whole part of a day.
    """
    later = _find_shift(sides, blocks_a_day)
    if later is not None:
        return _pair_blocks([sides[0], replace(sides[1], block=sides[1].block - later)], together=later == 0)
    v, r = [0.0, 0.0], [0.0, 0.0]
    unjoined = [side.e for side in sides]
    while True:
        filled = [int((side.n_block > 0).sum()) for side in sides]
        for index, side in enumerate(sides):
            v[index], r[index] = _block_variance(side.e, filled[index], side.v0)
        if max(r) <= JOIN_ABOVE or min(filled) / 2 < MIN_JOINED:
            break
        sides = [_join_blocks(side) for side in sides]
    drifts = max(r) > STILL_ABOVE
    square = [max(v[i] * (1 + 2 * max(0.0, r[i])), sides[i].v0) for i in (0, 1)]
    if drifts:
        square = [max(known, drift_variance(e)) for known, e in zip(square, unjoined, strict=True)]
    blocks = [effective(side.n_block) for side in sides]
    freedom = [_freedom(blocks[i], v[i], r[i], sides[i].v0) for i in (0, 1)]
    denominator = sum(square[i] ** 2 / freedom[i] for i in (0, 1))
    df = max((square[0] + square[1]) ** 2 / denominator, 1.0)
    return Spread(
        (sqrt(square[0]), sqrt(square[1])),
        (sides[0].n * sides[0].v0 / square[0], sides[1].n * sides[1].v0 / square[1]),
        min(df, DRIFT_FREEDOM) if drifts else df, min(blocks), max(r), False,
    )  # fmt: skip


def _find_shift(sides: list[Side], blocks_a_day: int) -> int | None:
    """Return by how many blocks the head is later than the base, when blocks are to be paired.

    That is 0, whole weeks or whole days; None when blocks are not to be paired.
    """
    base, head = (set(side.block[side.n_block > 0].tolist()) for side in sides)
    if not base or not head:
        return None
    apart = min(head) - min(base)
    for unit in (0, 7 * blocks_a_day, blocks_a_day):
        later = round(apart / unit) * unit if unit else 0
        moved = {block - later for block in head}
        if len(base & moved) >= PAIRED_OVERLAP * len(base | moved):
            return later if later == 0 or _correlation(sides, later) >= SHARED_CURVE else None
    return None


def _correlation(sides: list[Side], later: int) -> float:
    """Return the correlation of both sides' blocks: 1 if only the clock matters, about 0 if days differ."""
    blocks = (sides[0].block, sides[1].block - later)
    first, last = min(int(one[0]) for one in blocks), max(int(one[-1]) for one in blocks)
    e = np.zeros((2, last - first + 1))
    for row, block, side in zip(e, blocks, sides, strict=True):
        row[block - first] = side.e
    scale = sqrt(float((e[0] ** 2).sum()) * float((e[1] ** 2).sum()))
    return float((e[0] * e[1]).sum()) / scale if scale else 0.0


def _pair_blocks(sides: list[Side], *, together: bool) -> Spread:
    """Return standard errors of paired blocks.

    A change common to both sides of a pair, such as the load of that moment or the habits of that hour, is not a
    difference between them.
    """
    v0 = sides[0].v0 + sides[1].v0
    unjoined = None
    while True:
        first = min(int(side.block[0]) for side in sides)
        size = max(int(side.block[-1]) for side in sides) - first + 1
        e, weight = np.zeros(size), np.ones(size)
        for sign, side in zip((-1, 1), sides, strict=True):
            place = side.block - first
            e[place] += sign * side.e
            reached = np.zeros(size)
            reached[place] = side.n_block
            weight *= np.sqrt(reached)
        unjoined = e if unjoined is None else unjoined
        filled = int((weight > 0).sum())
        v, r = _block_variance(e, filled, v0)
        if r <= JOIN_ABOVE or filled / 2 < MIN_JOINED:
            break
        sides = [_join_blocks(side) for side in sides]
    factor, blocks = max(1.0, v * (1 + 2 * max(0.0, r)) / v0), effective(weight)
    df = max(_freedom(blocks, v, r, v0), 1.0)
    if r > STILL_ABOVE:
        factor, df = max(factor, drift_variance(unjoined) / v0), min(df, DRIFT_FREEDOM)
    return Spread(
        (sqrt(factor * sides[0].v0), sqrt(factor * sides[1].v0)), (sides[0].n / factor, sides[1].n / factor),
        df, blocks, r, together,
    )  # fmt: skip


def _freedom(blocks: float, v: float, r: float, v0: float) -> float:
    """Return the degrees of freedom of a variance from ``blocks`` blocks.

    Where it is corrected for the correlation of neighbours, that is an estimate with an error of its own: the relative
    variance 2 / J of v and 1 / J of r, by the delta method.
    """
    known = max(blocks - 1, 1e-9)
    return known / (1 + 2 / (1 + 2 * max(0.0, r)) ** 2) if v > NOISE_ONLY * v0 else known


def _block_variance(e: Counts, filled: int, v0: float) -> tuple[float, float]:
    """Return the variance between blocks, and the correlation of neighbours."""
    squares = float((e**2).sum())
    if filled < 2 or squares == 0:
        return 0.0, 0.0
    v = filled / (filled - 1) * squares
    return v, 0.0 if v <= NOISE_ONLY * v0 else float((e[:-1] * e[1:]).sum()) / squares + 1 / filled


def drift_variance(e: Counts) -> float:
    """Return the variance of a total whose blocks drift, from its two slowest cosines.

    A drift as slow as the window moves these most (U. K. Mueller, A Theory of Robust Long-Run Variance Estimation,
    Journal of Econometrics 141, 2007). ``e`` has one entry a block, empty ones included; the estimate has
    ``DRIFT_FREEDOM`` degrees of freedom.
    """
    blocks = len(e)
    middle = np.pi * (np.arange(blocks) + 0.5) / blocks
    waves = [sqrt(2 / blocks) * float((e * np.cos(j * middle)).sum()) for j in (1, 2)]
    return blocks * sum(wave**2 for wave in waves) / len(waves)


def _join_blocks(side: Side) -> Side:
    pair = side.block // 2
    place = pair - pair[0]
    e, n = sum_by_place(place, side.e), sum_by_place(place, side.n_block)
    return Side(e, np.arange(pair[0], pair[0] + len(e)), n, side.v0, side.n)


def effective(weights: Counts) -> float:
    """Return Kish's effective number: how many equal weights have the same precision as these."""
    squares = float((weights**2).sum())
    return float(weights.sum()) ** 2 / squares if squares else 0.0


def gate(one: Comparison, p: float | None, spread: Spread, tail_blocks: float) -> str:
    """Return in words why a comparison cannot be judged; empty when it can. ``p`` is None for a ratio."""
    tail = 1 - p if p is not None else 0.5
    needed, worth = max(30, ceil(round(10 / tail, 6))), max(30, ceil(round(5 / tail, 6)))
    n_eff = min(spread.n_eff)
    if min(one.base_n, one.head_n) < needed:
        return f"needs {needed:,} calls a side"
    if min(one.coverage) < MIN_COVERAGE:
        return f"only {min(one.coverage):.0%} of a side's calls have a counterpart on the other"
    if min(one.sessions) < MIN_SESSIONS:
        return f"calls come from few sessions: worth {min(one.sessions):.1f} equal ones, needs {MIN_SESSIONS}"
    if spread.blocks < MIN_BLOCKS:
        return "traffic seen in too few blocks of time"
    if tail_blocks < MIN_TAIL_BLOCKS:
        return "the calls beyond the percentile come from too few blocks of time"
    if n_eff < worth:
        return f"calls are alike over time: worth {n_eff:,.0f} independent ones, needs {worth}"
    return ""


def t_of(confidence: float, df: float) -> float:
    """Return Student's t of a two-sided interval."""
    return float(stdtrit(df, (1 + confidence) / 2))
