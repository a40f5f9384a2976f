"""OpenTelemetry: the generations of names, where the time to first token hides, how spans end, and what a batch is."""

import json
from pathlib import Path
from typing import Any

import pytest

from streamaudit.ingest import FileResult
from streamaudit.store import Store
from tests.support import (
    Record,
    calls,
    equation,
    grouped,
    ingest,
    otel_attributes,
    otel_batch,
    otel_span,
    rows_of,
    store_of,
    total,
    write_lines,
)

START = 1_794_816_000_000_000_000
BARE = dict.fromkeys(
    (
        "gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens", "gen_ai.response.finish_reasons",
    ),
    ...,
)  # fmt: skip
UNFINISHED = dict.fromkeys(
    ("gen_ai.response.finish_reasons", "gen_ai.usage.output_tokens", "gen_ai.usage.input_tokens"), ...
)


def event(name: str, ms: float, attributes: Record | None = None) -> Record:
    """A moment of a span, that long after its start."""
    at = str(START + round(ms * 1_000_000))
    return {"name": name, "timeUnixNano": at, "attributes": otel_attributes(attributes or {})}


def put(store: Store, folder: Path, *lines: object) -> FileResult:
    """Ingest lines as one file that must be readable."""
    (result,) = ingest(store, write_lines(folder / "spans.jsonl", lines))
    assert result.problem is None, result.problem
    return result


def one(store: Store, folder: Path, *lines: object) -> Record:
    """The only call of these lines."""
    put(store, folder, *lines)
    (call,) = calls(store).values()
    return call


