"""Recognise the shapes of a Datadog file, and turn each by SQL into one struct ``a`` a span.

Export API items and their bare attributes are flat; a tracer's span has ``meta``, with the kind and the error in three
spellings; an HTTP intake body holds a batch of those; an APM span has its tags under ``custom``; and a CSV has the
column names of DDSQL, with or without ``@`` (Datadog's export API, HTTP API, spans API and DDSQL references).
"""

import json
import re
from collections.abc import Sequence

from streamaudit.ingest.sources.registry import APP_KEYS, Match, Record, Refusal

_TEXT = (
    "span_id", "trace_id", "parent_id", "name", "span_kind", "status", "start_ns", "duration", "ml_app", "model_name",
    "model_provider", "service", "env", "session_id", "collection_errors", "start_ms", "duration_ms",
    "start", "resource", "error",
)  # fmt: skip
_JSON = ("metadata", "metrics", "tags", "input", "_dd", "llm_info")
_ANSWER = "STRUCT(value VARCHAR, messages STRUCT(role VARCHAR, content VARCHAR)[])"
_NESTED = {
    "output": _ANSWER,
    "meta": 'STRUCT(span STRUCT(kind VARCHAR), "span.kind" VARCHAR, kind VARCHAR, model_name VARCHAR, '
    'model_provider VARCHAR, metadata JSON, error STRUCT("type" VARCHAR, message VARCHAR), "error.type" VARCHAR, '
    '"error.message" VARCHAR, "error.msg" VARCHAR, "input" JSON, '
    f'output {_ANSWER}, "error.stack" VARCHAR, "openai.request.model" VARCHAR, "openai.response.model" VARCHAR, '
    '"openai.model" VARCHAR, "anthropic.request.model" VARCHAR, "langchain.request.model" VARCHAR, '
    '"openai.request.stream" VARCHAR, "openai.response.choices.0.finish_reason" VARCHAR, version VARCHAR, env VARCHAR)',
}
"""Parsed once: where texts are long, each access to them as JSON would hold all of them once more."""
_APM = ("resource_name", "start_timestamp", "end_timestamp", "retained_by", "ingestion_reason")
_METRICS = (
    "input_tokens", "output_tokens", "cache_read_input_tokens", "cache_write_input_tokens", "reasoning_output_tokens",
    "time_to_first_token", "estimated_total_cost", "estimated_input_cost", "estimated_output_cost", "total_cost",
    "ttft_ms", *APP_KEYS["rendered_tokens"], *APP_KEYS["delivered_tokens"], *APP_KEYS["ttvt_ms"],
)  # fmt: skip
_CSV_NAMES = {
    "meta.model_name": "model_name", "meta.model_provider": "model_provider", "meta.span.kind": "span_kind",
    **{name: name for name in ("trace_id", "span_id", "parent_id", "name", "start_ns", "duration", "status", "ml_app",
                               "session_id", "service", "env")},
}  # fmt: skip
"""Names of DDSQL, without ``@``, and the field of a span for each."""
_CSV_METRICS = tuple(f"{mark}metrics.{name}" for name in _METRICS for mark in ("@", ""))
_CSV_KEYS = tuple(dict.fromkeys(key for keys in APP_KEYS.values() for key in keys))
_CSV_COLUMNS = (
    *(f"@{name}" for name in _CSV_NAMES), *(name for name in _CSV_NAMES if "." in name), *_CSV_METRICS, *_METRICS,
    *(f"@{key}" for key in _CSV_KEYS), *_CSV_KEYS, "@tags", "timestamp",
)  # fmt: skip
"""A query may give a column its plain name, ``@metrics.output_tokens AS output_tokens``."""
_ROUNDED = re.compile(r"\d(\.\d+)?E\+\d+")
_TITLES = {"Service", "Resource", "Span Kind", "Trace ID", "ML App"}
"""Titles of columns of a list in the browser, besides ``Duration``."""

_OWN = {"ml_app", "llm_info", "_dd.stage", "_dd.tracer_version", "llmobs_trace_id"}
"""Fields that only Datadog writes."""

