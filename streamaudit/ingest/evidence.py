"""Join evidence from other logs to calls: tokens that the client rendered, tokens that the gateway delivered and when
the user left, and what the provider billed.

Evidence is joined by an id when calls are read, whichever came first, and never makes a call.
"""

import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from pathlib import Path

import streamaudit
from streamaudit.errors import InputError, UsageError
from streamaudit.ingest.edge.registry import Server
from streamaudit.ingest.edge_log import Remarks, count_remarks, find_log, first_line, server_of, stage_log
from streamaudit.ingest.faults import contain
from streamaudit.ingest.macros import define_macros
from streamaudit.ingest.readers.container import InputFile
from streamaudit.ingest.readers.csv import DELIMITED
from streamaudit.ingest.readers.gzip_check import check_gzip
from streamaudit.ingest.readers.reader import Reader, Refused
from streamaudit.ingest.readers.remote import is_remote
from streamaudit.ingest.readers.surrogates import mend_surrogates
from streamaudit.ingest.results import FileResult
from streamaudit.ingest.staging import explain_failure, select_records
from streamaudit.store.duckdb_errors import ReadFailure, translate_read_failures
from streamaudit.store.store import Store

# Accepted names of each key and figure in a file; the first that is present is used.
KEYS = {
    "request_id": ("request_id", "call_id", "span_id", "observation_id", "id"),
    "response_id": ("response_id", "generation_id", "gen_ai.response.id", "id"),
    "trace_id": ("trace_id", "traceId", "trace.id"),
}
FIGURES = {
    "rendered_tokens": ("rendered_tokens", "rendered_output_tokens", "tokens_rendered"),
    "rendered_chars": ("rendered_chars", "chars_rendered"),
    "rendered_chunks": ("rendered_chunks", "chunks_rendered"),
    "delivered_tokens": ("delivered_tokens", "streamed_output_tokens"),
    "delivered_chars": ("delivered_chars",),
    "delivered_chunks": ("delivered_chunks",),
    "delivered_bytes": ("delivered_bytes",),
    "ttfb_ms": ("ttfb_ms",),
    "client_ttft_ms": ("client_ttft_ms", "first_paint_ms"),
    "output_tokens": (
        "billed_tokens", "output_tokens", "native_tokens_completion", "completion_tokens", "billed_output_tokens",
    ),
    "reasoning_tokens": ("reasoning_tokens", "native_tokens_reasoning", "reasoning_output_tokens"),
    "cost_usd": ("cost_usd", "total_cost", "cost"),
    "cancelled": ("cancelled", "canceled", "aborted", "client_disconnected"),
    "cancelled_at_ms": ("cancelled_at_ms", "left_at_ms"),
    "upstream_end_ms": ("upstream_end_ms",),
}  # fmt: skip

_DIGEST = "evidence/1"

