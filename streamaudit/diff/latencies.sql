-- Calls of a diff by latency, place, side, block and bucket. The last four are packed into one number, from the highest
-- bits to the lowest (see scan.py): grouping and sorting by one number is twice as fast as by four.
WITH packed AS (
    SELECT ((place::BIGINT << 1 | side) << 20 | (block - $first_block)) << 12 AS cell, ttft, ttvt, duration, tpot
    FROM diff_calls
)
SELECT 0::UTINYINT AS metric, cell | ttft AS key, count(*)::UINTEGER AS n FROM packed WHERE ttft IS NOT NULL GROUP BY key
UNION ALL
SELECT 1::UTINYINT, cell | ttvt AS key, count(*)::UINTEGER FROM packed WHERE ttvt IS NOT NULL GROUP BY key
UNION ALL
SELECT 2::UTINYINT, cell | duration AS key, count(*)::UINTEGER FROM packed WHERE duration IS NOT NULL GROUP BY key
UNION ALL
SELECT 3::UTINYINT, cell | tpot AS key, count(*)::UINTEGER FROM packed WHERE tpot IS NOT NULL GROUP BY key
ORDER BY metric, key