FIELDS = {
    **dict.fromkeys((*_TEXT, *_CSV_COLUMNS), "VARCHAR"),
    **dict.fromkeys((*_JSON, "attributes"), "JSON"),
    **_NESTED,
    "data": "STRUCT(attributes STRUCT(ml_app VARCHAR, session_id VARCHAR, tags VARCHAR[], spans JSON[]), spans JSON[])",
    "spans": "JSON[]",
}
NEEDS = (
    ("span_kind", "attributes.span_kind", "meta.span.kind", "@meta.span.kind"),
    ("start_ns", "attributes.start_ns", "@start_ns", "timestamp", "start_ms", "start"),
)


def recognise(head: Sequence[Record]) -> Match | Refusal | None:
    """Return the shape of the first records; None when they are not Datadog's."""
    for record in head:
        if any(_ROUNDED.fullmatch(str(record.get(name) or "")) for name in ("@span_id", "@trace_id", "span_id")):
            return Refusal(
                "a CSV whose ids a spreadsheet has rounded", "download it again, and do not save it in a spreadsheet"
            )
        if "Content ID" in record and "Type" in record:
            return Refusal(
                "annotations of a Datadog queue: they hold no times and no tokens",
                "export the spans themselves by their trace ids, through the export API",
            )
        if set(record) == {"errors"} and isinstance(record["errors"], list):
            return Refusal(
                "an error message of an API, not an export",
                "try again; an organisation without LLM Observability data gets this answer too",
            )
        if "Duration" in record and set(record) & _TITLES:
            return Refusal(
                "a list downloaded from the browser: its columns and units are those of the screen",
                "export the spans through the export API, or as a DDSQL table with @span_id, @start_ns and @duration",
            )
        shape = _shape(record)
        if shape is not None:
            return shape
    return None


def _shape(record: Record) -> Match | Refusal | None:
    attributes, data = record.get("attributes"), record.get("data")
    if isinstance(data, dict) and isinstance(data.get("attributes"), dict) and "spans" in data["attributes"]:
        return Match("HTTP intake", "data.attributes.spans")
    if isinstance(data, dict) and isinstance(data.get("spans"), list) and _is_pup(data["spans"]):
        return Match("pup", "data.spans + start_ms")
    if _is_pup([record]):
        return Match("pup", "start_ms + span_kind")
    if isinstance(attributes, dict) and "span_kind" in attributes:
        return Match("export API", "attributes.span_kind")
    if isinstance(attributes, dict) and record.get("type") == "spans" and {"custom", "resource_name"} & set(attributes):
        return Match("APM spans", "type + attributes.resource_name")
    if isinstance(attributes, dict) and record.get("type") == "spans":
        return Refusal("Datadog APM spans without their tags", "export LLM Observability spans")
    if isinstance(record.get("spans"), list) and record.get("event_type") == "span":
        return Match("tracer events", "event_type + spans")
    if "start_ns" in record and "span_kind" in record:
        return Match("span attributes", "span_kind + start_ns")
    if _is_apm(record):
        return Match("APM trace", "meta + metrics + start")
    if "start_ns" in record and isinstance(record.get("meta"), dict):
        return Match("tracer events", "meta + start_ns")
    if "@span_id" in record and {"@start_ns", "@duration", "@meta.span.kind"} & set(record):
        return Match("DDSQL", "@span_id")
    if "span_id" in record and {"meta.span.kind", "metrics.output_tokens"} & set(record):
        return Match("DDSQL", "span_id + meta.span.kind")
    inner = data.get("attributes") if isinstance(data, dict) else None
    listed = data.get("spans") if isinstance(data, dict) else None
    first = listed[0] if isinstance(listed, list) and listed else None
    parts = (record, attributes, data, inner, first)
    own = sorted(_OWN & set().union(*(part for part in parts if isinstance(part, dict))))
    if own and record.get("type") != "log" and "_id" not in record:
        return Refusal(
            f"Datadog data (it has {' and '.join(own)}), but no spans in a known shape",
            "export the spans through the LLM Observability export API (api/v2/llm-obs/v1/spans/events)",
        )
    return None


