"""OpenTelemetry spans that are not OTLP: as an SDK prints them, one object a span, and as Jaeger gives a trace.

``span.to_json()`` of the Python SDK (ConsoleSpanExporter) has ``context`` and ISO times; other programs write the same
with ``trace_id`` and ``span_id`` next to the name, or every attribute next to them; Logfire's rows have the same with
``span_name`` and ``start_timestamp``. Jaeger's query API and its button *Download JSON* give
``{"traceID", "spans", "processes"}``, times in microseconds (Jaeger UI data model). JavaScript's SDK has times as
``[seconds, nanoseconds]`` and its ids in a ``spanContext``, or, as its console prints them, ``id``, ``timestamp`` and
``duration`` in microseconds; GitHub Copilot writes both its spans and the events of its calls so.
"""

from collections.abc import Sequence

from streamaudit.ingest.sources._otel_spans import KNOWN, normalise
from streamaudit.ingest.sources.registry import APP_KEYS, Record

_PREFIXES = ("gen_ai.", "llm.", "ai.", "openinference.", "traceloop.", "mlflow.")

OWNERS = """
            list_append(list_transform($tag_keys[tenant],
                lambda k: attribute(r_keys, r_vals, k)), attribute(r_keys, r_vals, 'service.namespace')) AS r_tenants,
            list_concat(list_transform($tag_keys[deploy],
                lambda k: attribute(r_keys, r_vals, k)), [attribute(r_keys, r_vals, 'deployment.id'),
                attribute(r_keys, r_vals, 'deployment.name')]) AS r_deploys"""
"""A resource's candidates for tenant and deploy, in the order of OWN_KEYS."""


_IDS = ({"span_id", "trace_id"}, {"spanId", "traceId"}, {"id", "traceId", "timestamp", "instrumentationScope"})


def is_jaeger(record: Record) -> bool:
    """Whether a record is a trace as Jaeger has it."""
    spans = record.get("spans")
    return isinstance(spans, list) and isinstance(record.get("processes"), dict) and "traceID" in record


def is_span(record: Record) -> bool:
    """Whether a record is a span with its ids next to its name, or in a context."""
    context, kind = record.get("context"), str(record.get("kind"))
    if isinstance(context, dict) and {"span_id", "trace_id"} <= set(context):
        return "span_kind" not in record and ("kind" in record or _is_generative(record))
    if any(isinstance(record.get(name), dict) for name in ("spanContext", "_spanContext")):
        return _is_generative(record)
    has_ids = any(names <= set(record) for names in _IDS)
    return has_ids and (_is_generative(record) or kind.upper().startswith(("SPANKIND.", "SPAN_KIND_")))


def _is_generative(record: Record) -> bool:
    """Whether any attribute is one of a model's call."""
    attributes = record.get("attributes")
    keys: Sequence[str] = [str(key) for key in record]
    if isinstance(attributes, dict):
        keys = [*keys, *(str(key) + ("." if isinstance(value, dict) else "") for key, value in attributes.items())]
    elif isinstance(attributes, list):
        keys = [*keys, *(str(one.get("key")) for one in attributes if isinstance(one, dict))]
    return any(key.startswith(_PREFIXES) for key in keys)


