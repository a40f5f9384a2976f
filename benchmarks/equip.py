"""Give the calls of a store what the audits of streaming failures read: ``equip.py DB``.

Sessions of some eight calls, hashes of inputs of which some repeat, cached input, transports, when cut calls ended
upstream, chunk times of 5 % of the calls (a chunk every four tokens) and two steps around each tenth call.
"""

import sys
from pathlib import Path

import duckdb

from streamaudit.store.store import Store
from streamaudit.store.views.keep import keep_taxes

_EQUIP = """
CREATE TABLE equipped AS
SELECT * REPLACE (
    user_id || '-' || strftime(start_time, '%j') AS session_id,
    CASE WHEN hash(call_id) % 50 = 0 THEN to_base64(user_id::BLOB) ELSE hash(call_id)::VARCHAR END AS input_hash,
    CASE WHEN hash(call_id, 1) % 10 < 7 THEN (input_tokens * 0.6)::BIGINT END AS cached_input_tokens,
    CASE WHEN hash(call_id, 2) % 5 = 0 THEN 'websocket' ELSE 'sse' END AS transport,
    CASE WHEN outcome = 'cancelled' THEN duration_ms * 0.8 END AS cancelled_at_ms,
    CASE WHEN outcome = 'cancelled' THEN duration_ms + hash(call_id, 3) % 3 * 1000 END AS upstream_end_ms,
    coalesce(delivered_tokens, CASE WHEN hash(call_id, 4) % 3 = 0 THEN output_tokens END) AS delivered_tokens,
    CASE WHEN hash(call_id) % 20 = 0 AND outcome <> 'error' THEN list_transform(
        generate_series(0, coalesce(output_tokens, 400) // 4),
        lambda i: ttft_ms + i * (duration_ms - ttft_ms) / (coalesce(output_tokens, 400) // 4 + 1)) END
        AS chunk_offsets_ms
) FROM calls
"""
_STEPS = """
INSERT INTO spans BY NAME
SELECT
    source, call_id || '-' || step AS span_id, trace_id, call_id AS parent_id, load_id,
    CASE step WHEN 1 THEN 'search' ELSE 'fetch' END AS name, 'tool' AS kind,
    CASE WHEN hash(call_id) % 40 = 0 THEN 'error' ELSE 'ok' END AS status,
    start_time + to_milliseconds((duration_ms + 200 * step)::BIGINT) AS start_time,
    start_time + to_milliseconds((duration_ms + 200 * step + 100)::BIGINT) AS end_time,
    hash(call_id, step) AS record_hash
FROM calls, (SELECT unnest([1, 2]) AS step)
WHERE hash(call_id) % 10 = 0 AND start_time IS NOT NULL
"""


def main(store: str) -> None:
    """Replace the table of calls, and add steps."""
    with duckdb.connect(store) as connection:
        connection.execute(_EQUIP)
        connection.execute("DROP TABLE calls")
        connection.execute("ALTER TABLE equipped RENAME TO calls")
        connection.execute(_STEPS)
    with Store.open(Path(store), write=True) as opened:
        with opened.transaction():  # the taxes kept are those of the calls as they were
            pass
        keep_taxes(opened)


if __name__ == "__main__":
    main(sys.argv[1])
