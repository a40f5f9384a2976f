"""Estimate the number of sessions of a side's calls, from a histogram of hashed sessions."""

from math import inf

from streamaudit.stats.inputs import Counts

UNKNOWN = (inf, inf)
"""Sessions of both sides are unknown: calls count as independent of one another."""


def effective_sessions(in_bins: Counts, alone: float) -> float:
    """Return Kish's effective number of sessions: how many of equal size have the same precision.

    ``in_bins`` has the calls of the sessions that fall into each of its equally likely bins, by a hash; ``alone`` are
    the calls without a session, each counted as one session. Two sessions in one bin look like one: by chance such
    pairs make one part in as many as there are bins of the square of all calls, which is subtracted. Infinite without
    calls.
    """
    calls, bins = float(in_bins.sum()), len(in_bins)
    squares = max((float((in_bins**2).sum()) - calls**2 / bins) / (1 - 1 / bins), calls) if calls else 0.0
    total = squares + alone
    return (calls + alone) ** 2 / total if total else inf
