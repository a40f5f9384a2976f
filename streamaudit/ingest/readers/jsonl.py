"""JSON lines: one object a line; a line that is no object, such as a line of a log among them, is a reject of its
own."""

from collections.abc import Iterator

from streamaudit.ingest.readers.container import Bad, Container, Found, Head, InputFile, Record, Reject
from streamaudit.ingest.readers.diagnose import diagnose
from streamaudit.ingest.readers.files import open_binary
from streamaudit.ingest.readers.sniff import MOST_HEAD_BYTES, take_records

# Numbering the records keeps DuckDB from reading in parallel, so only the second pass over a file with rejects does.
_FIELDS = """
SELECT NULL::BIGINT AS line, NULL::JSON AS record, * FROM read_json(
    $files, format = 'newline_delimited', ignore_errors = true, records = true, columns = $columns,
    maximum_object_size = $object_bytes, compression = $compression)
"""
_NUMBERED_FIELDS = """
SELECT ordinality AS line, NULL::JSON AS record, * EXCLUDE (ordinality) FROM read_json(
    $files, format = 'newline_delimited', ignore_errors = true, records = true, columns = $columns,
    maximum_object_size = $object_bytes, compression = $compression) WITH ORDINALITY
"""
_READ = """
SELECT NULL::BIGINT AS line, json FROM read_json(
    $files, format = 'newline_delimited', ignore_errors = true, records = false, columns = {json: 'JSON'},
    maximum_object_size = $object_bytes, compression = $compression)
"""
_NUMBERED = """
SELECT ordinality AS line, json FROM read_json(
    $files, format = 'newline_delimited', ignore_errors = true, records = false, columns = {json: 'JSON'},
    maximum_object_size = $object_bytes, compression = $compression) WITH ORDINALITY
"""


def _look(head: Head) -> Found | None:
    return Found(head.lines) if head.lines else None


def _read_head(file: InputFile) -> tuple[Record, ...]:
    with open_binary(file.path, file.compression) as stream:
        return take_records(iter(lambda: stream.readline(MOST_HEAD_BYTES), b""))


def _locate(file: InputFile, bad: Bad) -> Iterator[Reject]:
    wanted = bad.records()
    wanted_record, reasons = next(wanted, (0, []))
    record = 0
    with open_binary(file.path, file.compression) as stream:
        for number, line in enumerate(stream, start=1):
            record += bool(line.strip())
            if record != wanted_record or not line.strip():
                continue
            for reason in reasons:
                yield Reject(record, number, diagnose(line) if reason == "unreadable" else reason, len(line))
            wanted_record, reasons = next(wanted, (0, []))
            if not wanted_record:
                return


def _fault(file: InputFile) -> str:
    return "the file cannot be read as JSON lines"


LINES = Container(
    "lines", _look, _READ, _locate, _fault, numbered=_NUMBERED, fields=_FIELDS, numbered_fields=_NUMBERED_FIELDS,
    read_head=_read_head,
)  # fmt: skip
