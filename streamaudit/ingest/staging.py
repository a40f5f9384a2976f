"""Parse one file's records with DuckDB into ``scratch.staged`` and locate the bad ones; for large files a second pass
finds them.

The statements are static: a way to read the file's container, around a source's own SQL.
"""

import json
from collections.abc import Generator, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from streamaudit.ingest.corrections import may_have_corrections
from streamaudit.ingest.macros import define_macros
from streamaudit.ingest.mapped import apply_mapping
from streamaudit.ingest.mapping import Mapping
from streamaudit.ingest.narrow import SURPLUS, create_narrow_tables, take_sample
from streamaudit.ingest.occurring import find_words
from streamaudit.ingest.readers.container import InputFile
from streamaudit.ingest.readers.files import open_binary
from streamaudit.ingest.readers.jsonl import LINES
from streamaudit.ingest.readers.reader import DAMAGED, MAX_OBJECT_BYTES, Reject
from streamaudit.ingest.sources._app_keys import omit_absent_keys
from streamaudit.ingest.sources.registry import Source, parameters
from streamaudit.store.duckdb_errors import ReadFailure, translate_read_failures
from streamaudit.store.package_files import package_text
from streamaudit.store.store import Store

_USUAL_OBJECT_BYTES = 16 << 20
# A plain file up to this size is read by one thread anyway, so that its records can be numbered at once.
_NUMBERED_BYTES = 16 << 20
# Up to this size a look at a file shows whether corrections need be looked for, and its statement is only planned.
_TINY_BYTES = 1 << 16
# From this size on, a sample of a file tells which fields and columns it has.
_SAMPLED_BYTES = 1 << 20

# Fields of records, for a container that yields whole records. A relation of its own takes a record apart: within
# unnest it would be once for each field.
_TAKEN_APART = """
SELECT line, record, unnest(fields)
FROM (
    SELECT line, {record} AS record, from_json(json, $structure) AS fields
    FROM ({read})
)
"""
_WHOLE = "SELECT json AS record FROM ({read})"
# A record that comes out empty is unreadable; ``find_rejects`` finds the exact reason.
_REASON = """
CASE
    WHEN kind IS NULL THEN 'unreadable'
    WHEN kind NOT IN ('llm', 'embedding') THEN NULL
    WHEN $needs_id AND (call_id IS NULL OR call_id = '') THEN 'no id'
    WHEN $needs_start AND start_time IS NULL AND list_contains(misfits, 'start_time')
        THEN 'start time not understood: write it as 2026-11-22T08:26:40Z, or as an epoch number'
    WHEN $needs_start AND start_time IS NULL THEN 'no start time'
    WHEN duration_ms > 3.2e10 THEN 'duration out of range'
    WHEN least(input_tokens, cached_input_tokens, cache_write_tokens, cache_write_1h_tokens, audio_input_tokens,
        image_tokens, output_tokens, audio_output_tokens, reasoning_tokens, delivered_tokens,
        rendered_tokens) < 0 THEN 'negative token count'
    WHEN greatest(input_tokens, cached_input_tokens, cache_write_tokens, cache_write_1h_tokens, audio_input_tokens,
        image_tokens, output_tokens, audio_output_tokens, reasoning_tokens, delivered_tokens,
        rendered_tokens) > 1e9 THEN 'token count out of range'
    WHEN least(cost_usd, input_cost_usd, output_cost_usd) < 0 THEN 'negative cost'
END
"""
# A source names only the columns it has; these are the ones that every record is judged and identified by.
_JUDGED = """
SELECT * FROM ({normalised})
UNION ALL BY NAME
SELECT call_id, start_time, duration_ms, input_tokens, cached_input_tokens, cache_write_tokens,
    cache_write_1h_tokens, audio_input_tokens, image_tokens, output_tokens, audio_output_tokens, reasoning_tokens,
    delivered_tokens, rendered_tokens, cost_usd, input_cost_usd, output_cost_usd, input_hash, misfits
FROM scratch.staged WHERE false
"""
# Where a record has a total, it decides whether the output includes the reasoning; of two readings it decides nothing.
_TOTALLED = """
SELECT * REPLACE (CASE WHEN usage_basis = 'partial' THEN output_tokens
    ELSE whole_output(output_tokens, reasoning_tokens, input_tokens, total_tokens) END AS output_tokens)
FROM ({normalised})
"""
_STAGE = """
INSERT INTO scratch.records BY NAME
WITH records AS ({read})
SELECT *, hash(*COLUMNS(* EXCLUDE (line, input_hash, misfits))) AS record_hash, {reason} AS reason
FROM ({judged})
"""
_STAGE_MISSED = "INSERT INTO scratch.records (line, reason) SELECT no, reason FROM ({missed})"
_STAGED_REJECTS = "SELECT line, reason FROM scratch.staged WHERE reason IS NOT NULL"
_NUMBER_REJECTS = """
WITH records AS ({read})
SELECT line, reason FROM (SELECT *, {reason} AS reason FROM ({judged})) WHERE reason IS NOT NULL
LIMIT $most_rejects
"""
# Numbered, to be fetched some at a time: a file may hold nothing else.
_KEEP_REJECTS = """
CREATE OR REPLACE TABLE scratch.rejected AS
SELECT row_number() OVER (ORDER BY line < 0, abs(line)) AS place, line, reason FROM ({rejects})
"""
_ADD_MISSED = """
INSERT INTO scratch.rejected
SELECT (SELECT count(*) FROM scratch.rejected) + row_number() OVER (ORDER BY abs(no)), no, reason FROM ({missed})
"""
_FETCH_REJECTS = """
SELECT line, reason FROM scratch.rejected
WHERE place > $after AND place <= $after + $most AND (line < 0) = $missed ORDER BY place
"""
_FIRST_REJECT = "SELECT coalesce(min(place), 1) - 1, count(*) FROM scratch.rejected WHERE (line < 0) = $missed"
_FETCHED_AT_ONCE = 10_000

