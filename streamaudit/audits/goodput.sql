-- How each call of the scope counts in goodput: met; failed, timed_out, or the first limit that it missed; or why it
-- cannot be judged. Limits are in milliseconds and inclusive, NULL where there is none. Over the relation ``scope``,
-- without calls that should not have streamed an answer: those from a cache and those known to be no stream.
, goodput_calls AS ( -- noqa: PRS
    SELECT
        *,
        CASE
            WHEN streamed IS NULL THEN 'streaming_unknown'
            WHEN outcome = 'error' THEN 'failed'
            WHEN outcome = 'timeout' THEN 'timed_out'
            WHEN late_ttft THEN 'late_ttft'
            WHEN late_ttvt THEN 'late_ttvt'
            WHEN late_tpot THEN 'late_tpot'
            WHEN late_duration THEN 'late_duration'
            WHEN outcome IN ('unknown', 'interrupted') THEN 'ending_unknown'
            WHEN NOT (late_ttft OR late_ttvt OR late_tpot OR late_duration) THEN 'met'
            WHEN outcome = 'cancelled' THEN 'left'
            WHEN late_ttft IS NULL THEN 'ttft_unknown'
            WHEN late_ttvt IS NULL THEN 'ttvt_unknown'
            WHEN late_tpot IS NULL THEN 'tpot_unknown'
            ELSE 'duration_unknown'
        END AS goodput
    FROM (
        SELECT
            *,
            CASE
                WHEN $ttft_limit_ms::DOUBLE IS NULL THEN false
                WHEN ttft_status = 'usable' THEN ttft_ms > $ttft_limit_ms
                -- The wait was cut short, but not before the limit.
                WHEN ttft_status = 'censored' AND cut_ms > $ttft_limit_ms THEN true
            END AS late_ttft,
            CASE
                WHEN $ttvt_limit_ms::DOUBLE IS NULL THEN false
                WHEN ttft_status = 'usable' AND ttvt_ms > 0 THEN ttvt_ms > $ttvt_limit_ms
                -- The first visible token does not come before the first one.
                WHEN ttft_status = 'usable' AND ttft_ms > $ttvt_limit_ms THEN true
                WHEN cut_ms > $ttvt_limit_ms
                    AND (ttft_status = 'censored' OR cut_before_visible(outcome, ttft_status, ttvt_ms, delivered_tokens,
                        rendered_tokens, visible_output_chars, recorder_key(source, model), $ttvt_recorded)) THEN true
            END AS late_ttvt,
            CASE
                WHEN $tpot_limit_ms::DOUBLE IS NULL THEN false
                WHEN tpot_ms IS NOT NULL THEN tpot_ms > $tpot_limit_ms
                -- A single token has no pace.
                WHEN outcome = 'completed' AND usage_status = 'final' AND streamed_tokens <= 1 THEN false
            END AS late_tpot,
            CASE
                WHEN $duration_limit_ms::DOUBLE IS NULL THEN false
                WHEN outcome = 'completed' THEN duration_ms > $duration_limit_ms
                WHEN cut_ms > $duration_limit_ms THEN true
            END AS late_duration
        FROM (
            SELECT *, coalesce(cancelled_at_ms, duration_ms) AS cut_ms
            FROM scope WHERE cache_hit IS NOT TRUE AND streamed IS DISTINCT FROM false
        )
    )
)
