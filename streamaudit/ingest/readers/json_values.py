"""JSON values that are not one a line: the elements of one array, or objects one after another, pretty-printed or on
one line."""

import json
from collections.abc import Iterator

from streamaudit.ingest.readers.container import Bad, Container, Found, Head, InputFile, Reject
from streamaudit.ingest.readers.diagnose import diagnose
from streamaudit.ingest.readers.files import open_binary
from streamaudit.ingest.readers.sniff import skip

_CHUNK = 1 << 20

_ARRAY = """
SELECT ordinality AS line, json FROM read_json(
    $files, format = 'array', records = false, columns = {json: 'JSON'}, maximum_object_size = $object_bytes,
    compression = $compression) WITH ORDINALITY
"""
_OBJECTS = """
SELECT ordinality AS line, json FROM read_json(
    $files, format = 'unstructured', records = false, columns = {json: 'JSON'}, maximum_object_size = $object_bytes,
    compression = $compression) WITH ORDINALITY
"""


def _look_for_array(head: Head) -> Found | None:
    # A log line in front may begin with a bracket too; what follows it then is lines.
    if head.text[0] == "[" and (head.objects or not head.lines):
        return Found(head.objects)
    return None


def _look_for_objects(head: Head) -> Found | None:
    if head.text[0] != "{":
        return None
    found = head.values.at(0)
    if found is None:
        return None
    _, end = found
    after = skip(head.text, end, " \t\r")
    shares_a_line = head.text[after : after + 1] == "{"
    return Found(head.objects) if shares_a_line or "\n" in head.text[:end] else None


def _locate(file: InputFile, bad: Bad) -> Iterator[Reject]:
    for record, line, text in _values(file):
        for reason in bad.get(record, ()):
            raw = text.encode("utf-8", "replace")
            yield Reject(record, line, diagnose(raw) if reason == "unreadable" else reason, len(raw))


def _values(file: InputFile) -> Iterator[tuple[int, int, str]]:
    """Yield each value with its ordinal and the line it begins on, in memory flat in the file's size."""
    decoder = json.JSONDecoder()
    with open_binary(file.path, file.compression) as stream:
        buffer, line, record = stream.read(_CHUNK).decode("utf-8", "replace").lstrip("\ufeff"), 1, 0
        start = buffer.index("[") + 1 if file.container is ARRAY else 0
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


def _fault(file: InputFile) -> str:
    record, line = 0, 1
    for record, line, _text in _values(file):  # noqa: B007 - the last values are needed
        pass
    what = "the array" if file.container is ARRAY else "the JSON"
    return f"{what} is cut off or malformed after record {record:,} (line {line:,})"


ARRAY = Container("array", _look_for_array, _ARRAY, _locate, _fault)
OBJECTS = Container("objects", _look_for_objects, _OBJECTS, _locate, _fault)
