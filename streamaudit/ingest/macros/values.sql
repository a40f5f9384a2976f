-- Text as typed values: numbers, flags, instants, JSON. Text that is not what it should be becomes NULL (unknown); a
-- value that is a number but impossible stays, so that the record can be rejected with that reason.

CREATE OR REPLACE TEMP MACRO number_of(x) AS
    CASE WHEN isfinite(try_cast(x AS DOUBLE)) THEN try_cast(x AS DOUBLE) END;

-- US dollars, also as a table shows them: $0.0123, 1,234.50 USD, and 0,0123 where a comma is the decimal point. What
-- 1,234 means is unknown.
CREATE OR REPLACE TEMP MACRO money_of(x) AS
    CASE WHEN x IS NULL OR try_cast(x AS DOUBLE) IS NOT NULL THEN number_of(x)
        ELSE number_of(replace(regexp_extract(
            CASE WHEN regexp_full_match(x, '\D*(0?,\d+|\d+,(\d{1,2}|\d{4,}))\D*') THEN replace(x, ',', '.') ELSE x END,
            '^\s*(?:US)?\$?\s*((?:\d{1,3}(?:,\d{3})+\.\d+|\d{1,3}(?:,\d{3}){2,}|\d*(?:\.\d+)?)(?:[eE][-+]?\d+)?)\s*(?:USD)?\s*$', -- noqa: LT05
            1), ',', ''))
    END;

CREATE OR REPLACE TEMP MACRO tokens_of(x) AS
    coalesce(try_cast(x AS BIGINT), try_cast(try_cast(x AS DOUBLE) AS BIGINT));

-- The first count that is more than 0, else a 0: an exporter writes 0 under one name where it knows the count by
-- another.
CREATE OR REPLACE TEMP MACRO first_count(l) AS list_transform([l], lambda c:
    coalesce(list_filter(c, lambda n: n > 0)[1], list_filter(c, lambda n: n IS NOT NULL)[1]))[1];

CREATE OR REPLACE TEMP MACRO bool_of(x) AS
    CASE WHEN lower(x) IN ('true', '1', 'yes', 't', 'y', 'on', '1.0', 'hit', 'semantic hit') THEN true
        WHEN lower(x) IN ('false', '0', 'no', 'f', 'n', 'off', '0.0', 'miss') THEN false END;

-- An instant outside of 2000 to 2100 is none: no clock of a call shows it, and arithmetic with it may overflow. A list
-- of one binds a value to a name: a macro's argument is planned once for each use, and computed even where an earlier
-- part of a coalesce decides.
CREATE OR REPLACE TEMP MACRO in_range(t) AS list_filter([t], lambda v:
    v BETWEEN TIMESTAMP '2000-01-01 00:00:00.000001' AND TIMESTAMP '2099-12-31 23:59:59.999999')[1];
CREATE OR REPLACE TEMP MACRO micros_utc(us) AS
    make_timestamp(list_filter([us], lambda v: v BETWEEN 946684800000001 AND 4102444799999999)[1]);

-- An instant some milliseconds after another, before it where they are negative; NULL outside of the range.
CREATE OR REPLACE TEMP MACRO later_by(t, ms) AS
    in_range(CASE WHEN abs(ms) < 3.2e12 THEN t + to_microseconds(CAST(round((ms) * 1000) AS BIGINT)) END);

-- An epoch number in seconds, milliseconds, microseconds or nanoseconds, recognised by its magnitude. 0 is a clock that
-- was not read.
CREATE OR REPLACE TEMP MACRO epoch_utc(x) AS micros_utc(list_transform([try_cast(x AS DOUBLE)], lambda n: CASE
    WHEN abs(n) < 1e11 THEN try_cast(round(n * 1e6) AS BIGINT)
    WHEN abs(n) < 1e14 THEN try_cast(round(n * 1e3) AS BIGINT)
    WHEN abs(n) < 9e18 THEN coalesce(try_cast(x AS BIGINT), try_cast(n AS BIGINT)) // CASE WHEN abs(n) < 1e17 THEN 1
        ELSE 1000 END
END)[1]);

