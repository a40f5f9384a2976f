"""JSON: the whole report as one object of one shape, ``streamaudit.report/1``, with raw values."""

from typing import Any

import msgspec

from streamaudit import __version__
from streamaudit.render import Screen, _escape
from streamaudit.render._humanise import utc
from streamaudit.render._raw import encode, records
from streamaudit.report import Column, Note, Report, Table

SUFFIXES = (".json",)
ALL_GROUPS = True
SCHEMA = "streamaudit.report/1"


def render(report: Report, screen: Screen) -> str:
    """The report as pretty-printed JSON; ``verdict`` is there only when the report has one."""
    interval = report.interval
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "title": report.title,
        "generated_at": utc(report.generated_at),
        "version": __version__,
        "interval": {
            "since": utc(interval.since) if interval.since else None,
            "until": utc(interval.until) if interval.until else None,
            "tz": interval.tz,
        },
        "filters": report.filters,
        "by": report.by,
        "tables": [_table(table) for table in report.tables],
        "notes": [_note(note) for note in report.notes],
    }
    if report.verdict is not None:
        document["verdict"] = report.verdict
    return _escape.json(msgspec.json.format(encode(document), indent=1)) + "\n"


def _table(table: Table) -> dict[str, Any]:
    return {"name": table.name, "columns": [_column(c) for c in table.columns], "rows": list(records(table))}


def _column(column: Column) -> dict[str, str]:
    return {"name": column.name} if column.unit is None else {"name": column.name, "unit": column.unit}


def _note(note: Note) -> dict[str, Any]:
    return {"code": note.code, "count": note.count, "message": note.message}