def _is_apm(record: Record) -> bool:
    """Whether this is a span as a tracer sends it to the agent, its numbers under ``metrics``."""
    is_typed = all(isinstance(record.get(name), dict) for name in ("meta", "metrics"))
    return is_typed and {"start", "duration", "resource", "span_id"} <= set(record)


def _is_pup(spans: Sequence[object]) -> bool:
    """Whether these are spans as Datadog's own command line prints them."""
    return any(
        isinstance(span, dict) and {"span_kind", "span_id"} <= set(span)
        and ("start_ms" in span or {"start_ns", "llm_info"} <= set(span)) for span in spans
    )  # fmt: skip


def _structure() -> str:
    kinds = {**dict.fromkeys((*_TEXT, *_APM), "VARCHAR"), **dict.fromkeys((*_JSON, "custom"), "JSON"), **_NESTED}
    return json.dumps(kinds)


def _flat() -> str:
    of_csv = {field: name for name, field in _CSV_NAMES.items()}

    def value(name: str) -> str:
        spelled = of_csv.get(name)
        if spelled is None:
            return f'"{name}"'
        rest = f', "{spelled}"' if "." in spelled else ""
        return f'coalesce("{name}", "@{spelled}"{rest})'

    def pack_columns(names: dict[str, str]) -> str:
        """Return the SQL of an object of the columns that are there, or NULL where none is."""
        pairs = ", ".join(f"""'"{name}":' || to_json({column})""" for name, column in names.items())
        return f"CAST('{{' || nullif(concat_ws(',', {pairs}), '') || '}}' AS JSON)"

    metrics = {name: f'coalesce("@metrics.{name}", "metrics.{name}", "{name}")' for name in _METRICS}
    keys = {key: f'coalesce("@{key}", "{key}")' for key in _CSV_KEYS}
    fields = [f'"{name}" := {value(name)}' for name in _TEXT]
    fields += [f'"{name}" := NULL::VARCHAR' for name in _APM if name != "start_timestamp"]
    fields += [f'"{name}" := "{name}"' for name in (*_JSON, *_NESTED) if name not in ("metrics", "metadata", "tags")]
    fields += [
        'start_timestamp := "timestamp"', f"metrics := coalesce(metrics, {pack_columns(metrics)})",
        f"metadata := coalesce(metadata, {pack_columns(keys)})", 'tags := coalesce(tags, json_of("@tags"))',
        "custom := NULL::JSON",
    ]  # fmt: skip
    return ", ".join(fields)


