"""Find records in the first part of a text."""

from collections.abc import Iterable, Iterator
from typing import Any

from streamaudit.ingest.json_text import decode, decode_at

HEAD_RECORDS = 50
MOST_HEAD_RECORDS = 5_000
"""Records looked at where the first ones show no call."""
MOST_HEAD_BYTES = 64 << 20

_LONG_VALUE = 1 << 20


class Values:
    """JSON values in a text, by the position where they begin. Each is decoded once, however often it is requested: a
    file may be one long object."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._known: dict[int, tuple[Any, int] | None] = {}

    def at(self, position: int) -> tuple[Any, int] | None:
        """Return the value that begins at a position and the position after it; None where none begins, or it is
        incomplete."""
        if position not in self._known:
            self._known[position] = self._decode(position)
        return self._known[position]

    def _decode(self, position: int) -> tuple[Any, int] | None:
        try:
            return decode_at(self._text, position)
        except ValueError:
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
        """Yield the objects that are alone on one of the first lines; many more lines are looked at for the first."""
        start, found = 0, False
        for number in range(MOST_HEAD_RECORDS):
            if found and number >= 10 * HEAD_RECORDS:
                return
            value = self.line(start)
            if value is not None:
                found = True
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


def take_records(texts: Iterable[bytes]) -> tuple[dict[str, Any], ...]:
    """Return the objects among the first records, within MOST_HEAD_RECORDS and MOST_HEAD_BYTES."""
    found, left = [], MOST_HEAD_BYTES
    for number, text in enumerate(texts, start=1):
        left -= len(text)
        if text.lstrip()[:1] == b"{":
            try:
                found.append(decode(text))
            except ValueError:
                pass
        if number >= MOST_HEAD_RECORDS or left <= 0:
            break
    return tuple(found)


def is_object(line: bytes) -> bool:
    """Whether a line is a complete JSON object."""
    if len(line) > _LONG_VALUE:
        import msgspec

        try:
            return bool(msgspec.json.decode(line, type=dict[str, msgspec.Raw]))
        except (msgspec.MsgspecError, RecursionError):
            pass  # It accepts no NaN, which Python writes.
    try:
        return isinstance(decode(line), dict)
    except ValueError:
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
            return decode(cell)
        except ValueError:
            return cell
    return cell
