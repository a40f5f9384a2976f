"""The distribution of one side's latency at a mix of strata, where some waits were cut short before they ended.

A wait cut by a cancel or a deadline shows only that the latency exceeds the time of the cut. Without such waits the
distribution is that of the counts; with them it is the product-limit estimate of each stratum (Kaplan and Meier, JASA
53, 1958), weighted by the mix.
"""

from bisect import bisect_left
from dataclasses import dataclass
from math import inf
from typing import Protocol

import numpy as np

from streamaudit.stats.block_variance import Side, effective
from streamaudit.stats.inputs import Counts, Mix, Places, Rows, Scale, sum_by_place

_MOST_DENSE = 1 << 23
"""Strata x positions up to which a table of them is faster than a sort."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A distribution function over the buckets: the share at or below the end of each."""

    scale: Scale
    cumulative: list[float]

    @staticmethod
    def of_counts(bucket: Places, weights: Counts, scale: Scale) -> "Curve":
        """Return the curve of waits that all ended, or were cut at an unknown time and count as longer than any."""
        share = sum_by_place(bucket, weights, scale.censored + 1)
        total = float(share.sum())
        return Curve(scale, np.cumsum(share[: scale.censored] / total if total else share[:0]).tolist())

    def inverse(self, p: float) -> float:
        """Return the logarithm at which the share p is reached, interpolated between the edges of its bucket.

        It is infinite beyond the first and the last bucket.
        """
        if p <= 0:
            return -inf
        bucket = bisect_left(self.cumulative, p * (1 - 1e-12))
        if bucket >= len(self.cumulative):
            return inf
        before = self.cumulative[bucket - 1] if bucket else 0.0
        part = min(max((p - before) / (self.cumulative[bucket] - before), 0.0), 1.0)
        low = float(self.scale.ln_low[bucket])
        return low + part * (float(self.scale.ln_high[bucket]) - low)


@dataclass(frozen=True, slots=True)
class Cut:
    """A distribution at one value.

    It has the ``shares`` of each stratum at or below the value, how far each block is from their mean (``e``), the
    variance ``v0`` of that mean if calls were independent, and the calls of each block ``beyond`` it.
    """

    shares: Counts
    e: Counts
    v0: float
    beyond: Counts


class _Estimate(Protocol):
    """Interface of an estimate of a distribution from counts."""

    def curve(self, weights: Counts) -> Curve:
        """Return the curve at these weights of the strata."""

    def shares(self, ln: float) -> Counts:
        """Return the share of each stratum at or below a value, a logarithm of milliseconds."""

    def at(self, ln: float, weights: Counts) -> Cut:
        """Return the distribution at a value."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """A side's calls by compared stratum (``n_k``) and by block (``n_block``), and their curve at a mix."""

    curve: Curve
    n_k: Counts
    n_block: Counts
    first_block: int
    weights: Counts
    estimate: _Estimate

    @staticmethod
    def of(rows: Rows, mix: Mix, scale: Scale) -> "Distribution":
        """Return the distribution of the calls whose strata are compared."""
        taken = mix.of[rows.stratum] >= 0
        if not taken.all():
            rows = Rows(rows.stratum[taken], rows.block[taken], rows.bucket[taken], rows.n[taken])
        k, first, size = mix.of[rows.stratum], int(rows.block.min()), len(mix.weights)
        block = rows.block - first
        n_k, n_block = sum_by_place(k, rows.n, size), sum_by_place(block, rows.n)
        make = _ProductLimit.of if has_cuts(rows, scale) else _Shares.of
        estimate = make(k, block, rows, n_k, len(n_block), scale)
        return Distribution(estimate.curve(mix.weights), n_k, n_block, first, mix.weights, estimate)

    def at(self, ln: float) -> Cut:
        """Return the distribution at a value, a logarithm of milliseconds."""
        return self.estimate.at(ln, self.weights)

    def shares(self, ln: float) -> Counts:
        """Return the share of each stratum at or below a value, and nothing else."""
        return self.estimate.shares(ln)

    def side(self, p: float, cut: Cut) -> Side:
        """Return the input of the standard error of the share p below a value."""
        n = float(self.n_block.sum())
        v0 = cut.v0 or p * (1 - p) / n  # 0 where every stratum lies wholly on one side of the value
        return Side(cut.e, np.arange(self.first_block, self.first_block + len(cut.e)), self.n_block, v0, n)


def tail_blocks(cut: Cut) -> float:
    """Return the effective number of blocks that hold the calls beyond a value."""
    return effective(cut.beyond)


def has_cuts(rows: Rows, scale: Scale) -> bool:
    """Return whether any wait was cut short at a known time."""
    return bool(len(rows.bucket)) and int(rows.bucket.max()) > scale.censored


