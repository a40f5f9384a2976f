"""Recorders inside an application, a gateway's callback or a page: one JSON line a stream, with events, characters or
bytes handed over, or with what was painted.

Keep-alives (comments and ping events) that a recorder counted apart are no events; the bytes of such a stream say
nothing of tokens, and where nothing but keep-alives was sent, no token was.

A recorder's ``ttft_ms`` is that of the first bytes it sent, comments included: a first byte, not a first token. One
that wraps an iterator and counts a chunk after the next was pulled (its lines have no bytes) may lack the last one.
"""

from streamaudit.ingest.edge._common import IDS
from streamaudit.ingest.edge.registry import Line, Server

_SQL = f"""
WITH read AS (
    SELECT
        record, {IDS},
        bool_of(logged(json_extract_string(record, ['/cancelled', '/canceled', '/aborted', '/client_disconnected'])))
            AS cancelled,
        number_of(logged(json_extract_string(record, ['/cancelled_at_ms', '/left_at_ms']))) AS left_ms,
        tokens_of(logged(json_extract_string(record, ['/rendered_tokens']))) AS rendered_tokens,
        tokens_of(logged(json_extract_string(record, ['/rendered_chars']))) AS rendered_chars,
        tokens_of(logged(json_extract_string(record, ['/rendered_chunks']))) AS rendered_chunks,
        tokens_of(logged(json_extract_string(record, ['/delivered_tokens']))) AS delivered_tokens,
        tokens_of(logged(json_extract_string(record, ['/delivered_chunks', '/events']))) AS chunks,
        tokens_of(logged(json_extract_string(record, ['/delivered_chars']))) AS chars,
        tokens_of(logged(json_extract_string(record, ['/delivered_bytes', '/bytes']))) AS delivered_bytes,
        coalesce(tokens_of(logged(json_extract_string(record, ['/keepalives']))) > 0, false) AS has_pings,
        logged(json_extract_string(record, ['/content_encoding', '/encoding'])) AS encoding,
        number_of(logged(json_extract_string(record, ['/ttfb_ms', '/ttft_ms', '/first_byte_ms']))) AS ttfb_ms,
        number_of(logged(json_extract_string(record, ['/client_ttft_ms', '/first_paint_ms']))) AS client_ttft_ms,
        number_of(logged(json_extract_string(record, ['/end_ms']))) AS end_ms,
        number_of(logged(json_extract_string(record, ['/upstream_end_ms']))) AS own_upstream_ms
    FROM lines
)
SELECT
    * REPLACE (
        CASE WHEN NOT has_pings OR chunks IS NULL THEN delivered_bytes END AS delivered_bytes,
        CASE WHEN has_pings AND chunks = 0 AND delivered_tokens IS NULL THEN 0 ELSE delivered_tokens END
            AS delivered_tokens
    ),
    record IS NOT NULL AS is_line,
    CASE WHEN cancelled IS DISTINCT FROM false THEN left_ms END AS cancelled_at_ms,
    CASE WHEN delivered_bytes IS NULL AND cancelled THEN chunks + 1 ELSE chunks END AS delivered_chunks,
    CASE WHEN delivered_bytes IS NULL AND cancelled AND chunks > 0 THEN ceil(chars * (chunks + 1) / chunks)::BIGINT
        WHEN delivered_bytes IS NOT NULL OR cancelled = false THEN chars END AS delivered_chars,
    coalesce(own_upstream_ms, CASE WHEN cancelled = false THEN end_ms END) AS upstream_end_ms
FROM read
"""  # noqa: S608 - constants of this package


def _recognise(line: Line) -> bool:
    counts = line.has_any("delivered_chunks", "delivered_chars", "delivered_bytes", "rendered_chunks", "first_paint_ms")
    return counts and not line.has_any("model", "request_model", "start_time_unix_nano", "chunk_offsets_ms")


SERVER = Server("recorder", "recorder's log", 2, _recognise, _SQL, late_chunks=0, cut="cancelled is true")
