"""One file's records parsed by DuckDB into ``scratch.staged``, and a second pass that finds where the bad ones are.

The statements are static: a way to read the file's container, around a source's own SQL.
"""

from typing import Any

from streamaudit.database import ReadFailure, reading
from streamaudit.locate import Reject, first_fault, locate
from streamaudit.mapping import Mapping
from streamaudit.reader import DAMAGED, MAX_OBJECT_BYTES, InputFile
from streamaudit.sources import Source, parameters
from streamaudit.store import Store, sql_text

_USUAL_OBJECT_BYTES = 16 << 20

# Numbering the records keeps DuckDB from reading in parallel, so only the second pass over a file with rejects does.
_LINES = """
SELECT NULL::BIGINT AS line, NULL::JSON AS record, * FROM read_json(
    $files, format = 'newline_delimited', ignore_errors = true, records = true, columns = $columns,
    maximum_object_size = $object_bytes, compression = $compression)
"""
_NUMBERED_LINES = """
SELECT ordinality AS line, NULL::JSON AS record, * EXCLUDE (ordinality) FROM read_json(
    $files, format = 'newline_delimited', ignore_errors = true, records = true, columns = $columns,
    maximum_object_size = $object_bytes, compression = $compression) WITH ORDINALITY
"""
_WHOLE_LINES = """
SELECT NULL::BIGINT AS line, CASE WHEN $mapped THEN mappable(json) ELSE json END AS record,
    unnest(from_json(json, $structure))
FROM read_json(
    $files, format = 'newline_delimited', ignore_errors = true, records = false, columns = {json: 'JSON'},
    maximum_object_size = $object_bytes, compression = $compression)
"""
_NUMBERED_WHOLE_LINES = """
SELECT ordinality AS line, CASE WHEN $mapped THEN mappable(json) ELSE json END AS record,
    unnest(from_json(json, $structure))
FROM read_json(
    $files, format = 'newline_delimited', ignore_errors = true, records = false, columns = {json: 'JSON'},
    maximum_object_size = $object_bytes, compression = $compression) WITH ORDINALITY
"""
_ARRAY = """
SELECT ordinality AS line, CASE WHEN $mapped THEN mappable(json) ELSE json END AS record,
    unnest(from_json(json, $structure))
FROM read_json(
    $files, format = 'array', records = false, columns = {json: 'JSON'},
    maximum_object_size = $object_bytes, compression = $compression) WITH ORDINALITY
"""
_PAGES = """
SELECT base + position AS line,
    CASE WHEN $mapped THEN mappable(items[position]) ELSE items[position] END AS record,
    unnest(from_json(items[position], $structure))
FROM (
    SELECT *, unnest(generate_series(1, len(items))) AS position FROM (
        SELECT items, coalesce(sum(len(items)) OVER (
            ORDER BY page ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)::BIGINT AS base
        FROM (
            SELECT ordinality AS page, coalesce(data, observations, spans) AS items FROM read_json(
                $files, format = 'auto', records = true,
                columns = {data: 'JSON[]', observations: 'JSON[]', spans: 'JSON[]'},
                maximum_object_size = $object_bytes, compression = $compression) WITH ORDINALITY
        )
    )
)
"""
# A record that comes out empty is unreadable; what exactly was wrong with it is found out by ``locate``.
_REASON = """
CASE
    WHEN kind IS NULL THEN 'unreadable'
    WHEN kind NOT IN ('llm', 'embedding') THEN NULL
    WHEN $needs_id AND (call_id IS NULL OR call_id = '') THEN 'no id'
    WHEN $needs_start AND start_time IS NULL THEN 'no start time'
    WHEN start_time < TIMESTAMP '2000-01-01' OR start_time > TIMESTAMP '2100-01-01' THEN 'start time out of range'
    WHEN duration_ms < 0 THEN 'ends before it starts'
    WHEN duration_ms > 3.2e10 THEN 'duration out of range'
    WHEN least(input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens,
        delivered_tokens, rendered_tokens) < 0 THEN 'negative token count'
    WHEN greatest(input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens,
        delivered_tokens, rendered_tokens) > 1e9 THEN 'token count out of range'
    WHEN least(cost_usd, input_cost_usd, output_cost_usd) < 0 THEN 'negative cost'
END
"""
# A source names only the columns it has; here are those that every record is judged and told apart by.
_JUDGED = """
SELECT * FROM ({normalise})
UNION ALL BY NAME
SELECT call_id, start_time, duration_ms, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens,
    reasoning_tokens, delivered_tokens, rendered_tokens, cost_usd, input_cost_usd, output_cost_usd, input_hash
FROM scratch.staged WHERE false
"""
_STAGE = """
INSERT INTO scratch.staged BY NAME
WITH records AS ({read})
SELECT * EXCLUDE (line), hash(*COLUMNS(* EXCLUDE (line, input_hash))) AS record_hash, {reason} AS reason
FROM ({judged})
"""
_NUMBER_REJECTS = """
WITH records AS ({read})
SELECT line, reason FROM (SELECT *, {reason} AS reason FROM ({judged})) WHERE reason IS NOT NULL ORDER BY line
"""

