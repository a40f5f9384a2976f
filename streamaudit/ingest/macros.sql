-- Macros that turn text into typed values, for every source. Text that is not what it should be becomes NULL (unknown);
-- a value that is a number but impossible stays, so that the record can be rejected with that reason.

CREATE OR REPLACE TEMP MACRO number_of(x) AS
    CASE WHEN isfinite(try_cast(x AS DOUBLE)) THEN try_cast(x AS DOUBLE) END;

-- US dollars, also as a table shows them: $0.0123, 1,234.50 USD.
CREATE OR REPLACE TEMP MACRO money_of(x) AS
    CASE WHEN x IS NULL OR try_cast(x AS DOUBLE) IS NOT NULL THEN number_of(x)
        ELSE number_of(replace(regexp_extract(x,
            '^\s*(?:US)?\$?\s*((?:\d{1,3}(?:,\d{3})+|\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?)\s*(?:USD)?\s*$', 1), ',', ''))
    END;

CREATE OR REPLACE TEMP MACRO tokens_of(x) AS
    coalesce(try_cast(x AS BIGINT), try_cast(try_cast(x AS DOUBLE) AS BIGINT));

-- The first count that is more than 0, else a 0: an exporter writes 0 under one name where it knows the count by
-- another.
CREATE OR REPLACE TEMP MACRO first_count(l) AS list_transform([l], lambda c:
    coalesce(list_filter(c, lambda n: n > 0)[1], list_filter(c, lambda n: n IS NOT NULL)[1]))[1];

CREATE OR REPLACE TEMP MACRO bool_of(x) AS
    CASE WHEN lower(x) IN ('true', '1', 'yes', 't', 'y', 'on', '1.0') THEN true
        WHEN lower(x) IN ('false', '0', 'no', 'f', 'n', 'off', '0.0') THEN false END;

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

-- The model a user asked for, from the dated snapshot that answered (gpt-4o-2024-08-06, claude-3-5-sonnet@20241022).
CREATE OR REPLACE TEMP MACRO undated(x) AS regexp_replace(x, '[-@]20\d{2}-?[01]\d-?[0-3]\d$', '');

-- Values of keys that name something: an object under such a key is no name, what it holds may be.
CREATE OR REPLACE TEMP MACRO a_name(v) AS CASE WHEN v <> '' AND NOT starts_with(v, '{"') THEN v END;
CREATE OR REPLACE TEMP MACRO filled(l) AS list_transform(l, lambda v: a_name(v));
CREATE OR REPLACE TEMP MACRO first_filled(l) AS list_filter(l, lambda v: v <> '')[1];
CREATE OR REPLACE TEMP MACRO filled_rank(l, base) AS
    base + nullif(list_position(list_transform(l, lambda v: v IS NOT NULL AND v <> ''), true), 0);

-- The values of key:value tags for a list of keys, in the keys' order; NULL where a key is absent or empty. Tags are
-- split once and found by position: a filter for each key took nine times as long.
CREATE OR REPLACE TEMP MACRO tag_values(tags, keys) AS list_transform(
    [struct_pack(heads := list_transform(tags, lambda t: CASE WHEN contains(t, ':') THEN split_part(t, ':', 1) END),
        bodies := list_transform(tags, lambda t: nullif(t[instr(t, ':') + 1:], '')))],
    lambda held: list_transform(keys, lambda k: held.bodies[list_position(held.heads, k)])
)[1];

-- key:value tags as a list of them, an object, or a text with commas.
CREATE OR REPLACE TEMP MACRO tag_list(j) AS CASE json_type(j)
    WHEN 'OBJECT' THEN list_transform(map_entries(try_cast(j AS MAP(VARCHAR, VARCHAR))), lambda e: e.key || ':' || e.value)
    WHEN 'VARCHAR' THEN regexp_split_to_array(j->>'$', '\s*,\s*')
    ELSE try_cast(j AS VARCHAR[]) END;

