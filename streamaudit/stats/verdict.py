"""Turn p values and intervals into verdicts, after one correction for all comparisons of a report."""

from math import inf, isfinite

import numpy as np

from streamaudit.stats.inputs import Comparison, Counts


def adjust(p_values: Counts) -> Counts:
    """Return p values adjusted by Benjamini and Hochberg (1995), which bounds the share of false findings."""
    if not len(p_values):
        return p_values
    order = np.argsort(p_values, kind="stable")
    ranked = p_values[order] * len(p_values) / np.arange(1, len(p_values) + 1)
    result = np.empty_like(ranked)
    result[order] = np.minimum(np.minimum.accumulate(ranked[::-1])[::-1], 1.0)
    return result


def decide(comparisons: list[Comparison], alpha: float = 0.05) -> None:
    """Correct for the number of comparisons that can be judged, and set the verdict of each."""
    judged = [one for one in comparisons if not one.gate and one.p is not None]
    corrected = adjust(np.array([one.p for one in judged], dtype=np.float64))
    for one, p in zip(judged, corrected.tolist(), strict=True):
        one.p_adjusted = p
    for one in comparisons:
        one.verdict, one.reason = _verdict(one, len(judged), alpha)


def _verdict(one: Comparison, tests: int, alpha: float) -> tuple[str, str]:
    if one.gate or one.p_adjusted is None:
        return "too little data", one.gate
    size = (one.change_ratio if one.relative else one.change_abs) or 0.0
    if one.p_adjusted <= alpha and size >= one.rise:
        return "regression", ""
    if one.p_adjusted <= alpha and size <= -one.rise:
        return "improvement", ""
    if -one.rise < one.tost[0] and one.tost[1] < one.rise:
        return "no change", ""
    reason = ""
    if one.p is not None and one.p <= alpha < one.p_adjusted:
        reason = f"not clear after correcting for {tests} comparisons"
    elif abs(size) >= one.rise:
        reason = "may be chance: needs more calls"
    else:
        half = (one.tost[1] - one.tost[0]) / 2
        room = one.rise - abs(size)
        times = (half / room) ** 2 if isfinite(half) and room > 0 else inf
        reason = f"needs about {max(times, 2):,.0f} times the calls" if 1 < times < 100 else "needs far more calls"
    return "too little data", reason
