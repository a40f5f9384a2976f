-- The calls of a diff, over the relation ``sided``: side, place (group and stratum), block of time, buckets, and what the
-- ratios are made of.
, timed AS (
    SELECT
        sided.side::UTINYINT AS side, place::INTEGER AS place, (epoch(start_time)::BIGINT // $block_s)::INTEGER AS block,
        -- A wait that a cancel or a deadline ended is only known to be long: a bucket of its own beyond all others.
        CASE WHEN NOT list_contains($metrics::VARCHAR[], 'ttft') THEN NULL
            WHEN ttft_status = 'usable' THEN bucket_of(try_cast(round(1e3 * ttft_ms) AS BIGINT))
            WHEN ttft_status = 'censored' THEN $censored END AS ttft,
        CASE WHEN NOT list_contains($metrics::VARCHAR[], 'ttvt') THEN NULL
            WHEN ttft_status = 'usable' AND ttvt_ms > 0 THEN bucket_of(try_cast(round(1e3 * ttvt_ms) AS BIGINT))
            WHEN ttft_status = 'censored' AND sided.source IN (SELECT unnest($ttvt_sources::VARCHAR[])) THEN $censored
            END AS ttvt,
        CASE WHEN NOT list_contains($metrics::VARCHAR[], 'duration') OR duration_ms IS NULL OR cache_hit THEN NULL
            WHEN outcome IN ('completed', 'unknown') THEN bucket_of(try_cast(round(1e3 * duration_ms) AS BIGINT))
            WHEN outcome IN ('cancelled', 'timeout', 'interrupted') THEN $censored END AS duration,
        CASE WHEN list_contains($metrics::VARCHAR[], 'tpot') AND ttft_status = 'usable' AND outcome = 'completed' AND output_tokens - unstreamed_tokens > 1
            THEN bucket_of(try_cast(round(1e3 * (duration_ms - ttft_ms) / (output_tokens - unstreamed_tokens - 1)) AS BIGINT))
            END AS tpot,
        -- A call that does not say how it ended is no call that nobody left.
        CASE WHEN outcome <> 'unknown' THEN outcome = 'cancelled' END AS cancelled,
        CASE WHEN outcome <> 'unknown' THEN outcome = 'error' END AS failed, input_tokens,
        CASE outcome WHEN 'completed' THEN 0 WHEN 'cancelled' THEN tax_best END AS tax,
        CASE WHEN outcome IN ('completed', 'cancelled') THEN billed_tokens END AS output
    FROM (
        SELECT *, CASE WHEN ttvt_ms <= ttft_ms THEN coalesce(reasoning_tokens, 0) ELSE 0 END AS unstreamed_tokens
        FROM sided WHERE side IS NOT NULL
    ) AS sided
    JOIN diff_places AS p
        ON p.by_1 IS NOT DISTINCT FROM sided.by_1 AND p.by_2 IS NOT DISTINCT FROM sided.by_2
        AND p.by_3 IS NOT DISTINCT FROM sided.by_3 AND p.by_4 IS NOT DISTINCT FROM sided.by_4
        AND p.stratum_1 IS NOT DISTINCT FROM sided.stratum_1 AND p.stratum_2 IS NOT DISTINCT FROM sided.stratum_2
        AND p.stratum_3 IS NOT DISTINCT FROM sided.stratum_3
    WHERE start_time >= CASE side WHEN 0 THEN $base_from::TIMESTAMP ELSE $head_from::TIMESTAMP END
)SELECT * FROM timed
