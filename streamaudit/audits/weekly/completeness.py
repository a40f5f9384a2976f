"""Check whether the data of a finished period covers it to its end."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from streamaudit.audits.scope.scope import Scope
from streamaudit.report.model import Note
from streamaudit.store.store import Store

LATE_H = 2.0
"""A period whose last call is this many hours before its end looks incomplete."""

_HOURS = """
SELECT source, list(DISTINCT epoch(start_time)::BIGINT // 3600 ORDER BY epoch(start_time)::BIGINT // 3600),
    max(start_time)
FROM scope GROUP BY source ORDER BY source
"""


def reach_notes(store: Store, scope: Scope) -> Iterator[Note]:
    """Yield a note when the data ends hours before the period does, with its longest gap before that.

    Also a note for a source whose last gap is its longest while others go on.
    """
    found = store.query(scope.sql(_HOURS), scope.params())
    if scope.until is None or not found:
        return
    end = scope.until
    last = max(row[2] for row in found)
    late = _hours(last, end)
    if late >= LATE_H:
        quiet = _longest({hour for row in found for hour in row[1]})
        where = _describe_end(last, late, scope.tz) + _describe_gap(quiet, late)
        yield Note("incomplete", f"the data looks incomplete: the last call is {where}")
        return
    for source, hours, at in found:
        late = _hours(at, end)
        if late >= LATE_H and late > _longest(set(hours)):
            where = _describe_end(at, late, scope.tz)
            yield Note(f"incomplete_{source}", f"the data of {source} looks incomplete: its last call is {where}")


def _hours(last: datetime, end: datetime) -> float:
    return (end - last.replace(tzinfo=UTC)) / timedelta(hours=1)


def _longest(hours: set[int]) -> int:
    """Return the longest gap between two calls, in whole hours."""
    order = sorted(hours)
    return max((b - a - 1 for a, b in pairwise(order)), default=0)


def _describe_end(last: datetime, late: float, tz: str) -> str:
    local = last.replace(tzinfo=UTC).astimezone(ZoneInfo(tz))
    return f"of {local:%Y-%m-%d %H:%M} {tz}, {late:,.0f} hours before the end"


def _describe_gap(quiet: int, late: float) -> str:
    return f" (it was as silent before: {quiet:,} hours)" if quiet >= late else ""