_READ_FAILURES = {
    "object_too_large": "a single object larger than 256 MB: split it first, for example with "
    "jq -c '.[]' FILE > FILE.jsonl",
    "gzip_truncated": "the gzip stream ends early: the file is incomplete, copy or download it again",
    "gzip_damaged": "damaged gzip data: copy or download the file again",
    "zstd_damaged": "damaged or incomplete zstd data: copy or download the file again",
    "missing": "the file vanished while it was read",
}
_DAMAGE = {"gzip": "gzip_damaged", "zstd": "zstd_damaged", "none": "missing"}


def stage(store: Store, file: InputFile, source: Source, mapping: Mapping, salt: str) -> None:
    """Parse the file into ``scratch.staged``; a record longer than usual is read again with a larger buffer.

    Raises ReadFailure when DuckDB cannot read the file as a whole.
    """
    read, judged = _read(file, mapping, numbered=False), _JUDGED.format(normalise=source.sql)
    statement = _STAGE.format(read=read, reason=_REASON, judged=judged)
    bound = _bound(file, source, mapping, salt)
    try:
        store.script(sql_text("staging.sql"))
        with reading():
            store.run(statement, bound)
    except ReadFailure as failure:
        if failure.kind != "object_too_large":
            raise
        store.script(sql_text("staging.sql"))
        with reading():
            store.run(statement, {**bound, "object_bytes": MAX_OBJECT_BYTES // 2})


def find_rejects(store: Store, file: InputFile, source: Source, mapping: Mapping, salt: str) -> tuple[Reject, ...]:
    """The rejects with their true lines, from a second pass that only a file with rejects needs."""
    if not store.one("SELECT count(reason) FROM scratch.staged")[0]:
        return ()
    read = _read(file, mapping, numbered=True)
    statement = _NUMBER_REJECTS.format(read=read, reason=_REASON, judged=_JUDGED.format(normalise=source.sql))
    bound = {**_bound(file, source, mapping, salt), "object_bytes": MAX_OBJECT_BYTES // 2}
    try:
        with reading():
            found: dict[int, list[str]] = {}
            for record, reason in store.query(statement, bound):
                found.setdefault(record, []).append(reason)
        return tuple(locate(file, found))
    except DAMAGED:
        raise ReadFailure(_DAMAGE[file.compression]) from None


def whole_records(file: InputFile) -> tuple[str, dict[str, Any]]:
    """A SELECT whose column ``record`` is every record of a file as it stands (NULL for what is no JSON), and what it
    binds."""
    read = {"array": _ARRAY, "pages": _PAGES}.get(file.container, _WHOLE_LINES)
    return read, {
        "files": [str(file.path)], "structure": '{"line": "VARCHAR"}', "compression": file.compression,
        "object_bytes": _USUAL_OBJECT_BYTES, "mapped": False,
    }  # fmt: skip


def structure(source: Source) -> str:
    """The fields of a source as what ``from_json`` takes a record apart by."""
    return "{" + ", ".join(f'"{name}": "{kind}"' for name, kind in source.fields.items()) + "}"


def explain(file: InputFile, failure: ReadFailure) -> str:
    """A failure to read a file, in words for its owner."""
    try:
        return _READ_FAILURES.get(failure.kind) or first_fault(file)
    except DAMAGED:
        return _READ_FAILURES[_DAMAGE[file.compression]]


def _read(file: InputFile, mapping: Mapping, *, numbered: bool) -> str:
    if file.container == "array":
        return _ARRAY
    if file.container == "pages":
        return _PAGES
    if mapping.paths:
        return _NUMBERED_WHOLE_LINES if numbered else _WHOLE_LINES
    return _NUMBERED_LINES if numbered else _LINES


def _bound(file: InputFile, source: Source, mapping: Mapping, salt: str) -> dict[str, Any]:
    return {
        "files": [str(file.path)],
        "columns": source.fields,
        "structure": structure(source),
        "compression": file.compression,
        "object_bytes": _USUAL_OBJECT_BYTES,
        "salt": salt,
        "needs_id": source.id_field is not None,
        "needs_start": source.time_field is not None,
        "mapped": bool(mapping.paths),
        **parameters(mapping),
    }
