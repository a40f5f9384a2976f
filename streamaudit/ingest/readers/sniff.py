"""Find records in the first part of a text."""

import json
from collections.abc import Iterator
from typing import Any

HEAD_RECORDS = 50
LONG_VALUE = 1 << 20

_DECODER = json.JSONDecoder()


class Values:
    """JSON values in a text, by the position where they begin; of long ones only what ``skim`` keeps. Each is decoded
    once, however often it is requested: a file may be one long object."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._known: dict[int, tuple[Any, int] | None] = {}

    def at(self, position: int) -> tuple[Any, int] | None:
        """Return the value that begins at a position and the position after it; None where none begins, or it is
        incomplete."""
        if position not in self._known:
            self._known[position] = self._read_long(position) or self._decode(position)
        return self._known[position]

    def _decode(self, position: int) -> tuple[Any, int] | None:
        try:
            return _DECODER.raw_decode(self._text, position)
        except (ValueError, RecursionError):
            return None

    def _read_long(self, position: int) -> tuple[Any, int] | None:
        """Return a value that takes up a long line, or a long text from a line on; None for a short one."""
        if self._text[position - 1 : position] not in ("", "\n"):
            return None
        line_end = self._text.find("\n", position)
        for end in (line_end, len(self._text)):
            if end - position > LONG_VALUE:
                try:
                    return skim(self._text[position:end].encode()), end
                except (ValueError, RecursionError):
                    continue
        return None

    def line(self, start: int) -> dict[str, Any] | None:
        """Return the object that is alone on the line that begins at ``start``; None when there is none."""
        begin = skip(self._text, start, " \t\r")
        found = self.at(begin) if self._text.startswith("{", begin) else None
        if found is None:
            return None
        value, end = found
        end = skip(self._text, end, " \t\r")
        return value if self._text[end : end + 1] in ("", "\n") and "\n" not in self._text[begin:end] else None

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield the objects that are alone on one of the first lines."""
        start = 0
        for _ in range(10 * HEAD_RECORDS):
            value = self.line(start)
            if value is not None:
                yield value
            start = self._text.find("\n", start) + 1
            if not start:
                return

    def elements(self, start: int) -> Iterator[dict[str, Any]]:
        """Yield the first complete objects that follow one another from ``start`` on."""
        position = start
        for _ in range(HEAD_RECORDS):
            found = self.at(skip(self._text, position, " \t\r\n,"))
            if found is None:
                return
            value, position = found
            if isinstance(value, dict):
                yield value


def skim(value: bytes) -> Any:
    """Parse a JSON value; the lists of a long one have only their first elements. Raises ValueError when it is none."""
    if len(value) <= LONG_VALUE or value.lstrip()[:1] not in (b"{", b"["):
        return json.loads(value)
    import msgspec

    try:
        if value.lstrip()[:1] == b"{":
            return {
                key: skim(bytes(raw)) for key, raw in msgspec.json.decode(value, type=dict[str, msgspec.Raw]).items()
            }
        return [skim(bytes(raw)) for raw in msgspec.json.decode(value, type=list[msgspec.Raw])[:HEAD_RECORDS]]
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from None


def is_object(line: bytes) -> bool:
    """Whether a line is a complete JSON object."""
    if len(line) > LONG_VALUE:
        import msgspec

        try:
            return bool(msgspec.json.decode(line, type=dict[str, msgspec.Raw]))
        except msgspec.MsgspecError:
            pass  # It accepts no NaN, which Python writes.
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def skip(text: str, position: int, blanks: str) -> int:
    """Return the position of the first character that is none of these."""
    while position < len(text) and text[position] in blanks:
        position += 1
    return position


def open_cells(cells: dict[str, Any]) -> dict[str, Any]:
    """Return a row of a table as a record: a cell with JSON text becomes that JSON."""
    return {name: _open_cell(cell) for name, cell in cells.items()}


def _open_cell(cell: Any) -> Any:
    if isinstance(cell, str) and cell[:1] in ("{", "["):
        try:
            return json.loads(cell)
        except (ValueError, RecursionError):
            return cell
    return cell
