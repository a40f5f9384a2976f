"""What sources share whose records are calls with an application's own keys beside them: the keyed columns, each from
the user's mapping, the application's keys, its tags, or the format's own candidates, in this order.

A source prepares its records: ``line``, ``record``, ``kind``, columns of the staging table under their own names, and
beside them ``given`` (JSON with the application's keys), ``labels`` (key:value tags), and ``own_tenants``,
``own_routes`` and ``own_deploys`` (the format's own candidates). What it does not name is NULL.
"""

_BLANK = """
SELECT
    NULL::BIGINT AS line, NULL::JSON AS record, NULL::VARCHAR AS kind, NULL::JSON AS given, NULL::VARCHAR[] AS labels,
    NULL::VARCHAR[] AS own_tenants, NULL::VARCHAR[] AS own_routes, NULL::VARCHAR[] AS own_deploys,
    NULL::VARCHAR AS call_id, NULL::VARCHAR AS trace_id, NULL::VARCHAR AS parent_id,
    NULL::VARCHAR AS logical_request_id, NULL::INTEGER AS attempt_number, NULL::VARCHAR AS response_id,
    NULL::VARCHAR AS name, NULL::VARCHAR AS span_kind, NULL::VARCHAR AS model, NULL::VARCHAR AS response_model,
    NULL::VARCHAR AS provider, NULL::VARCHAR AS user_id, NULL::VARCHAR AS session_id, NULL::VARCHAR AS environment,
    NULL::VARCHAR AS service, NULL::VARCHAR AS region, NULL::TIMESTAMP AS start_time, NULL::TIMESTAMP AS end_time,
    NULL::DOUBLE AS duration_ms, NULL::BOOLEAN AS streamed, NULL::DOUBLE AS ttft_ms, NULL::DOUBLE AS ttvt_ms,
    NULL::VARCHAR AS ttft_basis, NULL::BIGINT AS chunk_count, NULL::DOUBLE[] AS chunk_offsets_ms,
    NULL::BIGINT AS input_tokens, NULL::BIGINT AS cached_input_tokens, NULL::BIGINT AS cache_write_tokens,
    NULL::BIGINT AS output_tokens, NULL::BIGINT AS reasoning_tokens, NULL::BIGINT AS max_tokens,
    NULL::VARCHAR AS usage_basis, NULL::BOOLEAN AS cache_hit, NULL::DOUBLE AS cost_usd,
    NULL::DOUBLE AS input_cost_usd, NULL::DOUBLE AS output_cost_usd, NULL::VARCHAR AS app_outcome,
    NULL::BOOLEAN AS cancel_flag, NULL::BOOLEAN AS failed, NULL::BOOLEAN AS error_cancelled,
    NULL::BOOLEAN AS error_timeout, NULL::VARCHAR AS finish_reason, NULL::INTEGER AS http_status,
    NULL::VARCHAR AS error_type, NULL::VARCHAR AS input_hash, NULL::BIGINT AS output_chars
WHERE false
"""
_KEYED = """
WITH prepared AS ({prepared} UNION ALL BY NAME {blank}), keyed AS (
    SELECT
        *,
        json_extract_string(given, $app_paths) AS app,
        CASE WHEN labels IS NOT NULL THEN tag_values(labels, $tag_keys) END AS tagged
    FROM prepared
)
SELECT
    line, kind, call_id, trace_id, parent_id,
    coalesce(logical_request_id, first_filled(app[$app_logical_request_id_from:$app_logical_request_id_to]))
        AS logical_request_id,
    coalesce(attempt_number, try_cast(first_filled(app[$app_attempt_number_from:$app_attempt_number_to]) AS INTEGER))
        AS attempt_number,
    coalesce(response_id, first_filled(app[$app_response_id_from:$app_response_id_to])) AS response_id,
    name, span_kind,
    coalesce(first_filled(json_extract_string(record, $map_model)), CASE WHEN len($map_model) = 0 THEN model END)
        AS model,
    response_model, provider,
    coalesce(
        filled_rank(json_extract_string(record, $map_tenant), -1) * 0,
        filled_rank(app[$app_tenant_from:$app_tenant_to], 99),
        filled_rank(tagged[$tag_tenant_from:$tag_tenant_to], 199), filled_rank(own_tenants, 299)
    ) AS tenant_rank,
    coalesce(
        first_filled(json_extract_string(record, $map_tenant)), first_filled(app[$app_tenant_from:$app_tenant_to]),
        first_filled(tagged[$tag_tenant_from:$tag_tenant_to]), first_filled(own_tenants)
    ) AS tenant,
    coalesce(
        filled_rank(json_extract_string(record, $map_route), -1) * 0,
        filled_rank(app[$app_route_from:$app_route_to], 99),
        filled_rank(tagged[$tag_route_from:$tag_route_to], 199), filled_rank(own_routes, 299)
    ) AS route_rank,
    coalesce(
        first_filled(json_extract_string(record, $map_route)), first_filled(app[$app_route_from:$app_route_to]),
        first_filled(tagged[$tag_route_from:$tag_route_to]), first_filled(own_routes)
    ) AS route,
    coalesce(
        filled_rank(json_extract_string(record, $map_deploy), -1) * 0,
        filled_rank(app[$app_deploy_from:$app_deploy_to], 99),
        filled_rank(tagged[$tag_deploy_from:$tag_deploy_to], 199), filled_rank(own_deploys, 299)
    ) AS deploy_rank,
    coalesce(
        first_filled(json_extract_string(record, $map_deploy)), first_filled(app[$app_deploy_from:$app_deploy_to]),
        first_filled(tagged[$tag_deploy_from:$tag_deploy_to]), first_filled(own_deploys)
    ) AS deploy,
    coalesce(first_filled(json_extract_string(record, $map_user_id)), CASE WHEN len($map_user_id) = 0 THEN user_id END)
        AS user_id,
    coalesce(first_filled(json_extract_string(record, $map_session_id)),
        CASE WHEN len($map_session_id) = 0 THEN session_id END) AS session_id,
    coalesce(first_filled(json_extract_string(record, $map_environment)),
        CASE WHEN len($map_environment) = 0 THEN environment END) AS environment,
    coalesce(first_filled(json_extract_string(record, $map_service)), CASE WHEN len($map_service) = 0 THEN service END)
        AS service,
    coalesce(first_filled(json_extract_string(record, $map_region)), CASE WHEN len($map_region) = 0 THEN
        coalesce(region, first_filled(app[$app_region_from:$app_region_to]),
            first_filled(tagged[$tag_region_from:$tag_region_to])) END) AS region,
    coalesce(first_filled(json_extract_string(record, $map_transport)), CASE WHEN len($map_transport) = 0 THEN
        coalesce(first_filled(app[$app_transport_from:$app_transport_to]),
            first_filled(tagged[$tag_transport_from:$tag_transport_to])) END) AS transport,
    start_time, end_time, duration_ms,
    coalesce(streamed, bool_of(first_filled(app[$app_stream_from:$app_stream_to]))) AS streamed,
    ttft_ms,
    coalesce(ttvt_ms, number_of(first_filled(app[$app_ttvt_ms_from:$app_ttvt_ms_to]))) AS ttvt_ms,
    ttft_basis, chunk_count, chunk_offsets_ms,
    input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens,
    coalesce(
        filled_rank(json_extract_string(record, $map_delivered_tokens), -1) * 0,
        filled_rank(app[$app_delivered_tokens_from:$app_delivered_tokens_to], 99),
        filled_rank(tagged[$tag_delivered_tokens_from:$tag_delivered_tokens_to], 199)
    ) AS delivered_tokens_rank,
    tokens_of(coalesce(
        first_filled(json_extract_string(record, $map_delivered_tokens)),
        first_filled(app[$app_delivered_tokens_from:$app_delivered_tokens_to]),
        first_filled(tagged[$tag_delivered_tokens_from:$tag_delivered_tokens_to])
    )) AS delivered_tokens,
    coalesce(
        filled_rank(json_extract_string(record, $map_rendered_tokens), -1) * 0,
        filled_rank(app[$app_rendered_tokens_from:$app_rendered_tokens_to], 99),
        filled_rank(tagged[$tag_rendered_tokens_from:$tag_rendered_tokens_to], 199)
    ) AS rendered_tokens_rank,
    tokens_of(coalesce(
        first_filled(json_extract_string(record, $map_rendered_tokens)),
        first_filled(app[$app_rendered_tokens_from:$app_rendered_tokens_to]),
        first_filled(tagged[$tag_rendered_tokens_from:$tag_rendered_tokens_to])
    )) AS rendered_tokens,
    tokens_of(first_filled(app[$app_rendered_chars_from:$app_rendered_chars_to])) AS rendered_chars,
    tokens_of(first_filled(app[$app_rendered_chunks_from:$app_rendered_chunks_to])) AS rendered_chunks,
    coalesce(max_tokens, tokens_of(first_filled(app[$app_max_tokens_from:$app_max_tokens_to]))) AS max_tokens,
    coalesce(usage_word(first_filled(app[$app_usage_source_from:$app_usage_source_to])), usage_basis) AS usage_basis,
    coalesce(cache_hit, bool_of(first_filled(app[$app_cache_hit_from:$app_cache_hit_to]))) AS cache_hit,
    cost_usd, input_cost_usd, output_cost_usd,
    coalesce(outcome_word(coalesce(
        first_filled(app[$app_outcome_from:$app_outcome_to]), first_filled(tagged[$tag_outcome_from:$tag_outcome_to])
    )), app_outcome) AS app_outcome,
    CASE WHEN len($map_cancelled) > 0 THEN bool_of(first_filled(json_extract_string(record, $map_cancelled)))
        ELSE flag_of(list_concat([CAST(cancel_flag AS VARCHAR)], list_concat(
            app[$app_cancelled_from:$app_cancelled_to], tagged[$tag_cancelled_from:$tag_cancelled_to]
        ))) END AS cancel_flag,
    failed, error_cancelled, error_timeout,
    code_word(first_filled(app[$app_cancelled_by_from:$app_cancelled_by_to])) AS cancelled_by,
    number_of(first_filled(app[$app_cancelled_at_ms_from:$app_cancelled_at_ms_to])) AS cancelled_at_ms,
    bool_of(first_filled(app[$app_upstream_cancelled_from:$app_upstream_cancelled_to])) AS upstream_cancelled,
    number_of(first_filled(app[$app_upstream_end_ms_from:$app_upstream_end_ms_to])) AS upstream_end_ms,
    coalesce(code_word(finish_reason), code_word(first_filled(app[$app_finish_reason_from:$app_finish_reason_to])))
        AS finish_reason,
    coalesce(http_status, try_cast(first_filled(app[$app_http_status_from:$app_http_status_to]) AS INTEGER))
        AS http_status,
    code_word(error_type) AS error_type, input_hash, output_chars, output_chars AS visible_output_chars
FROM keyed
"""

LEARNT = {
    "tenant": "set tenant_id in the metadata you send; --map tenant=PATH takes another key",
    "route": "set route in the metadata you send",
    "deploy": "set release in the metadata you send",
    "rendered": "set rendered_tokens to what the client showed, or join evidence of it by id",
    "delivered": "set delivered_tokens",
    "chunk_times": "it keeps none: log chunk_offsets_ms in JSON lines of your own",
    "client_chunk_times": "it keeps none: log client_chunk_offsets_ms in JSON lines of your own",
    "cancel_time": "set cancelled_at_ms",
    "provider_stop": "set upstream_end_ms",
    "transport": "set transport",
    "region": "set region",
}
"""What to record, where an application's own keys say it."""


def normalise(prepared: str) -> str:
    """The SQL of a source from the SELECT that prepares its records."""
    return _KEYED.replace("{prepared}", prepared).replace("{blank}", _BLANK)
