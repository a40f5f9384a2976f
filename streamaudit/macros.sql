-- What every source needs to turn text into typed values. Text that is not what it should be becomes NULL (unknown);
-- a value that is a number but impossible stays, so that the record can be rejected with that reason.

CREATE OR REPLACE TEMP MACRO number_of(x) AS
    CASE WHEN isfinite(try_cast(x AS DOUBLE)) THEN try_cast(x AS DOUBLE) END;

CREATE OR REPLACE TEMP MACRO tokens_of(x) AS
    coalesce(try_cast(x AS BIGINT), try_cast(number_of(x) AS BIGINT));

CREATE OR REPLACE TEMP MACRO bool_of(x) AS
    CASE WHEN lower(x) IN ('true', '1', 'yes') THEN true WHEN lower(x) IN ('false', '0', 'no') THEN false END;

-- An epoch number in seconds, milliseconds, microseconds or nanoseconds, told apart by magnitude.
CREATE OR REPLACE TEMP MACRO epoch_utc(x) AS
    CASE
        WHEN number_of(x) IS NULL THEN NULL
        WHEN abs(number_of(x)) < 1e11 THEN make_timestamp(try_cast(round(number_of(x) * 1e6) AS BIGINT))
        WHEN abs(number_of(x)) < 1e14 THEN make_timestamp(try_cast(round(number_of(x) * 1e3) AS BIGINT))
        WHEN abs(number_of(x)) < 1e17 THEN make_timestamp(coalesce(try_cast(x AS BIGINT), try_cast(number_of(x) AS BIGINT)))
        WHEN abs(number_of(x)) < 9e18 THEN
            make_timestamp((coalesce(try_cast(x AS BIGINT), try_cast(number_of(x) AS BIGINT)) // 1000)::BIGINT)
    END;

-- A written instant. Text without a zone is UTC (the session's zone); a zone is honoured through TIMESTAMPTZ.
CREATE OR REPLACE TEMP MACRO text_utc(x) AS try_cast(try_cast(x AS TIMESTAMPTZ) AS TIMESTAMP);
CREATE OR REPLACE TEMP MACRO instant_utc(x) AS coalesce(text_utc(x), epoch_utc(x), text_utc(trim(x, '"')));

CREATE OR REPLACE TEMP MACRO span_ms(a, b) AS (epoch_us(b) - epoch_us(a)) / 1000.0;

-- The model a user asked for, from the dated snapshot that answered (gpt-4o-2024-08-06, claude-3-5-sonnet@20241022).
CREATE OR REPLACE TEMP MACRO undated(x) AS regexp_replace(x, '[-@]20\d{2}-?[01]\d-?[0-3]\d$', '');

CREATE OR REPLACE TEMP MACRO first_filled(l) AS list_filter(l, lambda v: v <> '')[1];
CREATE OR REPLACE TEMP MACRO filled_rank(l, base) AS
    base + nullif(list_position(list_transform(l, lambda v: v IS NOT NULL AND v <> ''), true), 0);

-- The values of key:value tags for a list of keys, in the keys' order; NULL where a key is absent or empty.
CREATE OR REPLACE TEMP MACRO tag_values(tags, keys) AS
    list_transform(keys, lambda k: nullif(list_filter(tags, lambda t: starts_with(t, k || ':'))[1][length(k) + 2:], ''));

CREATE OR REPLACE TEMP MACRO says_cancelled(x) AS
    regexp_matches(lower(x), 'cancel|abort|client.?disconnect|client.?closed|generatorexit|broken ?pipe|econnreset|connectionreset|socket hang up|premature close');
CREATE OR REPLACE TEMP MACRO says_timeout(x) AS
    regexp_matches(lower(x), 'time.?out|timed out|deadline|max streaming duration');

-- The class or code at the head of an error text; the message behind it may quote a prompt and is dropped.
CREATE OR REPLACE TEMP MACRO error_class(x) AS
    nullif(regexp_extract(x, '^\s*([A-Za-z_][A-Za-z0-9_.]{0,80}(?:Error|Exception|Timeout|Abort|Cancelled|Canceled|Exit|Disconnect|Disconnected|Limit|Exceeded)|[1-5]\d\d)(?:$|\W)', 1), '');
-- A short code such as a finish reason: one word, or nothing.
CREATE OR REPLACE TEMP MACRO code_word(x) AS CASE WHEN regexp_full_match(x, '[A-Za-z0-9_.:/-]{1,60}') THEN x END;

-- The same of an error message, which is prose: its class decides, else a phrase that says who stopped what.
CREATE OR REPLACE TEMP MACRO message_says_cancelled(x) AS
    coalesce(says_cancelled(error_class(x)), false) OR regexp_matches(lower(x),
        '^\W*(cancel|abort)(l?ed|ling|ing)?\W*$|generatorexit|econnreset|socket hang up|premature close|broken ?pipe|client.?(disconnected|closed|went away)|(request|stream|call|task|run|generation|connection|operation) (was |has been |is )?(cancel|abort)|(cancel|abort)(l?ed|ing) by');
CREATE OR REPLACE TEMP MACRO message_says_timeout(x) AS
    coalesce(says_timeout(error_class(x)), false)
    OR regexp_matches(lower(x), 'timed out|time.?out|deadline.?exceeded|max streaming duration');

-- True when any of several flags is, false when one says so and none is true.
CREATE OR REPLACE TEMP MACRO flag_of(l) AS
    CASE
        WHEN len(list_filter(l, lambda v: bool_of(v))) > 0 THEN true
        WHEN len(list_filter(l, lambda v: bool_of(v) = false)) > 0 THEN false
    END;

CREATE OR REPLACE TEMP MACRO outcome_word(x) AS
    CASE
        WHEN x IS NULL THEN NULL
        WHEN lower(x) IN ('completed', 'complete', 'success', 'succeeded', 'ok', 'done', 'finished') THEN 'completed'
        WHEN lower(x) IN ('timeout', 'timed_out', 'deadline_exceeded') THEN 'timeout'
        WHEN lower(x) IN ('error', 'failed', 'failure') THEN 'error'
        WHEN lower(x) IN ('interrupted', 'incomplete') THEN 'interrupted'
        WHEN lower(x) = 'unknown' THEN 'unknown'
        WHEN says_cancelled(x) OR contains(lower(x), 'disconnect') THEN 'cancelled'
    END;

-- Milliseconds in a named unit.
CREATE OR REPLACE TEMP MACRO unit_ms(x) AS
    CASE lower(x) WHEN 'ns' THEN 1e-6 WHEN 'us' THEN 1e-3 WHEN 'ms' THEN 1.0 WHEN 's' THEN 1000.0 WHEN 'sec' THEN 1000.0 END;
