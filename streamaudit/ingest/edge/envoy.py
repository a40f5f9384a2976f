"""Envoy, Istio and what is built on them: a ``json_format``, or the default text, which carries the request's id.

The flag DC (or DR, for a stream that HTTP/2 reset) or the detail ``downstream_remote_disconnect`` says that the client
left. ``%BYTES_SENT%`` is the body alone.
"""

import re

from streamaudit.ingest.edge._common import IDS, RESPONSE
from streamaudit.ingest.edge.registry import Line, Server

# Istio writes three more fields between the flags and the bytes.
_TEXT = (
    r'^\[(\d{4}-[^\]]+)\] "([^"]*)" (\d+) (\S+)(?: (\S+) (\S+) "([^"]*)")? (\d+) (\d+) (\d+) (\S+) "([^"]*)" "([^"]*)"'
    r' "([^"]*)"'
)
_SQL = f"""
WITH parsed AS (
    SELECT
        record, {IDS}, {RESPONSE},
        CASE WHEN record IS NULL THEN regexp_extract(text, '{_TEXT}', ['start', 'request', 'status', 'flags', 'details',
            'termination', 'failure', 'received', 'sent', 'duration', 'service', 'forwarded', 'agent', 'id'])
            END AS parts,
        json_extract_string(record, ['/flags', '/response_flags', '/RESPONSE_FLAGS']) AS flag_fields
    FROM lines
), read AS (
    SELECT
        * REPLACE (coalesce(request_id, logged([parts.id])) AS request_id),
        coalesce(list_filter(flag_fields, lambda v: v IS NOT NULL)[1], nullif(parts.flags, '')) AS flags,
        coalesce(logged(json_extract_string(record, ['/details', '/response_code_details'])), parts.details) AS details,
        try_cast(coalesce(logged(json_extract_string(record, ['/code', '/response_code', '/status'])), parts.status)
            AS INTEGER) AS status,
        number_of(coalesce(logged(json_extract_string(record, ['/duration', '/duration_ms'])), parts.duration))
            AS whole_ms,
        tokens_of(coalesce(logged(json_extract_string(record, ['/bytes_sent'])), parts.sent)) AS delivered_bytes,
        number_of(coalesce(logged(json_extract_string(record, ['/ds_tx_beg', '/ttfb_ms', '/response_duration',
            '/us_rx_beg', '/upstream_service_time', '/x_envoy_upstream_service_time'])), logged([parts.service])))
            AS ttfb_ms,
        number_of(logged(json_extract_string(record, ['/us_rx_end', '/upstream_end_ms']))) AS upstream_ms
    FROM parsed
), judged AS (
    SELECT
        *,
        CASE
            WHEN regexp_matches(flags, '(^|,)(DC|DR)(,|$)') OR details = 'downstream_remote_disconnect' THEN true
            WHEN flags IS NOT NULL THEN false
        END AS cancelled
    FROM read
)
SELECT
    *, whole_ms IS NOT NULL OR delivered_bytes IS NOT NULL AS is_line,
    CASE WHEN cancelled THEN whole_ms END AS cancelled_at_ms,
    CASE WHEN cancelled THEN NULL ELSE upstream_ms END AS upstream_end_ms,
    CASE WHEN cancelled THEN whole_ms END AS upstream_held_ms
FROM judged
"""  # noqa: S608 - constants of this package


def _recognise(line: Line) -> bool:
    if line.record is None:
        return re.match(_TEXT, line.text) is not None
    return line.has_any("flags", "response_flags", "RESPONSE_FLAGS") and line.has_any("bytes_sent", "duration")


SERVER = Server("envoy", "Envoy access log", 1, _recognise, _SQL, late_chunks=0, cut="the response flag DC")
