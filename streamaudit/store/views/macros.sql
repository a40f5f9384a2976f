-- Sums and judgements that the queries of several audits share.

-- Dollars of calls with an amount. Unknown when there is an amount and none of it has a price: calls of amount 0 cost
-- 0.
CREATE OR REPLACE TEMP MACRO priced_sum(amount, usd) AS
    CASE WHEN count(*) FILTER (amount > 0 AND usd IS NOT NULL) > 0 OR count(*) FILTER (amount > 0 AND usd IS NULL) = 0
        THEN round(fsum(usd), 12) END;

-- Whether the prompt of a call was paid for an answer of which nothing arrived; NULL where nothing tells.
CREATE OR REPLACE TEMP MACRO prompt_unseen(unseen, from_cache, left_at_ms, first_ms, ran, shown_low, shown_chars,
        delivered, received_low, chunks, chars) AS
    CASE
        WHEN unseen OR from_cache THEN unseen
        WHEN coalesce(left_at_ms >= first_ms, NOT ran) AND first_ms > 0 THEN false
        WHEN shown_low > 0 OR shown_chars > 0 OR delivered > 0 THEN false
        WHEN NOT ran AND (chunks > 0 OR chars > 0 OR received_low > 0) THEN false
    END;
