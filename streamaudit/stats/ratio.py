"""A ratio of sums on both sides, such as cancelled calls over calls."""

from dataclasses import dataclass
from math import inf, sqrt

import numpy as np
from scipy.special import stdtr

from streamaudit.stats.block_variance import Side, gate, spread_of, t_of
from streamaudit.stats.inputs import Comparison, Counts, Mix, Sums, explain_mismatch, mix_strata, sum_by_place
from streamaudit.stats.quantile import CONFIDENCE
from streamaudit.stats.sessions import UNKNOWN

MIN_EVENTS = 10
"""Least expected number of calls with y above 0 on either side, if the two do not differ."""


def compare_ratio(
    stat: str, base: Sums, head: Sums, strata: int, least: tuple[float, float], blocks_a_day: int = 0,
    sessions: tuple[float, float] = UNKNOWN,
) -> Comparison:  # fmt: skip
    """Compare a ratio of sums, such as cancelled calls over calls.

    ``least`` is the smallest rise that matters: relative, and absolute. ``blocks_a_day`` is how many blocks of time
    make a day, 0 when none do; ``sessions`` the effective number of sessions of each side's calls.
    """
    counts = [sum_by_place(side.stratum, side.n, strata) for side in (base, head)]
    weight = sum_by_place(base.stratum, base.z, strata)
    mix = mix_strata(counts[0], counts[1], weight)
    one = Comparison(
        stat, int(counts[0].sum()), int(counts[1].sum()), coverage=mix.coverage, relative=False, sessions=sessions,
        gate=explain_mismatch(counts[0], counts[1], mix),
    )  # fmt: skip
    one.base_value_all, one.head_value = (_quotient(side.y.sum(), side.z.sum()) for side in (base, head))
    one.base_value = one.base_value_all
    if one.gate:
        return one
    totals = [_Totals.of(side, mix) for side in (base, head)]
    if any((side.z[mix.weights > 0] <= 0).any() for side in totals):
        one.gate = "the denominator is 0 on one side"
        return one
    base_rate, head_rate = (float((mix.weights * side.rate).sum()) for side in totals)
    one.base_value, one.head_value_at_base_mix = base_rate, head_rate
    per_call = _per_call(totals)
    sides = [_deviations(side, its, mix, per_call) for side, its in zip((base, head), totals, strict=True)]
    spread = spread_of(sides, blocks_a_day)
    one.base_n_eff, one.head_n_eff, one.paired = *spread.n_eff, spread.paired
    one.gate = gate(one, None, spread, inf)
    # Expected and not observed events: a minimum of observed ones would select differences that are large by chance.
    expected = (base.events.sum() + head.events.sum()) * min(one.base_n, one.head_n) / (one.base_n + one.head_n)
    if not one.gate and expected < MIN_EVENTS:
        one.gate = f"needs about {MIN_EVENTS} such calls a side"
    d, s = head_rate - base_rate, sqrt(spread.s[0] ** 2 + spread.s[1] ** 2)
    half, narrow = t_of(CONFIDENCE, spread.df) * s, t_of(0.90, spread.df) * s
    low, high = max(d - half, -base_rate), d + half  # no ratio falls below 0
    one.change_abs, one.ci_low_abs, one.ci_high_abs = d, low, high
    if base_rate > 0:
        one.change_ratio, one.ci_low_ratio, one.ci_high_ratio = (v / base_rate for v in (d, low, high))
    one.p = 1.0 if d == 0 else (2 * float(stdtr(spread.df, -abs(d) / s)) if s > 0 else 0.0)
    one.tost, one.rise = (d - narrow, d + narrow), max(least[0] * base_rate, least[1])
    return one


@dataclass(frozen=True, slots=True)
class _Totals:
    """A side's sums by compared stratum; ``squares`` are those of the residuals of y given z."""

    n: Counts
    z: Counts
    rate: Counts
    squares: Counts

    @staticmethod
    def of(side: Sums, mix: Mix) -> "_Totals":
        taken = mix.of[side.stratum] >= 0
        k, size = mix.of[side.stratum[taken]], len(mix.weights)
        n, y, z, yy, yz, zz = (
            sum_by_place(k, values[taken], size) for values in (side.n, side.y, side.z, side.yy, side.yz, side.zz)
        )
        rate = np.divide(y, z, out=np.zeros_like(y), where=z > 0)
        return _Totals(n, z, rate, yy - 2 * rate * yz + rate**2 * zz)


def _per_call(totals: list[_Totals]) -> Counts:
    """Return the variance of a call by stratum, from both sides.

    The side that happens to have few or small events would otherwise look certain.
    """
    n, squares = (totals[0].n + totals[1].n, totals[0].squares + totals[1].squares)
    result: Counts = np.divide(squares, n, out=np.zeros_like(n), where=n > 0)
    return result


def _deviations(side: Sums, totals: _Totals, mix: Mix, per_call: Counts) -> Side:
    taken = mix.of[side.stratum] >= 0
    k = mix.of[side.stratum[taken]]
    weight = np.divide(mix.weights, totals.z, out=np.zeros_like(totals.z), where=totals.z > 0)
    first = int(side.block[taken].min())
    place = side.block[taken] - first
    e = sum_by_place(place, weight[k] * (side.y[taken] - totals.rate[k] * side.z[taken]))
    v0 = float((weight**2 * totals.n * per_call).sum())
    if v0 <= 0:  # all calls are alike: once is what may have been missed
        v0 = float((mix.weights * weight).max()) / max(float(totals.z.sum()), 1.0)
    n_block = sum_by_place(place, side.n[taken])
    return Side(e, np.arange(first, first + len(e)), n_block, v0, float(n_block.sum()))


def _quotient(y: float, z: float) -> float | None:
    return float(y / z) if z else None
