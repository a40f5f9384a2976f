"""Langfuse observations: bucket export, UI exports, REST pages and SDK dumps, in either key style.

Times are derived from the three timestamps; a printed latency is used only where a timestamp is missing, because its
unit differs between exports (Langfuse blob storage and REST documentation).

A trace is shown at PROJECT/traces/TRACE, where PROJECT ends in /project/ID
(https://langfuse.com/docs/observability/features/url); ``observation`` opens one of its steps.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial

from streamaudit.ingest.sources import _langfuse_names as names
from streamaudit.ingest.sources._common import CAP_PATHS, normalise
from streamaudit.ingest.sources._langfuse_bucket import supersedes, window_end
from streamaudit.ingest.sources._langfuse_events import events_sql
from streamaudit.ingest.sources._langfuse_shapes import recognise
from streamaudit.ingest.sources._langfuse_usage import usage_sql
from streamaudit.ingest.sources._langfuse_voice import WORDS as VOICE_WORDS
from streamaudit.ingest.sources._langfuse_voice import voice_sql
from streamaudit.ingest.sources.registry import Occurs, Source

_FIELDS = (
    "id", "span_id", "trace_id", "traceId", "parent_observation_id", "parentObservationId", "parent_span_id", "type",
    "name", "start_time", "startTime", "end_time", "endTime", "completion_start_time", "completionStartTime",
    "provided_model_name", "providedModelName", "model", "level", "status_message", "statusMessage", "user_id",
    "userId", "session_id", "sessionId", "release", "version", "environment", "trace_name", "traceName", "latency",
    "time_to_first_token", "timeToFirstToken", "latencyMs", "timeToFirstTokenMs", "total_cost", "totalCost",
    "calculated_total_cost", "calculatedTotalCost", "prompt_tokens", "promptTokens", "completion_tokens",
    "completionTokens", "inputUsage", "outputUsage", "updated_at", "updatedAt", "event_ts", "is_deleted", "input",
    "timestamp",
)  # fmt: skip
_JSON_FIELDS = (
    "usage_details", "usageDetails", "usage", "provided_usage_details", "providedUsageDetails", "cost_details",
    "costDetails", "provided_cost_details", "providedCostDetails", "metadata", "metadata_names", "metadata_values",
    "tags", "traceTags", "model_parameters", "modelParameters", "output",
)  # fmt: skip


_PREPARED = """
    WITH renamed AS (
        SELECT
            line, record, upper(type) AS type, name, "release", "version", environment, level, input, is_deleted,
            -- A bucket and a table have what was no text as JSON text. A text that is JSON is the model's own.
            CASE WHEN json_type(output) = 'VARCHAR'
                    AND regexp_matches(output->>'$', '^[{\\[].*"(role|choices|error)"', 's')
                THEN coalesce(json_of(output->>'$'), output) ELSE output END AS output,
            coalesce(nullif(id, ''), nullif(span_id, '')) AS call_id,
            coalesce(nullif(trace_id, ''), nullif(traceId, ''), CASE WHEN is_trace THEN nullif(id, '') END) AS trace_id,
            is_trace,
            coalesce(nullif(parent_observation_id, ''), nullif(parentObservationId, ''), nullif(parent_span_id, ''))
                AS parent_id,
            instant_utc(coalesce(nullif(start_time, ''), startTime, CASE WHEN is_trace THEN "timestamp" END))
                AS started,
            instant_utc(coalesce(nullif(end_time, ''), nullif(endTime, ''))) AS ended,
            instant_utc(coalesce(nullif(completion_start_time, ''), nullif(completionStartTime, ''))) AS first_token,
            [provided_model_name, providedModelName, model] AS given_models,
            coalesce(nullif(status_message, ''), nullif(statusMessage, '')) AS message,
            coalesce(nullif(user_id, ''), nullif(userId, '')) AS user_name,
            coalesce(nullif(session_id, ''), nullif(sessionId, '')) AS session_name,
            coalesce(nullif(trace_name, ''), nullif(traceName, ''), CASE WHEN is_trace THEN nullif(name, '') END)
                AS trace_label,
            number_of(latency) AS printed_latency,
            number_of(coalesce(time_to_first_token, timeToFirstToken)) AS printed_ttft,
            number_of(timeToFirstTokenMs) AS printed_ttft_ms,
            number_of(latencyMs) AS printed_latency_ms,
            first_count([number_of(total_cost), number_of(totalCost), number_of(calculated_total_cost),
                number_of(calculatedTotalCost), number_of(usage->>'totalCost')]) AS total_cost,
            -- An older usage may count something else: characters, milliseconds, images.
            coalesce(upper(usage->>'unit') IN ('CHARACTERS', 'MILLISECONDS', 'SECONDS', 'IMAGES', 'REQUESTS'), false)
                AS has_other_unit,
            CASE WHEN NOT has_other_unit THEN first_count([tokens_of(promptTokens), tokens_of(prompt_tokens),
                tokens_of(usage->>'input'), tokens_of(inputUsage)]) END AS flat_input,
            CASE WHEN NOT has_other_unit THEN first_count([tokens_of(completionTokens), tokens_of(completion_tokens),
                tokens_of(usage->>'output'), tokens_of(outputUsage)]) END AS flat_output,
            instant_utc(coalesce(updated_at, updatedAt, event_ts)) AS updated,
            try_cast(CASE WHEN has_other_unit THEN NULL WHEN usage_details::VARCHAR <> '{}' THEN usage_details
                ELSE coalesce(usageDetails, usage_details) END AS MAP(VARCHAR, VARCHAR)) AS given_usage,
            try_cast(CASE WHEN cost_details::VARCHAR <> '{}' THEN cost_details
                ELSE coalesce(costDetails, cost_details) END AS MAP(VARCHAR, VARCHAR)) AS cost_map,
            coalesce(provided_usage_details, providedUsageDetails) AS provided_usage,
            coalesce(provided_cost_details, providedCostDetails)::VARCHAR AS provided_cost,
            opened_values(CASE WHEN json_type(metadata) = 'VARCHAR' THEN json_of(metadata->>'$')
                WHEN metadata IS NULL AND metadata_names IS NOT NULL THEN to_json(map(
                    try_cast(metadata_names AS VARCHAR[]), try_cast(metadata_values AS VARCHAR[])))
                ELSE metadata END) AS meta,
            coalesce(tags, traceTags) AS tag_list,
            CASE WHEN json_type(coalesce(model_parameters, modelParameters)) = 'VARCHAR'
                THEN json_of(coalesce(model_parameters, modelParameters)->>'$')
                ELSE coalesce(model_parameters, modelParameters) END AS settings
        FROM (
            -- A trace is the step around all of its calls.
            SELECT *, type IS NULL AND "timestamp" IS NOT NULL
                AND coalesce(trace_id, traceId, start_time, startTime) IS NULL AS is_trace
            FROM records
        )
    ), found AS (
        SELECT
            *,
            -- What Gemini itself answered, which the Agent Development Kit writes next to its own counts: these had the
            -- total for the output, and none of what was cached (langfuse/langfuse 8020, 13988).
            CASE WHEN contains(meta::VARCHAR, 'vertex.agent.llm_response') THEN try_cast(json_of(first_filled(
                json_extract_string(meta, {answer_paths})))->'usage_metadata' AS MAP(VARCHAR, VARCHAR)) END AS answered,
            coalesce(answered, given_usage) AS usage_map,
            model_of(given_models) AS given_model,
            coalesce(given_model, model_of(json_extract_string(meta, {model_paths}))) AS model_name,
            list_transform(map_entries(usage_map), lambda e:
                struct_pack(k := lower(e.key), n := tokens_of(e.value)::HUGEINT)) AS usages,
            list_transform(map_entries(cost_map), lambda e: struct_pack(k := lower(e.key), n := number_of(e.value)))
                AS costs,
            span_ms(started, ended) AS measured_ms,
            CASE json_type(output)
                WHEN 'VARCHAR' THEN CASE WHEN NOT starts_with(output->>'$', '@@@langfuseMedia') THEN output->>'$' END
                WHEN 'OBJECT' THEN CASE json_type(output->'content')
                    WHEN 'ARRAY' THEN nullif(array_to_string(json_extract_string(output, '$.content[*].text'), ''), '')
                    ELSE coalesce(output->>'content', output->>'$.choices[0].message.content') END
                WHEN 'ARRAY' THEN output->>'$[#-1].content' END AS text,
            lower(meta->>'status') AS status_word,
            -- A failure described in plain text by an application or OpenTelemetry, whatever the level.
            CASE WHEN coalesce(level = 'ERROR', false)
                OR coalesce(status_word IN ('error', 'failed', 'failure'), false)
                OR coalesce(bool_of(coalesce(meta->>'success', meta->>'ok')) = false, false)
                OR coalesce(json_type(output) = 'OBJECT' AND json_keys(output) = ['error'], false)
                OR coalesce(meta->>'/attributes/error.type', '') <> '' THEN true
                WHEN level IS NOT NULL THEN false END AS has_failed,
            coalesce(message, nullif(meta->>'/attributes/error.type', '')) AS fault,
            CASE WHEN meta::VARCHAR LIKE '%"attributes%' THEN
                [first_filled(json_extract_string(meta, {span_input})),
                    first_filled(json_extract_string(meta, {span_output})),
                    first_filled(json_extract_string(meta, {span_total}))] END AS span_counts,
            CASE WHEN span_counts[3] IS NULL THEN tokens_of(span_counts[1]) END AS span_input,
            CASE WHEN span_counts[3] IS NULL THEN tokens_of(span_counts[2]) END AS span_output,
            error_class(fault) AS fault_class
        FROM renamed
    ), {usage}, {voice}, typed AS (
        SELECT *,
            starts_with(name, 'ai.') AND regexp_matches(name, '{outer_names}') AS is_outer,
            type = 'GENERATION' AND coalesce(
                (contains(name, '_') AND regexp_matches(name, '^({agent_operations})( |$)'))
                OR CASE WHEN contains(meta::VARCHAR, 'operation.name') THEN coalesce(
                    meta->>'/attributes/gen_ai.operation.name', meta->>'/attributes.gen_ai.operation.name')
                    SIMILAR TO '{agent_operations}' END, false) AS is_agent
        FROM sorted
    )
    SELECT
        line, record, meta AS given, try_cast(tag_list AS VARCHAR[]) AS labels,
        [trace_label, name] AS own_routes, ["release", "version"] AS top_deploys,
        [first_filled(json_extract_string(meta, ['/resourceAttributes.service.version',
            '/resourceAttributes/service.version']))] AS own_deploys,
        json_extract_string(meta, {transport_paths}) AS own_transports,
        CASE
            WHEN call_id IS NULL AND started IS NULL AND type IS NULL THEN NULL
            WHEN environment LIKE 'langfuse-%' OR is_deleted IN ('1', 'true') THEN 'other'
            WHEN is_speech THEN 'span'
            -- The request around a call, which some exporters mark as a generation too: nothing of it was counted.
            WHEN type = 'GENERATION' AND coalesce(input_tokens, output_tokens, most_output) IS NULL
                AND first_token IS NULL AND regexp_matches(name, '{request_names}') THEN 'span'
            WHEN is_outer THEN 'span'
            -- Where a model is named, some servers and writers take every kind of call for a generation.
            WHEN type = 'EMBEDDING' OR (type = 'GENERATION' AND coalesce(output_tokens, 0) = 0 AND first_token IS NULL
                AND regexp_matches(lower(concat_ws(' ', name, model_name)), '(^|[^a-z])a?embed')) THEN 'embedding'
            WHEN type = 'GENERATION' AND regexp_matches(name,
                '^litellm-a?(image|speech|transcription|rerank|moderation)') THEN 'other'
            WHEN type = 'GENERATION' THEN 'llm'
            WHEN is_trace THEN 'span'
            WHEN type IS NULL THEN 'other'
            ELSE 'span'
        END AS kind,
        call_id, trace_id, parent_id, nullif(name, '') AS name,
        CASE WHEN is_agent THEN 'invoke_agent' END AS operation,
        coalesce(
            -- LiteLLM's id of a generation is made of the answer's.
            CASE WHEN starts_with(call_id, 'time-')
                THEN nullif(regexp_extract(call_id, '^time-[0-9-]+_(.+)$', 1), '') END,
            CASE WHEN meta->>'object' = 'response' THEN meta->>'id' END,
            CASE WHEN meta::VARCHAR LIKE '%response.id"%'
                THEN first_filled(json_extract_string(meta, {response_id_paths})) END
        ) AS response_id,
        CASE WHEN is_trace THEN 'trace' ELSE coalesce(voice_kind, lower(type)) END AS span_kind,
        undated(model_name) AS model, model_name AS response_model,
        provider_of(json_extract_string(meta, {provider_paths})) AS provider,
        user_name AS user_id, session_name AS session_id, nullif(environment, '') AS environment,
        first_filled(json_extract_string(meta, ['/resourceAttributes.service.name', '/resourceAttributes/service.name',
            '/service', '/service.name'])) AS service,
        started AS start_time, ended AS end_time,
        coalesce(measured_ms, printed_latency_ms) AS duration_ms,
        bool_of(settings->>'stream') AS streamed,
        coalesce(
            span_ms(started, first_token),
            printed_ttft_ms,
            -- The printed unit is seconds or milliseconds by export; the latency in the same record shows which.
            CASE WHEN abs(printed_latency * 1000 - measured_ms) <= abs(printed_latency - measured_ms)
                THEN printed_ttft * 1000
                WHEN printed_latency IS NOT NULL AND measured_ms IS NOT NULL THEN printed_ttft END,
            voice_ttft_ms,
            CASE WHEN regexp_matches(meta::VARCHAR, 'ToFirstChunk|time_to_first') THEN coalesce(
                number_of(first_filled(json_extract_string(meta, {first_chunk_paths}))),
                number_of(first_filled(json_extract_string(meta, {first_token_paths}))) * CASE
                    WHEN number_of(first_filled(json_extract_string(meta, {server_duration_paths})))
                        BETWEEN 0.5 * measured_ms AND 1.1 * measured_ms THEN 1 ELSE 1000 END) END
        ) AS ttft_ms,
        CASE WHEN first_token IS NOT NULL THEN 'timestamps' END AS ttft_basis,
        coalesce(input_tokens, tokens_of(voice_counts->>'prompt_tokens')) AS input_tokens,
        cached_input_tokens, cache_write_tokens, cache_write_1h_tokens, audio_input_tokens, image_tokens,
        coalesce(output_tokens, tokens_of(voice_counts->>'completion_tokens')) AS output_tokens,
        audio_output_tokens, reasoning_tokens, total_tokens,
        first_filled(json_extract_string(meta, {tier_paths})) AS service_tier,
        -- A count of two readings is at most the larger one.
        least(tokens_of(first_filled(json_extract_string(settings, {cap_paths}))), most_output) AS max_tokens,
        -- Nothing provided, yet usage is there: Langfuse tokenized the text it received. Where the export does not say
        -- what was provided, plain counts may be such a count, unless no text was received; details only a provider
        -- gives.
        CASE WHEN provided_usage::VARCHAR = '{}' AND len(usages) > 0 THEN 'tokenizer'
            WHEN most_output IS NOT NULL THEN 'partial'
            WHEN provided_usage IS NULL AND coalesce(text <> '', true) AND NOT is_voice_counted
                AND len(list_filter(usages, lambda u: u.k NOT IN ('input', 'output', 'total'))) = 0 THEN 'unclear'
        END AS usage_basis,
        -- A total of 0 without a total among the cost details, or on an error, is how unknown is written.
        CASE
            WHEN mischarges_input OR mischarges_output OR is_foreign THEN NULL
            WHEN cost_map['total'] IS NOT NULL AND NOT is_unpaid THEN number_of(cost_map['total'])
            WHEN total_cost > 0 THEN total_cost
        END AS cost_usd,
        input_cost_usd, output_cost_usd,
        bool_of(voice_metrics->>'cancelled') AS cancel_flag,
        CASE WHEN voice_metrics->>'cancelled' = 'false' THEN 'completed'
            WHEN status_word IN ('cancelled', 'canceled', 'aborted', 'timeout', 'timed_out')
                THEN outcome_word(status_word) END AS app_outcome,
        CASE WHEN NOT coalesce(regexp_matches(meta::VARCHAR, '"(finish|stop)_reason"'), false) THEN coalesce(
            CASE WHEN json_type(output) = 'OBJECT'
                THEN first_filled(json_extract_string(output, {answer_finish_paths})) END,
            CASE WHEN regexp_matches(meta::VARCHAR, 'finish|incomplete')
                THEN listed(first_filled(json_extract_string(meta, {finish_paths})))[1] END,
            CASE WHEN status_word = 'incomplete' THEN status_word END) END AS finish_reason,
        has_failed AS failed,
        -- Who left is no fault of the application, which may write it at any level; a mere word then says nothing of
        -- an answer that was counted.
        message_says_cancelled(fault_class, fault) AND (has_failed OR coalesce(output_tokens, most_output) IS NULL
            OR fault_class IS NOT NULL OR regexp_matches(fault, '(?i)user|client|caller|consumer|browser'))
            AS error_cancelled,
        has_failed AND message_says_timeout(fault_class, fault) AS error_timeout,
        CASE WHEN has_failed THEN fault_class END AS error_type,
        CASE WHEN type = 'GENERATION' AND input <> '' THEN md5($salt || input) END AS input_hash,
        CASE WHEN type = 'GENERATION' THEN nullif(length(text), 0) END AS output_chars,
        CASE WHEN type = 'GENERATION' THEN corrections_of(text) END AS retractions,
        stages, interrupted, updated AS source_updated_at
    FROM typed
