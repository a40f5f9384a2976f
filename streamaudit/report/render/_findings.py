"""Every row of a report as a line for a continuous-integration system: its subject, figures and finding."""

from collections.abc import Iterator
from typing import NamedTuple

from streamaudit.report.escape import terminal
from streamaudit.report.finding import Finding
from streamaudit.report.model import Report, Table, Value
from streamaudit.report.render import _text
from streamaudit.report.render._grid import of_unit

_ABOUT = ("metric", "stat", "expect", "where")
_IN_FINDING = ("verdict", "reason", "finding", "evidence")


class Line(NamedTuple):
    """A row: its table, its subject, its finding (None without one), and its figures as text."""

    table: Table
    subject: str
    finding: Finding | None
    evidence: str
    """The finding's evidence, else the row's ``reason``: one line without control characters."""
    figures: list[tuple[str, str]]
    summary: str
    """The figures that a screen shows, in one line."""


def listed(report: Report) -> list[Table]:
    """Return the tables whose rows are lines: moments of examples are for a page to draw."""
    return [table for table in report.tables if not (table.aside and table.shape == "timeline")]


def lines(report: Report) -> Iterator[Line]:
    """Yield every row of the report's tables; texts are one line without control characters."""
    for table in listed(report):
        for index, record in enumerate(table.records()):
            about = [*table.by, *(name for name in _ABOUT if name in record)]
            named = [
                _format(table, name, record[name], record) for name in about
                if record[name] is not None or name in table.by
            ]  # fmt: skip
            if index == table.rest_row:
                named = [_text.rest_name(table)]
            figures = [
                (column.name, _format(table, column.name, record[column.name], record)) for column in table.columns
                if column.name not in (*about, *_IN_FINDING, "unit") and record[column.name] is not None
            ]  # fmt: skip
            wide = {column.name for column in table.columns if column.wide}
            summary = ", ".join(f"{name} {value}" for name, value in figures if name not in wide)
            finding = table.findings.get(index)
            reason = finding.evidence if finding else record.get("reason")
            evidence = terminal(reason) if isinstance(reason, str) else ""
            yield Line(table, " ".join(named) or table.name, finding, evidence, figures, summary)


def _format(table: Table, name: str, value: Value, record: dict[str, Value]) -> str:
    column = table.columns[table.position(name)]
    return of_unit(column, record.get(column.unit_from), value, terminal).text
