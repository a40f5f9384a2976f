-- What calls cost: the relation ``costed`` over a relation ``uncosted`` of calls in which cost_usd, input_cost_usd and
-- output_cost_usd hold only what a source reported. It fills these three where a price gives them, and adds their bases
-- and output_usd_per_token. Prices per token come from the temporary table unit_prices (see apply.py): plain columns,
-- since a join that carries a list or a structure for each call takes three times as long.
, priced AS ( -- noqa: PRS
    SELECT
        uncosted.*,
        prices.input_price, prices.cached_price, prices.cache_write_price, prices.cache_write_1h_price,
        prices.audio_input_price, prices.image_price, prices.output_price, prices.audio_output_price,
        -- Whether the tokens are what was billed, so that a price gives their cost.
        usage_basis IN ('provider', 'none') OR (usage_basis = 'unclear' AND outcome = 'completed') AS billable,
        -- A provider counts the input before it answers.
        billable OR usage_basis = 'partial' AS input_billable,
        coalesce(cached_input_tokens, 0) AS cached, coalesce(cache_write_tokens, 0) AS written,
        coalesce(cache_write_1h_tokens, 0) AS written_1h, coalesce(audio_input_tokens, 0) AS audio,
        coalesce(image_tokens, 0) AS images
    FROM uncosted
    LEFT JOIN unit_prices AS prices
        ON prices.provider IS NOT DISTINCT FROM uncosted.provider
        AND prices.model = coalesce(uncosted.response_model, uncosted.model)
        AND prices.requested IS NOT DISTINCT FROM uncosted.model
        AND prices.day IS NOT DISTINCT FROM uncosted.start_time::DATE
        AND prices.service_tier IS NOT DISTINCT FROM uncosted.service_tier
        -- The whole call is billed at the step that its input reaches; where there are several, it must be known.
        AND coalesce(uncosted.input_tokens, 9223372036854775807) > prices.above
        AND coalesce(uncosted.input_tokens, 9223372036854775807) <= prices.upto
), in_full AS (
    SELECT
        *,
        -- Kinds of tokens are parts of the input; where they exceed it they are not parts of it, and no price fits. Of
        -- a cached input that has sounds or images it is not known which part was cached.
        coalesce(input_cost_usd, CASE
            WHEN input_billable AND input_tokens >= cached + written + audio + images AND written >= written_1h
                AND (cached + written = 0 OR audio + images = 0)
            THEN (input_tokens - cached - written - audio - images) * input_price
                + cached * coalesce(cached_price, input_price)
                + (written - written_1h) * coalesce(cache_write_price, input_price)
                + CASE WHEN written_1h = 0 THEN 0 ELSE written_1h * cache_write_1h_price END
                + CASE WHEN audio = 0 THEN 0 ELSE audio * audio_input_price END
                + CASE WHEN images = 0 THEN 0 ELSE images * image_price END
        END) AS input_full,
        -- A model that answers in sound as well: only a record that tells sound from text can be priced.
        coalesce(output_cost_usd, CASE
            WHEN billable AND coalesce(audio_output_tokens, 0) = 0
                AND (audio_output_price IS NULL OR audio_output_tokens = 0) THEN output_tokens * output_price
            WHEN billable AND output_tokens >= audio_output_tokens
                THEN (output_tokens - audio_output_tokens) * output_price + audio_output_tokens * audio_output_price
        END) AS output_full
    FROM priced
), discounted AS (
    -- In relations of their own: a name that is used where it is defined is planned again for each use.
    SELECT
        *,
        -- A discount on the whole is one on its parts, which never add up to more than it.
        CASE WHEN cache_hit THEN 1.0
            WHEN input_full + output_full > cost_usd * (1 + 1e-9) THEN cost_usd / (input_full + output_full)
            WHEN input_full IS NULL AND output_full > cost_usd THEN cost_usd / output_full
            WHEN output_full IS NULL AND input_full > cost_usd THEN cost_usd / input_full
            ELSE 1.0 END AS discount
    FROM in_full
), in_parts AS (
    SELECT *, input_full * discount AS input_part, output_full * discount AS output_part FROM discounted
), costed AS (
    SELECT
        * EXCLUDE (
            input_price, cached_price, cache_write_price, cache_write_1h_price, audio_input_price, image_price,
            output_price, audio_output_price, billable, input_billable, cached, written, written_1h, audio, images,
            input_full, output_full, discount, input_part, output_part
        ) REPLACE (
            CASE WHEN cache_hit THEN coalesce(cost_usd, 0.0) ELSE coalesce(cost_usd, input_part + output_part) END
                AS cost_usd,
            input_part AS input_cost_usd,
            output_part AS output_cost_usd
        ),
        -- Only where the call's own cost gives none, so that it does not depend on what else needed prices.
        CASE WHEN (output_cost_usd IS NULL OR coalesce(output_tokens, 0) = 0) AND coalesce(audio_output_tokens, 0) = 0
            AND (audio_output_price IS NULL OR audio_output_tokens = 0) THEN output_price END
            AS output_usd_per_token,
        CASE WHEN cost_usd IS NOT NULL THEN 'reported' WHEN input_part + output_part IS NOT NULL THEN 'priced'
            ELSE 'none' END AS cost_basis,
        CASE WHEN input_cost_usd IS NOT NULL THEN 'reported' WHEN input_part IS NOT NULL THEN 'priced' ELSE 'none' END
            AS input_cost_basis,
        CASE WHEN output_cost_usd IS NOT NULL THEN 'reported' WHEN output_part IS NOT NULL THEN 'priced' ELSE 'none' END
            AS output_cost_basis
    FROM in_parts
)