_TAGS = "STRUCT(key VARCHAR, value VARCHAR)[]"
JAEGER_FIELDS = {
    "traceID": "VARCHAR",
    "processes": "JSON",
    "spans": "STRUCT(traceID VARCHAR, spanID VARCHAR, parentSpanID VARCHAR, operationName VARCHAR, "
    '"references" STRUCT(refType VARCHAR, traceID VARCHAR, spanID VARCHAR)[], startTime VARCHAR, duration VARCHAR, '
    f'tags {_TAGS}, logs STRUCT("timestamp" VARCHAR, fields {_TAGS})[], processID VARCHAR)[]',
}
_JAEGER = """
    WITH single AS (
        SELECT line, record, processes, unnest(listed) AS s
        FROM (SELECT *, CASE WHEN len(spans) > 0 THEN spans ELSE [NULL] END AS listed FROM records)
    ), tagged AS (
        SELECT *,
            list_transform(s.tags, lambda t: t.key) AS keys, list_transform(s.tags, lambda t: t.value) AS vals,
            processes->s.processID AS process,
            from_json(process->'tags', '[{"key": "VARCHAR", "value": "VARCHAR"}]') AS about,
            list_prepend('service.name', list_transform(coalesce(about, []), lambda t: t.key)) AS r_keys,
            list_prepend(process->>'serviceName', list_transform(coalesce(about, []), lambda t: t.value)) AS r_vals,
            epoch_utc(s.startTime) AS started
        FROM single
    )
    SELECT
        line, s IS NULL AS is_other,
        CASE WHEN record IS NOT NULL THEN attribute_object(keys, vals, r_keys, r_vals) END AS record,
        -- An id may have lost its leading zeros.
        lpad(s.traceID, CASE WHEN length(s.traceID) > 16 THEN 32 ELSE 16 END, '0') AS trace,
        lpad(s.spanID, 16, '0') AS span,
        lpad(coalesce(list_filter(s."references", lambda r: r.refType = 'CHILD_OF'
            AND coalesce(r.traceID = s.traceID, true))[1].spanID, nullif(s.parentSpanID, '')), 16, '0') AS parent,
        s.operationName AS name, attribute(keys, vals, 'span.kind') AS kind, NULL::VARCHAR AS kind_word,
        coalesce(attribute(keys, vals, 'otel.scope.name'), attribute(keys, vals, 'otel.library.name')) AS scope,
        started, later_by(started, number_of(s.duration) / 1000) AS ended,
        keys, vals, own_attributes(keys) AS own, r_keys, r_vals, {owners},
        list_transform(s.logs, lambda l: struct_pack(
            name := list_filter(l.fields, lambda f: f.key IN ('event', 'name'))[1].value,
            at := epoch_us(epoch_utc(l."timestamp")),
            attributes := object_of(list_transform(l.fields, lambda f: f.key),
                list_transform(l.fields, lambda f: f.value))
                ::VARCHAR
        )) AS events,
        NULL::BIGINT AS dropped,
        CASE WHEN bool_of(attribute(keys, vals, 'error')) THEN 'ERROR' ELSE attribute(keys, vals, 'otel.status_code')
            END AS status,
        attribute(keys, vals, 'otel.status_description') AS status_message
    FROM tagged
"""

_SPELLINGS = {
    "trace": ("trace_id", "traceId"), "span": ("span_id", "spanId"),
    "parent": ("parent_id", "parent_span_id", "parentSpanId", "parentId"),
    "started": ("start_time", "startTime", "start_time_unix_nano", "startTimeUnixNano", "start_timestamp", "hrTime",
                "timestamp"),
    "ended": ("end_time", "endTime", "end_time_unix_nano", "endTimeUnixNano", "end_timestamp"),
}  # fmt: skip
_TEXT = ("name", "kind", "id", "duration", "duration_ms", "status_code", "status_message", "span_name",
         "otel_status_code", "otel_status_message", *sum(_SPELLINGS.values(), ()))
_JSON = ("context", "attributes", "events", "status", "resource", "resource_attributes", "otel_resource_attributes",
         "scope", "instrumentation_scope", "instrumentationScope", "spanContext", "_spanContext",
         "parentSpanContext")  # fmt: skip
