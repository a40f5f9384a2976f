"""Turn a report into a short message: the answer, a title, a few sections of plain lines, a footer.

The first line of a section may be its title, which then ends in a colon.

Delivery escapes the texts again for its service; here they become one line each, with every character visible and no
control characters.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from streamaudit.report.escape import terminal
from streamaudit.report.finding import Finding
from streamaudit.report.model import NO_WINDOW, Column, Report, Table, Value
from streamaudit.report.numbers import UNKNOWN, header, utc
from streamaudit.report.render import _text
from streamaudit.report.render._cards import cards, summary
from streamaudit.report.render._grid import Cell, grid

MOST_SECTIONS = 8
MOST_LINES = 12
"""Lines per section; further ones are only counted, to keep a message short."""
MOST_NOTES = 4
_BEYOND = re.compile(r"(?<!\S)([<>]) ?(?=-?\$\d|0\.\d|[\d.]+ %)")
"""A sign before a figure."""

@dataclass(frozen=True, slots=True)
class Post:
    """A message, not yet escaped for its target; ``failed``: a threshold failed or a regression was found.

    ``headline`` has the sentences of the answer, which come before everything else.
    """

    title: str
    sections: tuple[str, ...]
    footer: str
    failed: bool
    headline: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The whole message as plain text."""
        parts = ("\n".join(self.headline), self.title, *self.sections, self.footer)
        return "\n\n".join(filter(None, parts)) + "\n"


def post(report: Report, report_url: str = "") -> Post:
    """Return the report as a message; ``report_url`` is the address of the whole report."""
    title = report.title if report.interval is NO_WINDOW else f"{report.title} · {_text.interval(report.interval)}"
    sections = [*_opening(report), *_tables(report), *_notes(_text.notes(report))]
    footer = f"all of it: {report_url}" if report_url else "streamaudit"
    headline = tuple(_without_signs(terminal(one)) for one in report.sentences)
    sections = list(map(_without_signs, sections[:MOST_SECTIONS]))
    return Post(terminal(title), tuple(sections), terminal(footer), _has_failed(report), headline)


def _without_signs(text: str) -> str:
    """Return a text that says ``under`` and ``over``: a service that escapes shows a sign as ``&lt;``."""
    return _BEYOND.sub(lambda found: "under " if found[1] == "<" else "over ", text)


def _has_failed(report: Report) -> bool:
    return report.verdict == "fail" or any(
        finding.is_failure for table in report.tables for finding in table.findings.values()
    )


def _opening(report: Report) -> Iterator[str]:
    lines = [f"verdict: {_text.verdict(report)}"] if report.verdict else []
    lines += [f"only {_text.filters(report)}"] if report.filters else []
    if lines:
        yield "\n".join(map(terminal, lines))


def _tables(report: Report) -> Iterator[str]:
    periods = summary(report)
    for position, table in enumerate(one for one in report.tables if not one.aside):
        if table.rows:
            lines = list(_figures(report)) if table is periods else [line for line in _lines(table) if line]
            more = len(lines) - MOST_LINES
            lines = lines[:MOST_LINES] + ([f"and {more:,} more"] if more > 0 else [])
            title = _text.table_title(table, position)
            yield "\n".join([terminal(f"{title[:1].upper()}{title[1:]}:"), *lines] if title else lines)


def _figures(report: Report) -> Iterator[str]:
    """Yield the figures of both periods, as the tiles of a page say them."""
    for card in cards(report):
        details = f" ({card['beside'].replace(' · ', ', ')})" if card["beside"] else ""
        yield f"{card['name'][:1].upper()}{card['name'][1:]} {card['value']}{details}"


def _notes(notes: list[str]) -> Iterator[str]:
    if notes:
        more = len(notes) - MOST_NOTES
        lines = [terminal(f"· {note}") for note in notes[:MOST_NOTES]]
        yield "\n".join(lines + ([f"· and {more:,} more {'note' if more == 1 else 'notes'}"] if more > 0 else []))


