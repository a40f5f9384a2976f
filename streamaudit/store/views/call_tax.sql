-- Every call with its tax; completed calls have none.
CREATE OR REPLACE TEMP VIEW call_tax AS
SELECT
    calls.* EXCLUDE (call_row) REPLACE (
        -- What was delivered says more of what was billed than a count that is none.
        CASE WHEN early_tax.call_row IS NULL OR usage_status = 'final' OR output_tokens IS NULL THEN calls.output_low
            ELSE nullif(early_tax.billed_low, 0) END AS output_low,
        CASE WHEN early_tax.call_row IS NULL OR usage_status = 'final' OR output_tokens IS NULL THEN calls.cost_low_usd
            ELSE low_cost_usd(cost_usd, output_tokens, input_cost_usd, early_tax.billed_low, output_usd_per_token) END
            AS cost_low_usd
    ),
    early_tax.call_row IS NOT NULL AS ended_early, early_tax.* EXCLUDE (call_row)
FROM refreshed_calls AS calls LEFT JOIN early_tax ON early_tax.call_row = calls.call_row;
