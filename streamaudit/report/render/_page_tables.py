"""Tables of a page: the texts of their cells, the raw values to sort and download, and how each table is laid out."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from streamaudit.report import escape
from streamaudit.report.model import Column, Table, Value
from streamaudit.report.numbers import UNKNOWN, header, is_known, iso, number_writer
from streamaudit.report.render import _text
from streamaudit.report.render._grid import Grid, Heading, grid
from streamaudit.report.render._sparkline import find_ends

_TALL = 40
"""A table of more rows scrolls in a box of its own, under its headings."""
_FILTERED = 5
_SEPARATOR = re.compile(r"(?<=[/\-])(?=[^/\-])")
_WITHIN = re.compile(r"(?<=[:_])(?=[^:_])")
"""Where a part is broken that is longer than a narrow column."""
_LONG = 24
"""A longer part of a name may be broken after a dot as well."""
_SHORT = 20
"""A shorter name is never broken."""
_LINE = (96, 22)
"""Width and height of a line in a cell, in points."""
_SENTENCE = 5
"""A text with this many spaces is a sentence."""


@dataclass(frozen=True, slots=True)
class _Cell:
    """A cell: ``shown`` is displayed; ``raw`` is used to sort and download, empty where both are the same."""

    shown: Any
    raw: str | None
    kind: str
    """Its class: ``n`` for a figure, ``name`` or ``short`` for a text, ``prose`` for a sentence, ``line`` for a
    series."""
    flag: str = ""
    """Class of its column, if that is not always visible."""


@dataclass(frozen=True, slots=True)
class _Heading:
    text: str
    help: str
    kind: str
    raw: str


def table(one: Table, total: Table | None, place: int, *, is_shown: bool) -> dict[str, Any]:
    """Return a table for the template; ``is_shown``: tiles or a chart say the same already, so it is folded."""
    cells = grid(one, total, escape.terminal, wide=True)
    is_facts = one.shape == "facts" and bool(one.rows)
    when = [
        _when_shown(one, column, heading, is_facts=is_facts)
        for heading, column in zip(cells.headings, one.columns, strict=True)
    ]
    flags = [
        " ".join(filter(None, ("n" if heading.figure else "", flag)))
        for heading, flag in zip(cells.headings, when, strict=True)
    ]
    headings = [
        _Heading(heading.text, column.help, flag, column.name)
        for heading, column, flag in zip(cells.headings, one.columns, flags, strict=True)
    ]
    hidden = [f" {flag}" if flag else "" for flag in when]
    rows = list(_rows(one, cells, total, hidden))
    single = not one.by and len(rows) == 1 and len(headings) > 1
    title = _text.table_title(one, 1)
    return {
        "id": f"t{place}", "name": one.name, "title": escape.terminal(title[:1].upper() + title[1:]),
        "headings": headings, "bodies": _bodies(one, rows) if is_facts else [("", rows)],
        "wide": any(flag in (" w", " x") for flag in hidden) and not single, "single": single, "facts": is_facts,
        "folded": is_shown, "count": len(one.rows),
        "tall": len(rows) > _TALL and not is_facts, "filtered": len(one.rows) > _FILTERED and not single,
    }  # fmt: skip


def _when_shown(one: Table, column: Column, heading: Heading, *, is_facts: bool) -> str:
    """Return the class of a column that is not always visible: ``w`` never unless asked for, ``x`` only on a desk.

    Texts are always visible: they say what a row is.
    """
    if column.name in one.by:
        return "g" if is_facts else ""
    if column.wide:
        return "w"
    has_kept = any(other.kept for other in one.columns)
    return "x" if has_kept and not (column.kept or column.essential) and heading.figure and not is_facts else ""


def _bodies(one: Table, rows: list[tuple[str, list[_Cell]]]) -> list[tuple[str, list[tuple[str, list[_Cell]]]]]:
    """Return the rows of facts under the names of their groups."""
    depth = len(one.by)

    def name(row: tuple[str, list[_Cell]]) -> str:
        return ", ".join(re.sub("<wbr>", "", str(cell.shown)) for cell in row[1][:depth])

    return [(_trust(found), list(each)) for found, each in groupby(rows, key=name)]


def _rows(
    one: Table, cells: Grid, total: Table | None, hidden: list[str]
) -> Iterator[tuple[str, list[_Cell]]]:
    data = iter(one.rows)
    breaks = set(one.breaks)
    index = 0
    for place, shown in enumerate(cells.rows):
        if index in breaks:  # the chart and a table of its own show where a series changes
            breaks.remove(index)
            continue
        if place == cells.total and total is not None:
            values: tuple[Value, ...] = (*["total"] * bool(one.by), *[None] * (len(one.by) - 1), *total.rows[0])
            kind = "total"
        else:
            values, kind = next(data), "rest" if index == one.rest_row else ""
            index += 1
        yield kind, [
            _cell(cell.text, value, column, heading.figure, flag)
            for cell, value, column, heading, flag in zip(
                shown, values, one.columns, cells.headings, hidden, strict=True
            )
        ]


def _cell(shown: str, value: Value, column: Column, is_figure: bool, flag: str) -> _Cell:
    raw = _raw(value)
    if column.trend and isinstance(value, str):
        return _Cell(_draw_line(json.loads(value), column), _on_one_line(raw), "line", flag)
    kind = "n" if is_figure else "prose" if column.prose else "name"
    if kind == "name":
        words = shown.count(" ") >= _SENTENCE
        kind = "short" if len(shown) <= _SHORT else "prose" if words else kind
    if column.prose and value is None:
        shown = ""  # a missing sentence is no unknown figure
    text = break_names(shown) if kind == "name" else shown
    return _Cell(text, None if raw == shown else _on_one_line(raw), kind, flag)


def _draw_line(values: list[float | None], column: Column) -> Any:
    """Return a series as a line, with a gap where a period has no value and a dot at the last one."""
    from markupsafe import Markup

    known = [value for value in values if value is not None]
    if not known:
        return UNKNOWN
    low, high = find_ends(known)
    wide, tall = _LINE
    path, before = [], False
    at = (0.0, 0.0)
    for place, value in enumerate(values):
        if value is not None:
            share = place / max(len(values) - 1, 1), (value - low) / ((high - low) or 1)
            at = round(share[0] * (wide - 6) + 3, 1), round(tall - 3 - share[1] * (tall - 6), 1)
            path.append(f"{'L' if before else 'M'}{at[0]} {at[1]}{'' if before else 'h0'}")
        before = value is not None
    write = number_writer(column)
    says = f"{header(column)}: {write(known[0])} to {write(known[-1])}, lowest {write(min(known))}, " \
        f"highest {write(max(known))}"  # fmt: skip
    drawn = '<path d="{}"/><circle cx="{}" cy="{}" r="2.2"/>'
    return Markup(f'<svg class="line" role="img" aria-label="{{}}" viewBox="0 0 {wide} {tall}">{drawn}</svg>').format(
        says, " ".join(path), *at
    )


def break_names(text: str) -> Any:
    """Return a name as HTML that a browser breaks at separators, and never within a word that fits a line."""
    from markupsafe import Markup, escape

    parts = [
        piece for part in _SEPARATOR.split(text)
        for word in ([part] if len(part) <= _SHORT else _WITHIN.split(part))
        for piece in ([word] if len(word) <= _LONG else re.split(r"(?<=\.)", word))
    ]  # fmt: skip
    return Markup("<wbr>").join(escape(part) for part in parts)


def break_words(text: str) -> Any:
    """Return a sentence as HTML in which the names that are longer than a narrow line break at their separators."""
    from markupsafe import Markup

    return Markup(" ").join(break_names(word) if len(word) > _LONG else word for word in text.split(" "))


def _trust(text: str) -> Any:
    from markupsafe import Markup

    return Markup(text)


def _on_one_line(text: str) -> Any:
    """Escape a value for an attribute, line breaks included: no name starts a line of the file."""
    from markupsafe import Markup, escape

    return escape(text).replace("\n", Markup("&#10;")).replace("\r", Markup("&#13;"))


def _raw(value: Value) -> str:
    """Return the value as a cell of CSV before quoting; empty when it is unknown."""
    if isinstance(value, str):
        return escape.csv(value).replace("\x00", "")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return iso(value)
    return str(value) if is_known(value) else ""