GENERATIONS: dict[str, tuple[Record, Record]] = {
    "the newest conventions": (
        {
            "gen_ai.operation.name": "text_completion", "gen_ai.provider.name": "aws.bedrock",
            "gen_ai.request.model": "m", "gen_ai.response.model": "m-2026-01-01", "gen_ai.request.stream": True,
            "gen_ai.usage.input_tokens": 20, "gen_ai.usage.output_tokens": 30,
            "gen_ai.usage.reasoning.output_tokens": 7, "gen_ai.usage.cache_read.input_tokens": 8,
            "gen_ai.usage.cache_write.input_tokens": 9, "gen_ai.response.finish_reasons": ["length", "stop"],
            "gen_ai.response.id": "r1", "gen_ai.conversation.id": "c1",
        },
        {
            "operation": "completion", "provider": "aws.bedrock", "model": "m", "response_model": "m-2026-01-01",
            "streamed": True, "input_tokens": 20, "output_tokens": 30, "reasoning_tokens": 7,
            "cached_input_tokens": 8, "cache_write_tokens": 9, "finish_reason": "length", "response_id": "r1",
            "session_id": "c1", "outcome": "completed",
        },
    ),
    "conventions 1.40 and 1.41": (
        {**BARE, "gen_ai.operation.name": "generate_content", "gen_ai.provider.name": "gcp.gemini",
         "gen_ai.response.model": "gemini-2.5-flash", "gen_ai.usage.output_tokens": 4,
         "gen_ai.usage.cache_creation.input_tokens": 6},
        {"provider": "gcp.gemini", "model": "gemini-2.5-flash", "output_tokens": 4, "cache_write_tokens": 6},
    ),
    "OpenLLMetry up to 0.4": (
        {**BARE, "llm.request.type": "chat", "gen_ai.system": "OpenAI", "gen_ai.request.model": "m",
         "llm.is_streaming": True, "gen_ai.usage.prompt_tokens": 20, "gen_ai.usage.completion_tokens": 30,
         "llm.usage.reasoning_tokens": 7, "gen_ai.usage.cache_read_input_tokens": 8,
         "gen_ai.usage.cache_creation_input_tokens": 9, "llm.response.finish_reason": "stop", "gen_ai.user": "u"},
        {"provider": "openai", "streamed": True, "input_tokens": 20, "output_tokens": 30, "reasoning_tokens": 7,
         "cached_input_tokens": 8, "cache_write_tokens": 9, "finish_reason": "stop", "user_id": "u"},
    ),
    "OpenLLMetry with association properties": (
        {"traceloop.association.properties.tenant_id": "acme", "traceloop.association.properties.user_id": "u",
         "traceloop.association.properties.chat_id": "c", "gen_ai.completion.0.finish_reason": "stop",
         "gen_ai.completion.0.content": "12345"},
        {"tenant": "acme", "user_id": "u", "session_id": "c", "output_chars": 5},
    ),
    "the Vercel AI SDK's legacy exporter": (
        {**BARE, "ai.operationId": "ai.streamText.doStream", "ai.model.provider": "openai.chat", "ai.model.id": "m",
         "ai.response.msToFirstChunk": 412.5, "ai.usage.inputTokens": 20, "ai.usage.outputTokens": 30,
         "ai.usage.reasoningTokens": 7, "ai.usage.cachedInputTokens": 8, "ai.response.finishReason": "stop",
         "ai.telemetry.functionId": "support", "ai.telemetry.metadata.tenantId": "acme",
         "ai.telemetry.metadata.userId": "u", "ai.telemetry.metadata.sessionId": "s"},
        {"provider": "openai", "model": "m", "streamed": True, "ttft_ms": 412.5, "input_tokens": 20,
         "output_tokens": 30, "reasoning_tokens": 7, "cached_input_tokens": 8, "finish_reason": "stop",
         "route": "support", "tenant": "acme", "user_id": "u", "session_id": "s"},
    ),
    "an earlier major of the Vercel AI SDK, without usage": (
        {**BARE, "ai.operationId": "ai.streamText.doStream", "ai.model.id": "m", "ai.usage.promptTokens": "NaN",
         "ai.usage.completionTokens": 3, "ai.response.finishReason": "stop"},
        {"input_tokens": None, "output_tokens": 3, "outcome": "completed"},
    ),
    "the Vercel AI SDK's new exporter": (
        {"gen_ai.client.operation.time_to_first_chunk": 0.4125, "gen_ai.agent.name": "support"},
        {"ttft_ms": 412.5, "route": "support"},
    ),
    "OpenInference": (
        {**BARE, "openinference.span.kind": "LLM", "llm.model_name": "gpt-4o-2024-08-06", "llm.provider": "openai",
         "llm.token_count.prompt": 20, "llm.token_count.completion": 30,
         "llm.token_count.completion_details.reasoning": 7, "llm.token_count.prompt_details.cache_read": 8,
         "llm.cost.total": 0.5, "llm.invocation_parameters": '{"stream": true, "max_tokens": 99}',
         "metadata": '{"tenant": "acme", "rendered_tokens": 12}', "session.id": "s", "user.id": "u"},
        {"model": "gpt-4o", "response_model": "gpt-4o-2024-08-06", "input_tokens": 20, "output_tokens": 30,
         "reasoning_tokens": 7, "cached_input_tokens": 8, "cost_usd": 0.5, "streamed": True, "max_tokens": 99,
         "tenant": "acme", "rendered_tokens": 12, "session_id": "s", "user_id": "u"},
    ),
    "MLflow": (
        {**BARE, "mlflow.spanType": '"CHAT_MODEL"', "mlflow.llm.model": '"m"',
         "mlflow.chat.tokenUsage": '{"input_tokens": 20, "output_tokens": 30}'},
        {"model": "m", "input_tokens": 20, "output_tokens": 30},
    ),
    "an engine of its own": (
        {**BARE, "gen_ai.latency.time_to_first_token": 0.2, "gen_ai.response.model": "m",
         "gen_ai.usage.completion_tokens": 30},
        {"server_ttft_ms": 200.0, "ttft_ms": None, "output_tokens": 30},
    ),
    "a service nobody named": ({}, {"service": None, "tenant": None}),
}  # fmt: skip


KEYED = {"tenant", "route", "rendered_tokens"}
"""Filled for a whole file from the best key that occurs in it, so that these cases are files of their own."""


def together(batches: dict[str, Record], folder: Path) -> dict[str, Record]:
    """The call of each batch, all read as one file."""
    with store_of(write_lines(folder / "spans.jsonl", batches.values())) as store:
        by_trace = {call["trace_id"]: call for call in calls(store).values()}
    spans = {case: batch["resourceSpans"][0]["scopeSpans"][0]["spans"][0] for case, batch in batches.items()}
    return {case: by_trace[span["traceId"]] for case, span in spans.items()}


