"""Langfuse observations: bucket export, UI exports, REST pages and SDK dumps, in either key style.

Times are derived from the three timestamps; a printed latency is used only where a timestamp is missing, because its
unit differs between exports (Langfuse blob storage and REST documentation).

A trace is shown at PROJECT/traces/TRACE, where PROJECT ends in /project/ID
(https://langfuse.com/docs/observability/features/url); ``observation`` opens one of its steps.
"""

from collections.abc import Sequence

from streamaudit.ingest.sources._app_keys import placed
from streamaudit.ingest.sources._langfuse_bucket import supersedes, window_end
from streamaudit.ingest.sources.registry import Match, Record, Refusal, Source

_TYPES = {
    "SPAN", "GENERATION", "EVENT", "AGENT", "TOOL", "CHAIN", "RETRIEVER", "EVALUATOR", "EMBEDDING", "GUARDRAIL",
}  # fmt: skip

_FIELDS = (
    "id", "span_id", "trace_id", "traceId", "parent_observation_id", "parentObservationId", "parent_span_id", "type",
    "name", "start_time", "startTime", "end_time", "endTime", "completion_start_time", "completionStartTime",
    "provided_model_name", "providedModelName", "model", "level", "status_message", "statusMessage", "user_id",
    "userId", "session_id", "sessionId", "release", "version", "environment", "trace_name", "traceName", "latency",
    "time_to_first_token", "timeToFirstToken", "latencyMs", "timeToFirstTokenMs", "total_cost", "totalCost",
    "calculated_total_cost", "calculatedTotalCost", "prompt_tokens", "promptTokens", "completion_tokens",
    "completionTokens", "inputUsage", "outputUsage", "updated_at", "updatedAt", "input", "timestamp",
)  # fmt: skip
_JSON_FIELDS = (
    "usage_details", "usageDetails", "usage", "provided_usage_details", "providedUsageDetails", "cost_details",
    "costDetails", "metadata", "tags", "traceTags", "model_parameters", "modelParameters", "output",
)  # fmt: skip


def _recognise(head: Sequence[Record]) -> Match | Refusal | None:
    for record in head:
        refusal = _refuse(record)
        if refusal:
            return refusal
        if _is_trace(record):
            return Match("traces", "timestamp + bookmarked" if "bookmarked" in record else "timestamp + htmlPath")
        if str(record.get("type")) not in _TYPES:
            continue
        start = next((key for key in ("start_time", "startTime") if key in record), None)
        trace = next((key for key in ("trace_id", "traceId") if key in record), None)
        if start and trace:
            variant, telling = _variant(record)
            return Match(variant, " + ".join(dict.fromkeys(("type", trace, telling))))
    return None


def _is_trace(record: Record) -> bool:
    """A trace holds no call and says what its calls lack: release, session, user, tags, name."""
    keys = set(record)
    return (
        "timestamp" in keys and bool(keys & {"bookmarked", "htmlPath"}) and "id" in keys
        and not keys & {"traceId", "trace_id", "start_time", "startTime"}
    )  # fmt: skip


def _variant(record: Record) -> tuple[str, str]:
    for key, variant in (
        ("latencyMs", "UI events export"),
        ("traceTags", "UI observations export"),
        ("promptTokens", "REST v1"),
        ("is_root_observation", "bucket observations_v2"),
        ("calculated_total_cost", "Python SDK dump"),
    ):
        if key in record:
            return variant, key
    if "startTime" in record:
        return "REST v2", "startTime"
    if "model" in record:
        return "Python SDK dump", "model"
    if "trace_name" in record or "user_id" in record:
        return "bucket observations_v2", "trace_name" if "trace_name" in record else "user_id"
    return "bucket observations", "start_time"


def _refuse(record: Record) -> Refusal | None:
    instead = "export the observations table (blob storage observations_v2, or Observations > Export in the UI)"
    keys = set(record)
    if keys & {"dataType", "data_type"} and keys & {"observationId", "observation_id", "traceId", "trace_id"}:
        return Refusal("a Langfuse scores export: it holds ratings, no LLM calls", instead)
    if {"countTraces", "sessionDuration"} <= keys:
        return Refusal("a Langfuse sessions export: it holds totals, no LLM calls", instead)
    if {"exportSource", "files", "tables"} <= keys:
        return Refusal("a Langfuse export manifest: it lists files, and holds no LLM calls", instead)
    if "time_dimension" in keys:
        return Refusal("a Langfuse metrics response: it holds aggregates, no LLM calls", instead)
    return None


