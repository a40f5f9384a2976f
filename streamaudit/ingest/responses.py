"""Count a response once, whichever sources and exports have it."""

from streamaudit.store.store import Store

# One response exported by two sources is one bill: the source with the better usage keeps it, whichever came first. So
# is one in two exports of a source, of which one knows the call by the response and one by an id of its own, as
# LiteLLM's spend log and its payloads do. So are steps of one trace that began at one instant and have one answer and
# one output: a callback that was called twice (BerriAI/litellm 31172).
_SHARED_RESPONSES = """
CREATE OR REPLACE TEMP TABLE shared_responses AS
WITH alike AS MATERIALIZED (
    SELECT rowid AS call_row, response_id, usage_basis, output_tokens, uncounted_reason,
        struct_pack(source, is_own := coalesce(request_id, call_id) = response_id) AS export,
        trace_id, start_time, call_id
    FROM store.calls
    WHERE rowid IN (
        SELECT rowid FROM store.calls WHERE response_bits IN (SELECT bits_of(response_id) FROM touched_responses))
), written AS (
    SELECT
        *, trace_id IS NOT NULL AND start_time IS NOT NULL AND row_number() OVER (
            PARTITION BY response_id, export, trace_id, start_time, output_tokens ORDER BY call_id, call_row
        ) > 1 AS is_again
    FROM alike SEMI JOIN touched_responses USING (response_id)
    WHERE uncounted_reason IS DISTINCT FROM 'nested'
), seen AS (
    FROM written WHERE NOT is_again
), kept AS (
    -- An id that one export gives to several calls is a placeholder and identifies nothing.
    SELECT
        response_id,
        CASE WHEN count(*) = count(DISTINCT export) THEN count(DISTINCT export) ELSE 1 END AS exports,
        first(export ORDER BY
            usage_rank(usage_basis) DESC,
            output_tokens DESC NULLS LAST, export
        ) AS export
    FROM seen GROUP BY response_id
)
SELECT seen.call_row, kept.exports = 1 OR seen.export = kept.export AS counted
FROM seen JOIN kept USING (response_id)
UNION ALL
SELECT call_row, false FROM written WHERE is_again
"""

_COUNT_ONCE = """
UPDATE store.calls AS calls
SET counted = shared.counted, uncounted_reason = CASE WHEN NOT shared.counted THEN 'same_response' END
FROM shared_responses AS shared
WHERE calls.rowid = shared.call_row AND calls.counted <> shared.counted
"""


# The responses of the file, of its traces, and of versions of calls that it put out of the store.
_TOUCHED_RESPONSES = """
CREATE OR REPLACE TEMP TABLE touched_responses AS
SELECT response_id FROM scratch.staged WHERE response_id IS NOT NULL AND reason IS NULL
UNION
SELECT response_id FROM trace_steps WHERE response_id IS NOT NULL
UNION
SELECT response_id FROM removed_calls WHERE response_id IS NOT NULL
"""


def touch_responses(store: Store) -> None:
    """Note which responses a file concerns, in ``touched_responses``."""
    store.run(_TOUCHED_RESPONSES)


def recompute_responses(store: Store) -> None:
    """Count each response in ``touched_responses`` once, whichever sources have it."""
    if store.one("SELECT EXISTS (FROM touched_responses)")[0]:
        store.run(_SHARED_RESPONSES)
        store.run(_COUNT_ONCE)
