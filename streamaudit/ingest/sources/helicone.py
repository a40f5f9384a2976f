"""Helicone requests: what its export tool or its request query gives, as JSON lines, JSON or CSV.

Times are milliseconds; a status below 100 is Helicone's own code (docs.helicone.ai, export tool and REST reference;
Helicone/helicone, request types).
"""

from collections.abc import Sequence

from streamaudit.ingest.sources._common import LEARNT, normalise
from streamaudit.ingest.sources.registry import Match, Record, Source

_TEXT = (
    "request_id", "response_id", "request_created_at", "response_created_at", "request_path", "response_status",
    "request_model", "model_override", "response_model", "model", "provider", "delay_ms", "time_to_first_token",
    "prompt_tokens", "completion_tokens", "reasoning_tokens", "prompt_cache_read_tokens", "prompt_cache_write_tokens",
    "cost", "costUSD", "request_user_id", "helicone_user", "cache_enabled", "cache_reference_id",
)  # fmt: skip
_JSON = ("request_properties", "properties", "request_body", "response_body")
_NO_CACHE = "00000000-0000-0000-0000-000000000000"


def _recognise(head: Sequence[Record]) -> Match | None:
    for record in head:
        if "delay_ms" in record and "request_created_at" in record:
            return Match("requests", "delay_ms + request_created_at")
    return None


_PREPARED = """
    WITH opened AS (
        SELECT *,
            opened(coalesce(request_properties, properties)) AS props, opened(request_body) AS asked,
            opened(response_body) AS said, instant_utc(nullif(request_created_at, '')) AS began,
            number_of(delay_ms) AS took_ms, number_of(time_to_first_token) AS first_ms,
            try_cast(number_of(response_status) AS INTEGER) AS status,
            coalesce(nullif(cache_reference_id, ''), '{no_cache}') <> '{no_cache}' AS is_cached
        FROM records
    ), told AS (
        SELECT *, bool_of(asked->>'stream') AS stream_flag, code_word(said->>'$.error.type') AS fault,
            abs(took_ms - first_ms) <= greatest(0.01 * took_ms, 5) AS first_is_end
        FROM opened
    )
    SELECT
        line, record,
        CASE WHEN request_id IS NULL AND request_created_at IS NULL THEN NULL
            WHEN request_path ILIKE '%embedding%' THEN 'embedding' ELSE 'llm' END AS kind,
        props AS given, [path_only(nullif(props->>'$."Helicone-Session-Path"', '')), path_only(nullif(request_path,
            ''))]
            AS own_routes,
        nullif(request_id, '') AS call_id, nullif(props->>'$."Helicone-Session-Id"', '') AS trace_id,
        nullif(response_id, '') AS response_id, request_path AS name,
        undated(coalesce(nullif(model_override, ''), nullif(request_model, ''), nullif(model, ''))) AS model,
        coalesce(nullif(response_model, ''), nullif(model, '')) AS response_model, lower(nullif(provider, ''))
            AS provider,
        coalesce(nullif(request_user_id, ''), nullif(helicone_user, '')) AS user_id,
        coalesce(props->>'$."Helicone-Session-Id"', props->>'session', props->>'session_id') AS session_id,
        coalesce(props->>'environment', props->>'Environment') AS environment, props->>'service' AS service,
        began AS start_time,
        coalesce(instant_utc(nullif(response_created_at, '')),
            began + to_microseconds(try_cast(round(took_ms * 1000) AS BIGINT))) AS end_time,
        took_ms AS duration_ms, stream_flag AS streamed,
        CASE WHEN NOT coalesce(first_is_end AND stream_flag IS DISTINCT FROM true, false) THEN first_ms END AS ttft_ms,
        CASE WHEN first_is_end AND stream_flag IS DISTINCT FROM true THEN 'equals_duration' END AS ttft_basis,
        tokens_of(prompt_tokens) AS input_tokens, tokens_of(completion_tokens) AS output_tokens,
        tokens_of(prompt_cache_read_tokens) AS cached_input_tokens,
        tokens_of(prompt_cache_write_tokens) AS cache_write_tokens, tokens_of(reasoning_tokens) AS reasoning_tokens,
        tokens_of(coalesce(asked->>'max_tokens', asked->>'max_completion_tokens')) AS max_tokens,
        CASE WHEN is_cached THEN true END AS cache_hit,
        CASE WHEN number_of(coalesce(costUSD, cost)) > 0 THEN number_of(coalesce(costUSD, cost)) END AS cost_usd,
        CASE WHEN status BETWEEN 200 AND 299 AND fault IS NULL THEN 'completed' END AS app_outcome,
        (status BETWEEN 400 AND 599 AND status <> 499) OR fault IS NOT NULL AS failed,
        says_cancelled(fault) AS error_cancelled, says_timeout(fault) AS error_timeout,
        CASE WHEN status BETWEEN 100 AND 599 THEN status END AS http_status,
        fault AS error_type,
        said->>'$.choices[0].finish_reason' AS finish_reason,
        CASE WHEN (asked->'messages') IS NOT NULL THEN md5($salt || (asked->'messages')::VARCHAR) END AS input_hash,
        nullif(length(said->>'$.choices[0].message.content'), 0) AS output_chars
    FROM told
""".replace("{no_cache}", _NO_CACHE)

_READS = {
    "call_id": "request_id", "trace_id": "the property Helicone-Session-Id", "response_id": "response_id",
    "model": "model_override, request_model, model, without its date", "response_model": "response_model, model",
    "provider": "provider", "user_id": "request_user_id, helicone_user",
    "session_id": "the properties Helicone-Session-Id, session, session_id",
    "environment": "the property environment", "service": "the property service",
    "start_time": "request_created_at", "end_time": "response_created_at", "duration_ms": "delay_ms",
    "streamed": "request_body.stream; a usable TTFT proves it", "ttft_ms": "time_to_first_token",
    "input_tokens": "prompt_tokens", "output_tokens": "completion_tokens",
    "cached_input_tokens": "prompt_cache_read_tokens", "cache_write_tokens": "prompt_cache_write_tokens",
    "max_tokens": "request_body.max_tokens", "cache_hit": "cache_reference_id", "cost_usd": "costUSD, cost",
    "http_status": "response_status", "error_type": "response_body.error.type",
    "finish_reason": "response_body.choices[0].finish_reason", "output_chars": "length of the answer in response_body",
    "visible_output_chars": "length of the answer in response_body",
}  # fmt: skip

_REMEDIES = {
    **LEARNT,
    "tenant": "send the header Helicone-Property-tenant_id; --map tenant=PATH takes another property",
    "route": "send the header Helicone-Property-route; until then the request's path stands for it",
    "deploy": "send the header Helicone-Property-release",
    "rendered": "send the property rendered_tokens once the client has shown its answer, or join evidence by id",
    "streamed": "export request_body too: it says whether a call streamed",
    "ttft": "Helicone measures it for streams that pass through its gateway",
    "outcome": "send the property outcome: what a client's leaving looks like is not documented",
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
    version=2,
    recognise=_recognise,
    fields={**dict.fromkeys(_TEXT, "VARCHAR"), **dict.fromkeys(_JSON, "JSON")},
    sql=normalise(_PREPARED),
    own_keys={"route": ("properties.Helicone-Session-Path", "request_path")},
    id_field="request_id",
    time_field="request_created_at",
    needs=(("delay_ms",), ("request_created_at",)),
    reads=_READS,
    remedies=_REMEDIES,
)
