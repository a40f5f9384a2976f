"""Finding records in the first part of a text."""

import json
from collections.abc import Iterator
from typing import Any

HEAD_RECORDS = 50


def lines(text: str) -> Iterator[dict[str, Any]]:
    """The objects that stand alone on a line."""
    for number, line in enumerate(text.split("\n")):
        if number >= 10 * HEAD_RECORDS:
            return
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            yield value


def elements(text: str, start: int) -> Iterator[dict[str, Any]]:
    """The first whole objects that follow one another from ``start`` on."""
    decoder = json.JSONDecoder()
    position = start
    for _ in range(HEAD_RECORDS):
        position = skip(text, position, " \t\r\n,")
        try:
            value, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            return
        if isinstance(value, dict):
            yield value


def skip(text: str, position: int, blanks: str) -> int:
    """The position of the first character that is none of these."""
    while position < len(text) and text[position] in blanks:
        position += 1
    return position


def opened(cells: dict[str, Any]) -> dict[str, Any]:
    """A row of a table as a record: a cell that holds JSON text is what it holds."""
    return {name: _opened(cell) for name, cell in cells.items()}


def _opened(cell: Any) -> Any:
    if isinstance(cell, str) and cell[:1] in ("{", "["):
        try:
            return json.loads(cell)
        except (ValueError, RecursionError):
            return cell
    return cell
