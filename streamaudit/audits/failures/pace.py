"""Pace: streams that make people wait and then outrun their reading.

``batch_like``: nearly all of the time is wait, so streaming gains the user nothing. ``unread_stock``: the text was far
ahead of users when they cancelled; this is a lower bound of what was not read, and never counts as not rendered.
``uneven``: tokens come in fits, by the fluidity index of Etalon (arXiv 2407.07000, as coded, not as documented).
"""

from streamaudit.audits.failures.base import Kind, Threshold

NAME = "pace"
FINDS = "streams that are all wait, run ahead of their readers, or come in fits"
NEEDS = (
    "time to first token, duration and output tokens of streamed calls; chunk times for evenness; to get them, log "
    "the first token's and each chunk's time (time_to_first_chunk_ms, chunk_offsets_ms)"
)
BY = ("route", "model")
THRESHOLDS = (
    Threshold("wait_share", 0.8, "wait / total from which a stream is as good as a batch"),
    Threshold("least_wait_ms", 3000, "least wait for a finding", "a chat that waits over 3 s feels slow"),
    Threshold("reading_tokens_per_s", 5.3, "reading pace", "238 words a minute at 1.33 tokens a word: Brysbaert 2019"),
    Threshold("least_stock_tokens", 100, "least median unread tokens at the cancel for a finding"),
    Threshold("deadline_first_ms", 1000, "deadline of the first token",
        "a second keeps the flow of thought: Miller 1968"),
    Threshold("deadline_next_ms", 100, "deadline of each later token",
        "a tenth of a second feels instant: Miller 1968"),
    Threshold("least_fluidity", 0.9, "fluidity index below which a stream is uneven",
        "fluid token rate of Etalon: arXiv 2407.07000"),
    Threshold("least_share", 0.2, "least share of a group's streams for a finding"),
    Threshold("least_affected", 5, "fewest affected streams of a group for a finding"),
)
KINDS = {
    "batch_like": Kind("warning",
        "{affected_calls:n} of {calls:n} streams ({affected_share:pct}) were wait for most of their time: "
        "{wait_p50_ms:ms} of {total_p50_ms:ms} (median).",
        "Shorten what runs before the first token (retrieval, tools, reasoning) or show its progress."),
    "unread_stock": Kind("info",
        "Users who cancelled {affected_calls:n} of {calls:n} cut streams left {stock_p50:n} tokens (median) that "
        "they cannot have read yet at {reading:x} tokens a second.",
        "Generate in steps the user can follow, or ask before long answers: what runs ahead is paid and not read."),
    "uneven": Kind("info",
        "{affected_calls:n} of {calls:n} streams with chunk times ({affected_share:pct}) missed more than "
        "{missed:pct} of their deadlines of {next_ms:ms} a token; their median fluidity index is {fluidity_p50:ratio}.",
        "Smooth the output at the client (a buffer of half a second) and look for batching on the way."),
}  # fmt: skip
PREPARE = ("""
CREATE OR REPLACE TEMP TABLE pace_streams AS
-- over scope
SELECT
    by_1, by_2, by_3, by_4, source, call_id, outcome, duration_ms, ttft_ms,
    output_tokens - coalesce(reasoning_tokens, 0) AS tokens, ttft_ms / duration_ms AS wait_share,
    -- The tokens that had been delivered when the user left, less what can be read since the first visible one.
    CASE WHEN outcome = 'cancelled' AND cancelled_at_ms > coalesce(ttvt_ms, ttft_ms) THEN
        coalesce(delivered_tokens, CASE WHEN usage_status = 'final' THEN NULL ELSE output_tokens END)
            - $reading_tokens_per_s * (cancelled_at_ms - coalesce(ttvt_ms, ttft_ms)) / 1000 END AS stock,
    CASE WHEN outcome = 'completed' AND len(coalesce(client_chunk_offsets_ms, chunk_offsets_ms)) >= 10
        THEN coalesce(client_chunk_offsets_ms, chunk_offsets_ms) END AS offsets,
    list_max(list_transform(offsets[2:], lambda moment, i: moment - offsets[i])) <= $deadline_next_ms AS is_steady,
    -- The deadlines that the first chunk missed; where all others keep theirs, these are all, whatever the slack.
    CASE WHEN offsets[1] > $deadline_first_ms
        THEN floor((offsets[1] - $deadline_first_ms) / $deadline_next_ms) + 1 ELSE 0 END AS missed_first
FROM scope
WHERE ttft_status = 'usable' AND duration_ms > 0
""", """
CREATE OR REPLACE TEMP TABLE pace_fluidity AS
SELECT by_1, by_2, by_3, by_4, call_id, 1 - missed_first / (greatest(missed_first, 1) + len(offsets) - 1) AS fluidity
FROM pace_streams WHERE is_steady
UNION ALL
SELECT by_1, by_2, by_3, by_4, call_id, 1 - score.missed / score.total
FROM (
    SELECT *, list_reduce(
        list_transform(offsets, lambda moment, i: {
            'took': (moment - CASE WHEN i = 1 THEN 0 ELSE offsets[i - 1] END)::DOUBLE,
            'due': CASE WHEN i = 1 THEN $deadline_first_ms ELSE $deadline_next_ms END::DOUBLE,
            'missed': 0::DOUBLE, 'total': 0::DOUBLE}),
        -- What the accumulator "took" is the slack that early tokens have saved.
        lambda state, step: {
            'took': CASE WHEN step.took <= step.due + state.took THEN state.took + step.due - step.took ELSE 0 END,
            'due': 0::DOUBLE,
            'missed': state.missed + CASE WHEN step.took <= step.due + state.took THEN 0
                ELSE floor((step.took - state.took - step.due) / $deadline_next_ms) + 1 END,
            'total': state.total + CASE WHEN step.took <= step.due + state.took THEN 1
                ELSE floor((step.took - state.took - step.due) / $deadline_next_ms) + 1 END},
        {'took': 0::DOUBLE, 'due': 0::DOUBLE, 'missed': 0::DOUBLE, 'total': 0::DOUBLE}
    ) AS score
    FROM pace_streams WHERE NOT is_steady
)
""")
EXAMINED = """
SELECT (SELECT count(*) FROM pace_streams), count(*) FILTER (streamed) FROM scope
"""
QUERY = """
SELECT
    by_1, by_2, by_3, by_4, 'batch_like' AS finding, count(*) FILTER (is_answer) AS calls,
    count(*) FILTER (is_batch) AS affected_calls, NULL::BIGINT AS tokens_at_stake, NULL::DOUBLE AS usd_at_stake,
    list(call_id ORDER BY ttft_ms DESC, call_id) FILTER (is_batch)[1:3] AS examples,
    median(ttft_ms) FILTER (is_batch) AS wait_p50_ms, median(duration_ms) FILTER (is_batch) AS total_p50_ms
FROM (
    SELECT *, outcome = 'completed' AND tokens >= 10 AS is_answer,
        is_answer AND wait_share >= $wait_share AND ttft_ms >= $least_wait_ms AS is_batch FROM pace_streams
)
GROUP BY ALL
HAVING affected_calls >= $least_affected AND affected_calls >= $least_share * calls
UNION ALL BY NAME
SELECT
    by_1, by_2, by_3, by_4, 'unread_stock' AS finding, count(stock) AS calls,
    count(*) FILTER (stock > 0) AS affected_calls, exact_sum(greatest(stock, 0))::BIGINT AS tokens_at_stake,
    NULL::DOUBLE AS usd_at_stake, list(call_id ORDER BY stock DESC, call_id) FILTER (stock > 0)[1:3] AS examples,
    median(greatest(stock, 0)) AS stock_p50, $reading_tokens_per_s AS reading
FROM pace_streams
GROUP BY ALL
HAVING affected_calls >= $least_affected AND stock_p50 >= $least_stock_tokens
UNION ALL BY NAME
SELECT
    by_1, by_2, by_3, by_4, 'uneven' AS finding, count(fluidity) AS calls,
    count(*) FILTER (fluidity < $least_fluidity) AS affected_calls, NULL::BIGINT AS tokens_at_stake,
    NULL::DOUBLE AS usd_at_stake,
    list(call_id ORDER BY fluidity, call_id) FILTER (fluidity < $least_fluidity)[1:3] AS examples,
    median(fluidity) FILTER (fluidity < $least_fluidity) AS fluidity_p50,
    $deadline_next_ms AS next_ms, 1 - $least_fluidity AS missed
FROM pace_fluidity
GROUP BY ALL
HAVING affected_calls >= $least_affected AND affected_calls >= $least_share * calls
"""
