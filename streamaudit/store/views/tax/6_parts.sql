-- The cancellation tax, step 6 of 6: its parts, what stopping the provider would save, and dollars.
WITH hidden_known AS (
    -- least() passes over NULL, and unknown reasoning is not hidden tax: every part asks for what it needs.
    SELECT
        *,
        CASE
            WHEN tax_best = 0 THEN 0
            WHEN reasoning_tokens IS NOT NULL AND tax_best IS NOT NULL THEN least(reasoning_tokens, tax_best)
        END AS tax_hidden
    FROM tax_classed
), split AS (
    SELECT
        *,
        CASE
            WHEN tax_best = 0 THEN 0
            WHEN delivered_best IS NOT NULL AND rendered_best IS NOT NULL AND tax_best IS NOT NULL
                AND (tax_class = 'exact'
                    OR rendered_rule IN ('delivered_counts_as_rendered', 'delivered_learned',
                        'chunks_until_cancel', 'received_text'))
                THEN least(greatest(delivered_best - rendered_best, 0), tax_best - coalesce(tax_hidden, 0))
        END AS tax_unread
    FROM hidden_known
)
SELECT
    call_row, call_key,
    ran_on, on_disconnect, delivered_rule, delivered_low, delivered_best, delivered_high, billed_low,
    billed_high, rendered_rule, rendered_low, rendered_best, rendered_high, tax_class, tax_rule, tax_low, tax_best,
    tax_high, usd_per_output_token, tax_hidden, tax_unread,
    -- The parts add up to the tax of a call that both others are known of; reports count the rest as unsplit.
    CASE WHEN tax_hidden IS NOT NULL AND tax_unread IS NOT NULL THEN tax_best - tax_hidden - tax_unread END
        AS tax_undelivered,
    -- What was generated after the user had left, of a call that is known to have run on.
    CASE
        WHEN ran_on AND tax_hidden IS NOT NULL AND tax_unread IS NOT NULL THEN tax_best - tax_hidden - tax_unread
        WHEN NOT ran_on AND cancelled_at_ms IS NOT NULL AND (upstream_cancelled OR upstream_end_ms IS NOT NULL) THEN 0
    END AS tax_orphaned,
    -- What stopping the provider at the cancel would save: at most all that came after the tokens delivered, at least
    -- what is left of it when the provider stops as late as is assumed. Nothing where it stops anyhow.
    CASE
        WHEN on_disconnect = 'stops' AND NOT ran_on THEN 0
        WHEN (on_disconnect = 'runs_on' OR ran_on) AND cancelled_at_ms > ttft_ms
            AND (reasoning_tokens IS NOT NULL OR reasons = false)
            THEN greatest(coalesce(
                billed_low - coalesce(reasoning_tokens, 0) - delivered_high
                - least(
                    ceil(2.0 * greatest(delivered_high + coalesce(reasoning_tokens, 0), 1)
                        / greatest(cancelled_at_ms - ttft_ms, 1.0) * getvariable('stop_delay_ms')),
                    1e12
                )::BIGINT,
                0
            ), 0)
        ELSE 0
    END AS saved_low,
    CASE
        WHEN on_disconnect = 'stops' AND NOT ran_on THEN 0
        WHEN billed_high IS NOT NULL AND stopped_before_first_token THEN billed_high
        WHEN billed_high IS NOT NULL
            -- Reasoning had been paid for by then only if something visible had come of it.
            THEN greatest(billed_high - CASE WHEN delivered_low > 0 THEN coalesce(reasoning_tokens, 0) ELSE 0 END
                - coalesce(delivered_low, 0), 0)
    END AS saved_high,
    -- No tax costs nothing, whatever the price; any other without a price has no dollars.
    CASE WHEN tax_best IS NULL THEN NULL WHEN tax_best = 0 THEN 0.0 ELSE tax_best * usd_per_output_token END
        AS tax_best_usd,
    CASE WHEN tax_low = 0 THEN 0.0 ELSE tax_low * usd_per_output_token END AS tax_low_usd,
    CASE WHEN tax_high = 0 THEN 0.0 ELSE tax_high * usd_per_output_token END AS tax_high_usd,
    stopped_before_first_token AS unseen_prompt,
    -- What was delivered says more of what was billed than a count that is none.
    CASE WHEN usage_status <> 'final' AND output_tokens IS NOT NULL THEN billed_low END AS raised_low
FROM split
