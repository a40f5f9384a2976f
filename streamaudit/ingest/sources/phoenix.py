"""Arize Phoenix spans: pages of its REST API, their items one per line, or a dataframe of spans written out.

Attributes are OpenInference's under flat dotted keys, or nested as some dumps have them; a dataframe has a column for
each (Phoenix REST API, ``GET /v1/projects/{id}/spans``; OpenInference semantic conventions).
"""

from collections.abc import Sequence
from dataclasses import replace

from streamaudit.ingest.sources._otel_semconv import OWN_KEYS, READS, REMEDIES
from streamaudit.ingest.sources._otel_spans import KNOWN, fit_spans, normalise
from streamaudit.ingest.sources.registry import APP_KEYS, Match, Occurs, Record, Refusal, Source

_TEXT = (
    "name", "span_kind", "parent_id", "start_time", "end_time", "status_code", "status_message", "context.span_id",
    "context.trace_id",
)  # fmt: skip
_JSON = ("context", "attributes", "events")
_NAMES = tuple(dict.fromkeys((*KNOWN, "metadata", *(key for keys in APP_KEYS.values() for key in keys))))
_COLUMN = "attributes."
_COLUMNS = tuple(_COLUMN + name for name in _NAMES)


def _recognise(head: Sequence[Record]) -> Match | Refusal | None:
    for record in head:
        context = record.get("context")
        if isinstance(context, dict) and "span_id" in context and "span_kind" in record:
            return Match("REST API", "context.span_id + span_kind")
        if "context.span_id" in record and ("span_kind" in record or any(key in record for key in _COLUMNS)):
            return Match("dataframe", "context.span_id")
        if "annotator_kind" in record and "span_id" in record:
            return Refusal("Phoenix annotations: ratings of spans, no calls", "export the spans of the project")
    return None


def _list(texts: Sequence[str]) -> str:
    return "[" + ", ".join(texts) + "]"


_SPANS = """
    WITH opened AS (
        SELECT
            line, record, name, span_kind, start_time, end_time, status_code, status_message,
            coalesce(context->>'trace_id', "context.trace_id") AS trace,
            coalesce(context->>'span_id', "context.span_id") AS span, parent_id,
            CASE WHEN json_type(events) = 'VARCHAR' THEN json_of(events->>'$') ELSE events END AS moments,
            CASE WHEN json_type(attributes) = 'VARCHAR' THEN json_of(attributes->>'$') ELSE attributes END
                AS given,
            {columns} AS columns_given
        FROM records
    ), keyed AS (
        SELECT *,
            given IS NULL AS is_frame,
            coalesce(json_type(given->'llm'), json_type(given->'openinference'), '') = 'OBJECT' AS is_nested
        FROM opened
    ), typed AS (
        SELECT *,
            CASE WHEN is_frame OR is_nested THEN {names} ELSE json_keys(given) END
                AS keys,
            CASE WHEN is_frame THEN columns_given WHEN is_nested THEN json_extract_string(given, {walks})
                ELSE json_extract_string(given, '$.*') END AS vals
        FROM keyed
    )
    SELECT
        line, false AS is_other, record, nullif(trace, '') AS trace, nullif(span, '') AS span,
        nullif(parent_id, '') AS parent, name, NULL::VARCHAR AS kind, nullif(span_kind, 'UNKNOWN') AS kind_word,
        NULL::VARCHAR AS scope,
        instant_utc(nullif(start_time, '')) AS started, instant_utc(nullif(end_time, '')) AS ended,
        keys, vals, own_attributes(keys) AS own, []::VARCHAR[] AS r_keys, []::VARCHAR[] AS r_vals,
        []::VARCHAR[] AS r_tenants, []::VARCHAR[] AS r_deploys,
        list_transform(
            from_json(moments, '[{"name": "VARCHAR", "timestamp": "VARCHAR", "attributes": "VARCHAR"}]'),
            lambda e: struct_pack(name := e.name, at := epoch_us(instant_utc(e.timestamp)), attributes := e.attributes)
        ) AS events,
        NULL::BIGINT AS dropped, status_code AS status, status_message
    FROM typed
"""