-- A record as --map reads it: key:value tags become the object they spell, and metadata written as JSON text, whole or
-- value by value, becomes what it holds. Of several tags with one key the first counts.
CREATE OR REPLACE TEMP MACRO tag_keys(tags) AS
    list_distinct(list_transform(list_filter(tags, lambda t: contains(t, ':')), lambda t: split_part(t, ':', 1)));
CREATE OR REPLACE TEMP MACRO tag_object(tags) AS
    CAST(to_json(map(tag_keys(tags), tag_values(tags, tag_keys(tags)))) AS VARCHAR);
CREATE OR REPLACE TEMP MACRO tags_patch(key, found) AS
    CASE WHEN found::VARCHAR LIKE '["%:%' THEN '"' || key || '":' || tag_object(try_cast(found AS VARCHAR[])) END;
CREATE OR REPLACE TEMP MACRO metadata_patch(found) AS
    CASE
        WHEN found::VARCHAR LIKE '"{%' THEN '"metadata":' || json_of(found->>'$')::VARCHAR
        WHEN found::VARCHAR LIKE '{%"{%' THEN (
            '"metadata":' || to_json(list_transform([try_cast(found AS MAP(VARCHAR, JSON))], lambda m:
                map(map_keys(m), list_transform(map_values(m), lambda v:
                    CASE WHEN v::VARCHAR LIKE '"{%' THEN coalesce(json_of(v->>'$'), v) ELSE v END)))[1])::VARCHAR)
    END;
CREATE OR REPLACE TEMP MACRO record_patch(found) AS
    concat_ws(',', tags_patch('tags', found[1]), tags_patch('traceTags', found[2]), metadata_patch(found[3]),
        CASE WHEN concat(tags_patch('tags', found[4]), metadata_patch(found[5])) <> '' THEN
            '"attributes":{' || concat_ws(',', tags_patch('tags', found[4]), metadata_patch(found[5])) || '}' END);
CREATE OR REPLACE TEMP MACRO mappable(r) AS
    list_transform(
        [record_patch(json_extract(r,
            ['/tags', '/traceTags', '/metadata', '/attributes/tags', '/attributes/metadata']))],
        lambda p: CASE WHEN p = '' THEN r ELSE json_merge_patch(r, CAST('{' || p || '}' AS JSON)) END)[1];

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

-- How a word or a class of error tells that the client or the user left, or that a deadline cut the call.
CREATE OR REPLACE TEMP MACRO says_cancelled(x) AS
    regexp_matches(lower(x), 'cancel|abort|abandon|^(499|460)$|generatorexit|keyboard.?interrupt|broken ?pipe|\bepipe\b|econnreset|connectionreset|premature.?close|h[au]ng.?up|(user|client|caller|consumer|browser|downstream).?(side.?|has.?|remote.?)?(disconnect|closed|gone|left|went.?away|quit|dropped|interrupt|terminat|stopped|stop$)|(closed|stopped|interrupted|terminated|ended|killed|dropped).?by.?(the.?)?(user|client|caller|consumer|browser|downstream)'); -- noqa: LT05
CREATE OR REPLACE TEMP MACRO says_timeout(x) AS
    regexp_matches(lower(x), 'time.?out|timed.?out|deadline|max streaming duration|^(408|504|524)$');

-- The class or code at the head of an error text; the message behind it may quote a prompt and is dropped.
CREATE OR REPLACE TEMP MACRO error_class(x) AS
    nullif(regexp_extract(x, '^\s*([A-Za-z_][A-Za-z0-9_.]{0,80}(?:Error|Exception|Timeout|Abort|Cancelled|Canceled|Exit|Disconnect|Disconnected|Limit|Exceeded)|[1-5]\d\d)(?:$|\W)', 1), ''); -- noqa: LT05
-- A short code such as a finish reason: one word, or nothing.
CREATE OR REPLACE TEMP MACRO code_word(x) AS CASE WHEN regexp_full_match(x, '[A-Za-z0-9_.:/-]{1,60}') THEN x END;