_NAMES = tuple(
    name
    for name in dict.fromkeys((*KNOWN, "metadata", *(key for keys in APP_KEYS.values() for key in keys)))
    if name not in (*_TEXT, *_JSON)
)
_RESOURCE = (
    "service.name", "service.version", "service.namespace", "deployment.environment.name", "deployment.environment",
    "deployment.id", "deployment.name", "cloud.region",
    *dict.fromkeys((*APP_KEYS["tenant"], *APP_KEYS["deploy"])),
)  # fmt: skip
SPAN_FIELDS = {**dict.fromkeys((*_TEXT, *_NAMES), "VARCHAR"), **dict.fromkeys(_JSON, "JSON")}
_SPANS = """
    WITH opened AS (
        SELECT *,
            CASE WHEN json_type(attributes) = 'VARCHAR' THEN try_cast(attributes->>'$' AS JSON) ELSE attributes END
                AS given,
            coalesce(resource_attributes, resource->'attributes', resource, otel_resource_attributes) AS about,
            coalesce(scope, instrumentation_scope, "instrumentationScope") AS maker,
            coalesce("spanContext", "_spanContext") AS ids,
            {columns} AS columns_given
        FROM records
    ), keyed AS (
        SELECT *,
            coalesce(json_type(given), 'NONE') AS shape,
            'OBJECT' IN (json_type(given->'gen_ai'), json_type(given->'llm'), json_type(given->'ai')) AS is_nested,
            CASE WHEN shape = 'ARRAY' THEN json_extract_string(given, '$[*].key')
                WHEN shape = 'OBJECT' AND NOT coalesce(is_nested, false) THEN json_keys(given) ELSE {names} END AS keys,
            CASE WHEN shape = 'ARRAY' THEN json_extract_string(given, '$[*].value.*')
                WHEN shape = 'OBJECT' AND NOT coalesce(is_nested, false) THEN json_extract_string(given, '$.*')
                WHEN shape = 'OBJECT' THEN json_extract_string(given, {walks}) ELSE columns_given END AS vals,
            {r_names} AS r_keys,
            list_transform(list_zip(json_extract_string(about, {r_literal}), json_extract_string(about, {r_walks})),
                lambda found: coalesce(a_name(found[1]), a_name(found[2]))) AS r_vals,
            coalesce(instant_utc(nullif(start_time, '')), instant_utc(nullif(startTime, '')),
                epoch_utc(nullif(start_time_unix_nano, '0')), epoch_utc(nullif(startTimeUnixNano, '0')),
                instant_utc(start_timestamp), pair_utc(startTime), pair_utc("hrTime"), epoch_utc("timestamp"))
                AS started,
            coalesce(instant_utc(nullif(end_time, '')), instant_utc(nullif(endTime, '')),
                epoch_utc(nullif(end_time_unix_nano, '0')), epoch_utc(nullif(endTimeUnixNano, '0')),
                instant_utc(end_timestamp), pair_utc(endTime), later_by(started, number_of(duration_ms)),
                CASE WHEN "timestamp" IS NOT NULL THEN later_by(started, number_of(duration) / 1000) END) AS ended
        FROM opened
    )
    SELECT
        line,
        -- Next to the event of a call, Copilot logs turns, sessions and tools, with the same ids and counts.
        "hrTime" IS NOT NULL AND coalesce(attribute(keys, vals, 'event.name'), '')
            <> 'gen_ai.client.inference.operation.details' AS is_other,
        CASE WHEN record IS NOT NULL THEN attribute_object(keys, vals, r_keys, r_vals) END AS record,
        nullif(coalesce(context->>'trace_id', trace_id, traceId, ids->>'traceId'), '') AS trace,
        nullif(coalesce(context->>'span_id', span_id, spanId, ids->>'spanId', id), '') AS span,
        coalesce(nullif(parent_id, ''), nullif(parent_span_id, ''), nullif(parentSpanId, ''), nullif("parentId", ''),
            "parentSpanContext"->>'spanId') AS parent,
        coalesce(name, span_name) AS name, split_part(kind, '.', -1) AS kind, NULL::VARCHAR AS kind_word,
        maker->>'name' AS scope,
        started, ended, keys, vals, own_attributes(keys) AS own, r_keys, r_vals, {owners},
        list_transform(
            from_json(events, '[{"name": "VARCHAR", "timestamp": "VARCHAR", "time_unix_nano": "VARCHAR",
                "timeUnixNano": "VARCHAR", "time": "VARCHAR", "attributes": "VARCHAR"}]'),
            lambda e: struct_pack(name := e.name, at := epoch_us(coalesce(instant_utc(e."timestamp"),
                epoch_utc(e.time_unix_nano), epoch_utc(e.timeUnixNano), pair_utc(e."time"))),
                attributes := e.attributes)
        ) AS events,
        NULL::BIGINT AS dropped,
        split_part(coalesce(CASE WHEN json_type(status) = 'OBJECT'
            THEN coalesce(status->>'status_code', status->>'code') ELSE status->>'$' END, status_code,
            otel_status_code), '.', -1)
            AS status,
        coalesce(status->>'description', status->>'message', status_message, otel_status_message) AS status_message
    FROM keyed
"""


def _list(texts: Sequence[str], quote: str = "'") -> str:
    return "[" + ", ".join(f"{quote}{text}{quote}" for text in texts) + "]"


_MARKS = {
    "{owners}": OWNERS.strip(), "{columns}": _list(_NAMES, '"'), "{names}": _list(_NAMES),
    "{walks}": _list([f"/{name.replace('.', '/')}" for name in _NAMES]), "{r_names}": _list(_RESOURCE),
    "{r_literal}": _list([f"/{name}" for name in _RESOURCE]),
    "{r_walks}": _list([f"/{name.replace('.', '/')}" for name in _RESOURCE]),
}  # fmt: skip
for _mark, _text in _MARKS.items():
    _JAEGER, _SPANS = _JAEGER.replace(_mark, _text), _SPANS.replace(_mark, _text)

JAEGER = normalise(_JAEGER)
SPANS = normalise(_SPANS)
