"""The records of LiteLLM, by the names that its logging payloads and the rows of its spend log have, wherever they were
logged: ``litellm.py`` says what is known of them.
"""

from streamaudit.ingest.sources._common import CAP_PATHS, LEARNT

_TEXT = (
    "id", "litellm_call_id", "request_id", "trace_id", "call_type", "stream", "status", "startTime", "endTime",
    "completionStartTime", "prompt_tokens", "completion_tokens", "total_tokens", "response_cost", "spend", "model",
    "model_group", "custom_llm_provider", "end_user", "user", "team_id", "session_id", "cache_hit", "error_str",
    "api_base", "proxy_server_request",
)  # fmt: skip
_JSON = (
    "metadata", "hidden_params", "request_tags", "error_information", "model_parameters", "messages", "response",
    "cost_breakdown",
)  # fmt: skip
FIELDS = {**dict.fromkeys(_TEXT, "VARCHAR"), **dict.fromkeys(_JSON, "JSON")}
OWN_KEYS = {
    "tenant": (
        "metadata.user_api_key_team_alias", "metadata.user_api_key_team_id", "team_id",
        "metadata.user_api_key_org_id", "metadata.user_api_key_alias",
    ),
    "route": ("metadata.user_api_key_request_route", "ancestor"),
}

_PREPARED = """
    WITH opened AS (
        SELECT * EXCLUDE (metadata, request_tags, response, status),
            CASE WHEN json_type(metadata) = 'VARCHAR' THEN json_of(metadata->>'$') ELSE metadata END AS meta,
            lower(coalesce(nullif(status, ''), meta->>'status')) AS status,
            CASE WHEN json_type(response) = 'VARCHAR' THEN json_of(response->>'$') ELSE response END AS answer,
            CASE WHEN json_type(request_tags) = 'VARCHAR' THEN json_of(request_tags->>'$') ELSE request_tags END
                AS tags_given,
            -- A row of the spend log has the request itself where the proxy was told to keep it.
            CASE WHEN length(proxy_server_request) > 2 THEN json_of(proxy_server_request) END AS asked
        FROM {records}
    ), typed AS (
        SELECT *,
            nullif(litellm_call_id, '') AS own_id,
            -- An answer without an id leaves its row with none, or with the word (6633, 39749).
            CASE WHEN request_id NOT IN ('', 'None', 'null') THEN request_id END AS row_id,
            CASE WHEN id NOT IN ('', 'None', 'null') THEN id END AS payload_id,
            coalesce(error_information, meta->'error_information') AS wrong,
            -- Payloads of before the end of 2024 have nothing else of an error.
            coalesce(nullif(wrong->>'error_message', ''), nullif(error_str, '')) AS wrong_text,
            coalesce(meta->'usage_object', hidden_params->'usage_object', meta->'additional_usage_values') AS counted,
            instant_utc(startTime) AS began, instant_utc(endTime) AS ended, instant_utc(completionStartTime) AS first,
            bool_of(coalesce(stream, model_parameters->>'stream', meta->>'stream', asked->>'stream'))
                AS stream_flag,
            first_count([tokens_of(completion_tokens), tokens_of(counted->>'completion_tokens'),
                tokens_of(counted->>'output_tokens')]) AS completion,
            first_count([tokens_of(prompt_tokens), tokens_of(counted->>'prompt_tokens'),
                tokens_of(counted->>'input_tokens')]) AS prompt,
            -- A streamed answer may have a 0 under OpenAI's name and the count under Anthropic's.
            first_count([tokens_of(counted->>'$.prompt_tokens_details.cached_tokens'),
                tokens_of(counted->>'cache_read_input_tokens'),
                tokens_of(counted->>'$.input_tokens_details.cached_tokens'),
                tokens_of(counted->>'$.input_token_details.cached_tokens')]) AS cached,
            first_count([tokens_of(counted->>'cache_creation_input_tokens'),
                tokens_of(counted->>'$.prompt_tokens_details.cache_creation_tokens'),
                tokens_of(counted->>'$.prompt_tokens_details.cache_write_tokens')]) AS written,
            first_count([number_of(response_cost), number_of(spend)]) AS cost
        FROM opened
    ), timed AS (
        SELECT *, span_ms(began, ended) AS took_ms, span_ms(began, first) AS first_ms,
            nullif(wrong->>'error_code', '') AS code,
            nullif(wrong->>'error_class', '') AS class,
            coalesce(len(list_filter(json_extract(counted, ['$.completion_tokens_details', '$.prompt_tokens_details',
                '$.cache_read_input_tokens', '$.input_tokens_details', '$.output_tokens_details']),
                lambda d: d::VARCHAR <> 'null')) > 0, false) AS is_detailed,
            regexp_matches(lower(concat_ws(' ', call_type, custom_llm_provider, model, model_group)),
                'anthropic|claude') OR (counted->'cache_read_input_tokens') IS NOT NULL AS is_anthropic
        FROM typed
    ), judged AS (
        SELECT *,
            coalesce(code = '499', false) OR coalesce(says_cancelled(class), false)
                -- The proxy's class may be a general one, such as APIConnectionError.
                OR coalesce(status = 'failure' AND message_says_cancelled(
                    error_class(wrong_text), wrong_text), false) AS has_left,
            abs(took_ms - first_ms) <= greatest(0.01 * took_ms, 5) AS first_is_end
        FROM timed
    ), weighed AS (
        SELECT *,
            -- A row without the provider's own details holds what the proxy counted in the chunks it had seen.
            -- Anthropic's details are there from the first chunk, and its own count only where the stream was read to
            -- the end; the proxy takes back the cost, and leaves its key, where it counted the text itself.
            (has_left OR status = 'failure') AND NOT coalesce(is_detailed AND (NOT is_anthropic
                OR (call_type IN ('anthropic_messages', 'aanthropic_messages') AND completion > 8
                    AND json_type(counted->'cost') IS DISTINCT FROM 'NULL')), false) AS is_cut,
            is_cut AND is_anthropic AS is_opening,
            CASE WHEN NOT (completion = 0 AND (status = 'failure' OR has_left OR coalesce(prompt, 0) = 0))
                AND NOT coalesce(is_opening AND completion <= 8, false) THEN completion END AS answered,
            coalesce(cached, 0)::HUGEINT + coalesce(written, 0) AS around,
            -- Anthropic's own input excludes its cache, and some versions log it so: it is smaller than the cache, or
            -- the total or the usage object has the sum (23342).
            coalesce(around > prompt, false) OR (around > 0 AND coalesce(prompt + around
                IN (tokens_of(total_tokens)::HUGEINT - coalesce(completion, 0), tokens_of(counted->>'prompt_tokens')),
                false))
                AS is_left_out
        FROM judged
    )
    SELECT
        line, record,
        CASE
            WHEN call_type IS NULL AND startTime IS NULL THEN NULL
            WHEN call_type ILIKE '%embedding%' THEN 'embedding'
            WHEN regexp_matches(lower(call_type), '{no_calls}') THEN 'other'
            ELSE 'llm'
        END AS kind,
        json_merge_patch(
            CASE WHEN json_type(meta->'spend_logs_metadata') = 'OBJECT' THEN meta->'spend_logs_metadata' ELSE '{}' END,
            CASE WHEN json_type(meta->'requester_metadata') = 'OBJECT' THEN meta->'requester_metadata' ELSE '{}' END
        ) AS given,
        try_cast(tags_given AS VARCHAR[]) AS labels,
        [meta->>'user_api_key_team_alias', meta->>'user_api_key_team_id', team_id, meta->>'user_api_key_org_id',
            meta->>'user_api_key_alias'] AS own_tenants,
        [path_only(meta->>'user_api_key_request_route')] AS own_routes,
        [call_type, api_base, hidden_params->>'api_base', meta->>'user_api_key_request_route'] AS own_transports,
        coalesce(own_id, row_id, payload_id, nullif(meta->>'litellm_call_id', ''),
            'row-' || md5(concat_ws(' ', startTime, endTime, model, model_group, prompt_tokens, completion_tokens, cost,
            "user", end_user))) AS call_id,
        nullif(trace_id, '') AS trace_id, nullif(trace_id, '') AS logical_request_id,
        -- A row of the spend log is known by the response.
        CASE WHEN own_id IS NOT NULL THEN nullif(payload_id, own_id) ELSE row_id END AS response_id,
        call_type AS span_kind,
        model_of([model_group, model]) AS model, model_of([model]) AS response_model,
        provider_of([custom_llm_provider]) AS provider,
        coalesce(nullif(end_user, ''), nullif(meta->>'user_api_key_end_user_id', ''),
            nullif(meta->>'user_api_key_user_id', ''), nullif("user", '')) AS user_id,
        nullif(session_id, '') AS session_id,
        began AS start_time, ended AS end_time, took_ms AS duration_ms, stream_flag AS streamed,
        -- The end of a call that did not stream, or of one that was flushed when its client had left.
        CASE WHEN NOT coalesce(first_is_end AND (stream_flag IS DISTINCT FROM true OR has_left), false)
            THEN first_ms END
            AS ttft_ms,
        CASE WHEN first_is_end AND (stream_flag IS DISTINCT FROM true OR has_left) THEN 'equals_duration' END
            AS ttft_basis,
        -- Zeros of a failure without usage, and of one whose stream never began, were not counted; nor was a
        -- prompt of 0 outside the cache. A prompt without an answer or the provider's details is what the proxy counted
        -- itself.
        try_cast(CASE
            WHEN prompt + around = 0 THEN NULL
            WHEN is_cut AND NOT is_detailed AND answered IS NULL THEN NULL
            WHEN is_left_out THEN prompt + around
            ELSE prompt
        END AS BIGINT) AS input_tokens,
        answered AS output_tokens, cached AS cached_input_tokens, written AS cache_write_tokens,
        coalesce(tokens_of(counted->>'$.prompt_tokens_details.cache_creation_token_details.ephemeral_1h_input_tokens'),
            tokens_of(counted->>'$.cache_creation.ephemeral_1h_input_tokens')) AS cache_write_1h_tokens,
        {audio_input} AS audio_input_tokens, {image} AS image_tokens, {audio_output} AS audio_output_tokens,
        CASE WHEN NOT coalesce(is_opening, false) THEN first_count([
            tokens_of(counted->>'$.completion_tokens_details.reasoning_tokens'),
            tokens_of(counted->>'$.output_tokens_details.reasoning_tokens')]) END AS reasoning_tokens,
        tokens_of(total_tokens) AS total_tokens,
        coalesce(answer->>'service_tier', counted->>'service_tier') AS service_tier,
        -- The chunk that opens an Anthropic stream has the provider's count of the input.
        CASE WHEN is_cut AND NOT coalesce(is_opening AND is_detailed AND answered IS NULL, false) THEN 'tokenizer' END
            AS usage_basis,
        tokens_of(coalesce(first_filled(json_extract_string(model_parameters, {cap_paths})),
            CASE WHEN asked IS NOT NULL THEN first_filled(json_extract_string(asked, {cap_paths})) END)) AS max_tokens,
        bool_of(cache_hit) AS cache_hit,
        -- 0 dollars for tokens are a model without a price. A price of tokens that the proxy counted is an estimate.
        -- The proxy's own cache answers for nothing, whatever the answer had cost, but a guardrail's check is paid for.
        CASE WHEN bool_of(cache_hit) THEN coalesce(number_of(cost_breakdown->>'guardrail_cost'), 0)
            WHEN cost > 0 AND NOT coalesce(is_cut, false) THEN cost END AS cost_usd,
        CASE WHEN cost > 0 AND NOT coalesce(is_cut AND NOT is_detailed, false)
            THEN number_of(cost_breakdown->>'input_cost') END AS input_cost_usd,
        CASE WHEN cost > 0 AND NOT coalesce(is_cut, false) THEN number_of(cost_breakdown->>'output_cost') END
            AS output_cost_usd,
        CASE WHEN status = 'success' AND code IS NULL AND class IS NULL THEN 'completed' END AS app_outcome,
        status = 'failure' AND NOT coalesce(has_left, false) AS failed,
        has_left AS error_cancelled,
        says_timeout(class) OR message_says_timeout(error_class(wrong_text), wrong_text) AS error_timeout,
        try_cast(code AS INTEGER) AS http_status, class AS error_type,
        -- The proxy writes stop for a stream without an end.
        CASE WHEN NOT coalesce(is_cut, false) THEN
            coalesce(answer->>'$.choices[0].finish_reason', answer->>'$.incomplete_details.reason') END
            AS finish_reason,
        CASE WHEN messages IS NOT NULL AND json_type(messages) = 'ARRAY' THEN md5($salt || messages::VARCHAR) END
            AS input_hash,
        nullif(length(answer->>'$.choices[0].message.content'), 0) AS output_chars,
        corrections_of(answer->>'$.choices[0].message.content') AS retractions
    FROM weighed
"""
# What the proxy logs besides calls of a model: other kinds of models, and reading, listing or deleting what it stores.
_NO_CALLS = (
    "^_?a?(get|list|delete|retrieve|cancel|update|upload|download|add_message|create_(batch|file|fine|thread|assistant"
    "|container|vector|skill|eval))"
    "|image|transcription|speech|moderation|rerank|file|batch|health|vector|video|ocr|mcp|search|container"
)