def test_every_generation_of_names_is_read(tmp_path: Path) -> None:
    """Each library's own names and units."""
    batches = {
        case: otel_batch(
            otel_span(f"g{number}", attributes),
            resource={"service.name": "unknown_service:node"} if case == "a service nobody named" else None,
        )
        for number, (case, (attributes, _)) in enumerate(GENERATIONS.items())
    }
    alone = [case for case, (_, wanted) in GENERATIONS.items() if KEYED & set(wanted)]
    found = together({case: batch for case, batch in batches.items() if case not in alone}, tmp_path)
    for case in alone:
        found |= together({case: batches[case]}, tmp_path)
    for case, (_, wanted) in GENERATIONS.items():
        assert {column: found[case][column] for column in wanted} == wanted, case


FIRST: dict[str, tuple[Record, list[Record], float | None]] = {
    "seconds of 1.41": ({"gen_ai.response.time_to_first_chunk": 0.4}, [], 400.0),
    "seconds of Sentry": ({"gen_ai.response.time_to_first_token": 0.4}, [], 400.0),
    "seconds of the Vercel AI SDK": ({"gen_ai.client.operation.time_to_first_chunk": 0.4}, [], 400.0),
    "milliseconds of a text stream": ({"ai.response.msToFirstChunk": 400}, [], 400.0),
    "milliseconds of an object stream": ({"ai.stream.msToFirstChunk": 400}, [], 400.0),
    "milliseconds of realtime": ({"time_to_first_token_ms": 400}, [], 400.0),
    "never the engine's": ({"gen_ai.latency.time_to_first_token": 0.1}, [], None),
    "an event added at the end, with its time beside it": (
        {}, [event("ai.stream.firstChunk", 4999, {"ai.stream.msToFirstChunk": 400})], 400.0,
    ),
    "an event of the Vercel AI SDK": ({}, [event("ai.stream.firstChunk", 400)], 400.0),
    "an event of OpenInference": ({}, [event("First Token Stream Event", 400)], 400.0),
    "chunks of OpenLLMetry, in any order": (
        {}, [event("llm.content.completion.chunk", ms) for ms in (900, 400, 600)], 400.0,
    ),
    "chunks of its newer names": ({}, [event("gen_ai.content.completion.chunk", ms) for ms in (400, 600)], 400.0),
    "chunks of MLflow": ({}, [event(f"mlflow.chunk.item.{n}", 400 + n) for n in range(3)], 400.0),
    "an attribute before an event": ({"gen_ai.response.time_to_first_chunk": 0.3},
                                     [event("First Token Stream Event", 400)], 300.0),
}  # fmt: skip


def test_the_first_token_is_found_wherever_it_hides(tmp_path: Path) -> None:
    """In the unit of each place, and in their order."""
    batches = {
        place: otel_batch(otel_span(f"f{number}", attributes, events=events))
        for number, (place, (attributes, events, _)) in enumerate(FIRST.items())
    }
    found = together(batches, tmp_path)
    for place, (_, _, wanted) in FIRST.items():
        assert found[place]["ttft_ms"] == pytest.approx(wanted), place
        assert found[place]["ttft_status"] == ("usable" if wanted else "not_recorded"), place


def test_chunk_events_give_the_times_of_all_chunks_unless_some_were_dropped(store: Store, tmp_path: Path) -> None:
    """An exporter keeps 128 events a span: what is left of a longer stream has false gaps and a false start."""
    events = [event("gen_ai.content.completion.chunk", ms) for ms in (400, 420, 900.5)]
    whole = otel_span("a", events=events)
    put(store, tmp_path, otel_batch(whole, otel_span("b", events=events, droppedEventsCount=3)))
    found = {call["chunk_count"]: (call["chunk_offsets_ms"], call["ttft_ms"]) for call in calls(store).values()}
    assert found == {3: ([400.0, 420.0, 900.5], 400.0), None: (None, None)}


