-- The calls whose low end the tax raises: few, so that joining them to all calls costs little.
CREATE OR REPLACE TEMP TABLE raised_low_ends AS
SELECT call_row, raised_low FROM early_tax WHERE raised_low IS NOT NULL;

-- Every call with its low ends, and no other column of a tax.
CREATE OR REPLACE TEMP VIEW call_low_ends AS
SELECT
    calls.* EXCLUDE (call_row) REPLACE (
        CASE WHEN raised_low IS NULL THEN calls.output_low ELSE nullif(raised_low, 0) END AS output_low,
        CASE WHEN raised_low IS NULL THEN calls.cost_low_usd
            ELSE low_cost_usd(cost_usd, output_tokens, input_cost_usd, raised_low, output_usd_per_token) END
            AS cost_low_usd
    )
FROM refreshed_calls AS calls LEFT JOIN raised_low_ends AS raised ON raised.call_row = calls.call_row;

-- Every call with its tax; completed calls have none.
CREATE OR REPLACE TEMP VIEW call_tax AS
SELECT
    calls.* EXCLUDE (call_row) REPLACE (
        CASE WHEN raised_low IS NULL THEN calls.output_low ELSE nullif(raised_low, 0) END AS output_low,
        CASE WHEN raised_low IS NULL THEN calls.cost_low_usd
            ELSE low_cost_usd(cost_usd, output_tokens, input_cost_usd, raised_low, output_usd_per_token) END
            AS cost_low_usd
    ),
    early_tax.call_row IS NOT NULL AS ended_early, early_tax.* EXCLUDE (call_row, raised_low)
FROM refreshed_calls AS calls LEFT JOIN early_tax ON early_tax.call_row = calls.call_row;
