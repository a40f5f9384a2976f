-- The vocabulary: what an outcome, a usable TTFT and a cancellation tax are. Every audit sums these, none decides anew.
-- Temporary views, so that a store written by an older version is read with this version's definitions.

-- The calls as stored; replaced by a view that looks dimensions up when there is anything to look up (lookup.sql).
CREATE OR REPLACE TEMP VIEW placed_calls AS SELECT * FROM store.calls;

-- ttft_status: usable, or the reason a call has no TTFT. Censored = the user or a deadline ended the wait first.
CREATE OR REPLACE TEMP VIEW call_outcome AS
SELECT
    calls.*,
    CASE
        WHEN cache_hit THEN 'cache_hit'
        WHEN NOT streamed THEN 'not_streamed'
        WHEN ttft_ms IS NULL AND ttft_basis = 'equals_duration' THEN 'not_below_duration'
        WHEN ttft_ms IS NULL AND outcome IN ('cancelled', 'timeout') THEN 'censored'
        WHEN ttft_ms IS NULL AND outcome = 'error' THEN 'error_without_chunk'
        WHEN ttft_ms IS NULL THEN 'not_recorded'
        WHEN ttft_ms <= 0 AND outcome = 'error' THEN 'error_without_chunk'
        WHEN ttft_ms <= 0 THEN 'not_positive'
        WHEN outcome = 'error' AND chunk_count = 0 THEN 'error_without_chunk'
        WHEN ttft_ms >= duration_ms THEN 'not_below_duration'
        ELSE 'usable'
    END AS ttft_status,
    -- Only positive evidence counts: a missing TTFT may simply not have been recorded.
    coalesce(cancelled_at_ms >= 0 AND cancelled_at_ms < ttft_ms, false)
        OR (coalesce(delivered_tokens = 0, chunk_count = 0, false) AND coalesce(ttft_ms, 0) <= 0)
        AS stopped_before_first_token,
    CASE WHEN cache_hit THEN 0 WHEN usage_basis = 'provider' THEN output_tokens END AS billed_tokens
FROM placed_calls AS calls;

-- tax_class of every call that ended early: exact (billed and rendered known), estimated (a stated rule gives a value
-- and an interval), unknown. tax_low adds 0 and tax_high is NULL for an unknown call. Completed calls have no tax.
CREATE OR REPLACE TEMP VIEW call_tax AS
WITH evidence AS (
    SELECT
        *,
        coalesce(
            rendered_tokens,
            CASE WHEN stopped_before_first_token OR delivered_tokens = 0 OR cache_hit THEN 0 END
        ) AS rendered_known,
        outcome IN ('cancelled', 'timeout', 'interrupted', 'error') AS ended_early
    FROM call_outcome
), classed AS (
    SELECT
        *,
        CASE
            WHEN NOT ended_early THEN NULL
            WHEN billed_tokens IS NOT NULL AND rendered_known IS NOT NULL THEN 'exact'
            WHEN billed_tokens IS NOT NULL AND delivered_tokens IS NOT NULL THEN 'estimated'
            ELSE 'unknown'
        END AS tax_class
    FROM evidence
), valued AS (
    SELECT
        *,
        CASE tax_class
            WHEN 'exact' THEN CASE
                WHEN rendered_tokens > billed_tokens THEN 'rendered_exceeds_billed'
                WHEN rendered_tokens IS NOT NULL THEN 'billed_minus_rendered'
                WHEN delivered_tokens = 0 THEN 'nothing_delivered'
                ELSE 'stopped_before_first_token'
            END
            WHEN 'estimated' THEN 'delivered_counts_as_rendered'
            WHEN 'unknown' THEN CASE
                WHEN usage_basis = 'tokenizer' THEN 'usage_from_tokenizer'
                WHEN usage_basis = 'partial' THEN 'usage_partial'
                WHEN billed_tokens IS NULL THEN 'no_usage'
                ELSE 'no_rendered_evidence'
            END
        END AS tax_rule,
        CASE tax_class
            WHEN 'exact' THEN greatest(billed_tokens - rendered_known, 0)
            WHEN 'estimated' THEN greatest(billed_tokens - delivered_tokens, 0)
        END AS tax_best,
        CASE WHEN tax_class = 'estimated' THEN billed_tokens END AS tax_high_estimated,
        output_cost_usd / nullif(output_tokens, 0) AS usd_per_output_token
    FROM classed
), hidden_known AS (
    -- least() passes over NULL, and unknown reasoning is not hidden tax: every part asks for what it needs.
    SELECT
        *,
        CASE WHEN reasoning_tokens IS NOT NULL AND tax_best IS NOT NULL THEN least(reasoning_tokens, tax_best) END
            AS tax_hidden
    FROM valued
), split AS (
    SELECT
        *,
        CASE WHEN delivered_tokens IS NOT NULL AND rendered_known IS NOT NULL AND tax_best IS NOT NULL
            THEN least(greatest(delivered_tokens - rendered_known, 0), tax_best - coalesce(tax_hidden, 0))
        END AS tax_unread
    FROM hidden_known
)
SELECT
    * EXCLUDE (tax_high_estimated, rendered_known),
    CASE WHEN ended_early THEN coalesce(tax_best, 0) END AS tax_low,
    coalesce(tax_high_estimated, tax_best) AS tax_high,
    -- The parts add up to the tax: what a call cannot split stays in tax_unsplit.
    CASE WHEN tax_hidden IS NOT NULL AND delivered_tokens IS NOT NULL
        THEN tax_best - tax_hidden - coalesce(tax_unread, 0) END AS tax_undelivered,
    CASE
        WHEN tax_best IS NULL THEN NULL
        WHEN tax_best = 0 THEN 0.0
        ELSE tax_best * usd_per_output_token
    END AS tax_best_usd,
    CASE WHEN NOT ended_early THEN NULL WHEN coalesce(tax_best, 0) = 0 THEN 0.0 ELSE tax_best * usd_per_output_token END
        AS tax_low_usd,
    CASE WHEN coalesce(tax_high_estimated, tax_best) = 0 THEN 0.0
        ELSE coalesce(tax_high_estimated, tax_best) * usd_per_output_token END AS tax_high_usd,
    ended_early AND stopped_before_first_token AS unseen_prompt
FROM split;
