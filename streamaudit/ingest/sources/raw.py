"""Raw JSON lines: one call a line, in streamaudit's own field names or names close to them."""

from collections.abc import Sequence

from streamaudit.ingest.sources._app_keys import placed
from streamaudit.ingest.sources.registry import Match, Record, Source

_ID = ("request_id", "call_id", "id", "span_id")
_START = ("start_time", "start_time_unix_ns", "start_time_unix_ms", "start_time_unix_s", "timestamp")
_TELLING = (
    "time_to_first_chunk_ms", "ttft_ms", "output_tokens", "request_model", "model", "duration_ms",
    "rendered_output_tokens", "rendered_tokens", "outcome", "tenant_id", "tenant",
)  # fmt: skip
# Fields that belong to other formats: such a file is not raw even if it has an id and a start.
_FOREIGN = (
    "traceId",
    "trace_name",
    "provided_model_name",
    "parent_observation_id",
    "span_kind",
    "meta.span.kind",
    "metrics.output_tokens",
    "dotted_order",
    "resourceSpans",
    "call_type",
    "delay_ms",
    "run_type",
    "native_tokens_completion",
)

_FIELDS = (
    *_ID, *_START, "schema", "trace_id", "parent_span_id", "parent_id", "logical_request_id", "attempt_number",
    "response_id", "conversation_id", "session_id", "user_id", "tenant", "tenant_id", "tenant.id", "organization_id",
    "organizationId", "org_id", "customer_id", "account_id", "team_id", "end_time", "duration_ms", "stream", "streamed",
    "time_to_first_chunk_ms", "ttft_ms", "time_to_first_output_token_ms", "ttvt_ms",
    "server_time_to_first_token_ms", "server_ttft_ms", "chunk_count", "provider", "request_model", "model",
    "response_model", "route", "endpoint", "http.route", "feature", "operation_name", "operation", "service_name",
    "service", "service_version", "deployment_id", "deploy", "release", "version", "app_version", "environment",
    "region", "transport", "input_tokens", "cache_read_input_tokens", "cached_input_tokens",
    "cache_write_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_output_tokens", "reasoning_tokens",
    "streamed_output_tokens", "delivered_tokens", "rendered_output_tokens", "rendered_tokens", "tokens_rendered",
    "rendered_chars", "rendered_chunks",
    "max_tokens", "usage_source", "usage_basis", "cost_usd", "input_cost_usd", "output_cost_usd", "outcome",
    "stream_status", "cancelled", "canceled", "aborted", "client_disconnected", "cancelled_by", "cancelled_at_ms",
    "upstream_cancelled", "upstream_end_ms", "finish_reason", "stop_reason", "http_status_code", "http_status",
    "error_type", "input_hash", "output_chars", "visible_output_chars", "cache_hit", "updated_at", "name",
)  # fmt: skip


def _recognise(head: Sequence[Record]) -> Match | None:
    for record in head:
        if str(record.get("schema", "")).startswith("streamaudit."):
            return Match("attempt/1", "schema")
        if any(key in record for key in _FOREIGN) or isinstance(record.get("metrics"), dict):
            continue
        identity = next((key for key in _ID if key in record), None)
        start = next((key for key in _START if key in record), None)
        telling = next((key for key in _TELLING if key in record), None)
        if identity and telling and (start or identity != "id"):
            return Match("fields", " + ".join(key for key in (identity, start, telling) if key))
    return None


