"""Decode JSON text whatever it holds, and shorten a long one without reading it into memory.

Python's decoder refuses what others read: integers of more than 4,300 digits, and values nested about 1,000 deep.
"""

import json
import re
from collections.abc import Iterable
from typing import Any

MOST_DEPTH = 100
"""A value nested deeper than this is shortened to null: no recogniser looks that far."""

_LIST_LIMITS = (50, 20, 10, 5)
"""Elements kept of a list at the top, inside one list or object, inside two, and further down."""
_KEYS, _TEXT_BYTES = 2_000, 1 << 14
_FEW_KEYS, _FEW_TEXT_BYTES = 100, 1 << 8
_MOST_STEPS = 3_000_000
"""Brackets and commas looked at one by one: a few seconds' worth."""
_LONG_OUTPUT = 1 << 20
"""From this length of the shortened text on, lists keep one element, objects and texts far less than before."""

_INNER = rb'[^"{}\[\]]++|"(?:[^"\\]++|\\.)*+"'
SKIPPED = re.compile(rb"(?:" + _INNER + rb"|[\[{](?:" + _INNER + rb")*+[\]}])*+", re.DOTALL)
"""Everything before a bracket, whole strings included, and lists and objects that hold no others; possessive, so that
nothing is looked at more than twice."""
# The same before a bracket or a comma.
_PLAIN = re.compile(rb'[^"{}\[\],]*+')
TEXT = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
"""The inside of a string, up to its quote or to the end of the data."""

_DECODER = json.JSONDecoder()
_LENIENT = json.JSONDecoder(parse_int=lambda digits: int(digits) if len(digits) < 1_000 else float(digits))


def decode(text: str | bytes) -> Any:
    """Return the value of a JSON text. An integer of thousands of digits is infinite, and what is nested more than
    MOST_DEPTH deep is None where Python cannot follow. Raises ValueError, and nothing else, when the text is no
    JSON."""
    try:
        return json.loads(text)
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise
    except ValueError:
        return _decode_odd(text)
    except RecursionError:
        return _decode_odd(shorten([text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text])[0])


def _decode_odd(text: str | bytes) -> Any:
    shown = text if isinstance(text, str) else text.decode("utf-8")
    try:
        return _LENIENT.decode(shown.strip(" \t\r\n\ufeff"))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def decode_at(text: str, position: int) -> tuple[Any, int]:
    """Return the value that begins at a position, and the position after it. Raises ValueError, and nothing else, when
    none begins there, or its end is missing."""
    try:
        return _DECODER.raw_decode(text, position)
    except json.JSONDecodeError:
        raise
    except ValueError:
        try:
            return _LENIENT.raw_decode(text, position)
        except RecursionError:
            raise ValueError("nested too deeply") from None
    except RecursionError:
        data = text[position:].encode("utf-8", "surrogatepass")
        end = find_end(data)
        if end is None:
            raise ValueError("cut off") from None
        length = len(data[:end].decode("utf-8", "surrogatepass"))
        return decode(text[position : position + length]), position + length


def match_end(pattern: re.Pattern[bytes], data: bytes, position: int) -> int:
    """Return the end of a pattern that matches everywhere, if only the empty text."""
    match = pattern.match(data, position)
    return match.end() if match else position


def find_end(data: bytes) -> int | None:
    """Return the position after the object or list that begins at the start; None when its end is missing."""
    depth = position = 1
    while True:
        position = match_end(SKIPPED, data, position)
        if data[position : position + 1] in (b"", b'"'):
            return None
        depth += 1 if data[position] in b"{[" else -1
        position += 1
        if depth <= 0:
            return position


def shorten(pieces: Iterable[bytes], most: int = 1 << 60) -> tuple[bytes, bool]:
    """Return JSON values with the same fields and shape but fewer and shorter values, in memory flat in their length,
    and whether all of the pieces were looked at rather than the first ``most`` bytes. Text that is no JSON comes out
    as some text that is none."""
    shortener = _Shortener()
    for data in pieces:
        shortener.feed(data)
        most -= len(data)
        if most <= 0:
            return bytes(shortener.out), False
        if len(shortener.out) > 4 * _LONG_OUTPUT or shortener.steps > _MOST_STEPS:
            return bytes(shortener.out), False
    return bytes(shortener.out), True


class _Shortener:
    """Writes what it is fed, without the later elements of long lists, long strings and what is nested deeply."""

    def __init__(self) -> None:
        self.out = bytearray()
        self._counts: list[int] = []
        """Elements begun of each list or object that is open."""
        self._skipped = 0
        """Depth of brackets open inside what is left out; 0 when nothing is."""
        self._leaves_rest = False
        """The rest of a list or object is left out, up to its own end."""
        self._string: bytearray | None = None
        self._held = b""
        self.steps = 0

    def feed(self, data: bytes) -> None:
        data, self._held = self._held + data, b""
        position = 0
        while position < len(data):
            self.steps += 1
            if self._string is not None:
                position = self._read_string(data, position)
            elif self._skipped:
                position = self._skip(data, position)
            else:
                position = self._write(data, position)

    def _read_string(self, data: bytes, position: int) -> int:
        assert self._string is not None
        end = match_end(TEXT, data, position)
        most = _TEXT_BYTES if len(self.out) < _LONG_OUTPUT else _FEW_TEXT_BYTES
        if len(self._string) <= most:
            self._string += data[position : min(end, position + most + 1)]
        if end == len(data):
            return end
        if data[end] != 0x22:  # a backslash without the character behind it
            self._held = data[end:]
            return len(data)
        if not self._skipped:
            self.out += b'"' + (self._string if len(self._string) <= most else b"") + b'"'
        self._string = None
        return end + 1

    def _skip(self, data: bytes, position: int) -> int:
        position = match_end(SKIPPED, data, position)
        if position == len(data):
            return position
        if data[position] == 0x22:
            self._string = bytearray()
            return position + 1
        self._skipped += 1 if data[position] in b"{[" else -1
        if self._skipped:
            return position + 1
        if self._leaves_rest:
            self._leaves_rest = False
            return position  # the end of the list or object is written
        return position + 1

    def _write(self, data: bytes, position: int) -> int:
        end = match_end(_PLAIN, data, position)
        self.out += data[position:end]
        if end == len(data):
            return end
        mark = data[end : end + 1]
        if mark == b'"':
            self._string = bytearray()
        elif mark in b"{[":
            if len(self._counts) >= MOST_DEPTH:
                self.out += b"null"
                self._skipped = 1
            else:
                self._counts.append(1 if mark == b"[" else -1)
                self.out += mark
        elif mark == b",":
            return self._begin_another(end)
        else:
            if self._counts:
                self._counts.pop()
            self.out += mark
        return end + 1

    def _begin_another(self, position: int) -> int:
        """Write a comma, or leave out what follows it where enough was written."""
        if not self._counts:
            self.out += b","
            return position + 1
        # The count of an object is negative.
        is_list, long = self._counts[-1] > 0, len(self.out) >= _LONG_OUTPUT
        depth = len(self._counts) - 1
        of_list = 1 if long and depth else _LIST_LIMITS[min(depth, len(_LIST_LIMITS) - 1)]
        most = of_list if is_list else _FEW_KEYS if long else _KEYS
        if abs(self._counts[-1]) >= most:
            self._skipped, self._leaves_rest = 1, True
            return position + 1
        self._counts[-1] += 1 if is_list else -1
        self.out += b","
        return position + 1
