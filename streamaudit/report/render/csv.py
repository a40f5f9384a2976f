"""CSV: the first table with raw numbers; NULL is an empty cell."""

import csv
from collections.abc import Sequence
from datetime import datetime

from streamaudit.report import escape
from streamaudit.report.model import Report, Table, Value
from streamaudit.report.numbers import is_known, iso
from streamaudit.report.render.formats import Screen

SUFFIXES = (".csv",)
ALL_GROUPS = True

_READY = {int, type(None)}
# The writer quotes only the line breaks that its line terminator contains: it gets CR LF, and the CR is removed.
_CRLF = "\r\n"


class _Lines(list[str]):
    """Receives the writer's output, one line at a time; ends each with a line feed alone."""

    def write(self, line: str) -> None:
        self.append(line.removesuffix(_CRLF) + "\n")


def render(report: Report, screen: Screen) -> str:
    """Return a header line and one line per row; a last column ``rest`` only when some row combines other groups."""
    if not report.tables:
        return ""
    table = report.tables[0]
    columns = [_column([row[index] for row in table.rows]) for index in range(len(table.columns))]
    names = [column.name for column in table.columns]
    if table.rest_row is not None:
        names.append("rest")
        columns.append(_rest(table))
    lines = _Lines()
    writer = csv.writer(lines, lineterminator=_CRLF)
    writer.writerow(names)
    writer.writerows(zip(*columns, strict=True))
    return "".join(lines)


def _column(values: Sequence[Value]) -> Sequence[Value]:
    # Most columns hold nothing but integers: one look at the types spares a call per cell.
    return values if set(map(type, values)) <= _READY else [_cell(value) for value in values]


def _cell(value: Value) -> Value:
    if isinstance(value, str):
        return escape.csv(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return iso(value)
    return value if is_known(value) else None


def _rest(table: Table) -> Sequence[Value]:
    return ["true" if index == table.rest_row else "false" for index in range(len(table.rows))]