def _take_spans(names: Sequence[str]) -> str:
    """Return the SELECT of the spans, which may have attributes of these names."""
    marks = {
        "columns": _list([f'"{_COLUMN}{name}"' for name in names]), "names": _list([f"'{name}'" for name in names]),
        "walks": _list([f"'/{name.replace('.', '/')}'" for name in names]),
    }  # fmt: skip
    sql = _SPANS
    for mark, text in marks.items():
        sql = sql.replace(f"{{{mark}}}", text)
    return sql


def _list_fields(names: Sequence[str]) -> dict[str, str]:
    texts = (*_TEXT, *(_COLUMN + name for name in names))
    return {**dict.fromkeys(texts, "VARCHAR"), **dict.fromkeys(_JSON, "JSON")}


def _fit(source: Source, occurs: Occurs) -> Source:
    """Read only the attributes that occur: a span may have any of 200 of them, each a column."""
    names = [name for name in _NAMES if occurs(name)] or _NAMES[:1]
    return fit_spans(replace(source, fields=_list_fields(names)), occurs, spans=_take_spans(names))


_SPELLED = {
    "call_id": "context.trace_id and context.span_id", "trace_id": "context.trace_id", "parent_id": "parent_id",
    "start_time": "start_time", "end_time": "end_time", "duration_ms": "end_time - start_time",
    "operation": "span_kind", "ttft_ms": "the event First Token Stream Event",
    "environment": "attributes.environment", "service": "attributes.service.name",
    "output_tokens": "llm.token_count.completion", "input_tokens": "llm.token_count.prompt",
    "cached_input_tokens": "llm.token_count.prompt_details.cache_read",
    "cache_write_tokens": "llm.token_count.prompt_details.cache_write",
    "reasoning_tokens": "llm.token_count.completion_details.reasoning",
    "model": "model among llm.invocation_parameters, else llm.model_name without its date",
    "response_model": "llm.model_name", "provider": "llm.provider, llm.system", "session_id": "session.id",
    "user_id": "user.id", "streamed": "stream among llm.invocation_parameters; a first-token event proves it",
    "finish_reason": "llm.finish_reason", "max_tokens": "max_tokens among llm.invocation_parameters",
}  # fmt: skip
_TAUGHT = {
    "streamed": "pass stream=True through the instrumented client: it is read from llm.invocation_parameters",
    "ttft": "use an OpenInference instrumentation that adds the event First Token Stream Event (OpenAI, Mistral)",
    "chunk_times": "Phoenix keeps none: log chunk_offsets_ms in JSON lines of your own",
    "client_chunk_times": "Phoenix keeps none: log client_chunk_offsets_ms in JSON lines of your own",
    "outcome": "OpenInference never exports an abandoned stream's span: end it yourself and set metadata outcome",
    "usage": "ask for stream_options.include_usage; with it llm.token_count.completion is set",
    "input_tokens": "ask for stream_options.include_usage; with it llm.token_count.prompt is set",
    "reasoning": "set llm.token_count.completion_details.reasoning",
    "billed_at_cut": "drain the stream after the cut and set llm.token_count.completion before the span ends",
    "rendered": "set metadata rendered_tokens to what the client showed (using_metadata)",
    "delivered": "set metadata delivered_tokens",
    "finish_reason": "set llm.finish_reason",
    "cost": "give the model a price in Phoenix, or provider, model and token counts, which price it",
    "tenant": "set metadata tenant_id with using_metadata; --map tenant=PATH takes another key",
    "user": "set user.id with using_user",
    "session": "set session.id with using_session",
    "route": "set metadata route; until then the root span's name is used",
    "deploy": "set metadata release",
    "environment": "set metadata environment and map it: --map environment=attributes.metadata.environment",
    "region": "set metadata region and map it: --map region=attributes.metadata.region",
    "model": "set llm.model_name",
    "provider": "set llm.provider",
    "response_id": "set metadata response_id",
    "http_status": "set metadata http_status",
    "input_hash": "export inputs too: only their salted hash is kept",
}

SOURCE = Source(
    name="phoenix",
    version=10,
    recognise=_recognise,
    fields=_list_fields(_NAMES),
    sql=normalise(_take_spans(_NAMES)),
    own_keys=OWN_KEYS,
    nested_rule="same_model",
    id_field="context.span_id",
    has_total=True,
    time_field="start_time",
    needs=(("context.span_id",), ("start_time",)),
    reads={**READS, **_SPELLED},
    remedies={**REMEDIES, **_TAUGHT},
    fit=_fit,
)