# An answer of a provider's API may hold its one record as the field ``data``.
_READ = """
CREATE OR REPLACE TEMP TABLE evidence_records AS
SELECT CASE WHEN $enveloped AND json_type(record, '$.data') = 'OBJECT' THEN json_extract(record, '$.data') ELSE record
    END AS record
FROM ({records})
"""
_STAGE = """
CREATE OR REPLACE TEMP TABLE arriving_evidence AS
WITH figures AS (
    SELECT
        record,
        first_filled(json_extract_string(record, $keys)) AS key,
        tokens_of(first_filled(json_extract_string(record, $rendered_tokens))) AS rendered_tokens,
        tokens_of(first_filled(json_extract_string(record, $rendered_chars))) AS rendered_chars,
        tokens_of(first_filled(json_extract_string(record, $rendered_chunks))) AS rendered_chunks,
        tokens_of(first_filled(json_extract_string(record, $delivered_tokens))) AS delivered_tokens,
        tokens_of(first_filled(json_extract_string(record, $delivered_chars))) AS delivered_chars,
        tokens_of(first_filled(json_extract_string(record, $delivered_chunks))) AS delivered_chunks,
        tokens_of(first_filled(json_extract_string(record, $delivered_bytes))) AS delivered_bytes,
        number_of(first_filled(json_extract_string(record, $ttfb_ms))) AS ttfb_ms,
        number_of(first_filled(json_extract_string(record, $client_ttft_ms))) AS client_ttft_ms,
        tokens_of(first_filled(json_extract_string(record, $output_tokens))) AS output_tokens,
        tokens_of(first_filled(json_extract_string(record, $reasoning_tokens))) AS reasoning_tokens,
        number_of(first_filled(json_extract_string(record, $cost_usd))) AS cost_usd,
        bool_of(first_filled(json_extract_string(record, $cancelled))) AS cancelled,
        number_of(first_filled(json_extract_string(record, $cancelled_at_ms))) AS cancelled_at_ms,
        number_of(first_filled(json_extract_string(record, $upstream_end_ms))) AS upstream_end_ms
    FROM evidence_records
)
SELECT
    * EXCLUDE (record),
    CASE
        WHEN record IS NULL THEN 'malformed JSON'
        WHEN key IS NULL THEN 'no id to join by'
        WHEN least(rendered_tokens, rendered_chars, rendered_chunks, delivered_tokens, delivered_chars,
            delivered_chunks, delivered_bytes, output_tokens, reasoning_tokens) < 0
            OR least(cost_usd, cancelled_at_ms, upstream_end_ms, ttfb_ms, client_ttft_ms) < 0
            OR greatest(rendered_tokens, rendered_chars, rendered_chunks, delivered_tokens, delivered_chars,
                delivered_chunks, output_tokens, reasoning_tokens) > 1e9 OR delivered_bytes > 1e12
            OR greatest(cost_usd, cancelled_at_ms, upstream_end_ms, ttfb_ms, client_ttft_ms) > 3.2e10
            THEN 'a value out of range'
        WHEN coalesce(rendered_tokens, rendered_chars, rendered_chunks, delivered_tokens, delivered_chars,
            delivered_chunks, delivered_bytes, output_tokens, reasoning_tokens, cost_usd, cancelled_at_ms,
            upstream_end_ms, ttfb_ms, client_ttft_ms, cancelled::INTEGER) IS NULL THEN 'nothing known of the call'
    END AS reason, NULL::VARCHAR AS server, NULL::INTEGER AS late_chunks, NULL::DOUBLE AS upstream_held_ms
FROM figures
"""
_TALLY = "SELECT count(*), count(reason) FROM arriving_evidence"
_REASONS = "SELECT reason, count(*) FROM arriving_evidence WHERE reason IS NOT NULL GROUP BY ALL ORDER BY 2 DESC, 1"
# Earlier versions stored the path of a table with its links unresolved. A log is known by its first line: it grows, and
# it is rotated, when its name goes to another one.
_EARLIER = """
SELECT load_id FROM store.loads
WHERE format = 'evidence' AND source = $source
    AND CASE WHEN $beginning IS NULL THEN content_before IS NULL AND list_contains($paths, path)
        ELSE content_before = $beginning END
"""
_KEEP = """
INSERT INTO store.evidence BY NAME
SELECT $load_id AS load_id, $kind AS key_kind, key, rendered_tokens, rendered_chars, rendered_chunks, delivered_tokens,
    delivered_chars, delivered_chunks, delivered_bytes, output_tokens, reasoning_tokens, cost_usd, cancelled,
    cancelled_at_ms, upstream_end_ms, ttfb_ms, client_ttft_ms, server, late_chunks, upstream_held_ms
FROM arriving_evidence WHERE reason IS NULL
"""
_RECORD = """
INSERT INTO store.loads (load_id, source, path, fingerprint, format, variant, digest, loaded_at, tool_version,
    read_records, new_calls, repeated_calls, replaced_calls, rejected_records, not_calls, content_before)
VALUES ($load_id, $source, $path, $fingerprint, 'evidence', $variant, $digest, now()::TIMESTAMP, $tool,
    $read, 0, 0, 0, $rejected, $kept, $beginning)
"""
_MATCHED = """
SELECT
    count(DISTINCT key) FILTER (calls = 1), count(DISTINCT key) FILTER (calls IS NULL),
    count(DISTINCT key) FILTER (calls > 1)
FROM (SELECT key FROM arriving_evidence WHERE reason IS NULL)
LEFT JOIN (
    SELECT
        CASE $kind WHEN 'request_id' THEN coalesce(request_id, call_id) WHEN 'response_id' THEN response_id
            ELSE trace_id END AS key,
        count(DISTINCT CASE WHEN counted AND operation <> 'embedding' THEN (source, call_id) END) AS calls
    FROM store.calls
    -- Their hashes are compared first, since reading the ids of a large store takes long.
    WHERE rowid IN (
        SELECT rowid FROM store.calls
        WHERE CASE $kind WHEN 'request_id' THEN id_bits WHEN 'response_id' THEN response_bits ELSE trace_bits END
            IN (SELECT bits_of(key) FROM arriving_evidence WHERE reason IS NULL))
    GROUP BY 1 HAVING calls > 0
) USING (key)
"""


