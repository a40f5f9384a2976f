"""Voice turns over budget: endpointing, speech to text, the model's first token and speech, summed turn by turn.

A turn is a trace; its stages are steps of the kinds ``endpointing``, ``stt`` and ``tts`` and the time to first token of
its calls. Stages are summed per turn before percentiles are taken: the 95th percentile of a sum is not the sum of 95th
percentiles. A stage of length 0, or one that always takes exactly the same time, is a setting and not a measurement: it
is unknown.
"""

from streamaudit.audits.failures.base import Kind, Threshold

NAME = "voice"
FINDS = "voice turns that take longer than a conversation bears, and their slowest stage"
NEEDS = "traces whose steps have the kinds stt, tts and endpointing (LiveKit, Pipecat, or raw lines), with their times"
BY = ("route",)
THRESHOLDS = (
    Threshold("budget_ms", 800, "turn that still feels natural, at the 95th percentile"),
    Threshold("network_ms", 0, "network time of a turn that no step records"),
    Threshold("least_turns", 20, "turns of a group below which there is no 95th percentile"),
    Threshold("fixed_turns", 5, "turns with the very same stage time from which it is a setting"),
)
KINDS = {
    "turn_over_budget": Kind("warning",
        "{affected_calls:n} of {calls:n} turns ({affected_share:pct}) took longer than {budget:ms}; p50 "
        "{turn_p50_ms:ms}, p95 {turn_p95_ms:ms}. The slowest stage is {worst} with {worst_p50_ms:ms} (median).",
        "Shorten the slowest stage first: a faster endpointing model, a smaller language model for the first "
        "sentence, speech that starts with the first clause."),
}  # fmt: skip
PREPARE = ("""
CREATE OR REPLACE TEMP TABLE voice_turns AS
-- over scope
, calls AS (
    SELECT by_1, by_2, by_3, by_4, source, trace_id, min(call_id) AS call_id, arg_min(ttft_ms, start_time) AS llm_ms
    FROM scope WHERE trace_id IS NOT NULL AND ttft_status = 'usable'
    GROUP BY ALL
), stages AS (
    SELECT source, trace_id, kind, sum(epoch_us(end_time - start_time)) / 1000.0 AS took_ms
    FROM store.spans WHERE kind IN ('stt', 'tts', 'endpointing') AND end_time >= start_time
    GROUP BY ALL
), measured AS (
    -- A stage that always takes the very same time is a configured one.
    SELECT *, CASE WHEN took_ms > 0 AND count(*) OVER (PARTITION BY source, kind, took_ms) < $fixed_turns
        THEN took_ms END AS known_ms
    FROM stages
)
SELECT
    by_1, by_2, by_3, by_4, any_value(calls.call_id) AS call_id, any_value(llm_ms) AS llm_ms,
    max(known_ms) FILTER (kind = 'stt') AS stt_ms, max(known_ms) FILTER (kind = 'tts') AS tts_ms,
    max(known_ms) FILTER (kind = 'endpointing') AS endpointing_ms,
    any_value(llm_ms) + coalesce(sum(known_ms), 0) + $network_ms AS turn_ms
FROM calls JOIN measured ON measured.source = calls.source AND measured.trace_id = calls.trace_id
GROUP BY by_1, by_2, by_3, by_4, calls.source, calls.trace_id
HAVING count(known_ms) > 0
""",)
EXAMINED = """
SELECT (SELECT count(*) FROM voice_turns), count(DISTINCT trace_id) FROM scope
"""
QUERY = """
, groups AS (
    SELECT
        by_1, by_2, by_3, by_4, count(*) AS calls, count(*) FILTER (turn_ms > $budget_ms) AS affected_calls,
        list(call_id ORDER BY turn_ms DESC, call_id)[1:3] AS examples, median(turn_ms) AS turn_p50_ms,
        from_enough(percentile_cont(0.95) WITHIN GROUP (ORDER BY turn_ms), 'p95', count(*)) AS turn_p95_ms,
        [
            {'stage': 'endpointing', 'took': median(endpointing_ms)},
            {'stage': 'speech to text', 'took': median(stt_ms)},
            {'stage': 'the model''s first token', 'took': median(llm_ms)}, {'stage': 'speech', 'took': median(tts_ms)}
        ] AS stages
    FROM voice_turns GROUP BY ALL
)
SELECT
    by_1, by_2, by_3, by_4, 'turn_over_budget' AS finding, calls, affected_calls, NULL::BIGINT AS tokens_at_stake,
    NULL::DOUBLE AS usd_at_stake, examples, turn_p50_ms, turn_p95_ms, $budget_ms AS budget,
    list_reduce(list_filter(stages, lambda s: s.took IS NOT NULL), lambda a, b: CASE WHEN b.took > a.took THEN b ELSE a
        END) AS slowest, slowest.stage AS worst, slowest.took AS worst_p50_ms
FROM groups
WHERE calls >= $least_turns AND turn_p95_ms > $budget_ms
"""
