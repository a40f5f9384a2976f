"""The answer of a diff in one or two sentences: how much became worse, since when, and where the largest change is."""

from collections.abc import Sequence

from streamaudit.audits.diff.compare import Compared
from streamaudit.audits.diff.question import Ask
from streamaudit.report.model import Value
from streamaudit.report.numbers import count, ms, ratio

_NAMES = {"ttft": "TTFT", "ttvt": "TTVT", "tpot": "TPOT"}
_MOST_PLACES = 1
"""Groups that a headline names."""


def describe(rows: Sequence[Compared], ask: Ask, by: Sequence[str]) -> tuple[str, tuple[tuple[str, Value], ...]]:
    """Return a headline with places for names, and the dimension and value of each place.

    Rows of groups count where there are any, else those of the total.
    """
    groups = [row for row in rows if row.group is not None] or list(rows)
    names: list[tuple[str, Value]] = []
    worse, better, unchanged = (
        [row for row in groups if row.found.verdict == verdict]
        for verdict in ("regression", "improvement", "no change")
    )
    if not groups:
        return "Nothing to compare: no call is on either side.", ()
    if not worse and not better and not unchanged:
        sides = _describe_sides(ask, names)
        return f"Inconclusive: none of {count(len(groups), 'comparison')}{sides} has enough data.", tuple(names)
    unclear = len(groups) - len(worse) - len(better) - len(unchanged)
    found = [count(len(worse), "regression") if worse else "No regressions",
             count(len(better), "improvement") if better else "no improvements"]  # fmt: skip
    text = f"{found[0]} and {found[1]}{_describe_sides(ask, names)}"
    moved = worse or better
    if moved:
        text += f"; the largest{_describe_place(moved, by, names)}: {describe_change(largest(moved))}"
    return f"{text}. {count(unclear, 'comparison')} of {len(groups):,} inconclusive." if unclear else f"{text}.", \
        tuple(names)  # fmt: skip


def _describe_sides(ask: Ask, names: list[tuple[str, Value]]) -> str:
    if ask.on is None or ask.head.value is None:
        return " in the later window"
    names.append((ask.on, ask.head.value))
    if ask.base.value is None:
        return " in {0}"
    names.append((ask.on, ask.base.value))
    return " in {0} vs {1}"


def _describe_place(moved: Sequence[Compared], by: Sequence[str], names: list[tuple[str, Value]]) -> str:
    """Return where the largest change is, or where all of them are; empty for the total."""
    groups = dict.fromkeys(row.group for row in moved)
    group = largest(moved).group
    if group is None:
        return ""
    places = []
    for name, value in zip(by, group, strict=False):
        places.append(f"{{{len(names)}}}")
        names.append((name, value))
    where = " and ".join(places)
    return f" (all on {where})" if len(groups) == _MOST_PLACES and len(moved) > 1 else f" on {where}"


def largest(rows: Sequence[Compared]) -> Compared:
    """Return the row with the largest relative change, up or down."""
    return max(rows, key=lambda row: abs(row.found.change_ratio or 0.0))


def name_metric(metric: str) -> str:
    """Return a metric as people write it: ``TTFT``, ``cancel rate``."""
    return _NAMES.get(metric, metric.replace("_", " "))


def describe_change(row: Compared) -> str:
    """Return a figure with its change and both values: ``TTFT p50 +54 % (412 ms → 634 ms)``."""
    one = row.found
    figure = f"{name_metric(row.metric)}{f' {one.stat}' if one.relative else ''}"
    change = "" if one.change_ratio is None else f" {'+' if one.change_ratio > 0 else ''}{ratio(one.change_ratio)}"
    if one.base_value is None or one.head_value is None:
        return figure + change
    show = ms if one.relative else ratio
    return f"{figure}{change} ({show(one.base_value)} → {show(one.head_value)})"
