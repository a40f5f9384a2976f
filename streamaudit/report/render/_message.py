"""Turn a report into a short message: a title, a few sections of plain lines, a footer.

Delivery escapes the texts again for its service; here they become one line each, with every character visible and no
control characters.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from streamaudit.report.escape import terminal
from streamaudit.report.finding import Finding
from streamaudit.report.model import NO_WINDOW, Column, Report, Table, Value
from streamaudit.report.numbers import UNKNOWN
from streamaudit.report.render import _text
from streamaudit.report.render._grid import Cell, grid

MOST_SECTIONS = 8
MOST_LINES = 12
"""Lines per section; further ones are only counted, to keep a message short."""
MOST_NOTES = 4
FULL = 0.95
"""A figure based on a smaller share of the calls is labelled with the share."""


@dataclass(frozen=True, slots=True)
class Post:
    """A message, not yet escaped for its target; ``failed``: a threshold failed or a regression was found."""

    title: str
    sections: tuple[str, ...]
    footer: str
    failed: bool

    @property
    def text(self) -> str:
        """The whole message as plain text."""
        return "\n\n".join((self.title, *self.sections, self.footer)) + "\n"


def post(report: Report, report_url: str = "") -> Post:
    """Return the report as a message; ``report_url`` is the address of the whole report."""
    title = report.title if report.interval is NO_WINDOW else f"{report.title} · {_text.interval(report.interval)}"
    sections = [*_opening(report), *_tables(report), *_notes(_text.notes(report))]
    footer = f"all of it: {report_url}" if report_url else "streamaudit"
    return Post(terminal(title), tuple(sections[:MOST_SECTIONS]), terminal(footer), _has_failed(report))


def _has_failed(report: Report) -> bool:
    return report.verdict == "fail" or any(
        finding.is_failure for table in report.tables for finding in table.findings.values()
    )


def _opening(report: Report) -> Iterator[str]:
    lines = [report.answer, f"verdict: {_text.verdict(report)}" if report.verdict else ""]
    lines += [f"only {_text.filters(report)}"] if report.filters else []
    if any(lines):
        yield "\n".join(terminal(line) for line in lines if line)


def _tables(report: Report) -> Iterator[str]:
    for position, table in enumerate(one for one in report.tables if not one.aside):
        if table.rows:
            lines = [line for line in _lines(table) if line]
            more = len(lines) - MOST_LINES
            lines = lines[:MOST_LINES] + ([f"and {more:,} more"] if more > 0 else [])
            title = _text.table_title(table, position)
            yield "\n".join([terminal(f"{title[:1].upper()}{title[1:]}"), *lines] if title else lines)


def _notes(notes: list[str]) -> Iterator[str]:
    if notes:
        more = len(notes) - MOST_NOTES
        lines = [terminal(f"· {note}") for note in notes[:MOST_NOTES]]
        yield "\n".join(lines + ([f"· and {more:,} more notes"] if more > 0 else []))


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
            yield _plain(table, columns, shown)


def _describe_change(record: dict[str, Value], shown: dict[str, Cell], finding: Finding | None) -> str:
    """Return a figure compared with its previous value, and the cause of the change."""
    change = record["change_ratio"]
    sign = "" if "name" not in record else "▲ " if (_number(record.get("change")) or 0) > 0 else "▼ "
    subject = f"{shown['dimension'].text} {shown['name'].text}: " if "name" in record else ""
    figure = shown["figure"].text.removesuffix("_ms").replace("_usd", "").replace("_", " ")
    value = shown["value"].text
    if "high" in shown and shown["high"].text not in (" ", UNKNOWN):
        value += f", {shown['high'].text}"
    details = [f"was {shown['before'].text}"] if record["before"] is not None else []
    details += [shown["change_ratio"].text] if change is not None or shown["change_ratio"].text == "new" else []
    if finding:
        details.append(finding.word)
    coverage = record.get("coverage")
    if isinstance(coverage, float) and coverage < FULL:
        details.append(f"known of {shown['coverage'].text}")
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
        ("affected_calls", " calls"), ("usd_at_stake", " USD"), ("affected_before", " calls before"),
        ("usd_before", " USD before"),
    ) if record[name] is not None]  # fmt: skip
    return f"{shown['change'].text}: {' '.join([shown['finding'].text, *group])}, {', '.join(figures)}"


def _plain(table: Table, columns: dict[str, Column], shown: dict[str, Cell]) -> str:
    """Return any other row: its group, then the figures a screen shows."""
    from streamaudit.report.numbers import header

    group = ", ".join(shown[name].text for name in table.by)
    figures = [
        f"{header(column)} {shown[name].text}" for name, column in columns.items()
        if name not in table.by and not column.wide and shown[name].text.strip()
    ]  # fmt: skip
    return f"{group}: {', '.join(figures)}" if group else ", ".join(figures)
