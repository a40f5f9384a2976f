"""Shared SQL of sources whose records are calls together with an application's own keys: the keyed columns, each from
the application's keys, its tags, or the format's own candidates, in this order.

A source prepares its records: ``line``, ``record``, ``kind``, columns of the staging table under their own names, and
in addition ``given`` (JSON with the application's keys), ``labels`` (key:value tags), ``own_tenants``, ``own_routes``,
``own_deploys`` and ``own_transports`` (the format's own candidates), and ``top_deploys`` (those that take precedence
over the application's keys). A column it does not name is NULL.

Parts of a cost are those before a discount: where they add up to more than the cost, each is its share of it.
"""

from streamaudit.ingest.sources._app_keys import expand_app_keys

# An output cap among the parameters of a request, by the names of OpenAI's two APIs, Anthropic, Gemini and Bedrock.
CAP_PATHS = (
    "/max_tokens", "/max_completion_tokens", "/max_output_tokens", "/maxTokens", "/maxOutputTokens",
    "/maxCompletionTokens", "/max_new_tokens", "/max_tokens_to_sample", "/generationConfig/maxOutputTokens",
    "/generation_config/max_output_tokens", "/config/maxOutputTokens", "/config/max_output_tokens",
    "/inferenceConfig/maxTokens",
)  # fmt: skip

