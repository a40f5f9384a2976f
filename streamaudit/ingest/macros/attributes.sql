-- Attributes of OpenTelemetry, and fields of access logs.

-- Attributes of OpenTelemetry, as a list of keys and a list of values; of several with one key the first counts.
CREATE OR REPLACE TEMP MACRO attribute(keys, vals, name) AS vals[list_position(keys, name)];
CREATE OR REPLACE TEMP MACRO otlp_keys(l) AS list_transform(l, lambda a: a.key);
CREATE OR REPLACE TEMP MACRO otlp_values(l) AS list_transform(l, lambda a: coalesce(
    a.value.stringValue, a.value.intValue, a.value.doubleValue, a.value.boolValue, a.value.arrayValue,
    a.value.string_value, a.value.int_value, a.value.double_value, a.value.bool_value, a.value.array_value));
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
