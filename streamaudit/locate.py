"""The second pass over a file that had bad records: the true line number, the length and the parser's reason of each.

Runs only when there is something to locate. DuckDB's verdict stands; this pass only explains it, and never quotes
content.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from streamaudit.reader import InputFile, open_binary

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Reject:
    """One unusable record: ordinal and line are 1-based, ``bytes`` its length; ``line`` is None inside API pages."""

    record: int
    line: int | None
    reason: str
    bytes: int | None


def locate(file: InputFile, bad: dict[int, list[str]]) -> list[Reject]:
    """The rejects of a file, given the ordinal of each bad record and its reasons (``unreadable``: find out): a record
    that holds many calls may have several."""
    if not bad:
        return []
    if file.container == "lines":
        return list(_in_lines(file, bad))
    if file.container == "array":
        return list(_in_array(file, bad))
    return [Reject(record, None, _known(reason), None) for record, reasons in sorted(bad.items()) for reason in reasons]


def _in_lines(file: InputFile, bad: dict[int, list[str]]) -> Iterator[Reject]:
    record, last = 0, max(bad)
    with open_binary(file.path, file.compression) as stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            record += 1
            for reason in bad.get(record, ()):
                yield Reject(record, number, _diagnose(line) if reason == "unreadable" else reason, len(line))
            if record >= last:
                return


def _in_array(file: InputFile, bad: dict[int, list[str]]) -> Iterator[Reject]:
    for record, line, text in _elements(file):
        for reason in bad.get(record, ()):
            raw = text.encode("utf-8", "replace")
            yield Reject(record, line, _diagnose(raw) if reason == "unreadable" else reason, len(raw))


def _elements(file: InputFile) -> Iterator[tuple[int, int, str]]:
    """Each element of an array with its ordinal and the line it begins on, in memory flat in the file's size."""
    decoder = json.JSONDecoder()
    with open_binary(file.path, file.compression) as stream:
        buffer, line, record = stream.read(_CHUNK).decode("utf-8", "replace").lstrip("\ufeff"), 1, 0
        start = buffer.index("[") + 1
        line += buffer.count("\n", 0, start)
        buffer = buffer[start:]
        while True:
            stripped = buffer.lstrip(" \t\r\n,")
            line += buffer.count("\n", 0, len(buffer) - len(stripped))
            buffer = stripped
            if buffer.startswith("]"):
                return
            try:
                _, end = decoder.raw_decode(buffer)
            except (ValueError, RecursionError):
                more = stream.read(max(_CHUNK, len(buffer)))
                if not more:
                    return
                buffer += more.decode("utf-8", "replace")
                continue
            record += 1
            yield record, line, buffer[:end]
            line += buffer.count("\n", 0, end)
            buffer = buffer[end:]


def first_fault(file: InputFile) -> str:
    """Where an array or page that DuckDB refuses as a whole stops being JSON, in words."""
    if file.container == "array":
        record, line = 0, 1
        for record, line, _text in _elements(file):  # noqa: B007 - the last values are what is wanted
            pass
        return f"the array is cut off or malformed after record {record:,} (line {line:,})"
    return "the page is cut off or malformed"


def _known(reason: str) -> str:
    return "not a JSON object" if reason == "unreadable" else reason


def _diagnose(line: bytes) -> str:
    try:
        value = json.loads(line)
    except UnicodeDecodeError:
        return "invalid UTF-8"
    except RecursionError:
        return "nested too deeply"
    except ValueError:
        return "malformed JSON" if line.endswith(b"\n") else "malformed JSON (the last line is cut off)"
    if not isinstance(value, dict):
        return "not a JSON object"
    return "no known field" if value else "empty object"
