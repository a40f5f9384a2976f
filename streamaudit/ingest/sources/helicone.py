"""Helicone requests: what its export tool or its request query gives, as JSON lines, JSON or CSV, and rows of its own
table, ``request_response_rmt``, as HQL or a self-hosted ClickHouse gives them.

Times are milliseconds. A negative status is Helicone's own: -1 a time-out, -2 pending, -3 a client that left; its
zeros are counts that Helicone does not know (docs.helicone.ai, export tool and REST reference; Helicone/helicone,
ResponseBodyHandler, statusBadge, LoggingHandler).

``prompt_tokens`` leave out what was read from and written to the provider's cache, for most providers and versions;
``total_tokens`` has all of it and decides (Helicone/helicone 4655, 5606). Costs of the table are whole billionths of a
dollar (Helicone/helicone, packages/cost, ``COST_PRECISION_MULTIPLIER``).
"""

from collections.abc import Sequence

from streamaudit.ingest.sources._common import CAP_PATHS, LEARNT, normalise
from streamaudit.ingest.sources.registry import Match, Record, Source

_TEXT = (
    "request_id", "response_id", "request_created_at", "response_created_at", "request_path", "response_status",
    "request_model", "model_override", "response_model", "model", "provider", "delay_ms", "time_to_first_token",
    "prompt_tokens", "completion_tokens", "total_tokens", "reasoning_tokens", "prompt_cache_read_tokens",
    "prompt_cache_write_tokens", "prompt_audio_tokens", "completion_audio_tokens", "cost", "costUSD",
    "request_user_id", "helicone_user", "cache_enabled", "cache_reference_id", "target_url", "latency", "status",
    "user_id",
)  # fmt: skip
_JSON = ("request_properties", "properties", "request_body", "response_body")
_NO_CACHE = "00000000-0000-0000-0000-000000000000"


def _recognise(head: Sequence[Record]) -> Match | None:
    for record in head:
        if "delay_ms" in record and "request_created_at" in record:
            return Match("requests", "delay_ms + request_created_at")
        if {"latency", "request_created_at", "request_id"} <= record.keys():
            return Match("table", "latency + request_created_at")
    return None


_PREPARED = """
    WITH opened AS (
        SELECT * EXCLUDE (status),
            opened(coalesce(request_properties, properties)) AS props, opened(request_body) AS asked,
            opened(response_body) AS answer, instant_utc(nullif(request_created_at, '')) AS began,
            number_of(coalesce(delay_ms, latency)) AS took_ms, number_of(time_to_first_token) AS first_ms,
            try_cast(number_of(coalesce(response_status, status)) AS INTEGER) AS status,
            CASE WHEN delay_ms IS NULL AND latency IS NOT NULL AND regexp_full_match(cost, '\\d+')
                THEN 1e9 ELSE 1 END AS per_dollar,
            coalesce(nullif(cache_reference_id, ''), '{no_cache}') <> '{no_cache}' AS is_cached
        FROM records
    ), typed AS (
        SELECT *, bool_of(asked->>'stream') AS stream_flag, code_word(answer->>'$.error.type') AS fault,
            abs(took_ms - first_ms) <= greatest(0.01 * took_ms, 5) AS first_is_end,
            -- Zeros with a status of Helicone's own, or with a failure, are unknown counts.
            coalesce(status < 0 OR status >= 400, false) AND coalesce(tokens_of(prompt_tokens), 0) = 0
                AND coalesce(tokens_of(completion_tokens), 0) = 0 AS is_uncounted,
            CASE WHEN NOT is_uncounted THEN tokens_of(prompt_tokens)::HUGEINT END AS prompt,
            CASE WHEN NOT (coalesce(status < 0 OR status = 499, false) AND tokens_of(completion_tokens) = 0)
                AND NOT is_uncounted
                THEN tokens_of(completion_tokens) END AS completion,
            nullif(tokens_of(total_tokens), 0) AS total,
            CASE WHEN NOT is_uncounted THEN tokens_of(prompt_cache_read_tokens) END AS cached,
            CASE WHEN NOT is_uncounted THEN tokens_of(prompt_cache_write_tokens) END AS written,
            coalesce(cached, 0)::HUGEINT + coalesce(written, 0) AS around
        FROM opened
    ), weighed AS (
        SELECT *,
            -- Whether the cache is left out of the input: the total decides; what exceeds the input cannot be in it.
            CASE WHEN around = 0 THEN false
                WHEN around > prompt THEN true
                WHEN total IS NOT NULL AND total = prompt + around + coalesce(completion, 0) THEN true
                WHEN total IS NOT NULL AND total = prompt + coalesce(completion, 0) THEN false
            END AS is_left_out
        FROM typed
    )
    SELECT
        line, record,
        CASE WHEN request_id IS NULL AND request_created_at IS NULL THEN NULL
            WHEN request_path ILIKE '%embedding%' THEN 'embedding' ELSE 'llm' END AS kind,
        props AS given, [path_only(nullif(props->>'$."Helicone-Session-Path"', '')), path_only(nullif(request_path,
            ''))]
            AS own_routes,
        [target_url, request_path] AS own_transports,
        nullif(request_id, '') AS call_id, nullif(props->>'$."Helicone-Session-Id"', '') AS trace_id,
        nullif(response_id, '') AS response_id, request_path AS name,
        undated(coalesce(nullif(model_override, ''), nullif(request_model, ''), nullif(model, ''))) AS model,
        coalesce(nullif(response_model, ''), nullif(model, '')) AS response_model, lower(nullif(provider, ''))
            AS provider,
        coalesce(nullif(request_user_id, ''), nullif(helicone_user, ''),
            nullif(user_id, '')) AS user_id,
        coalesce(props->>'$."Helicone-Session-Id"', props->>'session', props->>'session_id') AS session_id,
        coalesce(props->>'environment', props->>'Environment') AS environment, props->>'service' AS service,
        began AS start_time,
        coalesce(instant_utc(nullif(response_created_at, '')),
            later_by(began, took_ms)) AS end_time,
        took_ms AS duration_ms, stream_flag AS streamed,
        CASE WHEN NOT coalesce(first_is_end AND stream_flag IS DISTINCT FROM true, false) THEN first_ms END AS ttft_ms,
        CASE WHEN first_is_end AND stream_flag IS DISTINCT FROM true THEN 'equals_duration' END AS ttft_basis,
        try_cast(CASE WHEN is_left_out THEN prompt + around WHEN NOT is_left_out THEN prompt END AS BIGINT)
            AS input_tokens,
        completion AS output_tokens, cached AS cached_input_tokens, written AS cache_write_tokens,
        CASE WHEN NOT is_uncounted THEN tokens_of(reasoning_tokens) END AS reasoning_tokens,
        nullif(tokens_of(prompt_audio_tokens), 0) AS audio_input_tokens,
        nullif(tokens_of(completion_audio_tokens), 0) AS audio_output_tokens, total AS total_tokens,
        coalesce(answer->>'$.usage.service_tier', answer->>'service_tier') AS service_tier,
        tokens_of(answer->>'$.usage.cache_creation.ephemeral_1h_input_tokens') AS cache_write_1h_tokens,
        tokens_of(first_filled(json_extract_string(asked, {cap_paths}))) AS max_tokens,
        CASE WHEN is_cached THEN true END AS cache_hit,
        -- Helicone's own cache answers for nothing.
        CASE WHEN is_cached THEN 0
            ELSE nullif(first_count([number_of(costUSD), number_of(cost) / per_dollar]), 0) END AS cost_usd,
        CASE WHEN status BETWEEN 200 AND 299 AND fault IS NULL THEN 'completed' END AS app_outcome,
        (status BETWEEN 400 AND 599 AND status <> 499) OR fault IS NOT NULL OR status IN (-1, -3) AS failed,
        coalesce(status = -3, false) OR says_cancelled(fault) AS error_cancelled,
        coalesce(status = -1, false) OR says_timeout(fault) AS error_timeout,
        CASE WHEN status BETWEEN 100 AND 599 THEN status END AS http_status,
        fault AS error_type,
        answer->>'$.choices[0].finish_reason' AS finish_reason,
        CASE WHEN (asked->'messages') IS NOT NULL THEN md5($salt || (asked->'messages')::VARCHAR) END AS input_hash,
        nullif(length(answer->>'$.choices[0].message.content'), 0) AS output_chars,
        corrections_of(answer->>'$.choices[0].message.content') AS retractions
    FROM weighed
""".replace("{no_cache}", _NO_CACHE).replace("{cap_paths}", str(list(CAP_PATHS)))