-- Whether a finish reason is a vendor's own word for an answer that reached its cap, or the window of its model;
-- max_tokens stays as it is. The Responses API calls such an answer incomplete.
CREATE OR REPLACE TEMP MACRO is_length(x) AS
    lower(x) IN ('length', 'incomplete', 'max_output_tokens', 'max_new_tokens', 'max_completion_tokens', 'max_length',
        'max_len', 'model_length', 'token_limit', 'model_context_window_exceeded', 'finishreason.max_tokens',
        'finish_reason_max_tokens', 'finish_reason_length', 'reason_max_len', 'reason_max_context', 'maxtokens');

-- A finish reason; NULL for a word that is written where there is none yet, or none came.
CREATE OR REPLACE TEMP MACRO reason_of(x) AS
    CASE WHEN lower(x) NOT IN ('', 'unknown', 'null', 'none', 'nil', 'nan', 'undefined', 'n/a', 'unspecified',
        'finish_reason_unspecified', 'in_progress', 'pending') THEN x END;

-- The same of an error message, which is prose: its class (error_class) decides, else a phrase that names who stopped
-- it, or a status. A message of one word is a code.
CREATE OR REPLACE TEMP MACRO message_says_cancelled(class, x) AS
    coalesce(says_cancelled(class), false) OR list_transform([lower(x)], lambda m:
        (regexp_full_match(m, '\s*[\w.:=/\[\]()-]{1,60}\s*') AND says_cancelled(m))
        OR regexp_matches(m,
            '^\W*(\d+ )?(cancel|abort|abandon)(l?ed|ling|ing)?\W*(:|via|$)|generatorexit|econnreset|\bepipe\b|socket hang ?up|premature.?close|broken ?pipe|(abort|cancell?ed)_?(error|exception)|cancellationexception|client.?(side |has |was )?(disconnected|closed|went away|gone|left|hung up)|(request|response|stream|call|task|run|generation|completion|connection|operation|context|query|buffer|coroutine|job|fetch|signal) (was |has been |is )?(cancel|abort|abandon)|(cancel|abort|abandon)(l?ed|ing) by|(cancel|abort|abandon)(l?ed|ed) (a |an |the |this |its )?(request|response|stream|generation|completion|call|connection|operation)|^\W*(the |a )?(user|client|caller|consumer|browser) (has )?(cancel|abort|abandon|disconnect|interrupt|stopp)(l?ed|ed)|(stopp|interrupt|terminat|clos)ed by (the )?(user|client|caller|consumer|browser|downstream)|(code|status) ?[=:] ?(statuscode[.])?cancell?ed|(http(/[\d.]+)?|status|code)\W*(code\W*)?499\b'))[1]; -- noqa: LT05
CREATE OR REPLACE TEMP MACRO message_says_timeout(class, x) AS
    coalesce(says_timeout(class), false)
    OR regexp_matches(lower(x), 'timed.?out|time.?out|deadline.?exceeded|max streaming duration|(http(/[\d.]+)?|status|code)\W*(code\W*)?(408|504|524)\b'); -- noqa: LT05

-- True when any of several flags is true, false when one is false and none is true.
CREATE OR REPLACE TEMP MACRO flag_of(l) AS list_max(list_transform(l, lambda v: bool_of(v)));

CREATE OR REPLACE TEMP MACRO status_outcome(code) AS
    CASE WHEN code IN (499, 460) THEN 'cancelled' WHEN code IN (408, 504, 524) THEN 'timeout'
        WHEN code >= 400 THEN 'error' WHEN code >= 100 THEN 'completed' END;

