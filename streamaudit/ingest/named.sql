-- The staged records with names as they are stored. Two clocks: an end before its start gives no duration; the rest of
-- the record is used.
SELECT
    * EXCLUDE (groups) REPLACE (
        CASE WHEN NOT ends_before_start
            THEN coalesce(end_time, start_time + to_microseconds(try_cast(round(duration_ms * 1000) AS BIGINT)))
        END AS end_time,
        CASE WHEN NOT ends_before_start THEN duration_ms END AS duration_ms,
        groups[1] AS route, groups[2] AS name,
        without_login(tenant) AS tenant, without_login(user_id) AS user_id, without_login(session_id) AS session_id,
        without_login(deploy) AS deploy, without_login(environment) AS environment, without_login(service) AS service
    )
FROM (
    SELECT
        *, coalesce(duration_ms < 0 OR end_time < start_time, false) AS ends_before_start,
        group_names([route, name]) AS groups
    FROM scratch.staged
)
