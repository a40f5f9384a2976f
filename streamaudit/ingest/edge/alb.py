"""AWS Application Load Balancer, by its documented fields; not tested against a live one.

A status of 460 is that of a client that left before the response began. Whether a stream that had begun was cut the log
does not tell. ``sent_bytes`` includes headers.
"""

import re

from streamaudit.ingest.edge.registry import Line, Server

# type time elb client target request_s target_s response_s elb_status target_status received sent "request" "agent"
# cipher protocol target_group "trace" ...
_TEXT = (
    r'^(https?|h2|wss?|grpcs?) (\S+) (\S+) (\S+) (\S+) (-?[\d.]+) (-?[\d.]+) (-?[\d.]+) (\d+|-) (\d+|-) (\d+) (\d+) '
    r'"([^"]*)" "((?:[^"\\]|\\.)*)" (\S+) (\S+) (\S+) "([^"]*)"'
)
_SQL = f"""
WITH parsed AS (
    SELECT regexp_extract(text, '{_TEXT}', ['kind', 'time', 'balancer', 'client', 'target', 'asking', 'waiting',
        'answering', 'status', 'target_status', 'received', 'sent', 'request', 'agent', 'cipher', 'protocol', 'targets',
        'trace']) AS parts
    FROM lines
), read AS (
    SELECT
        parts.kind <> '' AS is_line, logged([parts.trace]) AS own_id, trace_of(parts.trace) AS trace_id,
        try_cast(nullif(parts.status, '-') AS INTEGER) AS status, tokens_of(parts.sent) AS delivered_bytes,
        number_of(parts.asking) AS asking, number_of(parts.waiting) AS waiting, number_of(parts.answering) AS answering
    FROM parsed
)
SELECT
    * REPLACE (CASE WHEN status = 460 THEN 0 ELSE delivered_bytes END AS delivered_bytes),
    CASE WHEN status = 460 THEN true END AS cancelled,
    -- A step that was not reached is -1.
    CASE WHEN waiting >= 0 AND asking >= 0 THEN (asking + waiting) * 1000 END AS ttfb_ms
FROM read
"""  # noqa: S608 - constants of this package


def _recognise(line: Line) -> bool:
    return line.record is None and re.match(_TEXT, line.text) is not None


SERVER = Server("alb", "AWS Application Load Balancer log", 1, _recognise, _SQL)
