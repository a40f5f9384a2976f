"""OpenTelemetry: the generations of names, where the time to first token hides, how spans end, and what a batch is."""

import json
from pathlib import Path

import pytest

from streamaudit.ingest.results import FileResult
from streamaudit.ingest.sources.registry import Match
from streamaudit.ingest.voting import elect
from streamaudit.store.store import Store
from tests.ingest.sources.otel import BARE, ENDS, FIRST, GENERATIONS, KEYED, START, TOLD, event
from tests.reused import empty_store
from tests.support import (
    Record,
    calls,
    equation,
    grouped,
    ingest,
    otel_batch,
    otel_span,
    rows_of,
    store_of,
    stored_calls,
    total,
    write_lines,
)


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
    found = {call["chunk_count"]: (call["chunk_offsets_ms"], call["ttft_ms"]) for call in stored_calls(store).values()}
    assert found == {3: ([400.0, 420.0, 900.5], 400.0), None: (None, None)}


def test_how_a_span_ended_is_told_with_its_evidence(tmp_path: Path) -> None:
    """Cancels, failures and streams that break off; nothing is a cancel that only lacks usage."""
    batches = {
        end: otel_batch(
            otel_span(
                f"e{number}",
                fields["attributes"],
                **{k: v for k, v in fields.items() if k not in ("attributes", "scope")},
            ),
            scope=fields.get("scope", "test"),
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
    (call,) = stored_calls(store).values()
    assert call["route"] == "/v1/answer"
    assert len(rows_of(store, "store.spans")) == 4


def test_without_a_server_span_the_agent_or_the_root_names_the_route(store: Store, tmp_path: Path) -> None:
    """The fallbacks in their order."""
    agent = {**BARE, "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "helper"}
    call = one(store, tmp_path, nested(("root", None, agent, {}), ("chat m", "root", {}, {})))
    assert call["route"] == "helper"
    with empty_store() as other:
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
    assert sorted(call["counted"] for call in stored_calls(store).values()) == [False, True]


def test_an_engine_inside_its_clients_call_does_not_count(store: Store, tmp_path: Path) -> None:
    """It is the same request, and only the client knows when the first token arrived."""
    engine = {**BARE, "gen_ai.latency.time_to_first_token": 0.2, "gen_ai.response.model": "gpt-4o-mini",
              "gen_ai.usage.completion_tokens": 100}  # fmt: skip
    put(store, tmp_path, nested(
        ("chat", None, {"gen_ai.response.time_to_first_chunk": 0.4}, {}),
        ("POST /v1/chat/completions", "chat", BARE, {"kind": 2}),
        ("llm_request", "POST /v1/chat/completions", engine, {"kind": 2}),
    ))  # fmt: skip
    found = {call["name"]: (call["counted"], call["ttft_ms"]) for call in stored_calls(store).values()}
    assert found == {"chat": (True, 400.0), "llm_request": (False, None)}


def test_other_words_for_a_call_are_calls(store: Store, tmp_path: Path) -> None:
    """LiteLLM writes its type of call where the conventions have an operation; reading an answer again is none."""
    old = {"acompletion": "llm", "aresponses": "llm", "anthropic_messages": "llm", "agenerate_content_stream": "llm",
           "atext_completion": "llm", "aembedding": "embedding", "rerank": None, "aget_responses": None}  # fmt: skip
    new = {"chat.completions": "llm", "chat.streaming_completions": "llm", "converse_stream": "llm",
           "fetch_response": None, "execute_tool": None}  # fmt: skip
    words: dict[str, Record] = {
        **{word: {**BARE, "llm.request.type": word, "gen_ai.request.model": "gpt-4o"} for word in old},
        **{word: {"gen_ai.operation.name": word} for word in new},
    }
    put(store, tmp_path, otel_batch(
        *(otel_span(f"w{number}", given, name=word) for number, (word, given) in enumerate(words.items()))
    ))  # fmt: skip
    found = {call["name"]: "embedding" if call["operation"] == "embedding" else "llm"
             for call in stored_calls(store).values()}  # fmt: skip
    assert found == {word: kind for word, kind in (old | new).items() if kind}


def test_embeddings_stand_apart(store: Store, tmp_path: Path) -> None:
    """By the conventions, the Vercel AI SDK and OpenInference."""
    kinds: list[Record] = [
        {"gen_ai.operation.name": "embeddings"},
        {"openinference.span.kind": "EMBEDDING"},
        {**BARE, "ai.operationId": "ai.embed.doEmbed", "ai.usage.tokens": 9},
    ]
    put(store, tmp_path, otel_batch(*(otel_span(name, kind) for name, kind in zip("abc", kinds, strict=True))))
    assert total(store, "report")["calls"] == 0
    assert {call["operation"] for call in stored_calls(store).values()} == {"embedding"}
    assert 9 in {call["input_tokens"] for call in stored_calls(store).values()}


def test_a_batch_may_be_written_in_many_ways(store: Store, tmp_path: Path) -> None:
    """Old scopes, ids in upper case or base64, numbers for times, repeated spans, keys that nobody knows."""
    unheard = {"flags": 257, "traceState": "", "links": [{"traceId": "ff"}], "droppedLinksCount": "1"}
    span = otel_span("a", traceId="5B8EFFF798038103D269B633813FC60C", spanId="EEE19B7EC3C1B174", **unheard)
    base64 = {**span, "traceId": "W47/95gDgQPSabYzgT/GDA==", "spanId": "7uGbfsPBsXQ="}
    numbers = {**span, "startTimeUnixNano": START + 1, "endTimeUnixNano": START + 5_000_000_001}
    old = {"resourceSpans": [{"instrumentationLibrarySpans": [{"spans": [span, span]}]}]}
    result = put(store, tmp_path, old, otel_batch(base64), otel_batch(numbers), {"resourceSpans": []}, otel_batch())
    assert equation(result) == (6, 1, 3, 0, 0, 2)
    (call,) = stored_calls(store).values()
    assert (call["call_id"], call["duration_ms"]) == ("5b8efff798038103d269b633813fc60c-eee19b7ec3c1b174", 5000.0)


def test_a_trace_may_lie_in_several_files(store: Store, tmp_path: Path) -> None:
    """The server's span ends last and may be in the next file."""
    server, chat = (
        nested(("GET", None, SERVER, {"kind": "SPAN_KIND_SERVER"}), ("chat m", "GET", {}, {}))["resourceSpans"][0]
        ["scopeSpans"][0]["spans"]
    )  # fmt: skip
    files = [write_lines(tmp_path / f"{n}.jsonl", [otel_batch(one)]) for n, one in enumerate((chat, server))]
    ingest(store, *files)
    assert [call["route"] for call in stored_calls(store).values()] == ["/v1/answer"]


def test_the_resource_gives_deploy_service_environment_and_region(store: Store, tmp_path: Path) -> None:
    """Of each batch its own, also where one line holds several."""
    lines = [
        otel_batch(otel_span(name), resource={
            "service.name": "chat", "service.version": version, "service.namespace": "acme",
            "cloud.region": "eu-west-1", key: "production",
        })
        for name, version, key in (("a", "1", "deployment.environment"), ("b", "2", "deployment.environment.name"))
    ]  # fmt: skip
    put(store, tmp_path, {"resourceSpans": [line["resourceSpans"][0] for line in lines]})
    assert {name: row["calls"] for name, row in grouped(store, "report", "deploy").items()} == {"1": 1, "2": 1}
    wanted = {"service": "chat", "environment": "production", "region": "eu-west-1", "tenant": "acme"}
    assert [{column: call[column] for column in wanted} for call in stored_calls(store).values()] == [wanted, wanted]


def test_the_library_is_told(store: Store, tmp_path: Path) -> None:
    """What wrote the spans is said, also of two at once."""
    for name, span in TOLD.items():
        _, verdict = elect([otel_batch(span)]) or (None, None)
        assert isinstance(verdict, Match) and verdict.variant == name
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
    """A span without a start beside good ones in a batch, and a torn line; an end before the start is left out."""
    batch = otel_batch(otel_span("a"), otel_span("b", startTimeUnixNano="0"), otel_span("c", endTimeUnixNano="1"))
    result = put(store, tmp_path, batch, json.dumps(otel_batch(otel_span("d")))[:90], otel_batch(otel_span("e")))
    assert equation(result) == (5, 3, 0, 0, 2, 0)
    assert [reject.line for reject in result.rejects] == [1, 2]


def test_own_keys_can_be_mapped_by_name_or_by_place(store: Store, tmp_path: Path) -> None:
    """An attribute's key as it is written, and the same under attributes and resource."""
    line = otel_batch(otel_span("a", {"shop.customer": "acme"}), resource={"team": "blue"})
    path = write_lines(tmp_path / "spans.jsonl", [line])
    for number, (tenant, service) in enumerate((("shop.customer", "resource.team"), ("attributes.shop.customer",) * 2)):
        (result,) = ingest(store, path, mapping=[f"tenant={tenant}", f"service={service}"], source=f"s{number}")
        assert result.problem is None
    found = [(call["tenant"], call["service"]) for call in rows_of(store, "store.calls")]
    assert sorted(found) == [("acme", "acme"), ("acme", "blue")]


def test_ids_in_routes_are_left_out(tmp_path: Path) -> None:
    """An agent or a path with an id in it would be a route for every request."""
    routes = {
        "agent.0b9f3a52-6f0e-4d0b-9c55-2f2a4b7f3e11": "agent.{uuid}", "/threads/665f1c2ab7e0d3f4a5b6c7d8/runs":
        "/threads/{id}/runs", "/users/1234567/chat": "/users/{id}/chat", "/v1/chat/completions": "/v1/chat/completions",
        "POST /2024/chat": "POST /2024/chat", "deadbeef-cafe": "deadbeef-cafe",
    }  # fmt: skip
    batches = {route: otel_batch(otel_span(f"r{number}", {"route": route})) for number, route in enumerate(routes)}
    found = together(batches, tmp_path)
    assert {route: call["route"] for route, call in found.items()} == routes


def test_the_outer_step_of_the_vercel_sdk_is_no_call_whatever_it_counts(store: Store, tmp_path: Path) -> None:
    """With more tokens, with fewer and marked as an LLM step by another library; a tool's own call counts."""
    outer = {**BARE, "ai.operationId": "ai.streamText", "ai.model.id": "gpt-4o", "openinference.span.kind": "LLM"}
    inner = {**BARE, "ai.operationId": "ai.streamText.doStream", "ai.model.id": "gpt-4o", "ai.usage.outputTokens": 100}
    put(store, tmp_path, nested(
        ("ai.streamText", None, {**outer, "ai.usage.outputTokens": 60}, {}),
        ("ai.streamText.doStream", "ai.streamText", inner, {}),
        ("ai.toolCall", "ai.streamText", {**BARE, "ai.operationId": "ai.toolCall"}, {}),
        ("ai.generateText", "ai.toolCall", {**outer, "ai.operationId": "ai.generateText"}, {}),
        ("ai.generateText.doGenerate", "ai.generateText", {
            **inner, "ai.operationId": "ai.generateText.doGenerate", "ai.model.id": "gpt-4o-mini",
            "ai.usage.outputTokens": 7}, {}),
    ))  # fmt: skip
    assert (total(store, "report")["calls"], total(store, "report")["output_tokens"]) == (2, 107)
