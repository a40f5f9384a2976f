"""Quantiles of a latency on both sides, from histograms."""

from collections.abc import Callable
from math import exp, inf, isfinite, sqrt

import numpy as np
from scipy.special import stdtr

from streamaudit.stats.block_variance import gate, spread_of, t_of
from streamaudit.stats.distribution import Distribution, plain_curve, tail_blocks
from streamaudit.stats.inputs import Comparison, Counts, Mix, Rows, Scale, explain_mismatch, mix_strata, sum_by_place
from streamaudit.stats.sessions import UNKNOWN

CONFIDENCE = 0.95
_STEPS, _MOST_T = 34, 60.0


def compare_quantiles(
    base: Rows, head: Rows, strata: int, scale: Scale, quantiles: dict[str, float], least: tuple[float, float],
    blocks_a_day: int = 0, sessions: tuple[float, float] = UNKNOWN,
) -> list[Comparison]:  # fmt: skip
    """Compare quantiles of a latency.

    ``least`` is the smallest rise that matters, as a ratio and in milliseconds. ``blocks_a_day`` is how many blocks of
    time make a day, 0 when none do; ``sessions`` the effective number of sessions of each side's calls.
    """
    counts = [sum_by_place(side.stratum, side.n, strata) for side in (base, head)]
    mix = mix_strata(counts[0], counts[1], counts[0])
    n, apart = (int(counts[0].sum()), int(counts[1].sum())), explain_mismatch(counts[0], counts[1], mix)
    made = [Comparison(name, *n, coverage=mix.coverage, sessions=sessions, gate=apart) for name in quantiles]
    sides = [] if apart else [Distribution.of(side, mix, scale) for side in (base, head)]
    plain = [plain_curve(side, mix, scale, *sides[at : at + 1]) for at, side in enumerate((base, head))]
    for one, p in zip(made, quantiles.values(), strict=True):
        one.base_value_all, one.head_value = (_ms(curve.inverse(p)) for curve in plain)
        one.base_value = one.base_value_all
        if sides:
            _quantile(one, p, sides, mix, least, blocks_a_day)
    return made


def _quantile(
    one: Comparison, p: float, sides: list[Distribution], mix: Mix, least: tuple[float, float], blocks_a_day: int
) -> None:
    curves = [side.curve for side in sides]
    ln_q = [curve.inverse(p) for curve in curves]
    one.base_value, one.head_value_at_base_mix = map(_ms, ln_q)
    if not all(map(isfinite, ln_q)):
        one.gate = "the percentile lies beyond what waits that were cancelled or cut off leave known"
        return
    cuts = [side.at(ln) for side, ln in zip(sides, ln_q, strict=True)]
    spread = spread_of([side.side(p, cut) for side, cut in zip(sides, cuts, strict=True)], blocks_a_day)
    one.base_n_eff, one.head_n_eff, one.paired = *spread.n_eff, spread.paired
    one.gate = gate(one, p, spread, min(map(tail_blocks, cuts)))
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
    if len(mix.weights) > 1:
        one.driver, one.driver_share = _driver(cuts[0].shares, sides[1].shares(ln_q[0]), mix)


def _driver(base: Counts, head: Counts, mix: Mix) -> tuple[int | None, float | None]:
    """Return the stratum that makes more than half of a change, and its part of it.

    The change is that of the share at or below the base's quantile. Both are None where no stratum makes so much.
    """
    parts = mix.weights * (head - base)
    total = float(parts.sum())
    if total == 0:
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
