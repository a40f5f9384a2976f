"""JSON lines: the first table, one record a line, with the same raw values as in JSON."""

from streamaudit.render import Screen, _escape
from streamaudit.render._raw import RecordEncoder
from streamaudit.report import Report

SUFFIXES = (".jsonl", ".ndjson")
ALL_GROUPS = True

_records = RecordEncoder()


def render(report: Report, screen: Screen) -> str:
    """One line per row of the first table; empty when there is none."""
    lines = [f"{_records.encode(record)}\n" for table in report.tables[:1] for record in table.records()]
    return _escape.json("".join(lines))