CREATE OR REPLACE TEMP MACRO outcome_word(x) AS list_transform([lower(x)], lambda w: CASE
    WHEN w IS NULL THEN NULL
    WHEN w IN ('completed', 'complete', 'success', 'successful', 'succeeded', 'succeed', 'ok', 'done', 'finished',
        'passed') THEN 'completed'
    WHEN w IN ('timeout', 'timed_out', 'deadline_exceeded') THEN 'timeout'
    WHEN w IN ('error', 'failed', 'failure', 'fail', 'errored', 'exception', 'rejected', 'rate_limited') THEN 'error'
    WHEN w IN ('interrupted', 'incomplete') THEN 'interrupted'
    WHEN w = 'unknown' THEN 'unknown'
    -- The usual finish reasons, none of which fits a pattern below: to find that out takes three times as long.
    WHEN w IN ('stop', 'end_turn', 'length', 'max_tokens', 'tool_calls', 'tool_use', 'stop_sequence', 'content_filter')
        THEN 'unrecognised'
    -- An HTTP status, alone or with its reason: 499 Client Closed Request, HTTP/1.1 504.
    WHEN regexp_matches(w, '^(http(/[\d.]+)?[ _:-]?)?[1-5]\d\d([ _:-]\D*)?$')
        THEN status_outcome(try_cast(regexp_extract(w, '[1-5]\d\d(?:\D*)$')[:3] AS INTEGER))
    -- A deadline may abort a call; who failed may quote either.
    WHEN says_timeout(w) THEN 'timeout'
    WHEN regexp_matches(w, '^(errored|failed)[,;: ]') AND NOT says_cancelled(w) THEN 'error'
    WHEN says_cancelled(w) OR contains(w, 'disconnect') THEN 'cancelled'
    WHEN regexp_matches(w, '[a-z](_|-)(error|failed|failure|exception)$') AND NOT starts_with(w, 'no') THEN 'error'
    WHEN w <> '' THEN 'unrecognised'
END)[1];

-- A name without the login of an address in it: https://user:password@host.
CREATE OR REPLACE TEMP MACRO without_login(x) AS
    CASE WHEN contains(x, '@') AND contains(x, '://') THEN regexp_replace(x, '://[^\s/?#]*@', '://', 'g') ELSE x END;

-- A route without what its caller appended: query strings hold names, tokens and searches.
CREATE OR REPLACE TEMP MACRO path_only(x) AS
    CASE WHEN NOT contains(x, '?') AND NOT contains(x, '#') THEN x
        WHEN regexp_matches(x, '^([A-Za-z]+ +)?(/|[A-Za-z][A-Za-z0-9+.-]*://)|\?[^\s=]*=')
            THEN nullif(regexp_replace(x, '[?#].*$', '', 's'), '')
        ELSE x END;

-- A route without the ids in it: each would be a group of its own.
CREATE OR REPLACE TEMP MACRO templated(x) AS
    CASE WHEN NOT regexp_matches(x, '[0-9A-Fa-f-]{16}|\d{5}') THEN x
        ELSE regexp_replace(regexp_replace(regexp_replace(x,
            '[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}', '{uuid}', 'g'),
            '(^|[^0-9A-Za-z])(?:[0-9a-f]{16,}|[0-9A-F]{16,})($|[^0-9A-Za-z])', '\1{id}\2', 'g'),
            '(^|[/:.=])\d{5,}($|[/:.])', '\1{id}\2', 'g') END;

-- Names of routes and steps as groups: without logins, what callers append, and ids. Most names have no sign of these.
CREATE OR REPLACE TEMP MACRO group_names(l) AS
    CASE WHEN regexp_matches(array_to_string(l, ' '), '[@?#]|[0-9A-Fa-f-]{16}|\d{5}')
        THEN list_transform(list_transform(list_transform(l, lambda x: without_login(x)), lambda x: path_only(x)),
            lambda x: templated(x))
        ELSE l END;

-- A text rather than a name: long, or of more than a dozen words.
CREATE OR REPLACE TEMP MACRO is_prose(x) AS length(x) > 200 OR length(x) - length(replace(x, ' ', '')) >= 12;

