-- The cancellation tax, step 4 of 6: tokens that the user saw, by the first rule that has its evidence. The rules are
-- those of docs/cancellation-tax.md; a rule that gives only an interval leaves rendered_best NULL.
WITH judged AS (
    SELECT
        *,
        -- A missing time to first token is no evidence; a chunk that came after the user had left is.
        stopped_before_first_token OR left_before_chunks OR cache_hit AS nothing_shown,
        -- The first token, the cancel and the end are known, in this order.
        billed_tokens IS NOT NULL AND ttft_ms > 0 AND cancelled_at_ms > ttft_ms
            AND cancelled_at_ms < coalesce(upstream_end_ms, duration_ms) AS has_pace
    FROM tax_billed
)
SELECT
    * EXCLUDE (nothing_shown, has_pace),
    CASE
        -- The client logged what it showed: tokens, or chunks whose sizes are known.
        WHEN rendered_tokens IS NOT NULL THEN 'rendered'
        WHEN painted_tokens IS NOT NULL THEN 'rendered_chunks'
        -- Nothing can have been shown.
        WHEN delivered_tokens = 0 THEN 'nothing_delivered'
        WHEN nothing_shown THEN 'stopped_before_first_token'
        -- The client logged characters.
        WHEN rendered_chars IS NOT NULL THEN 'rendered_text'
        -- What was delivered is the most that was shown, and the value.
        WHEN delivered_rule = 'delivered' THEN 'delivered_counts_as_rendered'
        WHEN starts_with(delivered_rule, 'delivered_') THEN 'delivered_learned'
        WHEN delivered_rule = 'chunks' AND delivered_best IS NOT NULL THEN 'chunks_until_cancel'
        WHEN delivered_rule = 'text' AND delivered_best IS NOT NULL THEN 'received_text'
        -- Only billed tokens and times are known.
        WHEN has_pace THEN 'even_pace'
    END AS rendered_rule,
    CASE
        WHEN rendered_tokens IS NOT NULL THEN rendered_tokens
        WHEN painted_tokens IS NOT NULL THEN painted_tokens
        WHEN nothing_shown OR delivered_tokens = 0 THEN 0
        WHEN rendered_chars IS NOT NULL THEN least(round(rendered_chars / usual_chars)::BIGINT, visible_high)
        WHEN delivered_best IS NOT NULL THEN least(delivered_best, visible_high)
        -- An even pace from the first token to the end, as far as the cancel.
        WHEN has_pace
            THEN 1 + floor((cancelled_at_ms - ttft_ms) / (coalesce(upstream_end_ms, duration_ms) - ttft_ms)
                * greatest(visible_high - 1, 0))::BIGINT
    END AS rendered_best,
    CASE
        WHEN rendered_tokens IS NOT NULL THEN rendered_tokens
        WHEN painted_tokens IS NOT NULL THEN painted_tokens
        WHEN nothing_shown OR delivered_tokens = 0 THEN 0
        WHEN rendered_chars IS NOT NULL
            THEN least(floor(rendered_chars / most_chars / rendered_slack)::BIGINT, delivered_high, visible_high)
        ELSE 0
    END AS rendered_low,
    CASE
        WHEN rendered_tokens IS NOT NULL THEN rendered_tokens
        WHEN painted_tokens IS NOT NULL THEN painted_tokens
        WHEN nothing_shown OR delivered_tokens = 0 THEN 0
        WHEN rendered_chars IS NOT NULL
            THEN least(ceil(rendered_chars / fewest_chars * rendered_slack)::BIGINT, delivered_high, visible_high)
        WHEN delivered_high IS NOT NULL THEN least(delivered_high, visible_high)
        ELSE visible_high
    END AS rendered_high
FROM judged