def plain_curve(rows: Rows, mix: Mix, scale: Scale, compared: Distribution | None = None) -> Curve:
    """Return the curve of all calls of a side at its own mix, those without a counterpart included. ``compared`` is the
    distribution of those that have one."""
    if not has_cuts(rows, scale):
        return Curve.of_counts(rows.bucket, rows.n, scale)
    if compared and compared.n_k.sum() == rows.n.sum():
        own = compared.n_k / compared.n_k.sum()
        return compared.curve if np.array_equal(own, compared.weights) else compared.estimate.curve(own)
    of, size = mix.of.copy(), len(mix.weights)
    alone = np.flatnonzero(of < 0)
    of[alone] = size + np.arange(len(alone))
    k, size = of[rows.stratum], size + len(alone)
    n_k = sum_by_place(k, rows.n, size)
    nowhere = np.zeros(len(k), dtype=np.int64)
    return _ProductLimit.of(k, nowhere, rows, n_k, 1, scale).curve(n_k / n_k.sum())


@dataclass(frozen=True, slots=True)
class _Shares:
    """Waits that all ended, or count as longer than any. ``cell`` numbers each entry's stratum and block."""

    scale: Scale
    bucket: Places
    n: Counts
    cell: Places
    n_cell: Counts

    @staticmethod
    def of(k: Places, block: Places, rows: Rows, n_k: Counts, blocks: int, scale: Scale) -> "_Shares":
        cell = k * blocks + block
        n_cell = sum_by_place(cell, rows.n, len(n_k) * blocks).reshape(len(n_k), blocks)
        return _Shares(scale, rows.bucket, rows.n, cell, n_cell)

    def curve(self, weights: Counts) -> Curve:
        per_call = _per_call(weights, self.n_cell.sum(axis=1))
        return Curve.of_counts(self.bucket, per_call[self.cell // self.n_cell.shape[1]] * self.n, self.scale)

    def shares(self, ln: float) -> Counts:
        return _per_call(self._below(ln).sum(axis=1), self.n_cell.sum(axis=1))

    def at(self, ln: float, weights: Counts) -> Cut:
        below, n_k = self._below(ln), self.n_cell.sum(axis=1)
        p_k = _per_call(below.sum(axis=1), n_k)
        per_call = _per_call(weights, n_k)
        e = (per_call[:, None] * (below - p_k[:, None] * self.n_cell)).sum(axis=0)
        v0 = float((weights * per_call * p_k * (1 - p_k)).sum())
        return Cut(p_k, e, v0, (self.n_cell - below).sum(axis=0))

    def _below(self, ln: float) -> Counts:
        """Return how many calls of each stratum and block are at or below a value, interpolated in its bucket."""
        bucket, part = _position(ln, self.scale)
        reached = np.flatnonzero(self.bucket <= bucket)
        below = self.n[reached]
        below[self.bucket[reached] == bucket] *= part
        return sum_by_place(self.cell[reached], below, self.n_cell.size).reshape(self.n_cell.shape)


@dataclass(frozen=True, slots=True)
class _ProductLimit:
    """Waits of which some were cut short.

    A *step* is a stratum and a moment at which waits of it ended or were cut, in order. In a bucket waits end before
    any is cut. Of the two buckets that a cut may lie in the first counts, so that cuts lie at the middle of both.
    """

    scale: Scale
    n: Counts
    block: Places
    blocks: int
    of_step: Places
    """The step of each entry."""
    step: Places
    stratum: Places
    moment: Places
    count: Counts
    """Waits of each step."""
    ends: Counts
    """Those that ended: all of them or none."""
    at_risk: Counts
    """Waits of the stratum that had lasted until the step."""
    survival: Counts
    """Share of the stratum that lasts longer than the step."""
    hazard: Counts
    """The sum of d / (Y (Y - d)) up to the step, of d waits that ended and Y at risk: Greenwood's."""
    turn: Counts
    """Change of ln(survival) after the step per wait of it: 1 / (Y - d) if it ended, less the hazard."""
    first: Places
    """The first step of each stratum, and at its end the number of steps."""

    @staticmethod
    def of(k: Places, block: Places, rows: Rows, n_k: Counts, blocks: int, scale: Scale) -> "_ProductLimit":
        width = _width(scale)
        key = k * width + _moments(scale)[rows.bucket]
        if len(n_k) * width <= _MOST_DENSE:
            table = sum_by_place(key, rows.n, len(n_k) * width)
            step = np.flatnonzero(table)
            number = np.zeros(len(table), dtype=np.int32)
            number[step] = np.arange(len(step))
            of_step: Places = number[key]
            count = table[step]
        else:
            step, of_step = np.unique(key, return_inverse=True)
            count = sum_by_place(of_step, rows.n, len(step))
        first = np.searchsorted(step, np.arange(len(n_k) + 1) * width)
        stratum, moment = np.divmod(step, width)
        before = np.cumsum(count) - count
        at_risk = n_k[stratum] - (before - before[first[stratum]])
        ends = np.where((moment % 2 == 0) & (moment < width - 1), count, 0.0)
        left = at_risk - ends
        last = left <= 1e-9 * at_risk  # no wait lasts longer: only ever the last step of a stratum
        left[last] = np.inf
        kept = np.where(last, 1.0, left / at_risk)
        survival = np.where(last, 0.0, np.exp(_summed_up(np.log(kept), first, stratum)))
        hazard = _summed_up(ends / (at_risk * left), first, stratum)
        turn = np.where(ends > 0, 1 / left, 0.0) - hazard
        return _ProductLimit(
            scale, rows.n, block, blocks, of_step, step, stratum, moment, count, ends, at_risk, survival, hazard, turn,
            first,
        )  # fmt: skip

    def curve(self, weights: Counts) -> Curve:
        """Return the curve at these weights of the strata."""
        earlier = np.concatenate([[1.0], self.survival[:-1]])
        earlier[self.first[self.stratum]] = 1.0
        share = sum_by_place(self.moment // 2, weights[self.stratum] * (earlier - self.survival), self.scale.censored)
        return Curve(self.scale, np.cumsum(share[: self.scale.censored]).tolist())

    def shares(self, ln: float) -> Counts:
        survival: Counts = 1 - self._reached(*_position(ln, self.scale))[0]
        return survival

    def at(self, ln: float, weights: Counts) -> Cut:
        """Return the distribution at a value.

        The deviation of a wait is the derivative of the product with respect to its weight: for waits that all ended
        it is 1 less the share, or less the share.
        """
        bucket, part = _position(ln, self.scale)
        survival, hazard, inside, left = self._reached(bucket, part)
        of = self.stratum[inside]
        turn = np.where(self.moment < 2 * bucket, self.turn, -hazard[self.stratum])
        squares = turn**2
        turn[inside] = part / left - hazard[of]
        squares[inside] = part * (1 / left - hazard[of]) ** 2 + (1 - part) * hazard[of] ** 2
        scaled = (weights * survival)[self.stratum]
        e = sum_by_place(self.block, self.n * (scaled * turn)[self.of_step], self.blocks)
        longer = (self.moment > 2 * bucket).astype(np.float64)
        longer[inside] = 1 - part
        beyond = sum_by_place(self.block, self.n * longer[self.of_step], self.blocks)
        return Cut(1 - survival, e, float((self.count * scaled**2 * squares).sum()), beyond)

    def _reached(self, bucket: int, part: float) -> tuple[Counts, Counts, Places, Counts]:
        """Return the survival and the hazard of each stratum at that part of a bucket; the steps of the bucket itself,
        at most one a stratum, and how many waits last longer there, infinite for none."""
        here = np.searchsorted(self.step, np.arange(len(self.first) - 1) * _width(self.scale) + 2 * bucket)
        before = np.maximum(here - 1, 0)
        begun = here > self.first[:-1]
        survival, hazard = np.where(begun, self.survival[before], 1.0), np.where(begun, self.hazard[before], 0.0)
        inside = np.flatnonzero(self.moment == 2 * bucket)
        d, y = part * self.ends[inside], self.at_risk[inside]
        left = y - d
        some = left > 1e-9 * y
        survival[self.stratum[inside]] *= np.where(some, left / y, 0.0)
        left[~some] = np.inf
        hazard[self.stratum[inside]] += d / (y * left)
        return survival, hazard, inside, left


def _width(scale: Scale) -> int:
    """Return the number of moments of a stratum: two a bucket, at which waits end and are cut, and one beyond all."""
    return 2 * scale.censored + 1


def _moments(scale: Scale) -> Places:
    """Return the moment of each number that a bucket may have."""
    buckets, pairs = np.arange(scale.censored), np.arange(-(-scale.censored // 2))
    return np.concatenate([2 * buckets, [2 * scale.censored], 4 * pairs + 1])


def _summed_up(values: Counts, first: Places, stratum: Places) -> Counts:
    """Return sums from the first step of each stratum on."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    result: Counts = total[1:] - total[first[stratum]]
    return result


def _position(ln: float, scale: Scale) -> tuple[int, float]:
    """Return the bucket of a value, and the part of it that lies below."""
    bucket = int(np.searchsorted(scale.ln_high, ln))
    if bucket >= scale.censored:
        return bucket, 1.0
    low, high = float(scale.ln_low[bucket]), float(scale.ln_high[bucket])
    return bucket, min(max((ln - low) / (high - low), 0.0), 1.0)


def _per_call(weights: Counts, n_k: Counts) -> Counts:
    result: Counts = np.divide(weights, n_k, out=np.zeros_like(n_k), where=n_k > 0)
    return result
