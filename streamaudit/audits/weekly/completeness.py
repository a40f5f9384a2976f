"""Check whether the data of a finished period covers it to its end, and until when it reaches where it does not."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise
from zoneinfo import ZoneInfo

from streamaudit.audits.scope.portable import Texts, moment
from streamaudit.audits.scope.scope import Scope
from streamaudit.report.model import Note
from streamaudit.store.pulls import Position, read_positions
from streamaudit.store.store import Store

LATE_H = 2.0
"""A period whose last call is this many hours before its end looks incomplete."""

_HOUR_US = 3_600_000_000
_HOURS = Texts(
    exact="""
SELECT source, epoch_us(start_time) // 3600000000 * 3600000000 AS hour_us, max(start_time)
FROM scope GROUP BY source, hour_us ORDER BY source
""",
    portable="""
SELECT source, start_us - start_us % 3600000000 AS hour_us, max(start_us) AS last_us
FROM scope GROUP BY source, start_us - start_us % 3600000000 ORDER BY source
""",
)


def reach_notes(store: Store, scope: Scope) -> Iterator[Note]:
    """Yield notes about data that ends before the period does, each with the instant up to which it reaches.

    That is known of a source that is pulled from a vendor: its last pull failed, or came before the end. Of the others
    a note says when the data ends hours early, with its longest gap before that, or when the last gap of a source is
    its longest while others go on.
    """
    if scope.until is None:
        return
    end, tz = scope.until, scope.tz
    found = list(_find_hours(store, scope))
    pulls = read_positions(store)
    several = len({*(source for source, *_ in found), *(one.source for one in pulls)}) > 1
    short = set()
    for pull in pulls:
        if pull.until is None or pull.until < end:
            short.add(pull.source)
            until = _describe_end(pull.until, end, tz, f" of {pull.source}" if several else "")
            why = f": {_describe_failure(pull)}" if pull.failed_at else f": {pull.source} was last pulled then"
            yield Note(f"incomplete_{pull.source}" if several else "incomplete", until + why)
        elif pull.failed_at:
            yield Note(f"pull_failed_{pull.source}", f"{_describe_failure(pull)}; {_describe_reach(pull.until, tz)}")
    yield from _early_ends([one for one in found if one[0] not in short], end, tz)


def _find_hours(store: Store, scope: Scope) -> Iterator[tuple[str, set[int], datetime]]:
    """Yield each source with the hours that have calls of it, and the start of its last call."""
    for source, rows in groupby(scope.rows(store, _HOURS), key=lambda row: str(row[0])):
        hours, starts = set(), []
        for _, hour_us, last in rows:
            start = moment(last)
            if start is not None:
                hours.add(hour_us // _HOUR_US)
                starts.append(start.replace(tzinfo=UTC))
        yield source, hours, max(starts)


def _early_ends(found: Sequence[tuple[str, set[int], datetime]], end: datetime, tz: str) -> Iterator[Note]:
    if not found:
        return
    last = max(row[2] for row in found)
    late = _hours(last, end)
    if late >= LATE_H:
        quiet = _longest({hour for row in found for hour in row[1]})
        where = _describe_end(last, end, tz) + ": it looks incomplete" + _describe_gap(quiet, late)
        yield Note("incomplete", where)
        return
    for source, hours, at in found:
        late = _hours(at, end)
        if late >= LATE_H and late > _longest(hours):
            where = _describe_end(at, end, tz, f" of {source}")
            yield Note(f"incomplete_{source}", f"{where}: it looks incomplete")


def _hours(last: datetime, end: datetime) -> float:
    return (end - last) / timedelta(hours=1)


def _longest(hours: set[int]) -> int:
    """Return the longest gap between two calls, in whole hours."""
    order = sorted(hours)
    return max((b - a - 1 for a, b in pairwise(order)), default=0)


def _describe_failure(pull: Position) -> str:
    return f"the last pull of {pull.source} failed ({pull.reason})"


def _describe_end(last: datetime | None, end: datetime, tz: str, whose: str = "") -> str:
    if last is None:
        return f"no data{whose} yet"
    late = _hours(last, end)
    early = f"{late:,.0f} hours" if late >= LATE_H else f"{60 * late:,.0f} minutes"
    return f"{_describe_reach(last, tz, whose, end)}, {early} before the end"


def _describe_reach(last: datetime, tz: str, whose: str = "", end: datetime | None = None) -> str:
    """Return until when data reaches; within a week of the end by the name of the day."""
    local = last.astimezone(ZoneInfo(tz))
    is_near = end is not None and end - last < timedelta(days=7)
    day = f"{local:%A}" if is_near else f"{local:%Y-%m-%d}"
    return f"data{whose} until {day} {local:%H:%M} {tz}"


def _describe_gap(quiet: int, late: float) -> str:
    return f" (it was as silent before: {quiet:,} hours)" if quiet >= late else ""
