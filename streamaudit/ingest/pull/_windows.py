"""Arithmetic of the intervals that have been fetched, and of those that have to be."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from streamaudit.store.pulls import Interval

OVERLAP = timedelta(seconds=1)
"""Windows reach back into the one before by this much: some servers keep starts in whole milliseconds."""
SHORTEST = timedelta(seconds=1)
"""A window of this length is not split any further."""


def merge(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    """Return the union of intervals: disjoint, in order."""
    merged: list[Interval] = []
    for since, until in sorted(one for one in intervals if one[0] < one[1]):
        if merged and since <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], until))
        else:
            merged.append((since, until))
    return tuple(merged)


def find_missing(window: Interval, settled: Iterable[Interval]) -> list[Interval]:
    """Return the parts of a window that are not settled, in order."""
    missing, start = [], window[0]
    for since, until in merge(settled):
        if since > start:
            missing.append((start, min(since, window[1])))
        start = max(start, until)
    missing.append((start, window[1]))
    return [one for one in missing if one[0] < one[1]]


def cut(window: Interval, step: timedelta) -> Iterator[Interval]:
    """Cut a window at whole multiples of a step since midnight UTC, in order."""
    start, end = window
    while start < end:
        midnight = datetime(start.year, start.month, start.day, tzinfo=UTC)
        following = midnight + ((start - midnight) // step + 1) * step
        yield start, min(following, end)
        start = following


def halve(window: Interval) -> tuple[Interval, Interval] | None:
    """Return the two halves of a window, in order; None when it is too short."""
    since, until = window
    if until - since <= SHORTEST:
        return None
    middle = since + (until - since) / 2
    middle = max(since + SHORTEST / 2, middle.replace(microsecond=middle.microsecond // 1000 * 1000))
    return (since, middle), (middle, until)


def instant_text(instant: datetime) -> str:
    """Return an instant as APIs take it: ISO 8601 with milliseconds and a Z, cut off below."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_instant(value: object) -> datetime | None:
    """Return an instant of ISO 8601 in UTC; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