_BLANK = """
SELECT
    NULL::BIGINT AS line, NULL::JSON AS record, NULL::VARCHAR AS kind, NULL::JSON AS given, NULL::VARCHAR[] AS labels,
    NULL::VARCHAR[] AS own_tenants, NULL::VARCHAR[] AS own_routes, NULL::VARCHAR[] AS own_deploys,
    NULL::VARCHAR[] AS top_deploys, NULL::VARCHAR[] AS own_transports,
    NULL::VARCHAR AS call_id, NULL::VARCHAR AS trace_id, NULL::VARCHAR AS parent_id,
    NULL::VARCHAR AS logical_request_id, NULL::INTEGER AS attempt_number, NULL::VARCHAR AS response_id,
    NULL::VARCHAR AS name, NULL::VARCHAR AS span_kind, NULL::VARCHAR AS model, NULL::VARCHAR AS response_model,
    NULL::VARCHAR AS provider, NULL::VARCHAR AS user_id, NULL::VARCHAR AS session_id, NULL::VARCHAR AS environment,
    NULL::VARCHAR AS service, NULL::VARCHAR AS operation, NULL::VARCHAR AS region, NULL::TIMESTAMP AS start_time,
    NULL::TIMESTAMP AS end_time, NULL::DOUBLE AS duration_ms, NULL::BOOLEAN AS streamed, NULL::DOUBLE AS ttft_ms,
    NULL::DOUBLE AS ttvt_ms, NULL::VARCHAR AS ttft_basis, NULL::BIGINT AS chunk_count,
    NULL::DOUBLE[] AS chunk_offsets_ms,
    NULL::BIGINT AS input_tokens, NULL::BIGINT AS cached_input_tokens, NULL::BIGINT AS cache_write_tokens,
    NULL::BIGINT AS output_tokens, NULL::BIGINT AS reasoning_tokens, NULL::BIGINT AS max_tokens,
    NULL::VARCHAR AS usage_basis, NULL::BOOLEAN AS cache_hit, NULL::DOUBLE AS cost_usd,
    NULL::DOUBLE AS input_cost_usd, NULL::DOUBLE AS output_cost_usd, NULL::VARCHAR AS app_outcome,
    NULL::BOOLEAN AS cancel_flag, NULL::BOOLEAN AS failed, NULL::BOOLEAN AS error_cancelled,
    NULL::BOOLEAN AS error_timeout, NULL::DOUBLE AS cancelled_at_ms, NULL::VARCHAR AS finish_reason,
    NULL::INTEGER AS http_status, NULL::VARCHAR AS error_type, NULL::VARCHAR AS input_hash,
    NULL::BIGINT AS output_chars,
    NULL::STRUCT(offset_chars BIGINT, offset_ms DOUBLE, marker VARCHAR)[] AS retractions,
    NULL::BIGINT AS cache_write_1h_tokens, NULL::BIGINT AS audio_input_tokens, NULL::BIGINT AS image_tokens,
    NULL::BIGINT AS audio_output_tokens, NULL::VARCHAR AS service_tier, NULL::BIGINT AS total_tokens,
    NULL::STRUCT(stage VARCHAR, ms DOUBLE)[] AS stages, NULL::BOOLEAN AS interrupted,
    NULL::TIMESTAMP AS source_updated_at
WHERE false
"""
_KEYED = """
WITH prepared AS ({prepared} UNION ALL BY NAME {blank}), keyed AS (
    SELECT
        *,
        filled(json_extract_string(given, $app_paths)) AS app,
        CASE WHEN labels IS NOT NULL THEN tag_values(labels, $tag_keys) END AS tagged,
        least(1.0, cost_usd / nullif(coalesce(input_cost_usd, 0) + coalesce(output_cost_usd, 0), 0)) AS paid_share,
        -- No call has neither: what was not counted, as of a stream whose usage was not seen, is written as 0.
        coalesce(kind = 'llm' AND input_tokens = 0 AND output_tokens = 0, false)
            AND coalesce(cached_input_tokens, 0) = 0 AND coalesce(reasoning_tokens, 0) = 0
            AND usage_basis IS DISTINCT FROM 'provider'
            AND NOT coalesce(cache_hit, bool_of(first_filled(app[cache_hit])), false) AS is_blank
    FROM prepared
)
SELECT
    line, record, kind, call_id, trace_id, parent_id,
    coalesce(logical_request_id, first_filled(app[logical_request_id]))
        AS logical_request_id,
    coalesce(attempt_number, try_cast(first_filled(app[attempt_number]) AS INTEGER))
        AS attempt_number,
    coalesce(response_id, first_filled(app[response_id])) AS response_id,
    name, span_kind,
    model, response_model, provider,
    coalesce(
        filled_rank(app[tenant], 99),
        filled_rank(tagged[tenant], 199), filled_rank(own_tenants, 299)
    ) AS tenant_rank,
    coalesce(
        first_filled(app[tenant]),
        first_filled(tagged[tenant]), first_filled(own_tenants)
    ) AS tenant,
    coalesce(
        filled_rank(app[route], 99),
        filled_rank(tagged[route], 199), filled_rank(own_routes, 299)
    ) AS route_rank,
    coalesce(
        first_filled(app[route]),
        first_filled(tagged[route]), first_filled(own_routes)
    ) AS route,
    coalesce(
        filled_rank(top_deploys, 0),
        filled_rank(app[deploy], 99),
        filled_rank(tagged[deploy], 199), filled_rank(own_deploys, 299)
    ) AS deploy_rank,
    coalesce(
        first_filled(top_deploys), first_filled(app[deploy]),
        first_filled(tagged[deploy]), first_filled(own_deploys)
    ) AS deploy,
    user_id, session_id, environment, service, operation,
    coalesce(region, first_filled(app[region]), first_filled(tagged[region])) AS region,
    coalesce(transport_of(list_concat(app[transport], list_concat(tagged[transport], own_transports))),
        app[transport][1], tagged[transport][1]) AS transport,
    start_time, end_time, duration_ms,
    coalesce(streamed, bool_of(first_filled(app[stream]))) AS streamed,
    ttft_ms,
    coalesce(ttvt_ms, number_of(first_filled(app[ttvt_ms]))) AS ttvt_ms,
    ttft_basis, chunk_count, chunk_offsets_ms,
    -- No model answers a prompt of no tokens: with an answer, a 0 is a count that was not known.
    CASE WHEN NOT is_blank AND NOT coalesce(input_tokens = 0 AND output_tokens > 0 AND kind = 'llm', false)
        THEN input_tokens END AS input_tokens,
    cached_input_tokens, cache_write_tokens, cache_write_1h_tokens, audio_input_tokens, image_tokens,
    CASE WHEN NOT is_blank THEN output_tokens END AS output_tokens, audio_output_tokens,
    CASE WHEN NOT is_blank THEN reasoning_tokens END AS reasoning_tokens,
    coalesce(
        filled_rank(app[delivered_tokens], 99),
        filled_rank(tagged[delivered_tokens], 199)
    ) AS delivered_tokens_rank,
    tokens_of(coalesce(
        first_filled(app[delivered_tokens]),
        first_filled(tagged[delivered_tokens])
    )) AS delivered_tokens,
    coalesce(
        filled_rank(app[rendered_tokens], 99),
        filled_rank(tagged[rendered_tokens], 199)
    ) AS rendered_tokens_rank,
    tokens_of(coalesce(
        first_filled(app[rendered_tokens]),
        first_filled(tagged[rendered_tokens])
    )) AS rendered_tokens,
    tokens_of(first_filled(app[rendered_chars])) AS rendered_chars,
    tokens_of(first_filled(app[rendered_chunks])) AS rendered_chunks,
    coalesce(max_tokens, tokens_of(first_filled(app[max_tokens]))) AS max_tokens,
    -- Who counted does not make a whole of what the record has a part of.
    CASE WHEN usage_basis = 'partial' THEN usage_basis
        ELSE coalesce(usage_word(first_filled(app[usage_source])), usage_basis) END AS usage_basis,
    coalesce(cache_hit, bool_of(first_filled(app[cache_hit]))) AS cache_hit,
    -- Nor is the price of a usage that was not counted.
    CASE WHEN NOT (is_blank AND cost_usd = 0) THEN cost_usd END AS cost_usd,
    CASE WHEN NOT (is_blank AND input_cost_usd = 0) THEN input_cost_usd * coalesce(paid_share, 1) END
        AS input_cost_usd,
    CASE WHEN NOT (is_blank AND output_cost_usd = 0) THEN output_cost_usd * coalesce(paid_share, 1) END
        AS output_cost_usd,
    coalesce(outcome_word(coalesce(
        first_filled(app[outcome]), first_filled(tagged[outcome])
    )), app_outcome) AS app_outcome,
    flag_of(list_concat([CAST(cancel_flag AS VARCHAR)], list_concat(app[cancelled], tagged[cancelled]))) AS cancel_flag,
    failed, error_cancelled, error_timeout,
    code_word(first_filled(app[cancelled_by])) AS cancelled_by,
    coalesce(cancelled_at_ms, number_of(first_filled(app[cancelled_at_ms]))) AS cancelled_at_ms,
    bool_of(first_filled(app[upstream_cancelled])) AS upstream_cancelled,
    number_of(first_filled(app[upstream_end_ms])) AS upstream_end_ms,
    coalesce(code_word(finish_reason), code_word(first_filled(app[finish_reason])))
        AS finish_reason,
    coalesce(http_status, try_cast(first_filled(app[http_status]) AS INTEGER))
        AS http_status,
    code_word(error_type) AS error_type, input_hash, output_chars, output_chars AS visible_output_chars,
    retractions, stages, interrupted,
    -- A tier that was only requested is not the one that served.
    CASE WHEN lower(service_tier) <> 'auto' THEN service_tier END AS service_tier, total_tokens, source_updated_at
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
"""Advice on what to record, for columns that come from an application's own keys."""


def normalise(prepared: str) -> str:
    """Return the SQL of a source from the SELECT that prepares its records."""
    return expand_app_keys(_KEYED.replace("{prepared}", prepared).replace("{blank}", _BLANK))