_SQL = """
WITH found AS (
    SELECT
        * REPLACE (a_name(tenant) AS tenant),
        filled(json_extract_string(coalesce(metadata, attributes, extra), $app_paths)) AS app,
        CASE WHEN tags IS NOT NULL THEN tag_values(try_cast(tags AS VARCHAR[]), $tag_keys) END AS tagged,
        CASE WHEN record IS NOT NULL THEN first_filled(json_extract_string(record, $map_tenant)) END AS mapped_tenant,
        CASE WHEN record IS NOT NULL THEN first_filled(json_extract_string(record, $map_route)) END AS mapped_route,
        CASE WHEN record IS NOT NULL THEN first_filled(json_extract_string(record, $map_deploy)) END AS mapped_deploy,
        CASE WHEN record IS NOT NULL THEN first_filled(json_extract_string(record, $map_rendered_tokens)) END
            AS mapped_rendered,
        CASE WHEN record IS NOT NULL THEN first_filled(json_extract_string(record, $map_delivered_tokens)) END
            AS mapped_delivered,
        -- Absent timing columns are told apart from present ones once, here.
        coalesce(
            instant_utc(start_time), epoch_utc(start_time_unix_ns), epoch_utc(start_time_unix_ms),
            epoch_utc(start_time_unix_s), instant_utc("timestamp")
        ) AS started,
        -- 0 tokens of a usage that nobody has are not measured.
        CASE WHEN lower(coalesce(usage_source, usage_basis)) = 'none' THEN 0 END AS nothing
    FROM records
)
SELECT
    line,
    CASE
        WHEN coalesce(nullif(request_id, ''), nullif(call_id, ''), nullif(id, ''), nullif(span_id, '')) IS NULL
            AND started IS NULL AND coalesce(model, request_model, outcome, output_tokens) IS NULL THEN NULL
        WHEN lower(coalesce(operation_name, operation)) LIKE '%embed%' THEN 'embedding'
        ELSE 'llm'
    END AS kind,
    coalesce(nullif(request_id, ''), nullif(call_id, ''), nullif(id, ''), nullif(span_id, '')) AS call_id,
    nullif(trace_id, '') AS trace_id,
    coalesce(nullif(parent_span_id, ''), nullif(parent_id, '')) AS parent_id,
    nullif(logical_request_id, '') AS logical_request_id,
    try_cast(attempt_number AS INTEGER) AS attempt_number,
    nullif(response_id, '') AS response_id,
    nullif(name, '') AS name,
    CASE
        WHEN len($map_model) > 0 THEN first_filled(json_extract_string(record, $map_model))
        ELSE coalesce(nullif(request_model, ''), nullif(model, ''), undated(nullif(response_model, '')))
    END AS model,
    nullif(response_model, '') AS response_model,
    lower(nullif(provider, '')) AS provider,
    CASE
        WHEN mapped_tenant <> '' THEN 0
        WHEN tenant <> '' THEN 1 WHEN tenant_id <> '' THEN 2 WHEN "tenant.id" <> '' THEN 3
        WHEN organization_id <> '' THEN 4 WHEN organizationId <> '' THEN 5 WHEN org_id <> '' THEN 6
        WHEN customer_id <> '' THEN 7 WHEN account_id <> '' THEN 8 WHEN team_id <> '' THEN 9
        WHEN app IS NOT NULL OR tagged IS NOT NULL THEN coalesce(
            filled_rank(app[tenant], 99),
            filled_rank(tagged[tenant], 199))
    END AS tenant_rank,
    coalesce(
        mapped_tenant, nullif(tenant, ''), nullif(tenant_id, ''), nullif("tenant.id", ''), nullif(organization_id, ''),
        nullif(organizationId, ''), nullif(org_id, ''), nullif(customer_id, ''), nullif(account_id, ''),
        nullif(team_id, ''), first_filled(app[tenant]),
        first_filled(tagged[tenant])
    ) AS tenant,
    CASE
        WHEN mapped_route <> '' THEN 0
        WHEN route <> '' THEN 1 WHEN endpoint <> '' THEN 2 WHEN "http.route" <> '' THEN 3 WHEN feature <> '' THEN 4
        WHEN app IS NOT NULL OR tagged IS NOT NULL THEN coalesce(
            filled_rank(app[route], 99),
            filled_rank(tagged[route], 199))
    END AS route_rank,
    coalesce(
        mapped_route, nullif(route, ''), nullif(endpoint, ''), nullif("http.route", ''), nullif(feature, ''),
        first_filled(app[route]), first_filled(tagged[route])
    ) AS route,
    CASE
        WHEN mapped_deploy <> '' THEN 0
        WHEN deploy <> '' THEN 1 WHEN service_version <> '' THEN 2 WHEN deployment_id <> '' THEN 3
        WHEN "release" <> '' THEN 4 WHEN "version" <> '' THEN 5 WHEN app_version <> '' THEN 6
        WHEN app IS NOT NULL OR tagged IS NOT NULL THEN coalesce(
            filled_rank(app[deploy], 99),
            filled_rank(tagged[deploy], 199))
    END AS deploy_rank,
    coalesce(
        mapped_deploy, nullif(deploy, ''), nullif(service_version, ''), nullif(deployment_id, ''),
        nullif("release", ''), nullif("version", ''), nullif(app_version, ''),
        first_filled(app[deploy]), first_filled(tagged[deploy])
    ) AS deploy,
    CASE WHEN len($map_user_id) > 0 THEN first_filled(json_extract_string(record, $map_user_id))
        ELSE nullif(user_id, '') END AS user_id,
    CASE WHEN len($map_session_id) > 0 THEN first_filled(json_extract_string(record, $map_session_id))
        ELSE coalesce(nullif(conversation_id, ''), nullif(session_id, '')) END AS session_id,
    CASE WHEN len($map_environment) > 0 THEN first_filled(json_extract_string(record, $map_environment))
        ELSE nullif(environment, '') END AS environment,
    CASE WHEN len($map_service) > 0 THEN first_filled(json_extract_string(record, $map_service))
        ELSE coalesce(nullif(service_name, ''), nullif(service, '')) END AS service,
    CASE WHEN len($map_region) > 0 THEN first_filled(json_extract_string(record, $map_region))
        ELSE nullif(region, '') END AS region,
    CASE WHEN len($map_transport) > 0 THEN first_filled(json_extract_string(record, $map_transport))
        ELSE nullif(transport, '') END AS transport,
    lower(coalesce(nullif(operation_name, ''), nullif(operation, ''))) AS operation,
    started AS start_time,
    instant_utc(end_time) AS end_time,
    coalesce(number_of(duration_ms), span_ms(started, instant_utc(end_time))) AS duration_ms,
    coalesce(bool_of(stream), bool_of(streamed)) AS streamed,
    coalesce(number_of(time_to_first_chunk_ms), number_of(ttft_ms), number_of(chunk_offsets_ms->>0)) AS ttft_ms,
    coalesce(number_of(time_to_first_output_token_ms), number_of(ttvt_ms)) AS ttvt_ms,
    coalesce(number_of(server_time_to_first_token_ms), number_of(server_ttft_ms)) AS server_ttft_ms,
    CASE WHEN coalesce(number_of(time_to_first_chunk_ms), number_of(ttft_ms)) IS NULL
        AND chunk_offsets_ms IS NOT NULL THEN 'first_chunk' END AS ttft_basis,
    coalesce(try_cast(chunk_count AS BIGINT), json_array_length(chunk_offsets_ms)) AS chunk_count,
    try_cast(chunk_offsets_ms AS DOUBLE[]) AS chunk_offsets_ms,
    try_cast(client_chunk_offsets_ms AS DOUBLE[]) AS client_chunk_offsets_ms,
    try_cast(chunk_tokens AS BIGINT[]) AS chunk_tokens,
    nullif(tokens_of(input_tokens), nothing) AS input_tokens,
    coalesce(tokens_of(cache_read_input_tokens), tokens_of(cached_input_tokens)) AS cached_input_tokens,
    coalesce(tokens_of(cache_write_input_tokens), tokens_of(cache_write_tokens)) AS cache_write_tokens,
    nullif(tokens_of(output_tokens), nothing) AS output_tokens,
    nullif(coalesce(tokens_of(reasoning_output_tokens), tokens_of(reasoning_tokens)), nothing) AS reasoning_tokens,
    CASE
        WHEN mapped_delivered <> '' THEN 0 WHEN streamed_output_tokens <> '' THEN 1 WHEN delivered_tokens <> '' THEN 2
        WHEN app IS NOT NULL OR tagged IS NOT NULL THEN coalesce(
            filled_rank(app[delivered_tokens], 99),
            filled_rank(tagged[delivered_tokens], 199))
    END AS delivered_tokens_rank,
    tokens_of(coalesce(
        mapped_delivered, nullif(streamed_output_tokens, ''), nullif(delivered_tokens, ''),
        first_filled(app[delivered_tokens]),
        first_filled(tagged[delivered_tokens])
    )) AS delivered_tokens,
    CASE
        WHEN mapped_rendered <> '' THEN 0 WHEN rendered_tokens <> '' THEN 1 WHEN rendered_output_tokens <> '' THEN 2
        WHEN tokens_rendered <> '' THEN 3
        WHEN app IS NOT NULL OR tagged IS NOT NULL THEN coalesce(
            filled_rank(app[rendered_tokens], 99),
            filled_rank(tagged[rendered_tokens], 199))
    END AS rendered_tokens_rank,
    tokens_of(coalesce(
        mapped_rendered, nullif(rendered_tokens, ''), nullif(rendered_output_tokens, ''), nullif(tokens_rendered, ''),
        first_filled(app[rendered_tokens]),
        first_filled(tagged[rendered_tokens])
    )) AS rendered_tokens,
    tokens_of(coalesce(rendered_chars, first_filled(app[rendered_chars])))
        AS rendered_chars,
    tokens_of(coalesce(rendered_chunks, first_filled(app[rendered_chunks])))
        AS rendered_chunks,
    tokens_of(max_tokens) AS max_tokens,
    usage_word(coalesce(usage_source, usage_basis)) AS usage_basis,
    bool_of(cache_hit) AS cache_hit,
    number_of(cost_usd) AS cost_usd,
    number_of(input_cost_usd) AS input_cost_usd,
    number_of(output_cost_usd) AS output_cost_usd,
    -- A word that is known goes before one that is not.
    list_reduce(list_transform([outcome, stream_status], lambda word: outcome_word(word)), lambda said, other:
        CASE WHEN coalesce(said, 'unrecognised') = 'unrecognised' THEN coalesce(other, said) ELSE said END)
        AS said_outcome,
    outcome_word(first_filled(app[outcome])) AS app_outcome,
    CASE WHEN len($map_cancelled) > 0 THEN bool_of(first_filled(json_extract_string(record, $map_cancelled)))
        WHEN coalesce(cancelled, canceled, aborted, client_disconnected) IS NOT NULL OR app IS NOT NULL
            THEN flag_of(list_concat([cancelled, canceled, aborted, client_disconnected],
                app[cancelled]))
        END AS cancel_flag,
    CASE WHEN error_type <> '' THEN true END AS failed,
    error_type <> '' AND says_cancelled(error_type) AS error_cancelled,
    error_type <> '' AND says_timeout(error_type) AS error_timeout,
    code_word(cancelled_by) AS cancelled_by,
    number_of(cancelled_at_ms) AS cancelled_at_ms,
    bool_of(upstream_cancelled) AS upstream_cancelled,
    number_of(upstream_end_ms) AS upstream_end_ms,
    code_word(coalesce(nullif(finish_reason, ''), nullif(stop_reason, ''))) AS finish_reason,
    try_cast(coalesce(http_status_code, http_status) AS INTEGER) AS http_status,
    coalesce(error_class(error_type), code_word(error_type)) AS error_type,
    CASE WHEN input_hash <> '' THEN md5($salt || input_hash) END AS input_hash,
    try_cast(output_chars AS BIGINT) AS output_chars,
    try_cast(visible_output_chars AS BIGINT) AS visible_output_chars,
    instant_utc(updated_at) AS source_updated_at
FROM found
"""

