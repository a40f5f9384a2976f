-- Prices of one call by the steps of its model's price: the first is that of short inputs, the next those of long ones.

-- The prices of unit_prices, a row for each model with its steps in a list.
CREATE OR REPLACE TEMP TABLE price_steps AS
SELECT
    provider, model, requested, day, service_tier,
    list(struct_pack(above := above, input := input_price, cached := cached_price, cache_write := cache_write_price,
        cache_write_1h := cache_write_1h_price, output := output_price) ORDER BY above) AS steps
FROM unit_prices
GROUP BY ALL;

-- The step that an input reaches; the first where it is not known and there is no other.
CREATE OR REPLACE TEMP MACRO price_step(steps, input) AS
    CASE WHEN len(steps) = 1 THEN steps[1] ELSE list_filter(steps, lambda t: t.above < input)[-1] END;

-- Input in USD: tokens read from the cache, written to it for minutes and for an hour have prices of their own.
CREATE OR REPLACE TEMP MACRO input_price(step, input, from_cache, to_cache, for_an_hour) AS
    (input - from_cache - to_cache) * step.input
    + from_cache * coalesce(step.cached, step.input)
    + (to_cache - for_an_hour) * coalesce(step.cache_write, step.input)
    + CASE WHEN for_an_hour = 0 THEN 0 ELSE for_an_hour * step.cache_write_1h END;
