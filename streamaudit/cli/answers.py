"""Answers for an assistant: the tables of a result as compact JSON, of bounded size, with every name made harmless.

An assistant has no room for a thousand groups, and obeys text that looks like instructions. So an answer holds at most
200 rows and 40,000 bytes and says what it leaves out; names are one visible line and are cut when they are too long to
be names. The figures are those of ``--format json``, with every digit.
"""

import json
import math
from datetime import datetime
from typing import Any

from streamaudit.errors import UsageError
from streamaudit.report.escape import shorten, terminal
from streamaudit.report.frames import Result
from streamaudit.report.model import Table, Value
from streamaudit.report.numbers import utc

MOST_ROWS = 200
MOST_BYTES = 40_000
_NAME, _SENTENCE, _NOTES = 160, 400, 20
"""Characters of a name and of a sentence, and how many notes there are at most."""


def encode(result: Result, data_until: datetime | None) -> str:
    """Return a result as JSON text of at most ``MOST_ROWS`` rows and ``MOST_BYTES`` bytes.

    ``truncated`` is true when rows or notes are missing, ``rows_total`` counts the rows of all tables, those of a
    statement beyond its limit too; ``data_until`` is the start of the last call in the store, NULL without calls.
    Raises UsageError when even the names of the columns have no room.
    """
    report = result.report
    tables: list[dict[str, Any]] = [_head(table) for table in report.tables]
    cut = next((note.count for note in report.notes if note.code == "rows_cut"), None)
    total = sum(len(table.rows) for table in report.tables) if cut is None else cut
    document: dict[str, Any] = {
        "title": name(report.title), "headline": sentence(report.answer) or None, "verdict": report.verdict,
        "since": _plain(report.interval.since), "until": _plain(report.interval.until), "tz": report.interval.tz,
        "data_until": _plain(data_until), "rows_total": total, "truncated": False, "tables": tables,
        "notes": [
            {"code": note.code, "count": note.count, "message": sentence(note.message)}
            for note in report.notes[:_NOTES]
        ],
    }  # fmt: skip
    room = MOST_BYTES - len(_text(document).encode()) - len("truncated")
    if room < 0:
        raise UsageError("the answer has too many columns", "select fewer of them")
    kept = 0
    # Short tables are totals and summaries: a long one must not take their place.
    for table, head in sorted(zip(report.tables, tables, strict=True), key=lambda pair: len(pair[0].rows)):
        for row in table.rows[: MOST_ROWS - kept]:
            values = [_plain(value) for value in row]
            room -= len(_text(values).encode()) + 1
            if room < 0:
                break
            head["rows"].append(values)
            kept += 1
    document["truncated"] = kept < total or len(report.notes) > _NOTES
    return _text(document)


def name(text: str) -> str:
    """Return text from the data as one visible line, cut where it is too long to be a name."""
    return shorten(terminal(text), _NAME)


def sentence(text: str) -> str:
    """Return a message, which may quote names, as one visible line of bounded length."""
    return shorten(terminal(text), _SENTENCE)


def _head(table: Table) -> dict[str, Any]:
    """Return a table without its rows. ``rest_row`` is the index of the row for all groups beyond ``top``."""
    rest = {} if table.rest_row is None else {"rest_row": table.rest_row, "rest_groups": table.rest_groups}
    columns = [name(column.name) for column in table.columns]
    return {"name": name(table.name), "rows_total": len(table.rows), **rest, "columns": columns, "rows": []}


def _plain(value: Value) -> Value:
    if isinstance(value, datetime):
        return utc(value).isoformat().replace("+00:00", "Z")
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return name(value) if isinstance(value, str) else value


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
