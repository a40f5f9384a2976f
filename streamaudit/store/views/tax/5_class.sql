-- The cancellation tax, step 5 of 6: how far the evidence goes, and the tax. tax_class: exact (billed and rendered
-- both known), estimated (a stated rule gives a value and an interval), bounded (an interval only, its high end may be
-- open), unknown. A tax that is unknown adds 0 to the low end and has no high end.
WITH classed AS (
    SELECT
        -- A value is never outside its own interval.
        * REPLACE (
            CASE WHEN rendered_best IS NOT NULL
                THEN least(greatest(rendered_best, rendered_low), coalesce(rendered_high, rendered_best)) END
                AS rendered_best
        ),
        CASE
            -- Measured on both sides: no rule of these four estimates.
            WHEN billed_tokens IS NOT NULL AND rendered_rule IN ('rendered', 'rendered_chunks', 'nothing_delivered',
                'stopped_before_first_token') THEN 'exact'
            WHEN billed_tokens IS NOT NULL AND rendered_best IS NOT NULL THEN 'estimated'
            WHEN billed_high IS NOT NULL OR billed_low > rendered_high THEN 'bounded'
            ELSE 'unknown'
        END AS tax_class
    FROM tax_rendered
)
SELECT
    *,
    -- Why the tax has its value; of a call without one, why it has none.
    CASE
        WHEN tax_class = 'exact' AND rendered_low > billed_tokens THEN 'rendered_exceeds_billed'
        WHEN tax_class = 'exact' AND rendered_rule IN ('rendered', 'rendered_chunks') THEN 'billed_minus_rendered'
        WHEN tax_class IN ('exact', 'estimated') THEN rendered_rule
        WHEN usage_status = 'tokenizer' THEN 'usage_from_tokenizer'
        WHEN usage_status = 'partial' THEN 'usage_partial'
        WHEN usage_status = 'placeholder' THEN 'usage_placeholder'
        WHEN usage_status = 'zero_on_abort' THEN 'usage_zero_on_abort'
        WHEN billed_tokens IS NULL THEN 'no_usage'
        ELSE 'no_rendered_evidence'
    END AS tax_rule,
    CASE WHEN tax_class IN ('exact', 'estimated') THEN greatest(billed_tokens - rendered_best, 0) END AS tax_best,
    greatest(coalesce(billed_low - rendered_high, 0), 0) AS tax_low,
    CASE WHEN tax_class <> 'unknown' AND billed_high IS NOT NULL THEN greatest(billed_high - rendered_low, 0) END
        AS tax_high,
    -- The call's own price of an output token, else the price table's.
    coalesce(output_cost_usd / nullif(output_tokens, 0), output_usd_per_token) AS usd_per_output_token
FROM classed
