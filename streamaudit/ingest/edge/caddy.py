"""Caddy: its JSON access log.

It has the exact bytes and the duration, and nothing that tells a client that left in mid-stream from one that stayed:
only a status of 0 or 499, of a response that had not begun.
"""

from streamaudit.ingest.edge.registry import Line, Server

_SQL = """
WITH read AS (
    SELECT
        record, json_extract_string(record, '$.request.uri') IS NOT NULL AS is_line,
        logged(json_extract_string(record, ['/request/headers/X-Request-Id/0', '/resp_headers/X-Request-Id/0',
            '/request_id'])) AS request_id,
        logged(json_extract_string(record, ['/resp_headers/X-Litellm-Call-Id/0',
            '/request/headers/X-Litellm-Call-Id/0', '/litellm_call_id'])) AS litellm_call_id,
        logged(json_extract_string(record, ['/uuid', '/own_id'])) AS own_id,
        logged(json_extract_string(record, ['/resp_headers/X-Generation-Id/0', '/resp_headers/X-Response-Id/0',
            '/resp_headers/X-Usage-Id/0', '/response_id'])) AS response_id,
        trace_of(logged(json_extract_string(record, ['/request/headers/Traceparent/0', '/traceparent', '/traceID'])))
            AS trace_id,
        logged(json_extract_string(record, ['/resp_headers/Content-Type/0'])) AS content_type,
        logged(json_extract_string(record, ['/resp_headers/Content-Encoding/0'])) AS encoding,
        try_cast(json_extract_string(record, '$.status') AS INTEGER) AS status,
        number_of(json_extract_string(record, '$.duration')) * 1000 AS whole_ms,
        tokens_of(json_extract_string(record, '$.size')) AS delivered_bytes,
        number_of(logged(json_extract_string(record, ['/ttfb_ms', '/upstream_latency_ms', '/latency_ms']))) AS ttfb_ms
    FROM lines
)
SELECT
    *, CASE WHEN status IN (0, 499) AND delivered_bytes = 0 THEN true END AS cancelled,
    CASE WHEN status IN (0, 499) AND delivered_bytes = 0 THEN whole_ms END AS cancelled_at_ms
FROM read
"""


def _recognise(line: Line) -> bool:
    record = line.record or {}
    return isinstance(record.get("request"), dict) and line.has("duration", "size", "status")


SERVER = Server("caddy", "Caddy access log", 1, _recognise, _SQL, late_chunks=3)