_READS = {
    "call_id": "request_id, call_id, id, span_id", "parent_id": "parent_span_id, parent_id",
    "model": "request_model, model, else response_model without its date", "session_id": "conversation_id, session_id",
    "service": "service_name, service", "operation": "operation_name, operation",
    "start_time": "start_time, start_time_unix_ns, _ms or _s, timestamp",
    "duration_ms": "duration_ms, else end_time - start_time",
    "end_time": "end_time, else start_time + duration_ms",
    "streamed": "stream, streamed; a usable TTFT proves it",
    "ttft_ms": "time_to_first_chunk_ms, ttft_ms, else the first of chunk_offsets_ms",
    "ttvt_ms": "time_to_first_output_token_ms, ttvt_ms",
    "server_ttft_ms": "server_time_to_first_token_ms, server_ttft_ms",
    "chunk_count": "chunk_count, else the number of chunk_offsets_ms",
    "cached_input_tokens": "cache_read_input_tokens, cached_input_tokens",
    "cache_write_tokens": "cache_write_input_tokens, cache_write_tokens",
    "reasoning_tokens": "reasoning_output_tokens, reasoning_tokens", "usage_basis": "usage_source, usage_basis",
    "finish_reason": "finish_reason, stop_reason", "http_status": "http_status_code, http_status",
    "source_updated_at": "updated_at",
}  # fmt: skip

