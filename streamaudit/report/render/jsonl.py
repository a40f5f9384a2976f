"""JSON lines: the first table, one record a line, with the same raw values as in JSON."""

from streamaudit.report import escape
from streamaudit.report.model import Report
from streamaudit.report.render._records import RecordEncoder
from streamaudit.report.render.formats import Screen

SUFFIXES = (".jsonl", ".ndjson")
ALL_GROUPS = True

_records = RecordEncoder()


def render(report: Report, screen: Screen) -> str:
    """Return one line per row of the first table; empty when there is none."""
    lines = [f"{_records.encode(record)}\n" for table in report.tables[:1] for record in table.records()]
    return escape.json("".join(lines))