_READ_FAILURES = {
    "object_too_large": "a single object larger than 256 MB: split it first, for example with "
    "jq -c '.[]' FILE > FILE.jsonl",
    "gzip_truncated": "the gzip stream ends early: the file is incomplete, copy or download it again",
    "gzip_damaged": "damaged gzip data: copy or download the file again",
    "zstd_damaged": "damaged or incomplete zstd data: copy or download the file again",
    "missing": "the file vanished while it was read",
    "changed": "the file was overwritten while it was read: run the same command again",
}
_DAMAGE = {"gzip": "gzip_damaged", "zstd": "zstd_damaged", "none": "missing"}


def stage(store: Store, file: InputFile, source: Source, mapping: Mapping, salt: str, folder: Path) -> None:
    """Parse the file into ``scratch.staged``; a record longer than usual is read again with a larger buffer.

    Only the columns that a sample of a large file has are written; a record with another one has the file read again in
    full. ``folder`` is where the sample goes. Raises ReadFailure when DuckDB cannot read the file as a whole.
    """
    occurs = find_words(file)
    source = source.fitted(occurs)
    read, judged = _read(file, source, mapping, numbered=_is_numbered(file)), _judge_records(source, mapping)
    if occurs:
        judged = omit_absent_keys(judged, occurs)
    if occurs and _has_no_corrections(file):
        judged = judged.replace("corrections_of(", "no_corrections_of(")
    bound = _bind_parameters(file, source, mapping, salt)
    define_macros(store, read, judged)
    store.script(package_text("ingest", "staging.sql"))
    if _is_worth_sampling(file, mapping) and _stage_narrow(store, file, source, read, judged, bound, folder):
        return
    statement = _STAGE.format(read=read, reason=_REASON, judged=judged)
    try:
        _stage(store, file, statement, bound)
    except ReadFailure as failure:
        if failure.kind != "object_too_large":
            raise
        _stage(store, file, statement, {**bound, "object_bytes": longest_object(file)})


