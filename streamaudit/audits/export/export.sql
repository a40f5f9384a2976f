-- A call as exported for other tools: a query over the relation ``scope``. Everything that two
-- engines might compute differently is done here, once: the UTC day, whole units, buckets, flags as 0 and 1.
, whole AS ( -- noqa: PRS
    SELECT
        * EXCLUDE (by_1, by_2, by_3, by_4, group_1, group_2, group_3, group_4, load_id, record_hash)
        REPLACE (
            counted::INTEGER AS counted,
            streamed::INTEGER AS streamed,
            cache_hit::INTEGER AS cache_hit,
            upstream_cancelled::INTEGER AS upstream_cancelled,
            stopped_before_first_token::INTEGER AS stopped_before_first_token,
            ended_early::INTEGER AS ended_early,
            ran_on::INTEGER AS ran_on,
            unseen_prompt::INTEGER AS unseen_prompt
        ),
        start_time::DATE AS day,
        (outcome = 'cancelled')::INTEGER AS cancelled,
        (ttft_status = 'usable')::INTEGER AS ttft_usable,
        try_cast(round(1e3 * ttft_ms) AS BIGINT) AS ttft_us,
        try_cast(round(1e3 * ttvt_ms) AS BIGINT) AS ttvt_us,
        try_cast(round(1e3 * server_ttft_ms) AS BIGINT) AS server_ttft_us,
        try_cast(round(1e3 * duration_ms) AS BIGINT) AS duration_us,
        try_cast(round(1e3 * cancelled_at_ms) AS BIGINT) AS cancelled_at_us,
        try_cast(round(1e3 * upstream_end_ms) AS BIGINT) AS upstream_end_us,
        try_cast(round(1e3 * tpot_ms) AS BIGINT) AS tpot_us,
        try_cast(round(1e9 * cost_usd) AS BIGINT) AS cost_nano_usd,
        try_cast(round(1e9 * input_cost_usd) AS BIGINT) AS input_cost_nano_usd,
        try_cast(round(1e9 * output_cost_usd) AS BIGINT) AS output_cost_nano_usd,
        try_cast(round(1e9 * tax_low_usd) AS BIGINT) AS tax_low_nano_usd,
        try_cast(round(1e9 * tax_best_usd) AS BIGINT) AS tax_best_nano_usd,
        try_cast(round(1e9 * tax_high_usd) AS BIGINT) AS tax_high_nano_usd
    FROM scope
    WHERE $untimed IS NULL OR (start_time IS NULL) = $untimed
), exported AS (
    SELECT
        whole.*,
        bucket_of(ttft_us) AS ttft_bucket,
        bucket_of(ttvt_us) AS ttvt_bucket,
        bucket_of(duration_us) AS duration_bucket,
        bucket_of(tpot_us) AS tpot_bucket
    FROM whole
)
