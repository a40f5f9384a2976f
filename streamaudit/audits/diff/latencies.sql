-- The calls of some blocks of a diff, one per row: the cell, which packs side, place and block and leaves 12 bits for a
-- bucket (see histogram.py), the bin of the session's hash (-1 without a session), and the code (``bucket_code``) of
-- each latency that is asked for. Over the relation ``placed``.
, measured AS ( -- noqa: PRS
    SELECT
        ((place + side * $on_head) << 20 | (block - $first_block)) << 12 AS cell,
        CASE WHEN session_id IS NULL THEN -1::SMALLINT ELSE (hash(session_id) & $session_mask::UBIGINT)::SMALLINT END
            AS session,
        ttft_status, duration_ms IS NOT NULL AND cache_hit IS NOT TRUE AS lasted, outcome,
        try_cast(round(1e3 * ttft_ms) AS BIGINT) AS ttft_us,
        CASE WHEN ttvt_ms > 0 THEN try_cast(round(1e3 * ttvt_ms) AS BIGINT) END AS ttvt_us,
        try_cast(round(1e3 * duration_ms) AS BIGINT) AS duration_us,
        cut_before_visible(outcome, ttft_status, ttvt_ms, delivered_tokens, rendered_tokens, visible_output_chars,
            recorder_key(source, model), $ttvt_recorded::VARCHAR[]) AS unseen,
        CASE WHEN outcome IN ('cancelled', 'timeout')
            THEN try_cast(round(1e3 * coalesce(cancelled_at_ms, duration_ms)) AS BIGINT) END AS cut_us,
        try_cast(round(1e3 * tpot_ms) AS BIGINT) AS tpot_us
    FROM placed
    WHERE block BETWEEN $from_block AND $to_block
), ended AS (
    SELECT
        *,
        -- A wait that a cancel or a deadline ended lasted at least until then: a number of its own for each two
        -- buckets, and one for waits cut at an unknown time.
        CASE WHEN outcome IN ('cancelled', 'timeout') THEN cut_code(cut_us, $censored) END AS cut
    FROM measured
), coded AS (
    SELECT
        cell, session,
        CASE ttft_status WHEN 'usable' THEN bucket_code(ttft_us) WHEN 'censored' THEN cut ELSE $none END AS ttft,
        CASE WHEN ttft_status = 'usable' AND ttvt_us IS NOT NULL THEN bucket_code(ttvt_us)
            WHEN unseen THEN cut ELSE $none END AS ttvt,
        CASE WHEN lasted AND outcome IN ('completed', 'unknown') THEN bucket_code(duration_us)
            WHEN lasted AND outcome IN ('cancelled', 'timeout', 'interrupted')
            THEN cut_code(duration_us, $censored) ELSE $none END AS duration,
        bucket_code(tpot_us) AS tpot
    FROM ended
)
SELECT cell, session, COLUMNS($latencies) FROM coded