def _detail(kind: str, *holders: str) -> str:
    """Return the SQL of a kind of tokens among the details, by the names of each of OpenAI's APIs."""
    return "coalesce(" + ", ".join(f"tokens_of(counted->>'$.{holder}.{kind}_tokens')" for holder in holders) + ")"


_INPUTS = ("prompt_tokens_details", "input_tokens_details", "input_token_details")
_OUTPUTS = ("completion_tokens_details", "output_tokens_details", "output_token_details")
for _mark, _text in {
    "{no_calls}": _NO_CALLS, "{cap_paths}": str(list(CAP_PATHS)), "{audio_input}": _detail("audio", *_INPUTS),
    "{image}": _detail("image", *_INPUTS), "{audio_output}": _detail("audio", *_OUTPUTS),
}.items():  # fmt: skip
    _PREPARED = _PREPARED.replace(_mark, _text)

READS = {
    "call_id": "litellm_call_id, request_id, id", "logical_request_id": "trace_id", "response_id": "id, request_id",
    "model": "model_group, model", "response_model": "model", "provider": "custom_llm_provider",
    "transport": "call_type, api_base (also among hidden_params), metadata.user_api_key_request_route: a realtime "
    "call, or the scheme",
    "user_id": "end_user, metadata.user_api_key_end_user_id, user_api_key_user_id, user", "operation": "call_type",
    "start_time": "startTime", "end_time": "endTime", "duration_ms": "endTime - startTime",
    "streamed": "stream, model_parameters.stream, proxy_server_request.stream; a usable TTFT proves it",
    "ttft_ms": "completionStartTime - startTime",
    "input_tokens": "prompt_tokens", "output_tokens": "completion_tokens",
    "cached_input_tokens": "usage_object.prompt_tokens_details.cached_tokens, cache_read_input_tokens",
    "cache_write_tokens": "usage_object.cache_creation_input_tokens",
    "reasoning_tokens": "usage_object.completion_tokens_details.reasoning_tokens",
    "max_tokens": "model_parameters.max_tokens; proxy_server_request", "cost_usd": "response_cost, spend",
    "input_cost_usd": "cost_breakdown.input_cost", "output_cost_usd": "cost_breakdown.output_cost",
    "http_status": "error_information.error_code", "error_type": "error_information.error_class",
    "finish_reason": "response.choices[0].finish_reason", "output_chars": "length of the answer in response",
    "visible_output_chars": "length of the answer in response",
}  # fmt: skip

REMEDIES = {
    **LEARNT,
    "streamed": "take the logging payload: a row of the spend log does not say whether a call streamed",
    "ttft": "take the logging payload, or upgrade the proxy: old ones write no completionStartTime",
    "outcome": "upgrade LiteLLM: until mid-2026 a client that left often left no row at all",
    "usage": "pass stream_options.include_usage to the proxy",
    "reasoning": "take the logging payload: usage_object has it where the provider says it",
    "billed_at_cut": "upgrade LiteLLM: newer versions drain the provider after the client left and log its usage",
    "finish_reason": "turn message logging on, or set finish_reason in the metadata",
    "cost": "give the model a price in LiteLLM's configuration",
    "tenant": "give the key a team; --map tenant=PATH takes another key",
    "user": "send user, or give the key a user",
    "session": "send litellm_session_id",
    "route": "set route in the metadata you send; until then the proxy's own route is used",
    "deploy": "send a tag such as release:2026.11.3, or set release in the metadata",
    "environment": "it has none: --map environment=PATH",
}


def prepare(records: str = "records") -> str:
    """Return the SQL that prepares payloads or rows: those of a relation with ``FIELDS``, ``line`` and ``record``."""
    return _PREPARED.replace("{records}", records)
