"""CSV and other delimited text: a header that names the fields, and one row per record. A cell with JSON text is read
as that JSON.

The separator and the names of the columns come from the header, so that the database guesses nothing from the rows.
"""

import csv
import io
import re
from collections.abc import Iterator
from typing import Any

from streamaudit.ingest.readers.container import Bad, Container, Found, Head, InputFile, Reject
from streamaudit.ingest.readers.files import MAX_OBJECT_BYTES, NotRecords, open_binary
from streamaudit.ingest.readers.sniff import HEAD_RECORDS, open_cells

_CHUNK = 1 << 20
_DELIMITERS = ",\t;|"
_MOST_COLUMNS = 4_000
_PLAIN_NAME = re.compile(r"[A-Za-z_][\w.$-]*")

# A row may be as long as a prompt and its answer; a buffer must hold one and the beginning of the next.
_TABLE = """
    read_csv($files, auto_detect = false, header = true, columns = $names, delim = $delimiter, quote = '"',
        escape = '"', compression = $compression, store_rejects = true, max_line_size = 33554432,
        buffer_size = 67108864)
"""
_READ = """
SELECT NULL::BIGINT AS line, to_json(cells) AS json
FROM (SELECT opened(to_json(COLUMNS(lambda c: $every OR list_contains($wanted, c)))) FROM {table}) AS cells
"""
_NUMBERED = """
SELECT "(no)" AS line, to_json(struct_pack(*COLUMNS(cells.* EXCLUDE ("(no)")))) AS json
FROM (
    SELECT ordinality AS "(no)",
        opened(to_json(COLUMNS(lambda c: c <> 'ordinality' AND ($every OR list_contains($wanted, c)))))
    FROM {table} WITH ORDINALITY
) AS cells
"""
# Columns that the file does not have come out as constants, which cost nothing for each row.
_FIELDS = """
SELECT NULL::BIGINT AS line, NULL::JSON AS record, * EXCLUDE ("(text)", "(json)")
FROM (
    SELECT opened_text(COLUMNS(lambda c: list_contains($texts, c))),
        opened(to_json(COLUMNS(lambda c: list_contains($jsons, c))))
    FROM (SELECT *, NULL::VARCHAR AS "(text)", NULL::VARCHAR AS "(json)" FROM {table})
    UNION ALL BY NAME
    SELECT unnest(fields) FROM (SELECT from_json('{{}}', $structure) AS fields) WHERE false
)
"""
_NUMBERED_FIELDS = """
SELECT "(no)" AS line, NULL::JSON AS record, * EXCLUDE ("(no)", "(text)", "(json)")
FROM (
    SELECT ordinality AS "(no)", opened_text(COLUMNS(lambda c: list_contains($texts, c))),
        opened(to_json(COLUMNS(lambda c: list_contains($jsons, c))))
    FROM (SELECT *, NULL::VARCHAR AS "(text)", NULL::VARCHAR AS "(json)" FROM {table} WITH ORDINALITY)
    UNION ALL BY NAME
    SELECT unnest(fields) FROM (SELECT from_json('{{}}', $structure) AS fields) WHERE false
)
"""
_TAKEN = {"ordinality", "(no)", "(text)", "(json)"}
# The database counts the header as a row, and rows without anything in them.
_OPEN_QUOTE = "a quote that is never closed, or text after a closing quote"
_MISSED = """
SELECT -any_value(line)::BIGINT AS no, any_value(CASE error_type
    WHEN 'MISSING COLUMNS' THEN 'fewer cells than the header'
    WHEN 'TOO MANY COLUMNS' THEN 'more cells than the header'
    WHEN 'UNQUOTED VALUE' THEN '{open_quote}'
    WHEN 'LINE SIZE OVER MAXIMUM' THEN 'a row larger than 32 MB'
    WHEN 'INVALID ENCODING' THEN 'invalid UTF-8'
    ELSE 'malformed CSV' END) AS reason
FROM reject_errors GROUP BY line
""".replace("{open_quote}", _OPEN_QUOTE)
_FORGET = "DROP TABLE IF EXISTS reject_errors; DROP TABLE IF EXISTS reject_scans"


