"""Silence: a task that works and shows nothing, and users who leave without coming back.

``silent_task``: inside a trace nothing visible happened for longer than people wait. ``tool_silence``: a tool failed
and nothing visible followed. ``gave_up``: the last call of a session was cancelled and nothing came after it.
"""

from streamaudit.audits.failures.base import Kind, Threshold

NAME = "silence"
FINDS = "tasks that show nothing for long, and sessions that end with a user leaving"
NEEDS = (
    "traces with the steps around each call, time to first visible token, and session_id with the outcome of calls; "
    "to get them, export the whole trace with its tool steps, not the model calls alone"
)
BY = ("route",)
THRESHOLDS = (
    Threshold("silent_ms", 10_000, "silence inside a task that counts", "attention lasts about 10 s: Miller 1968"),
    Threshold("long_ms", 30_000, "silence inside a task after which a chat seems broken",
        "tianpan.co 2026-03-15: control is felt to be lost after 30 s"),
    Threshold("gone_minutes", 30, "minutes without a further call after which a session has ended"),
    Threshold("least_share", 0.05, "share of a group's tasks or sessions from which it is a finding"),
    Threshold("least_affected", 5, "affected tasks or sessions of a group below which it is none"),
)
KINDS = {
    "silent_task": Kind("warning",
        "{affected_calls:n} of {calls:n} tasks ({affected_share:pct}) showed nothing for more than {limit_ms:ms} at "
        "a stretch ({long:n} for more than {long_ms:ms}); {left_share:pct} of these were cancelled, "
        "{usual_share:pct} of the others.",
        "Stream a sign of life while tools and reasoning run: the step's name, partial results, a progress line."),
    "tool_silence": Kind("warning",
        "After {affected_calls:n} of {calls:n} failed tool steps ({affected_share:pct}) nothing visible came for "
        "{limit_ms:ms} or to the end of the task.",
        "Tell the user that a step failed and what happens next; give tools a time-out shorter than the user's "
        "patience."),
    "gave_up": Kind("info",
        "{affected_calls:n} of {calls:n} sessions ({affected_share:pct}) ended with a cancelled call and nothing for "
        "{gone:n} minutes after it; the last wait was {wait_p50_ms:ms} (median).",
        "Read the last calls of these sessions first: explain shows how long they waited and for what."),
}  # fmt: skip
PREPARE = ("""
CREATE OR REPLACE TEMP TABLE silence_calls AS
-- over scope
SELECT
    by_1, by_2, by_3, by_4, source, call_id, trace_id, session_id, start_time, outcome,
    -- From the first visible token to the end something is on the screen.
    start_time + to_microseconds((coalesce(ttvt_ms, ttft_ms) * 1000)::BIGINT) AS visible_from,
    start_time + to_microseconds((duration_ms * 1000)::BIGINT) AS ended,
    coalesce(ttvt_ms, ttft_ms, cancelled_at_ms, duration_ms) AS wait_ms
FROM scope
WHERE start_time IS NOT NULL
""", """
CREATE OR REPLACE TEMP TABLE silence_traces AS
-- Traces of several steps. A trace that is one call is silent for as long as its user waited, which needs no order; one
-- that is here by a collision of hashes is put in order for nothing, and comes to the same.
SELECT several
FROM (
    SELECT hash(source, trace_id) AS several FROM silence_calls WHERE trace_id IS NOT NULL
    UNION ALL
    SELECT hash(source, trace_id) FROM store.spans WHERE start_time IS NOT NULL AND end_time IS NOT NULL
)
GROUP BY several HAVING count(*) > 1
""", """
CREATE OR REPLACE TEMP TABLE silence_tasks AS
-- A call shows something from its first visible token to its end.
WITH own AS (
    SELECT calls.* FROM silence_calls AS calls SEMI JOIN silence_traces ON several = hash(source, trace_id)
    WHERE trace_id IS NOT NULL
), steps AS (
    SELECT source, trace_id, start_time AS moment, 0 AS shows FROM own
    UNION ALL
    SELECT source, trace_id, visible_from, 1 FROM own WHERE visible_from IS NOT NULL
    UNION ALL
    SELECT source, trace_id, ended, -1 FROM own WHERE visible_from IS NOT NULL AND ended IS NOT NULL
    UNION ALL
    SELECT source, trace_id, unnest([start_time, end_time]), 0
    FROM store.spans SEMI JOIN own USING (source, trace_id)
    WHERE start_time IS NOT NULL AND end_time IS NOT NULL
), borders AS (
    -- Where the screen goes dark or lights up; steps that show nothing do not break a silence.
    SELECT source, trace_id, moment, sum(shows) OVER steps AS showing
    FROM steps
    WINDOW steps AS (PARTITION BY source, trace_id ORDER BY moment, shows DESC),
        whole AS (PARTITION BY source, trace_id ORDER BY moment, shows DESC
            ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
    QUALIFY moment = first(moment) OVER whole OR moment = last(moment) OVER whole OR shows <> 0
), silences AS (
    SELECT source, trace_id, epoch_us(lead(moment) OVER following - moment) / 1000.0 AS silence_ms, showing
    FROM borders
    WINDOW following AS (PARTITION BY source, trace_id ORDER BY moment, showing)
), longest AS (
    SELECT source, trace_id, max(silence_ms) FILTER (showing <= 0) AS silence_ms FROM silences GROUP BY ALL
)
SELECT
    by_1, by_2, by_3, by_4, any_value(longest.silence_ms) AS silence_ms,
    bool_or(outcome = 'cancelled') AS cancelled, arg_max(call_id, (wait_ms, call_id)) AS call_id
FROM own AS calls JOIN longest ON longest.source = calls.source AND longest.trace_id = calls.trace_id
WHERE visible_from IS NOT NULL OR outcome <> 'completed'
GROUP BY by_1, by_2, by_3, by_4, calls.source, calls.trace_id
UNION ALL
SELECT
    by_1, by_2, by_3, by_4, epoch_us(visible_from - start_time) / 1000.0 AS silence_ms,
    outcome = 'cancelled' AS cancelled, call_id
FROM silence_calls AS calls ANTI JOIN silence_traces ON several = hash(source, trace_id)
WHERE calls.trace_id IS NOT NULL AND (visible_from IS NOT NULL OR outcome <> 'completed')
""", """
CREATE OR REPLACE TEMP TABLE silence_tools AS
SELECT calls.by_1, calls.by_2, calls.by_3, calls.by_4, tools.span_id, min(calls.call_id) AS call_id,
    -- Something visible after the failed step, before patience ends.
    bool_or(calls.visible_from > tools.end_time
        AND calls.visible_from <= tools.end_time + to_milliseconds($silent_ms::BIGINT)) AS followed
FROM store.spans AS tools
JOIN silence_calls AS calls ON calls.source = tools.source AND calls.trace_id = tools.trace_id
WHERE tools.kind = 'tool' AND tools.status = 'error' AND tools.end_time IS NOT NULL
GROUP BY ALL
""")
EXAMINED = """
SELECT
    (SELECT count(*) FROM silence_tasks)
        + (SELECT count(*) FROM (SELECT DISTINCT source, session_id FROM silence_calls WHERE session_id IS NOT NULL)),
    count(*)
FROM scope
"""
QUERY = """
, tasks AS (
    SELECT
        by_1, by_2, by_3, by_4, 'silent_task' AS finding, count(*) AS calls,
        count(*) FILTER (silence_ms > $silent_ms) AS affected_calls,
        list(call_id ORDER BY silence_ms DESC, call_id) FILTER (silence_ms > $silent_ms)[1:3] AS examples,
        count(*) FILTER (silence_ms > $long_ms) AS long,
        count(*) FILTER (silence_ms > $silent_ms AND cancelled) / nullif(affected_calls, 0) AS left_share,
        count(*) FILTER (silence_ms <= $silent_ms AND cancelled) / nullif(count(*) - affected_calls, 0) AS usual_share
    FROM silence_tasks GROUP BY ALL
), tools AS (
    SELECT by_1, by_2, by_3, by_4, 'tool_silence' AS finding, count(*) AS calls,
        count(*) FILTER (followed IS DISTINCT FROM true) AS affected_calls,
        list(DISTINCT call_id ORDER BY call_id) FILTER (followed IS DISTINCT FROM true)[1:3] AS examples
    FROM silence_tools GROUP BY ALL
), sessions AS (
    SELECT by_1, by_2, by_3, by_4, 'gave_up' AS finding, count(*) AS calls,
        count(*) FILTER (gave_up) AS affected_calls,
        list(call_id ORDER BY wait_ms DESC, call_id) FILTER (gave_up)[1:3] AS examples,
        median(wait_ms) FILTER (gave_up) AS wait_p50_ms
    FROM (
        SELECT *, outcome = 'cancelled'
            AND data_ends >= start_time + to_minutes($gone_minutes::BIGINT) AS gave_up
        FROM (
            SELECT by_1, by_2, by_3, by_4, source, call_id, outcome, wait_ms, start_time,
                lead(start_time) OVER (PARTITION BY source, session_id ORDER BY start_time, call_id) AS next_in_session
            FROM silence_calls WHERE session_id IS NOT NULL
        )
        JOIN (SELECT source, max(start_time) AS data_ends FROM silence_calls GROUP BY source) USING (source)
        WHERE next_in_session IS NULL OR next_in_session > start_time + to_minutes($gone_minutes::BIGINT)
    )
    GROUP BY ALL
)
SELECT
    *, NULL::BIGINT AS tokens_at_stake, NULL::DOUBLE AS usd_at_stake,
    $silent_ms AS limit_ms, $long_ms AS long_ms, $gone_minutes AS gone
FROM (FROM tasks UNION ALL BY NAME FROM tools UNION ALL BY NAME FROM sessions)
WHERE affected_calls >= $least_affected AND affected_calls >= $least_share * calls
"""
