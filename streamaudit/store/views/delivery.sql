-- Tokens that were delivered, from what servers counted: events, characters, bytes. How many of them a token has is
-- learned from completed calls of the same server, route and model, 20 at least.

-- A count of each server and unit. What was cut teaches nothing.
CREATE OR REPLACE TEMP TABLE delivered_amounts AS
SELECT source, call_id, server, late_chunks, cancelled IS NOT true AS whole, unnest([
    {'unit': 'chunks', 'amount': delivered_chunks}, {'unit': 'chars', 'amount': delivered_chars},
    {'unit': 'bytes', 'amount': delivered_bytes}
], recursive := true)
FROM evidence_by_server
WHERE coalesce(delivered_chunks, delivered_chars, delivered_bytes) > 0;

-- A stream has a part that no token is in: headers, the events that open and close it. Its size is that of the line
-- through all streams at no token, and two standard errors more, so that it is rather too large: then a token is rather
-- too small, and the interval rather too wide. Reasoning is in events and bytes too where it was streamed, which the
-- export need not tell: the count of tokens that fits better is the one that was streamed.
CREATE OR REPLACE TEMP TABLE delivery_rates AS
WITH whole AS (
    SELECT
        server, calls.route, calls.model, unit, amount::DOUBLE AS amount, calls.reasoning_tokens,
        unnest([
            {'basis': 'visible', 'tokens': (output_tokens - coalesce(reasoning_tokens, 0))::DOUBLE},
            {'basis': 'all', 'tokens': output_tokens::DOUBLE}
        ], recursive := true)
    FROM delivered_amounts JOIN refreshed_calls AS calls USING (source, call_id)
    WHERE amount > 0 AND whole AND calls.outcome = 'completed' AND calls.usage_status = 'final'
        AND calls.output_tokens - coalesce(calls.reasoning_tokens, 0) >= 20 AND calls.streamed IS NOT false
        AND calls.cache_hit IS NOT true
), fitted AS (
    SELECT
        server, route, model, unit, basis, count(*) AS n, min(amount) AS least_amount,
        regr_intercept(amount, tokens) AS intercept, regr_sxx(amount, tokens) AS sxx, avg(tokens) AS mean,
        greatest(regr_syy(amount, tokens) - regr_sxy(amount, tokens) * regr_slope(amount, tokens), 0) / (count(*) - 2)
            AS variance
    FROM whole GROUP BY ALL HAVING count(*) >= 20
), chosen AS (
    SELECT
        *, least(coalesce(greatest(intercept, 0) + 2 * sqrt(variance * (1 / n + mean * mean / nullif(sxx, 0))),
            least_amount / 2), least_amount * 0.9) AS fixed_part, coalesce(greatest(intercept, 0), 0) AS usual_part
    FROM fitted
    QUALIFY row_number() OVER (
        PARTITION BY server, route, model, unit ORDER BY round(variance, 6) NULLS LAST, basis DESC) = 1
), spread AS (
    SELECT
        whole.server, whole.route, whole.model, whole.unit, any_value(n) AS n, any_value(fixed_part) AS fixed_part,
        any_value(usual_part) AS usual_part,
        min((amount - fixed_part) / tokens) AS fewest, max(amount / tokens) AS most,
        greatest(sum(amount - usual_part), 0) / sum(tokens) AS usual,
        max((amount - fixed_part) / tokens) AS most_of_rest, bool_and(reasoning_tokens = 0) AS all_visible
    FROM whole JOIN chosen ON chosen.unit = whole.unit AND chosen.basis = whole.basis
        AND chosen.server IS NOT DISTINCT FROM whole.server AND chosen.route IS NOT DISTINCT FROM whole.route
        AND chosen.model IS NOT DISTINCT FROM whole.model
    GROUP BY ALL
)
-- Where tokens of one stream are four times as large as those of another, something else is counted: pings, a body that
-- is compressed for some, another format.
SELECT *, fewest > 0 AND usual > 0 AND most_of_rest <= 4 * fewest AS usable FROM spread;

-- Extremes are those of whole answers: the fewer the tokens, the further a stream may be from them. Bytes may be pings,
-- so that they never say how many tokens there were at least; nor do events of which the client may have read none.
CREATE OR REPLACE TEMP TABLE learned_delivery AS
WITH estimated AS (
    SELECT
        source, call_id, amounts.unit, amount,
        1 + 2 / sqrt(greatest(amount / usual, 1)) AS slack,
        ceil(amount / fewest * slack) AS high,
        CASE WHEN amounts.unit = 'bytes' OR NOT coalesce(all_visible, false) OR late_chunks IS NULL THEN 0
            ELSE floor(greatest(amount - fixed_part - CASE WHEN amounts.unit = 'chunks' THEN late_chunks
                WHEN late_chunks > 0 THEN amount ELSE 0 END, 0) / most / slack) END AS low,
        round(greatest(amount - usual_part / 2, 0) / usual) AS best
    FROM delivered_amounts AS amounts JOIN refreshed_calls AS calls USING (source, call_id)
    JOIN delivery_rates AS rates ON rates.unit = amounts.unit AND rates.server IS NOT DISTINCT FROM amounts.server
        AND rates.route IS NOT DISTINCT FROM calls.route AND rates.model IS NOT DISTINCT FROM calls.model
    WHERE usable AND amount > 0 AND calls.outcome <> 'completed'
)
-- Each server's count is an upper end of what went on to the client.
SELECT source, call_id, min_by(unit, (high, unit)) AS unit, min(low)::HUGEINT AS low,
    greatest(min(low), least(min_by(best, (high, unit)), min(high)))::HUGEINT AS best, min(high)::HUGEINT AS high
FROM estimated GROUP BY source, call_id;