_REMEDIES = {
    "duration": "write duration_ms, or end_time",
    "streamed": "write stream: true or false",
    "ttft": "write time_to_first_chunk_ms",
    "ttvt": "write time_to_first_output_token_ms",
    "chunk_times": "write chunk_offsets_ms, a list of milliseconds after start_time",
    "client_chunk_times": "write client_chunk_offsets_ms, the same as the client saw it",
    "usage": "write output_tokens from the provider's usage; OpenAI sends it only with stream_options.include_usage",
    "input_tokens": "write input_tokens",
    "reasoning": "write reasoning_output_tokens",
    "billed_at_cut": "write output_tokens of cut calls too: drain the stream, or fetch the provider's count later",
    "rendered": "write rendered_output_tokens, as the client reports it",
    "delivered": "write streamed_output_tokens, counted where you write to the client",
    "cancel_time": "write cancelled_at_ms",
    "provider_stop": "write upstream_end_ms, or upstream_cancelled",
    "outcome": "write outcome: completed, cancelled, timeout or error",
    "finish_reason": "write finish_reason",
    "http_status": "write http_status_code",
    "cost": "write cost_usd, or provider, response_model and both token counts, which price it",
    "tenant": "write tenant_id; --map tenant=PATH takes another key",
    "user": "write user_id",
    "session": "write conversation_id",
    "route": "write route",
    "deploy": "write service_version",
    "environment": "write environment",
    "region": "write region",
    "transport": "write transport: sse, websocket, grpc or http",
    "model": "write request_model",
    "provider": "write provider",
    "trace": "write trace_id and parent_span_id",
    "response_id": "write response_id",
    "logical_request": "write logical_request_id, the same for all attempts",
    "input_hash": "write input_hash",
}

SOURCE = Source(
    name="raw",
    version=4,
    recognise=_recognise,
    fields={
        **dict.fromkeys(_FIELDS, "VARCHAR"),
        **dict.fromkeys(
            ("metadata", "attributes", "extra", "tags", "chunk_offsets_ms", "client_chunk_offsets_ms", "chunk_tokens"),
            "JSON",
        ),
    },
    sql=placed(_SQL),
    top_keys={
        "tenant": (
            "tenant", "tenant_id", "tenant.id", "organization_id", "organizationId", "org_id", "customer_id",
            "account_id", "team_id",
        ),
        "route": ("route", "endpoint", "http.route", "feature"),
        "deploy": ("deploy", "service_version", "deployment_id", "release", "version", "app_version"),
        "rendered_tokens": ("rendered_tokens", "rendered_output_tokens", "tokens_rendered"),
        "delivered_tokens": ("streamed_output_tokens", "delivered_tokens"),
    },
    id_field="request_id",
    id_names="request",
    time_field="start_time",
    needs=(_ID, _START, _TELLING),
    reads=_READS,
    remedies=_REMEDIES,
)  # fmt: skip
