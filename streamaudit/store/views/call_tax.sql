-- The low ends of a call in which the tax raises that of its output; its own where the tax raises none.
CREATE OR REPLACE TEMP MACRO raised_output(own, raised) AS
    CASE WHEN raised IS NULL THEN own ELSE nullif(raised, 0) END;
CREATE OR REPLACE TEMP MACRO raised_cost(own, raised, cost, said_output, input_cost, unit_cost) AS
    CASE WHEN raised IS NULL THEN own ELSE low_cost_usd(cost, said_output, input_cost, raised, unit_cost) END;

-- Every call with its low ends, and no other column of a tax. Those that a tax raises are few, so that joining them to
-- all calls costs little.
CREATE OR REPLACE TEMP VIEW call_low_ends AS
SELECT
    calls.* EXCLUDE (call_row) REPLACE (
        raised_output(calls.output_low, raised_low) AS output_low,
        raised_cost(calls.cost_low_usd, raised_low, cost_usd, output_tokens, input_cost_usd, output_usd_per_token)
            AS cost_low_usd
    )
FROM refreshed_calls AS calls LEFT JOIN raised_low_ends AS raised
    ON raised.call_row = tax_key(calls.call_row, calls.outcome, calls.source, calls.record_hash);

-- Every call with its tax; completed calls have none.
CREATE OR REPLACE TEMP VIEW call_tax AS
SELECT
    calls.* EXCLUDE (call_row) REPLACE (
        raised_output(calls.output_low, raised_low) AS output_low,
        raised_cost(calls.cost_low_usd, raised_low, cost_usd, output_tokens, input_cost_usd, output_usd_per_token)
            AS cost_low_usd
    ),
    early_tax.call_row IS NOT NULL AS ended_early, early_tax.* EXCLUDE (call_row, raised_low)
FROM refreshed_calls AS calls LEFT JOIN early_tax
    ON early_tax.call_row = tax_key(calls.call_row, calls.outcome, calls.source, calls.record_hash);
