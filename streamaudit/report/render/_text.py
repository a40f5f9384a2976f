"""Texts around the tables: the interval, the filters, the notes. Not yet escaped."""

import re
from collections.abc import Sequence
from datetime import datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from streamaudit.report.finding import INCONCLUSIVE
from streamaudit.report.model import NO_WINDOW, Column, Interval, Note, Report, Table
from streamaudit.report.numbers import header, utc

_WORDS = {"insufficient": INCONCLUSIVE}
"""Verdicts of a report that people read as another word."""

LEGEND = "-  unknown, not zero"
NO_ROWS = "no rows"
_ACRONYMS = {"ttft": "TTFT", "ttvt": "TTVT", "tpot": "TPOT", "itl": "ITL", "usd": "USD", "slo": "SLO"}
_SHORT, _MOMENT = timedelta(days=2), timedelta(minutes=1)


def join_range(low: str, high: str, dash: str = "–") -> str:
    """Return the two ends of a range as one text; ends that read alike are one, and the sign of dollars is given once.

    A range from nothing to less than a cent is the high end alone: ``<$0.01``.
    """
    if low == high or (low == "$0.00" and high.startswith("<$")):
        return high
    return f"{low}{dash}{high.removeprefix('$')}"


def interval(window: Interval) -> str:
    """Format a window as ``2026-11-16 .. 2026-11-22 UTC``, with both days included.

    Times are shown unless the window is whole days. ``until`` is exclusive: a midnight belongs to the day before it.
    """
    zone = ZoneInfo(window.tz)
    if window.since is None and window.until is None:
        return f"all time {window.tz}"
    since = _local(window.since, zone)
    until = _local(window.until, zone)
    if _midnight(since) and (_midnight(until) or (until and until.time() >= time(23, 59, 59))):
        first = since and f"{since:%Y-%m-%d}"
        last = until and f"{until - timedelta(microseconds=1):%Y-%m-%d}"
    else:
        first, last = _minute(since), _minute(until)
    if first and last:
        return f"{first} {window.tz}" if first == last else f"{first} .. {last} {window.tz}"
    return f"since {first} {window.tz}" if first else f"until {last} {window.tz}"


def period(window: Interval) -> str:
    """Return a window as a title says it: ``2–28 Nov 2026``; with times only if it is short and not of whole days.

    Empty for a window without either end.
    """
    zone = ZoneInfo(window.tz)
    since, until = _local(window.since, zone), _local(window.until, zone)
    if since and until:
        whole = _midnight(since) and (_midnight(until) or until.time() >= time(23, 59, 59))
        last = until - timedelta(microseconds=1)
        if since.date() == last.date():
            times = f"{since:%H:%M}" if until - since < _MOMENT else f"{since:%H:%M}–{until:%H:%M}"
            return _day(since) if whole else f"{_day(since)}, {times}"
        if not whole and until - since < _SHORT:
            return f"{_day(since)} {since:%H:%M} – {_day(until)} {until:%H:%M}"
        if since.year != last.year:
            return f"{_day(since)} – {_day(last)}"
        if since.month != last.month:
            return f"{since.day} {since:%b} – {_day(last)}"
        return f"{since.day}–{_day(last)}"
    return f"since {_day(since)}" if since else f"until {_day(until - timedelta(microseconds=1))}" if until else ""


def _day(moment: datetime) -> str:
    return f"{moment.day} {moment:%b %Y}"


def title(report: Report) -> str:
    """Return what a report is about, its groups and when: ``Cancellation tax by tenant, 2–28 Nov 2026``."""
    about = report.subject or report.title
    grouped = by_words(report.by) if report.tables and report.tables[0].by == report.by else ""
    grouped = "" if about.endswith(grouped) else grouped
    when = "" if report.interval is NO_WINDOW else period(report.interval)
    return f"{about[:1].upper()}{about[1:]}{grouped}{f', {when}' if when else ''}"


def by_words(by: Sequence[str]) -> str:
    """Return dimensions as words for a title, with a space before them: `` by tenant and model``."""
    named = [name.removeprefix("group:").replace("_", " ") for name in by]
    return f" by {', '.join(named[:-1])}{' and ' if named[1:] else ''}{named[-1]}" if named else ""


def figure_name(column: Column) -> str:
    """Return a column's name as people write it: ``TTFT p50``, ``cancellation tax``."""
    words = header(column).split(" ")
    if words == ["tax"]:
        return "cancellation tax"
    return " ".join(_ACRONYMS.get(word, word) for word in words)


def filters(report: Report) -> str:
    """Return the filters as ``tenant=acme, model=gpt*``; empty when there are none."""
    return ", ".join(f"{name}={value}" for name, value in report.filters.items())


def verdict(report: Report) -> str:
    """Return the verdict of a report as a person reads it; empty when it has none."""
    return _WORDS.get(report.verdict or "", report.verdict or "")


def notes(report: Report, *, wide: bool = False) -> list[str]:
    """Return the notes for people: those that qualify a figure which is shown."""
    names = [column.name for table in report.tables for column in table.columns if wide or not column.wide]
    return [
        note(one) for one in report.notes if not one.data_only and (not one.about or any(map(one.qualifies, names)))
    ]  # fmt: skip


def note(item: Note) -> str:
    """Return a note's message with its count, unless the message already states it."""
    if item.count is None or re.search(rf"(?<![\w.-]){item.count}(?![\w-]|\.\d)", item.message.replace(",", "")):
        return item.message
    return f"{item.message} ({item.count:,})"


def rest_name(table: Table) -> str:
    """Return the name of the row that combines all other groups."""
    if table.rest_is == "earlier":
        return f"({table.rest_groups:,} earlier)"
    return f"({table.rest_groups:,} other{'' if table.rest_groups == 1 else 's'})"


def table_title(table: Table, position: int) -> str:
    """Return a table's title, else its name made readable; empty for the first table, which has the report's."""
    return table.title or (table.name.replace("_", " ") if position else "")


def _local(moment: datetime | None, zone: tzinfo) -> datetime | None:
    return utc(moment).astimezone(zone) if moment else None


def _midnight(moment: datetime | None) -> bool:
    return moment is None or moment.time() == time()


def _minute(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment.second else f"{moment:%Y-%m-%d %H:%M}"