def _look(head: Head) -> Found | None:
    first = head.text.split("\n", 1)[0]
    delimiter = max(_DELIMITERS, key=first.count)
    # One long line of JSON has as many commas as a table has in all its rows.
    if head.lines or first.lstrip().startswith(("{", "[")):
        return None
    if first.count(delimiter) >= _MOST_COLUMNS:
        if head.text.partition("\n")[2].split("\n", 1)[0].count(delimiter) == first.count(delimiter):
            raise NotRecords(f"a table of more than {_MOST_COLUMNS:,} columns: keep those that a call needs")
        return None
    rows = csv.reader(io.StringIO(head.text, newline=""), delimiter=delimiter)
    names: list[str] = []
    records: list[dict[str, Any]] = []
    try:
        names = _names(next(rows))
        for cells in rows:
            if len(cells) == len(names) and len(records) < HEAD_RECORDS:
                records.append(open_cells({name: cell or None for name, cell in zip(names, cells, strict=True)}))
    except csv.Error:
        pass  # A cell longer than the module reads; the lines before it suffice.
    no_rows = head.complete and "\n" not in head.text.strip() and all(map(_PLAIN_NAME.fullmatch, names))
    if len(names) < 2 or not (records or no_rows):
        return None
    return Found(tuple(records), {"names": dict.fromkeys(names, "VARCHAR"), "delimiter": delimiter})


def _names(cells: list[str]) -> list[str]:
    """Return the names of a header, made distinct where the database takes two for the same."""
    names: list[str] = []
    taken = set(_TAKEN)
    for position, cell in enumerate(cells, start=1):
        name = cell.strip() or f"column_{position}"
        while name.lower() in taken:
            name += "_"
        taken.add(name.lower())
        names.append(name)
    return names


def _locate(file: InputFile, bad: Bad) -> Iterator[Reject]:
    """Yield the rejects; rows left out while reading come by the negative of the database's own row number."""
    wanted, missed = bad.records(), bad.missed()
    next_record, reasons = next(wanted, (0, []))
    next_missed, missed_reasons = next(missed, (0, []))
    record = through = 0
    for row, (line, last, size) in enumerate(_rows(file, file.settings["delimiter"]), start=1):
        if row == 1 or not size:
            continue
        record += 1
        if -row == next_missed:
            found = missed_reasons
            next_missed, missed_reasons = next(missed, (0, []))
        else:
            through += 1
            if through != next_record:
                continue
            found = reasons
            next_record, reasons = next(wanted, (0, []))
        for reason in found:
            if reason == "unreadable":
                reason = "no known field"
            elif reason == _OPEN_QUOTE and last > line:
                # The rows that a cell without an end has swallowed are no records of their own.
                reason = f"{reason}: lines {line:,} to {last:,} are lost"
            yield Reject(record, line, reason, size)


def _rows(file: InputFile, delimiter: str) -> Iterator[tuple[int, int, int]]:
    """Yield the first and the last line of each row, the header's included, and its length in characters; 0 for an
    empty one."""
    limit = csv.field_size_limit(MAX_OBJECT_BYTES)
    try:
        with _open_text(file) as text:
            before, rows = 0, csv.reader(text, delimiter=delimiter)
            for cells in rows:
                yield before + 1, rows.line_num, sum(map(len, cells)) + len(cells) - 1 if cells else 0
                before = rows.line_num
    finally:
        csv.field_size_limit(limit)


def _open_text(file: InputFile) -> io.TextIOWrapper:
    return io.TextIOWrapper(open_binary(file.path, file.compression), "utf-8-sig", "replace", newline="")


def _check(file: InputFile) -> str | None:
    """Find two columns of one name, and a quote that is never closed: the database silently reads the rest of the file
    as one long cell."""
    with _open_text(file) as text:
        names = [name.strip().lower() for name in next(csv.reader(text, delimiter=file.settings["delimiter"]))]
    if len(set(names)) < len(names):
        return "two columns have the same name, or none"
    with open_binary(file.path, file.compression) as stream:
        quotes = sum(chunk.count(b'"') for chunk in iter(lambda: stream.read(_CHUNK), b""))
    return _find_open_quote(file) if quotes % 2 else None


def _find_open_quote(file: InputFile) -> str | None:
    before = 0
    with _open_text(file) as text:
        rows = csv.reader(text, delimiter=file.settings["delimiter"], strict=True)
        try:
            for _ in rows:
                before = rows.line_num
        except csv.Error:
            return f"line {before + 1:,}: {_OPEN_QUOTE}"
    return None


def _fault(file: InputFile) -> str:
    return "the file cannot be read as CSV: export JSON lines instead"


DELIMITED = Container(
    "csv", _look, _READ.format(table=_TABLE), _locate, _fault, numbered=_NUMBERED.format(table=_TABLE),
    fields=_FIELDS.format(table=_TABLE), numbered_fields=_NUMBERED_FIELDS.format(table=_TABLE), missed=_MISSED,
    check=_check, forget=_FORGET, words="CSV",
)  # fmt: skip
