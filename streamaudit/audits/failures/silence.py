"""Silence: tasks that work and show nothing, and users who leave and do not come back.

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
    Threshold("least_share", 0.05, "least share of a group's tasks or sessions for a finding"),
    Threshold("least_affected", 5, "fewest affected tasks or sessions of a group for a finding"),
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
CREATE OR REPLACE TEMP TABLE silence_groups AS
-- over scope
SELECT DISTINCT by_1, by_2, by_3, by_4, hash(by_1, by_2, by_3, by_4) AS group_key FROM scope
""", """
CREATE OR REPLACE TEMP TABLE silence_calls AS
-- over scope
-- Hashes stand for group, trace and session: numbers are joined and put in order in a fraction of the time that their
-- texts take.
SELECT
    hash(by_1, by_2, by_3, by_4) AS group_key, source, call_id, start_time, outcome = 'cancelled' AS cancelled,
    CASE WHEN trace_id IS NOT NULL THEN hash(source, trace_id) END AS trace_key,
    CASE WHEN session_id IS NOT NULL THEN hash(source, session_id) END AS session_key,
    -- From the first visible token to the end something is on the screen.
    start_time + to_microseconds((coalesce(ttvt_ms, ttft_ms) * 1000)::BIGINT) AS visible_from,
    start_time + to_microseconds((duration_ms * 1000)::BIGINT) AS ended,
    coalesce(ttvt_ms, ttft_ms, cancelled_at_ms, duration_ms) AS wait_ms,
    coalesce(ttvt_ms, ttft_ms) IS NOT NULL OR outcome <> 'completed' AS is_measured
FROM scope
WHERE start_time IS NOT NULL
""", """
CREATE OR REPLACE TEMP TABLE silence_steps AS
SELECT hash(source, trace_id) AS trace_key, span_id, start_time, end_time, kind = 'tool' AND status = 'error' AS failed
FROM store.spans
WHERE trace_id IS NOT NULL
""", """
CREATE OR REPLACE TEMP TABLE silence_traces AS
-- Traces of several steps. A trace that is one call is silent for as long as its user waited, which needs no order.
SELECT trace_key
FROM (
    SELECT trace_key FROM silence_calls WHERE trace_key IS NOT NULL
    UNION ALL
    SELECT trace_key FROM silence_steps WHERE start_time IS NOT NULL AND end_time IS NOT NULL
)
GROUP BY trace_key HAVING count(*) > 1
""", """
CREATE OR REPLACE TEMP TABLE silence_tasks AS
-- A call shows something from its first visible token to its end.
WITH own AS (
    SELECT * FROM silence_calls SEMI JOIN silence_traces USING (trace_key)
), steps AS (
    SELECT trace_key, start_time AS moment, 0 AS shows FROM own
    UNION ALL
    SELECT trace_key, visible_from, 1 FROM own WHERE visible_from IS NOT NULL
    UNION ALL
    SELECT trace_key, ended, -1 FROM own WHERE visible_from IS NOT NULL AND ended IS NOT NULL
    UNION ALL
    SELECT trace_key, unnest([start_time, end_time]), 0
    FROM silence_steps SEMI JOIN own USING (trace_key)
    WHERE start_time IS NOT NULL AND end_time IS NOT NULL
), borders AS (
    -- Where the screen goes dark or lights up; steps that show nothing do not break a silence.
    SELECT trace_key, moment, sum(shows) OVER steps AS showing
    FROM steps
    WINDOW steps AS (PARTITION BY trace_key ORDER BY moment, shows DESC),
        whole AS (PARTITION BY trace_key ORDER BY moment, shows DESC
            ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
    QUALIFY moment = first(moment) OVER whole OR moment = last(moment) OVER whole OR shows <> 0
), silences AS (
    SELECT trace_key, epoch_us(lead(moment) OVER following - moment) / 1000.0 AS silence_ms, showing
    FROM borders
    WINDOW following AS (PARTITION BY trace_key ORDER BY moment, showing)
), longest AS (
    SELECT trace_key, max(silence_ms) FILTER (showing <= 0) AS silence_ms FROM silences GROUP BY ALL
)
SELECT
    group_key, any_value(silence_ms) AS silence_ms, bool_or(cancelled) AS cancelled,
    arg_max(call_id, (wait_ms, call_id)) AS call_id
FROM own JOIN longest USING (trace_key)
WHERE is_measured
GROUP BY group_key, trace_key
UNION ALL
SELECT
    group_key, epoch_us(visible_from - start_time) / 1000.0 AS silence_ms, cancelled,
    -- Its id is needed only where it is an example.
    CASE WHEN visible_from > start_time + to_milliseconds($silent_ms::BIGINT) THEN call_id END AS call_id
FROM silence_calls ANTI JOIN silence_traces USING (trace_key)
WHERE trace_key IS NOT NULL AND is_measured
""", """
CREATE OR REPLACE TEMP TABLE silence_tools AS
SELECT calls.group_key, tools.span_id, min(calls.call_id) AS call_id,
    -- Something visible after the failed step, before patience ends.
    bool_or(calls.visible_from > tools.end_time
        AND calls.visible_from <= tools.end_time + to_milliseconds($silent_ms::BIGINT)) AS followed
FROM silence_steps AS tools JOIN silence_calls AS calls USING (trace_key)
WHERE tools.failed AND tools.end_time IS NOT NULL
GROUP BY ALL
""")
EXAMINED = """
SELECT
    (SELECT count(*) FROM silence_tasks)
        + (SELECT count(DISTINCT session_key) FROM silence_calls),
    count(*)
FROM scope
"""
QUERY = """
, tasks AS (
    SELECT
        group_key, 'silent_task' AS finding, count(*) AS calls,
        count(*) FILTER (silence_ms > $silent_ms) AS affected_calls,
        list(call_id ORDER BY silence_ms DESC, call_id) FILTER (silence_ms > $silent_ms)[1:3] AS examples,
        count(*) FILTER (silence_ms > $long_ms) AS long,
        count(*) FILTER (silence_ms > $silent_ms AND cancelled) / nullif(affected_calls, 0) AS left_share,
        count(*) FILTER (silence_ms <= $silent_ms AND cancelled) / nullif(count(*) - affected_calls, 0) AS usual_share
    FROM silence_tasks GROUP BY group_key
), tools AS (
    SELECT group_key, 'tool_silence' AS finding, count(*) AS calls,
        count(*) FILTER (followed IS DISTINCT FROM true) AS affected_calls,
        list(DISTINCT call_id ORDER BY call_id) FILTER (followed IS DISTINCT FROM true)[1:3] AS examples
    FROM silence_tools GROUP BY group_key
), sessions AS (
    SELECT group_key, 'gave_up' AS finding, count(*) AS calls,
        count(*) FILTER (gave_up) AS affected_calls,
        list(call_id ORDER BY wait_ms DESC, call_id) FILTER (gave_up)[1:3] AS examples,
        median(wait_ms) FILTER (gave_up) AS wait_p50_ms
    FROM (
        SELECT *, cancelled AND data_ends >= start_time + to_minutes($gone_minutes::BIGINT) AS gave_up
        FROM (
            SELECT group_key, source, call_id, cancelled, wait_ms, start_time,
                lead(start_time) OVER (PARTITION BY session_key ORDER BY start_time, call_id) AS next_in_session
            FROM silence_calls WHERE session_key IS NOT NULL
        )
        JOIN (SELECT source, max(start_time) AS data_ends FROM silence_calls GROUP BY source) USING (source)
        WHERE next_in_session IS NULL OR next_in_session > start_time + to_minutes($gone_minutes::BIGINT)
    )
    GROUP BY group_key
)
SELECT
    by_1, by_2, by_3, by_4, found.* EXCLUDE (group_key), NULL::BIGINT AS tokens_at_stake,
    NULL::DOUBLE AS usd_at_stake, $silent_ms AS limit_ms, $long_ms AS long_ms, $gone_minutes AS gone
FROM (FROM tasks UNION ALL BY NAME FROM tools UNION ALL BY NAME FROM sessions) AS found
JOIN silence_groups USING (group_key)
WHERE affected_calls >= $least_affected AND affected_calls >= $least_share * calls
"""
