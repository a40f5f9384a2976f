"""Context that grows: each call of a session resends everything before it.

``context_growth``: how fast the input grows, and which share of it had been sent before. ``runaway_session``: sessions
whose input is many times that of a usual session of their group.
"""

from streamaudit.audits.failures.base import Kind, Threshold

NAME = "growth"
FINDS = "sessions whose input grows from call to call, and sessions that run away"
NEEDS = (
    "session_id (or a trace with several calls), input_tokens and start of each call; to get it, log the id of the "
    "conversation with each call, or map your own field: --map session_id=PATH"
)
BY = ("route", "model")
THRESHOLDS = (
    Threshold("least_turns", 4, "fewest calls of a session that can be judged"),
    Threshold("least_sessions", 5, "sessions of a group below which there is no usual one"),
    Threshold("reread_share", 0.6, "least share of input sent before for a finding"),
    Threshold("growing_share", 0.8, "share of a session's steps that must grow"),
    Threshold("runaway_times", 10, "a session's input as a multiple of the group's median session"),
    Threshold("runaway_least_tokens", 200_000, "least input of a session for a finding"),
)
KINDS = {
    "context_growth": Kind("info",
        "In {affected_calls:n} of {calls:n} calls of sessions the input grows by {per_call:n} tokens a call "
        "(median); {reread:pct} of their input had been sent before.",
        "Summarise or drop old turns, send tool results once, and keep the prefix stable so that the cache can hold "
        "it."),
    "runaway_session": Kind("warning",
        "{sessions:n session} read {times:x} times the input of a usual session (median) in {affected_calls:n call}, "
        "together {tokens_at_stake:n} input tokens.",
        "Set a limit of turns, tokens or dollars for each session, and stop loops that call the same tool again."),
}  # fmt: skip
PREPARE = ("""
CREATE OR REPLACE TEMP TABLE growth_groups AS
-- over scope
SELECT DISTINCT by_1, by_2, by_3, by_4, hash(by_1, by_2, by_3, by_4) AS group_key FROM scope
""", """
CREATE OR REPLACE TEMP TABLE growth_calls AS
-- over scope
-- Hashes stand for group and session: numbers are put in order in a quarter of the time that their texts take. Of ten
-- million sessions two meet by chance in three cases of a million.
, calls AS (
    SELECT
        hash(by_1, by_2, by_3, by_4) AS group_key, hash(source, coalesce(session_id, trace_id)) AS session_key,
        call_id, start_time, input_tokens, input_cost_usd
    FROM scope
    WHERE coalesce(session_id, trace_id) IS NOT NULL AND input_tokens > 0 AND start_time IS NOT NULL
        AND cache_hit IS DISTINCT FROM true
)
SELECT
    group_key, session_key, call_id, input_tokens, input_cost_usd, lag(input_tokens) OVER turns AS input_before
FROM calls
WINDOW turns AS (PARTITION BY group_key, session_key ORDER BY start_time, call_id)
""", """
CREATE OR REPLACE TEMP TABLE growth_sessions AS
WITH calls AS (
    -- What a growing conversation sends again is at most its input of the call before.
    SELECT *, CASE WHEN input_tokens >= input_before THEN input_before END AS sent_before,
        input_tokens - input_before AS grew
    FROM growth_calls
)
SELECT
    group_key, session_key, count(*) AS turns, sum(input_tokens) AS input, exact_sum(input_cost_usd) AS usd,
    sum(sent_before) AS sent_before, count(sent_before) AS growing_calls, median(grew) AS grew,
    exact_sum(sent_before * input_cost_usd / input_tokens) AS usd_before,
    count(*) FILTER (grew >= 0) >= $growing_share * (count(*) - 1) AND count(*) >= $least_turns AS grows
FROM calls GROUP BY group_key, session_key
""")
EXAMINED = """
SELECT (SELECT coalesce(sum(turns), 0)::BIGINT FROM growth_sessions WHERE turns >= 2), count(*) FROM scope
"""
QUERY = """
, sessions AS (
    SELECT by_1, by_2, by_3, by_4, growth_sessions.*
    FROM growth_sessions JOIN growth_groups USING (group_key)
    WHERE turns >= 2 OR input >= $runaway_least_tokens
), usual AS (
    -- Where every session is a group of its own, the usual one is that of all.
    SELECT
        CASE WHEN NOT $by_session THEN by_1 END AS by_1, CASE WHEN NOT $by_session THEN by_2 END AS by_2,
        CASE WHEN NOT $by_session THEN by_3 END AS by_3, CASE WHEN NOT $by_session THEN by_4 END AS by_4,
        count(*) AS sessions, median(input) AS median_input, sum(turns)::BIGINT AS calls
    FROM sessions WHERE turns >= 2 GROUP BY ALL
), placed AS (
    SELECT sessions.*, usual.sessions AS group_sessions, median_input, CASE WHEN $by_session THEN turns ELSE calls END
        AS calls
    FROM sessions JOIN usual ON $by_session OR (sessions.by_1 IS NOT DISTINCT FROM usual.by_1
        AND sessions.by_2 IS NOT DISTINCT FROM usual.by_2 AND sessions.by_3 IS NOT DISTINCT FROM usual.by_3
        AND sessions.by_4 IS NOT DISTINCT FROM usual.by_4)
    WHERE usual.sessions >= $least_sessions
), found AS (
    SELECT 'context_growth' AS finding, * FROM placed WHERE grows
    UNION ALL
    SELECT 'runaway_session', * FROM placed
    WHERE input >= $runaway_times * median_input AND input >= $runaway_least_tokens
), largest_sessions AS (
    -- The largest sessions of a finding, by their largest call.
    SELECT finding, group_key, session_key, input
    FROM found
    QUALIFY row_number() OVER (PARTITION BY finding, group_key ORDER BY input DESC, session_key) <= 3
), examples AS (
    SELECT finding, group_key, list(largest ORDER BY input DESC, largest) AS examples
    FROM (
        SELECT finding, group_key, session_key, input, arg_max(call_id, (input_tokens, call_id)) AS largest
        FROM largest_sessions JOIN growth_calls USING (group_key, session_key)
        GROUP BY finding, group_key, session_key, input
    )
    GROUP BY finding, group_key
), explained AS (
    SELECT group_key, session_key, list(call_id) AS shows
    FROM growth_calls WHERE list_contains($explained::VARCHAR[], call_id)
    GROUP BY group_key, session_key
), shown AS (
    SELECT finding, group_key, flatten(list(shows)) AS shows
    FROM found JOIN explained USING (group_key, session_key)
    GROUP BY finding, group_key
)
SELECT
    by_1, by_2, by_3, by_4, finding, any_value(calls) AS calls, sum(turns)::BIGINT AS affected_calls,
    CASE finding WHEN 'context_growth' THEN sum(sent_before) ELSE sum(input) END::BIGINT AS tokens_at_stake,
    CASE finding WHEN 'context_growth' THEN exact_sum(usd_before) ELSE exact_sum(usd) END AS usd_at_stake,
    any_value(examples) AS examples, any_value(shows) AS shows, median(grew) AS per_call,
    sum(sent_before) / sum(input) AS reread, count(*) AS sessions, median(input / median_input) AS times
FROM found JOIN examples USING (finding, group_key) LEFT JOIN shown USING (finding, group_key)
GROUP BY by_1, by_2, by_3, by_4, finding
HAVING finding = 'runaway_session'
    OR (sum(sent_before) >= $reread_share * sum(input) AND (count(*) >= $least_sessions OR $by_session))
"""
REREAD = """
-- Dollars paid for input that the call before it in its session had sent already.
SELECT by_1, by_2, by_3, by_4, exact_sum(usd_before) AS usd, sum(growing_calls)::BIGINT AS calls
FROM growth_sessions JOIN growth_groups USING (group_key)
WHERE turns >= $least_turns AND growing_calls > 0
GROUP BY ALL
"""
