"""OpenRouter generations: answers of ``GET /api/v1/generation?id=``, a body or its ``data`` a line, also in the
camelCase of its TypeScript SDK, the CSV of its Activity page, one row a generation, and the metadata that this page
shows of one. Vercel's AI Gateway answers the
same question in the same form, with ids that begin with ``gen_``; its ``latency`` is the TTFT, and ``generation_time``
the whole (vercel.com/docs/ai-gateway, usage).

In the API billing goes by the native token counts, and ``tokens_*`` are OpenRouter's own; in the CSV ``tokens_*`` are
the billed ones. ``latency`` of the API is documented as the total and is sometimes below ``generation_time``, so
neither is taken for a TTFT or a duration; the CSV's ``generation_time_ms`` includes its ``time_to_first_token_ms``
(openrouter.ai, API reference). With the customer's own key ``total_cost`` is only OpenRouter's fee, and the provider's
bill is a separate field (RooCodeInc/Roo-Code 5144).
"""

from collections.abc import Sequence

from streamaudit.ingest.sources._common import LEARNT, normalise
from streamaudit.ingest.sources.registry import Match, Record, Refusal, Source

_TEXT = (
    "id", "upstream_id", "request_id", "session_id", "created_at", "model", "provider_name", "api_type",
    "external_user",
    "streamed", "cancelled", "finish_reason", "native_finish_reason", "native_tokens_prompt",
    "native_tokens_completion", "native_tokens_reasoning", "native_tokens_cached", "total_cost", "usage",
    "upstream_inference_cost", "is_byok", "service_tier", "data_region", "latency", "generation_time",
    "native_tokens_cache_creation",
)  # fmt: skip
# Columns of the CSV that the API lacks, or has under another name.
_ROW = (
    "generation_id", "cost_total", "byok_usage_inference", "tokens_prompt", "tokens_completion", "tokens_reasoning",
    "tokens_cached", "model_permaslug", "user", "finish_reason_raw", "finish_reason_normalized", "generation_time_ms",
    "time_to_first_token_ms", "app_name", "api_key_name",
)  # fmt: skip


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


_SPELT = tuple(dict.fromkeys((*_TEXT, *(_camel(name) for name in _TEXT))))


def _recognise(head: Sequence[Record]) -> Match | Refusal | None:
    for record in head:
        if {"generation_id", "tokens_completion", "model_permaslug"} <= set(record):
            return Match("activity", "generation_id + model_permaslug")
        if {"date", "requests"} <= set(record) and {"byok_usage_inference", "model_permaslug"} & set(record):
            return Refusal(
                "an OpenRouter activity summary: it holds sums by day, no single generation",
                "export the logs of the Activity page, one row a generation",
            )
        for place, inner in (("data.", record.get("data")), ("", record)):
            for spelt in (str, _camel):
                count_key, host = spelt("native_tokens_completion"), spelt("provider_name")
                if isinstance(inner, dict) and count_key in inner and host in inner:
                    return Match("generations", f"{place}{count_key}")
    return None