ENDS: dict[str, tuple[dict[str, Any], Record]] = {
    "a class that names a cancel, beside the finish reason error": (
        {"attributes": {**UNFINISHED, "gen_ai.response.finish_reasons": ["error"], "error.type": "CancelledError"},
         "status": {"code": 2}},
        {"outcome": "cancelled", "cancel_evidence": "error", "error_type": "CancelledError"},
    ),
    "Go's context": (
        {"attributes": {**UNFINISHED, "error.type": "context canceled"}}, {"outcome": "cancelled", "error_type": None},
    ),
    "a number for a class": (
        {"attributes": {**UNFINISHED, "error.type": "499"}}, {"outcome": "cancelled", "http_status": 499},
    ),
    "a failure at the provider": (
        {"attributes": {**UNFINISHED, "error.type": "429"}, "status": {"code": 2}},
        {"outcome": "error", "http_status": 429},
    ),
    "an error in one of two choices": (
        {"attributes": {"gen_ai.response.finish_reasons": ["stop", "error"]}, "status": {"code": "STATUS_CODE_ERROR"}},
        {"finish_reason": "stop", "outcome": "error"},
    ),
    "a time-out": (
        {"attributes": {**UNFINISHED, "error.type": "APITimeoutError"}, "status": {"code": 2}}, {"outcome": "timeout"},
    ),
    "an exception event": (
        {"attributes": UNFINISHED, "status": {"code": 2},
         "events": [event("exception", 900, {"exception.type": "asyncio.CancelledError"})]},
        {"outcome": "cancelled", "error_type": "asyncio.CancelledError"},
    ),
    "a message about the content": (
        {"attributes": UNFINISHED, "status": {"code": 2, "message": "cannot cancel the order of the customer"}},
        {"outcome": "error"},
    ),
    "a flag of any-llm": ({"attributes": {**UNFINISHED, "anyllm.stream.cancelled": True}},
                          {"outcome": "cancelled", "cancel_evidence": "flag"}),
    "the Vercel AI SDK aborting": (
        {"attributes": {**BARE, "ai.operationId": "ai.streamText.doStream", "ai.model.id": "m"}},
        {"outcome": "cancelled", "cancel_evidence": "aborted", "output_tokens": None, "ttft_ms": None},
    ),
    "the Vercel AI SDK failing": (
        {"attributes": {**BARE, "ai.operationId": "ai.streamText.doStream", "ai.model.id": "m"}, "status": {"code": 2}},
        {"outcome": "error"},
    ),
    "OpenLLMetry's reader gone": (
        {"attributes": UNFINISHED, "status": {"code": 1},
         "events": [event("gen_ai.content.completion.chunk", ms) for ms in (400, 700)]},
        {"outcome": "interrupted", "cancel_evidence": "unterminated", "cancelled_at_ms": 700.0},
    ),
    "OpenLLMetry counting the tokens that came": (
        {"attributes": {"gen_ai.response.finish_reasons": ...},
         "events": [event("gen_ai.content.completion.chunk", 400)]},
        {"usage_basis": "tokenizer", "billed_tokens": None},
    ),
    "a stream with a first token and no end": (
        {"attributes": {**UNFINISHED, "gen_ai.response.time_to_first_chunk": 0.4}}, {"outcome": "interrupted"},
    ),
    "no stream, no usage": ({"attributes": UNFINISHED}, {"outcome": "unknown"}),
    "a finish reason without usage": (
        {"attributes": {**UNFINISHED, "gen_ai.response.finish_reasons": ["stop"]},
         "events": [event("gen_ai.content.completion.chunk", 400)]},
        {"outcome": "completed", "output_tokens": None},
    ),
    "an abort of the engine": ({"attributes": {"gen_ai.response.finish_reasons": ["abort"]}}, {"outcome": "cancelled"}),
    "no end": ({"endTimeUnixNano": "0", "attributes": UNFINISHED}, {"outcome": "unknown", "duration_ms": None}),
}  # fmt: skip


def test_how_a_span_ended_is_told_with_its_evidence(tmp_path: Path) -> None:
    """Cancels, failures and streams that break off; nothing is a cancel that only lacks usage."""
    batches = {
        end: otel_batch(
            otel_span(f"e{number}", fields["attributes"], **{k: v for k, v in fields.items() if k != "attributes"})
        )
        for number, (end, (fields, _)) in enumerate(ENDS.items())
    }
    found = together(batches, tmp_path)
    for end, (_, wanted) in ENDS.items():
        assert {column: found[end][column] for column in wanted} == wanted, end


