"""OpenTelemetry spans that are not OTLP: Tempo, Jaeger, and what an SDK prints; each is the same calls as OTLP."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streamaudit.store.store import Store
from tests.sampling import keep
from tests.support import (
    Record,
    equation,
    ingest,
    otel_attributes,
    otel_batch,
    otel_span,
    rows_of,
    store_of,
    stored_calls,
    total,
    write_lines,
)

TRACE, ROOT, CALL = "0" * 4 + "ab" * 14, "0" * 6 + "c" * 10, "d" * 16
START = 1_794_816_000_000_000_000
RESOURCE = {"service.name": "chat-api", "service.version": "7", "deployment.environment.name": "prod",
            "tenant.id": "acme"}  # fmt: skip
USUAL = {
    "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.usage.input_tokens": 50, "gen_ai.usage.output_tokens": 100, "gen_ai.response.finish_reasons": ["stop"],
    "gen_ai.request.stream": True, "user.id": "u",
}  # fmt: skip


def at(ms: float) -> str:
    """An instant in nanoseconds, that long after the start."""
    return str(START + round(ms * 1_000_000))


def iso(ms: float) -> str:
    return f"2026-11-16T08:00:{ms / 1000:09.6f}Z"


def otlp() -> Record:
    """A server's span and a call inside it, whose first chunk came after 400 ms."""
    chunk = {"name": "gen_ai.content.completion.chunk", "timeUnixNano": at(400), "attributes": []}
    route = [{"key": "http.route", "value": {"stringValue": "/chat"}}]
    root = otel_span("root", traceId=TRACE, spanId=ROOT, name="POST /chat", kind=2, startTimeUnixNano=at(0),
                     endTimeUnixNano=at(5100), attributes=route)  # fmt: skip
    call = otel_span("call", USUAL, traceId=TRACE, spanId=CALL, parentSpanId=ROOT, name="chat gpt-4o-mini",
                     startTimeUnixNano=at(0), endTimeUnixNano=at(5000), events=[chunk])  # fmt: skip
    return otel_batch(root, call, resource=RESOURCE)


def tempo() -> Record:
    """As its API answers: numbers for times, ids as bytes in base64, words for kinds."""
    (batch,) = otlp()["resourceSpans"]
    for span in batch["scopeSpans"][0]["spans"]:
        for key in ("traceId", "spanId", "parentSpanId"):
            if span.get(key):
                span[key] = base64.b64encode(bytes.fromhex(span[key])).decode()
        for key in ("startTimeUnixNano", "endTimeUnixNano"):
            span[key] = int(span[key])
        span["kind"] = {2: "SPAN_KIND_SERVER", 3: "SPAN_KIND_CLIENT"}[span["kind"]]
    return {"batches": [batch]}


def jaeger(**call: Any) -> Record:
    """As its query API answers: ids without leading zeros, lists as JSON text."""
    tags = [{"key": key, "type": "string", "value": json.dumps(value) if isinstance(value, list) else value}
            for key, value in USUAL.items()]  # fmt: skip
    spans: list[Record] = [
        {"traceID": TRACE.lstrip("0"), "spanID": ROOT.lstrip("0"), "operationName": "POST /chat", "references": [],
         "startTime": START // 1000, "duration": 5_100_000, "processID": "p1", "logs": [], "warnings": None,
         "tags": [{"key": "http.route", "value": "/chat"}, {"key": "span.kind", "value": "server"}]},
        {"traceID": TRACE.lstrip("0"), "spanID": CALL, "operationName": "chat gpt-4o-mini",
         "references": [{"refType": "FOLLOWS_FROM", "traceID": TRACE.lstrip("0"), "spanID": "e" * 16},
                        {"refType": "CHILD_OF", "traceID": TRACE.lstrip("0"), "spanID": ROOT.lstrip("0")}],
         "startTime": START // 1000, "duration": 5_000_000, "processID": "p1",
         "tags": [*tags, {"key": "span.kind", "value": "client"}, {"key": "otel.scope.name", "value": "x"}],
         "logs": [{"timestamp": START // 1000 + 400_000,
                   "fields": [{"key": "event", "value": "gen_ai.content.completion.chunk"}]}], **call},
    ]  # fmt: skip
    about = [{"key": key, "type": "string", "value": value} for key, value in RESOURCE.items() if key != "service.name"]
    return {"traceID": TRACE.lstrip("0"), "spans": spans, "processes": {"p1": {"serviceName": "chat-api",
                                                                              "tags": about}}}  # fmt: skip


