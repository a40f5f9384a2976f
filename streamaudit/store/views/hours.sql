-- Hours in a zone. Where clocks are set back, two hours have the same name: both carry their offset from UTC.
CREATE OR REPLACE TEMP MACRO zoned(instant, zone) AS timezone(zone, timezone('UTC', instant));

-- Whether an instant that is ``apart`` from another has the same hour on the clock, at another offset.
CREATE OR REPLACE TEMP MACRO repeats_hour(instant, apart, zone) AS
    date_trunc('hour', zoned(instant + apart, zone)) = date_trunc('hour', zoned(instant, zone))
    AND zoned(instant + apart, zone) <> zoned(instant, zone) + apart;

-- The offset of a zone at an instant, such as +02:00.
CREATE OR REPLACE TEMP MACRO offset_of(instant, zone) AS
    format('{}{:02d}:{:02d}', CASE WHEN zoned(instant, zone) < instant THEN '-' ELSE '+' END,
        abs(date_diff('minute', instant, zoned(instant, zone))) // 60,
        abs(date_diff('minute', instant, zoned(instant, zone))) % 60);

-- Clocks are set back by an hour, on Lord Howe Island by half of one. Only near a change is the rest evaluated.
CREATE OR REPLACE TEMP MACRO hour_name(instant, zone) AS
    strftime(zoned(instant, zone), '%Y-%m-%d %H:00') || CASE
        WHEN zone = 'UTC' THEN ''
        WHEN zoned(instant + INTERVAL 1 HOUR, zone) = zoned(instant - INTERVAL 1 HOUR, zone) + INTERVAL 2 HOUR THEN ''
        WHEN repeats_hour(instant, INTERVAL 1 HOUR, zone) OR repeats_hour(instant, -INTERVAL 1 HOUR, zone)
            OR repeats_hour(instant, INTERVAL 30 MINUTE, zone) OR repeats_hour(instant, -INTERVAL 30 MINUTE, zone)
            THEN offset_of(instant, zone)
        ELSE '' END;
