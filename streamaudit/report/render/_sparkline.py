"""Draw a list of values as one line of blocks, one a period, oldest first; where only ASCII is taken, of its signs."""

from collections.abc import Sequence
from statistics import median

_BLOCKS = "▁▂▃▄▅▆█"
"""An odd number, so that values near the middle of the range have one block."""
_GAP = "\N{FIGURE SPACE}"
"""For a period without a value: as wide as a block, and not removed like a space."""
MOST = 40
"""Periods that a line shows: the newest ones."""
_LEAST_SPAN = 0.25
"""A line spans at least the median, this share of it down and up, so that noise does not look like a change."""


def find_ends(known: Sequence[float]) -> tuple[float, float]:
    """Return the values at the bottom and at the top of a line."""
    middle = median(known)
    return min(*known, middle * (1 - _LEAST_SPAN)), max(*known, middle * (1 + _LEAST_SPAN))


def draw(values: Sequence[float | None]) -> str:
    """Return the line: lowest to highest value, a gap for None; empty where no value is known."""
    shown = values[-MOST:]
    known = [value for value in shown if value is not None]
    if not known:
        return ""
    low, high = find_ends(known)
    step = (high - low) / (len(_BLOCKS) - 1) or 1.0
    return "".join(_GAP if value is None else _BLOCKS[round((value - low) / step)] for value in shown)
