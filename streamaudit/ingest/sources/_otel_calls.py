"""The SQL that makes calls and steps of the relation ``spans``, which ``_otel_spans.py`` describes. Marks in braces are
left for what depends on a file: its attributes, its voice, and the keys of applications.
"""

# An answer among the attributes; NULL where it was not recorded.
ANSWER = """coalesce(
    attribute(keys, vals, 'ai.response.text'), attribute(keys, vals, 'gen_ai.completion.0.content'),
    attribute(keys, vals, 'llm.output_messages.0.message.content'),
    nullif(array_to_string(json_extract_string(json_of(attribute(keys, vals, 'gen_ai.output.messages')),
        '$[*].parts[*].content'), ''), ''),
    attribute(keys, vals, 'output'))"""

SQL = """
WITH spans AS (SELECT *, {attributes} AS given FROM ({spans})), named AS (
    SELECT
        *,
        {voice_named}
        list_transform($tag_keys, lambda k: nullif(vals[list_position(own, k)], '')) AS stated,
        coalesce(name = 'claude_code.llm_request', false) AS is_coder,
        -- Logfire's span around a stream ends when the stream begins; what was read of it comes as a log of its own,
        -- and a span that is still open as a record that announces it.
        attribute(keys, vals, 'logfire.span_type') AS logfire_type,
        coalesce(logfire_type = 'log' AND starts_with(name, 'streaming response from '), false) AS is_stream_log,
        upper(coalesce(kind_word, attribute(keys, vals, 'openinference.span.kind'))) AS inference_kind
    FROM spans
), opened AS (
    -- What is used several times below has a relation of its own: an expression is planned once for each use.
    SELECT
        * REPLACE (CASE WHEN is_stream_log THEN coalesce(
            later_by(started, -1000 * number_of(attribute(keys, vals, 'duration'))), started) ELSE started END
            AS started),
        {voice_opened}
        list_transform([attribute(keys, vals, 'metadata'), attribute(keys, vals, 'llm.invocation_parameters'),
            attribute(keys, vals, 'mlflow.chat.tokenUsage'), attribute(keys, vals, 'mlflow.llm.cost')],
            lambda v: json_of(v)) AS objects,
        {details}
        list_transform([trace, span, parent], lambda i: hex_id(i)) AS ids
    FROM named
), unpacked AS (
    SELECT * EXCLUDE (objects, ids), objects[1] AS packed, objects[2] AS settings, objects[3] AS packed_usage,
        objects[4] AS packed_cost, ids[1] AS trace_hex, ids[2] AS span_hex, ids[3] AS parent_hex
    FROM opened
), typed AS (
    SELECT
        *,
        filled(json_extract_string(packed, $app_paths)) AS meta,
        CASE WHEN packed IS NULL THEN stated
            ELSE list_transform(list_zip(stated, json_extract_string(packed, $tag_pointers)),
                lambda pair: coalesce(pair[1], nullif(pair[2], ''))) END AS either,
        lower(coalesce(attribute(keys, vals, 'gen_ai.operation.name'), attribute(keys, vals, 'llm.request.type')))
            AS operation_word,
        {voice_typed}
        coalesce(attribute(keys, vals, 'ai.operationId'), CASE WHEN starts_with(name, 'ai.') THEN name END) AS ai_step,
        attribute(keys, vals, 'traceloop.span.kind') AS loop_kind,
        upper(trim(attribute(keys, vals, 'mlflow.spanType'), '"')) AS mlflow_kind,
        model_of([attribute(keys, vals, 'gen_ai.request.model'), attribute(keys, vals, 'llm.request.model'),
            attribute(keys, vals, 'ai.model.id'), settings->>'model', attribute(own, vals, 'ls_model_name'),
            packed->>'ls_model_name', voice_metrics->>'$.metadata.model_name',
            CASE WHEN is_coder THEN attribute(keys, vals, 'model') END]) AS asked_model,
        model_of([attribute(keys, vals, 'gen_ai.response.model'), attribute(keys, vals, 'ai.response.model'),
            attribute(keys, vals, 'llm.response.model'), attribute(keys, vals, 'llm.model_name'),
            trim(attribute(keys, vals, 'mlflow.llm.model'), '"')]) AS answering_model,
        provider_of([attribute(keys, vals, 'gen_ai.provider.name'), attribute(keys, vals, 'gen_ai.system'),
            attribute(keys, vals, 'ai.model.provider'), attribute(keys, vals, 'llm.provider'),
            attribute(keys, vals, 'llm.system'), trim(attribute(keys, vals, 'mlflow.llm.provider'), '"'),
            attribute(own, vals, 'ls_provider'), packed->>'ls_provider',
            voice_metrics->>'$.metadata.model_provider']) AS provider_word,
        first_count(list_concat({output_tokens}, [tokens_of(packed_usage->>'output_tokens'),
            tokens_of(voice_metrics->>'completion_tokens'),
            tokens_with(tokens_of(attribute(keys, vals, 'gen_ai.usage.candidates_token_count')),
                tokens_of(attribute(keys, vals, 'gen_ai.usage.thoughts_token_count')), 0)])) AS out_tokens,
        first_count(list_concat({input_tokens}, [tokens_of(packed_usage->>'input_tokens'),
            tokens_of(voice_metrics->>'prompt_tokens')])) AS in_tokens,
        -- OpenInference leaves among the metadata what it does not know of Strands.
        first_count(list_concat({cached_input_tokens}, [tokens_of(packed_usage->>'cache_read_input_tokens'),
            tokens_of(packed->>'/gen_ai.usage.cache_read_input_tokens')])) AS cached_tokens,
        first_count(list_concat({cache_write_tokens}, [tokens_of(packed_usage->>'cache_creation_input_tokens'),
            tokens_of(packed->>'/gen_ai.usage.cache_write_input_tokens')])) AS written_tokens,
        first_count({total_tokens}) AS all_tokens,
        list_filter(listed(coalesce(attribute(keys, vals, 'gen_ai.response.finish_reasons'),
            attribute(keys, vals, 'gen_ai.response.finish_reason'), attribute(keys, vals, 'llm.response.finish_reason'),
            attribute(keys, vals, 'ai.response.finishReason'), attribute(keys, vals, 'llm.finish_reason'),
            attribute(keys, vals, 'gen_ai.completion.0.finish_reason'),
            first_filled(either[finish_reason]),
            CASE WHEN attribute(keys, vals, 'gen_ai.response.status') = 'incomplete' THEN 'incomplete' END)),
            lambda r: reason_of(r) IS NOT NULL) AS reasons,
        number_of(coalesce(attribute(keys, vals, 'gen_ai.latency.time_to_first_token'),
            CASE WHEN lower(kind) IN ('2', 'server', 'span_kind_server')
                THEN attribute(keys, vals, 'gen_ai.server.time_to_first_token') END)) AS engine_ttft_s,
        -- Text where the reason was not written: a class, or a code such as 499.
        coalesce(nullif(attribute(keys, vals, 'error.type'), '_OTHER'), list_filter(list_transform(
            list_filter(events, lambda e: e.name = 'exception'),
            lambda e: regexp_extract(e.attributes,
                '"exception\\.type"(?:,"value":\\{"string_?[vV]alue")?:"([^"\\\\]{1,80})"', 1)),
            lambda c: c <> '')[1], attribute(keys, vals, 'error.type')) AS error_word,
        -- What an exception says, where the status has no text.
        coalesce(nullif(status_message, ''), CASE WHEN is_coder THEN attribute(keys, vals, 'error') END,
            list_filter(list_transform(list_filter(events,
            lambda e: e.name = 'exception'), lambda e: regexp_extract(e.attributes,
                '"exception\\.message"(?:,"value":\\{"string_?[vV]alue")?:"((?:[^"\\\\]|\\\\.){1,300})', 1)),
            lambda c: c <> '')[1]) AS fault,
        lower(status) IN ('2', 'error', 'status_code_error')
            OR coalesce(is_coder AND bool_of(attribute(keys, vals, 'success')) = false, false) AS is_error,
        lower(coalesce(attribute(keys, vals, 'rpc.grpc.status_code'),
            attribute(keys, vals, 'rpc.response.status_code'))) AS rpc_status,
        lower(kind) IN ('2', 'server', 'span_kind_server') AS is_server,
        list_sort(list_filter(list_transform(list_filter(events, lambda e:
                e.name IN ('gen_ai.content.completion.chunk', 'llm.content.completion.chunk')
                OR starts_with(e.name, 'mlflow.chunk.item.')),
            lambda e: (e.at - epoch_us(started)) / 1000.0), lambda ms: ms IS NOT NULL)) AS arrivals,
        -- The Vercel AI SDK may add its event only when the call ends, with the intended time in it.
        list_filter(events, lambda e: e.name = 'ai.stream.firstChunk')[1] AS first_chunk,
        list_filter(events, lambda e: e.name IN ('First Token Stream Event', 'mlflow.chunk.item.0'))[1].at
            AS first_token_at
    FROM unpacked
), sorted AS (
    SELECT
        *,
        -- Claude Code's events have the same id, and no span.
        coalesce(CASE WHEN is_coder THEN nullif(attribute(keys, vals, 'request_id'), '') END,
            coalesce(trace_hex || '-', '') || span_hex) AS call_id,
        {voice_sorted}
        -- OpenInference says OK once a stream was read to its end, and never ends the span of one that was not.
        coalesce(inference_kind = 'LLM' AND lower(status) IN ('1', 'ok', 'status_code_ok') AND ended IS NOT NULL
            AND out_tokens IS NULL AND coalesce(len(reasons), 0) + coalesce(len(arrivals), 0) = 0, false) AS is_whole,
        CASE
            WHEN is_other THEN 'other'
            WHEN trace IS NULL AND span IS NULL AND name IS NULL AND started IS NULL THEN NULL
            WHEN logfire_type = 'pending_span' OR (logfire_type = 'span' AND is_error IS DISTINCT FROM true
                AND out_tokens IS NULL
                AND (json_of(attribute(keys, vals, 'request_data'))->>'$.stream') = 'true') THEN 'span'
            WHEN is_coder THEN 'llm'
            -- Around the calls of the Vercel AI SDK, whatever totals it has.
            WHEN regexp_matches(ai_step, '^ai[.](stream|generate)(Text|Object)$') THEN 'span'
            WHEN inference_kind = 'LLM' THEN 'llm'
            WHEN inference_kind = 'EMBEDDING' THEN 'embedding'
            WHEN inference_kind IN ('CHAIN', 'AGENT', 'TOOL', 'RETRIEVER', 'RERANKER', 'GUARDRAIL', 'EVALUATOR',
                'PROMPT') THEN 'span'
            WHEN ends_with(ai_step, '.doStream') OR ends_with(ai_step, '.doGenerate') THEN 'llm'
            WHEN ends_with(ai_step, '.doEmbed') THEN 'embedding'
            WHEN ai_step IS NOT NULL THEN 'span'
            WHEN voice_kind IS NOT NULL THEN 'span'
            WHEN voice_metrics IS NOT NULL THEN 'llm'
            -- What OpenRouter's trace of a request has below it, a span for each host that it tried.
            WHEN coalesce(asked_model, answering_model, '') = '' AND attribute(keys, vals, 'span.type') = 'span'
                THEN 'span'
            WHEN regexp_full_match(operation_word, '{call_words}') THEN 'llm'
            WHEN regexp_full_match(operation_word, 'a?embeddings?') THEN 'embedding'
            -- An answer over a realtime connection, as Pipecat names it.
            WHEN operation_word IN ('realtime', 'llm_response') AND out_tokens IS NOT NULL THEN 'llm'
            WHEN operation_word <> 'unknown' OR loop_kind IS NOT NULL THEN 'span'
            WHEN mlflow_kind IN ('CHAT_MODEL', 'LLM') THEN 'llm'
            WHEN mlflow_kind = 'EMBEDDING' THEN 'embedding'
            WHEN engine_ttft_s IS NOT NULL THEN 'llm'
            WHEN coalesce(asked_model, answering_model) <> '' AND (out_tokens IS NOT NULL OR provider_word <> '')
                THEN 'llm'
            ELSE 'span'
        END AS sort,
        span_ms(started, ended) AS whole_ms,
        -- Strands writes milliseconds under the names of seconds; its duration tells.
        number_of(attribute(keys, vals, 'gen_ai.server.time_to_first_token')) * CASE
            WHEN number_of(attribute(keys, vals, 'gen_ai.server.request.duration')) BETWEEN 0.5 * whole_ms
                AND 1.1 * whole_ms THEN 1 ELSE 1000 END AS own_ttft_ms,
        coalesce(bool_of(coalesce(attribute(keys, vals, 'gen_ai.request.stream'),
                attribute(keys, vals, 'llm.is_streaming'), attribute(keys, vals, 'gen_ai.is_streaming'),
                attribute(keys, vals, 'gen_ai.request.is_stream'),
                first_filled(either[stream]), settings->>'stream')),
            CASE WHEN ends_with(ai_step, '.doStream') OR len(arrivals) > 0 OR first_token_at IS NOT NULL
                OR is_stream_log THEN true
                WHEN ends_with(ai_step, '.doGenerate') THEN false END) AS stream_flag,
        coalesce(
            number_of(attribute(keys, vals, 'gen_ai.response.time_to_first_chunk')) * 1000,
            number_of(attribute(keys, vals, 'gen_ai.response.time_to_first_token')) * 1000,
            number_of(attribute(keys, vals, 'gen_ai.client.operation.time_to_first_chunk')) * 1000,
            number_of(attribute(keys, vals, 'ai.response.msToFirstChunk')),
            number_of(attribute(keys, vals, 'ai.stream.msToFirstChunk')),
            number_of(attribute(keys, vals, 'time_to_first_token_ms')),
            number_of(attribute(keys, vals, 'copilot_chat.time_to_first_token')),
            number_of(attribute(keys, vals, 'ttft_ms')),
            CASE WHEN scope = 'openrouter'
                THEN number_of(attribute(keys, vals, 'trace.metadata.openrouter.first_token_ms')) END,
            -- OpenLIT gives its client's own measure the name of a server's, also to a call that did not stream: then
            -- it is the duration.
            CASE WHEN engine_ttft_s IS NULL AND (stream_flag OR own_ttft_ms < 0.99 * whole_ms) THEN own_ttft_ms END,
            CASE WHEN is_voice THEN nullif(greatest(0, number_of(coalesce(voice_metrics->>'ttft',
                attribute(keys, vals, 'metrics.ttfb'))) * 1000), 0) END
        ) AS written_ttft_ms,
        coalesce(
            number_of(regexp_extract(first_chunk.attributes,
                'msToFirstChunk"[^0-9}]*"?([0-9][0-9.eE+-]*)', 1)),
            (first_chunk.at - epoch_us(started)) / 1000.0,
            (first_token_at - epoch_us(started)) / 1000.0,
            -- The first remaining chunk is not the first one where an exporter dropped some.
            CASE WHEN coalesce(dropped, 0) = 0 THEN arrivals[1] END
        ) AS event_ttft_ms,
        code_word(reasons[1]) AS finish,
        coalesce(outcome_word(first_filled(either[outcome])),
            CASE WHEN voice_metrics->>'cancelled' = 'false' THEN 'completed' END) AS stated_outcome,
        coalesce(bool_of(attribute(keys, vals, 'anyllm.stream.cancelled')),
            bool_of(attribute(keys, vals, 'stream.cancelled')),
            CASE WHEN voice_metrics->>'cancelled' = 'true' THEN true END, flag_of(either[cancelled])) AS left_flag,
        coalesce(
            try_cast(first_filled(either[http_status]) AS INTEGER),
            try_cast(attribute(keys, vals, 'http.response.status_code_effective') AS INTEGER),
            try_cast(attribute(keys, vals, 'http.status_code') AS INTEGER),
            CASE WHEN regexp_full_match(error_word, '[1-5]\\d\\d') THEN error_word::INTEGER END
        ) AS http,
        list_concat(
            stated[tenant], list_transform(['org.id', 'customer.id', 'tenantId'],
                lambda k: vals[list_position(own, k)]),
            r_tenants
        ) AS tenants,
        list_concat(
            [attribute(r_keys, r_vals, 'service.version'), attribute(keys, vals, 'service.version')],
            stated[deploy], r_deploys
        ) AS deploys
    FROM typed
), judged AS (
    SELECT
        *,
        -- No call has neither: what was not counted is written as 0.
        sort = 'llm' AND in_tokens = 0 AND coalesce(out_tokens, 0) = 0 AND coalesce(cached_tokens, 0) = 0
            AND bool_of(first_filled(either[cache_hit])) IS DISTINCT FROM true AS is_blank,
        -- Middleware inside a server has routes of its own; the request's is that of the server's span.
        list_concat(
            CASE WHEN sort = 'llm' OR is_server THEN stated[route]
                ELSE list_transform(stated[route], lambda r: NULL) END,
            [attribute(keys, vals, 'gen_ai.agent.name'), attribute(keys, vals, 'ai.telemetry.functionId'),
                attribute(keys, vals, 'gen_ai.prompt.name'), attribute(keys, vals, 'traceloop.workflow.name'), name]
        ) AS routes,
        -- A span that ended well, with neither a finish reason nor usage, was left by its reader. The Vercel AI SDK
        -- ends spans so when the application aborts, and Anthropic's SDK leaves their status unset; elsewhere a proxy
        -- or the provider may have cut the stream as well. Logfire's log of a whole stream has neither where the
        -- provider was not asked for usage.
        CASE
            WHEN sort <> 'llm' OR len(reasons) > 0 OR out_tokens IS NOT NULL OR is_error OR error_word IS NOT NULL
                OR stated_outcome IS NOT NULL OR left_flag IS NOT NULL OR ended IS NULL OR is_whole
                OR is_stream_log THEN NULL
            WHEN ends_with(ai_step, '.doStream') OR (scope IN ('gen_ai', '@ai-sdk/otel') AND operation_word = 'chat')
                OR (starts_with(scope, 'com.anthropic.sdk.') AND coalesce(lower(status), '0') IN ('0', 'unset',
                    'status_code_unset')) THEN 'aborted'
            WHEN stream_flag OR written_ttft_ms > 0 OR event_ttft_ms > 0 THEN 'unterminated'
        END AS cut_evidence,
        list_transform([error_word, fault], lambda t: error_class(t)) AS classes,
        CASE WHEN sort = 'llm' THEN {answer} END AS answer
    FROM sorted
)
SELECT
    line, record,
    sort AS kind,
    call_id,
    trace_hex AS trace_id,
    coalesce(trace_hex || '-', '') || parent_hex AS parent_id,
    first_filled(either[logical_request_id]) AS logical_request_id,
    try_cast(first_filled(either[attempt_number]) AS INTEGER) AS attempt_number,
    coalesce(nullif(attribute(keys, vals, 'gen_ai.response.id'), ''),
        nullif(attribute(keys, vals, 'ai.response.id'), ''),
        first_filled(either[response_id]), CASE WHEN is_coder THEN attribute(keys, vals, 'request_id') END)
        AS response_id,
    nullif(name, '') AS name,
    lower(coalesce(voice_kind, inference_kind, loop_kind,
        CASE WHEN operation_word = 'invoke_agent' THEN 'agent'
            WHEN operation_word = 'execute_tool' OR ai_step = 'ai.toolCall' THEN 'tool' ELSE operation_word END,
        CASE WHEN is_server THEN 'server' WHEN lower(kind) IN ('3', 'client', 'span_kind_client') THEN 'client'
            ELSE 'internal' END)) AS span_kind,
    coalesce(nullif(asked_model, ''), undated(nullif(answering_model, ''))) AS model,
    nullif(answering_model, '') AS response_model,
    -- The Vercel AI SDK appends which of a provider's interfaces was used: openai.chat.
    -- OpenRouter names who served; it bills itself.
    nullif(CASE WHEN scope = 'openrouter' THEN scope
        WHEN regexp_matches(provider_word, '^(aws\\.bedrock|az\\.ai|azure\\.ai|gcp|ibm)\\b') THEN provider_word
        ELSE split_part(provider_word, '.', 1) END, '') AS provider,
    coalesce(filled_rank(meta[tenant], 99), filled_rank(tenants, 299)) AS tenant_rank,
    coalesce(first_filled(meta[tenant]), first_filled(tenants)) AS tenant,
    coalesce(filled_rank(meta[route], 99), filled_rank(routes, 299)) AS route_rank,
    coalesce(first_filled(meta[route]), first_filled(routes)) AS route,
    coalesce(filled_rank(meta[deploy], 99), filled_rank(deploys, 299)) AS deploy_rank,
    coalesce(first_filled(meta[deploy]), first_filled(deploys)) AS deploy,
    first_filled(list_transform(['user.id', 'enduser.id', 'enduser.pseudo.id', 'gen_ai.user', 'user_id',
        'userId'], lambda k: vals[list_position(own, k)])) AS user_id,
    first_filled(list_transform(['gen_ai.conversation.id', 'session.id', 'session_id', 'sessionId',
        'conversation_id', 'chat_id', 'conversation.id'], lambda k: vals[list_position(own, k)])) AS session_id,
    first_filled([attribute(r_keys, r_vals, 'deployment.environment.name'),
        attribute(r_keys, r_vals, 'deployment.environment'), attribute(own, vals, 'deployment.environment.name'),
        attribute(own, vals, 'deployment.environment'), attribute(own, vals, 'environment')]) AS environment,
    -- SDKs write unknown_service:node where the service was not named.
    first_filled([CASE WHEN NOT starts_with(attribute(r_keys, r_vals, 'service.name'), 'unknown_service')
        THEN attribute(r_keys, r_vals, 'service.name') END, attribute(own, vals, 'service.name')]) AS service,
    first_filled([first_filled(either[region]), attribute(own, vals, 'cloud.region'),
        attribute(r_keys, r_vals, 'cloud.region')]) AS region,
    coalesce(transport_of(either[transport]), transport_word(operation_word),
        CASE WHEN contains(attribute(keys, vals, 'http.response.header.content-type'), 'text/event-stream')
            THEN 'sse' END,
        either[transport][1]) AS transport,
    CASE WHEN operation_word IN ('text_completion', 'atext_completion', 'completion') THEN 'completion' END
        AS operation,
    started AS start_time,
    ended AS end_time,
    whole_ms AS duration_ms,
    stream_flag AS streamed,
    coalesce(written_ttft_ms, event_ttft_ms) AS ttft_ms,
    number_of(first_filled(either[ttvt_ms])) AS ttvt_ms,
    engine_ttft_s * 1000 AS server_ttft_ms,
    CASE WHEN written_ttft_ms IS NULL AND event_ttft_ms IS NOT NULL THEN 'first_chunk' END AS ttft_basis,
    CASE WHEN coalesce(dropped, 0) = 0 AND len(arrivals) > 0 THEN len(arrivals) END AS chunk_count,
    CASE WHEN coalesce(dropped, 0) = 0 AND len(arrivals) > 0 THEN arrivals END AS chunk_offsets_ms,
    CASE WHEN is_blank THEN NULL
        -- OpenInference's instrumentation of google-genai 0.1.14 adds to the prompt the cached tokens that are in it.
        WHEN inference_kind = 'LLM' AND cached_tokens > 0 AND in_tokens > 2 * cached_tokens - 1
            AND all_tokens = in_tokens::HUGEINT - cached_tokens + coalesce(out_tokens, 0)
            AND contains(lower(answering_model), 'gemini') THEN in_tokens - cached_tokens
        WHEN is_coder AND attribute(keys, vals, 'gen_ai.usage.input_tokens') IS NULL
            THEN tokens_with(in_tokens, cached_tokens, written_tokens)
        ELSE whole_input(in_tokens, cached_tokens, written_tokens, out_tokens, all_tokens) END AS input_tokens,
    cached_tokens AS cached_input_tokens,
    written_tokens AS cache_write_tokens,
    first_count({cache_write_1h_tokens}) AS cache_write_1h_tokens,
    first_count({audio_input_tokens}) AS audio_input_tokens,
    first_count({image_tokens}) AS image_tokens,
    CASE WHEN sort = 'embedding' THEN coalesce(out_tokens, CASE WHEN in_tokens IS NOT NULL THEN 0 END)
        WHEN NOT is_blank THEN out_tokens END AS output_tokens,
    first_count({audio_output_tokens}) AS audio_output_tokens,
    all_tokens AS total_tokens,
    first_count({reasoning_tokens}) AS reasoning_tokens,
    coalesce(filled_rank(meta[delivered_tokens], 99), filled_rank(stated[delivered_tokens], 299))
        AS delivered_tokens_rank,
    tokens_of(coalesce(first_filled(meta[delivered_tokens]), first_filled(stated[delivered_tokens])))
        AS delivered_tokens,
    coalesce(filled_rank(meta[rendered_tokens], 99), filled_rank(stated[rendered_tokens], 299)) AS rendered_tokens_rank,
    tokens_of(coalesce(first_filled(meta[rendered_tokens]), first_filled(stated[rendered_tokens]))) AS rendered_tokens,
    coalesce(list_filter({max_tokens}, lambda n: n IS NOT NULL)[1],
        tokens_of(first_filled(json_extract_string(settings, {caps}))),
        tokens_of(first_filled(either[max_tokens]))) AS max_tokens,
    -- OpenLLMetry can be configured to count an unfinished stream's tokens itself, from the text that came.
    coalesce(usage_word(first_filled(either[usage_source])),
        CASE WHEN len(arrivals) > 0 AND coalesce(len(reasons), 0) = 0 AND out_tokens IS NOT NULL THEN 'tokenizer' END)
        AS usage_basis,
    bool_of(first_filled(either[cache_hit])) AS cache_hit,
    -- The tier named in the answer; one that was only requested is none.
    first_filled([attribute(keys, vals, 'gen_ai.openai.response.service_tier'),
        attribute(keys, vals, 'openai.response.service_tier'), attribute(keys, vals, 'gen_ai.response.service_tier')])
        AS service_tier,
    nullif(coalesce(number_of(coalesce(attribute(keys, vals, 'llm.cost.total'),
        attribute(keys, vals, 'gen_ai.usage.cost'), packed_cost->>'total_cost')), {cost_usd}),
        CASE WHEN is_blank THEN 0 END) AS cost_usd,
    coalesce(number_of(coalesce(attribute(keys, vals, 'llm.cost.prompt'), packed_cost->>'input_cost')),
        {input_cost_usd}) AS input_cost_usd,
    coalesce(number_of(coalesce(attribute(keys, vals, 'llm.cost.completion'), packed_cost->>'output_cost')),
        {output_cost_usd}) AS output_cost_usd,
    coalesce(stated_outcome, CASE WHEN is_whole
        AND first_filled(either[cancelled_at_ms]) IS NULL THEN 'completed' END)
        AS app_outcome,
    left_flag AS cancel_flag,
    is_error OR list_contains(reasons, 'error') AS failed,
    coalesce(says_cancelled(error_word), false) OR (is_error AND message_says_cancelled(classes[2], fault))
        OR coalesce(rpc_status IN ('1', 'cancelled'), false)
        AS error_cancelled,
    coalesce(says_timeout(error_word), false) OR (is_error AND message_says_timeout(classes[2], fault))
        OR coalesce(rpc_status IN ('4', 'deadline_exceeded'), false)
        AS error_timeout,
    code_word(first_filled(either[cancelled_by])) AS cancelled_by,
    coalesce(number_of(first_filled(either[cancelled_at_ms])),
        -- Its span may end only when the garbage is collected; the last chunk came before the cut.
        CASE WHEN cut_evidence IS NOT NULL AND coalesce(dropped, 0) = 0 THEN arrivals[-1] END) AS cancelled_at_ms,
    cut_evidence,
    tokens_of(first_filled(either[rendered_chars])) AS rendered_chars,
    tokens_of(first_filled(either[rendered_chunks])) AS rendered_chunks,
    bool_of(first_filled(either[upstream_cancelled])) AS upstream_cancelled,
    number_of(first_filled(either[upstream_end_ms])) AS upstream_end_ms,
    finish AS finish_reason,
    http AS http_status,
    coalesce(classes[1], code_word(error_word), CASE WHEN is_error THEN classes[2] END) AS error_type,
    CASE WHEN sort = 'llm' THEN md5($salt || coalesce(
        attribute(keys, vals, 'gen_ai.input.messages'), attribute(keys, vals, 'ai.prompt.messages'),
        attribute(keys, vals, 'input.value'),
        nullif(list_filter(list_zip(keys, vals), lambda a: a[2] IS NOT NULL AND a[1] <> 'gen_ai.prompt.name' AND (
            starts_with(a[1], 'gen_ai.prompt.') OR starts_with(a[1], 'llm.prompts.')
            OR starts_with(a[1], 'llm.input_messages.'))), [])::VARCHAR))
        END AS input_hash,
    nullif(length(answer), 0) AS output_chars, nullif(length(answer), 0) AS visible_output_chars,
    corrections_of(answer) AS retractions,
    stages, interrupted
FROM judged
"""
