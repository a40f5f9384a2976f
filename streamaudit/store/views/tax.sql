-- The cancellation tax of every call that ended early, from the evidence present, as the temporary table early_tax. Three intervals, each in tokens: what was delivered
-- (arrived at the client), what of it was rendered (shown), what was billed; the tax is billed minus rendered.
-- Session variables: model_text (model to characters per token and whether it reasons), on_disconnect (provider to stops,
-- runs_on or contested), stop_delay_ms (how long a provider that stops may run on). All are set by vocabulary.py.

-- Dollars of calls with an amount. Unknown when there is an amount and none of it has a price: calls of amount 0 cost 0.
CREATE OR REPLACE TEMP MACRO priced_sum(amount, usd) AS
    CASE WHEN count(*) FILTER (amount > 0 AND usd IS NOT NULL) > 0 OR count(*) FILTER (amount > 0 AND usd IS NULL) = 0
        THEN round(fsum(usd), 12) END;

-- Whether the prompt of a call was paid for an answer of which nothing arrived; NULL where nothing tells.
CREATE OR REPLACE TEMP MACRO prompt_unseen(unseen, from_cache, left_at_ms, first_ms, ran, shown_low, shown_chars,
        delivered, received_low, chunks, chars) AS
    CASE
        WHEN unseen OR from_cache THEN unseen
        WHEN coalesce(left_at_ms >= first_ms, NOT ran) AND first_ms > 0 THEN false
        WHEN shown_low > 0 OR shown_chars > 0 OR delivered > 0 THEN false
        WHEN NOT ran AND (chunks > 0 OR chars > 0 OR received_low > 0) THEN false
    END;

