"""OpenTelemetry traces: OTLP JSON as the collector's file exporter and Tempo write it, a batch of spans a line, or
whole; traces of Jaeger; and single spans as an SDK prints them (``_otel_shapes``).

Keys in lowerCamelCase or in the snake_case of the protocol's own files; times are nanoseconds since 1970, in text or as
numbers (OTLP specification, JSON Protobuf encoding; OTLP file exporter).
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache, partial

from streamaudit.ingest.sources import _otel_azure, _otel_logs
from streamaudit.ingest.sources._otel_logs import has_calls
from streamaudit.ingest.sources._otel_semconv import OWN_KEYS, READS, REMEDIES
from streamaudit.ingest.sources._otel_shapes import (
    JAEGER,
    JAEGER_FIELDS,
    OWNERS,
    SPAN_FIELDS,
    SPANS,
    is_jaeger,
    is_span,
)
from streamaudit.ingest.sources._otel_spans import fit_spans, normalise
from streamaudit.ingest.sources.registry import Match, Occurs, Record, Refusal, Source

_BATCH = ("resourceSpans", "resource_spans")
_SCOPES = ("scopeSpans", "scope_spans", "instrumentationLibrarySpans", "instrumentation_library_spans")
_OTHERS = {
    "resourceMetrics": "metrics", "resource_metrics": "metrics", "resourceLogs": "logs", "resource_logs": "logs",
    "resourceProfiles": "profiles",
}  # fmt: skip
_SPANS_LOOKED_AT = 200


def _recognise(head: Sequence[Record]) -> Match | Refusal | None:
    for record in head:
        batch = next((key for key in _BATCH if isinstance(record.get(key), list)), None)
        if batch:
            return Match(_variant(head), batch)
        if any(_is_tempo(part) for part in (record, record.get("trace"))):
            return Match("Tempo", "batches" if "batches" in record else "trace", reading=TEMPO)
        if is_jaeger(record):
            return Match("Jaeger", "traceID + spans + processes", reading=JAEGER_TRACES)
        if "rootServiceName" in record or _is_search(record.get("traces")):
            return Refusal(
                "a list of traces that Tempo has found, not their spans",
                "export each trace by its id: GET /api/traces/ID",
            )
    for record in head:
        if is_span(record):
            return Match("single spans", "trace and span id + attributes", reading=SINGLE)
    for record in head:
        place = _otel_azure.find_place(record)
        if place is not None:
            given, trace = (names[0] for names in _otel_azure.needs(place))
            return Match("rows of Azure Monitor", f"{given} + {trace}", reading=_read_azure(place))
    if any(has_calls(record) for record in head):
        return Match("logs of coding agents", "resourceLogs + event.name", reading=_read_logs())
    for record in head:
        for key, what in _OTHERS.items():
            if key in record:
                return Refusal(
                    f"OpenTelemetry {what}: aggregates and events, not the spans of calls",
                    "export the traces pipeline: a file exporter of its own in service.pipelines.traces",
                )
    return None


def _is_tempo(part: object) -> bool:
    """Whether this is a trace as Tempo returns it, or has one under ``trace``."""
    if not isinstance(part, dict):
        return False
    lists = [part[key] for key in ("batches", *_BATCH) if isinstance(part.get(key), list)]
    return any(isinstance(one, dict) and set(_SCOPES) & set(one) for batches in lists for one in batches)


def _is_search(traces: object) -> bool:
    return isinstance(traces, list) and any(isinstance(one, dict) and "rootServiceName" in one for one in traces)


def _variant(head: Sequence[Record]) -> str:
    """Describe which libraries wrote these spans."""
    found = dict.fromkeys(name for scope, span in _spans(head) if (name := _library(scope, span)))
    return " and ".join(sorted(found)) or "spans"


def _library(scope: str, span: Record) -> str | None:
    attributes = span.get("attributes")
    listed = attributes if isinstance(attributes, list) else ()
    keys = {str(one.get("key")) for one in listed if isinstance(one, dict)}
    if any(key.startswith("openinference.") for key in keys):
        return "OpenInference"
    if "ai.operationId" in keys or str(span.get("name")).startswith("ai."):
        return "Vercel AI SDK, legacy exporter"
    if scope in ("gen_ai", "@ai-sdk/otel") or "gen_ai.client.operation.time_to_first_chunk" in keys:
        return "Vercel AI SDK"
    if any(key.startswith(("llm.request.", "llm.usage.")) for key in keys):
        return "OpenLLMetry up to 0.4"
    if any(key.startswith(("traceloop.", "gen_ai.prompt.0.", "gen_ai.completion.0.", "llm.is_")) for key in keys):
        return "OpenLLMetry"
    if any(key.startswith("gen_ai.latency.") for key in keys):
        return "vLLM or SGLang"
    if any(key.startswith("gen_ai.") for key in keys):
        return "GenAI conventions"
    return None


def _spans(head: Sequence[Record]) -> Iterator[tuple[str, Record]]:
    """Yield the first spans with the name of the scope that made each."""
    left = _SPANS_LOOKED_AT
    for record in head:
        for batch in _lists(record, _BATCH):
            for scope in _lists(batch, _SCOPES):
                about = scope.get("scope") or scope.get("instrumentationLibrary")
                for span in _lists(scope, ("spans",)):
                    yield str(about.get("name")) if isinstance(about, dict) else "", span
                    left -= 1
                    if not left:
                        return


def _lists(record: Record, keys: Sequence[str]) -> Iterator[Record]:
    for key in keys:
        value = record.get(key)
        if isinstance(value, list):
            yield from (item for item in value if isinstance(item, dict))


# One type for both casings, so that DuckDB takes a batch apart while it parses; what is of another type is NULL.
_VALUE = """STRUCT(stringValue VARCHAR, string_value VARCHAR, intValue VARCHAR, int_value VARCHAR, doubleValue VARCHAR,
    double_value VARCHAR, boolValue VARCHAR, bool_value VARCHAR, arrayValue VARCHAR, array_value VARCHAR)"""
_ATTRIBUTES = f"STRUCT(key VARCHAR, value {_VALUE})[]"
_SPAN = f"""STRUCT(traceId VARCHAR, trace_id VARCHAR, spanId VARCHAR, span_id VARCHAR, parentSpanId VARCHAR,
    parent_span_id VARCHAR, name VARCHAR, kind VARCHAR, startTimeUnixNano VARCHAR, start_time_unix_nano VARCHAR,
    endTimeUnixNano VARCHAR, end_time_unix_nano VARCHAR, attributes {_ATTRIBUTES},
    events STRUCT(name VARCHAR, timeUnixNano VARCHAR, time_unix_nano VARCHAR, attributes VARCHAR)[],
    droppedEventsCount VARCHAR, dropped_events_count VARCHAR, status STRUCT(code VARCHAR, message VARCHAR))"""
_SCOPE = f"STRUCT(scope STRUCT(name VARCHAR), spans {_SPAN}[])[]"


def _list_type(scopes: Sequence[str]) -> str:
    """Return the type of a list of batches whose spans are under these names."""
    parts = ", ".join(f"{name} {_SCOPE}" for name in scopes)
    return " ".join(f"STRUCT(resource STRUCT(attributes {_ATTRIBUTES}), {parts})[]".split())


_TYPE = _list_type(_SCOPES)

# A record without spans stays one row: an empty batch is no call, anything else is unreadable.
_SPANS = """
    WITH batches AS (
        SELECT line, record, is_batch, unnest(listed) AS batch
        FROM (
            SELECT line, record, {is_batch} AS is_batch, {batches} AS listed FROM records
        )
    ), resources AS (
        SELECT line, record, is_batch, r_keys, r_vals, unnest(listed) AS part
        FROM (
            SELECT line, record, is_batch,
                otlp_keys(batch.resource.attributes) AS r_keys,
                otlp_values(batch.resource.attributes) AS r_vals,
                {parts} AS listed
            FROM batches
        )
    ), owners AS (
        SELECT *,
            {owners},
            CASE WHEN len(part.spans) > 0 THEN part.spans ELSE [NULL] END AS listed
        FROM resources
    ), single AS (
        SELECT line, record, is_batch, r_keys, r_vals, r_tenants, r_deploys, part.scope.name AS scope,
            unnest(listed) AS s
        FROM owners
    ), listed_attributes AS (
        SELECT *, otlp_keys(s.attributes) AS keys, otlp_values(s.attributes) AS vals FROM single
    )
    SELECT
        line, s IS NULL AND is_batch AS is_other,
        CASE WHEN record IS NOT NULL THEN attribute_object(keys, vals, r_keys, r_vals) END AS record,
        coalesce(nullif(s.traceId, ''), nullif(s.trace_id, '')) AS trace,
        coalesce(nullif(s.spanId, ''), nullif(s.span_id, '')) AS span,
        coalesce(nullif(s.parentSpanId, ''), nullif(s.parent_span_id, '')) AS parent,
        s.name AS name, s.kind AS kind, NULL::VARCHAR AS kind_word, scope,
        -- 0 is how an exporter of the protocol writes a time it does not have.
        epoch_utc(nullif(coalesce(s.startTimeUnixNano, s.start_time_unix_nano), '0')) AS started,
        epoch_utc(nullif(coalesce(s.endTimeUnixNano, s.end_time_unix_nano), '0')) AS ended,
        keys, vals, own_attributes(keys) AS own, r_keys, r_vals, r_tenants, r_deploys,
        list_transform(s.events, lambda e: struct_pack(
            name := e.name, at := epoch_us(epoch_utc(coalesce(e.timeUnixNano, e.time_unix_nano))),
            attributes := e.attributes
        )) AS events,
        tokens_of(coalesce(s.droppedEventsCount, s.dropped_events_count)) AS dropped,
        s.status.code AS status, s.status.message AS status_message
    FROM listed_attributes
