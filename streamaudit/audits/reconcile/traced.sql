-- Calls by month, provider and model: their cost by kind, their tokens, and what their cost leaves out. Over the
-- relation scope, which a WITH before it defines; prices come from the temporary table price_steps.
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
        served.steps AS served, standard.steps AS standard,
        coalesce(cached_input_tokens, 0) AS cached, coalesce(cache_write_tokens, 0) AS written,
        coalesce(cache_write_1h_tokens, 0) AS written_1h
    FROM scope AS calls
    LEFT JOIN price_steps AS served
        ON served.provider IS NOT DISTINCT FROM CASE WHEN provider_basis IS DISTINCT FROM 'inferred' THEN calls.provider END
        AND served.model = coalesce(calls.response_model, calls.model)
        AND served.requested IS NOT DISTINCT FROM calls.model
        AND served.day IS NOT DISTINCT FROM calls.start_time::DATE
        AND served.service_tier IS NOT DISTINCT FROM calls.service_tier
    LEFT JOIN price_steps AS standard
        ON standard.provider IS NOT DISTINCT FROM CASE WHEN provider_basis IS DISTINCT FROM 'inferred' THEN calls.provider END
        AND standard.model = coalesce(calls.response_model, calls.model)
        AND standard.requested IS NOT DISTINCT FROM calls.model
        AND standard.day IS NOT DISTINCT FROM calls.start_time::DATE
        AND standard.service_tier IS NULL
), listed AS (
    SELECT
        *,
        -- Only a cost of the whole call, by kinds of tokens that are parts of it, can be compared with a price.
        costed AND cost_basis = 'reported' AND usage_status = 'final' AND cost_usd > 0
            AND input_tokens >= cached + written AND written >= written_1h
            AND output_tokens >= coalesce(reasoning_tokens, 0)
            AND coalesce(audio_input_tokens, 0) + coalesce(audio_output_tokens, 0) + coalesce(image_tokens, 0) = 0
            AS comparable,
        -- By the upper two bits of the mask: the tier or the step left out.
        [price_step(served, input_tokens), served[1], price_step(standard, input_tokens), standard[1]] AS steps
    FROM placed
), compared AS (
    SELECT
        *,
        CASE WHEN comparable THEN list_transform(range(16), lambda s:
            CASE WHEN s & 2 = 2 THEN input_tokens * steps[(s >> 2) + 1].input
                ELSE input_price(steps[(s >> 2) + 1], input_tokens, cached, written, written_1h) END
            + (output_tokens - CASE WHEN s & 1 = 1 THEN coalesce(reasoning_tokens, 0) ELSE 0 END)
            * steps[(s >> 2) + 1].output) END AS prices,
        -- The fewest things left out come first, so that a call without such tokens leaves nothing out.
        list_filter([0, 1, 2, 4, 8, 3, 5, 6, 9, 10, 12, 7, 11, 13, 14, 15],
            lambda s: abs(prices[s + 1] - cost_usd) <= greatest(0.005 * prices[s + 1], 5e-7))[1] AS left_out
    FROM listed
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
