"""Compare two sides of traffic whose calls are not independent.

Everything here is a pure function of counts by stratum, time block and histogram bucket.

A quantile's uncertainty is that of the share of calls below it (Woodruff, JASA 47, 1952), here with the variance of
that share between blocks of time, so that calls that are slow together count as the little evidence they are (cluster
delta method of Deng, Knoblich and Lu, arXiv 1803.06336; batch means of Schmeiser, 1980). Both sides are weighted by the
base's mix of strata, so a change of mix is not mistaken for a change of latency. The interval of the difference squares
and adds the distances of the sides' limits (MOVER: Zou and Donner, 2008). Nothing is resampled: the same counts give
the same bytes.

``inputs`` (arguments and results) → ``sessions``, ``block_variance`` (standard errors from blocks) → ``distribution``
(one side, with waits that were cut short) → ``quantile``, ``ratio`` (one comparison each) → ``verdict`` (the correction
for many comparisons, and the verdicts).
"""

from streamaudit.stats.block_variance import MIN_COVERAGE
from streamaudit.stats.inputs import MIN_STRATUM, NO_COUNTERPART, Comparison, Rows, Scale, Sums, ln_ms, mix_strata
from streamaudit.stats.quantile import compare_quantiles
from streamaudit.stats.ratio import compare_ratio
from streamaudit.stats.sessions import effective_sessions
from streamaudit.stats.verdict import adjust, decide

__all__ = [
    "MIN_COVERAGE", "MIN_STRATUM", "NO_COUNTERPART", "Comparison", "Rows", "Scale", "Sums", "adjust",
    "compare_quantiles", "compare_ratio", "decide", "effective_sessions", "ln_ms", "mix_strata",
]  # fmt: skip
