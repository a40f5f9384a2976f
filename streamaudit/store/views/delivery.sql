-- Tokens that were delivered, from what servers counted: events, characters, bytes. How many of them a token has, or a
-- chunk that the application received, is learned from completed calls of the same server, route and model: 20 at
-- least.

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
-- too small, and the interval rather too wide. A line that is certainly below zero there belongs to streams whose first
-- event holds many tokens: it is as much lower. Reasoning is in events and bytes too where it was streamed, which the
-- export need not tell: the count of tokens that fits better is the one that was streamed.
CREATE OR REPLACE TEMP TABLE delivery_rates AS
WITH whole AS (
    SELECT
        server, calls.route, calls.model, unit, amount::DOUBLE AS amount, calls.reasoning_tokens,
        unnest([
            {'per': 'token', 'basis': 'visible', 'size': (output_tokens - coalesce(reasoning_tokens, 0))::DOUBLE},
            {'per': 'token', 'basis': 'all', 'size': output_tokens::DOUBLE},
            {'per': 'chunk', 'basis': 'received', 'size': nullif(len(chunk_tokens), 0)::DOUBLE}
        ], recursive := true)
    FROM delivered_amounts JOIN refreshed_calls AS calls USING (source, call_id)
    WHERE amount > 0 AND whole AND calls.outcome = 'completed' AND calls.usage_status = 'final'
        AND calls.output_tokens - coalesce(calls.reasoning_tokens, 0) >= 20 AND calls.streamed IS NOT false
        AND calls.cache_hit IS NOT true
), fitted AS (
    SELECT
        server, route, model, unit, per, basis, count(*) AS n, min(amount) AS least_amount, avg(size) AS mean,
        regr_intercept(amount, size) AS intercept,
        greatest(regr_syy(amount, size) - regr_sxy(amount, size) * regr_slope(amount, size), 0) / (count(*) - 2)
            AS variance,
        sqrt(variance * (1 / n + mean * mean / nullif(regr_sxx(amount, size), 0))) AS intercept_error
    FROM whole WHERE size IS NOT NULL GROUP BY ALL HAVING count(*) >= 20
), chosen AS (
    SELECT
        *,
        CASE WHEN intercept + 2 * intercept_error < 0 THEN intercept - 2 * intercept_error
            ELSE least(coalesce(greatest(intercept, 0) + 2 * intercept_error, least_amount / 2), least_amount * 0.9)
            END AS fixed_part,
        coalesce(greatest(intercept, 0), 0) AS usual_part
    FROM fitted
    QUALIFY row_number() OVER (
        PARTITION BY server, route, model, unit, per ORDER BY round(variance, 6) NULLS LAST, basis DESC) = 1
), rated AS (
    SELECT
        whole.*, n, mean, fixed_part, usual_part,
        sum(amount - fixed_part) OVER rate / sum(size) OVER rate AS per_size,
        -- Streams as wholes differ too: of one of twice the size, twice as much.
        (amount - fixed_part - per_size * size) / sqrt(size * greatest(1, size / mean)) AS deviation
    FROM whole JOIN chosen ON chosen.unit = whole.unit AND chosen.per = whole.per AND chosen.basis = whole.basis
        AND chosen.server IS NOT DISTINCT FROM whole.server AND chosen.route IS NOT DISTINCT FROM whole.route
        AND chosen.model IS NOT DISTINCT FROM whole.model
    WHERE size IS NOT NULL
    WINDOW rate AS (PARTITION BY whole.server, whole.route, whole.model, whole.unit, whole.per)
), spread AS (
    SELECT
        server, route, model, unit, per, any_value(n) AS n, any_value(mean) AS mean,
        any_value(fixed_part) AS fixed_part, any_value(usual_part) AS usual_part, any_value(per_size) AS per_size,
        greatest(4 * sqrt(sum(deviation * deviation) / (any_value(n) - 2)), 1.25 * max(abs(deviation))) AS deviation,
        min((amount - fixed_part) / size) AS fewest, max(amount / size) AS most,
        greatest(sum(amount - usual_part), 0) / sum(size) AS usual,
        max((amount - fixed_part) / size) AS most_of_rest, bool_and(reasoning_tokens = 0) AS all_visible
    FROM rated GROUP BY ALL
)
-- Where tokens of one stream are four times as large as those of another, something else is counted: pings, a body that
-- is compressed for some, another format.
SELECT *, fewest > 0 AND usual > 0 AND most_of_rest <= 4 * fewest AS usable FROM spread;

