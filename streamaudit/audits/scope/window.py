"""Parse --since, --until, --last and --week into half-open UTC windows, and find the window before one."""

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from streamaudit.errors import UsageError

_LENGTH = re.compile(r"(\d{1,6})\s*([mhdw])")


def parse_window(
    since: str | None,
    until: str | None,
    last: str | None,
    week: str | None,
    tz: str,
    now: datetime | None = None,
    flag: str = "--since",
) -> tuple[datetime | None, datetime | None]:
    """Return the UTC window of ``--since``, ``--until``, ``--last`` or ``--week`` in zone ``tz``."""
    try:
        zone = ZoneInfo(tz)
    except (ZoneInfoNotFoundError, ValueError, IsADirectoryError):
        raise UsageError(f"--tz {tz}: unknown time zone", "such as UTC or Europe/Paris") from None
    if sum((last is not None, week is not None, since is not None or until is not None)) > 1:
        raise UsageError("give --since/--until, --last or --week, not several of them")
    if last is not None:
        try:
            return (now or datetime.now(UTC)) - _length(last), None
        except OverflowError:
            raise UsageError(f"--last {last}: that is before the calendar begins") from None
    if week is not None:
        monday = _monday(week, (now or datetime.now(UTC)).astimezone(zone).date())
        return midnight(monday, zone), midnight(monday + timedelta(days=7), zone)
    present = now or datetime.now(UTC)
    start, end = _instant(flag, since, zone, present), _instant("--until", until, zone, present)
    if start and end and start >= end:
        raise UsageError("--since must be before --until")
    return start, end


def parse_instant(flag: str, text: str, tz: str) -> datetime:
    """Return a date or time in zone ``tz`` as a naive UTC instant, as the store keeps them."""
    since, _ = parse_window(text, None, None, None, tz, flag=flag)
    assert since is not None
    return since.astimezone(UTC).replace(tzinfo=None)


def find_window_before(since: datetime, until: datetime, tz: str) -> tuple[datetime, datetime]:
    """Return the window of equal length that ends where this one begins.

    A window that begins and ends at midnights in zone ``tz`` is that many whole days, also across a clock change.
    """
    zone = ZoneInfo(tz)
    first, end = since.astimezone(zone), until.astimezone(zone)
    if first.time() == end.time() == time():
        return midnight(first.date() - (end.date() - first.date()), zone), since
    return since - (until - since), since


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """Return the beginning of a day in a zone, in UTC."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def naive_utc(value: datetime | None) -> datetime | None:
    """Return a time in UTC without its zone; one without a zone is UTC already."""
    return value.astimezone(UTC).replace(tzinfo=None) if value else None


def _monday(week: str, today: date) -> date:
    """Return the first day of an ISO week; ``last`` is the one before the week that ``today`` is in."""
    if week == "last":
        return today - timedelta(days=today.weekday() + 7)
    match = re.fullmatch(r"(\d{4})-W(\d{1,2})", week)
    try:
        monday = date.fromisocalendar(int(match[1]), int(match[2]), 1) if match else None
    except ValueError:
        monday = None
    if monday is None or monday.year > 9000:
        raise UsageError(f"--week {week}: expected an ISO week such as 2026-W47, or last")
    return monday


def _instant(flag: str, text: str | None, zone: ZoneInfo, now: datetime) -> datetime | None:
    if text is None:
        return None
    if text in ("today", "yesterday"):
        return midnight(now.astimezone(zone).date() - timedelta(days=text == "yesterday"), zone)
    if _LENGTH.fullmatch(text):
        try:
            return now - _length(text)
        except OverflowError:
            raise UsageError(f"{flag} {text}: that is before the calendar begins") from None
    try:
        value = datetime.fromisoformat(text)
        return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{flag} {text}: expected a date or time such as 2026-11-16, 2026-11-16T08:00, yesterday or 7d"
        ) from None


def _length(text: str) -> timedelta:
    match = _LENGTH.fullmatch(text)
    if not match:
        raise UsageError(f"--last {text}: expected a number and m, h, d or w, such as 7d")
    unit = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}[match[2]]
    return timedelta(**{unit: int(match[1])})
