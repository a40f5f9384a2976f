"""HAProxy: a JSON ``log-format``, or the text of ``option httplog``, with the prefix of syslog or without.

The first letter of the termination state is C where the client left; the second says whether data flowed (D) or the
response had not begun. ``%B`` counts headers too, and the log is written when a write has failed, so that up to eight
events are counted that no client read. A time or count with a plus sign is one of ``option logasap``: not final.
"""

import re

from streamaudit.ingest.edge._common import IDS, RESPONSE
from streamaudit.ingest.edge.registry import Line, Server

# frontend backend/server TR/Tw/Tc/Tr/Ta status bytes cookies state connections queues {captures} {captures} "request"
_TEXT = (
    r'\] (\S+) (\S+)/(\S+) (-?\d+)/(-?\d+)/(-?\d+)/(-?\d+)/(\+?-?\d+) (-?\d+) (\+?\d+) \S+ \S+ ([A-Za-z-]{4}) \S+ \S+ '
    r'(?:\{([^}]*)\} )?(?:\{([^}]*)\} )?"([^"]*)"(?: (\S+))?'
)
_STATE = re.compile(r"[A-Za-z-]{2,4}")
_SQL = f"""
WITH parsed AS (
    SELECT
        record, {IDS}, {RESPONSE},
        CASE WHEN record IS NULL THEN regexp_extract(text, '{_TEXT}', ['frontend', 'backend', 'server', 'receive',
            'queue', 'connect', 'response', 'active', 'status', 'bytes', 'state', 'asked', 'answered', 'request', 'id'])
            END AS parts
    FROM lines
), read AS (
    SELECT
        *,
        string_split(coalesce(parts.asked, ''), '|')[1] AS captured,
        coalesce(list_filter(json_extract_string(record, ['/term', '/termination_state', '/tsc', '/ts', '/state']),
            lambda v: regexp_full_match(v, '[A-Za-z-]{{2,4}}'))[1], nullif(parts.state, '')) AS state,
        coalesce(logged(json_extract_string(record, ['/Ta', '/Tt', '/total_ms', '/duration_ms'])),
            nullif(parts.active, '')) AS active,
        coalesce(logged(json_extract_string(record, ['/bytes_to_client', '/bytes_read', '/bytes', '/B'])),
            nullif(parts.bytes, '')) AS sent,
        list_transform([
            coalesce(json_extract_string(record, '/TR'), parts.receive),
            coalesce(json_extract_string(record, '/Tw'), parts.queue),
            coalesce(json_extract_string(record, '/Tc'), parts.connect),
            coalesce(json_extract_string(record, '/Tr'), parts.response)
        ], lambda v: number_of(v)) AS steps,
        try_cast(coalesce(logged(json_extract_string(record, ['/status', '/ST'])), nullif(parts.status, '')) AS INTEGER)
            AS logged_status
    FROM parsed
), judged AS (
    SELECT
        * REPLACE (
            coalesce(request_id, logged([captured])) AS request_id, coalesce(own_id, logged([parts.id])) AS own_id
        ),
        CASE WHEN starts_with(state, 'C') THEN true WHEN state <> '' THEN false END AS cancelled,
        CASE WHEN NOT starts_with(active, '+') THEN number_of(active) END AS whole_ms,
        CASE WHEN logged_status >= 100 THEN logged_status END AS status,
        -- A step that was not reached is -1; the time to queue or connect may not be logged.
        CASE WHEN steps[4] >= 0 THEN steps[4] + list_sum(list_filter(steps[:3], lambda v: v > 0)) END AS until_header
    FROM read
)
SELECT
    *, state IS NOT NULL AS is_line,
    CASE WHEN steps[4] >= 0 THEN coalesce(until_header, steps[4]) END AS ttfb_ms,
    CASE WHEN cancelled THEN whole_ms END AS cancelled_at_ms,
    CASE WHEN NOT cancelled THEN whole_ms END AS upstream_end_ms,
    CASE WHEN cancelled THEN whole_ms END AS upstream_held_ms,
    CASE WHEN cancelled AND state[2] IN ('H', 'R', 'C', 'Q') THEN 0
        WHEN NOT starts_with(sent, '+') THEN tokens_of(sent) END AS delivered_bytes
FROM judged
"""  # noqa: S608 - constants of this package


def _recognise(line: Line) -> bool:
    if line.record is None:
        return re.search(_TEXT, line.text) is not None
    record = line.record
    has_state = any(
        isinstance(record.get(name), str) and _STATE.fullmatch(record[name])
        for name in ("term", "termination_state", "tsc", "ts", "state")
    )
    return has_state and line.has_any("Ta", "Tt", "Tr", "total_ms")


SERVER = Server(
    "haproxy", "HAProxy log", 1, _recognise, _SQL, late_chunks=8, cut="the first letter of %ts is C"
)  # fmt: skip
