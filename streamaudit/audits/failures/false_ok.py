"""False success: requests that a dashboard counts as fine, because they began with 200, but that failed their user.

Each call has at most one finding, the gravest. A missing finish reason is a finding only if the same route of the same
source nearly always records one. Whether an answer is true is not in the data and is not judged.
"""

from streamaudit.audits.failures.base import Kind, Threshold

NAME = "false-ok"
FINDS = "answers that began with 200 and failed: errors in the stream, no end, nothing visible, cut off"
NEEDS = (
    "finish reason, HTTP status or outcome, and usage of each call; for empty answers the visible text's length; to "
    "get them, log finish_reason, http_status and outcome when the stream ends, and visible_output_chars"
)
BY = ("route", "model")
THRESHOLDS = (
    Threshold("usual_share", 0.9, "share of a route's completed calls with a finish reason from which none is odd"),
    Threshold("usual_calls", 20, "completed calls of a route from which it has a habit"),
    Threshold("starved_share", 0.95, "reasoning / cap from which reasoning left no room for an answer"),
    Threshold("least_share", 0.005, "least share of a group's calls for a finding"),
    Threshold("least_affected", 3, "fewest affected calls of a group for a finding"),
)
KINDS = {
    "error_in_stream": Kind("critical",
        "{affected_calls:n} of {calls:n} calls ({affected_share:pct}) failed after the first token or behind a "
        "status of 200; {tokens_at_stake:n} output tokens were billed for them.",
        "Count errors from the stream's own events, not from the HTTP status, and show the user that the answer "
        "broke off."),
    "no_terminal_event": Kind("warning",
        "{affected_calls:n} of {calls:n} calls ({affected_share:pct}) ended without a finish reason, where "
        "{usual_share_seen:pct} of their route's completed calls have one.",
        "Treat a stream without its terminal event as failed: retry or mark the answer as incomplete, and look for "
        "a proxy that closes idle or long connections."),
    "empty_output": Kind("critical",
        "{affected_calls:n} of {calls:n} calls ({affected_share:pct}) billed {tokens_at_stake:n} output tokens and "
        "showed no text.",
        "Check for empty answers before they reach the user; look at the stop sequences and at what strips the text."),
    "reasoning_starved": Kind("critical",
        "{affected_calls:n} of {calls:n} calls ({affected_share:pct}) spent their cap on reasoning and ended by "
        "length; {tokens_at_stake:n} output tokens were billed.",
        "Raise the output cap (max_tokens, max_completion_tokens) or lower the reasoning effort."),
    "engine_abort": Kind("warning",
        "{affected_calls:n} of {calls:n} calls ({affected_share:pct}) were aborted by the engine and look successful.",
        "Look at the engine's log for preemption or a full cache, and count the finish reason `abort` as a failure."),
    "filtered": Kind("warning",
        "{affected_calls:n} of {calls:n} calls ({affected_share:pct}) were stopped by a content filter.",
        "Show the user a reason, and review the filter's settings for this route."),
    "cut_by_length": Kind("info",
        "{affected_calls:n} of {calls:n} calls ({affected_share:pct}) hit their output cap and broke off.",
        "Raise the output cap, ask for shorter answers, or continue the answer in a second call."),
}  # fmt: skip
PREPARE = ("""
CREATE OR REPLACE TEMP TABLE false_ok_calls AS
-- over scope
, habits AS (
    SELECT
        source, route, count(finish_reason) / count(*) AS share
    FROM scope WHERE outcome = 'completed'
    GROUP BY source, route
    HAVING count(*) >= $usual_calls AND count(finish_reason) >= $usual_share * count(*)
), calls AS (
    SELECT
        scope.by_1, scope.by_2, scope.by_3, scope.by_4, call_id, cost_usd, billed_tokens, start_time, share,
        lower(finish_reason) AS reason, outcome, http_status, ttft_status, reasoning_tokens, max_tokens, output_tokens,
        coalesce(visible_output_chars, CASE WHEN coalesce(reasoning_tokens, 0) = 0 THEN output_chars END) AS chars,
        -- A status tells that the request began well; without one, a first token does.
        coalesce(http_status = 200, ttft_status = 'usable') AS began_well
    FROM scope LEFT JOIN habits
        ON habits.source = scope.source AND habits.route IS NOT DISTINCT FROM scope.route
)
SELECT
    by_1, by_2, by_3, by_4, call_id, cost_usd, billed_tokens, share,
    CASE
        WHEN outcome = 'error' AND began_well THEN 'error_in_stream'
        WHEN outcome IN ('cancelled', 'timeout', 'error') OR http_status >= 400 THEN NULL
        WHEN reason IN ('length', 'max_tokens', 'max_output_tokens', 'incomplete')
            AND reasoning_tokens >= $starved_share * coalesce(max_tokens, output_tokens) AND reasoning_tokens > 0
            THEN 'reasoning_starved'
        WHEN reason IN ('abort', 'aborted', 'error') THEN 'engine_abort'
        WHEN reason IN ('content_filter', 'content-filter', 'safety', 'recitation', 'prohibited_content', 'blocklist',
            'spii', 'refusal') THEN 'filtered'
        WHEN outcome = 'completed' AND chars = 0 AND output_tokens > 0
            AND reason IS DISTINCT FROM 'tool_calls' AND reason IS DISTINCT FROM 'tool_use'
            AND reason IS DISTINCT FROM 'tool-calls' AND reason IS DISTINCT FROM 'function_call' THEN 'empty_output'
        WHEN reason IN ('length', 'max_tokens', 'max_output_tokens') THEN 'cut_by_length'
        WHEN reason IS NULL AND share IS NOT NULL THEN 'no_terminal_event'
    END AS finding
FROM calls
-- A call that says neither how it ended nor why cannot be judged.
WHERE reason IS NOT NULL OR http_status IS NOT NULL OR outcome IN ('completed', 'error')
""",)
EXAMINED = """
SELECT (SELECT count(*) FROM false_ok_calls), count(*) FROM scope
"""
QUERY = """
, examined AS (
    SELECT by_1, by_2, by_3, by_4, count(*) AS calls FROM false_ok_calls GROUP BY ALL
)
SELECT
    examined.by_1, examined.by_2, examined.by_3, examined.by_4, finding, calls, count(*) AS affected_calls,
    sum(billed_tokens)::BIGINT AS tokens_at_stake, exact_sum(cost_usd) AS usd_at_stake,
    list(call_id ORDER BY billed_tokens DESC NULLS LAST, call_id)[1:3] AS examples,
    min(share) AS usual_share_seen
FROM false_ok_calls AS found JOIN examined ON found.by_1 IS NOT DISTINCT FROM examined.by_1
    AND found.by_2 IS NOT DISTINCT FROM examined.by_2 AND found.by_3 IS NOT DISTINCT FROM examined.by_3
    AND found.by_4 IS NOT DISTINCT FROM examined.by_4
WHERE finding IS NOT NULL
GROUP BY ALL
HAVING count(*) >= $least_affected AND count(*) >= $least_share * calls
"""
