"""Facts under headings: a label, its figures, and sentences wrapped into the remaining width."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len

from streamaudit.report import escape
from streamaudit.report.escape import shorten
from streamaudit.report.model import Column, Row, Table, Unit, Value
from streamaudit.report.numbers import NUMBERS, UNKNOWN, header, is_known
from streamaudit.report.render import _text
from streamaudit.report.render._grid import Cell, Escape, Grid, Heading, apply_mark, writer
from streamaudit.report.render._layout import Line, fold, pad, stack
from streamaudit.report.render.formats import Screen

_VALUE_CAP, _VALUE_MIN = 26, 14
_PROSE_MIN, _PROSE_GOOD = 24, 28
_MOST_PROSE = 2000
_INDENT = 2
_BAR, _SHARE = 10, 7
_MOST_START = 60
"""Off a terminal, sentences stand next to figures that end before this cell, otherwise below them."""


@dataclass(frozen=True, slots=True)
class _Fact:
    """A row as texts: its heading, its label, its figures, its sentences."""

    group: str
    label: str
    figures: list[str]
    prose: list[str]
    named: list[str]
    """The figures again, each with its name, where there is no room for columns."""


def draw(table: Table, screen: Screen) -> list[Line]:
    """Return the lines of a table of facts."""

    def safe(text: str) -> str:
        return escape.terminal(text, unicode=screen.unicode)

    columns = _columns(table, screen.wide)
    facts = [_fact(table, index, row, columns, safe, screen) for index, row in enumerate(table.rows)]
    if not facts:
        return [Line(_text.NO_ROWS, "dim")]
    label = max(cell_len(fact.label) for fact in facts)
    cap = _VALUE_CAP if screen.width is None else max(screen.width - label - _INDENT - 4 - _PROSE_GOOD, _VALUE_MIN)
    cap = min(cap, _VALUE_CAP)
    widths = [min(max(cell_len(fact.figures[i]) for fact in facts), cap) for i in range(len(columns.figures))]
    right = [_is_numeric(table, column) for column in columns.figures]
    lines: list[Line] = []
    is_named = False
    if not table.by and len(columns.figures) > 1:
        names = [stack(safe(header(column))) for column in columns.figures]
        wider = [max(width, *map(cell_len, name)) for width, name in zip(widths, names, strict=True)]
        if screen.width is None or _INDENT + label + sum(width + 2 for width in wider) <= screen.width:
            widths = wider
            lines += _headings([safe(header(columns.label))], names, label, widths, right)
        else:
            is_named = any(column.unit for column in columns.figures)  # a figure says nothing without its name
    group = None if table.by else ""
    for fact in facts:
        if fact.group != group:
            lines += [Line("")] if lines else []
            lines += [Line(fact.group, "bold")] if table.by else []
            group = fact.group
        lines += map(Line, _lines(fact, label, widths, right, screen.width, is_named))
    return lines


def shows_unknown(table: Table) -> bool:
    """Return whether any figure is shown as a dash."""
    figures = [table.position(column.name) for column in _columns(table, wide=True).figures]
    return any(not is_known(row[index]) for row in table.rows for index in figures)


def grid(table: Table, escape: Escape) -> Grid:
    """Return the same facts as a grid, for formats that have tables of their own."""
    columns = _columns(table, wide=False)
    dimensions = [column for column in table.columns if column.name in table.by]
    shown = [*dimensions, columns.label, *columns.figures, *columns.prose]
    headings = tuple(
        Heading(escape(header(column)), column in dimensions, column in columns.figures and _is_numeric(table, column))
        for column in shown
    )
    rows: list[Sequence[Cell]] = [
        [
            Cell("") if column in columns.prose and row[table.position(column.name)] is None
            else _cell(table, index, row, column, escape)
            for column in shown
        ]
        for index, row in enumerate(table.rows)
    ]  # fmt: skip
    return Grid(escape(table.title), headings, rows, shows_unknown=shows_unknown(table))


@dataclass(frozen=True, slots=True)
class _Columns:
    label: Column
    figures: list[Column]
    prose: list[Column]


def _columns(table: Table, wide: bool) -> _Columns:
    own = [column for column in table.columns if column.name not in (*table.by, "unit") and (wide or not column.wide)]
    return _Columns(own[0], [one for one in own[1:] if not one.prose], [one for one in own[1:] if one.prose])


def _fact(table: Table, index: int, row: Row, columns: _Columns, escape: Escape, screen: Screen) -> _Fact:
    def text(column: Column) -> str:
        return _cell(table, index, row, column, escape).text

    group = ", ".join(text(column) for column in table.columns if column.name in table.by)
    figures = [_figure(row[table.position(column.name)], text(column), column, screen) for column in columns.figures]
    prose = [
        (f"{header(column)}: " if place else "") + text(column)
        for place, column in enumerate(columns.prose)
        if row[table.position(column.name)] is not None
    ]
    named = [
        f"{escape(header(column))} {text(column)}" if column.unit else text(column) for column in columns.figures
        if text(column).strip() not in ("", UNKNOWN)
    ]  # fmt: skip
    return _Fact(group, text(columns.label), figures, prose, named)


def _cell(table: Table, index: int, row: Row, column: Column, escape: Escape) -> Cell:
    value = row[table.position(column.name)]
    if column.prose and isinstance(value, str):
        cell = Cell(escape(shorten(value, _MOST_PROSE)))
    else:
        cell = _write(table, row, column, value, escape)
    mark = table.marks.get((index, column.name))
    return apply_mark(cell, mark, value, escape) if mark else cell


def _write(table: Table, row: Row, column: Column, value: Value, escape: Escape) -> Cell:
    unit = _unit(table, row) if column.name == "value" else column.unit
    return writer(replace(column, unit=unit), [value], lambda text: escape(shorten(text)))(value)


def _unit(table: Table, row: Row) -> Unit | None:
    name = next((row[index] for index, column in enumerate(table.columns) if column.name == "unit"), None)
    return next((unit for unit in NUMBERS if unit == name), None)


def _is_numeric(table: Table, column: Column) -> bool:
    values = [row[table.position(column.name)] for row in table.rows]
    return column.name != "value" and column.unit != "ratio" and not any(isinstance(one, str | bool) for one in values)


def _figure(value: Value, text: str, column: Column, screen: Screen) -> str:
    """Return a figure; a share has a small bar before it: an empty track for 0, and no track if unknown."""
    if column.unit != "ratio" or not isinstance(value, int | float) or not is_known(value):
        return text
    full, empty = ("█", "░") if screen.drawing else ("#", ".")
    filled = max(round(min(value, 1.0) * _BAR), 1) if value > 0 else 0
    filled = min(filled, _BAR - 1) if value < 1 else filled
    return f"{full * filled}{empty * (_BAR - filled)} {text:>{_SHARE}}"


def _headings(
    label: list[str], names: Sequence[list[str]], room: int, widths: Sequence[int], right: Sequence[bool]
) -> Iterator[Line]:
    """Yield the names of the columns, on as many lines as the longest needs."""
    height = max(map(len, names))
    for level in range(height):
        line = " " * _INDENT + pad(([""] * (height - 1) + label)[level], room)
        for name, width, numeric in zip(names, widths, right, strict=True):
            part = ([""] * (height - len(name)) + name)[level]
            space = " " * (width - cell_len(part))
            line += "  " + (space + part if numeric else part + space)
        yield Line(line.rstrip(), "dim")


def _lines(
    fact: _Fact, label: int, widths: Sequence[int], right: Sequence[bool], width: int | None, is_named: bool
) -> Iterator[str]:  # fmt: skip
    """Yield the lines of a fact: sentences next to the figures, or below them where too little width is left.

    With ``is_named`` figures follow each other with their names, also where they would fit into columns.
    """
    line = " " * _INDENT + pad(fact.label, label)
    for text, room, numeric in zip(fact.figures, widths, right, strict=True):
        space = " " * max(room - cell_len(text), 0)
        line += "  " + (space + text if numeric and text != UNKNOWN else text + space)
    line = line.rstrip()
    start = _INDENT + label + sum(room + 2 for room in widths) + 2
    fits = start <= _MOST_START if width is None else width - start >= _PROSE_MIN
    below = " " * 2 * _INDENT
    if width is not None and (is_named or cell_len(line) > width):
        # Too long for columns: one after the other with their names, as many on a line as fit.
        first, *more = _join([fact.label, *fact.named], width - len(below))
        yield " " * _INDENT + first
        yield from (below + part for part in more)
        line = ""
    indent = " " * start if fits else below
    parts = [part for text in fact.prose for part in _break_lines(text, width, len(indent))]
    if line and parts and fits and cell_len(line) + 2 <= start:
        line = pad(line, start) + parts.pop(0)
    if line:
        yield line
    yield from (indent + part for part in parts)


def _join(texts: Sequence[str], width: int) -> Iterator[str]:
    """Yield the texts on lines of at most this width; one that is longer has lines of its own."""
    line = ""
    for text in texts:
        if line and cell_len(line) + 2 + cell_len(text) <= width:
            line = f"{line}  {text}"
            continue
        if line:
            yield line
        *full, line = fold(text, width)
        yield from full
    yield line


def _break_lines(text: str, width: int | None, indent: int) -> Iterator[str]:
    return iter([text]) if width is None else fold(text, width - indent)
