"""Find the two windows of a summary: the last complete day, ISO week or month in a zone, and the one before."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from streamaudit.audits.scope.window import find_window_before, midnight, parse_window
from streamaudit.errors import UsageError

KINDS = ("day", "week", "month")


@dataclass(frozen=True, slots=True)
class Period:
    """Both windows in UTC, half-open: the one before ends where this one begins.

    ``kind`` is one of ``KINDS``, or ``window`` for one given by its ends; the names are empty then.
    """

    kind: str
    name: str
    before_name: str
    before: datetime
    since: datetime
    until: datetime


def choose_period(
    kind: str, *, since: str | None = None, until: str | None = None, last: str | None = None, week: str | None = None,
    tz: str = "UTC", now: datetime | None = None,
) -> Period:  # fmt: skip
    """Return the requested period, else the last complete one of its kind. Raises UsageError for invalid ones."""
    if kind not in KINDS:
        raise UsageError(f"--period {kind}: day, week or month")
    now = now or datetime.now(UTC)
    if since or until or last:
        start, end = parse_window(since, until, last, week, tz, now)
        end = end or (now if last else None)
        if start is None or end is None:
            raise UsageError("a summary needs a window with both ends", "--week, --last 7d, or --since and --until")
        return Period("window", "", "", find_window_before(start, end, tz)[0], start, end)
    if week is not None and kind != "week":
        raise UsageError(f"--week and --period {kind} ask for two things")
    start, _ = parse_window(None, None, None, week or "last", tz, now)
    assert start is not None
    zone = ZoneInfo(tz)
    today = now.astimezone(zone).date()
    if kind == "week":
        first = start.astimezone(zone).date()
        days = (first - timedelta(days=7), first, first + timedelta(days=7))
    elif kind == "day":
        days = (today - timedelta(days=2), today - timedelta(days=1), today)
    else:
        end_day = today.replace(day=1)
        first = _month_before(end_day)
        days = (_month_before(first), first, end_day)
    before, begin, end = (midnight(day, zone) for day in days)
    return Period(kind, _name(kind, days[1]), _name(kind, days[0]), before, begin, end)


def _month_before(first: date) -> date:
    return (first - timedelta(days=1)).replace(day=1)


def _name(kind: str, first: date) -> str:
    if kind == "week":
        year, week, _ = first.isocalendar()
        return f"{year}-W{week:02}"
    return f"{first:%Y-%m-%d}" if kind == "day" else f"{first:%Y-%m}"


def find_earlier_start(period: Period, periods: int, tz: str) -> datetime:
    """Return the beginning of the period ``periods`` before this one; a window counts in its own length."""
    zone = ZoneInfo(tz)
    first = period.since.astimezone(zone).date()
    if period.kind == "month":
        for _ in range(periods):
            first = _month_before(first)
        return midnight(first, zone)
    if period.kind == "window":
        return period.since - periods * (period.until - period.since)
    return midnight(first - timedelta(days=periods * (7 if period.kind == "week" else 1)), zone)
