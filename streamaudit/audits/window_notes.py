"""Notes of a report whose window is wider than the data."""

from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from streamaudit.audits.scope.portable import Texts, moment
from streamaudit.audits.scope.scope import Scope
from streamaudit.report.model import Note
from streamaudit.store.store import Store

SLACK = 0.05
"""Data that ends (or starts) within this share of the window from its edge covers it, since traffic has gaps."""
_ENDS = Texts(
    """
SELECT source, min(start_time), max(start_time) FROM store.calls WHERE start_time IS NOT NULL
GROUP BY source ORDER BY source
""",
    """
SELECT source, min(start_us) AS first_call, max(start_us) AS last_call FROM calls WHERE start_us IS NOT NULL
GROUP BY source ORDER BY source
""",
)
NAMED = 3
"""Sources that a note names; of others it gives the number."""


def window_notes(store: Store, scope: Scope, present: Collection[str]) -> tuple[Note, ...]:
    """Return where the data begins and ends, if the requested window is wider.

    ``present`` are the sources with calls in the scope.
    """
    if scope.since is None and scope.until is None:
        return ()
    ends = [
        (source, _utc(first), _utc(last))
        for source, first, last in Scope().rows(store, _ENDS)
        if source in present or not present
    ]
    if not ends:
        return ()
    if not present:
        first, last = min(end[1] for end in ends), max(end[2] for end in ends)
        return (
            Note(
                "data_range", f"the data goes from {_minute(first, scope.tz)} to {_minute(last, scope.tz)} {scope.tz}",
                data_only=True,
            ),
        )
    early = {source: first for source, first, last in ends if _falls_short(first, scope.since, scope.until or last)}
    late = {source: last for source, first, last in ends if _falls_short(last, scope.until, scope.since or first)}
    starts = _reach("starts", early, min, len(ends), scope.tz)
    stops = _reach("ends", late, max, len(ends), scope.tz)
    return (
        *((Note("data_starts", f"{starts}, later than the window"),) if early else ()),
        *((Note("data_ends", f"{stops}, before the end of the window"),) if late else ()),
    )


def _utc(value: datetime | int) -> datetime:
    found = moment(value)
    assert found is not None, "calls without a start were left out"
    return found.replace(tzinfo=UTC)


def _falls_short(reached: datetime, edge: datetime | None, other: datetime) -> bool:
    """Return whether data that reaches to a moment ends clearly before that edge of the window."""
    if edge is None:
        return False
    inward = 1 if edge > other else -1
    return (edge - reached) * inward > abs(edge - other) * SLACK


def _reach(
    verb: str, found: dict[str, datetime], outer: Callable[[Iterable[datetime]], datetime], sources: int, tz: str
) -> str:
    """Return until (or from) when there is data: for all sources, or for the ones named."""
    if len(found) in (0, sources):
        return f"the data {verb} {_minute(outer(found.values()), tz)} {tz}" if found else ""
    named = [f"{source} {_minute(moment, tz)}" for source, moment in list(found.items())[:NAMED]]
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return f"the data of some sources {verb} inside the window ({', '.join(named)} {tz}{more})"


def _minute(moment: datetime, tz: str) -> str:
    return f"{moment.astimezone(ZoneInfo(tz)):%Y-%m-%d %H:%M}"
