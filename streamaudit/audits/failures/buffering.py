"""Buffering: a proxy, a framework or a provider holds a stream back and hands it over in one piece or in clumps.

``burst``: one observer sees everything arrive at the end. A ratio of wait to total alone also flags fast decoders and
long queues before a steady stream, so the rest must also arrive faster than any model decodes. ``buffered``: the
server sent steadily and the client of the same request saw a burst, so what lies between holds the stream.
``coalesced``: chunks arrive in clumps at a steady beat.
"""

from streamaudit.audits.failures.base import Kind, Threshold

NAME = "buffering"
FINDS = "streams that arrive in one burst or in clumps"
NEEDS = (
    "time to first token, duration and output tokens of streamed calls; for certainty the arrival of each chunk at "
    "the server and at the client (chunk_offsets_ms, client_chunk_offsets_ms)"
)
BY = ("route", "model")
THRESHOLDS = (
    Threshold("burst_ratio", 0.95, "wait / total from which a stream is a burst"),
    Threshold("burst_tokens_per_s", 1000, "speed after the first token that no decoder reaches"),
    Threshold("burst_times_usual", 3, "the same, as a multiple of the model's own median speed"),
    Threshold("least_tokens", 10, "output tokens below which a stream says nothing"),
    Threshold("least_share", 0.2, "share of a group's streams from which it is a finding"),
    Threshold("least_streams", 5, "streams of a group below which it is none"),
    Threshold("clump_ms", 100, "shortest beat between clumps that counts"),
)
_PROXY = (
    "Turn response buffering off between the application and the client: nginx `proxy_buffering off` or the header "
    "`X-Accel-Buffering: no`; flush after each chunk; compress no event stream."
)
KINDS = {
    "burst": Kind("warning",
        "{affected_calls:n} of {calls:n} streams ({affected_share:pct}) arrived in one burst after a wait of "
        "{wait_p50_ms:ms} (median); everything after the first token took {rest_p50_ms:ms}.",
        "Find out who holds the stream: record chunk times at the gateway and at the client. " + _PROXY),
    "buffered": Kind("critical",
        "{affected_calls:n} of {calls:n} streams ({affected_share:pct}) left the server over {wait_p50_ms:ms} "
        "(median) and reached the client within {rest_p50_ms:ms}.",
        _PROXY),
    "coalesced": Kind("warning",
        "{affected_calls:n} of {calls:n} streams ({affected_share:pct}) arrived in clumps {wait_p50_ms:ms} apart "
        "(median), {rest_p50_ms:x} chunks each.",
        "Send each chunk at once: `http-no-delay` in HAProxy, TCP_NODELAY, no timer that batches events."),
}  # fmt: skip
PREPARE = ("""
CREATE OR REPLACE TEMP TABLE buffering_streams AS
-- over scope
, streams AS (
    SELECT
        by_1, by_2, by_3, by_4, call_id, model, duration_ms, ttft_ms,
        output_tokens - coalesce(reasoning_tokens, 0) AS tokens,
        CASE WHEN len(chunk_offsets_ms) >= $least_tokens THEN chunk_offsets_ms END AS sent,
        CASE WHEN len(client_chunk_offsets_ms) >= $least_tokens THEN client_chunk_offsets_ms END AS received
    FROM scope
    WHERE ttft_status = 'usable' AND outcome = 'completed' AND duration_ms > ttft_ms
), measured AS (
    SELECT
        * EXCLUDE (sent, received),
        (tokens - 1) / nullif(duration_ms - ttft_ms, 0) * 1000 AS tokens_per_s,
        ttft_ms / duration_ms AS wait_share,
        list_max(sent) - list_min(sent) AS sent_ms,
        list_max(received) - list_min(received) AS received_ms,
        -- Gaps of a list of arrivals: chunks of one clump come within a millisecond of one another.
        list_transform(generate_series(2, len(coalesce(received, sent))),
            lambda i: coalesce(received, sent)[i] - coalesce(received, sent)[i - 1]) AS gaps
    FROM streams
)
SELECT
    * EXCLUDE (gaps),
    len(list_filter(gaps, lambda gap: gap < 1)) AS short_gaps,
    list_filter(gaps, lambda gap: gap >= 1) AS long_gaps,
    greatest($burst_tokens_per_s, $burst_times_usual * coalesce(median(tokens_per_s) FILTER (wait_share < 0.5)
        OVER (PARTITION BY model), 0)) AS limit_tokens_per_s
FROM measured
WHERE tokens >= $least_tokens
""",)
EXAMINED = """
SELECT (SELECT count(*) FROM buffering_streams), count(*) FILTER (streamed) FROM scope
"""
QUERY = """
, judged AS (
    SELECT
        *,
        sent_ms >= 1000 AND received_ms < sent_ms * (1 - $burst_ratio) AS is_buffered,
        wait_share >= $burst_ratio AND tokens_per_s >= limit_tokens_per_s AS is_burst,
        list_median(long_gaps) AS beat_ms,
        (short_gaps + len(long_gaps) + 1) / (len(long_gaps) + 1) AS clump_chunks,
        -- A steady beat: most clumps come within a quarter of the median beat, and clumps hold several chunks.
        beat_ms >= $clump_ms AND clump_chunks >= 3
            AND len(list_filter(long_gaps, lambda gap: abs(gap - list_median(long_gaps)) <= list_median(long_gaps) / 4))
                >= 0.8 * len(long_gaps) AS is_coalesced
    FROM buffering_streams
), kinds AS (
    SELECT *, 'buffered' AS finding, sent_ms AS wait, received_ms AS rest
    FROM judged WHERE is_buffered
    UNION ALL BY NAME
    SELECT *, 'burst' AS finding, ttft_ms AS wait, duration_ms - ttft_ms AS rest
    FROM judged WHERE is_burst AND is_buffered IS DISTINCT FROM true
    UNION ALL BY NAME
    SELECT *, 'coalesced' AS finding, beat_ms AS wait, clump_chunks AS rest
    FROM judged WHERE is_coalesced AND is_buffered IS DISTINCT FROM true AND is_burst IS DISTINCT FROM true
), examined AS (
    SELECT by_1, by_2, by_3, by_4, count(*) AS calls FROM judged GROUP BY ALL
)
SELECT
    examined.by_1, examined.by_2, examined.by_3, examined.by_4, finding, calls, count(*) AS affected_calls,
    NULL::BIGINT AS tokens_at_stake, NULL::DOUBLE AS usd_at_stake,
    list(call_id ORDER BY wait DESC, call_id)[1:3] AS examples,
    median(wait) AS wait_p50_ms, median(rest) AS rest_p50_ms
FROM kinds JOIN examined ON kinds.by_1 IS NOT DISTINCT FROM examined.by_1
    AND kinds.by_2 IS NOT DISTINCT FROM examined.by_2 AND kinds.by_3 IS NOT DISTINCT FROM examined.by_3
    AND kinds.by_4 IS NOT DISTINCT FROM examined.by_4
GROUP BY ALL
HAVING count(*) > $least_share * calls AND count(*) >= $least_streams
"""
