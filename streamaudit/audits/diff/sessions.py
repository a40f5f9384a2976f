"""Count calls by place, side and the bin of their session's hash, to detect that few sessions make most calls.

Bins of strata are added up, as those of a session that spans several must be, and only the bin of a session is kept.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from streamaudit.audits.diff.histogram import HEAD
from streamaudit.stats import effective_sessions
from streamaudit.store.export_layout import SESSION_BINS

if TYPE_CHECKING:
    from numpy.typing import NDArray

BINS = SESSION_BINS
_CELL_BITS = 32
_MOST_DENSE = 1 << 22

Sessions = dict[str, "NDArray[Any]"]
"""Columns place, side, bin and n, ordered by place and side. Calls without a session are not in it."""


def count_sessions(cell: "NDArray[Any]", session: "NDArray[Any]", places: int) -> "NDArray[Any]":
    """Return keys of place, side and bin, ascending, and the number of calls with each.

    ``cell`` and ``session`` have one entry a call, as ``latencies.sql`` makes them.
    """
    known = np.flatnonzero(session >= 0)
    if not len(known):
        return np.zeros((2, 0), dtype=np.int64)
    place = cell[known] >> _CELL_BITS
    head = place >= HEAD
    place[head] -= HEAD
    key = (place * 2 + head) * BINS + session[known]
    if places * 2 * BINS > _MOST_DENSE:
        return np.stack(np.unique(key, return_counts=True))
    n = np.bincount(key)
    found = np.flatnonzero(n)
    return np.stack([found, n[found]])


def add_up(parts: "list[NDArray[Any]]") -> Sessions:
    """Return the counts of several parts as columns."""
    keys, n = np.concatenate(parts, axis=1) if parts else np.zeros((2, 0), dtype=np.int64)
    key, at = np.unique(keys, return_inverse=True)
    place, rest = np.divmod(key, 2 * BINS)
    total = np.bincount(at, weights=n, minlength=len(key))
    return {
        "place": place.astype(np.int32), "side": (rest // BINS).astype(np.uint8), "bin": (rest % BINS).astype(np.int16),
        "n": total,
    }  # fmt: skip


def effective(sessions: Sessions, calls: tuple[float, float], first: int, last: int) -> tuple[float, float]:
    """Return the effective number of sessions of each side in a range of places, both ends included.

    ``calls`` are all calls of each side there.
    """
    low, high = np.searchsorted(sessions["place"], np.array([first, last + 1], dtype=sessions["place"].dtype))
    side, bins, n = (sessions[name][low:high] for name in ("side", "bin", "n"))
    found = []
    for number, every in enumerate(calls):
        of_side = side == number
        counts = np.bincount(bins[of_side], weights=n[of_side], minlength=BINS).astype(np.float64)
        found.append(effective_sessions(counts, max(every - float(counts.sum()), 0.0)))
    return found[0], found[1]