-- A short name; a text in its place is not kept.
CREATE OR REPLACE TEMP MACRO label_of(x) AS
    CASE WHEN length(x) <= 64 AND length(x) - length(replace(x, ' ', '')) <= 4 THEN nullif(x, '') END;

-- The part of an application that a role, a step or an agent names: who spoke and how often are none.
CREATE OR REPLACE TEMP MACRO step_label(x) AS
    CASE WHEN lower(x) NOT IN ('assistant', 'user', 'system', 'developer', 'tool', 'function', 'model', 'ai', 'human')
        AND NOT regexp_full_match(x, '\d+(\.\d+)?') THEN label_of(x) END;

-- The transport that a word, an address, its scheme, an RPC system or an operation tells; NULL where it tells none.
CREATE OR REPLACE TEMP MACRO transport_word(x) AS
    CASE
        WHEN x IS NULL THEN NULL
        WHEN regexp_matches(x, '(?i)^(wss?(://.*)?|web[ _-]?sockets?|_?a?realtime|(https?://[^?#]*|/?v1)/realtime/?([?#].*)?)$') -- noqa: LT05
            THEN 'websocket'
        WHEN regexp_matches(x, '(?i)^(sse|server[ _-]sent[ _-]events?|event[ _-]?stream|text/event-stream\b.*)$')
            THEN 'sse'
        WHEN regexp_matches(x, '(?i)^grpc(s?(://.*)?|[ _-]?web)$') THEN 'grpc'
    END;
-- An address of http tells least: its answer may be an event stream or none.
CREATE OR REPLACE TEMP MACRO transport_of(l) AS coalesce(
    list_filter(list_transform(l, lambda x: transport_word(x)), lambda x: x IS NOT NULL)[1],
    CASE WHEN len(list_filter(l, lambda x: regexp_matches(x, '(?i)^https?(://.*)?$'))) > 0 THEN 'http' END);
-- A transport as it was recorded under a name of its own: another word than ours is kept, an address is not.
CREATE OR REPLACE TEMP MACRO transport_label(x) AS
    coalesce(transport_word(x), CASE
        WHEN regexp_matches(x, '(?i)^(https?|http[/ ]?[123]([.][01])?|h[123]c?|rest)$') THEN 'http'
        WHEN NOT contains(x, '/') THEN label_of(x) END);

-- Milliseconds in a named unit.
CREATE OR REPLACE TEMP MACRO unit_ms(x) AS
    CASE lower(x) WHEN 'ns' THEN 1e-6 WHEN 'us' THEN 1e-3 WHEN 'ms' THEN 1.0 WHEN 's' THEN 1000.0
        WHEN 'sec' THEN 1000.0 END;

-- Who counted the usage, in an application's own word. A count recorded with the word none is the application's own.
CREATE OR REPLACE TEMP MACRO usage_word(x) AS
    CASE
        WHEN lower(x) IN ('provider_final', 'provider') THEN 'provider'
        WHEN lower(x) IN ('provider_partial', 'partial') THEN 'partial'
        WHEN lower(x) IN ('estimated', 'tokenizer', 'none') THEN 'tokenizer'
    END;

-- A service tier in one spelling.
CREATE OR REPLACE TEMP MACRO tier_of(x) AS lower(nullif(trim(x), ''));

-- Which of two records of a call knows its usage better: the higher one.
CREATE OR REPLACE TEMP MACRO usage_rank(usage_basis) AS
    CASE usage_basis WHEN 'provider' THEN 4 WHEN 'partial' THEN 3 WHEN 'unclear' THEN 2 WHEN 'tokenizer' THEN 1
        ELSE 0 END;

