"""JSON lines: the first table, one record a line, with the same raw values as in JSON."""

from streamaudit.render import Screen, _escape
from streamaudit.render._raw import encode, records
from streamaudit.report import Report

SUFFIXES = (".jsonl", ".ndjson")
ALL_GROUPS = True


def render(report: Report, screen: Screen) -> str:
    """One line per row of the first table; empty when there is none."""
    return _escape.json("".join(f"{encode(record)}\n" for table in report.tables[:1] for record in records(table)))
