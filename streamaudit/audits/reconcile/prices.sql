-- Four prices of each model for the comparison of reported costs, in plain columns, since a join that carries lists
-- takes many times as long. The first letter is the tier (s: that served the call, t: the standard one), the second the
-- step (s: that the input reaches, f: the first, of short inputs). A row for each row of unit_prices.
CREATE OR REPLACE TEMP TABLE compared_prices AS
SELECT
    ss.provider, ss.model, ss.requested, ss.day, ss.service_tier, ss.above, ss.upto,
    ss.input_price AS ss_input, coalesce(ss.cached_price, ss.input_price) AS ss_cached,
    coalesce(ss.cache_write_price, ss.input_price) AS ss_write, ss.cache_write_1h_price AS ss_write_1h,
    ss.output_price AS ss_output,
    sf.input_price AS sf_input, coalesce(sf.cached_price, sf.input_price) AS sf_cached,
    coalesce(sf.cache_write_price, sf.input_price) AS sf_write, sf.cache_write_1h_price AS sf_write_1h,
    sf.output_price AS sf_output,
    ts.input_price AS ts_input, coalesce(ts.cached_price, ts.input_price) AS ts_cached,
    coalesce(ts.cache_write_price, ts.input_price) AS ts_write, ts.cache_write_1h_price AS ts_write_1h,
    ts.output_price AS ts_output,
    tf.input_price AS tf_input, coalesce(tf.cached_price, tf.input_price) AS tf_cached,
    coalesce(tf.cache_write_price, tf.input_price) AS tf_write, tf.cache_write_1h_price AS tf_write_1h,
    tf.output_price AS tf_output
FROM unit_prices AS ss
LEFT JOIN unit_prices AS sf
    ON sf.provider IS NOT DISTINCT FROM ss.provider AND sf.model = ss.model
    AND sf.requested IS NOT DISTINCT FROM ss.requested AND sf.day IS NOT DISTINCT FROM ss.day
    AND sf.service_tier IS NOT DISTINCT FROM ss.service_tier AND sf.above = -1
LEFT JOIN unit_prices AS ts
    ON ts.provider IS NOT DISTINCT FROM ss.provider AND ts.model = ss.model
    AND ts.requested IS NOT DISTINCT FROM ss.requested AND ts.day IS NOT DISTINCT FROM ss.day
    AND ts.service_tier IS NULL AND ts.above <= ss.above AND ts.upto >= ss.upto
LEFT JOIN unit_prices AS tf
    ON tf.provider IS NOT DISTINCT FROM ss.provider AND tf.model = ss.model
    AND tf.requested IS NOT DISTINCT FROM ss.requested AND tf.day IS NOT DISTINCT FROM ss.day
    AND tf.service_tier IS NULL AND tf.above = -1;

-- Whether a reported cost is that price: within half a per cent, or the rounding of the sixth decimal.
CREATE OR REPLACE TEMP MACRO is_near(price, cost) AS abs(price - cost) <= greatest(0.005 * price, 5e-7);
