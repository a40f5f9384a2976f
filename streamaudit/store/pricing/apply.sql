-- What calls cost: the relation ``costed`` over a relation ``uncosted`` of calls in which cost_usd, input_cost_usd and
-- output_cost_usd hold only what a source reported. It fills these three where a price gives them, and adds their bases
-- and output_usd_per_token. Prices per token come from the temporary table unit_prices (see apply.py).
, priced AS (
    SELECT
        uncosted.*,
        -- The whole call is billed at the tier that its input reaches.
        CASE WHEN len(prices.tiers) = 1 OR coalesce(uncosted.input_tokens, 0) = 0 THEN prices.tiers[1]
            ELSE list_filter(prices.tiers, lambda t: t.start < uncosted.input_tokens)[-1] END AS price,
        -- Whether the tokens are what was billed, so that a price gives their cost.
        usage_basis IN ('provider', 'none') OR (usage_basis = 'unclear' AND outcome = 'completed') AS billable
    FROM uncosted
    LEFT JOIN unit_prices AS prices
        ON prices.provider IS NOT DISTINCT FROM uncosted.provider
        AND prices.model = coalesce(uncosted.response_model, uncosted.model)
        AND prices.requested IS NOT DISTINCT FROM uncosted.model
        AND prices.day IS NOT DISTINCT FROM uncosted.start_time::DATE
), in_parts AS (
    SELECT
        *,
        -- Cached tokens are a part of the input; where they exceed it they stand beside it, and no price fits.
        coalesce(input_cost_usd, CASE
            WHEN billable AND input_tokens >= coalesce(cached_input_tokens, 0) + coalesce(cache_write_tokens, 0) THEN
                (input_tokens - coalesce(cached_input_tokens, 0) - coalesce(cache_write_tokens, 0)) * price.input
                + coalesce(cached_input_tokens, 0) * coalesce(price.cached, price.input)
                + coalesce(cache_write_tokens, 0) * coalesce(price.cache_write, price.input)
        END) AS input_part,
        coalesce(output_cost_usd, CASE WHEN billable THEN output_tokens * price.output END) AS output_part
    FROM priced
), costed AS (
    SELECT
        * EXCLUDE (price, billable, input_part, output_part) REPLACE (
            CASE WHEN cache_hit THEN coalesce(cost_usd, 0.0) ELSE coalesce(cost_usd, input_part + output_part) END
                AS cost_usd,
            input_part AS input_cost_usd,
            output_part AS output_cost_usd
        ),
        -- Only where the call's own cost gives none, so that it does not depend on what else needed prices.
        CASE WHEN output_cost_usd IS NULL OR coalesce(output_tokens, 0) = 0 THEN price.output END
            AS output_usd_per_token,
        CASE WHEN cost_usd IS NOT NULL THEN 'reported' WHEN input_part + output_part IS NOT NULL THEN 'priced'
            ELSE 'none' END AS cost_basis,
        CASE WHEN input_cost_usd IS NOT NULL THEN 'reported' WHEN input_part IS NOT NULL THEN 'priced' ELSE 'none' END
            AS input_cost_basis,
        CASE WHEN output_cost_usd IS NOT NULL THEN 'reported' WHEN output_part IS NOT NULL THEN 'priced' ELSE 'none' END
            AS output_cost_basis
    FROM in_parts
)