_READS = {
    "call_id": "request_id", "trace_id": "the property Helicone-Session-Id", "response_id": "response_id",
    "model": "model_override, request_model, model, without its date", "response_model": "response_model, model",
    "provider": "provider", "transport": "the property transport; target_url, request_path: the scheme, or realtime",
    "user_id": "request_user_id, helicone_user, user_id",
    "session_id": "the properties Helicone-Session-Id, session, session_id",
    "environment": "the property environment", "service": "the property service",
    "start_time": "request_created_at", "end_time": "response_created_at", "duration_ms": "delay_ms, latency",
    "streamed": "request_body.stream; a usable TTFT proves it", "ttft_ms": "time_to_first_token",
    "input_tokens": "prompt_tokens, and the cache where total_tokens says that they leave it out",
    "output_tokens": "completion_tokens",
    "cached_input_tokens": "prompt_cache_read_tokens", "cache_write_tokens": "prompt_cache_write_tokens",
    "max_tokens": "request_body.max_tokens", "cache_hit": "cache_reference_id", "cost_usd": "costUSD, cost",
    "http_status": "response_status, status", "error_type": "response_body.error.type",
    "finish_reason": "response_body.choices[0].finish_reason", "output_chars": "length of the answer in response_body",
    "visible_output_chars": "length of the answer in response_body",
}  # fmt: skip

_REMEDIES = {
    **LEARNT,
    "tenant": "send the header Helicone-Property-tenant_id; --map tenant=PATH takes another property",
    "route": "send the header Helicone-Property-route; until then the request's path is used",
    "deploy": "send the header Helicone-Property-release",
    "rendered": "send the property rendered_tokens once the client has shown its answer, or join evidence by id",
    "streamed": "export request_body too: it says whether a call streamed",
    "ttft": "Helicone measures it for streams that pass through its gateway",
    "outcome": "export response_status, or send the property outcome",
    "usage": "ask for stream_options.include_usage",
    "billed_at_cut": "a cut stream's completion_tokens stay unknown: join the provider's count as evidence",
    "finish_reason": "export response_body too",
    "cost": "Helicone prices models that it knows; provider, model and token counts price the others",
    "user": "send the header Helicone-User-Id",
    "session": "send the header Helicone-Session-Id",
    "environment": "send the header Helicone-Property-environment",
    "logical_request": "send the property logical_request_id",
}

SOURCE = Source(
    name="helicone",
    version=8,
    recognise=_recognise,
    fields={**dict.fromkeys(_TEXT, "VARCHAR"), **dict.fromkeys(_JSON, "JSON")},
    sql=normalise(_PREPARED),
    own_keys={"route": ("properties.Helicone-Session-Path", "request_path")},
    id_field="request_id",
    has_total=True,
    time_field="request_created_at",
    needs=(("delay_ms", "latency"), ("request_created_at",)),
    reads=_READS,
    remedies=_REMEDIES,
)