"""
for _mark, _text in {
    "{usage}": usage_sql(), "{model_paths}": str(list(names.MODEL_PATHS)),
    "{provider_paths}": str(list(names.PROVIDER_PATHS)),
    "{cap_paths}": str(list(CAP_PATHS)), "{transport_paths}": str(list(names.TRANSPORT_PATHS)),
    "{tier_paths}": str(list(names.TIER_PATHS)),
    "{answer_paths}": str([f"/attributes{mark}gcp.vertex.agent.llm_response" for mark in "/."]),
    **{f"{{span_{name}}}": str([f"/attributes{mark}{key}" for key in keys for mark in "/."])
       for name, keys in zip(("input", "output", "total"), names.SPAN_COUNTS, strict=True)},
    "{request_names}": names.REQUEST_NAMES,
    "{outer_names}": names.OUTER_NAMES, "{agent_operations}": names.AGENT_OPERATIONS,
    "{response_id_paths}": str(list(names.RESPONSE_ID_PATHS)), "{finish_paths}": str(list(names.FINISH_PATHS)),
    "{first_chunk_paths}": str(list(names.FIRST_CHUNK_PATHS)),
    "{server_duration_paths}": str(list(names.SERVER_DURATION_PATHS)),
    "{first_token_paths}": str(list(names.FIRST_TOKEN_PATHS)),
    "{answer_finish_paths}": str(list(names.ANSWER_FINISH_PATHS)),
}.items():  # fmt: skip
    _PREPARED = _PREPARED.replace(_mark, _text)


@cache
def _normalise(*, has_voice: bool) -> str:
    return normalise(_PREPARED.replace("{voice}", voice_sql(has_voice=has_voice)))


@cache
def _normalise_events(*, has_voice: bool) -> str:
    return normalise(
        events_sql(SOURCE.fields)
        + _PREPARED.replace("{voice}", voice_sql(has_voice=has_voice))
        .replace("    WITH renamed AS (", "    renamed AS (", 1).replace("FROM records", "FROM observed", 1)
    )  # fmt: skip


def _fit(source: Source, occurs: Occurs, *, build: Callable[..., str]) -> Source:
    """Leave out what only steps of a voice turn have."""
    return source if any(map(occurs, VOICE_WORDS)) else replace(source, sql=build(has_voice=False))


_READS = {
    "call_id": "id", "trace_id": "trace_id, traceId", "parent_id": "parent_observation_id, parentObservationId",
    "logical_request_id": "metadata.logical_request_id", "attempt_number": "metadata.attempt_number",
    "response_id": "metadata.response_id", "model": "provided_model_name, model, without its date",
    "response_model": "provided_model_name, model",
    "provider": "metadata.provider, metadata.ls_provider, attributes.gen_ai.provider.name",
    "user_id": "user_id, userId", "session_id": "session_id, sessionId",
    "service": "metadata.resourceAttributes, service.name in it", "region": "metadata.region",
    "transport": "metadata.transport, url.full, rpc.system, a realtime model",
    "operation": "type", "start_time": "start_time, startTime",
    "end_time": "end_time, endTime", "duration_ms": "end_time - start_time, else latencyMs",
    "streamed": "metadata.stream, model_parameters.stream; a usable TTFT proves it",
    "ttft_ms": "completion_start_time - start_time, else the printed time to first token",
    "ttvt_ms": "metadata.time_to_first_output_token_ms",
    "input_tokens": "usage_details: input, and its details where the total excludes them",
    "cached_input_tokens": "usage_details: keys with cache",
    "cache_write_tokens": "usage_details: keys with cache creation",
    "output_tokens": "usage_details: output, and its details where the total excludes them",
    "reasoning_tokens": "usage_details: keys with reasoning or thoughts",
    "max_tokens": "model_parameters: max_tokens, max_output_tokens, maxOutputTokens and the like; at most the larger "
    "reading of an undecidable output", "cache_hit": "metadata.cache_hit",
    "cost_usd": "cost_details.total, total_cost", "input_cost_usd": "cost_details: input keys",
    "output_cost_usd": "cost_details: output keys", "cancelled_by": "metadata.cancelled_by",
    "cancelled_at_ms": "metadata.cancelled_at_ms", "upstream_cancelled": "metadata.upstream_cancelled",
    "upstream_end_ms": "metadata.upstream_end_ms", "finish_reason": "metadata.finish_reason",
    "http_status": "metadata.http_status", "error_type": "the class at the head of status_message",
    "output_chars": "length of output", "visible_output_chars": "length of output",
    "source_updated_at": "updated_at, updatedAt",
}  # fmt: skip

_REMEDIES = {
    "duration": "end the generation also when the stream breaks, in a finally block",
    "streamed": "set metadata.stream, or stream among the model parameters",
    "ttft": "have the SDK set completion_start_time when the first chunk arrives",
    "ttvt": "set metadata.time_to_first_output_token_ms",
    "chunk_times": "Langfuse keeps none: log chunk_offsets_ms in JSON lines of your own",
    "client_chunk_times": "Langfuse keeps none: log client_chunk_offsets_ms in JSON lines of your own",
    "usage": "ask OpenAI for stream_options.include_usage, or pass usage_details when the generation ends",
    "input_tokens": "pass usage_details.input, or tokens counted by Langfuse stay unknown for aborted calls",
    "reasoning": "pass usage_details.output_reasoning_tokens",
    "billed_at_cut": "an aborted stream has none: drain it after the cut, set metadata.usage_source to provider_final",
    "rendered": "set metadata.rendered_tokens to what the client showed",
    "delivered": "set metadata.delivered_tokens to what was handed to the client",
    "cancel_time": "set metadata.cancelled_at_ms",
    "provider_stop": "set metadata.upstream_end_ms",
    "outcome": "set metadata.outcome in a finally block around the stream",
    "finish_reason": "set metadata.finish_reason",
    "http_status": "set metadata.http_status",
    "cost": "give the model a price in Langfuse, or pass cost_details",
    "tenant": "set metadata.tenant_id or the tag tenant_id:NAME; --map tenant=PATH takes another key",
    "user": "set user_id on the trace",
    "session": "set session_id on the trace",
    "route": "set metadata.route; until then the trace's name is used",
    "deploy": "set LANGFUSE_RELEASE, or release on the trace",
    "environment": "set LANGFUSE_TRACING_ENVIRONMENT",
    "region": "set metadata.region",
    "transport": "set metadata.transport",
    "model": "pass model to the generation",
    "provider": "set metadata.provider",
    "response_id": "set metadata.response_id to the provider's completion id",
    "logical_request": "set metadata.logical_request_id",
    "input_hash": "export the input too: only its salted hash is kept",
}

SOURCE = Source(
    name="langfuse",
    version=12,
    recognise=lambda head: recognise(head, EVENTS),
    fields={**dict.fromkeys(_FIELDS, "VARCHAR"), **dict.fromkeys(_JSON_FIELDS, "JSON")},
    sql=_normalise(has_voice=True),
    top_keys={"deploy": ("release", "version")},
    own_keys={
        "route": ("trace_name", "ancestor"),
        "deploy": ("metadata.resourceAttributes.service.version",),
    },
    nested_rule="repeats_usage",
    id_field="id",
    has_total=True,
    time_field="start_time",
    needs=(("type",), ("start_time", "startTime"), ("trace_id", "traceId")),
    reads=_READS,
    remedies=_REMEDIES,
    trace_url="/traces/{trace_id}?observation={call_id}",
    fit=partial(_fit, build=_normalise),
    window_end=window_end,
    supersedes=supersedes,
)

EVENTS: Source = replace(
    SOURCE,
    fields={"type": "VARCHAR", "body": "JSON", "timestamp": "VARCHAR", "batch": "JSON[]"},
    sql=_normalise_events(has_voice=True),
    needs=(("body", "batch"),),
    time_field=None,
    fit=partial(_fit, build=_normalise_events),
)
"""The same observations as their SDKs sent them."""