def printed(**call: Any) -> list[Record]:
    """As the console exporter of the Python SDK prints them."""
    resource = {"attributes": RESOURCE, "schema_url": ""}
    root: Record = {
        "name": "POST /chat", "context": {"trace_id": f"0x{TRACE}", "span_id": f"0x{ROOT}", "trace_state": "[]"},
        "kind": "SpanKind.SERVER", "parent_id": None, "start_time": iso(0), "end_time": iso(5100),
        "status": {"status_code": "UNSET"}, "attributes": {"http.route": "/chat"}, "events": [], "links": [],
        "resource": resource,
    }  # fmt: skip
    called = {
        **root, "name": "chat gpt-4o-mini", "context": {**root["context"], "span_id": f"0x{CALL}"},
        "kind": "SpanKind.CLIENT", "parent_id": f"0x{ROOT}", "end_time": iso(5000), "attributes": USUAL,
        "events": [{"name": "gen_ai.content.completion.chunk", "timestamp": iso(400), "attributes": {}}], **call,
    }  # fmt: skip
    return [root, called]


def flat(record: Record) -> Record:
    """A printed span with its ids beside its name, and the resource's attributes nested."""
    ids = {name: value.removeprefix("0x") for name, value in record["context"].items() if name.endswith("_id")}
    nested = {"service": {"name": "chat-api", "version": "7"}, "deployment": {"environment": {"name": "prod"}},
              "tenant": {"id": "acme"}}  # fmt: skip
    rest = {name: value for name, value in record.items() if name not in ("context", "resource", "parent_id")}
    parent = record["parent_id"] and record["parent_id"].removeprefix("0x")
    return {**rest, **ids, "parent_span_id": parent, "resource": nested}


def spread(record: Record) -> Record:
    """A flat span with its attributes beside its name too."""
    one = flat(record)
    return {**one, **one.pop("attributes")}


def lines(*records: Record) -> Callable[[Path], Path]:
    return lambda folder: write_lines(folder / "spans.jsonl", records)


def text(content: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / "spans.json").write_text(content)
        return folder / "spans.json"

    return write


SHAPES: dict[str, Callable[[Path], Path]] = {
    "Tempo, a trace": text(json.dumps(tempo(), indent=1)),
    "Tempo, a line each": lines(tempo()),
    "Tempo, inside another key": text(json.dumps({"trace": otlp()})),
    "Jaeger, the API's page": text(json.dumps({"data": [jaeger()], "total": 0, "errors": None}, indent=2)),
    "Jaeger, the same trace twice": text(json.dumps({"data": [jaeger(), jaeger()]})),
    "Jaeger, one trace": text(json.dumps(jaeger(), indent=2)),
    "Jaeger, a line each": lines(jaeger()),
    "printed, one after another": text("\n".join(json.dumps(span, indent=4) for span in printed())),
    "printed, a line each": lines(*printed()),
    "printed, an array": text(json.dumps(printed())),
    "printed open, and once more closed": lines(printed()[0], printed(end_time=None)[1], printed()[1]),
    "flat": lines(*map(flat, printed())),
    "flat, a page": text(json.dumps({"trace_id": TRACE, "span_count": 2, "spans": [*map(flat, printed())]})),
    "spread": lines(*map(spread, printed())),
    "flat, attributes as OTLP lists them": lines(*(
        {**flat(span), "attributes": otel_attributes(span["attributes"])} for span in printed())),
}  # fmt: skip
EACH_RUN = (
    "Tempo, a trace", "Jaeger, the same trace twice", "printed, one after another",
    "printed open, and once more closed", "flat, a page", "spread",
)  # fmt: skip
IGNORED = {"load_id", "record_hash", "input_hash", "versions"}


def known(store: Store) -> tuple[list[Record], list[Record]]:
    """The calls and the steps, without what depends on how they were written."""
    found = [[{name: value for name, value in row.items() if name not in IGNORED} for row in rows_of(store, relation)]
             for relation in ("store.calls", "store.spans")]  # fmt: skip
    return found[0], found[1]


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Record], list[Record]]:
    """What OTLP gives."""
    with store_of(write_lines(tmp_path_factory.mktemp("otlp") / "spans.jsonl", [otlp()])) as store:
        found = known(store)
    (call,), (step,) = found
    assert (call["route"], call["deploy"], call["tenant"], call["ttft_ms"]) == ("/chat", "7", "acme", 400.0)
    assert (call["service"], call["environment"], step["kind"]) == ("chat-api", "prod", "server")
    return found


