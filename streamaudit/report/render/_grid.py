"""Convert a table of raw values to a grid of texts: the visible columns, and the text of each cell."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from streamaudit.report.finding import Finding
from streamaudit.report.model import ROWS, Column, Mark, Report, Row, Table, Value
from streamaudit.report.numbers import NUMBERS, UNKNOWN, header, is_known, moments, number_writer
from streamaudit.report.render import _sparkline, _text


class Cell(NamedTuple):
    """A cell in two parts, so that figures of one column are aligned: the number, then its unit and mark."""

    head: str
    tail: str = ""
    style: str = ""
    """The rich style that repeats what the words say, where there is colour."""

    @property
    def text(self) -> str:
        return self.head + self.tail


@dataclass(frozen=True, slots=True)
class Heading:
    """A visible column: its text, and flags that control alignment, shortening and leaving it out.

    It may be a dimension, hold figures (aligned right), hold names that must never be shortened, or be kept when there
    is too little room for all columns.
    """

    text: str
    dimension: bool
    figure: bool
    whole: bool = False
    kept: bool = False
    essential: bool = False
    together: str = ""


@dataclass(frozen=True, slots=True)
class Grid:
    """A table for display; all texts are escaped. ``rest`` and ``total`` are indexes of rows, or None."""

    title: str
    headings: tuple[Heading, ...]
    rows: list[Sequence[Cell]]
    rest: int | None = None
    total: int | None = None
    shows_unknown: bool = False


Escape = Callable[[str], str]

_JUDGED = ("verdict", "finding", "severity", "change_ratio")
"""Columns whose cells have the colour of the row's finding; the first two may hold its code."""


def sections(report: Report, *, details: bool = True) -> list[tuple[Table, Table | None]]:
    """Return the report's tables in order, without those marked ``aside`` and, unless wanted, without details.

    A table that leads comes first. A total with the columns of the table before it is shown as that table's last row.
    """
    tables = [one for one in report.tables if not one.aside]
    if not details:
        tables = [_without_details(one) for one in tables if not one.detail]
    found: list[tuple[Table, Table | None]] = []
    for table in sorted(tables, key=lambda one: not one.leads):
        if found and found[-1][1] is None and _is_total_of(table, found[-1][0]):
            found[-1] = (found[-1][0], table)
        else:
            found.append((table, None))
    return found


def _without_details(table: Table) -> Table:
    if not table.detail_rows:
        return table
    return table.select([place for place in range(len(table.rows)) if place not in table.detail_rows])


def name_details(report: Report) -> str:
    """Return the names of what only ``--wide`` shows, such as ``98 figures, steps``; empty for nothing."""
    names = [
        (f"{len(one.detail_rows):,} " if not one.detail else "") + (one.title or one.name)
        for one in report.tables if not one.aside and (one.detail or one.detail_rows)
    ]  # fmt: skip
    return ", ".join(names)


def markers(report: Report, table: Table) -> Table | None:
    """Return the table that holds a histogram's percentiles."""
    return next((other for other in report.tables if other.name == table.markers_from), None)


def grid(table: Table, total: Table | None, escape: Escape, wide: bool = False) -> Grid:
    """Return the visible cells of a table, with its total as the last row."""
    shown = [i for i, c in enumerate(table.columns) if wide or not c.wide or c.name in table.by]
    columns = [_cells(table, index, escape) for index in shown]
    headings = tuple(_heading(table, index, escape) for index in shown)
    rows: list[Sequence[Cell]] = list(zip(*columns, strict=True))
    for index in sorted(table.breaks, reverse=True):
        rows.insert(index, [_break(table, table.columns[place].name, index) for place in shown])
    result = Grid(escape(table.title), headings, rows, table.rest_row)
    if total is not None:
        figures = tuple(column for column in table.columns if column.name not in table.by)
        result = _add_total(result, grid(replace(total, columns=figures), None, escape, wide))
    # A missing name is not an unknown figure.
    places = [place for place, heading in enumerate(headings) if heading.figure]
    dash = any(row[place].head == UNKNOWN for row in result.rows for place in places)
    return replace(result, shows_unknown=dash)


def _is_total_of(table: Table, other: Table) -> bool:
    if table.name != "total" or len(table.rows) != 1 or not other.by or other.shape not in ROWS:
        return False
    return [c.name for c in table.columns] == [c.name for c in other.columns if c.name not in other.by]


def _add_total(groups: Grid, total: Grid) -> Grid:
    dimensions = sum(heading.dimension for heading in groups.headings)
    label = [Cell("total"), *[Cell("")] * (dimensions - 1)]
    return replace(groups, rows=[*groups.rows, [*label, *total.rows[0]]], total=len(groups.rows))


def _heading(table: Table, index: int, escape: Escape) -> Heading:
    column = table.columns[index]
    dimension = column.name in table.by
    text = any(isinstance(row[index], str | bool | datetime) for row in table.rows)
    figure = not dimension and not column.trend and (column.unit is not None or not text)
    name = escape(header(column))
    whole = column.whole or column.trend
    return Heading(name, dimension, figure, whole, column.kept, column.essential, column.together)