@dataclass(frozen=True, slots=True)
class Joined:
    """The result of joining one file of evidence; the last three fields count different ids."""

    shown: str
    read: int = 0
    rejected: int = 0
    reasons: tuple[tuple[str, int], ...] = ()
    matched: int = 0
    unmatched: int = 0
    ambiguous: int = 0
    problem: str | None = None
    kind: str = ""
    """The kind of id that the file was joined by."""
    id_field: str = ""
    """Of a log, the field that holds it."""
    server: Server | None = None
    """The server whose log the file is."""
    remarks: Remarks = field(default_factory=Remarks)


def suggest_evidence(outcome: FileResult) -> FileResult:
    """Return the result of a file of calls, with a hint at ``--evidence`` if the file gave no call and is a CSV file
    with ids and figures of calls, or the log of a server."""
    useless = outcome.problem or (outcome.counts and outcome.counts.read == outcome.counts.rejected)
    # A pipe can be read once.
    if not useless or is_remote(outcome.shown) or not Path(outcome.shown).is_file():
        return outcome
    try:
        with Reader() as reader:
            file = reader.open(outcome.shown, find_log)
    except (Refused, InputError, OSError):
        return outcome
    server = server_of(file)
    if server is not None:
        return _suggest(replace(outcome, problem=f"{server.words}: evidence about calls, but no calls"))
    if outcome.hint:
        return outcome
    header = file.settings["names"].keys() if file.container is DELIMITED else set[str]()
    kind = next((kind for kind, names in KEYS.items() if header & set(names)), None)
    if kind is None or not any(header & set(names) for names in FIGURES.values()):
        return outcome
    return _suggest(outcome, f" --on {kind}")


def _suggest(outcome: FileResult, on: str = "") -> FileResult:
    command = f"streamaudit ingest {shlex.quote(outcome.shown)} --evidence{on}"
    problem = outcome.problem or "holds evidence about calls, but no calls"
    return replace(outcome, counts=None, problem=problem, hint=f"{command} joins it to the calls of other files")


def parse_on(text: str | None) -> str | None:
    """Return the id to join by; None where the files are to tell. Raises UsageError for an unknown one."""
    if text is not None and text not in KEYS:
        raise UsageError(f"--on {text}: unknown id", "ids: " + ", ".join(KEYS))
    return text


def join(store: Store, reader: Reader, shown: str, kind: str | None) -> Joined:
    """Keep one file of evidence, instead of what the same file held before. ``kind`` None chooses the id by what the
    file holds. A file that cannot be read is reported in ``problem``."""
    found = contain(shown, False, partial(_join, store, reader, shown, kind))
    return Joined(shown, problem=found.problem) if isinstance(found, FileResult) else found


