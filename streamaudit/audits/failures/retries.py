"""Retries that are billed twice: the provider finished an attempt that its client had given up and sent again.

Certain: the attempts share a request id or carry attempt numbers. Probable: the same tenant, model and input return
within two minutes of the END of a failed attempt, because slow failures are the ones that get retried. An exact repeat
after a normal end (a regenerate button, a fan-out, an evaluation) is counted and never priced. Attempts with the same
response, as an idempotency key gives, and repeats that cost nothing are one bill.
"""

from streamaudit.audits.failures.base import Kind, Threshold

NAME = "retries"
FINDS = "one request billed several times"
NEEDS = (
    "a request id shared by the attempts (logical_request_id) or the hash of the input, with tenant, start and end of"
    " each call, and its usage; to get them, log the request's id once for all of its attempts, or a hash of the "
    "prompt"
)
BY = ("route", "provider")
THRESHOLDS = (
    Threshold("within_s", 120, "seconds after the end of a failed attempt within which the same input is a retry",
        "retries came 1, 2 and 4 s after failures of 60 s: Comfy-Org/ComfyUI#16204; the rest is for queues"),
    Threshold("repeat_within_s", 600, "seconds within which the same input after a normal end is a repeat"),
    Threshold("least_affected", 2, "fewest retries of a group for a finding"),
)
KINDS = {
    "retry_billed": Kind("critical",
        "{affected_calls:n} attempts were billed and their request sent again ({certain:n} certain by request id, "
        "{probable:n} probable by equal input, {finished:n} finished upstream, {unfinished:n} did not, {unclear:n} "
        "unknown); a repeat followed {gap_p50_ms:ms} (median) after the failure, attempts ended after "
        "{limit_p50_ms:ms}.",
        "Send an idempotency key, raise the client's time-out above the slowest answers, and abort the first "
        "attempt upstream before sending the next."),
    "double_send": Kind("critical",
        "{affected_calls:n} requests were sent again while the first attempt still ran, {gap_p50_ms:ms} after its "
        "start (median), and both got a response.",
        "Cancel the running attempt before the next is sent, and debounce the button or queue that sends."),
    "double_tool": Kind("warning",
        "{affected_calls:n} tool calls were repeated in their trace after the first one failed or timed out.",
        "Make tools idempotent: give each call a key and let the tool return the first result."),
    "repeat": Kind("info",
        "{affected_calls:n} calls repeat an input that had been answered normally, within {repeat_within_s:s}; "
        "regenerated, fanned out or evaluated, they are no retries and nothing is priced.",
        "Cache answers to equal inputs where a repeat should not cost."),
}  # fmt: skip
PREPARE = ("""
CREATE OR REPLACE TEMP TABLE retries_keys AS
-- over scope
-- Most calls are the only one of their request or input. A collision of hashes only looks at one more of them.
SELECT key
FROM (
    SELECT
        CASE WHEN logical_request_id IS NOT NULL THEN hash(source, logical_request_id) ELSE hash(input_hash) END AS key
    FROM scope
    WHERE start_time IS NOT NULL AND cache_hit IS DISTINCT FROM true
        AND (logical_request_id IS NOT NULL OR input_hash IS NOT NULL)
)
GROUP BY key HAVING count(*) > 1
""", """
CREATE OR REPLACE TEMP TABLE retries_examined AS
-- over scope
SELECT by_1, by_2, by_3, by_4, count(*) AS calls
FROM scope
WHERE start_time IS NOT NULL AND cache_hit IS DISTINCT FROM true
    AND (logical_request_id IS NOT NULL OR input_hash IS NOT NULL)
GROUP BY ALL
""", """
CREATE OR REPLACE TEMP TABLE retries_pairs AS
-- over scope
, candidates AS (
    SELECT
        by_1, by_2, by_3, by_4, source, call_id, tenant, model, input_hash, logical_request_id, attempt_number,
        response_id, start_time, outcome, finish_reason, cost_usd, billed_tokens, output_tokens, upstream_end_ms,
        upstream_cancelled, duration_ms,
        start_time + to_microseconds((coalesce(duration_ms, 0) * 1000)::BIGINT) AS ended,
        CASE WHEN logical_request_id IS NOT NULL THEN 'certain' ELSE 'probable' END AS proof,
        CASE WHEN logical_request_id IS NOT NULL THEN hash(source, logical_request_id) ELSE hash(input_hash) END AS key
    FROM scope
    WHERE start_time IS NOT NULL AND cache_hit IS DISTINCT FROM true
        AND (logical_request_id IS NOT NULL OR input_hash IS NOT NULL)
), attempts AS (
    SELECT *, {'call_id': call_id, 'start_time': start_time, 'response_id': response_id,
        'was_free': outcome = 'completed' AND coalesce(billed_tokens = 0, cost_usd = 0, false)} AS attempt
    FROM candidates SEMI JOIN retries_keys USING (key)
), followed AS (
    SELECT *,
        lead(attempt) OVER (PARTITION BY source, logical_request_id ORDER BY start_time, attempt_number, call_id)
            AS next
    FROM attempts WHERE proof = 'certain'
    UNION ALL BY NAME
    SELECT *,
        lead(attempt) OVER (PARTITION BY tenant, model, input_hash ORDER BY start_time, call_id) AS next
    FROM attempts WHERE proof = 'probable'
)
SELECT
    * EXCLUDE (next, attempt, key),
    next.call_id AS next_id,
    epoch_us(next.start_time) / 1000.0 - epoch_us(start_time) / 1000.0 AS after_start_ms,
    epoch_us(next.start_time) / 1000.0 - epoch_us(ended) / 1000.0 AS after_end_ms,
    outcome IN ('error', 'timeout', 'interrupted') AS failed,
    -- The provider ran to its end: it gave a finish reason, or went on after the client had gone.
    CASE WHEN finish_reason IS NOT NULL AND outcome IN ('timeout', 'interrupted', 'error')
            OR upstream_end_ms > duration_ms OR upstream_cancelled = false THEN true
        WHEN upstream_cancelled THEN false END AS finished_upstream,
    coalesce(billed_tokens > 0, cost_usd > 0, output_tokens > 0, false) AS billed,
    CASE
        WHEN duration_ms > 0 AND next.start_time < ended AND response_id IS NOT NULL AND next.response_id IS NOT NULL
            AND response_id <> next.response_id AND (proof = 'certain' OR failed) THEN 'double_send'
        WHEN failed AND next.start_time >= ended
            AND next.response_id IS DISTINCT FROM coalesce(response_id, '') AND NOT next.was_free
            AND (proof = 'certain' OR next.start_time <= ended + to_seconds($within_s)) THEN 'retry_billed'
        WHEN outcome = 'completed' AND proof = 'probable'
            AND next.start_time <= ended + to_seconds($repeat_within_s) THEN 'repeat'
    END AS finding
FROM followed
""", """
CREATE OR REPLACE TEMP TABLE retries_tools AS
-- over scope
SELECT
    traces.*, tools.status = 'error' AND lead(tools.name) OVER (
        PARTITION BY tools.source, tools.trace_id, tools.name ORDER BY tools.start_time, tools.span_id) IS NOT NULL
        AS again
FROM store.spans AS tools
JOIN (
    SELECT by_1, by_2, by_3, by_4, source, trace_id, min(call_id) AS call_id
    FROM scope SEMI JOIN (FROM store.spans WHERE kind = 'tool') AS tools USING (source, trace_id)
    GROUP BY ALL
) AS traces USING (source, trace_id)
WHERE tools.kind = 'tool' AND tools.name IS NOT NULL
""")
EXAMINED = """
SELECT
    (SELECT coalesce(sum(calls), 0)::BIGINT FROM retries_examined) + (SELECT count(*) FROM retries_tools), count(*)
FROM scope
"""
QUERY = """
, pairs AS (
    -- What was not billed cost nothing twice; a repeat is counted whatever it cost.
    SELECT * FROM retries_pairs WHERE finding = 'repeat' OR (finding IS NOT NULL AND billed)
)
SELECT
    examined.by_1, examined.by_2, examined.by_3, examined.by_4, finding, calls, count(*) AS affected_calls,
    sum(billed_tokens) FILTER (finding <> 'repeat')::BIGINT AS tokens_at_stake,
    exact_sum(CASE WHEN finding <> 'repeat' THEN cost_usd END) AS usd_at_stake,
    list(call_id ORDER BY cost_usd DESC NULLS LAST, call_id)[1:3] AS examples,
    count(*) FILTER (proof = 'certain') AS certain, count(*) FILTER (proof = 'probable') AS probable,
    count(*) FILTER (finished_upstream) AS finished, count(*) FILTER (NOT finished_upstream) AS unfinished,
    count(*) FILTER (finished_upstream IS NULL) AS unclear,
    median(CASE WHEN finding = 'double_send' THEN after_start_ms ELSE after_end_ms END) AS gap_p50_ms,
    median(duration_ms) AS limit_p50_ms
FROM pairs JOIN retries_examined AS examined ON pairs.by_1 IS NOT DISTINCT FROM examined.by_1
    AND pairs.by_2 IS NOT DISTINCT FROM examined.by_2 AND pairs.by_3 IS NOT DISTINCT FROM examined.by_3
    AND pairs.by_4 IS NOT DISTINCT FROM examined.by_4
GROUP BY ALL
HAVING count(*) >= $least_affected
UNION ALL BY NAME
-- The same tool again in one trace, after the first of them failed.
SELECT
    by_1, by_2, by_3, by_4, 'double_tool' AS finding, count(*) AS calls, count(*) FILTER (again) AS affected_calls,
    NULL::BIGINT AS tokens_at_stake, NULL::DOUBLE AS usd_at_stake,
    list(DISTINCT call_id ORDER BY call_id) FILTER (again)[1:3] AS examples
FROM retries_tools
GROUP BY ALL
HAVING count(*) FILTER (again) >= $least_affected
"""
