"""Buffering: a proxy, a framework or a provider holds a stream back and hands it over in one piece or in clumps.

``burst``: one observer sees everything arrive at the end. The ratio of wait to total alone would also flag fast
decoders and long queues before a steady stream, so the rest must arrive faster than any model decodes. ``buffered``:
the server sent steadily and the client of the same request saw a burst, so something between them holds the stream.
``coalesced``: clumps at a steady beat and of any size, as a timer makes them. ``block``: clumps of equal size at any
beat, as a buffer of fixed size makes them.
"""

from streamaudit.audits.failures.base import Kind, Threshold

NAME = "buffering"
FINDS = "streams that arrive in one burst or in clumps"
NEEDS = (
    "time to first token, duration and output tokens of streamed calls; for certainty the arrival of each chunk at "
    "the server and at the client (chunk_offsets_ms, client_chunk_offsets_ms); to get them, note the time of each "
    "chunk where the stream is read and log the list with the call"
)
BY = ("route", "model")
THRESHOLDS = (
    Threshold("burst_ratio", 0.95, "wait / total from which a stream is a burst",
        "183 public streams: 0.9 also flags Groq and streams of a few large chunks"),
    Threshold("burst_tokens_per_s", 1000, "speed after the first token that no decoder reaches",
        "183 public streams: in each above it, all after the first token took under 0.5 ms"),
    Threshold("burst_times_usual", 3, "the same, as a multiple of the model's own median speed"),
    Threshold("least_tokens", 10, "output tokens below which a stream says nothing"),
    Threshold("least_share", 0.2, "least share of a group's streams for a finding"),
    Threshold("least_streams", 5, "fewest streams of a group for a finding"),
    Threshold("clump_ms", 100, "shortest beat between clumps that counts",
        "HAProxy holds for about 200 ms, delayed acknowledgements for 40"),
    Threshold("clump_gap_ms", 2, "gap below which two chunks arrived together"),
    Threshold("timer_ms", 400, "beat up to which a timer holds clumps of equal size, above it a buffer",
        "no timer of a proxy measured was longer than 280 ms"),
    Threshold("least_block", 8, "chunks of a clump from which it is a block", "4 KiB are some 20 to 40 events"),
)
_PROXY = (
    "turn response buffering off between the application and the client: nginx `proxy_buffering off` or the header "
    "`X-Accel-Buffering: no`; flush after each chunk; compress no event stream."
)
KINDS = {
    "burst": Kind("warning",
        "{affected_calls:n} of {calls:n} streams ({affected_share:pct}) arrived in one burst after a wait of "
        "{wait_p50_ms:ms} (median); everything after the first token took {rest_p50_ms:ms}.",
        "Find out who holds the stream by recording chunk times at the gateway and at the client, then " + _PROXY),
    "buffered": Kind("critical",
        "{affected_calls:n} of {calls:n} streams ({affected_share:pct}) left the server over {wait_p50_ms:ms} "
        "(median) and reached the client within {rest_p50_ms:ms}.",
        _PROXY[0].upper() + _PROXY[1:]),
    "coalesced": Kind("warning",
        "{affected_calls:n} of {calls:n} streams ({affected_share:pct}) arrived in clumps {wait_p50_ms:ms} apart "
        "(median), {rest_p50_ms:x} chunks each{sent_words}.",
        "Send each chunk at once: `http-no-delay` in HAProxy, TCP_NODELAY, no timer that batches events."),
    "block": Kind("warning",
        "{affected_calls:n} of {calls:n} streams ({affected_share:pct}) arrived in blocks of {rest_p50_ms:n} chunks "
        "(median), {wait_p50_ms:ms} apart{sent_words}.",
        "Look for a buffer of a fixed size (4, 8 or 16 KiB) that passes a stream on when it is full, then " + _PROXY),
}  # fmt: skip
PREPARE = ("""
CREATE OR REPLACE TEMP TABLE buffering_streams AS
-- over scope
, streams AS (
    SELECT
        by_1, by_2, by_3, by_4, source, call_id, model, duration_ms,
        output_tokens - coalesce(reasoning_tokens, 0) AS tokens,
        CASE WHEN len(chunk_offsets_ms) >= $least_tokens THEN chunk_offsets_ms END AS sent,
        CASE WHEN len(client_chunk_offsets_ms) >= $least_tokens THEN client_chunk_offsets_ms END AS received,
        -- A stream that came whole in one read has its first chunk at its end; that it has chunks says it streamed.
        CASE WHEN ttft_status = 'usable' AND duration_ms > ttft_ms THEN ttft_ms
            WHEN ttft_status = 'not_below_duration' THEN least(coalesce(received, sent)[1], duration_ms) END AS ttft_ms
    FROM scope
    WHERE outcome = 'completed' AND ttft_status IN ('usable', 'not_below_duration')
)
SELECT
    * EXCLUDE (sent, received), coalesce(received, sent) AS arrivals,
    -- Microseconds are the finest that any log has.
    (tokens - 1) / greatest(duration_ms - ttft_ms, 0.001) * 1000 AS tokens_per_s,
    ttft_ms / duration_ms AS wait_share,
    list_max(sent) - list_min(sent) AS sent_ms,
    list_max(received) - list_min(received) AS received_ms,
    -- The share of chunks that the server sent apart from the one before, where the client's times are known too.
    CASE WHEN received IS NOT NULL THEN len(list_filter(sent[2:], lambda moment, i: moment - sent[i] >= $clump_gap_ms))
        / nullif(len(sent) - 1, 0) END AS sent_apart
FROM streams
WHERE tokens >= $least_tokens AND ttft_ms IS NOT NULL
""", """
CREATE OR REPLACE TEMP TABLE buffering_clumps AS
WITH gaps AS (
    SELECT * EXCLUDE (arrivals), len(arrivals) AS chunks,
        list_transform(arrivals[2:], lambda moment, i: moment - arrivals[i]) AS gaps
    FROM buffering_streams WHERE arrivals IS NOT NULL
), borders AS (
    SELECT *, list_filter(generate_series(1, len(gaps)), lambda i: gaps[i] >= $clump_gap_ms) AS borders FROM gaps
), clumps AS (
    SELECT
        * EXCLUDE (chunks, gaps, borders), chunks / (len(borders) + 1) AS clump_chunks,
        chunks - borders[-1] AS last_clump,
        list_transform(borders, lambda i: gaps[i]) AS beats,
        -- The sizes of the clumps in chunks, but for the last one, which is what the stream had left.
        list_transform(borders, lambda border, i: border - CASE WHEN i = 1 THEN 0 ELSE borders[i - 1] END) AS sizes
    FROM borders
), usual AS (
    SELECT *, list_median(beats) AS beat_ms, list_median(sizes) AS clump FROM clumps
)
SELECT
    * EXCLUDE (beats, sizes, last_clump), len(beats) AS borders,
    -- A steady beat: most clumps come within a third of the median beat. The last one comes with the end.
    len(list_filter(beats[:greatest(len(beats) - 1, 1)], lambda gap: abs(gap - beat_ms) <= beat_ms / 3))
        >= 0.8 * greatest(len(beats) - 1, 1) AS has_beat,
    -- One size: most clumps lie within a quarter of the median, and what was left is no larger.
    len(list_filter(sizes, lambda size: abs(size - clump) <= clump / 4)) >= 0.8 * len(sizes)
        AND last_clump <= 1.25 * clump AS has_size
FROM usual
""", """
CREATE OR REPLACE TEMP TABLE buffering_judged AS
WITH usual AS (
    SELECT model, median(tokens_per_s) AS tokens_per_s FROM buffering_streams WHERE wait_share < 0.5 GROUP BY model
)
SELECT
    streams.*,
    sent_ms >= 1000 AND received_ms < sent_ms * (1 - $burst_ratio) AS is_buffered,
    wait_share >= $burst_ratio AND streams.tokens_per_s
        >= greatest($burst_tokens_per_s, $burst_times_usual * coalesce(usual.tokens_per_s, 0)) AS is_burst,
    beat_ms >= $clump_ms AND clump >= $least_block AND has_size AND (beat_ms > $timer_ms OR NOT has_beat) AS is_block,
    beat_ms >= $clump_ms AND clump_chunks >= 3 AND has_beat AND borders >= 3 AS is_coalesced,
    CASE WHEN is_buffered THEN 'buffered' WHEN is_burst THEN 'burst' WHEN is_block THEN 'block'
        WHEN is_coalesced THEN 'coalesced' END AS finding
FROM (
    -- Without chunk times a stream can only be a burst.
    FROM buffering_clumps UNION ALL BY NAME
    SELECT * EXCLUDE (arrivals) FROM buffering_streams WHERE arrivals IS NULL AND wait_share >= $burst_ratio
) AS streams
LEFT JOIN usual ON usual.model IS NOT DISTINCT FROM streams.model
""")
EXAMINED = """
SELECT (SELECT count(*) FROM buffering_streams), count(*) FILTER (streamed) FROM scope
"""
QUERY = """
, examined AS (
    SELECT by_1, by_2, by_3, by_4, count(*) AS streams, count(arrivals) AS timed,
        count(*) FILTER (sent_ms IS NOT NULL AND received_ms IS NOT NULL) AS timed_twice
    FROM buffering_streams GROUP BY ALL
)
SELECT
    examined.by_1, examined.by_2, examined.by_3, examined.by_4, finding,
    -- A share is of the streams that could have shown the finding: chunk times may be kept of a few only.
    any_value(CASE finding WHEN 'burst' THEN streams WHEN 'buffered' THEN timed_twice ELSE timed END) AS calls,
    count(*) AS affected_calls,
    NULL::BIGINT AS tokens_at_stake, NULL::DOUBLE AS usd_at_stake,
    list(call_id ORDER BY wait DESC, call_id)[1:3] AS examples,
    median(wait) AS wait_p50_ms, median(rest) AS rest_p50_ms,
    CASE WHEN median(sent_apart) >= 0.8 THEN ', though the server sent them one by one' ELSE '' END AS sent_words
FROM (
    SELECT *,
        CASE finding WHEN 'buffered' THEN sent_ms WHEN 'burst' THEN ttft_ms ELSE beat_ms END AS wait,
        CASE finding WHEN 'buffered' THEN received_ms WHEN 'burst' THEN duration_ms - ttft_ms
            WHEN 'block' THEN clump ELSE clump_chunks END AS rest
    FROM buffering_judged WHERE finding IS NOT NULL
) AS kinds JOIN examined ON kinds.by_1 IS NOT DISTINCT FROM examined.by_1
    AND kinds.by_2 IS NOT DISTINCT FROM examined.by_2 AND kinds.by_3 IS NOT DISTINCT FROM examined.by_3
    AND kinds.by_4 IS NOT DISTINCT FROM examined.by_4
GROUP BY examined.by_1, examined.by_2, examined.by_3, examined.by_4, finding
HAVING affected_calls > $least_share * calls AND affected_calls >= $least_streams
"""
