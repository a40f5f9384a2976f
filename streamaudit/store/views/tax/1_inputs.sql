-- The cancellation tax, step 1 of 6: every call that ended early, with what its tax is worked out from.
--
-- The steps work out three intervals, in tokens: what was delivered (arrived at the client), what of it was rendered
-- (shown to the user), what was billed. The tax is billed minus rendered. Each step is a query over the step before it,
-- to which it adds columns; valuation.py puts them together.
-- Session variables, set by valuation.py: model_text (by model, characters per token and whether it reasons),
-- on_disconnect (by provider: stops, runs_on or contested), stop_delay_ms (how long a provider that stops may run on).
WITH early AS (
    SELECT
        call_row, hash(calls.source, record_hash) AS call_key, learned.unit AS learned_unit,
        learned.low AS learned_low, learned.best AS learned_best, learned.high AS learned_high,
        model, provider, outcome, output_tokens, reasoning_tokens, billed_tokens, usage_status,
        delivered_tokens, rendered_tokens, rendered_chars, rendered_chunks, chunk_offsets_ms,
        -- A list with an unknown size in it counts nothing.
        CASE WHEN NOT list_contains(list_transform(chunk_tokens, lambda t: t IS NULL), true) THEN chunk_tokens END
            AS chunk_tokens,
        client_chunk_offsets_ms, cancelled_at_ms, ttft_ms, duration_ms, upstream_end_ms, upstream_cancelled,
        clock_slack_ms(edge_servers) AS slack_ms,
        -- -1 and 0 are ways to say that there is no cap.
        CASE WHEN max_tokens > 0 THEN max_tokens END AS max_tokens,
        cache_hit, stopped_before_first_token, output_cost_usd, output_usd_per_token,
        coalesce(visible_output_chars, output_chars) AS received_chars,
        -- The provider generated on after the user had left: text and chunks of that time were not delivered.
        coalesce(upstream_cancelled = false, false)
            OR coalesce(coalesce(upstream_end_ms, duration_ms) > cancelled_at_ms + 1000, false)
            -- Until its server closed the connection, the upstream was not asked to stop.
            OR coalesce(upstream_held_ms > cancelled_at_ms + 1000, false) AS ran_on,
        getvariable('model_text')[model] AS text_of_model,
        CASE
            -- Closing the connection upstream too makes a provider stop only if it is one that does.
            WHEN upstream_cancelled = false THEN 'runs_on'
            -- The name of a model does not tell whose server stops.
            WHEN provider_basis = 'inferred' THEN NULL
            ELSE getvariable('on_disconnect')[provider]
        END AS on_disconnect
    FROM calls_to_value AS calls
    LEFT JOIN learned_delivery AS learned ON learned.source = calls.source AND learned.call_id = calls.call_id
    -- The first two conditions say nothing more, but a scan of the table can apply them before it reads other columns.
    WHERE outcome <> 'completed' AND outcome <> 'unknown'
        AND outcome IN ('cancelled', 'timeout', 'interrupted', 'error')
)
SELECT
    *,
    -- Characters per token. Without answers of the model: a token is a byte or more and a character up to 4 bytes of
    -- UTF-8, so a character is at most 4 tokens whatever the script; English and code stay below 8 characters a token.
    coalesce(text_of_model.fewest, 0.25) AS fewest_chars,
    coalesce(text_of_model.usual, 4.0) AS usual_chars,
    coalesce(text_of_model.most, 8.0) AS most_chars,
    -- The model's extremes are those of whole answers; the fewer the tokens the further a text may be from them.
    CASE WHEN text_of_model.fewest IS NULL THEN 1.0
        ELSE 1 + 2 / sqrt(greatest(received_chars / text_of_model.usual, 1)) END AS received_slack,
    CASE WHEN text_of_model.fewest IS NULL THEN 1.0
        ELSE 1 + 2 / sqrt(greatest(rendered_chars / text_of_model.usual, 1)) END AS rendered_slack,
    -- Whether the model reasons: NULL unknown.
    text_of_model.reasons AS reasons
FROM early
