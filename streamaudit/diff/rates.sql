-- Sums for the ratios of a diff, by place, side and block of time: y over z, with their products, from which the variance
-- of a ratio follows.
SELECT
    place, side, block, count(*)::DOUBLE AS calls, count(*) FILTER (cancelled)::DOUBLE AS cancelled, count(*) FILTER (failed)::DOUBLE AS failed,
    count(cancelled)::DOUBLE AS ended, count(*) FILTER (taxed AND cancelled)::DOUBLE AS tax_cancelled,
    count(*) FILTER (taxed)::DOUBLE AS tax_calls,
    coalesce(sum(tax) FILTER (taxed), 0)::DOUBLE AS tax, coalesce(sum(output) FILTER (taxed), 0)::DOUBLE AS output,
    coalesce(sum(tax::HUGEINT * tax) FILTER (taxed), 0)::DOUBLE AS tax_tax,
    coalesce(sum(tax::HUGEINT * output) FILTER (taxed), 0)::DOUBLE AS tax_output,
    coalesce(sum(output::HUGEINT * output) FILTER (taxed), 0)::DOUBLE AS output_output,
    count(*) FILTER (taxed AND tax > 0)::DOUBLE AS tax_events,
    coalesce(sum(input_tokens), 0)::DOUBLE AS input_tokens, count(input_tokens)::DOUBLE AS input_calls
FROM (SELECT *, tax IS NOT NULL AND output IS NOT NULL AS taxed FROM diff_calls)
GROUP BY place, side, block
ORDER BY place, side, block
