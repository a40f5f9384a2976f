"""The transport of a call: recorded in any spelling, or told by a scheme, an RPC system or a realtime operation."""

from pathlib import Path

import pytest

from streamaudit.audits.failures.report import run
from streamaudit.audits.scope.scope import Scope
from tests.ingest.sources.otel import event
from tests.support import (
    Record,
    ingest,
    langfuse_row,
    otel_attributes,
    otel_batch,
    otel_span,
    raw_call,
    store_of,
    stored_calls,
    write_lines,
)

WORDS = {
    "SSE": "sse", "text/event-stream; charset=utf-8": "sse", "ws": "websocket", "WSS": "websocket",
    "web_socket": "websocket", "gRPC": "grpc", "HTTP/1.1": "http", "https": "http", "webrtc": "webrtc",
    "https://api.example.com/v1/chat?key=zebra": "http", "": None,
}  # fmt: skip
ADDRESSES: dict[str, tuple[Record, str | None]] = {
    "an open WebSocket": ({"url.full": "wss://api.openai.com/v1/realtime?model=m"}, "websocket"),
    "a scheme": ({"url.scheme": "wss"}, "websocket"),
    "a realtime address": ({"http.url": "https://api.openai.com/v1/realtime?model=m"}, "websocket"),
    "an address that only looks so": ({"http.url": "https://api.example.com/realtime/prices"}, "http"),
    "a realtime address behind a scheme": (
        {"url.scheme": "https", "url.full": "https://api.openai.com/v1/realtime?model=m"}, "websocket"
    ),
    "an RPC system": ({"rpc.system": "grpc"}, "grpc"),
    "another RPC system": ({"rpc.system": "aws-api"}, None),
    # That of an event stream as well as of a plain answer.
    "an address of http": ({"url.full": "https://api.openai.com/v1/chat/completions", "url.scheme": "https"}, "http"),
    "nothing": ({}, None),
    "a word of one's own before an address": ({"transport": "sse", "url.scheme": "wss"}, "sse"),
}


def transports(records: list[Record], folder: Path) -> list[str | None]:
    """The transport of each call, in the order of their ids."""
    with store_of(write_lines(folder / "calls.jsonl", records)) as store:
        return [call["transport"] for _, call in sorted(stored_calls(store).items())]


def test_a_recorded_transport_is_read_in_any_spelling(tmp_path: Path) -> None:
    records = [raw_call(f"{place:02}", transport=word) for place, word in enumerate(WORDS)]
    assert transports(records, tmp_path) == list(WORDS.values())


def test_addresses_tell_the_transport_in_every_place_for_keys(tmp_path: Path) -> None:
    """An application's keys, those of a library's span, and those that Langfuse keeps of a span."""
    wanted = [transport for _, transport in ADDRESSES.values()]
    some = [(f"{place:02}", keys) for place, (keys, _) in enumerate(ADDRESSES.values())]
    assert transports([raw_call(name, metadata=keys) for name, keys in some], tmp_path) == wanted
    assert transports([otel_batch(*(otel_span(name, keys) for name, keys in some))], tmp_path) == wanted
    rows = [langfuse_row(name, metadata={"attributes": keys}) for name, keys in some]
    assert transports(rows, tmp_path) == wanted


@pytest.mark.parametrize(("record", "transport"), [
    ({"call_type": "_arealtime"}, "websocket"), ({"call_type": "acompletion", "api_base": "wss://x"}, "websocket"),
    ({"call_type": "acompletion", "api_base": "https://x/v1"}, "http"),
])  # fmt: skip
def test_a_gateway_names_its_realtime_calls(record: Record, transport: str | None, tmp_path: Path) -> None:
    payload = {
        "id": "a", "litellm_call_id": "a", "startTime": 1_794_816_000.0, "endTime": 1_794_816_004.0,
        "completionStartTime": 1_794_816_001.0, "model": "gpt-4o-mini", "prompt_tokens": 8, "completion_tokens": 9,
        "total_tokens": 17, "status": "success", **record,
    }  # fmt: skip
    assert transports([payload], tmp_path) == [transport]


def test_a_realtime_model_is_spoken_with_over_a_websocket(tmp_path: Path) -> None:
    assert transports([raw_call("a", model="gpt-4o-realtime-preview"), raw_call("b")], tmp_path) == ["websocket", None]


def request(name: str, inside: Record, /, **attributes: object) -> Record:
    """A span of the request that a call sent."""
    blank: Record = dict.fromkeys(("gen_ai.operation.name", "gen_ai.request.model", "gen_ai.provider.name"), ...)
    return otel_span(name, {**blank, **attributes}, parentSpanId=inside["spanId"], traceId=inside["traceId"], kind=3)


def test_a_call_has_the_transport_of_the_request_inside_it(tmp_path: Path) -> None:
    """HTTP and gRPC instrumentations record it in a span of their own; two that disagree tell nothing."""
    first, second, third = (otel_span(name) for name in "abc")
    spans = [
        first, request("a1", first, **{"rpc.system": "grpc"}), request("a2", first, **{"rpc.system": "grpc"}),
        second, request("b1", second, **{"url.scheme": "wss"}), request("b2", second, **{"rpc.system": "grpc"}),
        third, request("c1", third, **{"url.full": "https://api.example.com"}),
    ]  # fmt: skip
    for lines in ([otel_batch(*spans)], [otel_batch(span) for span in reversed(spans)]):
        assert transports(lines, tmp_path) == ["grpc", None, "http"]
    with store_of(write_lines(tmp_path / "calls.jsonl", [otel_batch(first)])) as store:
        ingest(store, write_lines(tmp_path / "requests.jsonl", [otel_batch(spans[1])]))
        (call,) = stored_calls(store).values()
    assert (call["transport"], call["inherited"]) == ("grpc", ["transport"])


def test_the_audit_answers_where_a_transport_is_derived(tmp_path: Path) -> None:
    """Forty calls over WebSockets, ten of which broke off, by their scheme alone."""
    spans = [
        otel_span(f"{place:02}", {"url.scheme": "wss", **({"error.type": "ConnectionError"} if place < 10 else {})},
            status={"code": 2} if place < 10 else {})
        for place in range(40)
    ]  # fmt: skip
    spans[20]["events"] = [event("gen_ai.content.completion.chunk", ms) for ms in (400, 700, 3800)]
    spans[21]["attributes"] += otel_attributes({"attempt_number": 2})
    with store_of(write_lines(tmp_path / "spans.jsonl", [otel_batch(*spans)])) as store:
        found, audits = run(store, Scope(), ("transport",)).tables
    (row,), (status,) = found.records(), audits.records()
    assert (row["transport"], row["affected_calls"], row["calls"]) == ("websocket", 10, 40)
    assert str(row["evidence"]).endswith("; 1 stood still for 3.0 s or longer; 1 were tried again.")
    assert (status["status"], status["calls_examined"]) == ("findings", 40)
