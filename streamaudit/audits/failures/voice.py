"""Voice turns over budget: endpointing, speech to text, the model's first token and speech, summed turn by turn.

A turn begins when the user stops speaking and ends when the answer is first heard. In Pipecat's traces it is the step
``turn``, in LiveKit's the ``user_turn`` and the first ``agent_turn`` after it that speaks; elsewhere it is the trace.
A wait that the framework measured takes precedence. Otherwise the first of each stage is summed before percentiles are
taken: the 95th percentile of a sum is not the sum of 95th percentiles. LiveKit's end-of-turn delay includes the
transcript's delay and the endpointing, so these are not added to it. A stage of 0, or an endpointing delay that never
varies, is a gap in the record or a setting, not a measurement: it is unknown, and a sum without it is a lower bound,
which may exceed the budget and never proves that a turn kept it.
"""

from streamaudit.audits.failures.base import Kind, Threshold

NAME = "voice"
FINDS = "voice turns that take longer than a conversation tolerates, and their slowest stage"
NEEDS = (
    "traces of LiveKit Agents or Pipecat (OpenTelemetry, or a Langfuse export with metadata.attributes), or raw lines "
    "of kind stt, tts and endpointing with trace_id and ttft_ms or duration_ms, next to the calls of the same trace_id;"
    " to get them, switch on the framework's OpenTelemetry traces, or log a line for each stage"
)
BY = ("route",)
_USED = "targets in use for voice agents: good up to 300, natural 800, strained 1500 ms"
THRESHOLDS = (
    Threshold("budget_ms", 300, "turn that no user notices, at the 95th percentile", _USED),
    Threshold("network_ms", 0, "network time of a turn that no step records"),
    Threshold("least_turns", 20, "turns of a group below which there is no 95th percentile"),
    Threshold("fixed_turns", 5, "turns with the very same shortest or longest endpointing from which it is a setting"),
)
KINDS = {
    "turn_over_budget": Kind("warning",
        "{affected_calls:n} of {calls:n} turns ({affected_share:pct}) took longer than {budget:ms}: p50 "
        "{turn_p50_ms:ms}, p95 {least_words}{turn_p95_ms:ms}, {verdict}; the slowest stage is {worst} with "
        "{worst_p50_ms:ms} (median){interrupted_words}.",
        "Shorten the slowest stage first: a faster endpointing model, a smaller language model for the first "
        "sentence, speech that starts with the first clause."),
}  # fmt: skip
PREPARE = ("""
CREATE OR REPLACE TEMP TABLE voice_calls AS
-- over scope
SELECT by_1, by_2, by_3, by_4, source, trace_id, call_id, parent_id, start_time, ttft_ms
FROM scope
SEMI JOIN (SELECT source, trace_id FROM store.spans WHERE stages IS NOT NULL) AS spoken USING (source, trace_id)
WHERE ttft_status = 'usable'
""", """
CREATE OR REPLACE TEMP TABLE voice_heads AS
-- The turn that a stage or a call belongs to: the nearest step around it that is one.
WITH RECURSIVE steps AS (
    SELECT source, trace_id, span_id, parent_id, kind FROM store.spans
    SEMI JOIN voice_calls USING (source, trace_id)
), up AS (
    SELECT source, trace_id, call_id AS node_id, parent_id AS above_id, NULL::VARCHAR AS head_id, 0 AS depth
    FROM voice_calls
    UNION ALL
    SELECT source, trace_id, span_id, parent_id,
        CASE WHEN kind IN ('turn', 'user_turn', 'agent_turn') THEN span_id END, 0
    FROM store.spans SEMI JOIN voice_calls USING (source, trace_id)
    WHERE stages IS NOT NULL
    UNION ALL
    SELECT up.source, up.trace_id, up.node_id, steps.parent_id,
        CASE WHEN steps.kind IN ('turn', 'user_turn', 'agent_turn') THEN steps.span_id END, up.depth + 1
    FROM up JOIN steps ON steps.source = up.source AND steps.trace_id = up.trace_id AND steps.span_id = up.above_id
    WHERE up.head_id IS NULL AND up.depth < 16
)
SELECT source, trace_id, node_id, max(head_id) AS head_id FROM up GROUP BY ALL
""", """
CREATE OR REPLACE TEMP TABLE voice_stages AS
-- Each wait with its turn. What no turn is around belongs to the trace, where the trace has no turns.
WITH waits AS (
    SELECT source, trace_id, call_id AS node_id, start_time, 'call' AS stage, ttft_ms AS ms,
        NULL::BOOLEAN AS interrupted
    FROM voice_calls
    UNION ALL
    SELECT source, trace_id, span_id, start_time, wait.stage, wait.ms, interrupted
    FROM (
        SELECT source, trace_id, span_id, start_time, interrupted, unnest(stages) AS wait
        FROM store.spans SEMI JOIN voice_calls USING (source, trace_id)
    )
    UNION ALL
    SELECT source, trace_id, span_id, start_time, 'interrupted', NULL, interrupted
    FROM store.spans SEMI JOIN voice_calls USING (source, trace_id)
    WHERE interrupted IS NOT NULL AND stages IS NULL AND kind IN ('turn', 'agent_turn')
), placed AS (
    SELECT waits.*, head_id, bool_or(head_id IS NOT NULL) OVER (PARTITION BY source, trace_id) AS has_turns
    FROM waits LEFT JOIN voice_heads USING (source, trace_id, node_id)
), users AS (
    SELECT source, trace_id, span_id, start_time FROM store.spans SEMI JOIN voice_calls USING (source, trace_id)
    WHERE kind = 'user_turn'
), answers AS (
    -- An answer belongs to the user's turn that began last before it.
    SELECT agents.source, agents.trace_id, agents.span_id, users.span_id AS user_id,
        row_number() OVER (PARTITION BY agents.source, agents.trace_id, users.span_id
            ORDER BY has_spoken DESC, agents.start_time, agents.span_id) AS place
    FROM (
        SELECT source, trace_id, span_id, spans.start_time, coalesce(bool_or(stage = 'tts'), false) AS has_spoken
        FROM store.spans AS spans SEMI JOIN voice_calls USING (source, trace_id)
        LEFT JOIN placed ON placed.source = spans.source AND placed.trace_id = spans.trace_id
            AND placed.head_id = spans.span_id
        WHERE spans.kind = 'agent_turn'
        GROUP BY ALL
    ) AS agents
    ASOF JOIN users ON users.source = agents.source AND users.trace_id = agents.trace_id
        AND users.start_time <= agents.start_time
), strays AS (
    -- Where an exporter left out the answer's own step, its parts belong to the user's turn in the same way.
    SELECT placed.source, placed.trace_id, placed.node_id, users.span_id AS stray_of
    FROM (SELECT DISTINCT source, trace_id, node_id, start_time FROM placed WHERE head_id IS NULL) AS placed
    ASOF JOIN users ON users.source = placed.source AND users.trace_id = placed.trace_id
        AND users.start_time <= placed.start_time
), turns AS (
    SELECT placed.*,
        CASE WHEN kind = 'agent_turn' THEN user_id WHEN kind IS NOT NULL THEN head_id
            WHEN has_turns THEN stray_of ELSE 'trace' END AS turn_id
    FROM placed
    LEFT JOIN strays USING (source, trace_id, node_id)
    LEFT JOIN (
        SELECT source, trace_id, span_id AS head_id, kind FROM store.spans
        WHERE kind IN ('turn', 'user_turn', 'agent_turn')
    ) AS heads USING (source, trace_id, head_id)
    LEFT JOIN (SELECT source, trace_id, span_id AS head_id, user_id FROM answers WHERE place = 1) AS firsts
        USING (source, trace_id, head_id)
)
SELECT * EXCLUDE (ms),
    -- A delay that is a setting: the shortest or the longest one of its source, and always the very same.
    CASE WHEN stage IS DISTINCT FROM 'endpointing'
        OR count(*) OVER (PARTITION BY source, stage, ms) < $fixed_turns
        OR (ms > min(ms) OVER (PARTITION BY source, stage) AND ms < max(ms) OVER (PARTITION BY source, stage))
        THEN ms END AS ms
FROM turns WHERE turn_id IS NOT NULL
""", """
CREATE OR REPLACE TEMP TABLE voice_turns AS
WITH waits AS (
    SELECT
        source, trace_id, turn_id, arg_min(node_id, start_time) FILTER (stage = 'call') AS call_id,
        coalesce(arg_min(ms, start_time) FILTER (stage = 'call'), arg_min(ms, start_time) FILTER (stage = 'llm'))
            AS llm_ms,
        arg_min(ms, start_time) FILTER (stage = 'tts') AS tts_ms,
        arg_max(ms, start_time) FILTER (stage = 'stt') AS stt_ms,
        arg_max(ms, start_time) FILTER (stage = 'endpointing') AS endpointing_ms,
        arg_max(ms, start_time) FILTER (stage = 'end_of_turn') AS end_of_turn_ms,
        arg_max(ms, start_time) FILTER (stage = 'turn') AS measured_ms,
        bool_or(interrupted) AS interrupted
    FROM voice_stages GROUP BY ALL
), summed AS (
    SELECT
        * REPLACE (coalesce(end_of_turn_ms - least(end_of_turn_ms, coalesce(stt_ms, 0)), endpointing_ms)
            AS endpointing_ms),
        llm_ms + coalesce(end_of_turn_ms, coalesce(stt_ms, 0) + coalesce(endpointing_ms, 0)) + coalesce(tts_ms, 0)
            AS sum_ms,
        measured_ms IS NOT NULL OR (llm_ms + tts_ms + coalesce(end_of_turn_ms, stt_ms + endpointing_ms)) IS NOT NULL
            AS is_whole
    FROM waits
    WHERE measured_ms IS NOT NULL OR (llm_ms IS NOT NULL AND coalesce(end_of_turn_ms, stt_ms, endpointing_ms, tts_ms)
        IS NOT NULL)
)
SELECT
    by_1, by_2, by_3, by_4, summed.*, measured_ms - sum_ms AS rest_ms,
    coalesce(measured_ms, sum_ms) + $network_ms AS turn_ms
FROM summed JOIN voice_calls USING (source, trace_id, call_id)
""")
EXAMINED = """
SELECT (SELECT count(*) FILTER (is_whole OR turn_ms > $budget_ms) FROM voice_turns),
    (SELECT count(DISTINCT (source, trace_id, turn_id)) FROM voice_stages)
"""
QUERY = """
, groups AS (
    SELECT
        by_1, by_2, by_3, by_4, count(*) AS calls, count(*) FILTER (turn_ms > $budget_ms) AS affected_calls,
        list(call_id ORDER BY turn_ms DESC, call_id)[1:3] AS examples,
        list(DISTINCT call_id) FILTER (turn_ms > $budget_ms AND list_contains($explained::VARCHAR[], call_id))
            AS shows,
        median(turn_ms) AS turn_p50_ms,
        from_enough(percentile_cont(0.95) WITHIN GROUP (ORDER BY turn_ms), 'p95', count(*)) AS turn_p95_ms,
        bool_and(is_whole) AS all_whole, count(*) FILTER (interrupted) / nullif(count(interrupted), 0) AS spoken_over,
        list_sort(list_filter([
            {'took': median(endpointing_ms), 'stage': 'endpointing'},
            {'took': median(stt_ms), 'stage': 'speech to text'},
            {'took': median(llm_ms), 'stage': 'the model''s first token'}, {'took': median(tts_ms), 'stage': 'speech'},
            {'took': median(rest_ms), 'stage': 'what no stage records'}
        ], lambda s: s.took IS NOT NULL), 'DESC')[1] AS slowest
    FROM voice_turns GROUP BY ALL
)
SELECT
    by_1, by_2, by_3, by_4, 'turn_over_budget' AS finding, calls, affected_calls, NULL::BIGINT AS tokens_at_stake,
    NULL::DOUBLE AS usd_at_stake, examples, shows, turn_p50_ms, turn_p95_ms, $budget_ms AS budget,
    groups.slowest.stage AS worst, groups.slowest.took AS worst_p50_ms,
    CASE WHEN all_whole THEN '' ELSE 'at least ' END AS least_words,
    CASE WHEN turn_p95_ms <= 300 THEN 'good' WHEN turn_p95_ms <= 800 THEN 'natural up to 800 ms'
        WHEN turn_p95_ms <= 1500 THEN 'strained' ELSE 'no conversation any more' END AS verdict,
    CASE WHEN spoken_over > 0 THEN '; users spoke over ' || round(spoken_over * 100)::INTEGER || ' % of the answers'
        ELSE '' END AS interrupted_words
FROM groups
WHERE calls >= $least_turns AND turn_p95_ms > $budget_ms
"""
