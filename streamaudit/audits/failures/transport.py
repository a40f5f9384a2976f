"""Transport: whether calls over SSE, WebSocket, gRPC or HTTP break off more than those over another.

Failures decide: timeouts, cuts and errors. The evidence also counts streams that stalled after their first visible
token, if chunk times are known, and attempts after the first, if they are numbered. A tool or a user may cause either,
so they raise no alarm by themselves.
"""

from streamaudit.audits.failures.base import Kind, Threshold

NAME = "transport"
FINDS = "transports on which streams break off more often than on another"
NEEDS = (
    "transport of each call (sse, websocket, grpc, or http of a stream): recorded, or derived from the scheme of an "
    "address (wss, https), rpc.system, a realtime operation or model, or the request in a step inside the call; to get "
    "it, log transport with each call, or map your own field: --map transport=PATH"
)
BY = ("route", "transport")
THRESHOLDS = (
    Threshold("least_calls", 30, "fewest calls of a transport that can be judged"),
    Threshold("least_failures", 5, "fewest failed calls for a finding"),
    Threshold("stall_ms", 3000, "gap after the first visible token that is counted as a stall"),
    Threshold("least_times", 2, "failure share as a multiple of that of the group's other transports"),
    Threshold("least_share", 0.02, "least failure share for a finding without another transport to compare"),
)
KINDS = {
    "transport_failures": Kind("warning",
        "{affected_calls:n} of {calls:n} calls ({affected_share:pct}) broke off ({timeouts:n} timed out, {cut:n} "
        "were cut, {errors:n} failed){other_words}{more_words}.",
        "Compare the limits on the way (proxy time-outs, HTTP/2 streams, WebSocket idle limits), send keep-alives, "
        "and let clients resume."),
}  # fmt: skip
PREPARE: tuple[str, ...] = ()
EXAMINED = """
SELECT count(*) FILTER (transport IN ('sse', 'websocket', 'grpc') OR (transport = 'http' AND streamed)),
    count(*) FILTER (streamed)
FROM scope
"""
QUERY = """
, calls AS (
    SELECT by_1, by_2, by_3, by_4, call_id, transport, outcome, cost_usd, billed_tokens,
        outcome IN ('timeout', 'interrupted', 'error') AS failed, attempt_number > 1 AS is_again,
        len(list_filter(coalesce(client_chunk_offsets_ms, chunk_offsets_ms)[2:], lambda moment, i:
            moment - coalesce(client_chunk_offsets_ms, chunk_offsets_ms)[i] >= $stall_ms
            AND coalesce(client_chunk_offsets_ms, chunk_offsets_ms)[i] >= coalesce(ttvt_ms, 0))) > 0 AS has_stalled
    FROM scope
    WHERE (transport IN ('sse', 'websocket', 'grpc') OR (transport = 'http' AND streamed)) AND outcome <> 'unknown'
), everywhere AS (
    SELECT transport, count(*) AS calls, count(*) FILTER (failed) AS failed FROM calls GROUP BY transport
), others AS (
    SELECT mine.transport, sum(other.failed) / nullif(sum(other.calls), 0) AS share
    FROM everywhere AS mine JOIN everywhere AS other ON other.transport <> mine.transport
    GROUP BY mine.transport
)
SELECT
    by_1, by_2, by_3, by_4, 'transport_failures' AS finding, count(*) AS calls,
    count(*) FILTER (failed) AS affected_calls, sum(billed_tokens) FILTER (failed)::BIGINT AS tokens_at_stake,
    exact_sum(CASE WHEN failed THEN cost_usd END) AS usd_at_stake,
    list(call_id ORDER BY cost_usd DESC NULLS LAST, call_id) FILTER (failed)[1:3] AS examples,
    count(*) FILTER (outcome = 'timeout') AS timeouts, count(*) FILTER (outcome = 'interrupted') AS cut,
    count(*) FILTER (outcome = 'error') AS errors,
    CASE WHEN any_value(share) IS NOT NULL
        THEN ', ' || round(any_value(share) * 100, 1) || ' % on other transports' ELSE '' END AS other_words,
    concat(
        CASE WHEN count(*) FILTER (has_stalled) > 0 THEN '; ' || count(*) FILTER (has_stalled) || ' stood still for '
            || round($stall_ms / 1000, 1) || ' s or longer' END,
        CASE WHEN count(*) FILTER (is_again) > 0 THEN '; ' || count(*) FILTER (is_again) || ' were tried again' END
    ) AS more_words
FROM calls LEFT JOIN others USING (transport)
GROUP BY by_1, by_2, by_3, by_4, transport
HAVING count(*) >= $least_calls AND count(*) FILTER (failed) >= $least_failures
    AND count(*) FILTER (failed) / count(*) >= greatest($least_share, $least_times * coalesce(any_value(share), 0))
"""
