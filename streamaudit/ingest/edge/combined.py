"""The combined format of nginx and Apache, as far as a line carries an id: the two look alike.

It has the bytes of the body, whether with framing (nginx) or without (Apache). Of fields that were added after the user
agent the id is read (a UUID, 32 hexadecimal digits, ``request_id=`` or a ``traceparent``), ``rt=`` or
``request_time=`` and ``urt=`` in seconds. A 499, which only nginx writes, is a client that left before the response
began; of one that left in mid-stream nothing tells.
"""

import re

from streamaudit.ingest.edge.registry import Line, Server

_TEXT = (
    r'^(\S+) (\S+) (\S+) \[([^\]]+)\] "((?:[^"\\]|\\.)*)" (\d+) (\d+|-) "((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)"(.*)$'
)
_ID = r"(?:^|[ \"=])([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{32})(?:$|[ \"])"
_SQL = f"""
WITH parsed AS (
    SELECT regexp_extract(text, '{_TEXT}', ['address', 'identity', 'account', 'time', 'request', 'status', 'bytes',
        'referer', 'agent', 'rest']) AS parts
    FROM lines
), read AS (
    SELECT
        parts.status <> '' AS is_line, parts.rest AS rest, try_cast(parts.status AS INTEGER) AS status,
        CASE WHEN parts.bytes = '-' THEN 0 ELSE tokens_of(parts.bytes) END AS delivered_bytes
    FROM parsed
), found AS (
    SELECT
        *,
        coalesce(
            logged([regexp_extract(rest, '(?:request_id|req_id|rid)="?([^" ]+)', 1)]),
            logged([regexp_extract(lower(rest), '{_ID}', 1)])
        ) AS request_id,
        trace_of(regexp_extract(rest, '[ "=](00-[0-9a-fA-F]{{32}}-[0-9a-fA-F]{{16}}-[0-9a-fA-F]{{2}})', 1)) AS trace_id,
        number_of(nullif(regexp_extract(rest, '(?:^|[ "])(?:rt|request_time)="?([0-9.]+)', 1), '')) * 1000 AS whole_ms
    FROM read
)
SELECT
    *, CASE WHEN status = 499 THEN true END AS cancelled, CASE WHEN status = 499 THEN whole_ms END AS cancelled_at_ms
FROM found
"""  # noqa: S608 - constants of this package


def _recognise(line: Line) -> bool:
    return line.record is None and re.match(_TEXT, line.text) is not None


SERVER = Server("combined", "access log in the combined format", 1, _recognise, _SQL, late_chunks=2)
