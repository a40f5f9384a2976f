-- Calls of a diff by latency, place, side, block and bucket.
SELECT
    CASE WHEN ttft IS NOT NULL THEN 0 WHEN ttvt IS NOT NULL THEN 1 WHEN duration IS NOT NULL THEN 2 ELSE 3 END::UTINYINT
        AS metric,
    place, side, block, coalesce(ttft, ttvt, duration, tpot)::USMALLINT AS bucket, count(*)::UINTEGER AS n
FROM diff_calls
GROUP BY GROUPING SETS ((side, place, block, ttft), (side, place, block, ttvt), (side, place, block, duration),
    (side, place, block, tpot))
HAVING coalesce(ttft, ttvt, duration, tpot) IS NOT NULL
ORDER BY ALL
