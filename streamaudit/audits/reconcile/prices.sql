-- Prices of one call by the steps of its model's price, which start at 0 tokens of input and then for long inputs.

-- The step that an input reaches; the first where it is not known and there is no other.
CREATE OR REPLACE TEMP MACRO price_step(steps, input) AS
    CASE WHEN len(steps) = 1 OR input = 0 THEN steps[1] ELSE list_filter(steps, lambda t: t.start < input)[-1] END;

-- Input in USD: tokens read from the cache, written to it for minutes and for an hour have prices of their own.
CREATE OR REPLACE TEMP MACRO input_price(step, input, from_cache, to_cache, for_an_hour) AS
    (input - from_cache - to_cache) * step.input
    + from_cache * coalesce(step.cached, step.input)
    + (to_cache - for_an_hour) * coalesce(step.cache_write, step.input)
    + CASE WHEN for_an_hour = 0 THEN 0 ELSE for_an_hour * step.cache_write_1h END;
