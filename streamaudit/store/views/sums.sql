-- Aggregates that are the same in any order of their rows.

-- A sum of decimals of 12 places: doubles add up to another last digit in another order. A value of 1e15 or more is no
-- measurement and adds nothing.
CREATE OR REPLACE TEMP MACRO exact_sum(x) AS sum(try_cast(x AS DECIMAL(27, 12)))::DOUBLE;

-- The value that occurs most often, the least of several; mode() returns the one that it met first.
CREATE OR REPLACE TEMP MACRO commonest(x) AS
    list_sort(list_transform(map_entries(histogram(x)), lambda e: {'n': -e.value::BIGINT, 'v': e.key}))[1].v;
