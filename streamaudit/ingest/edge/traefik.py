"""Traefik: its JSON access log.

It has the exact bytes of the body and the duration, and nothing that tells a client that left in mid-stream from one
that stayed: only a 499, of a response that had not begun. Names of headers are kept as the configuration lets them
through: ``request_X-Request-Id``, ``downstream_Content-Type``, ``origin_X-Litellm-Call-Id``.
"""

from streamaudit.ingest.edge.registry import Line, Server

_SQL = """
WITH read AS (
    SELECT
        record, json_extract_string(record, '$.DownstreamStatus') IS NOT NULL AS is_line,
        logged(json_extract_string(record, ['/request_X-Request-Id', '/downstream_X-Request-Id',
            '/origin_X-Request-Id'])) AS request_id,
        logged(json_extract_string(record, ['/downstream_X-Litellm-Call-Id', '/origin_X-Litellm-Call-Id',
            '/request_X-Litellm-Call-Id'])) AS litellm_call_id,
        logged(json_extract_string(record, ['/downstream_X-Generation-Id', '/origin_X-Generation-Id',
            '/downstream_X-Response-Id', '/origin_X-Response-Id'])) AS response_id,
        trace_of(logged(json_extract_string(record, ['/request_Traceparent', '/TraceId']))) AS trace_id,
        logged(json_extract_string(record, ['/downstream_Content-Type', '/origin_Content-Type'])) AS content_type,
        logged(json_extract_string(record, ['/downstream_Content-Encoding', '/origin_Content-Encoding']))
            AS encoding,
        try_cast(json_extract_string(record, '$.DownstreamStatus') AS INTEGER) AS status,
        -- Nanoseconds.
        number_of(json_extract_string(record, '$.Duration')) / 1e6 AS whole_ms,
        tokens_of(json_extract_string(record, '$.DownstreamContentSize')) AS delivered_bytes,
        tokens_of(json_extract_string(record, '$.RetryAttempts')) + 1 AS attempts
    FROM lines
)
SELECT
    -- A 499 has a text of its own, which nobody reads.
    * REPLACE (CASE WHEN status IN (0, 499) THEN 0 ELSE delivered_bytes END AS delivered_bytes),
    CASE WHEN status IN (0, 499) THEN true END AS cancelled,
    CASE WHEN status IN (0, 499) THEN whole_ms END AS cancelled_at_ms
FROM read
"""


def _recognise(line: Line) -> bool:
    return line.has("DownstreamStatus", "Duration")


SERVER = Server("traefik", "Traefik access log", 1, _recognise, _SQL)