_PREPARED = """
    WITH opened AS (
        SELECT * EXCLUDE ({flat_names}), CASE WHEN json_type(data) = 'OBJECT' THEN from_json(data, '{structure}')
            ELSE struct_pack({flat}) END AS d
        FROM records
    ), typed AS (
        SELECT * EXCLUDE (d), struct_pack({either}) AS g, model_permaslug IS NOT NULL AS is_row,
            coalesce(starts_with(d.id, 'gen_'), false) AS is_vercel
        FROM opened
    ), billed AS (
        SELECT
            *,
            coalesce(tokens_of(g.native_tokens_prompt), tokens_of(CASE WHEN is_row THEN tokens_prompt END)) AS prompt,
            coalesce(tokens_of(g.native_tokens_cached), tokens_of(CASE WHEN is_row THEN tokens_cached END)) AS cached,
            first_count([number_of(g.total_cost), number_of(g.usage), number_of(cost_total)]) AS fee,
            CASE WHEN generation_id IS NOT NULL THEN number_of(byok_usage_inference) WHEN bool_of(g.is_byok)
                THEN number_of(g.upstream_inference_cost) END AS upstream,
            coalesce(nullif(g.finish_reason, ''), nullif(finish_reason_normalized, ''),
                nullif(g.native_finish_reason, ''), nullif(finish_reason_raw, '')) AS finish
        FROM typed
    )
    SELECT
        line, record, CASE WHEN coalesce(g.id, generation_id) IS NULL AND g.created_at IS NULL THEN NULL
            WHEN g.api_type ILIKE '%embedding%' THEN 'embedding'
            WHEN g.api_type IN ('rerank', 'tts', 'stt', 'image', 'video') THEN 'other' ELSE 'llm' END AS kind,
        [nullif(api_key_name, '')] AS own_tenants, [nullif(g.api_type, ''), nullif(app_name, '')] AS own_routes,
        -- OpenRouter streams over server-sent events alone.
        CASE WHEN bool_of(g.streamed) THEN ['sse'] END AS own_transports,
        -- In what the Activity page shows of a generation, id is a number of its own, or 0.
        coalesce(nullif(generation_id, ''), nullif(g.id, '')) AS call_id,
        nullif(g.request_id, '') AS logical_request_id, nullif(g.upstream_id, '') AS response_id,
        coalesce(nullif(g.model, ''), nullif(model_permaslug, '')) AS response_model,
        CASE WHEN generation_id IS NOT NULL THEN undated(response_model) ELSE response_model END AS model,
        CASE WHEN is_vercel THEN 'vercel' ELSE 'openrouter' END AS provider,
        coalesce(nullif(g.external_user, ''), nullif("user", '')) AS user_id,
        nullif(g.session_id, '') AS session_id,
        nullif(g.data_region, '') AS region, instant_utc(nullif(g.created_at, '')) AS start_time,
        CASE WHEN is_row THEN nullif(number_of(generation_time_ms), 0)
            WHEN is_vercel THEN nullif(number_of(g.generation_time), 0) END AS duration_ms,
        bool_of(g.streamed) AS streamed,
        CASE WHEN NOT bool_of(g.streamed) THEN NULL WHEN is_row THEN nullif(number_of(time_to_first_token_ms), 0)
            WHEN is_vercel THEN nullif(number_of(g.latency), 0) END AS ttft_ms,
        -- Where more was read from the cache than went in, the input excludes it.
        try_cast(CASE WHEN cached > prompt THEN prompt::HUGEINT + cached ELSE prompt END AS BIGINT) AS input_tokens,
        coalesce(tokens_of(g.native_tokens_completion), tokens_of(CASE WHEN is_row THEN tokens_completion END))
            AS output_tokens,
        coalesce(tokens_of(g.native_tokens_reasoning), tokens_of(CASE WHEN is_row THEN tokens_reasoning END))
            AS reasoning_tokens,
        cached AS cached_input_tokens, tokens_of(g.native_tokens_cache_creation) AS cache_write_tokens,
        -- What OpenRouter counts is what it bills, a 0 of a call that it did not charge too.
        'provider' AS usage_basis,
        nullif(g.service_tier, '') AS service_tier,
        -- With the customer's own key, what the provider bills besides the fee.
        CASE WHEN bool_of(g.is_byok) AND upstream IS NULL THEN NULL ELSE fee + coalesce(upstream, 0) END AS cost_usd,
        bool_of(g.cancelled) AS cancel_flag, finish AS finish_reason,
        CASE WHEN finish = 'error' THEN 'error' END AS error_type, coalesce(finish = 'error', false) AS failed
    FROM billed
"""
for _mark, _text in {
    "{structure}": "{" + ", ".join(f'"{name}": "VARCHAR"' for name in _SPELT) + "}",
    "{flat}": ", ".join(f'"{name}" := "{name}"' for name in _SPELT),
    "{flat_names}": ", ".join(f'"{name}"' for name in _SPELT),
    "{either}": ", ".join(f'"{name}" := coalesce(d."{name}", d."{_camel(name)}")' for name in _TEXT),
}.items():
    _PREPARED = _PREPARED.replace(_mark, _text)

_READS = {
    "call_id": "id, generation_id", "logical_request_id": "request_id", "response_id": "upstream_id",
    "response_model": "model, model_permaslug",
    "provider": "always openrouter, who bills", "user_id": "external_user, user", "region": "data_region",
    "start_time": "created_at", "input_tokens": "native_tokens_prompt; tokens_prompt of the CSV",
    "output_tokens": "native_tokens_completion; tokens_completion of the CSV",
    "reasoning_tokens": "native_tokens_reasoning; tokens_reasoning of the CSV",
    "cached_input_tokens": "native_tokens_cached; tokens_cached of the CSV",
    "duration_ms": "generation_time_ms of the CSV", "ttft_ms": "time_to_first_token_ms of the CSV, of streams",
    "cost_usd": "total_cost, usage, cost_total; with your own key also upstream_inference_cost, byok_usage_inference",
    "finish_reason": "finish_reason, finish_reason_normalized, native_finish_reason",
    "error_type": "finish_reason",
}  # fmt: skip

_REMEDIES = {
    **LEARNT,
    "ttft": "export the CSV of the Activity page: the API's latency is not reliably the TTFT",
    "duration": "export the CSV of the Activity page: the API's times are not reliably the duration",
    "tenant": "the CSV has the name of the API key; --map tenant=data.external_user where your users are tenants",
    "route": "the CSV has the app's name, the API the kind of API: --map route=PATH takes another",
    "deploy": "it has none: join evidence by id from a log that has it",
    "rendered": "join evidence of it by id: streamaudit ingest --evidence rendered.csv",
    "delivered": "join evidence of it by id",
    "environment": "it has none",
    "user": "send user",
    "session": "send session_id",
}

SOURCE = Source(
    name="openrouter",
    version=7,
    recognise=_recognise,
    fields={**dict.fromkeys((*_SPELT, *_ROW), "VARCHAR"), "data": "JSON"},
    sql=normalise(_PREPARED),
    own_keys={"tenant": ("api_key_name",), "route": ("api_type", "app_name", "ancestor")},
    id_field="id",
    time_field="created_at",
    needs=tuple(
        (name, f"data.{name}", _camel(name), f"data.{_camel(name)}", row)
        for name, row in (("native_tokens_completion", "generation_id"), ("provider_name", "model_permaslug"))
    ),
    reads=_READS,
    remedies=_REMEDIES,
)