_OPENED = """
opened AS (
    SELECT
        line, record, batch_app, batch_session, batch_tags, coalesce(is_batch, false) AND span IS NULL AS is_empty,
        CASE WHEN span IS NOT NULL THEN from_json(span, '{structure}') ELSE struct_pack({flat}) END AS s
    FROM (
        SELECT * EXCLUDE (listed), unnest(listed) AS span
        FROM (
            SELECT
                *, data.attributes.ml_app AS batch_app, data.attributes.session_id AS batch_session,
                data.attributes.tags AS batch_tags,
                data.attributes.spans IS NOT NULL OR data.spans IS NOT NULL OR len(spans) = 0 AS is_batch,
                CASE WHEN len(data.attributes.spans) > 0 THEN data.attributes.spans
                    WHEN len(data.spans) > 0 THEN data.spans
                    WHEN json_type(spans[1]) = 'OBJECT' THEN spans ELSE [attributes] END AS listed
            FROM records
        )
    )
), spans AS (
    SELECT
        line, record, is_empty,
        struct_pack(
            -- A spreadsheet rounds long ids, 9.18734E+18, which makes many spans one.
            span_id := CASE WHEN NOT regexp_full_match(s.span_id, '{rounded}') THEN s.span_id END,
            trace_id := CASE WHEN NOT regexp_full_match(s.trace_id, '{rounded}') THEN s.trace_id END,
            parent_id := s.parent_id,
            name := coalesce(s.name, s.resource_name),
            span_kind := coalesce(s.span_kind, s.meta.span.kind, s.meta."span.kind", s.meta.kind,
                s.custom->>'$._dd.llmobs.span_kind',
                -- An APM span with a model among its tags is a call; all others are the steps around the calls.
                CASE WHEN s.custom IS NULL AND s.resource IS NULL THEN NULL
                    WHEN s.resource IS NOT NULL AND apm_model IS NULL THEN 'apm'
                    WHEN s.resource ILIKE '%embed%' THEN 'embedding' WHEN s.resource IS NOT NULL THEN 'llm'
                    WHEN coalesce(s.custom->>'$.openai.request.model', s.custom->>'$.gen_ai.request.model',
                        s.custom->>'$.anthropic.request.model', s.custom->>'$.vllm.latency.ttft') IS NULL THEN 'apm'
                    WHEN s.resource_name ILIKE '%embed%' THEN 'embedding' ELSE 'llm' END),
            status := coalesce(s.status, CASE s.error WHEN '1' THEN 'error' WHEN '0' THEN 'ok' END,
                CASE WHEN (s.custom->>'$.error.type') IS NOT NULL THEN 'error' END),
            started := coalesce(epoch_utc(s.start_ns), epoch_utc(s.start_ms), epoch_utc(s.start),
                instant_utc(s.start_timestamp)),
            duration_ms := coalesce(
                number_of(s.duration) / 1e6, number_of(s.duration_ms),
                -- A list in the browser prints its unit behind the number.
                number_of(regexp_extract(s.duration, '^([0-9.]+) ?(ns|us|µs|ms|s|min)$', 1))
                    * CASE regexp_extract(s.duration, '^([0-9.]+) ?(ns|us|µs|ms|s|min)$', 2) WHEN 'ns' THEN 1e-6
                        WHEN 'ms' THEN 1 WHEN 's' THEN 1e3 WHEN 'min' THEN 6e4 ELSE 1e-3 END,
                number_of(s.custom->>'duration') / 1e6,
                epoch_us(instant_utc(s.end_timestamp)) / 1e3 - epoch_us(instant_utc(s.start_timestamp)) / 1e3),
            start_ns := coalesce(s.start_ns, s.start_ms, s.start, s.start_timestamp),
            ml_app := coalesce(s.ml_app, batch_app),
            model_name := model_of(list_filter([s.model_name, s.meta.model_name, s.meta.metadata->>'model_name',
                s.llm_info->>'model_name', s.custom->>'$._dd.llmobs.model_name', s.custom->>'$.openai.response.model',
                s.custom->>'$.openai.request.model', s.custom->>'$.gen_ai.response.model',
                s.custom->>'$.gen_ai.request.model', s.custom->>'$.anthropic.request.model',
                apm_model],
                lambda v: v <> 'custom')),
            model_provider := provider_of(list_filter([s.model_provider, s.meta.model_provider,
                s.meta.metadata->>'model_provider', s.llm_info->>'model_provider',
                s.custom->>'$._dd.llmobs.model_provider', s.custom->>'$.gen_ai.provider.name',
                CASE WHEN (s.custom->'openai') IS NOT NULL OR starts_with(s.name, 'openai.') THEN 'openai'
                    WHEN (s.custom->'anthropic') IS NOT NULL OR starts_with(s.name, 'anthropic.')
                        THEN 'anthropic' END], lambda v: lower(v) <> 'custom')),
            service_tier := s.custom->>'$.openai.response.service_tier',
            service := s.service, env := coalesce(s.env, s.meta.env),
            session_id := coalesce(s.session_id, batch_session),
            metadata := coalesce(s.metadata, s.meta.metadata, s.custom, CASE WHEN apm_model IS NOT NULL
                THEN json_object('stream', s.meta."openai.request.stream",
                'finish_reason', s.meta."openai.response.choices.0.finish_reason") END),
            metrics := coalesce(CASE WHEN apm_model IS NOT NULL THEN json_object(
                'input_tokens', coalesce(s.metrics->>'/openai.response.usage.prompt_tokens',
                    s.metrics->>'/anthropic.response.usage.input_tokens'),
                'output_tokens', coalesce(s.metrics->>'/openai.response.usage.completion_tokens',
                    s.metrics->>'/anthropic.response.usage.output_tokens')) END, s.metrics, s.llm_info,
                CASE WHEN s.custom IS NOT NULL THEN json_object(
                'input_tokens', coalesce(s.custom->>'$._dd.llmobs.input_tokens',
                    s.custom->>'$.openai.response.usage.prompt_tokens', s.custom->>'$.gen_ai.usage.input_tokens'),
                'output_tokens', coalesce(s.custom->>'$._dd.llmobs.output_tokens',
                    s.custom->>'$.openai.response.usage.completion_tokens', s.custom->>'$.gen_ai.usage.output_tokens'),
                'cache_read_input_tokens', s.custom->>'$._dd.llmobs.cache_read_input_tokens',
                'cache_write_input_tokens', s.custom->>'$._dd.llmobs.cache_write_input_tokens',
                'time_to_first_token', coalesce(s.custom->>'$.vllm.latency.ttft',
                    s.custom->>'$.gen_ai.response.time_to_first_chunk')) END),
            is_estimate := bool_of(s.custom->>'$.openai.response.usage.completion_tokens_estimated'),
            tags := list_concat(tag_list(s.tags), batch_tags),
            -- Text that was too large is replaced by a sentence in brackets (dd-trace's span writer), and
            -- ``collection_errors`` says so: neither its length nor its hash is the text's.
            "input" := CASE WHEN NOT is_dropped
                AND NOT regexp_matches(asked[:80], '^. *"value": *"[[]This value has been dropped') THEN asked END,
            answer_chars := CASE WHEN NOT is_dropped
                AND NOT starts_with(coalesce(answer.value, ''), '[This value has been dropped')
                THEN coalesce(length(answer.value), list_sum(list_transform(answer.messages,
                    lambda m: CASE WHEN m.role IS DISTINCT FROM 'reasoning' THEN length(m.content) END))) END,
            retractions := CASE WHEN NOT is_dropped
                AND NOT starts_with(coalesce(answer.value, ''), '[This value has been dropped')
                THEN corrections_of(coalesce(answer.value, array_to_string(list_transform(answer.messages,
                    lambda m: CASE WHEN m.role IS DISTINCT FROM 'reasoning' THEN m.content END), chr(10)))) END,
            user_id := s.custom->>'$.usr.id', version := coalesce(s.custom->>'version', s.meta.version),
            error_type := coalesce(s.meta.error."type", s.meta."error.type", s.custom->>'$.error.type'),
            error_message := coalesce(s.meta.error.message, s.meta."error.message", s.meta."error.msg",
                s.custom->>'$.error.message'),
            -- Kept by Datadog's retention because they are rare, and no sample of the traffic.
            for_diversity := s.custom IS NOT NULL AND (
                'diversity_sampling' IN (s.retained_by, s.ingestion_reason, s.custom->>'retained_by')
                OR list_has_any(try_cast(s.tags AS VARCHAR[]),
                    ['retained_by:diversity_sampling', 'ingestion_reason:diversity_sampling'])),
            _dd := s._dd
        ) AS a
    FROM (
        SELECT
            *,
            -- In the trace that a tracer sends to the agent, what an integration wrote is under ``meta``.
            CASE WHEN s.resource IS NOT NULL THEN coalesce(s.meta."openai.response.model",
                s.meta."openai.request.model", s.meta."openai.model", s.meta."anthropic.request.model",
                s.meta."langchain.request.model") END AS apm_model,
            coalesce(contains(s.collection_errors, 'dropped_io'), false) AS is_dropped,
            coalesce(s."input", s.meta."input") AS asked,
            coalesce(s.output, s.meta.output) AS answer
        FROM opened
    )
)"""
SPANS = _OPENED.replace("{structure}", _structure()).replace("{flat}", _flat()).replace("{rounded}", _ROUNDED.pattern)
"""CTEs over ``records`` that end in ``spans``: ``line``, ``record``, ``a`` (a span of any shape) and ``is_empty`` (a
batch without spans)."""
