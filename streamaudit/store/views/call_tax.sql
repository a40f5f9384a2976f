-- Every call with its tax; completed calls have none.
CREATE OR REPLACE TEMP VIEW call_tax AS
SELECT *, false AS ended_early FROM call_outcome WHERE outcome NOT IN ('cancelled', 'timeout', 'interrupted', 'error')
UNION ALL BY NAME
SELECT
    calls.* REPLACE (
        -- What was delivered says more of what was billed than a count that is none.
        CASE WHEN usage_status = 'final' OR output_tokens IS NULL THEN calls.output_low
            ELSE nullif(early_tax.billed_low, 0) END AS output_low,
        CASE WHEN usage_status = 'final' OR output_tokens IS NULL THEN calls.cost_low_usd
            ELSE low_cost_usd(cost_usd, output_tokens, input_cost_usd, early_tax.billed_low, output_usd_per_token) END
            AS cost_low_usd
    ),
    true AS ended_early, early_tax.* EXCLUDE (source, call_id)
FROM call_outcome AS calls JOIN early_tax ON early_tax.source = calls.source AND early_tax.call_id = calls.call_id
WHERE calls.outcome IN ('cancelled', 'timeout', 'interrupted', 'error');