def nested(*spans: tuple[str, str | None, Record, Record]) -> Record:
    """Spans of one trace: name, parent's name, attributes and fields."""
    ids = {name: f"{number:016x}" for number, (name, *_) in enumerate(spans, start=1)}
    return otel_batch(*(
        otel_span(name, attributes, traceId="f" * 32, spanId=ids[name], name=name,
                  parentSpanId=ids.get(parent or "", ""), **fields)
        for name, parent, attributes, fields in spans
    ))  # fmt: skip


SERVER = {**BARE, "http.route": "/v1/answer"}


def test_the_route_is_that_of_the_server_span_above(store: Store, tmp_path: Path) -> None:
    """Through steps between, past middleware that has a route of its own and an HTTP client below."""
    put(store, tmp_path, nested(
        ("POST /v1/answer", None, SERVER, {"kind": 2}),
        ("middleware", "POST /v1/answer", {**BARE, "http.route": "/"}, {"kind": 1}),
        ("agent", "middleware", {**BARE, "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "helper"}, {}),
        ("chat m", "agent", {}, {}),
        ("POST", "chat m", {**BARE, "endpoint": "api.openai.com"}, {}),
    ))  # fmt: skip
    (call,) = calls(store).values()
    assert call["route"] == "/v1/answer"
    assert len(rows_of(store, "store.spans")) == 4


def test_without_a_server_span_the_agent_or_the_root_names_the_route(store: Store, tmp_path: Path) -> None:
    """The fallbacks in their order."""
    agent = {**BARE, "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "helper"}
    call = one(store, tmp_path, nested(("root", None, agent, {}), ("chat m", "root", {}, {})))
    assert call["route"] == "helper"
    with Store.in_memory() as other:
        call = one(other, tmp_path, nested(("nightly job", None, BARE, {}), ("chat m", "nightly job", {}, {})))
    assert call["route"] == "nightly job"


def test_only_the_innermost_of_nested_calls_counts(store: Store, tmp_path: Path) -> None:
    """Agents, steps and the Vercel AI SDK's outer spans repeat the totals; a framework's call repeats the client's."""
    outer = {**BARE, "ai.operationId": "ai.streamText", "ai.usage.outputTokens": 100, "ai.model.id": "gpt-4o-mini"}
    put(store, tmp_path, nested(
        ("ai.streamText", None, outer, {}),
        ("step 1", "ai.streamText", {**BARE, "gen_ai.operation.name": "agent_step",
                                     "gen_ai.usage.output_tokens": 100}, {}),
        ("ChatOpenAI.chat", "step 1", {}, {}),
        ("chat gpt-4o-mini", "ChatOpenAI.chat", {}, {}),
    ))  # fmt: skip
    assert total(store, "report")["output_tokens"] == 100
    assert sorted(call["counted"] for call in calls(store).values()) == [False, True]


def test_an_engine_inside_its_clients_call_does_not_count(store: Store, tmp_path: Path) -> None:
    """It is the same request, and only the client knows when the first token arrived."""
    engine = {**BARE, "gen_ai.latency.time_to_first_token": 0.2, "gen_ai.response.model": "gpt-4o-mini",
              "gen_ai.usage.completion_tokens": 100}  # fmt: skip
    put(store, tmp_path, nested(
        ("chat", None, {"gen_ai.response.time_to_first_chunk": 0.4}, {}),
        ("POST /v1/chat/completions", "chat", BARE, {"kind": 2}),
        ("llm_request", "POST /v1/chat/completions", engine, {"kind": 2}),
    ))  # fmt: skip
    found = {call["name"]: (call["counted"], call["ttft_ms"]) for call in calls(store).values()}
    assert found == {"chat": (True, 400.0), "llm_request": (False, None)}


def test_embeddings_stand_apart(store: Store, tmp_path: Path) -> None:
    """By the conventions, the Vercel AI SDK and OpenInference."""
    kinds: list[Record] = [
        {"gen_ai.operation.name": "embeddings"},
        {"openinference.span.kind": "EMBEDDING"},
        {**BARE, "ai.operationId": "ai.embed.doEmbed", "ai.usage.tokens": 9},
    ]
    put(store, tmp_path, otel_batch(*(otel_span(name, kind) for name, kind in zip("abc", kinds, strict=True))))
    assert total(store, "report")["calls"] == 0
    assert {call["operation"] for call in calls(store).values()} == {"embedding"}
    assert 9 in {call["input_tokens"] for call in calls(store).values()}


def test_a_batch_may_be_written_in_many_ways(store: Store, tmp_path: Path) -> None:
    """Old scopes, ids in upper case or base64, numbers for times, repeated spans, one trace in several lines."""
    span = otel_span("a", traceId="5B8EFFF798038103D269B633813FC60C", spanId="EEE19B7EC3C1B174")
    base64 = {**span, "traceId": "W47/95gDgQPSabYzgT/GDA==", "spanId": "7uGbfsPBsXQ="}
    numbers = {**span, "startTimeUnixNano": START + 1, "endTimeUnixNano": START + 5_000_000_001}
    old = {"resourceSpans": [{"instrumentationLibrarySpans": [{"spans": [span, span]}]}]}
    result = put(store, tmp_path, old, otel_batch(base64), otel_batch(numbers), {"resourceSpans": []}, otel_batch())
    assert equation(result) == (6, 1, 3, 0, 0, 2)
    (call,) = calls(store).values()
    assert (call["call_id"], call["duration_ms"]) == ("5b8efff798038103d269b633813fc60c-eee19b7ec3c1b174", 5000.0)


def test_a_trace_may_lie_in_several_files(store: Store, tmp_path: Path) -> None:
    """The server's span ends last and may be in the next file."""
    server, chat = (
        nested(("GET", None, SERVER, {"kind": "SPAN_KIND_SERVER"}), ("chat m", "GET", {}, {}))["resourceSpans"][0]
        ["scopeSpans"][0]["spans"]
    )  # fmt: skip
    files = [write_lines(tmp_path / f"{n}.jsonl", [otel_batch(one)]) for n, one in enumerate((chat, server))]
    ingest(store, *files)
    assert [call["route"] for call in calls(store).values()] == ["/v1/answer"]


def test_the_resource_gives_deploy_service_environment_and_region(store: Store, tmp_path: Path) -> None:
    """Of each batch its own, also where one line holds several."""
    lines = [
        otel_batch(otel_span(name), resource={
            "service.name": "chat", "service.version": version, "cloud.region": "eu-west-1", key: "production",
        })
        for name, version, key in (("a", "1", "deployment.environment"), ("b", "2", "deployment.environment.name"))
    ]  # fmt: skip
    put(store, tmp_path, {"resourceSpans": [line["resourceSpans"][0] for line in lines]})
    assert {name: row["calls"] for name, row in grouped(store, "report", "deploy").items()} == {"1": 1, "2": 1}
    assert {(call["service"], call["environment"], call["region"]) for call in calls(store).values()} == {
        ("chat", "production", "eu-west-1")
    }


TOLD = {
    "GenAI conventions": otel_span("a"),
    "OpenLLMetry": otel_span("a", {"traceloop.workflow.name": "w"}),
    "OpenLLMetry up to 0.4": otel_span("a", {"llm.request.type": "chat"}),
    "OpenInference": otel_span("a", {"openinference.span.kind": "LLM"}),
    "Vercel AI SDK": otel_span("a", {"gen_ai.client.operation.time_to_first_chunk": 0.4}),
    "Vercel AI SDK, legacy exporter": otel_span("a", {"ai.operationId": "ai.streamText.doStream"}),
    "vLLM or SGLang": otel_span("a", {"gen_ai.latency.e2e": 1.5}),
}


def test_the_library_is_told(store: Store, tmp_path: Path) -> None:
    """What wrote the spans is said, also of two at once."""
    for number, (name, span) in enumerate(TOLD.items()):
        (result,) = ingest(store, write_lines(tmp_path / f"{number}.jsonl", [otel_batch(span)]))
        assert result.match is not None and result.match.variant == name
    both = [otel_batch(TOLD["OpenInference"]), otel_batch(TOLD["GenAI conventions"])]
    (result,) = ingest(store, write_lines(tmp_path / "both.jsonl", both))
    assert result.match is not None and result.match.variant == "GenAI conventions and OpenInference"


@pytest.mark.parametrize("signal", ["resourceMetrics", "resource_logs"])
def test_metrics_and_logs_are_refused_with_advice(signal: str, store: Store, tmp_path: Path) -> None:
    """A histogram cannot be split by call."""
    (result,) = ingest(store, write_lines(tmp_path / "other.jsonl", [{signal: []}]))
    assert result.problem is not None and "OpenTelemetry" in result.problem
    assert result.hint is not None and "traces" in result.hint


@pytest.mark.parametrize("start", [b"\x28\xb5\x2f\xfd", b"\x0a\x90\x01\x0a"], ids=["zstd", "proto"])
def test_length_prefixed_files_are_refused_with_the_setting_to_change(
    start: bytes, store: Store, tmp_path: Path
) -> None:
    """The collector's other ways to write a file are no lines of JSON."""
    (tmp_path / "spans.json").write_bytes(b"\x00\x00\x01\x20" + start + b"\x00rest")
    (result,) = ingest(store, tmp_path / "spans.json")
    assert result.problem is not None and "format: json" in result.problem


def test_a_bad_span_costs_only_itself(store: Store, tmp_path: Path) -> None:
    """A span without a start or that ends before it starts, beside good ones in a batch, and a torn line."""
    batch = otel_batch(otel_span("a"), otel_span("b", startTimeUnixNano="0"), otel_span("c", endTimeUnixNano="1"))
    result = put(store, tmp_path, batch, json.dumps(otel_batch(otel_span("d")))[:90], otel_batch(otel_span("e")))
    assert equation(result) == (5, 2, 0, 0, 3, 0)
    assert {reject.line for reject in result.rejects} == {1, 2}
    assert len(result.rejects) == 3


def test_own_keys_can_be_mapped_by_name_or_by_place(store: Store, tmp_path: Path) -> None:
    """An attribute's key as it is written, and the same under attributes and resource."""
    line = otel_batch(otel_span("a", {"shop.customer": "acme"}), resource={"team": "blue"})
    path = write_lines(tmp_path / "spans.jsonl", [line])
    for number, (tenant, service) in enumerate((("shop.customer", "resource.team"), ("attributes.shop.customer",) * 2)):
        (result,) = ingest(store, path, mapping=[f"tenant={tenant}", f"service={service}"], source=f"s{number}")
        assert result.problem is None
    found = [(call["tenant"], call["service"]) for call in rows_of(store, "store.calls")]
    assert sorted(found) == [("acme", "acme"), ("acme", "blue")]


TRAPS: dict[str, tuple[str, ...]] = {
    "four generations of names": ("test_every_generation_of_names_is_read",),
    "units: seconds, milliseconds, nanoseconds": ("test_the_first_token_is_found_wherever_it_hides",),
    "TTFT as a duration, an instant, an event": ("test_the_first_token_is_found_wherever_it_hides",),
    "an engine's TTFT is not the client's": ("test_an_engine_inside_its_clients_call_does_not_count",),
    "chunks lost to the limit of events": (
        "test_chunk_events_give_the_times_of_all_chunks_unless_some_were_dropped",
    ),
    "parents repeat totals": ("test_only_the_innermost_of_nested_calls_counts",),
    "route on the server's span": (
        "test_the_route_is_that_of_the_server_span_above",
        "test_without_a_server_span_the_agent_or_the_root_names_the_route", "test_a_trace_may_lie_in_several_files",
    ),
    "casings, old scopes, base64 ids, numbers for times, repeated spans": (
        "test_a_batch_may_be_written_in_many_ways",
    ),
    "several resources in a line": ("test_the_resource_gives_deploy_service_environment_and_region",),
    "missing usage is not 0": ("test_how_a_span_ended_is_told_with_its_evidence",),
    "aborts that look like ends": ("test_how_a_span_ended_is_told_with_its_evidence",),
    "metrics, logs and length-prefixed files": (
        "test_metrics_and_logs_are_refused_with_advice",
        "test_length_prefixed_files_are_refused_with_the_setting_to_change",
    ),
    "embeddings": ("test_embeddings_stand_apart",),
}  # fmt: skip


def test_every_trap_of_the_format_has_a_test() -> None:
    """None is forgotten, and no name is of a test that is gone."""
    assert {test for tests in TRAPS.values() for test in tests} <= set(globals())