def _lines(table: Table) -> Iterator[str]:
    columns = {column.name: column for column in table.columns}
    cells = grid(table, None, terminal, wide=True)
    for index, (record, row) in enumerate(zip(table.records(), cells.rows, strict=False)):
        shown = dict(zip(columns, row, strict=True))
        if {"figure", "value", "before", "change_ratio"} <= set(columns):
            yield _describe_change(record, shown, table.findings.get(index))
        elif {"metric", "expect", "value"} <= set(columns):
            yield _threshold(shown)
        elif {"change", "finding", "affected_calls"} <= set(columns):
            yield _failure(table, record, shown)
        else:
            yield _plain(table, columns, record, shown)


def _describe_change(record: dict[str, Value], shown: dict[str, Cell], finding: Finding | None) -> str:
    """Return a figure compared with its previous value, and the cause of the change."""
    change = record["change_ratio"]
    sign = "" if "name" not in record else "▲ " if (_number(record.get("change")) or 0) > 0 else "▼ "
    subject = f"{shown['dimension'].text} {shown['name'].text}: " if "name" in record else ""
    named = Column(str(record["figure"]).replace("tax_low", "tax"), "ms" if record.get("unit") == "ms" else None)
    figure = _text.figure_name(named)
    value = shown["value"].text
    details = [f"was {shown['before'].text}"] if record["before"] is not None else []
    details += [shown["change_ratio"].text] if change is not None or shown["change_ratio"].text == "new" else []
    if finding:
        details.append(finding.word)
    made_by = [
        f"{name.removeprefix('from_')} {shown[name].text}" for name, of in record.items()
        if name.startswith("from_") and of is not None
    ]  # fmt: skip
    line = f"{sign}{subject}{figure} {value}" + (f" ({', '.join(details)})" if details else "")
    return line + (f", mostly {', '.join(made_by)}" if made_by else "")


def _number(value: Value) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _threshold(shown: dict[str, Cell]) -> str:
    names = ("verdict", "metric", "expect", "where")
    subject = " ".join(shown[name].text.strip() for name in names if name in shown)
    reason = shown["reason"].text.strip() if "reason" in shown else ""
    return f"{subject}: {shown['value'].text}" + (f", {reason}" if reason not in ("", UNKNOWN) else "")


def _failure(table: Table, record: dict[str, Value], shown: dict[str, Cell]) -> str:
    """Return a streaming failure that is new, worse or gone: its group, its calls and its money."""
    known = ("change", "finding", "severity", "affected_calls", "affected_before", "usd_at_stake", "usd_before")
    group = [shown[one.name].text for one in table.columns
             if one.name not in known and not one.wide and record[one.name] is not None]  # fmt: skip
    figures = [f"{shown[name].text}{words}" for name, words in (
        ("affected_calls", " calls"), ("usd_at_stake", " at stake"), ("affected_before", " calls before"),
        ("usd_before", " before"),
    ) if record[name] is not None]  # fmt: skip
    return f"{shown['change'].text}: {' '.join([shown['finding'].text, *group])}, {', '.join(figures)}"


def _plain(table: Table, columns: dict[str, Column], record: dict[str, Value], shown: dict[str, Cell]) -> str:
    """Return any other row: its group, then the figures a screen shows."""
    group = ", ".join(shown[name].text for name in table.by)
    figures = [
        _name_figure(column, record[name], shown[name].text) for name, column in columns.items()
        if name not in table.by and not column.wide and shown[name].text.strip()
    ]  # fmt: skip
    return f"{group}: {', '.join(figures)}" if group else ", ".join(figures)


def _name_figure(column: Column, value: Value, shown: str) -> str:
    if isinstance(value, datetime):
        shown = f"{utc(value):%Y-%m-%d %H:%M} UTC"
    return f"{shown} calls" if column.name == "calls" else f"{header(column)} {shown}"
