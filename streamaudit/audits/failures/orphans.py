"""Orphaned work: generation, tools and steps that run on after their user has left.

``orphan``: the provider or the trace continued beyond a grace period. ``drained``: a gateway reads the stream to its
end to learn the usage, so the books are right and the waste remains. ``lost_task``: the stream was cut, nothing
resumed it, and the same session sent the same input within a minute. Detached and background runs do not count: their
clients leave on purpose.
"""

from streamaudit.audits.failures.base import Kind, Threshold

NAME = "orphans"
FINDS = "work that runs on after the user left"
NEEDS = (
    "when the client left (cancelled_at_ms) with when the provider stopped (upstream_end_ms) or with the steps of the"
    " trace; for lost tasks the session and the hash of the input; to get them, log when the client's connection "
    "closed and when the provider's stream ended, or join an edge log with ingest --evidence"
)
BY = ("route", "provider")
THRESHOLDS = (
    Threshold("grace_ms", 1000, "time after the client left in which a provider may still stop"),
    Threshold("lost_within_s", 60, "seconds within which the same input again is the same task"),
    Threshold("least_affected", 2, "fewest affected calls of a group for a finding"),
)
_ABORT = (
    "Pass the client's abort on: close the upstream request when the client's connection closes (AbortController, "
    "`request.is_disconnected()`), and stop tools of the same run."
)
KINDS = {
    "orphan": Kind("critical",
        "{affected_calls:n} of {calls:n} cut calls ({affected_share:pct}) worked on for {after_p50_ms:ms} (median) "
        "after their client had left{step_words}{hop_words}; {tokens_at_stake:n} output tokens came after it, where "
        "that is known.",
        _ABORT),
    "drained": Kind("warning",
        "{affected_calls:n} of {calls:n} cut calls ({affected_share:pct}) were read to their end by the gateway "
        "after their client had left: the usage is right, and {tokens_at_stake:n} output tokens were generated for "
        "it.",
        "Decide per route whether exact usage is worth the tokens; where it is not, abort the provider's stream when "
        "the client's connection closes, and take the lower bound."),
    "lost_task": Kind("warning",
        "{affected_calls:n} of {calls:n} cut calls ({affected_share:pct}) were sent again with the same input within "
        "a minute by the same session: the task was gone with its connection.",
        "Keep the run on the server under an id of its own and let the client resume it, for example with "
        "`Last-Event-ID`."),
}  # fmt: skip
PREPARE = ("""
CREATE OR REPLACE TEMP TABLE orphans_cuts AS
-- over scope
, calls AS (
    SELECT
        by_1, by_2, by_3, by_4, source, call_id, trace_id, start_time, duration_ms, outcome, session_id, input_hash,
        cancelled_at_ms, upstream_end_ms, upstream_cancelled, billed_tokens, delivered_tokens, tpot_ms,
        coalesce(output_cost_usd / nullif(output_tokens, 0), output_usd_per_token) AS usd_per_token, finish_reason,
        model, cost_usd, edge_servers, upstream_held_ms
    FROM scope
    WHERE start_time IS NOT NULL AND outcome IN ('cancelled', 'interrupted')
), resent AS (
    -- When the same session sent the same input next, of the calls that were interrupted.
    SELECT cuts.source, cuts.call_id, min(other.start_time) AS again_at
    FROM calls AS cuts JOIN scope AS other ON other.source = cuts.source AND other.input_hash = cuts.input_hash
        AND coalesce(other.session_id, other.trace_id) = coalesce(cuts.session_id, cuts.trace_id)
    WHERE cuts.outcome = 'interrupted'
        AND (other.start_time > cuts.start_time
            OR (other.start_time = cuts.start_time AND other.call_id > cuts.call_id))
    GROUP BY cuts.source, cuts.call_id
)
SELECT
    *,
    coalesce(upstream_end_ms, upstream_held_ms) - cancelled_at_ms AS after_ms,
    -- The hop that may have kept the abort back: one that passes it on late, or kept its upstream open measurably.
    CASE WHEN contains(edge_servers, '+')
            THEN array_to_string(list_filter(string_split(edge_servers, '+'),
                lambda s: coalesce(getvariable('hops')[s], 'at_once') <> 'at_once'), '+')
        ELSE edge_servers END AS hop,
    start_time + to_microseconds((coalesce(cancelled_at_ms, duration_ms) * 1000)::BIGINT) AS left_at,
    -- What came after the client left: known where the client's share is, else even over the provider's time.
    CASE WHEN delivered_tokens IS NOT NULL THEN greatest(billed_tokens - delivered_tokens, 0)
        WHEN coalesce(upstream_end_ms, upstream_held_ms) > 0
            AND cancelled_at_ms < coalesce(upstream_end_ms, upstream_held_ms)
            THEN (billed_tokens * (1 - cancelled_at_ms / coalesce(upstream_end_ms, upstream_held_ms)))::BIGINT
        END AS tokens_after,
    coalesce(session_id, trace_id) IS NOT NULL AND input_hash IS NOT NULL AS resendable
FROM calls LEFT JOIN resent USING (source, call_id)
""", """
CREATE OR REPLACE TEMP TABLE orphans_steps AS
-- Steps of a cut call's trace that began after its client had left; a call or step that is detached goes on on purpose.
SELECT cuts.source, cuts.call_id, count(*) AS steps, count(*) FILTER (steps.kind = 'tool') AS tools,
    max(epoch_us(coalesce(steps.end_time, steps.start_time)) - epoch_us(cuts.left_at)) / 1000.0 AS after_ms
FROM orphans_cuts AS cuts
JOIN store.spans AS steps ON steps.source = cuts.source AND steps.trace_id = cuts.trace_id
WHERE cuts.cancelled_at_ms IS NOT NULL
    AND steps.start_time > cuts.left_at + to_milliseconds($grace_ms::BIGINT)
    AND NOT regexp_matches(lower(coalesce(steps.name, '') || ' ' || coalesce(steps.kind, '')),
        'background|detached|queue|worker|batch')
GROUP BY ALL
""")
EXAMINED = """
SELECT
    (SELECT count(*) FROM orphans_cuts WHERE (cancelled_at_ms IS NOT NULL
        AND (after_ms IS NOT NULL OR upstream_cancelled IS NOT NULL OR trace_id IS NOT NULL)) OR resendable),
    count(*) FILTER (outcome IN ('cancelled', 'interrupted'))
FROM scope
"""
QUERY = """
, judged AS (
    SELECT
        cuts.*, steps.tools, coalesce(steps.steps, 0) AS steps,
        greatest(CASE WHEN cuts.after_ms > $grace_ms THEN cuts.after_ms END, steps.after_ms) AS ran_on_ms,
        CASE
            WHEN regexp_matches(lower(coalesce(by_1, '') || ' ' || coalesce(by_2, '')), 'background|batch') THEN NULL
            WHEN cuts.after_ms > $grace_ms AND cuts.finish_reason IS NOT NULL AND cuts.billed_tokens IS NOT NULL
                AND steps.steps IS NULL THEN 'drained'
            WHEN cuts.after_ms > $grace_ms OR steps.steps > 0 THEN 'orphan'
            WHEN resendable AND again_at > left_at AND again_at <= left_at + to_seconds($lost_within_s)
                AND outcome = 'interrupted' THEN 'lost_task'
        END AS finding
    FROM orphans_cuts AS cuts LEFT JOIN orphans_steps AS steps
        ON steps.source = cuts.source AND steps.call_id = cuts.call_id
), examined AS (
    SELECT by_1, by_2, by_3, by_4, count(*) AS calls FROM judged GROUP BY ALL
)
SELECT
    examined.by_1, examined.by_2, examined.by_3, examined.by_4, finding, calls, count(*) AS affected_calls,
    sum(CASE finding WHEN 'lost_task' THEN billed_tokens ELSE tokens_after END)::BIGINT AS tokens_at_stake,
    exact_sum(CASE finding WHEN 'lost_task' THEN cost_usd ELSE tokens_after * usd_per_token END) AS usd_at_stake,
    list(call_id ORDER BY ran_on_ms DESC NULLS LAST, call_id)[1:3] AS examples, median(ran_on_ms) AS after_p50_ms,
    CASE WHEN sum(steps) > 0 THEN ' through ' || sum(steps)::BIGINT || ' later steps, of them '
        || coalesce(sum(tools), 0)::BIGINT || ' tool calls' ELSE '' END AS step_words,
    coalesce(max(CASE WHEN judged.hop <> '' THEN ', behind ' || judged.hop || CASE getvariable('hops')[judged.hop]
        WHEN 'next_write' THEN ', which passes an abort on at its next write only'
        WHEN 'never' THEN ', which never passes an abort on'
        WHEN 'at_once' THEN ', which passes an abort on at once unless its settings forbid it'
        ELSE '' END END), '') AS hop_words
FROM judged JOIN examined ON judged.by_1 IS NOT DISTINCT FROM examined.by_1
    AND judged.by_2 IS NOT DISTINCT FROM examined.by_2 AND judged.by_3 IS NOT DISTINCT FROM examined.by_3
    AND judged.by_4 IS NOT DISTINCT FROM examined.by_4
WHERE finding IS NOT NULL
GROUP BY ALL
HAVING count(*) >= $least_affected
"""
