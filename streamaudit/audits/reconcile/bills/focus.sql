-- Lines of a FOCUS file (the table focus_lines, every column text or NULL), summed by everything that distinguishes
-- charges: a row for each month, seller, service, kind of charge and meter.
WITH parsed AS (
    SELECT
        *,
        try_cast(billedcost AS DECIMAL(38, 15)) AS billed_usd,
        -- A list cost of 0 with a billed amount is a column that the provider does not fill.
        CASE WHEN try_cast(listcost AS DECIMAL(38, 15)) <> 0 OR billed_usd = 0
            THEN try_cast(listcost AS DECIMAL(38, 15)) END AS list_usd,
        -- An instant without an offset is one of UTC.
        try_cast(coalesce(chargeperiodstart, billingperiodstart) AS TIMESTAMPTZ) AS starts,
        coalesce(serviceprovidername, providername, invoiceissuername, publishername) AS seller,
        lower(coalesce(chargecategory, 'usage')) AS category,
        trim(regexp_replace(lower(concat_ws(' ', servicename, servicesubcategory, skumeter, skupricedetails,
            chargedescription, x_skumetercategory, x_skumetersubcategory, x_skumetername, x_skudescription,
            x_usagetype, resourcename)), '[^a-z0-9.]+', ' ', 'g')) AS words,
        coalesce(CASE WHEN consumedquantity IS NOT NULL THEN consumedunit END, pricingunit) AS unit_text,
        trim(regexp_replace(lower(unit_text), '[^a-z0-9]+', ' ', 'g')) AS unit,
        try_cast(coalesce(consumedquantity, pricingquantity) AS DOUBLE) AS quantity
    FROM focus_lines
), classified AS (
    SELECT
        *,
        words LIKE '%cache%' OR words LIKE '%caching%' AS is_cache,
        regexp_matches(words, 'output|completion|reasoning|thinking|\b(outp|outpt|out|opt)\b') AS is_output,
        regexp_matches(words, 'input|prompt|\b(inp|inpt)\b') OR is_cache AS is_input,
        -- Tiers that have a price of their own; provisioned capacity is not counted in tokens.
        regexp_extract(words, '\b(batch|flex|priority|fast|latency optimized)\b', 1) AS tier,
        regexp_matches(words, 'long ?context|200k|272k|1m context|\b(lctx|long)\b') AS is_long,
        -- How many tokens one of its unit is; NULL where the unit is none of tokens. Azure writes the number alone and
        -- Google "count", and the name of the meter says what is counted.
        CASE
            WHEN unit LIKE '%token%' OR (words LIKE '%token%' AND regexp_full_match(unit, '(1 ?)?(k|m|1000|1000000)')
                    AND words NOT LIKE '%storage%')
                OR (regexp_full_match(unit, 'counts?|requests?') AND (is_input OR is_output)
                    AND regexp_matches(words, 'predictions|gemini|claude') AND words NOT LIKE '%storage%')
            THEN coalesce(try_cast(nullif(regexp_extract(unit, '^(\d+)', 1), '') AS BIGINT), 1)
                * CASE WHEN regexp_matches(unit, '^\d* ?(k|thousands?)\b') THEN 1000
                    WHEN regexp_matches(unit, '^\d* ?(m|millions?)\b') THEN 1000000 ELSE 1 END
        END AS tokens_a_unit
    FROM parsed
)
SELECT
    strftime(timezone('UTC', starts), '%Y-%m') AS month,
    seller,
    trim(regexp_replace(lower(coalesce(servicename, '')), '[^a-z0-9]+', ' ', 'g')) AS service,
    lower(coalesce(servicecategory, '')) = 'ai and machine learning' AS is_ai,
    (tokens_a_unit IS NOT NULL AND (servicecategory IS NULL OR is_ai))
        OR regexp_matches(words, 'gemini|claude|openai|\bgpt\b') AS is_llm,
    category,
    upper(trim(billingcurrency)) AS currency,
    CASE WHEN is_output THEN 'output' WHEN is_input THEN 'input' END AS direction,
    nullif(tier, '') AS tier,
    -- The meter without its tier: the same tokens at the standard price have this name too.
    trim(regexp_replace(regexp_replace(words, '\b(batch|flex|priority|fast|latency optimized|standard|default)\b', ' ',
        'g'), ' +', ' ', 'g')) AS meter,
    count(*) AS lines,
    sum(billed_usd) AS billed_usd,
    CASE WHEN count(*) = count(list_usd) THEN sum(list_usd) END AS list_usd,
    CASE WHEN count(*) = count(quantity * tokens_a_unit)
        THEN round(fsum(quantity * tokens_a_unit))::BIGINT END AS tokens,
    min(line) FILTER (billed_usd IS NULL) AS no_amount,
    min(line) FILTER (starts IS NULL) AS no_month,
    min(line) FILTER (seller IS NULL) AS no_seller,
    min(line) FILTER (billingcurrency IS NULL) AS no_currency,
    min(line) AS first_line
FROM classified
GROUP BY ALL
ORDER BY ALL
