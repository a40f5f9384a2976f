-- The cancellation tax, step 3 of 6: tokens that the provider billed, from billed_low to billed_high (NULL: no bound is
-- known), and visible_high, all visible tokens that there can have been.
WITH bounded AS (
    SELECT
        *,
        -- No provider is known to bill less than it delivered; a running or partial count is a low end too.
        CASE
            WHEN billed_tokens IS NOT NULL THEN billed_tokens
            ELSE greatest(CASE WHEN usage_status = 'partial' THEN output_tokens ELSE 0 END, coalesce(delivered_low, 0),
                received_tokens, coalesce(rendered_tokens, 0), coalesce(painted_tokens, 0))
        END AS billed_low,
        -- Who closed the connection soon after the user left knows when he closed it, not when the provider stopped.
        -- One that stops generates for a little while: at most twice the call's own speed until it noticed. What it
        -- reasoned in secret is billed too, so this holds only for models that do not reason or say how much.
        CASE
            WHEN billed_tokens IS NOT NULL THEN billed_tokens
            WHEN (
                (on_disconnect = 'stops' AND NOT ran_on)
                OR (upstream_end_ms > cancelled_at_ms AND (ran_on OR upstream_cancelled IS DISTINCT FROM true))
            )
                AND delivered_rule IN ('delivered', 'chunks') AND delivered_high >= 16 AND cancelled_at_ms > ttft_ms
                AND (reasoning_tokens IS NOT NULL OR reasons = false)
                THEN least(
                    coalesce(reasoning_tokens, 0) + delivered_high
                    + least(
                        ceil(2.0 * greatest(delivered_high + coalesce(reasoning_tokens, 0), 1)
                            / greatest(cancelled_at_ms - ttft_ms, 1.0)
                            * CASE WHEN upstream_end_ms > cancelled_at_ms THEN upstream_end_ms - cancelled_at_ms
                                ELSE coalesce(getvariable('stop_delay_ms'), 2000) END),
                        1e12
                    )::BIGINT + 1,
                    max_tokens
                )
            ELSE max_tokens
        END AS billed_ceiling
    FROM tax_delivered
)
SELECT
    *,
    -- A cap below what is known to have been billed was no cap.
    CASE WHEN billed_tokens IS NULL AND billed_ceiling < billed_low THEN NULL ELSE billed_ceiling END AS billed_high,
    CASE
        WHEN billed_tokens IS NOT NULL THEN greatest(billed_tokens - coalesce(reasoning_tokens, 0), 0)
        WHEN billed_ceiling >= billed_low THEN billed_ceiling
    END AS visible_high
FROM bounded