_SQL = """
WITH renamed AS (
    SELECT
        line, record, type, name, "release", "version", environment, level, input, output,
        coalesce(nullif(id, ''), nullif(span_id, '')) AS call_id,
        coalesce(nullif(trace_id, ''), nullif(traceId, ''), CASE WHEN is_trace THEN nullif(id, '') END) AS trace_id,
        is_trace,
        coalesce(nullif(parent_observation_id, ''), nullif(parentObservationId, ''), nullif(parent_span_id, ''))
            AS parent_id,
        instant_utc(coalesce(nullif(start_time, ''), startTime, CASE WHEN is_trace THEN "timestamp" END)) AS started,
        instant_utc(coalesce(nullif(end_time, ''), nullif(endTime, ''))) AS ended,
        instant_utc(coalesce(nullif(completion_start_time, ''), nullif(completionStartTime, ''))) AS first_token,
        coalesce(nullif(provided_model_name, ''), nullif(providedModelName, ''), nullif(model, '')) AS model_name,
        coalesce(nullif(status_message, ''), nullif(statusMessage, '')) AS message,
        coalesce(nullif(user_id, ''), nullif(userId, '')) AS user_name,
        coalesce(nullif(session_id, ''), nullif(sessionId, '')) AS session_name,
        coalesce(nullif(trace_name, ''), nullif(traceName, ''), CASE WHEN is_trace THEN nullif(name, '') END)
            AS trace_label,
        number_of(latency) AS printed_latency,
        number_of(coalesce(time_to_first_token, timeToFirstToken)) AS printed_ttft,
        number_of(timeToFirstTokenMs) AS printed_ttft_ms,
        number_of(latencyMs) AS printed_latency_ms,
        number_of(coalesce(total_cost, totalCost, calculated_total_cost, calculatedTotalCost)) AS total_cost,
        coalesce(tokens_of(promptTokens), tokens_of(prompt_tokens), tokens_of(usage->>'input'), tokens_of(inputUsage))
            AS flat_input,
        coalesce(tokens_of(completionTokens), tokens_of(completion_tokens), tokens_of(usage->>'output'),
            tokens_of(outputUsage)) AS flat_output,
        instant_utc(coalesce(updated_at, updatedAt)) AS updated,
        try_cast(coalesce(usage_details, usageDetails) AS MAP(VARCHAR, VARCHAR)) AS usage_map,
        try_cast(coalesce(cost_details, costDetails) AS MAP(VARCHAR, VARCHAR)) AS cost_map,
        coalesce(provided_usage_details, providedUsageDetails) AS provided_usage,
        CASE WHEN json_type(metadata) = 'VARCHAR' THEN try_cast(metadata->>'$' AS JSON) ELSE metadata END AS meta,
        coalesce(tags, traceTags) AS tag_list,
        CASE WHEN json_type(coalesce(model_parameters, modelParameters)) = 'VARCHAR'
            THEN try_cast(coalesce(model_parameters, modelParameters)->>'$' AS JSON)
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
        filled(json_extract_string(meta, $app_paths)) AS app,
        tag_values(try_cast(tag_list AS VARCHAR[]), $tag_keys) AS tagged,
        map_entries(usage_map) AS usage_entries,
        map_entries(cost_map) AS cost_entries,
        span_ms(started, ended) AS measured_ms,
        CASE json_type(output) WHEN 'VARCHAR' THEN output->>'$' WHEN 'OBJECT' THEN output->>'content' END AS text
    FROM renamed
), counted AS (
    SELECT
        *,
        list_filter(usage_entries, lambda e: contains(lower(e.key), 'output') AND e.key <> 'total') AS out_buckets,
        list_filter(usage_entries, lambda e: contains(lower(e.key), 'input') AND e.key <> 'total') AS in_buckets,
        -- Hidden output under names of its own beside the buckets; exclusive, like every bucket.
        list_filter(usage_entries, lambda e: e.key IN ('reasoning_tokens', 'thoughtsTokenCount',
            'thoughts_token_count', 'completion_details.reasoning')) AS hidden_buckets,
        list_filter(cost_entries, lambda e: contains(lower(e.key), 'output')) AS out_costs,
        list_filter(cost_entries, lambda e: contains(lower(e.key), 'input')) AS in_costs,
        [trace_label, name] AS own_routes,
        ["release", "version"] AS own_deploys
    FROM found
)
SELECT
    line,
    CASE
        WHEN call_id IS NULL AND started IS NULL AND type IS NULL THEN NULL
        WHEN environment LIKE 'langfuse-%' THEN 'other'
        WHEN type = 'GENERATION' THEN 'llm'
        WHEN type = 'EMBEDDING' THEN 'embedding'
        WHEN is_trace THEN 'span'
        WHEN type IS NULL THEN 'other'
        ELSE 'span'
    END AS kind,
    call_id, trace_id, parent_id,
    first_filled(app[logical_request_id]) AS logical_request_id,
    try_cast(first_filled(app[attempt_number]) AS INTEGER) AS attempt_number,
    first_filled(app[response_id]) AS response_id,
    nullif(name, '') AS name,
    CASE WHEN is_trace THEN 'trace' ELSE lower(type) END AS span_kind,
    CASE WHEN len($map_model) > 0 THEN first_filled(json_extract_string(record, $map_model))
        ELSE undated(model_name) END AS model,
    model_name AS response_model,
    lower(coalesce(nullif(meta->>'provider', ''), nullif(meta->>'ls_provider', ''))) AS provider,
    coalesce(
        filled_rank(json_extract_string(record, $map_tenant), -1) * 0,
        filled_rank(app[tenant], 99),
        filled_rank(tagged[tenant], 199)
    ) AS tenant_rank,
    coalesce(
        first_filled(json_extract_string(record, $map_tenant)),
        first_filled(app[tenant]), first_filled(tagged[tenant])
    ) AS tenant,
    coalesce(
        filled_rank(json_extract_string(record, $map_route), -1) * 0,
        filled_rank(app[route], 99),
        filled_rank(tagged[route], 199), filled_rank(own_routes, 299)
    ) AS route_rank,
    coalesce(
        first_filled(json_extract_string(record, $map_route)), first_filled(app[route]),
        first_filled(tagged[route]), first_filled(own_routes)
    ) AS route,
    coalesce(
        filled_rank(json_extract_string(record, $map_deploy), -1) * 0, filled_rank(own_deploys, 0),
        filled_rank(app[deploy], 99), filled_rank(tagged[deploy], 199)
    ) AS deploy_rank,
    coalesce(
        first_filled(json_extract_string(record, $map_deploy)), first_filled(own_deploys),
        first_filled(app[deploy]), first_filled(tagged[deploy])
    ) AS deploy,
    CASE WHEN len($map_user_id) > 0 THEN first_filled(json_extract_string(record, $map_user_id)) ELSE user_name END
        AS user_id,
    CASE WHEN len($map_session_id) > 0 THEN first_filled(json_extract_string(record, $map_session_id))
        ELSE session_name END AS session_id,
    CASE WHEN len($map_environment) > 0 THEN first_filled(json_extract_string(record, $map_environment))
        ELSE nullif(environment, '') END AS environment,
    CASE WHEN len($map_service) > 0 THEN first_filled(json_extract_string(record, $map_service))
        ELSE coalesce(nullif(meta->>'/resourceAttributes.service.name', ''), nullif(meta->>'/service', '')) END
        AS service,
    CASE WHEN len($map_region) > 0 THEN first_filled(json_extract_string(record, $map_region))
        ELSE first_filled(app[region]) END AS region,
    CASE WHEN len($map_transport) > 0 THEN first_filled(json_extract_string(record, $map_transport))
        ELSE first_filled(app[transport]) END AS transport,
    started AS start_time,
    ended AS end_time,
    coalesce(measured_ms, printed_latency_ms) AS duration_ms,
    bool_of(coalesce(first_filled(app[stream]), settings->>'stream')) AS streamed,
    coalesce(
        span_ms(started, first_token),
        printed_ttft_ms,
        -- The printed unit is seconds or milliseconds by export; the latency beside it tells which.
        CASE WHEN abs(printed_latency * 1000 - measured_ms) <= abs(printed_latency - measured_ms)
            THEN printed_ttft * 1000
            WHEN printed_latency IS NOT NULL AND measured_ms IS NOT NULL THEN printed_ttft END
    ) AS ttft_ms,
    number_of(first_filled(app[ttvt_ms])) AS ttvt_ms,
    CASE WHEN first_token IS NOT NULL THEN 'timestamps' END AS ttft_basis,
    try_cast(CASE WHEN len(in_buckets) > 0 THEN list_sum(list_transform(in_buckets, lambda e: tokens_of(e.value)))
        ELSE coalesce(tokens_of(usage_map['prompt_tokens']), tokens_of(usage_map['promptTokenCount']),
            nullif(flat_input, 0))
    END AS BIGINT) AS input_tokens,
    try_cast(list_sum(list_transform(list_filter(in_buckets, lambda e: contains(e.key, 'cache')
        AND NOT contains(e.key, 'creat') AND NOT contains(e.key, 'write')), lambda e: tokens_of(e.value))) AS BIGINT)
        AS cached_input_tokens,
    try_cast(list_sum(list_transform(list_filter(in_buckets, lambda e: contains(e.key, 'cache')
        AND (contains(e.key, 'creat') OR contains(e.key, 'write'))), lambda e: tokens_of(e.value))) AS BIGINT)
        AS cache_write_tokens,
    try_cast(CASE WHEN len(out_buckets) > 0
        THEN list_sum(list_transform(list_concat(out_buckets, hidden_buckets), lambda e: tokens_of(e.value)))
        ELSE coalesce(
            tokens_of(usage_map['completion_tokens']),
            tokens_of(usage_map['candidatesTokenCount'])::HUGEINT
                + coalesce(tokens_of(usage_map['thoughtsTokenCount']), 0),
            nullif(flat_output, 0))
    END AS BIGINT) AS output_tokens,
    try_cast(coalesce(
        list_sum(list_transform(list_filter(out_buckets, lambda e: contains(e.key, 'reasoning')),
            lambda e: tokens_of(e.value))),
        list_sum(list_transform(hidden_buckets, lambda e: tokens_of(e.value)))
    ) AS BIGINT) AS reasoning_tokens,
    coalesce(
        filled_rank(json_extract_string(record, $map_delivered_tokens), -1) * 0,
        filled_rank(app[delivered_tokens], 99),
        filled_rank(tagged[delivered_tokens], 199)
    ) AS delivered_tokens_rank,
    tokens_of(coalesce(
        first_filled(json_extract_string(record, $map_delivered_tokens)),
        first_filled(app[delivered_tokens]),
        first_filled(tagged[delivered_tokens])
    )) AS delivered_tokens,
    coalesce(
        filled_rank(json_extract_string(record, $map_rendered_tokens), -1) * 0,
        filled_rank(app[rendered_tokens], 99),
        filled_rank(tagged[rendered_tokens], 199)
    ) AS rendered_tokens_rank,
    tokens_of(coalesce(
        first_filled(json_extract_string(record, $map_rendered_tokens)),
        first_filled(app[rendered_tokens]),
        first_filled(tagged[rendered_tokens])
    )) AS rendered_tokens,
    coalesce(
        tokens_of(first_filled(json_extract_string(settings, ['/max_tokens', '/max_completion_tokens', '/maxTokens']))),
        tokens_of(first_filled(app[max_tokens]))
    ) AS max_tokens,
    -- Nothing provided, yet usage is there: Langfuse tokenized the text it received. Where the export does not say what
    -- was provided, plain counts may be such a count, unless no text was received; details only a provider gives.
    coalesce(
        usage_word(first_filled(app[usage_source])),
        CASE WHEN provided_usage::VARCHAR = '{}' AND len(usage_entries) > 0 THEN 'tokenizer'
            WHEN provided_usage IS NULL AND coalesce(text <> '', true)
                AND len(list_filter(usage_entries, lambda e: e.key NOT IN ('input', 'output', 'total'))) = 0
                THEN 'unclear' END
    ) AS usage_basis,
    bool_of(first_filled(app[cache_hit])) AS cache_hit,
    -- A total of 0 without a total among the cost details, or on an error, is how unknown is written.
    CASE
        WHEN cost_map['total'] IS NOT NULL AND NOT (level = 'ERROR' AND number_of(cost_map['total']) = 0)
            THEN number_of(cost_map['total'])
        WHEN total_cost > 0 THEN total_cost
    END AS cost_usd,
    CASE WHEN level = 'ERROR' AND coalesce(total_cost, number_of(cost_map['total']), 0) = 0 THEN NULL
        ELSE list_sum(list_transform(in_costs, lambda e: number_of(e.value))) END AS input_cost_usd,
    CASE WHEN level = 'ERROR' AND coalesce(total_cost, number_of(cost_map['total']), 0) = 0 THEN NULL
        ELSE list_sum(list_transform(out_costs, lambda e: number_of(e.value))) END AS output_cost_usd,
    outcome_word(coalesce(
        first_filled(app[outcome]), first_filled(tagged[outcome])
    )) AS app_outcome,
    CASE WHEN len($map_cancelled) > 0 THEN bool_of(first_filled(json_extract_string(record, $map_cancelled)))
        ELSE flag_of(list_concat(
            app[cancelled], tagged[cancelled]
        )) END AS cancel_flag,
    level = 'ERROR' AS failed,
    level = 'ERROR' AND message_says_cancelled(message) AS error_cancelled,
    level = 'ERROR' AND message_says_timeout(message) AS error_timeout,
    code_word(first_filled(app[cancelled_by])) AS cancelled_by,
    number_of(first_filled(app[cancelled_at_ms])) AS cancelled_at_ms,
    tokens_of(first_filled(app[rendered_chars])) AS rendered_chars,
    tokens_of(first_filled(app[rendered_chunks])) AS rendered_chunks,
    bool_of(first_filled(app[upstream_cancelled])) AS upstream_cancelled,
    number_of(first_filled(app[upstream_end_ms])) AS upstream_end_ms,
    code_word(first_filled(app[finish_reason])) AS finish_reason,
    try_cast(first_filled(app[http_status]) AS INTEGER) AS http_status,
    CASE WHEN level = 'ERROR' THEN error_class(message) END AS error_type,
    CASE WHEN type = 'GENERATION' AND input <> '' THEN md5($salt || input) END AS input_hash,
    CASE WHEN type = 'GENERATION' THEN nullif(length(text), 0) END AS output_chars,
    CASE WHEN type = 'GENERATION' THEN nullif(length(text), 0) END AS visible_output_chars,
    updated AS source_updated_at
FROM counted
"""