def _cells(table: Table, index: int, escape: Escape) -> list[Cell]:
    column = table.columns[index]
    if column.unit_from:
        units = [row[table.position(column.unit_from)] for row in table.rows]
        cells = [of_unit(column, unit, row[index], escape) for unit, row in zip(units, table.rows, strict=True)]
    else:
        write = writer(column, [row[index] for row in table.rows], escape)
        cells = [write(row[index]) for row in table.rows]
    if column.name in _JUDGED:
        for row, finding in table.findings.items():
            text = finding.word if table.rows[row][index] == finding.code else cells[row].head
            cells[row] = cells[row]._replace(head=text, style=_style(finding))
    for (row, name), mark in table.marks.items():
        if name == column.name:
            value = table.rows[row][index]
            if mark.between:
                low, high = (table.rows[row][table.position(end)] for end in mark.between)
                cells[row] = Cell(_range(column, low, None if mark.open else high, escape))
                continue
            if mark.shows is not None:
                value = table.rows[row][table.position(mark.shows)] if mark.shows else None
                unit = table.rows[row][table.position(column.unit_from)] if column.unit_from else None
                cells[row] = of_unit(column, unit, value, escape)
            cells[row] = apply_mark(cells[row], mark, value, escape)
    if table.rest_row is not None and column.name in table.by:
        cells[table.rest_row] = Cell(_text.rest_name(table) if column.name == table.by[0] else "")
    return cells


def _style(finding: Finding) -> str:
    if finding.is_failure:
        return "red"
    return "yellow" if finding.is_warning else "green" if finding.is_better else ""


def _range(column: Column, low: Value, high: Value, escape: Escape) -> str:
    """Return a low and a high end as one text; the sign of dollars is not repeated."""
    write = number_writer(column)
    ends = [write(end) if isinstance(end, int | float) else "?" for end in (low, high)]
    return _text.join_range(ends[0], ends[1], escape("–"))


def sums_of_parts(report: Report, table: Table, escape: Escape) -> list[str]:
    """Return the tax of each row of a table of its parts, with its mark, from the table that the parts come from.

    Texts are empty where the report has no such table.
    """
    for other in report.tables:
        names = [column.name for column in other.columns]
        if other is not table and other.by == table.by and "tax_tokens" in names and len(other.rows) == len(table.rows):
            return [row[names.index("tax_tokens")].text for row in grid(other, None, escape, wide=True).rows]
    return [""] * len(table.rows)


def _break(table: Table, name: str, index: int) -> Cell:
    """Return the cell for a value that changes between two rows."""
    if name in table.by:
        return Cell("." * 10)
    change = table.breaks[index].get(name)
    if change is None:
        return Cell("")
    number, space, unit = NUMBERS["ratio"](change).partition(" ")
    return Cell(("+" if change > 0 else "") + number, space + unit)


def of_unit(column: Column, unit: Value, value: Value, escape: Escape) -> Cell:
    """Return one cell of a column whose rows have units of their own."""
    named = next((one for one in NUMBERS if one == unit), None) if column.unit_from else column.unit
    return writer(replace(column, unit=named), [value], escape)(value)


def writer(column: Column, values: Sequence[Value], escape: Escape) -> Callable[[Value], Cell]:
    """Return a function that formats the cells of one column; ``values`` are all of its values."""
    number, moment = number_writer(column), moments(values)

    def write(value: Value) -> Cell:
        if column.trend and isinstance(value, str):
            return Cell(escape(_sparkline.draw(json.loads(value))) or UNKNOWN)
        if isinstance(value, str):
            return Cell(_name(value, escape))
        if isinstance(value, bool):
            return Cell("yes" if value else "no")
        if isinstance(value, datetime):
            return Cell(moment(value))
        if value is None or not is_known(value):
            return Cell(UNKNOWN)
        head, space, unit = number(value).partition(" ")
        return Cell(head, space + unit)

    return write


def group(table: Table, row: Row, escape: Escape) -> str:
    """Return the name of the group a row belongs to, all dimensions in one text."""
    positions = [table.position(name) for name in table.by]
    return ", ".join(writer(table.columns[p], [row[p]], escape)(row[p]).text for p in positions)


def _name(value: str, escape: Escape) -> str:
    # Quote names that would look empty, unknown or padded.
    text = f'"{value}"' if value in ("", UNKNOWN) or value != value.strip(" ") else value
    return escape(text)


def apply_mark(cell: Cell, mark: Mark, value: Value, escape: Escape) -> Cell:
    """Return a cell with the text that its mark adds, or that replaces an unknown value."""
    if not is_known(value):
        return Cell(escape(mark.instead) or cell.head, escape(mark.suffix), cell.style)
    if mark.prefix == "≥ " and cell.head.startswith("<"):  # of an amount that rounds to nothing
        return Cell(escape(">$0.00"), escape(mark.suffix), cell.style)
    return Cell(escape(mark.prefix) + cell.head, cell.tail + escape(mark.suffix), cell.style)
