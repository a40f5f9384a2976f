"""JSON values that are not one a line: the elements of one array, or objects one after another, pretty-printed or on
one line."""

from collections.abc import Iterator
from contextlib import contextmanager

from streamaudit.ingest.json_text import decode
from streamaudit.ingest.readers.container import Bad, Container, Found, Head, InputFile, Record, Reject
from streamaudit.ingest.readers.diagnose import diagnose
from streamaudit.ingest.readers.files import MAX_OBJECT_BYTES, open_binary
from streamaudit.ingest.readers.scan import Value, scan_values
from streamaudit.ingest.readers.sniff import skip, take_records

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
    wanted = bad.records()
    wanted_record, reasons = next(wanted, (0, []))
    with _scan(file) as values:
        for record, value in enumerate(values, start=1):
            if record != wanted_record:
                continue
            for reason in reasons:
                found = _diagnose(value) if reason == "unreadable" else reason
                yield Reject(record, value.line, found, value.size)
            wanted_record, reasons = next(wanted, (0, []))
            if not wanted_record:
                return


def _diagnose(value: Value) -> str:
    if value.is_whole:
        return diagnose(value.text + b"\n")
    return "no known field" if value.text[:1] == b"{" else "not a JSON object"


@contextmanager
def _scan(file: InputFile, **options: int) -> Iterator[Iterator[Value]]:
    """Open a file and walk over its values."""
    with open_binary(file.path, file.compression) as stream:
        yield scan_values(stream, in_array=file.container is ARRAY, **options)


def _read_head(file: InputFile) -> tuple[Record, ...]:
    with _scan(file) as values:
        return take_records(value.text for value in values)


def _fault(file: InputFile) -> str:
    record, line = 0, 1
    with _scan(file, kept=MAX_OBJECT_BYTES) as values:
        for value in values:
            try:
                decode(value.text)
            except ValueError:
                break
            record, line = record + 1, value.line
    what = "the array" if file.container is ARRAY else "the JSON"
    return f"{what} is cut off or malformed after record {record:,} (line {line:,})"


ARRAY = Container("array", _look_for_array, _ARRAY, _locate, _fault, read_head=_read_head)
OBJECTS = Container("objects", _look_for_objects, _OBJECTS, _locate, _fault, read_head=_read_head)
