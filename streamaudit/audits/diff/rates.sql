-- Sums for the ratios of a diff, by place, side and block of time: y over z, with their products, from which the
-- variance of a ratio follows; those of the tax only where it is $taxed. Over the relation ``placed``.
SELECT
    place::INTEGER AS place, side::UTINYINT AS side, block::INTEGER AS block,
    count(*)::DOUBLE AS calls, count(*) FILTER (cancelled)::DOUBLE AS cancelled,
    count(*) FILTER (failed)::DOUBLE AS failed,
    count(cancelled)::DOUBLE AS ended, count(*) FILTER (taxed AND cancelled)::DOUBLE AS tax_cancelled,
    count(*) FILTER (taxed)::DOUBLE AS tax_calls,
    coalesce(sum(tax) FILTER (taxed), 0)::DOUBLE AS tax, coalesce(sum(output) FILTER (taxed), 0)::DOUBLE AS output,
    coalesce(sum(tax::HUGEINT * tax) FILTER (taxed), 0)::DOUBLE AS tax_tax,
    coalesce(sum(tax::HUGEINT * output) FILTER (taxed), 0)::DOUBLE AS tax_output,
    coalesce(sum(output::HUGEINT * output) FILTER (taxed), 0)::DOUBLE AS output_output,
    count(*) FILTER (taxed AND tax > 0)::DOUBLE AS tax_events,
    count(*) FILTER (taxed AND estimated)::DOUBLE AS estimated,
    coalesce(sum(input_tokens), 0)::DOUBLE AS input_tokens, count(input_tokens)::DOUBLE AS input_calls
FROM (
    SELECT *, tax IS NOT NULL AND output IS NOT NULL AS taxed
    FROM (
        SELECT
            place, side, block, input_tokens,
            -- A call of unknown outcome does not count as one that was not cancelled.
            CASE WHEN outcome <> 'unknown' THEN outcome = 'cancelled' END AS cancelled,
            CASE WHEN outcome <> 'unknown' THEN outcome = 'error' END AS failed,
            CASE WHEN $taxed THEN CASE outcome WHEN 'completed' THEN 0 WHEN 'cancelled' THEN tax_best END END AS tax,
            CASE WHEN $taxed AND outcome IN ('completed', 'cancelled') THEN billed_tokens END AS output,
            outcome = 'cancelled' AND tax_class = 'estimated' AS estimated
        FROM placed
    )
)
GROUP BY ALL
ORDER BY place, side, block