def _has_no_corrections(file: InputFile) -> bool:
    """Whether a look shows that no answer in a file has a correction; only a tiny one is looked at."""
    if file.size > _TINY_BYTES:
        return False
    with suppress(*DAMAGED), open_binary(file.path, file.compression) as stream:
        text = stream.read(_TINY_BYTES + 1)
        return len(text) <= _TINY_BYTES and not may_have_corrections(text.decode("utf-8", "replace"))
    return False


def _is_worth_sampling(file: InputFile, mapping: Mapping) -> bool:
    """Whether a file is so large that a sample saves more than it costs. A user's path may be in no record, which the
    staged columns show."""
    return file.container is LINES and not _is_numbered(file) and file.size >= _SAMPLED_BYTES and not mapping.paths


def _stage_narrow(
    store: Store, file: InputFile, source: Source, read: str, judged: str, bound: dict[str, Any], folder: Path
) -> bool:
    """Parse the file into the columns that its sample has. Return False where that is not enough."""
    try:
        with translate_read_failures():
            narrow = take_sample(store, file, source, read, judged, bound, folder)
            if narrow is None:
                return False
            create_narrow_tables(store, narrow)
            with _uncompressed(store):
                store.run(narrow.statement(judged, _REASON), bound)
    except ReadFailure as failure:
        if failure.kind not in (SURPLUS, "object_too_large"):
            raise
        store.script(package_text("ingest", "staging.sql"))
        return False
    return True


def _stage(store: Store, file: InputFile, statement: str, bound: dict[str, Any]) -> None:
    store.run("TRUNCATE scratch.records")
    store.script(file.container.forget)
    is_tiny = file.plain_size <= _TINY_BYTES
    with translate_read_failures(), _uncompressed(store), store.planning_least() if is_tiny else nullcontext():
        store.run(statement, bound)
    if file.container.missed:
        store.run(_STAGE_MISSED.format(missed=file.container.missed))


@contextmanager
def _uncompressed(store: Store) -> Iterator[None]:
    """Write what is staged as it is: it is read a few times and then deleted."""
    store.run("SET force_compression = 'uncompressed'")
    try:
        yield
    finally:
        store.run("RESET force_compression")


def count_partial_parts(store: Store, file: InputFile) -> int:
    """Count the parts of the file that are marked as incomplete."""
    if not file.container.partial:
        return 0
    with translate_read_failures():
        return int(store.one(file.container.partial, {**_bind_file(file), "object_bytes": longest_object(file)})[0])


def find_rejects(
    store: Store, file: InputFile, source: Source, mapping: Mapping, salt: str, most: int | None = None
) -> Generator[Reject, None, None]:
    """Yield the rejects of a file that has some, in its order and with their true lines, from a second pass where it is
    large, which ends after ``most`` of them; in memory flat in their number."""
    try:
        _keep_rejects(store, file, source, mapping, salt, most)
        yield from file.container.locate(file, _Rejected(store))
    except DAMAGED:
        raise ReadFailure(_DAMAGE[file.compression]) from None


def _keep_rejects(
    store: Store, file: InputFile, source: Source, mapping: Mapping, salt: str, most: int | None
) -> None:
    """Keep the ordinal and the reason of each reject in ``scratch.rejected``, or of the first ``most`` at least."""
    if _is_numbered(file):
        store.run(_KEEP_REJECTS.format(rejects=_STAGED_REJECTS))
        return
    read = _read(file, source, mapping, numbered=True)
    statement = _NUMBER_REJECTS.format(read=read, reason=_REASON, judged=_judge_records(source, mapping))
    bound = {**_bind_parameters(file, source, mapping, salt), "object_bytes": longest_object(file)}
    # A source of numbered lines is read by one thread, in order.
    bound["most_rejects"] = most if file.container is LINES else None
    container = file.container
    define_macros(store, statement)
    store.script(container.forget)
    with translate_read_failures():
        store.run(_KEEP_REJECTS.format(rejects=statement), bound)
    if container.missed:
        store.run(_ADD_MISSED.format(missed=container.missed))
    store.script(container.forget)


