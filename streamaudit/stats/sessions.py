"""How many sessions the calls of a side come from, from a histogram of hashed sessions."""

from math import inf

from streamaudit.stats.inputs import Counts

UNKNOWN = (inf, inf)
"""No session is known of either side: calls count as independent of one another."""


def effective_sessions(in_bins: Counts, alone: float) -> float:
    """Return Kish's number of sessions: how many of equal size say as much as those there are.

    ``in_bins`` has the calls of the sessions that fall into each of its equally likely bins, by a hash; ``alone`` are
    the calls without a session, each one of its own. Two sessions in one bin look like one: of the square of all calls
    one part in as many as there are bins is of such pairs by chance, and taken off. Infinite of no calls.
    """
    calls, bins = float(in_bins.sum()), len(in_bins)
    squares = max((float((in_bins**2).sum()) - calls**2 / bins) / (1 - 1 / bins), calls) if calls else 0.0
    total = squares + alone
    return (calls + alone) ** 2 / total if total else inf