-- The most tokens or chunks that an amount can be: of streams that run short by the most that was seen to be likely (a
-- sum of n independent sizes varies as the root of n; streams as wholes differ by a share).
CREATE OR REPLACE TEMP MACRO most_in(amount, per_size, deviation, mean) AS
    CASE WHEN ((deviation + sqrt(deviation * deviation + 4 * per_size * amount)) / (2 * per_size)) ** 2 <= mean
        THEN ((deviation + sqrt(deviation * deviation + 4 * per_size * amount)) / (2 * per_size)) ** 2
        ELSE amount / nullif(greatest(per_size - deviation / sqrt(mean), 0), 0) END;

CREATE OR REPLACE TEMP MACRO tokens_of_first(sizes, chunks) AS
    coalesce(list_sum(list_slice(sizes, 1, least(chunks, len(sizes))::BIGINT)), 0);

-- Extremes are those of whole answers: the fewer the tokens, the further a stream may be from them. Bytes may be pings,
-- so that they never say how many tokens there were at least; nor do events of which the client may have read none.
CREATE OR REPLACE TEMP TABLE learned_delivery AS
WITH estimated AS (
    SELECT
        source, call_id, amounts.unit, per, amount, chunk_tokens,
        1 + 2 / sqrt(greatest(amount / usual, 1)) AS slack,
        amount - least(fixed_part, 0) AS most_amount,
        least(ceil(most_amount / fewest * slack), ceil(most_in(most_amount, per_size, deviation, mean))) AS most_sizes,
        CASE WHEN per = 'token' THEN most_sizes ELSE tokens_of_first(chunk_tokens, most_sizes) END AS high,
        CASE WHEN per = 'chunk' OR amounts.unit = 'bytes' OR NOT coalesce(all_visible, false) OR late_chunks IS NULL
            THEN 0
            ELSE floor(greatest(amount - fixed_part - CASE WHEN amounts.unit = 'chunks' THEN late_chunks
                WHEN late_chunks > 0 THEN amount ELSE 0 END, 0) / most / slack) END AS low,
        round(greatest(amount - usual_part / 2, 0) / usual) AS usual_sizes,
        CASE WHEN per = 'token' THEN usual_sizes ELSE tokens_of_first(chunk_tokens, usual_sizes) END AS best
    FROM delivered_amounts AS amounts JOIN refreshed_calls AS calls USING (source, call_id)
    JOIN delivery_rates AS rates ON rates.unit = amounts.unit AND rates.server IS NOT DISTINCT FROM amounts.server
        AND rates.route IS NOT DISTINCT FROM calls.route AND rates.model IS NOT DISTINCT FROM calls.model
    WHERE usable AND amount > 0 AND calls.outcome <> 'completed' AND (per = 'token' OR len(chunk_tokens) > 0)
)
-- Each server's count is an upper end of what went on to the client.
SELECT
    source, call_id, min_by(unit, (high, unit)) AS unit,
    least(coalesce(min(low) FILTER (per = 'token'), 0), min(high))::HUGEINT AS low,
    least(greatest(coalesce(min(low) FILTER (per = 'token'), 0), min_by(best, (high, unit))), min(high))::HUGEINT
        AS best,
    min(high)::HUGEINT AS high
FROM estimated GROUP BY source, call_id;