@dataclass(frozen=True, slots=True)
class _Rejected:
    """The rejects in ``scratch.rejected``, fetched some at a time."""

    store: Store

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the ordinals of records, with the reasons of each."""
        return self._grouped(missed=False)

    def missed(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the negative ordinals of records that the database left out."""
        return self._grouped(missed=True)

    def _grouped(self, *, missed: bool) -> Iterator[tuple[int, list[str]]]:
        for line, rows in groupby(self._rows(missed), key=itemgetter(0)):
            yield line, [reason for _, reason in rows]

    def _rows(self, missed: bool) -> Iterator[tuple[int, str]]:
        place, left = self.store.one(_FIRST_REJECT, {"missed": missed})
        while left > 0:
            rows = self.store.query(_FETCH_REJECTS, {"after": place, "most": _FETCHED_AT_ONCE, "missed": missed})
            yield from rows
            place, left = place + _FETCHED_AT_ONCE, left - len(rows)


def _is_numbered(file: InputFile) -> bool:
    """Whether records are numbered when they are first read."""
    return not file.container.numbered or file.plain_size <= _NUMBERED_BYTES


def select_records(file: InputFile) -> tuple[str, dict[str, Any]]:
    """Return a SELECT whose column ``record`` is every unchanged record of a file (NULL for one that is no JSON), and
    its parameters."""
    return _WHOLE.format(read=file.container.read), {**_bind_file(file), "every": True, "wanted": [""]}


def structure(source: Source) -> str:
    """Return the fields of a source as the structure that ``from_json`` takes."""
    return "{" + ", ".join(f'"{name}": {json.dumps(kind)}' for name, kind in source.fields.items()) + "}"


def longest_object(file: InputFile) -> int:
    """Return the bytes that one record of a file may have: the database reserves several times as much."""
    if file.compression != "none":
        return MAX_OBJECT_BYTES // 2
    return max(_USUAL_OBJECT_BYTES, min(file.size, MAX_OBJECT_BYTES // 2))


def explain_failure(file: InputFile, failure: ReadFailure) -> str:
    """Describe a failure to read a file, for its owner."""
    try:
        return _READ_FAILURES.get(failure.kind) or file.container.fault(file)
    except DAMAGED:
        return _READ_FAILURES[_DAMAGE[file.compression]]


def _judge_records(source: Source, mapping: Mapping) -> str:
    normalised = apply_mapping(source, mapping)
    if source.has_total:
        normalised = _TOTALLED.format(normalised=normalised)
    return _JUDGED.format(normalised=normalised)


def _read(file: InputFile, source: Source, mapping: Mapping, *, numbered: bool) -> str:
    container = file.container
    # A table has no nested values; one that it has as text is opened with the whole record.
    nested = {name for name, kind in source.fields.items() if kind not in ("VARCHAR", "JSON")}
    whole = mapping.paths or source.whole or nested & file.settings.get("names", {}).keys()
    if container.fields and not whole:
        return container.numbered_fields if numbered else container.fields
    read = (numbered and container.numbered) or container.read
    return _TAKEN_APART.format(record="mappable(json)" if mapping.paths else "json", read=read)


def _bind_parameters(file: InputFile, source: Source, mapping: Mapping, salt: str) -> dict[str, Any]:
    return {
        **_bind_file(file),
        "columns": source.fields,
        "structure": structure(source),
        "texts": ["(text)", *(name for name, kind in source.fields.items() if kind == "VARCHAR")],
        "jsons": ["(json)", *(name for name, kind in source.fields.items() if kind == "JSON")],
        "every": bool(mapping.paths) or source.whole,
        "wanted": list(source.fields),
        "salt": salt,
        "needs_id": source.id_field is not None,
        "needs_start": source.time_field is not None,
        **parameters(mapping),
    }


def _bind_file(file: InputFile) -> dict[str, Any]:
    return {
        "files": [str(file.path)], "compression": file.compression, "object_bytes": _USUAL_OBJECT_BYTES,
        **file.settings,
    }  # fmt: skip
