"""Prompt caching: input that was paid in full although the provider had it, or could have had it, in its cache.

Within a session each call normally reads from the cache what earlier calls sent. ``cache_miss``: a call within the time
to live of the previous one reads next to nothing from the cache. ``cache_expired``: the same after a longer pause.
``cache_rewrite``: the cache is written repeatedly and hardly read. ``cache_lost_on_deploy``: the hit rate fell with a
deploy. The hit rate is cached input / input over calls that report it: "0 %" is not "not reported".

Dollars are an estimate, at the price of the call's own input on its date; a cache read is assumed to cost a tenth of
plain input, a cache write a quarter more.
"""

from streamaudit.audits.failures.base import Kind, Threshold

NAME = "cache"
FINDS = "input paid in full that the prompt cache held or could have held"
NEEDS = (
    "cached_input_tokens, session_id and start of each call; a source that reports no cached tokens leaves them "
    "unknown; to get them, log the usage's cached_tokens or cache_read_input_tokens and the id of the conversation"
)
BY = ("route", "model")
THRESHOLDS = (
    Threshold("ttl_s", 300, "seconds that a cached prefix lives after its last use", "Anthropic and OpenAI: 5 min"),
    Threshold("least_input_tokens", 1024, "input below which providers cache nothing", "OpenAI, Anthropic: 1,024"),
    Threshold("least_turns", 4, "fewest calls of a session that can be judged"),
    Threshold("miss_share", 0.1, "cached / input below which a call missed the cache"),
    Threshold("least_share", 0.2, "least share of a group's follow-up calls for a finding"),
    Threshold("least_affected", 3, "fewest affected calls of a group for a finding"),
    Threshold("lost_points", 0.2, "least fall of the hit rate with a deploy for a finding"),
)
_STABLE = (
    "Keep the beginning of the prompt the same from call to call: system text, tools and examples first, times, ids "
    "and retrieved text last; with Anthropic mark it with `cache_control`."
)
KINDS = {
    "cache_miss": Kind("warning",
        "{affected_calls:n} of {calls:n} follow-up calls ({affected_share:pct}) read less than {miss_share:pct} of "
        "their input from the cache within {ttl_s:s} of the call before; {tokens_at_stake:n} input tokens had been "
        "sent before{usd_at_stake:?, and a cache would have read them for about @ less}; the hit rate of the group is "
        "{hit_rate:pct}.",
        _STABLE, estimated=True),
    "cache_expired": Kind("info",
        "{affected_calls:n} of {calls:n} follow-up calls ({affected_share:pct}) came after the cache had expired, "
        "{pause_p50_ms:ms} after the call before (median); {tokens_at_stake:n} input tokens were read again in "
        "full{usd_at_stake:?, for about @ more than from a cache}.",
        "Use the longer time to live (Anthropic: 1 hour) where pauses are usual and the prefix is long.",
        estimated=True),
    "cache_rewrite": Kind("warning",
        "{affected_calls:n} of {calls:n} follow-up calls ({affected_share:pct}) wrote {tokens_at_stake:n} tokens to "
        "the cache and read less than {miss_share:pct} of their input from it{usd_at_stake:?, for about @ more "
        "than if it had held what was sent before}.",
        "Place `cache_control` before the part that changes: writing costs more than plain input and pays off only "
        "when it is read again.", estimated=True),
    "cache_lost_on_deploy": Kind("critical",
        "The hit rate fell from {before_rate:pct} to {after_rate:pct} with a new deploy; {affected_calls:n} of "
        "{calls:n} calls came after it and read {tokens_at_stake:n} tokens less from the cache than at the old "
        "rate{usd_at_stake:?, for about @ more}.",
        "Compare the prompts of both deploys from their first token on, and move what changes from call to call behind "
        "what stays: one early change empties the whole cache.", estimated=True),
}  # fmt: skip
PREPARE = ("""
CREATE OR REPLACE TEMP TABLE cache_groups AS
-- over scope
SELECT DISTINCT by_1, by_2, by_3, by_4, deploy, hash(by_1, by_2, by_3, by_4, deploy) AS group_key FROM scope
""", """
CREATE OR REPLACE TEMP TABLE cache_turns AS
-- over scope
-- Hashes stand for dimensions and session: numbers are put in order in a quarter of the time that their texts take.
, calls AS (
    SELECT
        hash(by_1, by_2, by_3, by_4, deploy) AS group_key, hash(source, model, route) AS model_key,
        hash(coalesce(session_id, trace_id, call_id)) AS session_key, call_id, start_time, input_tokens,
        cached_input_tokens, cache_write_tokens,
        start_time + to_microseconds((coalesce(duration_ms, 0) * 1000)::BIGINT) AS end_time,
        -- The price of plain input, as this call paid it: reads at a tenth of it, writes at a quarter more.
        input_cost_usd / nullif(input_tokens - 0.9 * cached_input_tokens + 0.25 * coalesce(cache_write_tokens, 0), 0)
            AS usd_per_token
    FROM scope
    WHERE cached_input_tokens IS NOT NULL AND input_tokens >= $least_input_tokens
        AND cached_input_tokens <= input_tokens AND start_time IS NOT NULL AND cache_hit IS DISTINCT FROM true
)
SELECT
    * EXCLUDE (end_time), lag(input_tokens) OVER turns AS input_before,
    epoch_us(start_time - lag(end_time) OVER turns) / 1000.0 AS pause_ms
FROM calls
WINDOW turns AS (PARTITION BY model_key, session_key ORDER BY start_time, call_id)
""", """
CREATE OR REPLACE TEMP TABLE cache_calls AS
-- A session that grows from call to call sends again what it sent before; of any other nothing can be said.
WITH growing AS (
    SELECT model_key, session_key
    FROM cache_turns
    GROUP BY ALL
    HAVING count(input_before) >= $least_turns - 1 AND count(*) FILTER (input_tokens < input_before) = 0
)
SELECT
    turns.* EXCLUDE (model_key, session_key, input_before),
    CASE WHEN growing.session_key IS NOT NULL THEN input_before END AS sent_before
FROM cache_turns AS turns LEFT JOIN growing USING (model_key, session_key)
""")
EXAMINED = """
SELECT (SELECT count(*) FROM cache_calls), count(*) FILTER (input_tokens >= $least_input_tokens) FROM scope
"""
QUERY = """
, follow_ups AS (
    SELECT
        *, greatest(sent_before - cached_input_tokens, 0) AS again,
        CASE WHEN cached_input_tokens >= $miss_share * input_tokens THEN NULL
            WHEN pause_ms > $ttl_s * 1000 THEN 'cache_expired'
            WHEN cache_write_tokens > 0.5 * input_tokens THEN 'cache_rewrite'
            ELSE 'cache_miss' END AS finding
    FROM cache_calls JOIN cache_groups USING (group_key)
    WHERE sent_before >= $least_input_tokens AND sent_before >= 0.5 * input_tokens
), rates AS (
    SELECT by_1, by_2, by_3, by_4, count(*) AS calls,
        sum(cached_input_tokens) / sum(input_tokens) AS hit_rate
    FROM follow_ups GROUP BY by_1, by_2, by_3, by_4
), deploys AS (
    SELECT by_1, by_2, by_3, by_4, deploy, min(start_time) AS first_seen, count(*) AS deployed_calls,
        sum(cached_input_tokens) AS cached, sum(input_tokens) AS input,
        exact_sum(usd_per_token * input_tokens) / sum(input_tokens) FILTER (usd_per_token IS NOT NULL) AS usd_per_token,
        list(call_id ORDER BY input_tokens - cached_input_tokens DESC, call_id)[1:3] AS examples,
        list(DISTINCT call_id) FILTER (list_contains($explained::VARCHAR[], call_id)) AS shows
    FROM cache_calls JOIN cache_groups USING (group_key) WHERE deploy IS NOT NULL GROUP BY ALL
), successive AS (
    SELECT *,
        lag(cached / input) OVER releases AS before_rate, cached / input AS after_rate,
        lag(deployed_calls) OVER releases AS before_calls,
        count(*) OVER (PARTITION BY by_1, by_2, by_3, by_4) AS deploys
    FROM deploys
    WINDOW releases AS (PARTITION BY by_1, by_2, by_3, by_4 ORDER BY first_seen, deploy)
)
SELECT
    rates.by_1, rates.by_2, rates.by_3, rates.by_4, finding, calls, count(*) AS affected_calls,
    sum(CASE finding WHEN 'cache_rewrite' THEN cache_write_tokens ELSE again END)::BIGINT AS tokens_at_stake,
    -- What the cache would have cost is not known for every provider: a tenth of the input's price is the usual.
    exact_sum(again * usd_per_token * CASE finding WHEN 'cache_rewrite' THEN 1.15 ELSE 0.9 END) AS usd_at_stake,
    list(call_id ORDER BY again DESC, call_id)[1:3] AS examples, any_value(hit_rate) AS hit_rate,
    median(pause_ms) AS pause_p50_ms
FROM follow_ups JOIN rates ON follow_ups.by_1 IS NOT DISTINCT FROM rates.by_1
    AND follow_ups.by_2 IS NOT DISTINCT FROM rates.by_2 AND follow_ups.by_3 IS NOT DISTINCT FROM rates.by_3
    AND follow_ups.by_4 IS NOT DISTINCT FROM rates.by_4
WHERE finding IS NOT NULL
GROUP BY ALL
HAVING count(*) >= $least_affected AND count(*) >= $least_share * calls
UNION ALL BY NAME
SELECT
    by_1, by_2, by_3, by_4, 'cache_lost_on_deploy' AS finding, deployed_calls + before_calls AS calls,
    deployed_calls AS affected_calls, ((before_rate - after_rate) * input)::BIGINT AS tokens_at_stake,
    (before_rate - after_rate) * input * usd_per_token * 0.9 AS usd_at_stake, examples, shows, before_rate, after_rate,
    deploy
FROM successive
WHERE before_rate - after_rate >= $lost_points AND deployed_calls >= 20 AND before_calls >= 20
"""
MISSED = """
-- Dollars paid for input that had been sent before and that the cache did not give, whether or not it had expired.
SELECT by_1, by_2, by_3, by_4, exact_sum((sent_before - cached_input_tokens) * usd_per_token * 0.9) AS usd,
    count(*) AS calls
FROM cache_calls JOIN cache_groups USING (group_key)
WHERE sent_before >= $least_input_tokens AND sent_before >= 0.5 * input_tokens AND sent_before > cached_input_tokens
    AND cached_input_tokens < $miss_share * input_tokens
GROUP BY ALL
"""
