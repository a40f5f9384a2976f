"""Parquet: columns are fields, whatever their type; nested ones become JSON, and instants text in UTC."""

from collections.abc import Iterator

from streamaudit.errors import StreamauditError
from streamaudit.ingest.json_text import decode
from streamaudit.ingest.readers.container import Bad, Container, Found, Head, InputFile, Reject
from streamaudit.ingest.readers.files import Refused
from streamaudit.ingest.readers.sniff import HEAD_RECORDS, open_cells
from streamaudit.store.connection import Database
from streamaudit.store.duckdb_errors import ReadFailure, translate_read_failures

# Some writers do not mark text as text.
_READ = """
SELECT "(no)" AS line, to_json(struct_pack(*COLUMNS(cells.* EXCLUDE ("(no)")))) AS json
FROM (
    SELECT file_row_number + 1 AS "(no)",
        opened(to_json(COLUMNS(lambda c: c <> 'file_row_number' AND ($every OR list_contains($wanted, c)))))
    FROM read_parquet($files, binary_as_string = true, file_row_number = true)
) AS cells
"""
_HEAD = """
SELECT to_json(cells)::VARCHAR FROM (FROM read_parquet($files, binary_as_string = true) LIMIT $most) AS cells
"""


def _look(head: Head) -> Found | None:
    if not head.data.startswith(b"PAR1"):
        return None
    if head.compression != "none":
        raise Refused("Parquet packed once more: unpack it first")
    try:
        with Database(None) as database, translate_read_failures():
            rows = database.query(_HEAD, {"files": [str(head.path)], "most": HEAD_RECORDS})
    except (StreamauditError, ReadFailure):
        raise Refused("a damaged or incomplete Parquet file: copy or download it again") from None
    return Found(tuple(open_cells(decode(text)) for (text,) in rows))


def _locate(file: InputFile, bad: Bad) -> Iterator[Reject]:
    for record, reasons in bad.records():
        for reason in reasons:
            yield Reject(record, None, "no known field" if reason == "unreadable" else reason, None)


def _fault(file: InputFile) -> str:
    return "a damaged or incomplete Parquet file: copy or download it again"


PARQUET = Container("parquet", _look, _READ, _locate, _fault, words="Parquet")