def _join(store: Store, reader: Reader, shown: str, on: str | None) -> Joined:
    file = reader.open(shown, find_log)
    server = server_of(file)
    try:
        staged = _stage_log(store, file, server, on) if server else _stage_any(store, file, on, reader.folder)
        beginning = sha256(first_line(file).encode()).hexdigest() if server else None
    finally:
        reader.done(file)
    if isinstance(staged, str):
        return Joined(shown, problem=staged)
    kind, id_field = staged
    read, rejected = store.one(_TALLY)
    reasons = tuple((reason, count) for reason, count in store.query(_REASONS))
    found = Joined(shown, read, rejected, reasons, kind=kind, id_field=id_field, server=server)
    if read == rejected:
        return replace(found, problem="holds no evidence: no record has an id and a figure")
    source, name = f"evidence:{kind}", file.stored_name
    with store.transaction():
        earlier = {"source": source, "paths": [name, os.path.abspath(shown)], "beginning": beginning}
        for (load_id,) in store.query(_EARLIER, earlier):
            store.run("DELETE FROM store.evidence WHERE load_id = $load_id", {"load_id": load_id})
            store.run("DELETE FROM store.loads WHERE load_id = $load_id", {"load_id": load_id})
        load_id = store.one("SELECT coalesce(max(load_id), 0) + 1 FROM store.loads")[0]
        store.run(_KEEP, {"load_id": load_id, "kind": kind})
        store.run(_RECORD, {
            "load_id": load_id, "source": source, "path": name, "fingerprint": file.fingerprint,
            "variant": server.name if server else file.container.words.lower(), "digest": _DIGEST,
            "tool": streamaudit.__version__, "read": read, "rejected": rejected, "kept": read - rejected,
            "beginning": beginning,
        })  # fmt: skip
    matched, unmatched, ambiguous = store.one(_MATCHED, {"kind": kind})
    remarks = count_remarks(store) if server else Remarks()
    return replace(found, matched=matched, unmatched=unmatched, ambiguous=ambiguous, remarks=remarks)


def _stage_log(store: Store, file: InputFile, server: Server, on: str | None) -> tuple[str, str] | str:
    try:
        with check_gzip(file) as intact:
            staged = stage_log(store, file, server, on)
            intact()
        return staged
    except ReadFailure as failure:
        return explain_failure(file, failure)


def _stage_any(store: Store, file: InputFile, on: str | None, folder: Path) -> tuple[str, str] | str:
    kind = on or _choose_kind(file)
    if kind is None:
        named = ", ".join(f"--on {name}" for name in KEYS)
        return f"it does not show which of its fields is the calls' id: add one of {named}"
    return _stage(store, file, kind, folder) or (kind, "")


def _choose_kind(file: InputFile) -> str | None:
    """Return the kind of the one id that the first records name; None where they name none, or several."""
    names = {name for record in file.head for name in record} | set(file.settings.get("names", {}))
    # A field called id may be either.
    found = [kind for kind, keys in KEYS.items() if names & (set(keys) - {"id"})]
    return found[0] if len(found) == 1 else None


def _stage(store: Store, file: InputFile, kind: str, folder: Path) -> str | None:
    """Parse a file into ``arriving_evidence``; return why it cannot be used, None when it can.

    One misaligned row of a table refuses the whole file: its figures would go to other calls.
    """
    container = file.container
    problem = container.check(file)
    if problem:
        return problem
    store.script(container.forget)
    records, bound = select_records(file)
    define_macros(store, records, _STAGE)
    enveloped = container.words == "JSON"
    try:
        with check_gzip(file) as intact:
            with translate_read_failures():
                store.run(_READ.format(records=records), {**bound, "enveloped": enveloped})
            intact()
        unreadable = store.one("SELECT count(*) > count(record) FROM evidence_records")[0]
        copy = mend_surrogates(file, folder) if unreadable else None
    except ReadFailure as failure:
        copy = mend_surrogates(file, folder) if failure.kind == "malformed" else None
        if copy is None:
            return explain_failure(file, failure)
    if copy is not None:
        return _stage(store, copy, kind, folder)
    missed = store.query(container.missed) if container.missed else []
    store.script(container.forget)
    if missed:
        reject = next(iter(container.locate(file, _Missed(missed))))
        return f"line {reject.line:,}: {reject.reason}"
    store.run(_STAGE, _pointers(kind))
    return None


@dataclass(frozen=True, slots=True)
class _Missed:
    """Records that the database left out: the negative ordinal of each, and the reason."""

    found: list[tuple[int, str]]

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """Yield nothing: these are the only rejects."""
        return iter(())

    def missed(self) -> Iterator[tuple[int, list[str]]]:
        """Yield each ordinal with its reason."""
        return ((number, [reason]) for number, reason in sorted(self.found, reverse=True))


def _pointers(kind: str) -> dict[str, list[str]]:
    names = {"keys": KEYS[kind], **FIGURES}
    return {name: [f"/{candidate}" for candidate in candidates] for name, candidates in names.items()}