CREATE OR REPLACE TEMP TABLE early_tax AS
WITH early AS (
    SELECT
        source, call_id, model, provider, outcome, output_tokens, reasoning_tokens, billed_tokens, usage_status,
        delivered_tokens, rendered_tokens, rendered_chars, rendered_chunks, chunk_offsets_ms,
        -- A list with an unknown size in it counts nothing.
        CASE WHEN NOT list_contains(list_transform(chunk_tokens, lambda t: t IS NULL), true) THEN chunk_tokens END
            AS chunk_tokens,
        client_chunk_offsets_ms, cancelled_at_ms, ttft_ms, duration_ms, upstream_end_ms, upstream_cancelled,
        -- -1 and 0 are ways to say that there is no cap.
        CASE WHEN max_tokens > 0 THEN max_tokens END AS max_tokens,
        cache_hit, stopped_before_first_token, output_cost_usd, output_usd_per_token,
        coalesce(visible_output_chars, output_chars) AS received_chars,
        -- Text and chunks that came after the user had left were not delivered to him.
        coalesce(upstream_cancelled = false, false)
            OR coalesce(coalesce(upstream_end_ms, duration_ms) > cancelled_at_ms + 1000, false) AS ran_on,
        getvariable('model_text')[model] AS text_of_model,
        CASE
            -- Closing the connection upstream too makes a provider stop only if it is one that does.
            WHEN upstream_cancelled = false THEN 'runs_on'
            ELSE getvariable('on_disconnect')[provider]
        END AS on_disconnect
    FROM call_outcome
    WHERE outcome IN ('cancelled', 'timeout', 'interrupted', 'error')
), chunked AS (
    SELECT
        *,
        -- Chunks the client had by the time it left; all that ever came when nobody knows when that was.
        CASE
            WHEN chunk_tokens IS NULL THEN NULL
            WHEN len(chunk_tokens) = 0 OR len(client_chunk_offsets_ms) = 0 THEN 0
            WHEN len(client_chunk_offsets_ms) <= len(chunk_tokens) THEN list_sum(chunk_tokens[
                :len(list_filter(client_chunk_offsets_ms, lambda t: cancelled_at_ms IS NULL OR t <= cancelled_at_ms))])
            WHEN len(chunk_offsets_ms) = len(chunk_tokens) THEN list_sum(chunk_tokens[
                :len(list_filter(chunk_offsets_ms, lambda t: cancelled_at_ms IS NULL OR t <= cancelled_at_ms))])
        END AS chunked_tokens,
        coalesce(list_sum(chunk_tokens), 0) AS received_tokens,
        coalesce(client_chunk_offsets_ms[1] > cancelled_at_ms, chunk_offsets_ms[1] > cancelled_at_ms, false) AS left_before_chunks,
        CASE WHEN rendered_chunks <= len(chunk_tokens) THEN coalesce(list_sum(chunk_tokens[:rendered_chunks]), 0) END
            AS painted_tokens,
        -- Without answers of the model: a token is a byte or more and a character up to 4 bytes of UTF-8, so a character
        -- is at most 4 tokens whatever the script; English and code stay below 8 characters a token.
        coalesce(text_of_model.fewest, 0.25) AS fewest_chars, coalesce(text_of_model.usual, 4.0) AS usual_chars,
        coalesce(text_of_model.most, 8.0) AS most_chars,
        -- The model's extremes are those of whole answers; the fewer the tokens the further a text may be from them.
        CASE WHEN text_of_model.fewest IS NULL THEN 1.0
            ELSE 1 + 2 / sqrt(greatest(received_chars / text_of_model.usual, 1)) END AS received_slack,
        CASE WHEN text_of_model.fewest IS NULL THEN 1.0
            ELSE 1 + 2 / sqrt(greatest(rendered_chars / text_of_model.usual, 1)) END AS rendered_slack, text_of_model.reasons AS reasons
    FROM early
), delivered AS (
    SELECT
        * EXCLUDE (chunk_tokens, chunk_offsets_ms, client_chunk_offsets_ms, text_of_model), text_of_model.most AS most_known,
        CASE
            WHEN delivered_tokens IS NOT NULL THEN 'delivered'
            WHEN chunked_tokens IS NOT NULL THEN 'chunks'
            WHEN received_chars IS NOT NULL THEN 'text'
        END AS delivered_rule,
        CASE WHEN delivered_tokens IS NOT NULL THEN delivered_tokens
            WHEN chunked_tokens IS NOT NULL THEN CASE WHEN cancelled_at_ms IS NULL AND ran_on THEN NULL ELSE chunked_tokens END
            WHEN NOT ran_on THEN round(received_chars / usual_chars)::BIGINT END AS delivered_best,
        CASE WHEN delivered_tokens IS NOT NULL THEN delivered_tokens
            WHEN chunked_tokens IS NOT NULL THEN CASE WHEN ran_on AND cancelled_at_ms IS NULL THEN 0 ELSE chunked_tokens END
            -- Only the model's own answers say how few tokens a text can be.
            WHEN NOT ran_on AND text_of_model.most IS NOT NULL THEN floor(received_chars / most_chars / received_slack)::BIGINT
            ELSE 0 END AS delivered_low,
        CASE WHEN delivered_tokens IS NOT NULL THEN delivered_tokens
            WHEN chunked_tokens IS NOT NULL THEN chunked_tokens
            ELSE ceil(received_chars / fewest_chars * received_slack)::BIGINT END AS delivered_high
    FROM chunked
), billed AS (
    SELECT
        *,
        CASE WHEN billed_tokens IS NOT NULL THEN billed_tokens
            -- No provider is known to bill less than it delivered; a running or partial count is a low end too.
            ELSE greatest(CASE WHEN usage_status = 'partial' THEN output_tokens ELSE 0 END, coalesce(delivered_low, 0),
                received_tokens, coalesce(rendered_tokens, 0), coalesce(painted_tokens, 0)) END AS billed_low,
        CASE
            WHEN billed_tokens IS NOT NULL THEN billed_tokens
            -- Who closed the connection soon after the user left knows when he closed it, not when the provider stopped.
            -- One that stops generates for a little while: at most twice the call's own speed until it noticed. What it
            -- reasoned in secret is billed too, so this holds only for models that do not reason or say how much.
            WHEN ((on_disconnect = 'stops' AND NOT ran_on)
                    OR (upstream_end_ms > cancelled_at_ms AND (ran_on OR upstream_cancelled IS DISTINCT FROM true)))
                AND delivered_rule IN ('delivered', 'chunks') AND delivered_high >= 16 AND cancelled_at_ms > ttft_ms
                AND (reasoning_tokens IS NOT NULL OR reasons = false)
                THEN least(coalesce(reasoning_tokens, 0) + delivered_high
                    + least(ceil(2.0 * greatest(delivered_high + coalesce(reasoning_tokens, 0), 1)
                    / greatest(cancelled_at_ms - ttft_ms, 1.0) * CASE WHEN upstream_end_ms > cancelled_at_ms
                        THEN upstream_end_ms - cancelled_at_ms ELSE coalesce(getvariable('stop_delay_ms'), 2000) END),
                        1e12)::BIGINT + 1,
                    max_tokens)
            ELSE max_tokens
        END AS billed_ceiling
    FROM delivered
), visible AS (
    SELECT
        *,
        CASE WHEN billed_tokens IS NULL AND billed_ceiling < billed_low THEN NULL ELSE billed_ceiling END AS billed_high,
        -- All visible tokens there can have been.
        CASE WHEN billed_tokens IS NOT NULL THEN greatest(billed_tokens - coalesce(reasoning_tokens, 0), 0)
            WHEN billed_ceiling >= billed_low THEN billed_ceiling END AS visible_high
    FROM billed
), shown AS (
SELECT
    *,
    CASE
        WHEN rendered_tokens IS NOT NULL THEN 'rendered'
        WHEN painted_tokens IS NOT NULL THEN 'rendered_chunks'
        WHEN delivered_tokens = 0 THEN 'nothing_delivered'
        WHEN stopped_before_first_token OR left_before_chunks OR cache_hit THEN 'stopped_before_first_token'
        WHEN rendered_chars IS NOT NULL THEN 'rendered_text'
        WHEN delivered_rule = 'delivered' THEN 'delivered_counts_as_rendered'
        WHEN delivered_rule = 'chunks' AND delivered_best IS NOT NULL THEN 'chunks_until_cancel'
        WHEN delivered_rule = 'text' AND delivered_best IS NOT NULL THEN 'received_text'
        WHEN billed_tokens IS NOT NULL AND ttft_ms > 0 AND cancelled_at_ms > ttft_ms
            AND cancelled_at_ms < coalesce(upstream_end_ms, duration_ms) THEN 'even_pace'
    END AS rendered_rule,
    CASE
        WHEN rendered_tokens IS NOT NULL THEN rendered_tokens
        WHEN painted_tokens IS NOT NULL THEN painted_tokens
        WHEN stopped_before_first_token OR left_before_chunks OR delivered_tokens = 0 OR cache_hit THEN 0
        WHEN rendered_chars IS NOT NULL THEN least(round(rendered_chars / usual_chars)::BIGINT, visible_high)
        WHEN delivered_best IS NOT NULL THEN least(delivered_best, visible_high)
        WHEN billed_tokens IS NOT NULL AND ttft_ms > 0 AND cancelled_at_ms > ttft_ms
            AND cancelled_at_ms < coalesce(upstream_end_ms, duration_ms)
            THEN 1 + floor((cancelled_at_ms - ttft_ms) / (coalesce(upstream_end_ms, duration_ms) - ttft_ms)
                * greatest(visible_high - 1, 0))::BIGINT
    END AS rendered_best,
    CASE
        WHEN rendered_tokens IS NOT NULL THEN rendered_tokens
        WHEN painted_tokens IS NOT NULL THEN painted_tokens
        WHEN stopped_before_first_token OR left_before_chunks OR delivered_tokens = 0 OR cache_hit THEN 0
        WHEN rendered_chars IS NOT NULL THEN least(
            floor(rendered_chars / most_chars / rendered_slack)::BIGINT, delivered_high, visible_high)
        ELSE 0
    END AS rendered_low,
    CASE
        WHEN rendered_tokens IS NOT NULL THEN rendered_tokens
        WHEN painted_tokens IS NOT NULL THEN painted_tokens
        WHEN stopped_before_first_token OR left_before_chunks OR delivered_tokens = 0 OR cache_hit THEN 0
        WHEN rendered_chars IS NOT NULL
            THEN least(ceil(rendered_chars / fewest_chars * rendered_slack)::BIGINT, delivered_high, visible_high)
        WHEN delivered_high IS NOT NULL THEN least(delivered_high, visible_high)
        WHEN billed_tokens IS NOT NULL AND ttft_ms > 0 AND cancelled_at_ms > ttft_ms
            AND cancelled_at_ms < coalesce(upstream_end_ms, duration_ms) THEN visible_high
        ELSE visible_high
    END AS rendered_high
FROM visible
-- tax_class: exact (billed and rendered both known), estimated (a stated rule gives a value and an interval), bounded (an
-- interval only, its high end may be open), unknown. low adds 0 and high is NULL when unknown.
), classed AS (
    SELECT
        -- A value is never outside its own interval.
        * REPLACE (CASE WHEN rendered_best IS NOT NULL THEN
            least(greatest(rendered_best, rendered_low), coalesce(rendered_high, rendered_best)) END AS rendered_best),
        CASE
            WHEN billed_tokens IS NOT NULL AND rendered_rule IN ('rendered', 'rendered_chunks', 'nothing_delivered',
                'stopped_before_first_token') THEN 'exact'
            WHEN billed_tokens IS NOT NULL AND rendered_best IS NOT NULL THEN 'estimated'
            WHEN billed_high IS NOT NULL OR billed_low > rendered_high THEN 'bounded'
            ELSE 'unknown'
        END AS tax_class
    FROM shown
), valued AS (
    SELECT
        *,
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
        CASE WHEN tax_class <> 'unknown' AND billed_high IS NOT NULL THEN greatest(billed_high - rendered_low, 0) END AS tax_high,
        -- The call's own price of an output token, else the price table's.
        coalesce(output_cost_usd / nullif(output_tokens, 0), output_usd_per_token)
            AS usd_per_output_token
    FROM classed
), hidden_known AS (
    -- least() passes over NULL, and unknown reasoning is not hidden tax: every part asks for what it needs.
    SELECT
        *,
        CASE WHEN tax_best = 0 THEN 0
            WHEN reasoning_tokens IS NOT NULL AND tax_best IS NOT NULL THEN least(reasoning_tokens, tax_best) END
            AS tax_hidden
    FROM valued
), split AS (
    SELECT
        *,
        CASE WHEN tax_best = 0 THEN 0
            WHEN delivered_best IS NOT NULL AND rendered_best IS NOT NULL AND tax_best IS NOT NULL
                AND (tax_class = 'exact' OR rendered_rule IN ('delivered_counts_as_rendered', 'chunks_until_cancel', 'received_text'))
            THEN least(greatest(delivered_best - rendered_best, 0), tax_best - coalesce(tax_hidden, 0))
        END AS tax_unread
    FROM hidden_known
)
SELECT
    source, call_id, ran_on, on_disconnect, delivered_rule, delivered_low, delivered_best, delivered_high, billed_low,
    billed_high, rendered_rule, rendered_low, rendered_best, rendered_high, tax_class, tax_rule, tax_low, tax_best,
    tax_high, usd_per_output_token, tax_hidden, tax_unread,
    -- The parts add up to the tax: what a call cannot split stays in tax_un
    CASE WHEN tax_hidden IS NOT NULL AND tax_unread IS NOT NULL THEN tax_best - tax_hidden - tax_unread END
        AS tax_undelivered,
    -- What was generated after the user had left, of a call that is known to have run on.
    CASE WHEN ran_on AND tax_hidden IS NOT NULL AND tax_unread IS NOT NULL THEN tax_best - tax_hidden - tax_unread
        WHEN NOT ran_on AND cancelled_at_ms IS NOT NULL AND (upstream_cancelled OR upstream_end_ms IS NOT NULL) THEN 0
        END AS tax_orphaned,
    -- What stopping the provider at the cancel would save: at most all that came after what was delivered, at least what
    -- is left of it when the provider stops as late as is assumed. Nothing where it stops anyhow.
    CASE
        WHEN on_disconnect = 'stops' AND NOT ran_on THEN 0
        WHEN (on_disconnect = 'runs_on' OR ran_on) AND cancelled_at_ms > ttft_ms
            AND (reasoning_tokens IS NOT NULL OR reasons = false)
            THEN greatest(coalesce(billed_low - coalesce(reasoning_tokens, 0) - delivered_high - least(ceil(2.0
                * greatest(delivered_high + coalesce(reasoning_tokens, 0), 1) / greatest(cancelled_at_ms - ttft_ms, 1.0)
                * getvariable('stop_delay_ms')), 1e12)::BIGINT, 0), 0)
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
    CASE WHEN tax_best IS NULL THEN NULL WHEN tax_best = 0 THEN 0.0 ELSE tax_best * usd_per_output_token END
        AS tax_best_usd,
    CASE WHEN tax_low = 0 THEN 0.0 ELSE tax_low * usd_per_output_token END AS tax_low_usd,
    CASE WHEN tax_high = 0 THEN 0.0 ELSE tax_high * usd_per_output_token END AS tax_high_usd,
    stopped_before_first_token AS unseen_prompt
FROM split;

-- Every call with its tax; completed calls have none.
CREATE OR REPLACE TEMP VIEW call_tax AS
SELECT *, false AS ended_early FROM call_outcome WHERE outcome NOT IN ('cancelled', 'timeout', 'interrupted', 'error')
UNION ALL BY NAME
SELECT calls.*, true AS ended_early, early_tax.* EXCLUDE (source, call_id)
FROM call_outcome AS calls JOIN early_tax ON early_tax.source = calls.source AND early_tax.call_id = calls.call_id
WHERE calls.outcome IN ('cancelled', 'timeout', 'interrupted', 'error');
