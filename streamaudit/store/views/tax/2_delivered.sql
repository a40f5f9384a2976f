-- The cancellation tax, step 2 of 6: tokens that arrived at the client before it left, by the first rule that has its
-- evidence: delivered (counted by a gateway), chunks (sizes and arrivals), learned (events, characters or bytes that a
-- server counted), text (the length of the text received). Chunks that had arrived need not have gone on: no more did
-- than a server counted.
WITH chunked AS (
    SELECT
        *,
        -- Chunks the client had by the time it left; all that ever came when that time is unknown. The most are those
        -- that came within the slack of the clock that the cancel is taken from.
        tokens_until(chunk_tokens, chunk_offsets_ms, client_chunk_offsets_ms, cancelled_at_ms) AS chunked_tokens,
        tokens_until(chunk_tokens, chunk_offsets_ms, client_chunk_offsets_ms, cancelled_at_ms + slack_ms)
            AS most_chunked_tokens,
        coalesce(list_sum(chunk_tokens), 0) AS received_tokens,
        coalesce(client_chunk_offsets_ms[1] > cancelled_at_ms + slack_ms,
            chunk_offsets_ms[1] > cancelled_at_ms + slack_ms, false) AS left_before_chunks,
        CASE WHEN rendered_chunks <= len(chunk_tokens) THEN coalesce(list_sum(chunk_tokens[:rendered_chunks]), 0) END
            AS painted_tokens
    FROM tax_inputs
)
SELECT
    * EXCLUDE (chunk_tokens, chunk_offsets_ms, client_chunk_offsets_ms, text_of_model, slack_ms),
    CASE
        WHEN delivered_tokens IS NOT NULL THEN 'delivered'
        WHEN chunked_tokens IS NOT NULL THEN 'chunks'
        WHEN learned_high IS NOT NULL THEN 'delivered_' || learned_unit
        WHEN received_chars IS NOT NULL THEN 'text'
    END AS delivered_rule,
    -- Of a call that ran on for an unknown time, chunks and text do not say what came in time.
    CASE
        WHEN delivered_tokens IS NOT NULL THEN delivered_tokens
        WHEN chunked_tokens IS NOT NULL
            THEN CASE WHEN cancelled_at_ms IS NOT NULL OR NOT ran_on THEN least(chunked_tokens, learned_high) END
        WHEN learned_high IS NOT NULL THEN learned_best
        WHEN NOT ran_on THEN round(received_chars / usual_chars)::BIGINT
    END AS delivered_best,
    CASE
        WHEN delivered_tokens IS NOT NULL THEN delivered_tokens
        WHEN chunked_tokens IS NOT NULL
            THEN CASE WHEN ran_on AND cancelled_at_ms IS NULL THEN 0 ELSE least(chunked_tokens, learned_high) END
        WHEN learned_high IS NOT NULL THEN learned_low
        -- Only the model's own answers say how few tokens a text can be.
        WHEN NOT ran_on AND text_of_model.most IS NOT NULL
            THEN floor(received_chars / most_chars / received_slack)::BIGINT
        ELSE 0
    END AS delivered_low,
    CASE
        WHEN delivered_tokens IS NOT NULL THEN delivered_tokens
        WHEN chunked_tokens IS NOT NULL THEN least(most_chunked_tokens, learned_high)
        WHEN learned_high IS NOT NULL THEN learned_high
        ELSE ceil(received_chars / fewest_chars * received_slack)::BIGINT
    END AS delivered_high
FROM chunked
