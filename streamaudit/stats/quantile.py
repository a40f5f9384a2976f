"""Quantiles of a latency on both sides, from histograms."""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from math import exp, inf, isfinite, sqrt

import numpy as np
from scipy.special import stdtr

from streamaudit.stats.block_variance import Side, effective, gate, spread_of, t_of
from streamaudit.stats.inputs import Comparison, Counts, Mix, Places, Rows, Scale, mixed, summed

CONFIDENCE = 0.95
_STEPS, _MOST_T = 34, 60.0


def compare_quantiles(
    base: Rows, head: Rows, strata: int, scale: Scale, quantiles: dict[str, float], least: tuple[float, float],
    blocks_a_day: int = 0,
) -> list[Comparison]:  # fmt: skip
    """Compare quantiles of a latency.

    ``least`` is the smallest rise that matters, as a ratio and in milliseconds. ``blocks_a_day`` is how many blocks of
    time make a day, 0 when none do.
    """
    counts = [summed(side.stratum, side.n, strata) for side in (base, head)]
    mix = mixed(counts[0], counts[1], counts[0])
    made = [Comparison(name, int(counts[0].sum()), int(counts[1].sum()), coverage=mix.coverage) for name in quantiles]
    plain = [_Curve.of(side.bucket, side.n, scale) for side in (base, head)]
    for one, p in zip(made, quantiles.values(), strict=True):
        one.base_value, one.head_value = (_ms(curve.inverse(p)) for curve in plain)
        if not len(mix.weights) or min(one.base_n, one.head_n) == 0:
            one.gate = "no calls on one side" if 0 in (one.base_n, one.head_n) else "no group of calls is on both sides"
    if made and not made[0].gate:
        sides = [_Distribution.of(_within(side, mix), mix, scale) for side in (base, head)]
        for one, p in zip(made, quantiles.values(), strict=True):
            _quantile(one, p, sides, mix, least, blocks_a_day)
    return made


def _quantile(
    one: Comparison, p: float, sides: "list[_Distribution]", mix: Mix, least: tuple[float, float], blocks_a_day: int
) -> None:
    curves = [side.curve for side in sides]
    ln_q = [curve.inverse(p) for curve in curves]
    one.head_value_at_base_mix = _ms(ln_q[1])
    if not all(map(isfinite, ln_q)):
        one.gate = "the percentile falls among calls that were cancelled while waiting"
        return
    cuts = [side.cut(ln) for side, ln in zip(sides, ln_q, strict=True)]
    spread = spread_of([side.at(p, cut) for side, cut in zip(sides, cuts, strict=True)], blocks_a_day)
    one.base_n_eff, one.head_n_eff, one.paired = *spread.n_eff, spread.paired
    one.gate = gate(one, p, spread, min(side.tail_blocks(cut) for side, cut in zip(sides, cuts, strict=True)))
    d = ln_q[1] - ln_q[0]

    def lower(t: float) -> float:
        head, base = curves[1].inverse(p - t * spread.s[1]), curves[0].inverse(p + t * spread.s[0])
        return d - sqrt((ln_q[1] - head) ** 2 + (base - ln_q[0]) ** 2)

    def upper(t: float) -> float:
        head, base = curves[1].inverse(p + t * spread.s[1]), curves[0].inverse(p - t * spread.s[0])
        return d + sqrt((head - ln_q[1]) ** 2 + (ln_q[0] - base) ** 2)

    t = t_of(CONFIDENCE, spread.df)
    low, high = lower(t), upper(t)
    base_ms = exp(ln_q[0])
    one.change_ratio, one.ci_low_ratio, one.ci_high_ratio = (_ratio(value) for value in (d, low, high))
    one.change_abs = base_ms * (exp(d) - 1)
    one.ci_low_abs = None if one.ci_low_ratio is None else base_ms * one.ci_low_ratio
    one.ci_high_abs = None if one.ci_high_ratio is None else base_ms * one.ci_high_ratio
    one.p = None if one.gate else _p_value(d, lower if d > 0 else upper, spread.df)
    one.rise = max(least[0], least[1] / base_ms)
    t = t_of(0.90, spread.df)
    low, high = lower(t), upper(t)
    one.tost = (exp(low) - 1, inf if high > 700 else exp(high) - 1)
    one.driver, one.driver_share = _driver(sides, (cuts[0], sides[1].cut(ln_q[0])), mix)


