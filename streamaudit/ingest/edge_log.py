"""Read the log of a server or recorder (``edge``) as evidence about calls.

Every line is counted: as evidence, or with the reason why it is none. Which of a line's ids is the call's is chosen for
the whole file: the one that most calls in the store have.
"""

import re
from dataclasses import dataclass

from streamaudit.ingest.edge.registry import COLUMNS, Line, Server, discover, recognise
from streamaudit.ingest.json_text import decode
from streamaudit.ingest.macros import define_macros
from streamaudit.ingest.readers.container import Container, Head, InputFile
from streamaudit.ingest.readers.files import open_binary
from streamaudit.ingest.readers.text_lines import READ
from streamaudit.store.duckdb_errors import translate_read_failures
from streamaudit.store.store import Store

_HEAD_LINES = 400
_OBJECT = re.compile(r"\{.*\}$", re.DOTALL)
_BLANK = "\0\t\r "

# A collector may have put its own words before the object.
_READ = """
CREATE OR REPLACE TEMP TABLE edge_records AS
WITH lines AS (
    SELECT
        text,
        CASE WHEN ends_with(text, '}}') THEN try_cast(regexp_extract(text, '\\{{.*\\}}$') AS JSON) END AS record
    FROM ({lines})
), said AS (
    SELECT {columns} FROM (SELECT * FROM ({server}) UNION ALL BY NAME SELECT {typed} WHERE false)
)
SELECT
    * EXCLUDE (is_line) REPLACE (
        -- A line of another log, of which a figure or two have the same name, proves nothing.
        CASE WHEN is_line THEN cancelled END AS cancelled,
        -- Compressed bytes say nothing of tokens.
        CASE WHEN encoding IS NULL OR lower(encoding) = 'identity' OR delivered_bytes = 0 THEN delivered_bytes END
            AS delivered_bytes
    ),
    coalesce(is_line, false) AS is_line, delivered_bytes > 0 AND lower(encoding) <> 'identity' AS is_compressed,
    -- A response that never began has no type. What failed is no stream either, unless its client left.
    CASE WHEN content_type IS NOT NULL THEN NOT is_stream_type(content_type)
        ELSE coalesce(status >= 400, false) AND cancelled IS DISTINCT FROM true END AS is_other
FROM said
"""
_CHOOSE = """
WITH calls AS (
    SELECT DISTINCT 'request_id' AS kind, coalesce(request_id, call_id) AS key FROM store.calls
    UNION ALL
    SELECT DISTINCT 'response_id', response_id FROM store.calls WHERE response_id IS NOT NULL
    UNION ALL
    SELECT DISTINCT 'trace_id', trace_id FROM store.calls WHERE trace_id IS NOT NULL
), ids AS (
    UNPIVOT (
        SELECT litellm_call_id, request_id, own_id, response_id, trace_id FROM edge_records WHERE NOT is_other
    ) ON litellm_call_id, request_id, own_id, response_id, trace_id INTO NAME field VALUE key
), kinds AS (
    SELECT field, key, CASE WHEN field IN ('response_id', 'trace_id') THEN field ELSE 'request_id' END AS kind FROM ids
)
SELECT kinds.kind, kinds.field
FROM kinds LEFT JOIN calls ON calls.kind = kinds.kind AND calls.key = kinds.key
WHERE $on IS NULL OR kinds.kind = $on
GROUP BY kinds.kind, kinds.field
ORDER BY count(DISTINCT calls.key) DESC,
    list_position(['litellm_call_id', 'request_id', 'response_id', 'trace_id', 'own_id'], kinds.field)
"""
_STAGE = """
CREATE OR REPLACE TEMP TABLE arriving_evidence AS
SELECT
    $server AS server, $late_chunks::INTEGER AS late_chunks, CASE $field WHEN 'litellm_call_id' THEN litellm_call_id
        WHEN 'request_id' THEN request_id WHEN 'own_id' THEN own_id WHEN 'response_id' THEN response_id
        WHEN 'trace_id' THEN trace_id END AS key,
    rendered_tokens, rendered_chars, rendered_chunks,
    -- Where no byte left, no token did; a count of events is one of a framing that the recorder knew.
    CASE WHEN delivered_tokens IS NULL AND (delivered_bytes = 0 OR (delivered_bytes IS NULL AND NOT is_compressed
        AND delivered_chunks = 0)) THEN 0 ELSE delivered_tokens END AS delivered_tokens,
    delivered_chars,
    CASE WHEN delivered_chunks > 0 OR delivered_bytes = 0 THEN delivered_chunks END AS delivered_chunks,
    delivered_bytes, NULL::BIGINT AS output_tokens, NULL::BIGINT AS reasoning_tokens, NULL::DOUBLE AS cost_usd,
    cancelled, cancelled_at_ms, ttfb_ms, client_ttft_ms, upstream_end_ms, upstream_held_ms, is_compressed, attempts,
    CASE
        WHEN NOT is_line THEN 'no line of this log'
        WHEN is_other THEN 'no stream'
        WHEN key IS NULL THEN 'no id to join by'
        WHEN least(rendered_tokens, rendered_chars, rendered_chunks, delivered_tokens, delivered_chars,
            delivered_chunks, delivered_bytes) < 0
            OR least(cancelled_at_ms, ttfb_ms, client_ttft_ms, upstream_end_ms, upstream_held_ms) < 0
            OR greatest(rendered_tokens, rendered_chars, rendered_chunks, delivered_tokens, delivered_chunks,
                delivered_chars) > 1e9 OR delivered_bytes > 1e12
            OR greatest(cancelled_at_ms, ttfb_ms, client_ttft_ms, upstream_end_ms, upstream_held_ms) > 3.2e10
            THEN 'a value out of range'
        WHEN coalesce(rendered_tokens, rendered_chars, rendered_chunks, delivered_tokens, delivered_chars,
            delivered_chunks, delivered_bytes, cancelled_at_ms, ttfb_ms, client_ttft_ms, upstream_end_ms,
            upstream_held_ms, cancelled::INTEGER) IS NULL
            THEN CASE WHEN is_compressed THEN 'only compressed bytes' ELSE 'nothing known of the call' END
    END AS reason
FROM edge_records
"""
_REMARKS = """
SELECT
    count(*) FILTER (is_compressed), count(*) FILTER (attempts > 1), count(*) FILTER (cancelled),
    count(*) FILTER (cancelled = false), count(*) FILTER (cancelled IS NULL)
FROM arriving_evidence WHERE reason IS NULL
"""


