-- Which records of one id are attempts of their own, where the id names a request: the table ``attempts`` over the
-- table ``rivals``. Records whose start differs by more than 1 ms, or whose attempt number or response id differ, are
-- attempts; all others are versions of one. An unknown value differs from none.
--
-- All starts, numbers and response ids that a call was ever seen with take part (``versions``), and a further record
-- can only join attempts, never split them. So the result is the same in whatever order records arrive.
CREATE OR REPLACE TEMP TABLE attempts AS
WITH differing AS (
    SELECT given_id FROM rivals GROUP BY given_id
    HAVING min(start_time) <> max(start_time) OR count(start_time) NOT IN (0, count(*))
        OR min(attempt_number) <> max(attempt_number) OR count(attempt_number) NOT IN (0, count(*))
        OR min(response_id) <> max(response_id) OR count(response_id) NOT IN (0, count(*))
        OR count(versions) > 0 OR count(stored_row) > 1
), seen AS (
    SELECT given_id, start_time, attempt_number, response_id FROM rivals SEMI JOIN differing USING (given_id)
    UNION
    SELECT given_id, unnest(versions, recursive := true) FROM rivals WHERE versions IS NOT NULL
), spaced AS (
    SELECT
        *,
        coalesce(start_time - lag(start_time) OVER in_time > INTERVAL 1 MILLISECOND, false)::BIGINT AS is_apart,
        bool_or(start_time IS NULL) OVER (PARTITION BY given_id) AS has_untimed
    FROM seen
    WINDOW in_time AS (PARTITION BY given_id ORDER BY start_time)
), timed AS (
    SELECT
        *,
        CASE WHEN NOT has_untimed THEN sum(is_apart) OVER (PARTITION BY given_id ORDER BY start_time) END AS beginning
    FROM spaced
), numbered AS (
    SELECT
        *, CASE WHEN count(attempt_number) OVER one_start = count(*) OVER one_start THEN attempt_number END AS number
    FROM timed
    WINDOW one_start AS (PARTITION BY given_id, beginning)
), answered AS (
    SELECT
        *, CASE WHEN count(response_id) OVER one_number = count(*) OVER one_number THEN response_id END AS answer
    FROM numbered
    WINDOW one_number AS (PARTITION BY given_id, beginning, number)
), placed AS (
    SELECT *, dense_rank() OVER (PARTITION BY given_id ORDER BY beginning, number, answer) AS attempt FROM answered
), described AS (
    SELECT
        given_id, attempt,
        CASE WHEN count(*) > 1 THEN list(struct_pack(start_time, attempt_number, response_id)
            ORDER BY start_time, attempt_number, response_id) END AS versions
    FROM placed GROUP BY given_id, attempt
)
SELECT given_id, start_time, attempt_number, response_id, attempt, versions
FROM placed JOIN described USING (given_id, attempt)
