"""Stalls: gaps inside a stream that had begun, and streams cut by a configured limit.

``stall`` reads the gaps between chunks. Gaps in which hidden reasoning or a tool may have run do not count: those that
a tool step of the trace overlaps, and those before the first visible token. ``idle_cut`` finds cuts whose silence
before the end clusters at an idle limit; ``deadline_cut`` finds cuts whose total duration does, and needs no chunk
times. The limit is a common one, or a whole second at which nearly all cuts of a group lie: servers fire their timers
a little early (nginx by up to 300 ms), and clients notice a little late.
"""

from streamaudit.audits.failures.base import Kind, Threshold

NAME = "stalls"
FINDS = "gaps inside streams, and streams cut by idle limits and deadlines"
NEEDS = (
    "when each chunk arrived (chunk_offsets_ms) for stalls and idle cuts; duration and outcome for deadlines; to get "
    "them, note the time of each chunk where the stream is read and log the list with the call"
)
BY = ("route", "model")
THRESHOLDS = (
    Threshold("hiccup_ms", 1000, "gap that is a hiccup", "a second keeps the flow of thought: Miller 1968"),
    Threshold("stall_ms", 3000, "gap that is a stall", "a chat that waits over 3 s feels slow"),
    Threshold("hang_ms", 10_000, "gap that is a hang", "attention lasts about 10 s: Miller 1968"),
    Threshold("least_share", 0.02, "least share of a group's streams with a stall for a finding"),
    Threshold("least_affected", 3, "fewest affected streams of a group for a finding"),
    Threshold("least_cut", 5, "cut streams that make a cluster"),
    Threshold("cluster_share", 0.5, "share of a group's cut streams that make a cluster"),
    Threshold("cluster_width", 0.02, "how far from a common limit, as a share of it, a cut may lie"),
    Threshold("unlisted_share", 0.8, "share of a group's cut streams that make a cluster at any other whole second"),
    Threshold("least_unlisted", 5, "cut streams that make a cluster there; of fewer a whole second is chance"),
    Threshold("early_ms", 350, "how long before it a cut may lie", "nginx moves its timers in steps of 300 ms"),
    Threshold("late_ms", 250, "how long after it a cut may lie", "what a loaded client took to notice on loopback"),
)
_KEEP_ALIVE = (
    "Send a comment or ping event at least every 15 s while nothing else is sent, and raise the idle time-out of the "
    "proxy or load balancer in front (nginx `proxy_read_timeout`, AWS ALB idle timeout, Cloudflare 100 s)."
)
KINDS = {
    "stall": Kind("warning",
        "{affected_calls:n} of {calls:n} streams ({affected_share:pct}) stood still for {stall_ms:ms} or longer "
        "after their first token ({hangs:n} for {hang_ms:ms} or longer); {stall_share:pct} of their streaming time "
        "passed in gaps over {hiccup_ms:ms}, the longest lasted {longest_ms:ms}.",
        "Look at the provider's queue and at the tools behind these calls; tell the user that work goes on, and "
        "retry or switch after a silence you choose."),
    "idle_cut": Kind("critical",
        "{affected_calls:n} of {deaths:n} cut streams died after {limit_ms:ms} of silence{status_words}: a limit of "
        "{about}{limit_s:n} s for idle connections.",
        _KEEP_ALIVE),
    "deadline_cut": Kind("critical",
        "{affected_calls:n} of {deaths:n} cut calls ended {limit_ms:ms} after their start{status_words}: a deadline "
        "of {about}{limit_s:n} s cuts them whatever they are doing.",
        "Find the deadline on the way (client time-out, gateway, load balancer, serverless limit) and raise it "
        "above the slowest answers, or cap the output so that answers end before it."),
}  # fmt: skip
PREPARE = ("""
CREATE OR REPLACE TEMP TABLE stalls_streams AS
-- over scope
, streams AS (
    SELECT
        by_1, by_2, by_3, by_4, source, call_id, trace_id, start_time, duration_ms, outcome, ended_by, http_status,
        cancelled_by, billed_tokens, cost_usd, ttvt_ms, coalesce(client_chunk_offsets_ms, chunk_offsets_ms) AS offsets
    FROM scope
    WHERE streamed IS DISTINCT FROM false AND (len(coalesce(client_chunk_offsets_ms, chunk_offsets_ms)) >= 2
        OR outcome IN ('timeout', 'interrupted', 'error', 'cancelled'))
), gaps AS (
    SELECT *, list_filter(list_transform(generate_series(2, len(offsets)), lambda i: {
            'begins_ms': offsets[i - 1], 'lasts_ms': offsets[i] - offsets[i - 1]
        -- Before the first visible token hidden reasoning may run.
        }), lambda gap: gap.lasts_ms >= $hiccup_ms AND gap.begins_ms >= coalesce(ttvt_ms, 0)) AS long_gaps
    FROM streams
)
SELECT
    * EXCLUDE (offsets), len(offsets) >= 2 AS has_offsets, list_max(offsets) - list_min(offsets) AS streaming_ms,
    duration_ms - list_max(offsets) AS silence_ms,
    outcome IN ('timeout', 'interrupted', 'error') OR (outcome = 'cancelled' AND cancelled_by = 'server') AS cut
FROM gaps
""", """
CREATE OR REPLACE TEMP TABLE stalls_tool_gaps AS
-- Gaps that a tool step of the same trace overlaps.
SELECT DISTINCT source, call_id, begins_ms FROM (
    SELECT source, call_id, trace_id, start_time, unnest(long_gaps, recursive := true) FROM stalls_streams
    WHERE len(long_gaps) > 0
) AS gap
JOIN store.spans AS tools USING (source, trace_id)
WHERE tools.kind IN ('tool', 'retrieval') AND tools.start_time IS NOT NULL
    AND tools.start_time < gap.start_time + to_microseconds(((begins_ms + lasts_ms) * 1000)::BIGINT)
    AND coalesce(tools.end_time, tools.start_time) > gap.start_time + to_microseconds((begins_ms * 1000)::BIGINT)
""")
EXAMINED = """
SELECT (SELECT count(*) FROM stalls_streams WHERE has_offsets OR (cut AND duration_ms IS NOT NULL)),
    count(*) FILTER (streamed) FROM scope
"""
QUERY = """
, own_gaps AS (
    SELECT gap.source, gap.call_id, max(lasts_ms) AS longest_ms, exact_sum(lasts_ms) AS gaps_ms
    FROM (SELECT source, call_id, unnest(long_gaps, recursive := true) FROM stalls_streams WHERE len(long_gaps) > 0)
        AS gap
    ANTI JOIN stalls_tool_gaps USING (source, call_id, begins_ms)
    GROUP BY ALL
), limits AS (
    -- Idle limits and deadlines that servers, proxies and clients are known to have.
    SELECT unnest([30, 60, 90, 100, 120, 125, 180, 240, 300, 350, 600, 900])::DOUBLE AS limit_s
), timed AS (
    SELECT *, 'idle_cut' AS measure, silence_ms AS took_ms FROM stalls_streams WHERE cut AND has_offsets
    UNION ALL BY NAME
    SELECT *, 'deadline_cut' AS measure, duration_ms AS took_ms FROM stalls_streams
    WHERE cut AND duration_ms IS NOT NULL
), deaths AS (
    SELECT
        timed.* EXCLUDE (limit_s), coalesce(limit_s, unlisted_s) AS limit_s, limit_s IS NOT NULL AS listed,
        count(*) OVER (PARTITION BY by_1, by_2, by_3, by_4, measure) AS deaths
    FROM (
        SELECT timed.*, limit_s,
            -- An error is an answer, and answers of one kind take their usual time: only what broke off has a limit.
            CASE WHEN measure = 'idle_cut' OR outcome IN ('timeout', 'interrupted') THEN
                nullif(floor((took_ms + $early_ms) / 1000), 0) END AS whole_s,
            CASE WHEN took_ms <= whole_s * 1000 + $late_ms THEN whole_s END AS unlisted_s
        FROM timed LEFT JOIN limits ON abs(took_ms - limit_s * 1000) <= $cluster_width * limit_s * 1000
    ) AS timed
), clusters AS (
    SELECT
        by_1, by_2, by_3, by_4, measure AS finding, limit_s, any_value(deaths) AS deaths, count(*) AS affected_calls,
        sum(billed_tokens)::BIGINT AS tokens_at_stake, exact_sum(cost_usd) AS usd_at_stake,
        list(call_id ORDER BY call_id)[1:3] AS examples,
        list(DISTINCT call_id) FILTER (list_contains($explained::VARCHAR[], call_id)) AS shows,
        median(took_ms) AS limit_ms, commonest(http_status) AS status,
        CASE WHEN bool_or(listed) THEN '' ELSE 'about ' END AS about
    FROM deaths WHERE limit_s IS NOT NULL
    GROUP BY by_1, by_2, by_3, by_4, measure, limit_s
    HAVING count(*) >= CASE WHEN bool_or(listed) THEN $least_cut ELSE greatest($least_cut, $least_unlisted) END
        AND count(*) >= CASE WHEN bool_or(listed) THEN $cluster_share ELSE $unlisted_share END * any_value(deaths)
    QUALIFY row_number() OVER (PARTITION BY by_1, by_2, by_3, by_4, measure ORDER BY count(*) DESC, limit_s) = 1
)
SELECT
    by_1, by_2, by_3, by_4, 'stall' AS finding, count(*) FILTER (has_offsets) AS calls,
    count(*) FILTER (longest_ms >= $stall_ms) AS affected_calls, NULL::BIGINT AS tokens_at_stake,
    NULL::DOUBLE AS usd_at_stake,
    list(call_id ORDER BY longest_ms DESC, call_id) FILTER (longest_ms >= $stall_ms)[1:3] AS examples,
    count(*) FILTER (longest_ms >= $hang_ms) AS hangs, max(longest_ms) AS longest_ms,
    exact_sum(CASE WHEN longest_ms >= $stall_ms THEN gaps_ms END)
        / nullif(exact_sum(CASE WHEN longest_ms >= $stall_ms THEN streaming_ms END), 0) AS stall_share
FROM stalls_streams LEFT JOIN own_gaps USING (source, call_id)
WHERE has_offsets
GROUP BY ALL
HAVING affected_calls >= $least_affected AND affected_calls >= $least_share * calls
UNION ALL BY NAME
SELECT
    clusters.* EXCLUDE (status), deaths AS calls,
    CASE WHEN status >= 500 THEN ' with status ' || status::INTEGER ELSE '' END AS status_words
FROM clusters
-- A route that is cut at one total is cut by the deadline; the silence before it is whatever it is.
WHERE finding = 'deadline_cut' OR NOT EXISTS (
    FROM clusters AS other
    WHERE other.finding = 'deadline_cut' AND clusters.finding = 'idle_cut' AND other.limit_s > clusters.limit_s
        AND other.by_1 IS NOT DISTINCT FROM clusters.by_1 AND other.by_2 IS NOT DISTINCT FROM clusters.by_2
        AND other.by_3 IS NOT DISTINCT FROM clusters.by_3 AND other.by_4 IS NOT DISTINCT FROM clusters.by_4
        AND other.affected_calls > clusters.affected_calls)
"""
