-- A call as exported for other tools: a query over the relation ``scope``. Everything that two engines might compute
-- differently is done here, once: the UTC day, whole units, buckets, flags as 0 and 1, and no integer that only DuckDB
-- has. Columns of the store alone are left out by their kind, so that a new one is not exported by mistake.
, stored AS ( -- noqa: PRS
    SELECT COLUMNS(lambda name: name = 'input_hash' OR NOT regexp_full_match(name, '(by|group)_\d|.*_(hash|key)')),
        lpad(lower(hex(record_hash)), 16, '0') AS own_hash
    FROM scope
), whole AS (
    SELECT
        * EXCLUDE (load_id, own_hash, of_load)
        REPLACE (
            (counted AND ($with_embeddings OR operation <> 'embedding'))::INTEGER AS counted,
            streamed::INTEGER AS streamed,
            cache_hit::INTEGER AS cache_hit,
            upstream_cancelled::INTEGER AS upstream_cancelled,
            stopped_before_first_token::INTEGER AS stopped_before_first_token,
            ended_early::INTEGER AS ended_early,
            ran_on::INTEGER AS ran_on,
            unseen_prompt::INTEGER AS unseen_prompt,
            output_low::BIGINT AS output_low,
            delivered_low::BIGINT AS delivered_low,
            delivered_best::BIGINT AS delivered_best,
            delivered_high::BIGINT AS delivered_high,
            billed_low::BIGINT AS billed_low,
            billed_high::BIGINT AS billed_high,
            rendered_low::BIGINT AS rendered_low,
            rendered_best::BIGINT AS rendered_best,
            rendered_high::BIGINT AS rendered_high,
            tax_low::BIGINT AS tax_low,
            tax_best::BIGINT AS tax_best,
            tax_high::BIGINT AS tax_high,
            tax_hidden::BIGINT AS tax_hidden,
            tax_unread::BIGINT AS tax_unread,
            tax_undelivered::BIGINT AS tax_undelivered,
            tax_orphaned::BIGINT AS tax_orphaned,
            saved_low::BIGINT AS saved_low,
            saved_high::BIGINT AS saved_high
        ),
        start_time::DATE AS day,
        epoch_us(start_time) AS start_us,
        (outcome = 'cancelled')::INTEGER AS cancelled,
        (ttft_status = 'usable')::INTEGER AS ttft_usable,
        (ttft_status = 'usable' AND coalesce(ttvt_ms > 0, false))::INTEGER AS ttvt_usable,
        (ended_early AND prompt_unseen(unseen_prompt, cache_hit, cancelled_at_ms, ttft_ms, ran_on, rendered_low,
            rendered_chars, delivered_tokens, delivered_low, chunk_count, output_chars))::INTEGER AS prompt_unseen,
        try_cast(round(1e3 * ttft_ms) AS BIGINT) AS ttft_us,
        try_cast(round(1e3 * ttvt_ms) AS BIGINT) AS ttvt_us,
        try_cast(round(1e3 * server_ttft_ms) AS BIGINT) AS server_ttft_us,
        try_cast(round(1e3 * duration_ms) AS BIGINT) AS duration_us,
        try_cast(round(1e3 * cancelled_at_ms) AS BIGINT) AS cancelled_at_us,
        try_cast(round(1e3 * upstream_end_ms) AS BIGINT) AS upstream_end_us,
        try_cast(round(1e3 * tpot_ms) AS BIGINT) AS tpot_us,
        CASE WHEN ttft_status = 'censored'
            THEN try_cast(round(1e3 * coalesce(cancelled_at_ms, duration_ms)) AS BIGINT) END AS wait_us,
        CASE WHEN outcome IN ('cancelled', 'timeout')
            THEN try_cast(round(1e3 * coalesce(cancelled_at_ms, duration_ms)) AS BIGINT) END AS cut_us,
        try_cast(round(1e3 * ttfb_ms) AS BIGINT) AS ttfb_us,
        try_cast(round(1e3 * (ttft_ms - ttfb_ms)) AS BIGINT) AS ttfb_to_ttft_us,
        CASE WHEN ttft_status = 'usable' THEN ceil(12 * log10(ttft_ms))::INTEGER - 1 END AS ttft_band,
        try_cast(round(1e9 * cost_usd) AS BIGINT) AS cost_nano_usd,
        try_cast(round(1e9 * cost_low_usd) AS BIGINT) AS cost_low_nano_usd,
        try_cast(round(1e9 * input_cost_usd) AS BIGINT) AS input_cost_nano_usd,
        try_cast(round(1e9 * output_cost_usd) AS BIGINT) AS output_cost_nano_usd,
        try_cast(round(1e9 * tax_low_usd) AS BIGINT) AS tax_low_nano_usd,
        try_cast(round(1e9 * tax_best_usd) AS BIGINT) AS tax_best_nano_usd,
        try_cast(round(1e9 * tax_high_usd) AS BIGINT) AS tax_high_nano_usd,
        try_cast(round(1e9 * CASE WHEN saved_low = 0 THEN 0.0 ELSE saved_low * usd_per_output_token END) AS BIGINT)
            AS saved_low_nano_usd,
        try_cast(round(1e9 * CASE WHEN saved_high = 0 THEN 0.0 ELSE saved_high * usd_per_output_token END) AS BIGINT)
            AS saved_high_nano_usd,
        CASE WHEN session_id IS NOT NULL THEN (hash(session_id) & $session_mask::UBIGINT)::INTEGER END AS session_bin,
        -- Of two records of one call the later text is the winner of an ingest (ingest/merge.py): terminal, usage rank, a
        -- known update before none, tokens, an end, hash; each of a fixed width, so that texts compare as they do.
        (outcome IN ('completed', 'cancelled', 'timeout', 'error'))::INTEGER::VARCHAR
            || CASE usage_basis WHEN 'provider' THEN '4' WHEN 'partial' THEN '3' WHEN 'unclear' THEN '2'
                WHEN 'tokenizer' THEN '1' ELSE '0' END
            || CASE WHEN usage_basis = 'partial' THEN ordinal(NULL) ELSE ordinal(epoch_us(source_updated_at)) END
            || ordinal(output_tokens) || ordinal(epoch_us(source_updated_at)) || (end_time IS NOT NULL)::INTEGER
            || own_hash AS winner
    FROM stored
    LEFT JOIN (
        SELECT load_id AS of_load, sample_rate, ends_with(variant, $diversity)::INTEGER AS kept_for_diversity
        FROM store.loads
    ) ON of_load = load_id
), exported AS (
    SELECT
        whole.*,
        bucket_of(ttft_us) AS ttft_bucket,
        bucket_of(ttvt_us) AS ttvt_bucket,
        bucket_of(duration_us) AS duration_bucket,
        bucket_of(tpot_us) AS tpot_bucket,
        bucket_of(wait_us) AS wait_bucket,
        bucket_of(cut_us) AS cut_bucket,
        bucket_of(ttfb_us) AS ttfb_bucket,
        bucket_of(ttfb_to_ttft_us) AS ttfb_to_ttft_bucket
    FROM whole
)
