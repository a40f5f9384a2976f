"""JSON: the whole report as one object of one shape, ``streamaudit.report/1``, with raw values."""

import json
from typing import Any

import streamaudit
from streamaudit.report import escape
from streamaudit.report.model import Column, Note, Report, Table
from streamaudit.report.render._records import RecordEncoder, moment
from streamaudit.report.render.formats import Screen

SUFFIXES = (".json",)
ALL_GROUPS = True
SCHEMA = "streamaudit.report/1"

# Python's indenting encoder is slow, so rows are encoded separately and inserted where the document has empty ones. The
# line feed makes that place unique: within a string it would be escaped.
_NO_ROWS = '\n   "rows": []'
_ROW, _FIELD = "\n    ", "\n     "
_START, _END = f'\n   "rows": [{_ROW}{{{_FIELD}', f"{_ROW}}}\n   ]"
_records = RecordEncoder(between=f",{_FIELD}")


def render(report: Report, screen: Screen) -> str:
    """Return the report as JSON indented by 1; ``headline`` and ``verdict`` are there only when it has them."""
    document = json.dumps(_document(report), indent=1, ensure_ascii=False, default=moment)
    parts = document.split(_NO_ROWS)
    for index, table in enumerate(report.tables, start=1):
        parts[index] = _rows(table) + parts[index]
    return escape.json("".join([*parts, "\n"]))


def _document(report: Report) -> dict[str, Any]:
    """Return the report without its rows."""
    interval = report.interval
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "title": report.title,
        "generated_at": report.generated_at,
        "version": streamaudit.__version__,
        "interval": {"since": interval.since, "until": interval.until, "tz": interval.tz},
        "filters": report.filters,
        "by": report.by,
        "tables": [{"name": t.name, "columns": [_column(c) for c in t.columns], "rows": []} for t in report.tables],
        "notes": [_note(note) for note in report.notes],
    }
    if report.headline:
        document["headline"] = report.answer
    if report.verdict is not None:
        document["verdict"] = report.verdict
    return document


def _rows(table: Table) -> str:
    if not table.rows:
        return _NO_ROWS
    fields = [_records.encode(record)[1:-1] for record in table.records()]
    return "".join((_START, f"{_ROW}}},{_ROW}{{{_FIELD}".join(fields), _END))


def _column(column: Column) -> dict[str, str]:
    stated = {"name": column.name, "unit": column.unit, "bound": column.bound}
    return {name: value for name, value in stated.items() if value}


def _note(note: Note) -> dict[str, Any]:
    return {"code": note.code, "count": note.count, "message": note.message}
