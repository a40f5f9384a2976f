"""Apache httpd: a ``LogFormat`` that writes JSON, with the state of the connection.

``%X`` is X where the client left, + or - where the response was complete. ``%B`` is the body without framing, ``%D``
the time in microseconds, ``%^FB`` that of the first byte, a dash without ``LogIOTrackTTFB on``.
"""

from streamaudit.ingest.edge._common import IDS, RESPONSE
from streamaudit.ingest.edge.registry import Line, Server

_SQL = f"""
WITH read AS (
    SELECT
        record, {IDS}, {RESPONSE},
        list_filter(json_extract_string(record, ['/conn', '/connection', '/connection_status', '/X']),
            lambda v: v IN ('X', '+', '-'))[1] AS connection,
        try_cast(logged(json_extract_string(record, ['/status'])) AS INTEGER) AS status,
        number_of(logged(json_extract_string(record, ['/dur_us', '/duration_us', '/request_time_us', '/D']))) / 1000
            AS whole_ms,
        number_of(logged(json_extract_string(record, ['/ttfb_us', '/first_byte_us']))) / 1000 AS ttfb_ms,
        tokens_of(logged(json_extract_string(record, ['/body', '/body_bytes', '/bytes', '/B', '/out', '/bytes_sent'])))
            AS delivered_bytes
    FROM lines
)
SELECT
    *, connection IS NOT NULL AS is_line, connection = 'X' AS cancelled,
    CASE WHEN connection = 'X' THEN whole_ms END AS cancelled_at_ms,
    CASE WHEN connection <> 'X' THEN whole_ms END AS upstream_end_ms,
    CASE WHEN connection = 'X' THEN whole_ms END AS upstream_held_ms
FROM read
"""  # noqa: S608 - constants of this package


def _recognise(line: Line) -> bool:
    record = line.record or {}
    states = (record.get(name) for name in ("conn", "connection", "connection_status", "X"))
    return any(state in ("X", "+", "-") for state in states) and line.has_any(
        "dur_us", "duration_us", "request_time_us", "D"
    )


SERVER = Server("apache", "Apache access log", 1, _recognise, _SQL, late_chunks=2, cut="%X is X")