-- Values at mapped paths, the first that has the column's kind: numbers by a factor for each path (an epoch is no
-- duration), instants in a unit given in microseconds, or recognised by magnitude.
CREATE OR REPLACE TEMP MACRO first_scaled(texts, scales) AS
    list_filter(list_transform(texts, lambda v, i: -- noqa: PRS
            CASE WHEN abs(number_of(v)) < 1e12 / scales[i] THEN number_of(v) * scales[i] END),
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

-- How a call ended, from a field that people use for it: a word, a flag, an HTTP status, or an error's own text.
CREATE OR REPLACE TEMP MACRO is_error_text(x) AS
    x IS NOT NULL
    AND lower(trim(x)) NOT IN ('', 'false', '0', 'none', 'null', 'nil', 'undefined', 'no', 'ok', 'nan', '{}', '[]',
        '-', 'n/a');
CREATE OR REPLACE TEMP MACRO outcome_of(x, is_error) AS
    CASE
        WHEN x IS NULL THEN NULL
        WHEN is_error AND NOT is_error_text(x) THEN 'completed'
        WHEN is_error AND message_says_timeout(error_class(x), x) THEN 'timeout'
        WHEN is_error AND message_says_cancelled(error_class(x), x) THEN 'cancelled'
        WHEN is_error THEN 'error'
        WHEN regexp_full_match(x, '[1-5]\d\d') THEN status_outcome(try_cast(x AS INTEGER))
        WHEN bool_of(x) IS NOT NULL THEN CASE WHEN bool_of(x) THEN 'completed' ELSE 'error' END
        ELSE outcome_word(x)
    END;

-- The start as what was not of its kind, where it has text that is no instant, not even one out of range.
CREATE OR REPLACE TEMP MACRO start_misfit(x) AS
    CASE WHEN reason_of(x) IS NOT NULL AND number_of(x) IS NULL AND try_cast(x AS TIMESTAMPTZ) IS NULL
        THEN ['start_time'] END;

-- The first name among several places for it; a word that stands for no name, or for the framework around the call,
-- yields to the next.
CREATE OR REPLACE TEMP MACRO model_of(l) AS
    list_filter(l, lambda v: lower(v) NOT IN ('', 'unknown', 'unknown_model', 'none', 'null', 'undefined', 'n/a',
        'langchain', 'langgraph'))[1];
CREATE OR REPLACE TEMP MACRO provider_of(l) AS
    list_filter(list_transform(l, lambda v: lower(v)), lambda v: v NOT IN ('', 'unknown', 'none', 'null', 'undefined',
        'n/a', 'langchain', 'langgraph', 'llamaindex', 'llama_index', 'haystack', 'crewai', 'autogen', 'dspy',
        'semantic_kernel', 'smolagents', 'agno', 'traceloop', 'openinference', 'vercel.ai.sdk'))[1];

-- A sum of token counts, a part that is NULL left out; NULL where the first is NULL or the sum is no count at all.
CREATE OR REPLACE TEMP MACRO tokens_with(count, part, other_part) AS
    try_cast(count::HUGEINT + coalesce(part, 0) + coalesce(other_part, 0) AS BIGINT);

-- Who most likely served a call whose record does not say: a host that the model's name begins with, else the maker of
-- a model that is sold under this name by its maker (as of 2026-11). Open weights run anywhere: no name of theirs tells
-- a provider, nor does one behind a server of one's own (ollama/, hosted_vllm/).
CREATE OR REPLACE TEMP MACRO seller_of_name(name) AS
    CASE
        WHEN regexp_matches(name, '^(azure|azure_ai)/') THEN 'azure'
        WHEN regexp_matches(name, '^(bedrock|bedrock_converse)/|^((us|eu|apac|au|jp|global)\.)?(anthropic|amazon|meta|mistral|cohere|ai21|deepseek)\.|^arn:aws') -- noqa: LT05
            THEN 'aws.bedrock'
        WHEN regexp_matches(name, '^(vertex_ai|vertex)/') THEN 'gcp.vertex_ai'
        WHEN regexp_matches(name, '^(groq|openrouter|together|together_ai|fireworks|fireworks_ai|deepinfra|cerebras|perplexity|cloudflare|replicate|databricks|sambanova|nebius|novita)/') -- noqa: LT05
            THEN replace(regexp_extract(name, '^([^/]+)/', 1), '_ai', '')
        WHEN starts_with(name, 'accounts/fireworks/') THEN 'fireworks'
        WHEN starts_with(name, '@cf/') THEN 'cloudflare'
        WHEN regexp_matches(name, '^(openai/)?(ft:)?(gpt-[345]|chatgpt-|o[134](-|$)|text-embedding-(3|ada)|davinci-|babbage-|whisper-1|tts-1|codex-mini|computer-use-)') -- noqa: LT05
            THEN 'openai'
        WHEN regexp_matches(name, '^(anthropic/)?claude-') THEN 'anthropic'
        WHEN regexp_matches(name, '^((google|gemini)/)?(models/)?gemini-') THEN 'google'
        WHEN regexp_matches(name, '^((mistral|mistralai)/)?((mistral|magistral|codestral|ministral|devstral|pixtral|voxtral)-[a-z0-9-]*latest|mistral-(large|medium)|mistral-embed)') -- noqa: LT05
            THEN 'mistral'
        WHEN regexp_matches(name, '^(cohere/)?(command-|embed-(english|multilingual|v4)|rerank-)') THEN 'cohere'
        WHEN regexp_matches(name, '^(deepseek/)?deepseek-(chat|reasoner)$') THEN 'deepseek'
        WHEN regexp_matches(name, '^((xai|x-ai)/)?grok-([2-9]|beta|code)') THEN 'xai'
        WHEN regexp_matches(name, '^sonar(-|$)') THEN 'perplexity'
        WHEN regexp_matches(name, '^(voyage/)?voyage-') THEN 'voyageai'
    END;
CREATE OR REPLACE TEMP MACRO seller_of(model, response_model) AS
    list_filter(list_transform(
        [lower(model), CASE WHEN response_model IS DISTINCT FROM model THEN lower(response_model) END],
        lambda name: seller_of_name(name)), lambda seller: seller IS NOT NULL)[1];

-- All input tokens, where a count leaves the cached ones out: they exceed it, or the total adds them to it.
CREATE OR REPLACE TEMP MACRO whole_input(given, cached, written, produced, total) AS
    CASE WHEN coalesce(cached, 0)::HUGEINT + coalesce(written, 0) > given
            OR (coalesce(cached, 0)::HUGEINT + coalesce(written, 0) > 0
                AND total = given::HUGEINT + coalesce(cached, 0) + coalesce(written, 0) + produced)
        THEN tokens_with(given, cached, written) ELSE given END;

-- All output tokens, where a count leaves the reasoning out: xAI and Gemini count it next to the answer, and many tools
-- pass both on as they are. The total, which has every token once, adds them up; without one, more reasoning than
-- output is surely not in it.
CREATE OR REPLACE TEMP MACRO whole_output(produced, reasoned, given, total) AS
    CASE WHEN reasoned > 0 AND (total = given::HUGEINT + produced + reasoned OR (total IS NULL AND reasoned > produced))
        THEN tokens_with(produced, reasoned, 0) ELSE produced END;

-- Attributes of OpenTelemetry, as a list of keys and a list of values; of several with one key the first counts.
CREATE OR REPLACE TEMP MACRO attribute(keys, vals, name) AS vals[list_position(keys, name)];
CREATE OR REPLACE TEMP MACRO otlp_keys(l) AS list_transform(l, lambda a: a.key);
CREATE OR REPLACE TEMP MACRO otlp_values(l) AS list_transform(l, lambda a: coalesce(
    a.value.stringValue, a.value.intValue, a.value.doubleValue, a.value.boolValue, a.value.arrayValue,
    a.value.string_value, a.value.int_value, a.value.double_value, a.value.bool_value, a.value.array_value));
-- An attribute that holds a list: OTLP's arrayValue, a JSON array, or one value.
CREATE OR REPLACE TEMP MACRO listed(x) AS list_transform([x], lambda v:
    CASE WHEN starts_with(v, '{') THEN json_extract_string(json_of(v), '$.values[*].*')
        WHEN starts_with(v, '[') THEN coalesce(try_cast(json_of(v) AS VARCHAR[]), [v])
        WHEN v <> '' THEN [v] END)[1];
-- A trace or span id in lower-case hex; some senders write its bytes in base64. All zeros is none.
CREATE OR REPLACE TEMP MACRO hex_id(x) AS
    CASE WHEN (length(x) = 24 AND ends_with(x, '=='))
            OR (length(x) = 12 AND ends_with(x, '=') AND NOT ends_with(x, '=='))
            THEN coalesce(lower(hex(try(from_base64(x)))), x)
        WHEN starts_with(x, '0x') THEN lower(x[3:])
        WHEN ltrim(x, '0') <> '' THEN lower(x) END;
-- Keys as an application wrote them, without their library's prefix.
CREATE OR REPLACE TEMP MACRO own_attributes(keys) AS
    list_transform(keys, lambda k: CASE
        WHEN starts_with(k, 'traceloop.association.properties.') THEN k[34:]
        WHEN starts_with(k, 'ai.telemetry.metadata.') THEN k[23:]
        WHEN starts_with(k, 'ai.settings.context.') THEN k[21:]
        ELSE k END);
-- Attributes as the object that --map reads: by their own keys, and under attributes and resource.
CREATE OR REPLACE TEMP MACRO object_of(keys, vals) AS
    CAST(to_json(map(list_distinct(keys),
        list_transform(list_distinct(keys), lambda k: vals[list_position(keys, k)]))) AS JSON);
CREATE OR REPLACE TEMP MACRO attribute_object(keys, vals, r_keys, r_vals) AS
    list_transform([object_of(coalesce(keys, []), coalesce(vals, []))], lambda a: json_merge_patch(a,
        json_object('attributes', a, 'resource', object_of(coalesce(r_keys, []), coalesce(r_vals, [])))))[1];

-- Fields of access logs: the first that a server filled (a dash or nothing stands for none).
CREATE OR REPLACE TEMP MACRO logged(l) AS list_filter(l, lambda v: v NOT IN ('', '-', 'null', '<nil>'))[1];
-- The trace id of a traceparent (its second field), of an X-Ray header, or alone; NULL where it is none.
CREATE OR REPLACE TEMP MACRO trace_of(x) AS
    nullif(nullif(replace(coalesce(
        nullif(regexp_extract(lower(x), '^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-', 1), ''),
        nullif(regexp_extract(lower(x), 'root=1-([0-9a-f]{8}-[0-9a-f]{24})', 1), ''),
        nullif(regexp_extract(lower(x), '^([0-9a-f]{32})$', 1), '')), '-', ''), ''), repeat('0', 32));
-- Seconds of each attempt at an upstream, in milliseconds: 0.1, 0.2 : 0.3; one that did not come so far is 0.
CREATE OR REPLACE TEMP MACRO seconds_of(x) AS
    list_transform(string_split_regex(x, ' *[,:] *'), lambda v: coalesce(number_of(v) * 1000, 0));
-- Whether a response of this type is a stream; NULL where the type was not logged.
CREATE OR REPLACE TEMP MACRO is_stream_type(x) AS
    regexp_matches(lower(x), '^(text/event-stream|application/(x-ndjson|ndjson|jsonl|stream\+json|json-seq|vnd\.amazon\.eventstream|grpc))'); -- noqa: LT05

-- The number, from 0, of the file that a line of several files staged together is from, NULL for a file staged alone.
-- The ends are few, one for each file: a list with an entry for each line was repeated for every record.
CREATE OR REPLACE TEMP MACRO file_of(line) AS len(list_filter(getvariable('file_ends'), lambda e: e < line));
