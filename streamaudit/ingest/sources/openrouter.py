"""OpenRouter generation records: what ``GET /api/v1/generation?id=`` answers, a body or its ``data`` a line, also in
the camelCase of its TypeScript SDK.

Billing goes by the native token counts, and ``tokens_*`` are OpenRouter's own. ``latency`` is documented as the total
and is sometimes below ``generation_time``, so neither is taken for a TTFT or a duration (openrouter.ai, API reference).
"""

from collections.abc import Sequence

from streamaudit.ingest.sources._common import LEARNT, normalise
from streamaudit.ingest.sources.registry import Match, Record, Source

_TEXT = (
    "id", "upstream_id", "request_id", "session_id", "created_at", "model", "provider_name", "api_type",
    "external_user",
    "streamed", "cancelled", "finish_reason", "native_finish_reason", "native_tokens_prompt",
    "native_tokens_completion", "native_tokens_reasoning", "native_tokens_cached", "total_cost", "usage", "data_region",
)  # fmt: skip


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


_SPELT = tuple(dict.fromkeys((*_TEXT, *(_camel(name) for name in _TEXT))))


def _recognise(head: Sequence[Record]) -> Match | None:
    for record in head:
        for place, inner in (("data.", record.get("data")), ("", record)):
            for spelt in (str, _camel):
                told, host = spelt("native_tokens_completion"), spelt("provider_name")
                if isinstance(inner, dict) and told in inner and host in inner:
                    return Match("generations", f"{place}{told}")
    return None


_PREPARED = """
    WITH opened AS (
        SELECT line, record, CASE WHEN json_type(data) = 'OBJECT' THEN from_json(data, '{structure}')
            ELSE struct_pack({flat}) END AS d
        FROM records
    ), told AS (
        SELECT line, record, struct_pack({either}) AS g FROM opened
    )
    SELECT
        line, record, CASE WHEN g.id IS NULL AND g.created_at IS NULL THEN NULL
            WHEN g.api_type ILIKE '%embedding%' THEN 'embedding'
            WHEN g.api_type IN ('rerank', 'tts', 'stt', 'image', 'video') THEN 'other' ELSE 'llm' END AS kind,
        [nullif(g.api_type, '')] AS own_routes,
        nullif(g.id, '') AS call_id, nullif(g.request_id, '') AS logical_request_id,
        nullif(g.upstream_id, '') AS response_id, nullif(g.model, '') AS model, nullif(g.model, '') AS response_model,
        'openrouter' AS provider, nullif(g.external_user, '') AS user_id, nullif(g.session_id, '') AS session_id,
        nullif(g.data_region, '') AS region, instant_utc(nullif(g.created_at, '')) AS start_time,
        bool_of(g.streamed) AS streamed, tokens_of(g.native_tokens_prompt) AS input_tokens,
        tokens_of(g.native_tokens_completion) AS output_tokens,
        tokens_of(g.native_tokens_reasoning) AS reasoning_tokens, tokens_of(g.native_tokens_cached)
            AS cached_input_tokens,
        number_of(coalesce(g.total_cost, g.usage)) AS cost_usd,
        bool_of(g.cancelled) AS cancel_flag,
        coalesce(nullif(g.finish_reason, ''), nullif(g.native_finish_reason, '')) AS finish_reason,
        CASE WHEN g.finish_reason = 'error' THEN 'error' END AS error_type, g.finish_reason = 'error' AS failed
    FROM told
"""
for _mark, _text in {
    "{structure}": "{" + ", ".join(f'"{name}": "VARCHAR"' for name in _SPELT) + "}",
    "{flat}": ", ".join(f'"{name}" := "{name}"' for name in _SPELT),
    "{either}": ", ".join(f'"{name}" := coalesce(d."{name}", d."{_camel(name)}")' for name in _TEXT),
}.items():
    _PREPARED = _PREPARED.replace(_mark, _text)

_READS = {
    "call_id": "id", "logical_request_id": "request_id", "response_id": "upstream_id", "response_model": "model",
    "provider": "always openrouter, who bills", "user_id": "external_user", "region": "data_region",
    "start_time": "created_at", "input_tokens": "native_tokens_prompt", "output_tokens": "native_tokens_completion",
    "reasoning_tokens": "native_tokens_reasoning", "cached_input_tokens": "native_tokens_cached",
    "cost_usd": "total_cost, usage", "finish_reason": "finish_reason, native_finish_reason",
    "error_type": "finish_reason",
}  # fmt: skip

_REMEDIES = {
    **LEARNT,
    "ttft": "OpenRouter's latency is not reliably it: measure it in your client and log raw JSON lines",
    "tenant": "it has none of its own: --map tenant=data.external_user where your users are tenants",
    "route": "it has none but the kind of API: --map route=PATH",
    "deploy": "it has none: join evidence by id from a log that has it",
    "rendered": "join evidence of it by id: streamaudit ingest --evidence rendered.csv",
    "delivered": "join evidence of it by id",
    "environment": "it has none",
    "user": "send user",
    "session": "send session_id",
}

SOURCE = Source(
    name="openrouter",
    version=2,
    recognise=_recognise,
    fields={**dict.fromkeys(_SPELT, "VARCHAR"), "data": "JSON"},
    sql=normalise(_PREPARED),
    own_keys={"route": ("api_type", "ancestor")},
    id_field="id",
    time_field="created_at",
    needs=tuple(
        (name, f"data.{name}", _camel(name), f"data.{_camel(name)}")
        for name in ("native_tokens_completion", "provider_name")
    ),
    reads=_READS,
    remedies=_REMEDIES,
)