_READS = {
    "call_id": "id", "trace_id": "trace_id, traceId", "parent_id": "parent_observation_id, parentObservationId",
    "logical_request_id": "metadata.logical_request_id", "attempt_number": "metadata.attempt_number",
    "response_id": "metadata.response_id", "model": "provided_model_name, model, without its date",
    "response_model": "provided_model_name, model", "provider": "metadata.provider, metadata.ls_provider",
    "user_id": "user_id, userId", "session_id": "session_id, sessionId",
    "service": "metadata.resourceAttributes.service.name", "region": "metadata.region",
    "transport": "metadata.transport", "operation": "type", "start_time": "start_time, startTime",
    "end_time": "end_time, endTime", "duration_ms": "end_time - start_time, else latencyMs",
    "streamed": "metadata.stream, model_parameters.stream; a usable TTFT proves it",
    "ttft_ms": "completion_start_time - start_time, else the printed time to first token",
    "ttvt_ms": "metadata.time_to_first_output_token_ms", "input_tokens": "usage_details: all input keys",
    "cached_input_tokens": "usage_details: input keys with cache",
    "cache_write_tokens": "usage_details: input keys with cache creation",
    "output_tokens": "usage_details: all output keys", "reasoning_tokens": "usage_details: output keys with reasoning",
    "max_tokens": "model_parameters.max_tokens", "cache_hit": "metadata.cache_hit",
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
    "route": "set metadata.route; until then the trace's name stands for it",
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
    version=4,
    recognise=_recognise,
    fields={**dict.fromkeys(_FIELDS, "VARCHAR"), **dict.fromkeys(_JSON_FIELDS, "JSON")},
    sql=placed(_SQL),
    top_keys={"deploy": ("release", "version")},
    own_keys={"route": ("trace_name", "ancestor")},
    nested_rule="repeats_usage",
    id_field="id",
    time_field="start_time",
    needs=(("type",), ("start_time", "startTime"), ("trace_id", "traceId")),
    reads=_READS,
    remedies=_REMEDIES,
    trace_url="/traces/{trace_id}?observation={call_id}",
    window_end=window_end,
    supersedes=supersedes,
)