"""



def _take_spans(batches: Sequence[str], scopes: Sequence[str]) -> str:
    """Return the SELECT of the spans of records that have their batches and the parts of these under such names."""
    marks = {
        "owners": OWNERS.strip(), "is_batch": f"coalesce({', '.join(batches)}) IS NOT NULL",
        "batches": _first_filled(batches), "parts": _first_filled([f"batch.{name}" for name in scopes]),
    }  # fmt: skip
    sql = _SPANS
    for mark, text in marks.items():
        sql = sql.replace(f"{{{mark}}}", text)
    return sql


def _first_filled(lists: Sequence[str]) -> str:
    return f"CASE {' '.join(f'WHEN len({one}) > 0 THEN {one}' for one in lists)} ELSE [NULL] END"


def _fit(source: Source, occurs: Occurs) -> Source:
    """Read only the spellings and attributes that occur: each spelling of a list has a hundred fields of its own."""
    batches, scopes = (
        [name for name in names if occurs(name)] or names[:1] for names in (_BATCH, _SCOPES)
    )  # fmt: skip
    narrow = replace(source, fields=dict.fromkeys(batches, _list_type(scopes)))
    return fit_spans(narrow, occurs, spans=_take_spans(batches, scopes))


SOURCE = Source(
    name="otel",
    version=10,
    recognise=_recognise,
    fields=dict.fromkeys(_BATCH, _TYPE),
    sql=normalise(_take_spans(_BATCH, _SCOPES)),
    own_keys=OWN_KEYS,
    nested_rule="same_model",
    id_field="spanId",
    has_total=True,
    time_field="startTimeUnixNano",
    record_keys=(),
    needs=((*_BATCH,),),
    reads=READS,
    remedies=REMEDIES,
    fit=_fit,
)

_TEMPO = _take_spans(_BATCH, _SCOPES).replace(
    "FROM records",
    "FROM (SELECT *, coalesce(batches, trace.batches, trace.resourceSpans, trace.resource_spans) AS resourceSpans,"
    " resourceSpans AS resource_spans FROM records)",
    1,
)
TEMPO = replace(
    SOURCE,
    fields={"batches": _TYPE, "trace": f"STRUCT(batches {_TYPE}, resourceSpans {_TYPE}, resource_spans {_TYPE})"},
    sql=normalise(_TEMPO),
    needs=(("batches", "trace"),),
    fit=partial(fit_spans, spans=_TEMPO),
)
JAEGER_TRACES = replace(SOURCE, fields=JAEGER_FIELDS, sql=JAEGER, needs=(("spans",), ("processes",)), fit=None)
SINGLE = replace(
    SOURCE,
    fields=SPAN_FIELDS,
    sql=SPANS,
    id_field="span_id",
    time_field="start_time",
    needs=(
        ("span_id", "spanId", "context.span_id", "spanContext.spanId", "_spanContext.spanId", "id"),
        ("start_time", "startTime", "startTimeUnixNano", "start_timestamp", "hrTime", "timestamp"),
    ),
    fit=None,
)


@cache
def _read_logs() -> Source:
    """Return the reading of logs; made where a file needs it, since each costs a start some milliseconds."""
    return replace(
        SOURCE, fields=_otel_logs.FIELDS, sql=normalise(_otel_logs.SPANS), needs=(_otel_logs.LISTS,), id_field=None,
        time_field="timeUnixNano", fit=None,
    )  # fmt: skip


@cache
def _read_azure(place: int) -> Source:
    """Return the reading of rows of Azure Monitor, in one of its two tables."""
    return replace(
        SOURCE, fields=_otel_azure.fields(place), sql=normalise(_otel_azure.spans(place)),
        needs=_otel_azure.needs(place), id_field=None, time_field=None, fit=None,
    )  # fmt: skip
