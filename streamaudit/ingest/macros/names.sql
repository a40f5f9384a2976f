-- Names of models, providers, routes, tenants and transports, and the tags and metadata that hold them.

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
    WHEN 'OBJECT' THEN
        list_transform(map_entries(try_cast(j AS MAP(VARCHAR, VARCHAR))), lambda e: e.key || ':' || e.value)
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

-- A service tier in one spelling.
CREATE OR REPLACE TEMP MACRO tier_of(x) AS lower(nullif(trim(x), ''));

-- The first name among several places for it; a word that stands for no name, or for the framework around the call,
-- yields to the next.
CREATE OR REPLACE TEMP MACRO model_of(l) AS
    list_filter(l, lambda v: lower(v) NOT IN ('', 'unknown', 'unknown_model', 'none', 'null', 'undefined', 'n/a',
        'langchain', 'langgraph'))[1];
CREATE OR REPLACE TEMP MACRO provider_of(l) AS
    list_filter(list_transform(l, lambda v: lower(v)), lambda v: v NOT IN ('', 'unknown', 'none', 'null', 'undefined',
        'n/a', 'langchain', 'langgraph', 'llamaindex', 'llama_index', 'haystack', 'crewai', 'autogen', 'dspy',
        'semantic_kernel', 'smolagents', 'agno', 'traceloop', 'openinference', 'vercel.ai.sdk'))[1];

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
