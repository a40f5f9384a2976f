"""Draw a bar per row, made of its parts: each part has its own letter, so that colour is not needed."""

from collections.abc import Sequence

from rich.cells import cell_len

from streamaudit.report.model import Table, Value
from streamaudit.report.numbers import NUMBERS, UNKNOWN, header
from streamaudit.report.render import _text
from streamaudit.report.render._grid import Escape
from streamaudit.report.render.formats import Screen

_SIGNS = "#=+.o*"
_BAR, _LEAST = 60, 12


def draw(table: Table, sums: Sequence[str], safe: Escape, screen: Screen) -> list[str]:
    """Return the bars, all on one scale, and the legend.

    ``sums`` is the text of each whole, with its mark; empty where only the parts tell.
    """
    depth = len(table.by)
    parts = table.columns[depth:]
    labels = [_label(table, index, row[:depth], safe) for index, row in enumerate(table.rows)]
    amounts = [[value if isinstance(value, int) else 0 for value in row[depth:]] for row in table.rows]
    largest = max((sum(each) for each in amounts), default=0)
    if not largest:
        return ["nothing to split"]
    width = max(map(cell_len, labels), default=0)
    room = _BAR if screen.width is None else max(min(_BAR, screen.width - width - 12), _LEAST)
    lines = []
    for label, row, each, whole in zip(labels, table.rows, amounts, sums, strict=True):
        bar = "".join(sign * length for sign, length in zip(_SIGNS, _lengths(each, largest, room), strict=False))
        amount = UNKNOWN if row[depth:] == (None,) * len(parts) else whole or NUMBERS["tokens"](sum(each))
        lines.append(f"{label}{' ' * (width - cell_len(label))}  {bar} {amount}".rstrip())
    legend = "   ".join(
        f"{sign} {header(column).removeprefix('tax ')}" for sign, column in zip(_SIGNS, parts, strict=False)
    )
    return [*lines, legend]


def _label(table: Table, index: int, keys: tuple[Value, ...], safe: Escape) -> str:
    if not table.by:
        return "total"
    if index == table.rest_row:
        return _text.rest_name(table)
    return " ".join("-" if key is None else safe(str(key)) for key in keys)


def _lengths(parts: list[int], largest: int, room: int) -> list[int]:
    """Return the characters for each part: rounded, and at least one for each part above 0."""
    return [max(round(part / largest * room), 1) if part else 0 for part in parts]
