-- ttft_status: usable, or the reason a call has no TTFT. Censored = the user or a deadline ended the wait first.
WITH judged AS (
    SELECT
        calls.*,
        CASE
            -- Most calls: nothing that the other branches do not say, in fewer comparisons.
            WHEN ttft_ms > 0 AND (ttft_ms < duration_ms OR duration_ms IS NULL) AND outcome <> 'error'
                AND streamed IS NOT false AND cache_hit IS NOT true THEN 'usable'
            WHEN cache_hit THEN 'cache_hit'
            WHEN NOT streamed THEN 'not_streamed'
            WHEN ttft_ms IS NULL THEN CASE
                WHEN ttft_basis = 'equals_duration' THEN 'not_below_duration'
                WHEN outcome IN ('cancelled', 'timeout') THEN 'censored'
                WHEN outcome = 'error' THEN 'error_without_chunk'
                ELSE 'not_recorded'
            END
            WHEN ttft_ms <= 0 THEN CASE WHEN outcome = 'error' THEN 'error_without_chunk' ELSE 'not_positive' END
            WHEN outcome = 'error' AND chunk_count = 0 THEN 'error_without_chunk'
            WHEN ttft_ms >= duration_ms THEN 'not_below_duration'
            ELSE 'usable'
        END AS ttft_status,
        -- Reasoning that came before the first chunk was not streamed.
        output_tokens - CASE WHEN ttvt_ms <= ttft_ms THEN coalesce(reasoning_tokens, 0) ELSE 0 END AS streamed_tokens,
        -- Time per output token of a completed stream.
        CASE WHEN ttft_status = 'usable' AND outcome = 'completed'
            THEN (duration_ms - ttft_ms) / nullif(greatest(0, streamed_tokens - 1), 0) END AS tpot_ms,
        -- Only positive evidence counts: a missing TTFT may simply not have been recorded.
        coalesce(cancelled_at_ms >= 0 AND cancelled_at_ms < ttft_ms - clock_slack_ms(edge_servers), false)
            OR (coalesce(delivered_tokens = 0, chunk_count = 0, false) AND coalesce(ttft_ms, 0) <= 0)
            AS stopped_before_first_token,
        -- usage_status: final (the provider's own last word), or why the usage is not what was billed. A number that an
        -- exporter wrote where it knew none is not a measurement: a tokenizer's count of what arrived, the placeholder
        -- that opens an Anthropic stream, zeros on an abort although tokens flowed.
        CASE
            -- Likewise, most calls.
            WHEN usage_basis = 'provider' AND outcome = 'completed' AND output_tokens IS NOT NULL THEN 'final'
            WHEN cache_hit OR usage_basis = 'evidence' THEN 'final'
            WHEN output_tokens IS NULL THEN 'none'
            WHEN usage_basis IN ('tokenizer', 'partial') THEN usage_basis
            WHEN outcome NOT IN ('cancelled', 'timeout', 'interrupted', 'error')
                THEN CASE WHEN usage_basis IN ('provider', 'unclear') THEN 'final' ELSE 'none' END
            -- Who left early never got the chunk with the usage; plain counts that fit the text were then counted from
            -- it.
            WHEN usage_basis = 'unclear'
                AND coalesce(output_chars BETWEEN output_tokens / 2 AND output_tokens * 8, true) THEN 'tokenizer'
            WHEN output_tokens = 0
                AND (input_tokens = 0 OR rendered_tokens > 0 OR delivered_tokens > 0 OR chunk_count > 0
                    OR output_chars > 0 OR (ttft_ms > 0 AND cancelled_at_ms > ttft_ms))
                THEN 'zero_on_abort'
            WHEN output_tokens <= 8
                AND (provider LIKE '%anthropic%' OR model LIKE '%claude%')
                AND (finish_reason IS NULL OR finish_reason NOT IN ('end_turn', 'stop', 'max_tokens', 'length',
                    'tool_use', 'tool_calls', 'stop_sequence', 'refusal', 'pause_turn'))
                THEN 'placeholder'
            WHEN usage_basis IN ('provider', 'unclear') THEN 'final'
            ELSE 'none'
        END AS usage_status,
        CASE WHEN cache_hit THEN 0 WHEN usage_status = 'final' THEN output_tokens END AS billed_tokens,
        -- Who or what ended a call early, separate from how: a limit of the infrastructure cuts at a round time.
        CASE
            WHEN outcome = 'completed' AND finish_reason IN ('length', 'max_tokens', 'MAX_TOKENS') THEN 'length'
            WHEN outcome = 'completed' OR outcome = 'unknown' THEN NULL
            WHEN outcome IN ('timeout', 'interrupted') AND duration_ms IS NOT NULL AND (
                abs(duration_ms - 60000) <= 600 OR abs(duration_ms - 100000) <= 1000
                OR abs(duration_ms - 120000) <= 1200 OR abs(duration_ms - 300000) <= 3000
                OR abs(duration_ms - 600000) <= 6000)
                THEN 'infrastructure_limit'
            WHEN outcome = 'timeout' THEN 'deadline'
            WHEN outcome = 'error' THEN 'provider_failure'
            WHEN outcome = 'interrupted' THEN 'unknown'
            WHEN cancelled_by IN ('user', 'client', 'server') THEN cancelled_by
            WHEN http_status IN (499, 460) OR cancel_evidence = 'evidence' THEN 'client'
            ELSE 'unknown'
        END AS ended_by
    FROM calls_with_evidence AS calls
), bounded AS (
    SELECT
        * REPLACE (
            -- A price makes a cost of tokens that were billed, not of others.
            CASE WHEN usage_status = 'final' OR cost_basis = 'reported' THEN cost_usd END AS cost_usd,
            CASE WHEN usage_status = 'final' OR cost_basis = 'reported' THEN cost_basis ELSE 'none' END AS cost_basis,
            CASE WHEN usage_status = 'final' OR output_cost_basis = 'reported' THEN output_cost_usd END
                AS output_cost_usd,
            CASE WHEN usage_status = 'final' OR output_cost_basis = 'reported' THEN output_cost_basis ELSE 'none' END
                AS output_cost_basis,
            -- Zeros on an abort are no count of the input either.
            CASE WHEN usage_status <> 'zero_on_abort' OR input_tokens > 0 OR input_cost_basis = 'reported'
                THEN input_cost_usd END AS input_cost_usd
        ),
        -- What was billed at least, of a call that says something of its output.
        CASE WHEN usage_status = 'final' THEN output_tokens
            WHEN output_tokens IS NOT NULL THEN nullif(greatest(
                CASE WHEN usage_status = 'partial' THEN output_tokens ELSE 0 END, delivered_tokens, rendered_tokens), 0)
            END AS output_low
    FROM judged
)
SELECT *, low_cost_usd(cost_usd, output_tokens, input_cost_usd, output_low, output_usd_per_token) AS cost_low_usd
FROM bounded