@dataclass(frozen=True, slots=True)
class Remarks:
    """Counts of lines used: compressed ones, whose bytes give no tokens; requests that went to several upstreams; those
    whose client left, that were complete, and that cannot tell."""

    compressed: int = 0
    retried: int = 0
    cut: int = 0
    complete: int = 0
    silent: int = 0


def find_log(head: Head) -> Container | None:
    """Return the container of the log that a file begins; None where it is that of no server."""
    lines = (line.strip(_BLANK) for line in head.text.split("\n", _HEAD_LINES)[:_HEAD_LINES])
    server = recognise([_line(text) for text in lines if text])
    return _container(server) if server else None


def server_of(file: InputFile) -> Server | None:
    """Return the server whose log a file is; None for any other file."""
    prefix, _, name = file.container.name.partition(":")
    return discover()[name] if prefix == "log" else None


def first_line(file: InputFile) -> str:
    """Return the beginning of a log, which stays the same while it grows and when it is rotated."""
    with open_binary(file.path, file.compression) as stream:
        for raw in stream:
            text = raw.strip(_BLANK.encode() + b"\n")
            if text:
                return text[:65536].decode("latin-1")
    return ""


def stage_log(store: Store, file: InputFile, server: Server, on: str | None) -> tuple[str, str] | str:
    """Parse a log into ``arriving_evidence``; return the kind of id and the field it is joined by, or why there is
    none. Raises ReadFailure when the file cannot be read."""
    typed = ", ".join(f"NULL::{kind} AS {name}" for name, kind in COLUMNS.items())
    text = _READ.format(lines=READ, columns=", ".join(COLUMNS), server=server.sql, typed=typed)
    define_macros(store, text)
    with translate_read_failures():
        store.run(text, {"files": [str(file.path)], "compression": file.compression})
    chosen = store.query(_CHOOSE, {"on": on})
    if not chosen:
        named = f"{on} " if on else ""
        return f"no line of this {server.words} has an id: log {named}one with each request, as `instrument` shows"
    kind, field = chosen[0]
    store.run(_STAGE, {"server": server.name, "late_chunks": server.late_chunks, "field": field})
    return kind, field


def count_remarks(store: Store) -> Remarks:
    """Count the lines by what they show, in ``arriving_evidence``."""
    return Remarks(*store.one(_REMARKS))


def _line(text: str) -> Line:
    found = _OBJECT.search(text)
    try:
        value = decode(found[0]) if found else None
    except ValueError:
        value = None
    return Line(text, value if isinstance(value, dict) else None)


def _container(server: Server) -> Container:
    return Container(
        f"log:{server.name}", lambda head: None, READ, lambda file, bad: iter(()),
        lambda file: "the file cannot be read as lines of text", words=server.words,
    )  # fmt: skip
