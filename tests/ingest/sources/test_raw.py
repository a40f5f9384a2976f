"""Raw lines, trap by trap: unset text, numbers as text, and how a call says that it ended."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from tests.support import Record, calls, raw_call, store_of

START = datetime(2026, 11, 16, 8)

# How a call ended is told by one field at a time here.
SILENT: Record = {"outcome": None, "output_tokens": None}
Case = tuple[Record, dict[str, Any]]


def ended(**fields: Any) -> Record:
    """A call that says nothing of its end but this."""
    return {**SILENT, **fields}


# How libraries, servers and load balancers say that the client left.
LEAVING = (
    "CancelledError", "context canceled", "request aborted", "ClientDisconnected", "client disconnect", "client closed",
    "connection closed by client", "GeneratorExit", "BrokenPipeError", "RequestCancellationError", "ECONNRESET",
    "socket hang up", "499", "460",
)  # fmt: skip

CASES: dict[str, Case] = {
    "empty text is no value": (
        {"tenant": "", "tenant_id": "", "user_id": "", "model": "", "route": "", "output_tokens": "", "cost_usd": ""},
        {"tenant": None, "user_id": None, "model": None, "route": None, "output_tokens": None, "usage_basis": "none"},
    ),
    "the names of its own fields": (
        {"start_time": None, "start_time_unix_ns": 1_794_816_000_000_000_999, "time_to_first_chunk_ms": 412,
         "time_to_first_output_token_ms": 460.5, "server_time_to_first_token_ms": 90, "conversation_id": "c",
         "service_version": "7", "service_name": "chat", "operation_name": "chat", "reasoning_output_tokens": 7,
         "cache_read_input_tokens": 8, "cache_write_input_tokens": 9, "http_status_code": 200},
        {"start_time": START, "ttft_ms": 412.0, "ttvt_ms": 460.5, "server_ttft_ms": 90.0, "session_id": "c",
         "deploy": "7", "service": "chat", "reasoning_tokens": 7, "cached_input_tokens": 8, "cache_write_tokens": 9,
         "http_status": 200},
    ),
    "a start in seconds": ({"start_time": None, "start_time_unix_s": 1_794_816_000.0}, {"start_time": START}),
    "a start in milliseconds": ({"start_time": None, "start_time_unix_ms": 1_794_816_000_000}, {"start_time": START}),
    "keys that nobody knows": ({"colour": {"of": ["blue", 1]}, "": 0}, {"outcome": "completed", "output_tokens": 100}),
    "numbers as text are numbers": (
        {"output_tokens": "100", "input_tokens": "50", "duration_ms": "5000", "ttft_ms": "400.5", "cost_usd": "0.01"},
        {"output_tokens": 100, "input_tokens": 50, "duration_ms": 5000.0, "ttft_ms": 400.5, "cost_usd": 0.01},
    ),
    "tokens as floats are tokens": ({"output_tokens": 100.0}, {"output_tokens": 100}),
    "0 tokens are measured": ({"output_tokens": 0}, {"output_tokens": 0, "usage_basis": "provider"}),
    "usage that the application counted": ({"usage_source": "estimated"}, {"usage_basis": "tokenizer"}),
    "usage of the last chunk that came": ({"usage_source": "provider_partial"}, {"usage_basis": "partial"}),
    "0 tokens of a usage that nobody has": (
        {"output_tokens": 0, "input_tokens": 0, "reasoning_output_tokens": 0, "usage_source": "none"},
        {"output_tokens": None, "input_tokens": None, "reasoning_tokens": None, "usage_basis": "none"},
    ),
    "NaN is unknown": (
        {"ttft_ms": float("nan"), "cost_usd": float("nan"), "output_tokens": float("nan"), "model": "m"},
        {"ttft_ms": None, "cost_usd": None, "output_tokens": None},
    ),
    "Infinity is unknown": (
        {"ttft_ms": float("inf"), "cost_usd": float("-inf"), "model": "m"}, {"ttft_ms": None, "cost_usd": None},
    ),
    "the requested model goes before the answering one": (
        {"model": None, "request_model": "gpt-4o", "response_model": "gpt-4o-2024-08-06"},
        {"model": "gpt-4o", "response_model": "gpt-4o-2024-08-06"},
    ),
    "the answering model without its date stands in": (
        {"model": None, "response_model": "claude-3-5-sonnet@20241022"}, {"model": "claude-3-5-sonnet"},
    ),
    "an object is no tenant": ({"tenant": {"id": "acme"}, "tenant_id": "globex"}, {"tenant": "globex"}),
    "a tenant is never taken from the user": ({"user_id": "acme", "session_id": "s"}, {"tenant": None}),
    "chunk offsets give a first token": (
        {"chunk_offsets_ms": [120, 180, 900]}, {"ttft_ms": 120.0, "chunk_count": 3, "ttft_basis": "first_chunk"},
    ),
    "chunk offsets as text": (
        {"chunk_offsets_ms": "[120, 180]"}, {"ttft_ms": 120.0, "chunk_offsets_ms": [120.0, 180.0]},
    ),
    "chunk offsets that are instants": (
        {"chunk_offsets_ms": [1794816000120, 1794816000900], "client_chunk_offsets_ms": [1794816000.25, 1794816001]},
        {"ttft_ms": 120.0, "chunk_offsets_ms": [120.0, 900.0], "client_chunk_offsets_ms": [250.0, 1000.0]},
    ),
    "chunk offsets that are gaps": (
        {"chunk_offsets_ms": [500, 100, 100, 300]},
        {"ttft_ms": 500.0, "chunk_offsets_ms": [500.0, 600.0, 700.0, 1000.0]},
    ),
    "chunk offsets out of order are no gaps where these exceed the call": (
        {"chunk_offsets_ms": [500, 700, 600, 3900]}, {"chunk_offsets_ms": [500.0, 700.0, 600.0, 3900.0]},
    ),
    "one chunk offset of a clock that went back makes no gaps of the others": (
        {"chunk_offsets_ms": [100, 150, 140, 400, 440]}, {"chunk_offsets_ms": [100.0, 150.0, 140.0, 400.0, 440.0]},
    ),
    "no tokens of a stream that was cut after its first one": (
        {"outcome": "cancelled", "ttft_ms": 400, "input_tokens": 9, "output_tokens": 0},
        {"input_tokens": 9, "output_tokens": None},
    ),
    "no tokens of a stream that was cut before its first one": (
        {"outcome": "cancelled", "input_tokens": 9, "output_tokens": 0}, {"output_tokens": 0},
    ),
    "no tokens of an empty answer": ({"ttft_ms": 400, "output_tokens": 0, "input_tokens": 9}, {"output_tokens": 0}),
    "a cache hit costs nothing": ({"cache_hit": True, "ttft_ms": 3}, {"cost_usd": 0.0, "ttft_status": "cache_hit"}),
    "a cost of 0 is a cost of 0": ({"cost_usd": 0, "model": "m"}, {"cost_usd": 0.0, "cost_basis": "reported"}),
    # How it ended: the first rule that speaks decides, and says so.
    "an outcome in words": (ended(outcome="Aborted"), {"outcome": "cancelled", "cancel_evidence": "outcome"}),
    "an outcome goes before a flag": (ended(outcome="success", cancelled=True), {"outcome": "completed"}),
    "a stream status": (ended(stream_status="client_disconnect"), {"outcome": "cancelled"}),
    "a flag": (ended(aborted="true"), {"outcome": "cancelled", "cancel_evidence": "flag"}),
    "a flag that is false": (ended(cancelled=False, finish_reason="stop"), {"outcome": "completed"}),
    "a status of 499": (ended(http_status=499), {"outcome": "cancelled", "cancel_evidence": "http_status"}),
    "a load balancer's 460": (ended(http_status="460"), {"outcome": "cancelled"}),
    "a finish reason": (
        ended(finish_reason="user_abort"), {"outcome": "cancelled", "cancel_evidence": "finish_reason"},
    ),
    "an abort error": (ended(error_type="AbortError"), {"outcome": "cancelled", "cancel_evidence": "error"}),
    "a deadline that cancelled": (
        ended(error_type="DeadlineExceeded: context canceled"), {"outcome": "timeout"},
    ),
    "a timeout error": (ended(error_type="ReadTimeout"), {"outcome": "timeout", "cancel_evidence": "error_timeout"}),
    "a gateway timeout": (ended(http_status=504), {"outcome": "timeout"}),
    "a refused request": (ended(http_status=429, error_type="RateLimitError"), {"outcome": "error"}),
    "an error in free text": (
        ended(error_type="the prompt CONFIDENTIAL-PROMPT-1 was blocked"), {"outcome": "error", "error_type": None},
    ),
    "a natural end": (ended(finish_reason="length"), {"outcome": "completed", "cancel_evidence": "finished"}),
    "an end with usage": (ended(output_tokens=5), {"outcome": "completed", "cancel_evidence": "ended_with_usage"}),
    "no end at all": (ended(duration_ms=None), {"outcome": "unknown", "cancel_evidence": "never_ended"}),
    "a time of leaving": (ended(cancelled_at_ms=900), {"outcome": "cancelled", "cancel_evidence": "cancelled_at"}),
    "a time of leaving of 0": (ended(cancelled_at_ms=0, finish_reason="stop"), {"outcome": "completed"}),
    "a time of leaving at the very end": (ended(cancelled_at_ms=5000, finish_reason="stop"), {"outcome": "completed"}),
    "a time of leaving that is the end": (ended(cancelled_at_ms=5000), {"cancel_evidence": "cancelled_at"}),
    "a time of leaving after the end": (ended(cancelled_at_ms=5001), {"cancel_evidence": "nothing_said"}),
    "a time of leaving beside a success": (ended(cancelled_at_ms=900, outcome="success"), {"outcome": "completed"}),
    "a time of leaving beside a flag that is false": (
        ended(cancelled_at_ms=900, cancelled=False, finish_reason="stop"), {"outcome": "completed"},
    ),
    "an outcome in a word that is not known": (
        ended(outcome="weird", output_tokens=5), {"outcome": "unknown", "cancel_evidence": "unknown_word"},
    ),
    "a word that is not known beside a status that is": (
        ended(outcome="weird", stream_status="cancelled"), {"outcome": "cancelled", "cancel_evidence": "outcome"},
    ),
    "a word of the application that is not known": (
        ended(metadata={"outcome": "purchased"}, output_tokens=5),
        {"outcome": "unknown", "cancel_evidence": "unknown_word"},
    ),
    "a word of the application beside a finish reason": (
        ended(metadata={"outcome": "purchased"}, finish_reason="stop"), {"outcome": "completed"},
    ),
    "a word that is not known beside an abort": (
        ended(outcome="weird", http_status=499), {"outcome": "cancelled", "cancel_evidence": "http_status"},
    ),
    "a route with a query": (ended(route="/chat?user=bob#top"), {"route": "/chat"}),
    "a route with a method and a query": (ended(route="GET /chat?user=bob"), {"route": "GET /chat"}),
    "a route of one word with a query": (
        ended(route="chat?user=bob", name="GET /chat?q=a"), {"route": "chat", "name": "GET /chat"},
    ),
    "a route that is a question": (ended(route="what now?"), {"route": "what now?"}),
    "nothing said": (ended(), {"outcome": "unknown", "cancel_evidence": "nothing_said"}),
    # First tokens.
    "a first token of 0": ({"ttft_ms": 0}, {"ttft_status": "not_positive", "streamed": None}),
    "a negative first token": ({"ttft_ms": -4}, {"ttft_status": "not_positive"}),
    "a first token at the end": ({"ttft_ms": 5000}, {"ttft_status": "not_below_duration", "streamed": None}),
    "a first token after the end": ({"ttft_ms": 5001}, {"ttft_status": "not_below_duration"}),
    "a first token of a stream without a duration": ({"ttft_ms": 400, "duration_ms": None}, {"ttft_status": "usable"}),
    "a usable first token proves a stream": ({"ttft_ms": 400}, {"ttft_status": "usable", "streamed": True}),
    "a flag of a stream as a word": ({"stream": "On"}, {"streamed": True}),
    "a flag of a stream as a letter": ({"stream": "t"}, {"streamed": True}),
    "a flag of no stream as a word": ({"stream": "off", "ttft_ms": 400}, {"streamed": False}),
    "a flag of no stream as a float of a table": ({"stream": "0.0", "ttft_ms": 400}, {"streamed": False}),
    "a non-stream": ({"ttft_ms": 400, "stream": False}, {"ttft_status": "not_streamed", "streamed": False}),
    "an error without a chunk": (
        {"ttft_ms": 0, "outcome": "error", "stream": True}, {"ttft_status": "error_without_chunk"},
    ),
    "an error after chunks": ({"ttft_ms": 400, "outcome": "error"}, {"ttft_status": "usable"}),
    "a wait that the user ended": ({"outcome": "cancelled"}, {"ttft_status": "censored"}),
    "a wait that a deadline ended": ({"outcome": "timeout"}, {"ttft_status": "censored"}),
    "a first token that a leaving user saw": ({"outcome": "cancelled", "ttft_ms": 400}, {"ttft_status": "usable"}),
}  # fmt: skip
CASES |= {word: (ended(error_type=word), {"outcome": "cancelled", "cancel_evidence": "error"}) for word in LEAVING}


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Record]]:
    """Every case in one file, by its name; written as Windows writes it, with a mark, CRLF and blank lines."""
    path = tmp_path_factory.mktemp("raw") / "cases.jsonl"
    lines = [json.dumps(raw_call(name, **changes)) for name, (changes, _) in CASES.items()]
    path.write_bytes(("\ufeff" + "\r\n\r\n".join(lines) + "\r\n").encode())
    with store_of(path) as store:
        yield calls(store)


@pytest.mark.parametrize("name", CASES)
def test_a_raw_trap_becomes_what_it_means(stored: dict[str, Record], name: str) -> None:
    """The case's name says what a line written so must become."""
    _, expected = CASES[name]
    assert {column: stored[name][column] for column in expected} == expected
