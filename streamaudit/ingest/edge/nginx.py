"""nginx: a JSON ``log_format`` with its own variables.

``$request_completion`` is OK, or empty where the client left (or the upstream broke off): no status tells, except a 499
for a client that left before the response began. ``$request_time`` includes the upload. A request that went to several
upstreams has lists, separated by commas, and colons where nginx redirected inside.
"""

from streamaudit.ingest.edge._common import IDS, RESPONSE
from streamaudit.ingest.edge.registry import Line, Server

_SQL = f"""
WITH fields AS (
    SELECT
        record,
        json_extract_string(record, ['/request_completion', '/completion']) AS completions,
        try_cast(logged(json_extract_string(record, ['/status'])) AS INTEGER) AS status,
        number_of(logged(json_extract_string(record, ['/request_time']))) * 1000 AS request_ms,
        logged(json_extract_string(record, ['/upstream_header_time'])) AS headers,
        logged(json_extract_string(record, ['/upstream_response_time'])) AS responses,
        tokens_of(logged(json_extract_string(record, ['/body_bytes_sent', '/bytes_sent']))) AS delivered_bytes
    FROM lines
), judged AS (
    SELECT
        *,
        CASE WHEN list_contains(completions, 'OK') THEN false WHEN status = 499 THEN true
            WHEN len(list_filter(completions, lambda v: v IS NOT NULL)) > 0 AND status < 400 THEN true END AS cancelled,
        seconds_of(responses) AS upstream_ms
    FROM fields
)
SELECT
    coalesce(request_ms, delivered_bytes) IS NOT NULL AS is_line, {IDS}, {RESPONSE}, status, cancelled, delivered_bytes,
    CASE WHEN cancelled THEN request_ms END AS cancelled_at_ms,
    -- Attempts follow each other: the response that was sent began after the ones before it had ended.
    CASE WHEN NOT ends_with(headers, '-')
        THEN coalesce(list_sum(upstream_ms[:-2]), 0) + seconds_of(headers)[-1] END AS ttfb_ms,
    CASE WHEN cancelled THEN NULL ELSE list_sum(upstream_ms) END AS upstream_end_ms,
    CASE WHEN cancelled THEN list_sum(upstream_ms) END AS upstream_held_ms,
    len(upstream_ms) AS attempts
FROM judged
"""  # noqa: S608 - constants of this package


def _recognise(line: Line) -> bool:
    return line.has_any("body_bytes_sent", "bytes_sent") and line.has_any(
        "request_completion", "request_time", "upstream_response_time", "upstream_header_time"
    )


SERVER = Server("nginx", "nginx access log", 1, _recognise, _SQL, late_chunks=1, cut="$request_completion is empty")
