"""Drift between billed and delivered tokens: the same answers cost more tokens from one day on.

The audit follows the ratio of billed to delivered tokens of completed calls by day. A step up that comes with a new
version of the exporter's format is attributed to the exporter and has no price.
"""

from streamaudit.audits.failures.base import Kind, Threshold

NAME = "billing-drift"
FINDS = "days from which a provider bills more tokens than it delivers"
NEEDS = (
    "billed output tokens, and delivered or visible ones (delivered_tokens, or output_tokens and "
    "visible_output_chars) over at least a week; to get them, log what the stream delivered next to the provider's "
    "usage, or join an edge log with ingest --evidence"
)
BY = ("provider", "model")
THRESHOLDS = (
    Threshold("least_step", 0.05, "least rise of billed / delivered for a finding"),
    Threshold("least_days", 3, "days before and after a step"),
    Threshold("least_calls_a_day", 20, "fewest calls of a day that can be judged"),
    Threshold("least_z", 4, "distance of the two means in standard errors"),
)
KINDS = {
    "drift": Kind("warning",
        "From {step_day} on {after_ratio:ratio} tokens are billed for each one delivered, {before_ratio:ratio} "
        "before; {affected_calls:n} of {calls:n} calls came after it{exporter_words}.",
        "Compare a few answers with the provider's usage of the same requests: hidden reasoning that is new, "
        "another tokenizer, a system prompt that grew, or a price change that was announced."),
}  # fmt: skip
PREPARE = ("""
CREATE OR REPLACE TEMP TABLE billing_drift_days AS
-- over scope
, calls AS (
    SELECT
        by_1, by_2, by_3, by_4, call_id, start_time::DATE AS day, load_id, billed_tokens,
        coalesce(output_cost_usd / nullif(output_tokens, 0), output_usd_per_token) AS usd_per_token,
        coalesce(nullif(delivered_tokens, 0)::DOUBLE, nullif(visible_output_chars, 0) / 4.0) AS delivered,
        CASE WHEN delivered_tokens > 0 THEN 'tokens' ELSE 'chars' END AS measure
    FROM scope
    WHERE outcome = 'completed' AND billed_tokens > 0 AND start_time IS NOT NULL
        AND coalesce(nullif(delivered_tokens, 0), nullif(visible_output_chars, 0)) IS NOT NULL
)
SELECT
    by_1, by_2, by_3, by_4, measure, day, count(*) AS calls, sum(billed_tokens) AS billed, sum(delivered) AS delivered,
    exact_sum(billed_tokens / delivered) / count(*) AS ratio, var_samp(billed_tokens / delivered) AS spread,
    exact_sum(usd_per_token * billed_tokens) / sum(billed_tokens) FILTER (usd_per_token IS NOT NULL) AS usd_per_token,
    list(call_id ORDER BY billed_tokens / delivered DESC, call_id)[1:3] AS examples,
    list(DISTINCT loads.variant || ' ' || loads.format) AS exporters,
    list(DISTINCT call_id) FILTER (list_contains($explained::VARCHAR[], call_id)) AS shows
FROM calls LEFT JOIN store.loads AS loads USING (load_id)
GROUP BY ALL
HAVING count(*) >= $least_calls_a_day
""",)
EXAMINED = """
SELECT
    (SELECT coalesce(sum(calls), 0)::BIGINT FROM (
        SELECT sum(calls) AS calls, count(DISTINCT day) AS days FROM billing_drift_days
        GROUP BY by_1, by_2, by_3, by_4, measure HAVING days >= 2 * $least_days)),
    count(*) FILTER (outcome = 'completed') FROM scope
"""
QUERY = """
, steps AS (
    -- Every day as a border between the days before it and the days from it on.
    SELECT
        d.by_1, d.by_2, d.by_3, d.by_4, d.measure, d.day AS step_day,
        sum(b.calls) FILTER (b.day < d.day) AS before_calls, sum(b.calls) FILTER (b.day >= d.day) AS after_calls,
        count(*) FILTER (b.day < d.day) AS before_days, count(*) FILTER (b.day >= d.day) AS after_days,
        exact_sum(CASE WHEN b.day < d.day THEN b.ratio END) / before_days AS before_ratio,
        exact_sum(CASE WHEN b.day >= d.day THEN b.ratio END) / after_days AS after_ratio,
        -- Days are the units: calls of one day are not independent. A day's own spread is the floor.
        sqrt(coalesce(var_samp(b.ratio) FILTER (b.day < d.day), 0) / count(*) FILTER (b.day < d.day)
            + coalesce(var_samp(b.ratio) FILTER (b.day >= d.day), 0) / count(*) FILTER (b.day >= d.day)
            + avg(b.spread / b.calls) / count(*)) AS error,
        sum(b.delivered) FILTER (b.day >= d.day) AS after_delivered,
        -- Per million, as the price of one token has few of the decimals that are kept.
        exact_sum(CASE WHEN b.day >= d.day THEN b.usd_per_token * 1e6 END) / 1e6
            / count(b.usd_per_token) FILTER (b.day >= d.day) AS usd_per_token,
        flatten(list(b.exporters) FILTER (b.day < d.day)) AS exporters_before, d.exporters, d.examples,
        flatten(list(b.shows) FILTER (b.day >= d.day)) AS shows
    FROM billing_drift_days AS d JOIN billing_drift_days AS b
        ON b.by_1 IS NOT DISTINCT FROM d.by_1 AND b.by_2 IS NOT DISTINCT FROM d.by_2
        AND b.by_3 IS NOT DISTINCT FROM d.by_3 AND b.by_4 IS NOT DISTINCT FROM d.by_4 AND b.measure = d.measure
    GROUP BY ALL
), largest AS (
    SELECT *, NOT list_has_any(exporters, exporters_before) AS by_exporter
    FROM steps
    WHERE before_days >= $least_days AND after_days >= $least_days
        AND after_ratio >= before_ratio * (1 + $least_step) AND after_ratio - before_ratio >= $least_z * error
    QUALIFY row_number() OVER (PARTITION BY by_1, by_2, by_3, by_4
        ORDER BY round((after_ratio - before_ratio) / nullif(error, 0), 6) DESC, step_day) = 1
)
SELECT
    by_1, by_2, by_3, by_4, 'drift' AS finding, (before_calls + after_calls)::BIGINT AS calls,
    after_calls::BIGINT AS affected_calls,
    CASE WHEN by_exporter THEN NULL ELSE ((after_ratio - before_ratio) * after_delivered)::BIGINT END
        AS tokens_at_stake,
    CASE WHEN by_exporter THEN NULL ELSE (after_ratio - before_ratio) * after_delivered * usd_per_token END
        AS usd_at_stake,
    examples, shows, strftime(step_day, '%Y-%m-%d') AS step_day, before_ratio, after_ratio,
    CASE WHEN by_exporter THEN '; the export changed its form on the same day, so the step is the exporter''s' ELSE ''
        END AS exporter_words
FROM largest
"""