-- JSON text as JSON; NULL when it is none. Half of an emoji (\ud83d alone, as JavaScript cuts a text) is replaced,
-- since the parser refuses the whole text for it. Only refused text is scanned again: escaped backslashes and whole
-- pairs are set aside as control characters, which no JSON holds, then the remaining halves are replaced.
CREATE OR REPLACE TEMP MACRO without_halves(x) AS
    replace(replace(regexp_replace(regexp_replace(replace(x, '\\', chr(2)),
        '\\(u[dD][89abAB][0-9a-fA-F]{2})\\(u[dD][c-fC-F][0-9a-fA-F]{2})', chr(1) || '\1' || chr(1) || '\2', 'g'),
        '\\u[dD][89a-fA-F][0-9a-fA-F]{2}', '\\ufffd', 'g'), chr(1), '\'), chr(2), '\\');
CREATE OR REPLACE TEMP MACRO json_of(x) AS
    coalesce(try_cast(x AS JSON), CASE WHEN contains(lower(x), '\ud') THEN try_cast(without_halves(x) AS JSON) END);

-- A written instant. Text without a zone is UTC (the session's zone); a zone is honoured through TIMESTAMPTZ. Python's
-- logging writes a comma before the fraction, as ISO 8601 allows.
CREATE OR REPLACE TEMP MACRO text_utc(x) AS in_range(try_cast(try_cast(x AS TIMESTAMPTZ) AS TIMESTAMP));
-- A date as mails and HTTP headers have it (RFC 2822: Sat, 22 Nov 2025 08:26:40 GMT), and as JavaScript prints one. Of
-- several formats at once, the database takes 31 February for 3 March.
CREATE OR REPLACE TEMP MACRO mail_utc(x) AS list_transform([regexp_replace(
        regexp_replace(trim(x, '" '), '^[A-Za-z]{3},? +| *\([^)]*\)$', '', 'g'), ' (GMT|UTC?|Z)([+-]|$)', ' +0000\2')],
    lambda t: in_range(CAST(coalesce(try_strptime(t, '%d %b %Y %H:%M:%S %z'), try_strptime(t, '%d %b %Y %H:%M %z'),
        try_strptime(t, '%b %d %Y %H:%M:%S +0000%z')) AS TIMESTAMP)))[1];
CREATE OR REPLACE TEMP MACRO instant_utc(x) AS
    coalesce(text_utc(x), epoch_utc(x), text_utc(replace(trim(x, '"'), ',', '.')), mail_utc(x));

CREATE OR REPLACE TEMP MACRO span_ms(a, b) AS (epoch_us(b) - epoch_us(a)) / 1000.0;

-- When chunks arrived, in milliseconds after the start, from a list or its text. Instants (of an epoch) are subtracted
-- from the start. A list that falls often, or from its first value on, is one of gaps, where these fit into the call; a
-- single time that goes back is one of a clock.
CREATE OR REPLACE TEMP MACRO offsets_of(x, started, took) AS -- noqa: PRS
    CASE WHEN x IS NOT NULL THEN list_transform(
        [try_cast(CASE WHEN starts_with(x::VARCHAR, '"') THEN try_cast(x->>'$' AS JSON) ELSE x END AS DOUBLE[])],
        lambda l: CASE
            WHEN l[1] > 9e8 THEN list_transform(l, lambda v: span_ms(started, epoch_utc(v)))
            WHEN l = list_sort(l) OR list_min(l) < 0 OR list_contains(list_transform(l, lambda v: v IS NULL), true)
                OR list_sum(l) > took * 1.01 OR took IS NULL THEN l
            WHEN l[1] < list_max(l) AND 3 * len(list_filter(l, lambda v, i: v < l[i - 1])) < len(l) - 1 THEN l
            ELSE list_transform(l, lambda v, i: list_sum(l[1:i])) END)[1] END;

-- A value of a table as a record has it: text that holds a JSON object or list is what it holds. Python's way to write
-- one is JSON but for its quotes, which can be translated as long as no text in it has the other kind.
CREATE OR REPLACE TEMP MACRO python_json(x) AS
    CASE WHEN NOT contains(x, '"') THEN regexp_replace(regexp_replace(regexp_replace(replace(x, chr(39), '"'),
        '([:\[,{] ?)None\b', '\1null', 'g'), '([:\[,{] ?)True\b', '\1true', 'g'),
        '([:\[,{] ?)False\b', '\1false', 'g') END;
CREATE OR REPLACE TEMP MACRO opened(j) AS
    CASE WHEN left(j::VARCHAR, 2) IN ('"{', '"[')
        THEN coalesce(json_of(j->>'$'), try_cast(python_json(j->>'$') AS JSON), j) ELSE j END;

-- An object of which some values are JSON text, with those values opened.
CREATE OR REPLACE TEMP MACRO opened_values(j) AS
    CASE WHEN j::VARCHAR LIKE '{%"{%' THEN coalesce(list_transform([try_cast(j AS MAP(VARCHAR, JSON))], lambda m:
            to_json(map(map_keys(m), list_transform(map_values(m), lambda v:
                CASE WHEN v::VARCHAR LIKE '"{%' THEN coalesce(json_of(v->>'$'), v) ELSE v END))))[1], j)
        ELSE j END;

CREATE OR REPLACE TEMP MACRO opened_text(x) AS
    CASE WHEN left(x, 1) IN ('{', '[') THEN opened(to_json(x))->>'$' ELSE x END;

-- Milliseconds in a named unit.
CREATE OR REPLACE TEMP MACRO unit_ms(x) AS
    CASE lower(x) WHEN 'ns' THEN 1e-6 WHEN 'us' THEN 1e-3 WHEN 'ms' THEN 1.0 WHEN 's' THEN 1000.0
        WHEN 'sec' THEN 1000.0 END;

-- Values at mapped paths, the first that has the column's kind: numbers by a factor for each path (an epoch is no
-- duration), instants in a unit given in microseconds, or recognised by magnitude.
CREATE OR REPLACE TEMP MACRO first_scaled(texts, scales) AS
    list_filter(list_transform(texts, lambda v, i: -- noqa: PRS
            CASE WHEN abs(number_of(v)) < 1e12 / scales[i] THEN number_of(v) * scales[i] END),
        lambda n: n IS NOT NULL)[1];
-- The same of durations, of which a text may name its unit: 320ms, 1.5 s.
CREATE OR REPLACE TEMP MACRO said_ms(v) AS CASE
    WHEN regexp_full_match(v, '\s*\d+(\.\d+)?\s*(ns|us|µs|μs|ms|millis\w*|s|secs?|seconds?|m|mins?|minutes?)\s*') -- noqa: LT05
        THEN number_of(regexp_extract(v, '[\d.]+')) * CASE regexp_extract(v, '[^\d\s.]+')
            WHEN 'ns' THEN 1e-6 WHEN 'us' THEN 1e-3 WHEN 'µs' THEN 1e-3 WHEN 'μs' THEN 1e-3
            ELSE CASE WHEN regexp_matches(v, 'ms|milli') THEN 1.0 WHEN contains(v, 'm') THEN 6e4 ELSE 1e3 END END
    END;
CREATE OR REPLACE TEMP MACRO first_duration(texts, scales) AS
    list_filter(list_transform(texts, lambda v, i: -- noqa: PRS
            coalesce(CASE WHEN abs(number_of(v)) < 1e12 / scales[i] THEN number_of(v) * scales[i] END, said_ms(v))),
        lambda n: n IS NOT NULL)[1];
-- A list of numbers, as JSON or as an attribute of OpenTelemetry.
CREATE OR REPLACE TEMP MACRO numbers_of(v) AS
    CASE WHEN starts_with(v, '{') THEN try_cast(json_extract_string(try_cast(v AS JSON), '$.values[*].*') AS DOUBLE[])
        ELSE try_cast(v AS DOUBLE[]) END;
CREATE OR REPLACE TEMP MACRO first_scaled_list(texts, scales) AS
    list_filter(list_transform(texts, lambda v, i: -- noqa: PRS
            list_transform(numbers_of(v), lambda n: n * scales[i])),
        lambda l: l IS NOT NULL)[1];
CREATE OR REPLACE TEMP MACRO scaled_instant(v, us) AS
    CASE WHEN us IS NULL OR number_of(v) IS NULL OR number_of(v) = 0 THEN instant_utc(v)
        WHEN us < 1 THEN micros_utc(try_cast(try_cast(v AS HUGEINT) // 1000 AS BIGINT))
        ELSE micros_utc(try_cast(round(number_of(v) * us) AS BIGINT)) END;
CREATE OR REPLACE TEMP MACRO first_instant(texts, scales) AS
    list_filter(list_transform(texts, lambda v, i: -- noqa: PRS
            scaled_instant(v, scales[i])), lambda t: t IS NOT NULL)[1];

-- A time of JavaScript's OpenTelemetry, [seconds, nanoseconds] in text.
CREATE OR REPLACE TEMP MACRO pair_utc(x) AS
    CASE WHEN starts_with(x, '[') THEN micros_utc(list_transform([try_cast(x AS BIGINT[])],
        lambda p: p[1] * 1000000 + p[2] // 1000)[1]) END;
-- An attribute that holds a list: OTLP's arrayValue, a JSON array, or one value.
CREATE OR REPLACE TEMP MACRO listed(x) AS list_transform([x], lambda v:
    CASE WHEN starts_with(v, '{') THEN json_extract_string(json_of(v), '$.values[*].*')
        -- A list that a program of Python has printed has single quotes.
        WHEN starts_with(v, '[''') THEN coalesce(try_cast(json_of(replace(v, '''', '"')) AS VARCHAR[]), [v])
        WHEN starts_with(v, '[') THEN coalesce(try_cast(json_of(v) AS VARCHAR[]), [v])
        WHEN v <> '' THEN [v] END)[1];
-- The number, from 0, of the file that a line of several files staged together is from, NULL for a file staged alone.
-- The ends are few, one for each file: a list with an entry for each line was repeated for every record.
CREATE OR REPLACE TEMP MACRO file_of(line) AS len(list_filter(getvariable('file_ends'), lambda e: e < line));
