"""Replace values by aliases, for a report that is shared outside the team.

The same value has the same alias in every report of a store, and without the store the value can neither be looked up
nor computed from a guess.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterator
from dataclasses import replace

from streamaudit.report.finding import Finding
from streamaudit.report.model import Report, Row, Table, Value


def redact_report(report: Report, dimensions: tuple[str, ...], key: str) -> Report:
    """Return the report with aliases for the values of these dimensions and without filters, which name values.

    Values are replaced in every table that has such a column. A table of facts (``figure``, ``value``) has them in
    rows; there, and in the other tables of that report, every text equal to such a value is replaced.
    """
    stated: dict[Value, Value] = {
        value: alias(name, value, key) for name, value in _fact_values(report) if name in dimensions
    }

    def hide(table: Table) -> Table:
        names = [column.name for column in table.columns]
        # A group may be named like one of its members, so it is hidden with any of them.
        places = {
            index: name.removeprefix("from_")
            for index, name in enumerate(names)
            if name.removeprefix("from_") in dimensions or name.startswith("group:")
        }
        named = {
            index: names.index(column.dimension_from) for index, column in enumerate(table.columns)
            if column.dimension_from
        }  # fmt: skip
        grouped = any(finding.group for finding in table.findings.values())
        if not places and not stated and not named and not grouped:
            return table

        def replace_value(index: int, row: Row) -> Value:
            dimension = places.get(index)
            if index in named and (row[named[index]] in dimensions):
                dimension = str(row[named[index]])
            return alias(dimension, row[index], key) if dimension else stated.get(row[index], row[index])

        rows = tuple(tuple(replace_value(index, row) for index in range(len(row))) for row in table.rows)
        findings = {index: _redact_group(one, dimensions, key) for index, one in table.findings.items()}
        return replace(table, rows=rows, findings=findings)

    filters = dict.fromkeys(report.filters, "(redacted)")
    names = tuple((name, alias(name, value, key) if name in dimensions or name.startswith("group:") else value)
                  for name, value in report.headline_names)  # fmt: skip
    tables = tuple(hide(table) for table in report.tables)
    notes = tuple(replace(note, message=note.redacted or note.message) for note in report.notes)
    return replace(report, tables=tables, filters=filters, headline_names=names, notes=notes)


def _redact_group(finding: Finding, dimensions: tuple[str, ...], key: str) -> Finding:
    group = {
        name: alias(name, value, key) if name in dimensions or name.startswith("group:") else value
        for name, value in finding.group.items()
    }
    return replace(finding, group=group)


def alias(dimension: str, value: Value, key: str) -> str | None:
    """Return the alias of a value of a dimension; None for NULL."""
    if value is None:
        return None
    digest = hmac.new(key.encode(), f"{dimension}\0{value}".encode(), hashlib.sha256).hexdigest()
    return f"{dimension}-{digest[:8]}"


def aliases(dimensions: tuple[str, ...], key: str) -> Callable[[str, str], str]:
    """Return a function that shows a value of a dimension: as an alias for these dimensions, else unchanged."""

    def replace_value(name: str, value: str) -> str:
        # A group may be named like one of its members, so it is hidden with any of them.
        return str(alias(name, value, key)) if name in dimensions or name.startswith("group:") else value

    return replace_value


def _fact_values(report: Report) -> Iterator[tuple[str, str]]:
    """Yield name and value of the figures that tables of facts give as texts."""
    for table in report.tables:
        names = [column.name for column in table.columns]
        if "figure" in names and "value" in names:
            for row in table.rows:
                value = row[names.index("value")]
                if isinstance(value, str):
                    yield str(row[names.index("figure")]), value
