-- Calls by month, provider and model: their cost by kind, their tokens, and what their cost leaves out. Over the
-- relation scope, which a WITH before it defines; prices come from the temporary table compared_prices.
--
-- A cost that a source reports is an estimate, and estimates leave things out. It is compared with sixteen list prices
-- of the same call: each of the service tier, the step for long inputs, the prices of cached tokens and reasoning may
-- be left out of it (8, 4, 2 and 1 in a mask). The first within half a per cent tells what the source left out.
, placed AS ( -- noqa: PRS
    SELECT
        by_1 AS month,
        -- What a model's name suggests is not who sent the invoice.
        CASE WHEN provider_basis IS DISTINCT FROM 'inferred' THEN by_2 END AS seller,
        calls.*,
        cost_usd IS NOT NULL AND cache_hit IS DISTINCT FROM true AS costed,
        cost_usd IS NULL AND cache_hit IS DISTINCT FROM true AS uncosted,
        -- An embedding has no output, so it bills none.
        CASE WHEN operation = 'embedding' THEN coalesce(output_tokens, 0)
            WHEN usage_status = 'final' THEN output_tokens END AS known_output,
        CASE WHEN known_output IS NOT NULL THEN input_tokens END AS known_input,
        prices.* EXCLUDE (provider, model, requested, day, service_tier, above, upto),
        coalesce(cached_input_tokens, 0) AS cached, coalesce(cache_write_tokens, 0) AS written,
        coalesce(cache_write_1h_tokens, 0) AS written_1h,
        input_tokens - cached - written AS uncached,
        output_tokens - coalesce(reasoning_tokens, 0) AS visible
    FROM scope AS calls
    LEFT JOIN compared_prices AS prices
        ON prices.provider IS NOT DISTINCT FROM
            CASE WHEN provider_basis IS DISTINCT FROM 'inferred' THEN calls.provider END
        AND prices.model = coalesce(calls.response_model, calls.model)
        AND prices.requested IS NOT DISTINCT FROM calls.model
        AND prices.day IS NOT DISTINCT FROM calls.start_time::DATE
        AND prices.service_tier IS NOT DISTINCT FROM calls.service_tier
        AND coalesce(calls.input_tokens, 9223372036854775807) > prices.above
        AND coalesce(calls.input_tokens, 9223372036854775807) <= prices.upto
), listed AS (
    SELECT
        *,
        -- Only a cost of the whole call, by kinds of tokens that are parts of it, can be compared with a price.
        costed AND cost_basis = 'reported' AND usage_status = 'final' AND cost_usd > 0
            AND uncached >= 0 AND written >= written_1h AND visible >= 0
            AND coalesce(audio_input_tokens, 0) + coalesce(audio_output_tokens, 0) + coalesce(image_tokens, 0) = 0
            AS comparable,
        uncached * ss_input + cached * ss_cached + (written - written_1h) * ss_write
            + CASE WHEN written_1h = 0 THEN 0 ELSE written_1h * ss_write_1h END AS ss_in,
        uncached * sf_input + cached * sf_cached + (written - written_1h) * sf_write
            + CASE WHEN written_1h = 0 THEN 0 ELSE written_1h * sf_write_1h END AS sf_in,
        uncached * ts_input + cached * ts_cached + (written - written_1h) * ts_write
            + CASE WHEN written_1h = 0 THEN 0 ELSE written_1h * ts_write_1h END AS ts_in,
        uncached * tf_input + cached * tf_cached + (written - written_1h) * tf_write
            + CASE WHEN written_1h = 0 THEN 0 ELSE written_1h * tf_write_1h END AS tf_in
    FROM placed
), priced AS (
    SELECT
        *,
        -- The price without what a mask leaves out, at the mask plus 1.
        CASE WHEN comparable THEN [
            ss_in + output_tokens * ss_output, ss_in + visible * ss_output,
            input_tokens * ss_input + output_tokens * ss_output, input_tokens * ss_input + visible * ss_output,
            sf_in + output_tokens * sf_output, sf_in + visible * sf_output,
            input_tokens * sf_input + output_tokens * sf_output, input_tokens * sf_input + visible * sf_output,
            ts_in + output_tokens * ts_output, ts_in + visible * ts_output,
            input_tokens * ts_input + output_tokens * ts_output, input_tokens * ts_input + visible * ts_output,
            tf_in + output_tokens * tf_output, tf_in + visible * tf_output,
            input_tokens * tf_input + output_tokens * tf_output, input_tokens * tf_input + visible * tf_output
        ] END AS prices
    FROM listed
), compared AS (
    SELECT
        *,
        -- The fewest things left out come first, so that a call without such tokens leaves nothing out.
        CASE
            WHEN is_near(prices[1], cost_usd) THEN 0 WHEN is_near(prices[2], cost_usd) THEN 1
            WHEN is_near(prices[3], cost_usd) THEN 2 WHEN is_near(prices[5], cost_usd) THEN 4
            WHEN is_near(prices[9], cost_usd) THEN 8 WHEN is_near(prices[4], cost_usd) THEN 3
            WHEN is_near(prices[6], cost_usd) THEN 5 WHEN is_near(prices[7], cost_usd) THEN 6
            WHEN is_near(prices[10], cost_usd) THEN 9 WHEN is_near(prices[11], cost_usd) THEN 10
            WHEN is_near(prices[13], cost_usd) THEN 12 WHEN is_near(prices[8], cost_usd) THEN 7
            WHEN is_near(prices[12], cost_usd) THEN 11 WHEN is_near(prices[14], cost_usd) THEN 13
            WHEN is_near(prices[15], cost_usd) THEN 14 WHEN is_near(prices[16], cost_usd) THEN 15
        END AS left_out
    FROM priced
), attributed AS (
    SELECT
        *,
        costed AND (cost_basis = 'priced' OR (prices[1] IS NOT NULL AND left_out IS NOT NULL)) AS explained,
        -- One thing after the other is put back, so that these add up to the whole difference.
        prices[(left_out & 14) + 1] - prices[left_out + 1] AS reasoning_usd,
        prices[(left_out & 12) + 1] - prices[(left_out & 14) + 1] AS cache_usd,
        prices[(left_out & 8) + 1] - prices[(left_out & 12) + 1] AS long_context_usd,
        prices[1] - prices[(left_out & 8) + 1] AS service_tier_usd
    FROM compared
)
SELECT
    month, seller, model,
    count(*) AS calls,
    count(*) FILTER (uncosted) AS cost_unknown,
    fsum(cost_low_usd) AS usd,
    fsum(cost_usd) FILTER (cost_basis = 'reported') AS reported_usd,
    fsum(cost_usd) FILTER (cost_basis = 'priced') AS list_usd,
    count(*) FILTER (costed AND cost_basis = 'reported') AS reported,
    count(*) FILTER (costed AND cost_basis = 'priced') AS priced,
    sum(known_input + known_output)::BIGINT AS tokens,
    count(*) FILTER ((known_input + known_output) IS NULL) AS tokens_unknown,
    sum(known_input)::BIGINT AS input_tokens,
    sum(known_output)::BIGINT AS output_tokens,
    count(*) FILTER (costed) AS costed,
    fsum(cost_usd) FILTER (costed) AS costed_usd,
    count(*) FILTER (uncosted AND known_output IS NULL) AS no_usage,
    coalesce(fsum(cost_low_usd) FILTER (uncosted AND known_output IS NULL), 0) AS no_usage_low_usd,
    count(*) FILTER (explained AND service_tier IS NOT NULL) AS service_tier_calls,
    fsum(service_tier_usd) FILTER (explained AND service_tier IS NOT NULL) AS service_tier_usd,
    count(*) FILTER (explained) AS long_context_calls,
    fsum(long_context_usd) FILTER (explained) AS long_context_usd,
    count(*) FILTER (explained AND coalesce(cached_input_tokens, cache_write_tokens) IS NOT NULL) AS cache_calls,
    fsum(cache_usd) FILTER (explained AND coalesce(cached_input_tokens, cache_write_tokens) IS NOT NULL) AS cache_usd,
    count(*) FILTER (explained AND reasoning_tokens IS NOT NULL) AS reasoning_calls,
    fsum(reasoning_usd) FILTER (explained AND reasoning_tokens IS NOT NULL) AS reasoning_usd
FROM attributed
GROUP BY month, seller, model