@dataclass(frozen=True, slots=True)
class _Curve:
    """A distribution function over the buckets: the share at or below the end of each."""

    scale: Scale
    cumulative: list[float]

    @staticmethod
    def of(bucket: Places, weights: Counts, scale: Scale) -> "_Curve":
        share = summed(bucket, weights, scale.censored + 1)
        total = float(share.sum())
        return _Curve(scale, np.cumsum(share[: scale.censored] / total if total else share[:0]).tolist())

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
class _Distribution:
    """A side at the base's mix. ``cell`` numbers each entry's stratum and block, ``n_cell`` are their calls."""

    bucket: Places
    n: Counts
    cell: Places
    n_cell: Counts
    weights: Counts
    curve: _Curve
    first_block: int

    @staticmethod
    def of(rows: Rows, mix: Mix, scale: Scale) -> "_Distribution":
        k, first = mix.of[rows.stratum], int(rows.block.min())
        size, blocks = len(mix.weights), int(rows.block.max()) - first + 1
        cell = k * blocks + (rows.block - first)
        n_cell = summed(cell, rows.n, size * blocks).reshape(size, blocks)
        n_k = n_cell.sum(axis=1)
        per_call = np.divide(mix.weights, n_k, out=np.zeros_like(n_k), where=n_k > 0)
        curve = _Curve.of(rows.bucket, per_call[k] * rows.n, scale)
        return _Distribution(rows.bucket, rows.n, cell, n_cell, mix.weights, curve, first)

    def cut(self, ln: float) -> Counts:
        """Return how many calls of each stratum and block are at or below a value, interpolated in its bucket."""
        scale = self.curve.scale
        bucket = int(np.searchsorted(scale.ln_high, ln))
        part = 1.0
        if bucket < scale.censored:
            low, high = float(scale.ln_low[bucket]), float(scale.ln_high[bucket])
            part = min(max((ln - low) / (high - low), 0.0), 1.0)
        reached = np.flatnonzero(self.bucket <= bucket)
        below = self.n[reached]
        below[self.bucket[reached] == bucket] *= part
        return summed(self.cell[reached], below, self.n_cell.size).reshape(self.n_cell.shape)

    def shares(self, cut: Counts) -> Counts:
        """Return the share of each stratum at or below a value."""
        u_k, n_k = cut.sum(axis=1), self.n_cell.sum(axis=1)
        result: Counts = np.divide(u_k, n_k, out=np.zeros_like(u_k), where=n_k > 0)
        return result

    def at(self, p: float, cut: Counts) -> Side:
        """Return how far each block is from the share p below its quantile."""
        n_k, p_k = self.n_cell.sum(axis=1), self.shares(cut)
        per_call = np.divide(self.weights, n_k, out=np.zeros_like(n_k), where=n_k > 0)
        e = (per_call[:, None] * (cut - p_k[:, None] * self.n_cell)).sum(axis=0)
        v0 = float((self.weights * per_call * p_k * (1 - p_k)).sum())
        n = float(self.n_cell.sum())
        if v0 == 0:  # every stratum lies wholly on one side of the value
            v0 = p * (1 - p) / n
        return Side(e, np.arange(self.first_block, self.first_block + len(e)), self.n_cell.sum(axis=0), v0, n)

    def tail_blocks(self, cut: Counts) -> float:
        """Return the effective number of blocks that hold the calls beyond a value."""
        return effective((self.n_cell - cut).sum(axis=0))


def _within(rows: Rows, mix: Mix) -> Rows:
    taken = mix.of[rows.stratum] >= 0
    if taken.all():
        return rows
    return Rows(rows.stratum[taken], rows.block[taken], rows.bucket[taken], rows.n[taken])


def _driver(sides: list[_Distribution], cuts: tuple[Counts, Counts], mix: Mix) -> tuple[int | None, float | None]:
    """Return the stratum that makes more than half of a change, and its part of it.

    The change is that of the share at or below the base's quantile. Both are None where no stratum makes so much.
    """
    parts = mix.weights * (sides[1].shares(cuts[1]) - sides[0].shares(cuts[0]))
    total = float(parts.sum())
    if len(parts) < 2 or total == 0:
        return None, None
    shares = parts / total
    most = int(np.argmax(shares))
    strata = np.flatnonzero(mix.of == most)
    return (int(strata[0]), float(shares[most])) if shares[most] > 0.5 and len(strata) == 1 else (None, None)


def _p_value(d: float, limit: Callable[[float], float], df: float) -> float:
    """Return the smallest error at which the interval excludes no change; ``limit`` is its end towards no change."""
    if d == 0:
        return 1.0
    low, high = 0.0, _MOST_T
    for _ in range(_STEPS):
        middle = (low + high) / 2
        excluded = limit(middle) > 0 if d > 0 else limit(middle) < 0
        low, high = (middle, high) if excluded else (low, middle)
    return min(1.0, 2 * float(stdtr(df, -low)))


def _ms(ln: float) -> float | None:
    return exp(ln) if isfinite(ln) else None


def _ratio(ln: float) -> float | None:
    """Return the ratio; None where it is not bounded."""
    return exp(ln) - 1 if -inf < ln < 700 else None
