-- What all sources share of the staged records: the outcome, and whether a call streamed.
WITH timed AS (
    SELECT
        * REPLACE (
            -- The usual words first, which are none of the many others.
            CASE WHEN finish_reason IN ('stop', 'end_turn', 'tool_calls', 'tool_use', 'max_tokens') THEN finish_reason
                WHEN is_length(finish_reason) THEN 'length' ELSE reason_of(finish_reason) END AS finish_reason
        ),
        CASE WHEN finish_reason IN ('stop', 'end_turn', 'tool_calls', 'tool_use', 'max_tokens') THEN 'unrecognised'
            WHEN NOT is_length(finish_reason) THEN outcome_word(finish_reason) END AS finish_word
    FROM named_records
), decided AS (
    SELECT
        *,
        -- The first rule that applies decides; cancel_evidence names it.
        CASE
            WHEN said_outcome NOT IN ('unknown', 'unrecognised') THEN 'outcome'
            WHEN app_outcome NOT IN ('completed', 'unknown', 'unrecognised') THEN 'app_outcome'
            WHEN cancel_flag THEN 'flag'
            WHEN http_status IN (499, 460) THEN 'http_status'
            WHEN finish_word IN ('cancelled', 'timeout', 'interrupted') THEN 'finish_reason'
            WHEN error_timeout THEN 'error_timeout'
            WHEN error_cancelled THEN 'error'
            -- The class of an error is more specific than the word error.
            WHEN finish_word = 'error' THEN 'finish_reason'
            -- Evidence that is specific to a format, about the ends of its own streams.
            WHEN cut_evidence IS NOT NULL AND coalesce(http_status, 200) < 400 THEN cut_evidence
            WHEN http_status IN (408, 504, 524) THEN 'http_timeout'
            -- A cancel timestamp implies cancelled unless the flag is false.
            -- At the very end it may be a stamp that every call gets. Some write 0 where no user left.
            WHEN cancelled_at_ms > 0 AND (duration_ms IS NULL OR cancelled_at_ms < duration_ms
                    OR (cancelled_at_ms = duration_ms AND finish_reason IS NULL AND http_status IS NULL))
                AND cancel_flag IS NOT false AND coalesce(said_outcome, app_outcome, '') <> 'completed'
                THEN 'cancelled_at'
            WHEN failed OR http_status >= 400 OR error_type IS NOT NULL THEN 'failed'
            WHEN said_outcome = 'unrecognised' THEN 'unknown_word'
            -- An ending that the record itself calls unknown is not made a success by the rules below.
            WHEN said_outcome = 'unknown' THEN 'outcome'
            WHEN app_outcome = 'unknown' THEN 'app_outcome'
            -- An application may call something else an outcome; the provider's finish reason then decides.
            WHEN app_outcome = 'unrecognised' AND finish_reason IS NULL THEN 'unknown_word'
            -- A success among an application's own keys yields to evidence of the contrary above.
            WHEN app_outcome = 'completed' THEN 'app_outcome'
            WHEN finish_reason IS NOT NULL THEN 'finished'
            WHEN end_time IS NULL AND duration_ms IS NULL AND NOT ends_before_start THEN 'never_ended'
            -- Less reached the user than was generated, or the user left: usage alone is no proof of an end.
            WHEN least(delivered_tokens, rendered_tokens) < output_tokens - coalesce(reasoning_tokens, 0)
                OR rendered_chars < visible_output_chars
                OR (cancelled_at_ms > 0 AND cancel_flag IS DISTINCT FROM false) THEN 'nothing_said'
            WHEN (output_tokens > 0 AND coalesce(usage_basis, 'provider') IN ('provider', 'unclear'))
                OR (failed = false AND streamed = false) THEN 'ended_with_usage'
            ELSE 'nothing_said'
        END AS rule
    FROM timed
), outcomes AS (
    SELECT
        * EXCLUDE (rule, ends_before_start, finish_word),
        CASE rule
            WHEN 'outcome' THEN said_outcome
            WHEN 'app_outcome' THEN app_outcome
            WHEN 'flag' THEN 'cancelled'
            WHEN 'http_status' THEN 'cancelled'
            WHEN 'finish_reason' THEN finish_word
            WHEN 'error' THEN 'cancelled'
            WHEN 'cancelled_at' THEN 'cancelled'
            WHEN 'aborted' THEN 'cancelled'
            WHEN 'unterminated' THEN 'interrupted'
            WHEN 'error_timeout' THEN 'timeout'
            WHEN 'http_timeout' THEN 'timeout'
            WHEN 'failed' THEN 'error'
            WHEN 'finished' THEN 'completed'
            WHEN 'ended_with_usage' THEN 'completed'
            ELSE 'unknown'
        END AS outcome,
        CASE WHEN kind IN ('llm', 'embedding') THEN rule END AS cancel_evidence
    FROM decided
)
SELECT
    * REPLACE (
        -- A usable TTFT proves a stream; so does more than one chunk.
        CASE
            WHEN streamed IS NULL AND kind = 'llm' AND ttft_ms > 0 AND (duration_ms IS NULL OR ttft_ms < duration_ms)
                AND cache_hit IS DISTINCT FROM true THEN true
            ELSE streamed
        END AS streamed,
        CASE WHEN ttft_ms IS NOT NULL THEN coalesce(ttft_basis, 'reported') ELSE ttft_basis END AS ttft_basis,
        without_login(provider) AS provider,
        CASE WHEN provider IS NOT NULL THEN coalesce(provider_basis, 'reported') END AS provider_basis,
        tier_of(service_tier) AS service_tier,
        without_login(region) AS region, without_login(model) AS model,
        without_login(response_model) AS response_model,
        -- When a correction was shown: with the chunk that holds its place in the answer, else as far between the first
        -- and the last token as its place is between the first and the last character.
        CASE WHEN len(retractions) > 0 THEN list_transform(retractions, lambda r: struct_pack(
            offset_chars := r.offset_chars,
            offset_ms := CASE
                WHEN streamed = false OR cache_hit THEN NULL
                WHEN len(chunk_offsets_ms) > 1 AND r.offset_chars < output_chars
                    THEN chunk_offsets_ms[1 + floor(r.offset_chars * len(chunk_offsets_ms) / output_chars)::INTEGER]
                WHEN coalesce(ttvt_ms, ttft_ms) BETWEEN 0 AND duration_ms AND ttft_ms < duration_ms THEN
                    coalesce(ttvt_ms, ttft_ms)
                    + (duration_ms - coalesce(ttvt_ms, ttft_ms)) * least(1.0, r.offset_chars / output_chars)
            END,
            marker := r.marker
        )) ELSE retractions END AS retractions,
        coalesce(transport_label(transport), CASE
            -- Models that are spoken with over a WebSocket alone.
            WHEN kind = 'llm' AND contains(coalesce(response_model, model), 'realtime') THEN 'websocket'
            WHEN kind = 'llm' AND contains(operation, 'realtime') THEN 'websocket'
        END) AS transport,
        CASE kind WHEN 'embedding' THEN 'embedding' WHEN 'llm' THEN coalesce(operation, 'chat') END AS operation,
        -- An estimate stays one where it has no output: its input is no measurement either.
        CASE
            WHEN output_tokens IS NULL AND (usage_basis IS DISTINCT FROM 'tokenizer'
                OR coalesce(input_tokens, reasoning_tokens, total_tokens) IS NULL) THEN 'none'
            ELSE coalesce(usage_basis, 'provider')
        END AS usage_basis
    )
FROM outcomes
