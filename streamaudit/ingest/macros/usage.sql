-- Counts of tokens, of which one may include another.

-- Who counted the usage, in an application's own word. A count recorded with the word none is the application's own.
CREATE OR REPLACE TEMP MACRO usage_word(x) AS
    CASE
        WHEN lower(x) IN ('provider_final', 'provider') THEN 'provider'
        WHEN lower(x) IN ('provider_partial', 'partial') THEN 'partial'
        WHEN lower(x) IN ('estimated', 'tokenizer', 'none') THEN 'tokenizer'
    END;

-- Which of two records of a call knows its usage better: the higher one.
CREATE OR REPLACE TEMP MACRO usage_rank(usage_basis) AS
    CASE usage_basis WHEN 'provider' THEN 4 WHEN 'partial' THEN 3 WHEN 'unclear' THEN 2 WHEN 'tokenizer' THEN 1
        ELSE 0 END;

-- A sum of token counts, a part that is NULL left out; NULL where the first is NULL or the sum is no count at all.
CREATE OR REPLACE TEMP MACRO tokens_with(count, part, other_part) AS
    try_cast(count::HUGEINT + coalesce(part, 0) + coalesce(other_part, 0) AS BIGINT);

-- All input tokens, where a count leaves the cached ones out: they exceed it, or the total adds them to it.
CREATE OR REPLACE TEMP MACRO whole_input(given, cached, written, produced, total) AS
    CASE WHEN coalesce(cached, 0)::HUGEINT + coalesce(written, 0) > given
            OR (coalesce(cached, 0)::HUGEINT + coalesce(written, 0) > 0
                AND total = given::HUGEINT + coalesce(cached, 0) + coalesce(written, 0) + produced)
        THEN tokens_with(given, cached, written) ELSE given END;

-- All output tokens, where a count leaves the reasoning out: xAI and Gemini count it next to the answer, and many tools
-- pass both on as they are. The total, which has every token once, adds them up; without one, more reasoning than
-- output is surely not in it.
CREATE OR REPLACE TEMP MACRO whole_output(produced, reasoned, given, total) AS
    CASE WHEN reasoned > 0 AND (total = given::HUGEINT + produced + reasoned OR (total IS NULL AND reasoned > produced))
        THEN tokens_with(produced, reasoned, 0) ELSE produced END;