@pytest.mark.parametrize("shape", keep(SHAPES, EACH_RUN))
def test_every_shape_gives_the_calls_and_steps_of_otlp(
    shape: str, wanted: tuple[list[Record], list[Record]], tmp_path: Path
) -> None:
    """Ids, times to the microsecond, attributes, events, the resource and the parent; recognised without a flag."""
    with store_of(SHAPES[shape](tmp_path)) as store:
        assert known(store) == wanted


@pytest.mark.parametrize("shape", ["Jaeger", "printed"])
def test_an_error_is_one_in_every_shape(shape: str, store: Store, tmp_path: Path) -> None:
    """Jaeger has a tag for it, an SDK a status with a word; the message decides who left and is not kept."""
    broken = {name: value for name, value in USUAL.items() if "finish" not in name and "output" not in name}
    record = (
        jaeger(tags=[{"key": "error", "type": "bool", "value": True}, {"key": "error.type", "value": "_OTHER"},
                     {"key": "otel.status_description", "value": "abandoned stream"},
                     *({"key": key, "value": value} for key, value in broken.items())])
        if shape == "Jaeger" else
        printed(attributes={**broken, "error.type": "_OTHER"},
                status={"status_code": "ERROR", "description": "abandoned stream"})[1]
    )  # fmt: skip
    ingest(store, write_lines(tmp_path / "spans.jsonl", [record]))
    (call,) = stored_calls(store).values()
    assert (call["outcome"], call["output_tokens"]) == ("cancelled", None)
    assert "abandoned" not in repr(rows_of(store, "store.calls"))


def test_own_keys_can_be_mapped_in_every_shape(tmp_path: Path) -> None:
    """By the attribute's name, and by its place under resource."""
    for number, record in enumerate((jaeger(), printed()[1], tempo())):
        path = write_lines(tmp_path / f"{number}.jsonl", [record])
        with store_of(path, mapping=["tenant=user.id", "region=resource.service.version"]) as store:
            (call,) = stored_calls(store).values()
            assert (call["tenant"], call["region"]) == ("u", "7")


def test_flat_spans_are_no_raw_calls(store: Store, tmp_path: Path) -> None:
    """Steps around a call have ids, times and names too; only the call is one."""
    tool = flat({**printed()[1], "name": "execute_tool", "attributes": {"gen_ai.operation.name": "execute_tool"},
                 "context": {"trace_id": f"0x{TRACE}", "span_id": "0x" + "9" * 16}})  # fmt: skip
    records = [*map(flat, printed()), {**tool, "duration_ms": 5}]
    (result,) = ingest(store, write_lines(tmp_path / "spans.jsonl", records))
    assert result.source is not None and result.source.name == "otel"
    assert equation(result) == (3, 1, 0, 0, 0, 2)
    assert total(store, "report")["calls"] == 1


def test_rows_of_logfire_are_spans(store: Store, tmp_path: Path) -> None:
    """Its query API gives a row a span, with names of its own."""
    row = {
        "trace_id": TRACE, "span_id": "9" * 16, "parent_span_id": None, "kind": "span", "span_name": "chat gpt-4o-mini",
        "start_timestamp": "2026-11-16T08:00:00Z", "end_timestamp": "2026-11-16T08:00:05Z", "duration": 5.0,
        "attributes": {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini",
                       "gen_ai.usage.input_tokens": 50, "gen_ai.usage.output_tokens": 100},
        "otel_status_code": "ERROR", "otel_status_message": "CancelledError",
        "otel_resource_attributes": {"service.name": "shop"},
    }  # fmt: skip
    ingest(store, write_lines(tmp_path / "rows.jsonl", [row]))
    (call,) = stored_calls(store).values()
    names = ("output_tokens", "duration_ms", "service", "outcome")
    assert [call[name] for name in names] == [100, 5000.0, "shop", "cancelled"]


def test_a_list_of_found_traces_is_refused_with_the_way_to_their_spans(store: Store, tmp_path: Path) -> None:
    """Tempo's search names traces and holds no span."""
    found = {"traces": [{"traceID": "2f3e", "rootServiceName": "api", "durationMs": 5}], "metrics": {}}
    (result,) = ingest(store, write_lines(tmp_path / "found.json", [found]))
    assert result.problem is not None and "Tempo" in result.problem
    assert result.hint is not None and "/api/traces/" in result.hint
