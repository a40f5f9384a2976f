-- The calls of both sides of a diff with their place (group and stratum) and block of time, without those that a side
-- begins with and that are skipped. Over the relation ``sided``.
, placed AS ( -- noqa: PRS
    SELECT sided.*, place, epoch_us(start_time) // (1000000::BIGINT * $block_s) AS block
    FROM sided
    JOIN diff_places AS p
        ON p.by_1 IS NOT DISTINCT FROM sided.by_1 AND p.by_2 IS NOT DISTINCT FROM sided.by_2
        AND p.by_3 IS NOT DISTINCT FROM sided.by_3 AND p.by_4 IS NOT DISTINCT FROM sided.by_4
        AND p.stratum_1 IS NOT DISTINCT FROM sided.stratum_1 AND p.stratum_2 IS NOT DISTINCT FROM sided.stratum_2
        AND p.stratum_3 IS NOT DISTINCT FROM sided.stratum_3
    WHERE side IS NOT NULL AND start_time >= CASE side WHEN 0 THEN $base_from::TIMESTAMP ELSE $head_from::TIMESTAMP END
)
