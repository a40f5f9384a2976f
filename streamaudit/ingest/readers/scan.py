"""Walk over the JSON values of a stream without decoding them: where each begins and ends, in memory flat in their
length and time linear in it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from streamaudit.ingest.json_text import SKIPPED, TEXT, match_end

_CHUNK = 1 << 20
_KEPT = 1 << 20
_BETWEEN = re.compile(rb"[ \t\r\n,]*+")
_SCALAR = re.compile(rb'[^ \t\r\n,{}\[\]"]*+')


@dataclass(frozen=True, slots=True)
class Value:
    """A value: its line, from 1, its length in bytes, and its text, of which a longer one keeps only the first
    bytes."""

    line: int
    size: int
    text: bytes

    @property
    def is_whole(self) -> bool:
        """Whether ``text`` is all of the value."""
        return len(self.text) == self.size


def scan_values(stream: BinaryIO, *, in_array: bool, kept: int = _KEPT) -> Iterator[Value]:
    """Yield the values that follow one another, or the elements of the array at the start; a last one without its end
    is left out. At most ``kept`` bytes of each are kept."""
    scanner = _Scanner(in_array, kept)
    while not scanner.is_done and (data := stream.read(_CHUNK)):
        yield from scanner.feed(data)
    yield from scanner.finish()


class _Scanner:
    """The state between two pieces of a stream."""

    def __init__(self, in_array: bool, kept: int) -> None:
        self.is_done = False
        self._before_array, self._in_array, self._most = in_array, in_array, kept
        self._state = "between"
        self._depth, self._line, self._begin_line, self._bytes = 0, 1, 1, 0
        self._text = bytearray()
        self._held = b""

    def feed(self, data: bytes) -> Iterator[Value]:
        data, self._held = self._held + data, b""
        start = position = 0
        if self._before_array:
            position = data.find(b"[") + 1
            self._before_array = not position
            self._line += data.count(b"\n", 0, position or len(data))
            if not position:
                return
        while position < len(data):
            if self._state == "between":
                start = position = self._step_over(data, position)
                if position == len(data):
                    return
                if self._in_array and data[position] == 0x5D:
                    self.is_done = True
                    return
                position = self._begin(data, position)
                continue
            position, ended = self._go_on(data, position, start)
            if ended:
                yield self._take(data[start:position])
        end = len(data) - len(self._held)
        if self._state != "between":
            self._keep(data[start:end])

    def finish(self) -> Iterator[Value]:
        """Yield a number or word at the very end, where nothing follows it."""
        if self._state == "scalar" and not self._in_array:
            yield self._take(b"")

    def _step_over(self, data: bytes, position: int) -> int:
        end = match_end(_BETWEEN, data, position)
        self._line += data.count(b"\n", position, end)
        return end

    def _begin(self, data: bytes, position: int) -> int:
        self._begin_line, self._depth = self._line, 0
        if data[position] in b"{[":
            self._state, self._depth = "inside", 1
        else:
            self._state = "string" if data[position] == 0x22 else "scalar"
        return position + 1

    def _go_on(self, data: bytes, position: int, start: int) -> tuple[int, bool]:
        """Return the position up to which the value was followed, and whether it ends there."""
        if self._state == "scalar":
            end = match_end(_SCALAR, data, position)
            return end, end < len(data)
        if self._state == "string":
            end = match_end(TEXT, data, position)
            if end == len(data):
                return end, False
            if data[end] != 0x22:  # a backslash without the character behind it
                self._held = data[end:]
                return len(data), False
            self._state = "inside"
            return end + 1, self._depth == 0
        end = match_end(SKIPPED, data, position)
        if end == len(data):
            return end, False
        if data[end] == 0x22:
            self._state = "string"
            return end + 1, False
        self._depth += 1 if data[end] in b"{[" else -1
        return end + 1, self._depth <= 0

    def _keep(self, data: bytes) -> None:
        self._bytes += len(data)
        self._line += data.count(b"\n")
        self._text += data[: max(self._most - len(self._text), 0)]

    def _take(self, data: bytes) -> Value:
        self._keep(data)
        value = Value(self._begin_line, self._bytes, bytes(self._text))
        self._state, self._bytes, self._text = "between", 0, bytearray()
        return value
