"""What a continuous-integration system makes of a row: whether its verdict is a failure, a doubt or neither."""

from collections.abc import Iterator
from typing import NamedTuple

from streamaudit.report.escape import terminal
from streamaudit.report.model import Report, Table, Value
from streamaudit.report.render import _text
from streamaudit.report.render._grid import of_unit

FAILED = frozenset({"regression", "fail"})
WARNED = frozenset({"warn"})
UNJUDGED = frozenset({"too little data", "skip", "held"})


class Judged(NamedTuple):
    """A row: the table it is in, what it is about, its verdict (None where rows have none), why, and its figures as
    they are read."""

    table: Table
    subject: str
    verdict: str | None
    reason: str
    figures: list[tuple[str, str]]
    told: str
    """The figures that a screen shows, in one line."""


def judged(report: Report) -> Iterator[Judged]:
    """Every row of the report's tables; texts are one line without anything a terminal obeys."""
    for table in report.tables:
        for index, record in enumerate(table.records()):
            about = [*table.by, *(name for name in ("metric", "stat", "expect", "where") if name in record)]
            named = [
                _shown(table, name, record[name], record) for name in about
                if record[name] is not None or name in table.by
            ]  # fmt: skip
            if index == table.rest_row:
                named = [_text.rest(table)]
            verdict = record.get("verdict")
            reason = record.get("reason")
            figures = [
                (column.name, _shown(table, column.name, record[column.name], record)) for column in table.columns
                if column.name not in (*about, "verdict", "reason", "unit") and record[column.name] is not None
            ]  # fmt: skip
            wide = {column.name for column in table.columns if column.wide}
            told = ", ".join(f"{name} {value}" for name, value in figures if name not in wide)
            yield Judged(
                table, " ".join(named) or table.name, verdict if isinstance(verdict, str) else None,
                terminal(reason) if isinstance(reason, str) else "", figures, told,
            )  # fmt: skip


def _shown(table: Table, name: str, value: Value, record: dict[str, Value]) -> str:
    column = table.columns[table.position(name)]
    return of_unit(column, record.get(column.unit_from), value, terminal).text
