"""Langfuse, trap by trap: what each way of writing a value, or of not knowing it, becomes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamaudit.store.store import Store
from tests.reused import empty_store
from tests.support import Record, calls, ingest, langfuse_row, store_of, stored_calls, write_lines

USAGE = {"input": 50, "output": 100, "total": 150}
PRICED = {"input": 0.001, "output": 0.002, "total": 0.003}
NO_USAGE: Record = {"usage_details": {}, "metadata": {"cancelled": True}}
TAXED = {"cancelled": True, "rendered_tokens": 30}
# A model without a list price, so that only what the export says of money is seen.
HOME = {"provided_model_name": "our-own-model"}

Case = tuple[Record, dict[str, Any]]

CASES: dict[str, Case] = {
    # Money: 0 is how unknown is written, but for a total among the details.
    "total 0 and no details is unknown": ({**HOME, "total_cost": 0}, {"cost_usd": None, "cost_basis": "none"}),
    "total null and no details is unknown": ({**HOME, "total_cost": None}, {"cost_usd": None, "output_cost_usd": None}),
    "a total in the details is known": (
        {**HOME, "cost_details": PRICED, "total_cost": 0.003},
        {"cost_usd": 0.003, "input_cost_usd": 0.001, "output_cost_usd": 0.002, "cost_basis": "reported"},
    ),
    "a total of 0 in the details is known to be free": (
        {**HOME, "cost_details": {"input": 0, "output": 0, "total": 0}},
        {"cost_usd": 0.0, "cost_basis": "reported"},
    ),
    "a cache hit costs 0": (
        {**HOME, "cost_details": {"input": 0, "output": 0, "total": 0}, "metadata": {"cache_hit": True}},
        {"cost_usd": 0.0, "cache_hit": True, "ttft_status": "cache_hit"},
    ),
    "a total of 0 on an error is unknown": (
        {**HOME, "level": "ERROR", "cost_details": {"input": 0, "output": 0, "total": 0}},
        {"cost_usd": None, "input_cost_usd": None, "output_cost_usd": None},
    ),
    "a total above 0 without details is known": ({**HOME, "total_cost": 0.5}, {"cost_usd": 0.5}),
    "a cost as text is a number": ({**HOME, "cost_details": {"total": "0.25"}}, {"cost_usd": 0.25}),
    "a listed model without a cost is priced": ({}, {"cost_basis": "priced", "output_cost_usd": pytest.approx(6e-5)}),
    "NaN dollars are unknown": ({**HOME, "cost_details": {"total": "NaN"}}, {"cost_usd": None}),
    # Usage: exclusive buckets, foreign names, and none.
    "buckets are added and the total is not one of them": (
        {"usage_details": {"input": 10, "input_cache_read": 40, "output": 60, "output_reasoning": 40, "total": 150}},
        {"input_tokens": 50, "cached_input_tokens": 40, "output_tokens": 100, "reasoning_tokens": 40},
    ),
    "reasoning beside the buckets is output too": (
        {"usage_details": {"input": 10, "output": 60, "reasoning_tokens": 40, "total": 110}},
        {"output_tokens": 100, "reasoning_tokens": 40},
    ),
    "raw provider names are inclusive": (
        {"usage_details": {"prompt_tokens": 50, "completion_tokens": 100, "total_tokens": 150}},
        {"input_tokens": 50, "output_tokens": 100},
    ),
    "gemini thoughts are outside its candidates": (
        {"usage_details": {"promptTokenCount": 50, "candidatesTokenCount": 60, "thoughtsTokenCount": 40}},
        {"input_tokens": 50, "output_tokens": 100, "reasoning_tokens": 40},
    ),
    "usage as strings is usage": (
        {"usage_details": {"input": "50", "output": "100", "total": "150"}}, {"input_tokens": 50, "output_tokens": 100},
    ),
    "cache writes are a part of the input": (
        {"usage_details": {"input": 10, "input_cache_creation": 5, "input_cache_read": 35, "output": 1}},
        {"input_tokens": 50, "cache_write_tokens": 5, "cached_input_tokens": 35},
    ),
    "an output of 0 is a measured 0": ({"usage_details": {"input": 50, "output": 0}}, {"output_tokens": 0}),
    "no usage is unknown": (
        {"usage_details": {}}, {"input_tokens": None, "output_tokens": None, "usage_basis": "none"},
    ),
    "flat counts of 0 without details are unknown": (
        {"usage_details": {}, "promptTokens": 0, "completionTokens": 0}, {"input_tokens": None, "output_tokens": None},
    ),
    "flat counts stand in for details": (
        {"usage_details": ..., "promptTokens": 50, "completionTokens": 100}, {"input_tokens": 50, "output_tokens": 100},
    ),
    # Inferred usage: tokenized from what was received, so a tax from it would be a false 0.
    "usage that nobody provided leaves the tax unknown": (
        {"providedUsageDetails": {}, "usageDetails": USAGE, "usage_details": ..., "metadata": TAXED},
        {"usage_basis": "tokenizer", "output_tokens": 100, "tax_class": "unknown", "tax_best": None, "tax_high": None},
    ),
    "usage that was provided gives an exact tax": (
        {"providedUsageDetails": USAGE, "usageDetails": USAGE, "usage_details": ..., "metadata": TAXED},
        {"usage_basis": "provider", "tax_class": "exact", "tax_best": 70},
    ),
    "plain usage of a call that was left may be a tokenizer's": (
        {"metadata": TAXED}, {"usage_basis": "unclear", "tax_class": "unknown", "tax_best": None, "tax_high": None},
    ),
    "plain usage that fits the text is a tokenizer's": (
        {"metadata": TAXED, "output": "text" * 100}, {"usage_status": "tokenizer", "tax_best": None},
    ),
    "more usage than the text can have been is the provider's": (
        {"metadata": TAXED, "output": "a text"}, {"usage_status": "final", "tax_class": "exact", "tax_best": 70},
    ),
    "usage without any text is the provider's": (
        {"metadata": TAXED, "output": ""}, {"usage_basis": "provider", "tax_class": "exact", "tax_best": 70},
    ),
    "usage in detail is the provider's": (
        {"metadata": TAXED, "output": "text" * 100, "usage_details": {**USAGE, "output_reasoning_tokens": 0}},
        {"usage_basis": "provider", "tax_class": "exact", "tax_best": 70},
    ),
    "usage that the application vouches for is the provider's": (
        {"metadata": {**TAXED, "usage_source": "provider_final"}, "output": "text" * 100},
        {"usage_basis": "provider", "tax_class": "exact", "tax_best": 70},
    ),
    "plain usage of a completed call is taken as provided": (
        {"output": "text" * 100}, {"usage_basis": "unclear", "usage_status": "final", "billed_tokens": 100},
    ),
    # First tokens: from the timestamps; a printed unit only where one is missing.
    "a first token is timed by the timestamps": (
        {"completion_start_time": "2026-11-16 08:00:00.653000", "time_to_first_token": 99},
        {"ttft_ms": 653.0, "ttft_status": "usable", "streamed": True, "ttft_basis": "timestamps"},
    ),
    "seconds are told by the latency beside them": (
        {"latency": 5.0, "time_to_first_token": 0.653}, {"ttft_ms": 653.0, "ttft_status": "usable"},
    ),
    "milliseconds are told by the latency beside them": (
        {"latency": 5000, "time_to_first_token": 653}, {"ttft_ms": 653.0, "ttft_status": "usable"},
    ),
    "a first token at the end is stamped, not measured": (
        {"completion_start_time": "2026-11-16 08:00:05.000000"},
        {"ttft_status": "not_below_duration", "streamed": None},
    ),
    "a first token after the end is no TTFT": (
        {"completion_start_time": "2026-11-16 08:00:06.000000"}, {"ttft_status": "not_below_duration"},
    ),
    "a first token at the start is no TTFT": (
        {"completion_start_time": "2026-11-16 08:00:00.000000"}, {"ttft_status": "not_positive"},
    ),
    "a first token before the start is no TTFT": (
        {"completion_start_time": "2026-11-16 07:59:59.000000"}, {"ttft_status": "not_positive"},
    ),
    "a call that says it did not stream has no TTFT": (
        {"completion_start_time": "2026-11-16 08:00:01.000000", "metadata": {"stream": "false"}},
        {"ttft_status": "not_streamed", "streamed": False},
    ),
    "a first chunk among the attributes of the AI SDK": (
        {"metadata": {"attributes": {"ai.response.msToFirstChunk": "653.2"}}}, {"ttft_ms": 653.2, "streamed": True},
    ),
    "a first token in the seconds of a span": (
        {"metadata": {"attributes": {"gen_ai.client.operation.time_to_first_chunk": 0.5}}}, {"ttft_ms": 500.0},
    ),
    "a first token in the milliseconds of Strands": (
        {"metadata": {"attributes": {"gen_ai.server.time_to_first_token": 500,
                                     "gen_ai.server.request.duration": 4990}}}, {"ttft_ms": 500.0},
    ),
    # How it ended.
    "an abort message is a cancellation": (
        {"level": "ERROR", "status_message": "APIUserAbortError: CONFIDENTIAL-PROMPT-1"},
        {"outcome": "cancelled", "cancel_evidence": "error", "error_type": "APIUserAbortError"},
    ),
    "an abort that Node calls an error": (
        {"level": "ERROR", "status_message": "Error: aborted"}, {"outcome": "cancelled"},
    ),
    "a status in the metadata is a failure": ({"metadata": {"status": "failed"}}, {"outcome": "error"}),
    "a status of another kind is none": ({"metadata": {"status": "pending review"}}, {"outcome": "completed"}),
    "a success that is false is a failure": ({"metadata": {"success": "false"}}, {"outcome": "error"}),
    "an output that is an error is a failure": ({"output": {"error": "CONFIDENTIAL-PROMPT-1"}}, {"outcome": "error"}),
    "an error type of OpenTelemetry is a failure": (
        {"metadata": {"attributes": '{"error.type": "RateLimitError"}'}},
        {"outcome": "error", "error_type": "RateLimitError"},
    ),
    "a failure that a finish reason would hide": (
        {"metadata": {"success": False, "finish_reason": "stop"}}, {"outcome": "error"},
    ),
    "a model that its library does not know": (
        {"provided_model_name": "unknown", "metadata": {"ls_model_name": "gpt-4o-mini", "ls_provider": "openai"}},
        {"model": "gpt-4o-mini", "provider": "openai"},
    ),
    "a framework is no provider": (
        {"metadata": {"provider": "langchain", "attributes": {"gen_ai.system": "OpenAI"}}}, {"provider": "openai"},
    ),
    "the service among nested attributes as text": (
        {"metadata": {"resourceAttributes": '{"service.name": "chat-api", "service.version": "9"}'}},
        {"service": "chat-api", "deploy": "9"},
    ),
    "a tier in the response": (
        {"metadata": {"attributes": {"openai.response.service_tier": "flex"}}}, {"service_tier": "flex"},
    ),
    "a tier that was only asked for": ({"model_parameters": {"service_tier": "flex"}}, {"service_tier": None}),
    "a timeout message is a timeout": (
        {"level": "ERROR", "status_message": "ReadTimeout: the read operation timed out"}, {"outcome": "timeout"},
    ),
    "another message is an error, of which only the class is kept": (
        {"level": "ERROR", "status_message": "RateLimitError: slow down CONFIDENTIAL-PROMPT-1"},
        {"outcome": "error", "error_type": "RateLimitError"},
    ),
    "a message without a class keeps nothing": (
        {"level": "ERROR", "status_message": "CONFIDENTIAL-PROMPT-1 is not allowed"},
        {"outcome": "error", "error_type": None},
    ),
    "a warning that names an abort is no cancellation": (
        {"level": "WARNING", "status_message": "abort"}, {"outcome": "completed"},
    ),
    "a warning that names who left is a cancellation": (
        {"level": "WARNING", "status_message": "Stream closed by client"}, {"outcome": "cancelled"},
    ),
    "an abort at any level cut what was not counted": (
        {"level": "DEFAULT", "status_message": "Request was aborted.", "usage_details": {}}, {"outcome": "cancelled"},
    ),
    "metadata that says cancelled is a cancellation": (
        NO_USAGE, {"outcome": "cancelled", "cancel_evidence": "flag", "tax_class": "unknown", "tax_best": None},
    ),
    "a finish reason says how it ended": ({"metadata": {"finish_reason": "abort"}}, {"outcome": "cancelled"}),
    "a call that never ended is unknown": (
        {"end_time": None, "usage_details": {}}, {"outcome": "unknown", "duration_ms": None, "end_time": None},
    ),
    "a status that says cancelled": (
        {"metadata": {"status": "aborted"}, "usage_details": {}}, {"outcome": "cancelled"},
    ),
    "an answer of the Responses API that reached its cap": (
        {"metadata": {"object": "response", "id": "resp_9", "status": "incomplete",
                      "incomplete_details": {"reason": "max_output_tokens"}}},
        {"finish_reason": "length", "response_id": "resp_9", "outcome": "completed"},
    ),
    "an ending among the attributes of a span": (
        {"metadata": {"attributes": {"gen_ai.response.finish_reasons": '["length"]', "gen_ai.response.id": "r-7"}}},
        {"finish_reason": "length", "response_id": "r-7"},
    ),
    "an ending in the answer": (
        {"output": {"choices": [{"finish_reason": "length", "message": {"content": "Hello"}}]}},
        {"finish_reason": "length", "output_chars": 5},
    ),
    "LiteLLM's id of a generation": (
        {"id": "time-08-00-00-000001_chatcmpl-77"}, {"response_id": "chatcmpl-77"},
    ),
    # What was answered, which a bucket has as JSON text.
    "a message as text": ({"output": '{"role": "assistant", "content": "Hello"}'}, {"output_chars": 5}),
    "a message in parts": (
        {"output": {"role": "assistant", "content": [{"type": "text", "text": "Hello"}]}}, {"output_chars": 5},
    ),
    "the last of several messages": (
        {"output": [{"role": "user", "content": "?"}, {"role": "assistant", "content": "Hello"}]}, {"output_chars": 5},
    ),
    "a text that is JSON by itself": ({"output": '{"city": "Oslo"}'}, {"output_chars": 16}),
    "an error as text": ({"output": '{"error": "CONFIDENTIAL-PROMPT-1"}'}, {"outcome": "error", "output_chars": None}),
    "a recording is no text": (
        {"output": "@@@langfuseMedia:type=audio/wav|id=1|source=bytes@@@"}, {"output_chars": None},
    ),
    # Kinds of calls.
    "a type in small letters": ({"type": "generation"}, {"operation": "chat"}),
    "an embedding that became a generation": (
        {"provided_model_name": "text-embedding-3-small", "usage_details": {"input": 12, "total": 12}},
        {"operation": "embedding", "input_tokens": 12},
    ),
    "an embedding by LiteLLM's name for it": (
        {"name": "litellm-aembedding", "provided_model_name": "small", "usage_details": {"input": 12, "output": 0}},
        {"operation": "embedding"},
    ),
    "a model that embeds nothing": ({"name": "embedding-helper"}, {"operation": "chat"}),
    "metadata as two lists": (
        {"metadata": ..., "metadata_names": ["tenant", "cancelled"], "metadata_values": ["acme", "true"]},
        {"tenant": "acme", "outcome": "cancelled"},
    ),
    "a cost within the usage": (
        {**HOME, "usage_details": ..., "usage": {"input": 50, "output": 100, "totalCost": 0.003}}, {"cost_usd": 0.003},
    ),
    # Unset text.
    "an empty text is no value": (
        {"user_id": "", "session_id": "", "release": "", "version": "", "trace_name": "", "environment": ""},
        {"user_id": None, "session_id": None, "deploy": None, "environment": None},
    ),
    "a tenant is never taken from the user": ({"user_id": "acme"}, {"tenant": None, "user_id": "acme"}),
    "an object as text is no tenant": ({"metadata": {"tenant": '{"id":"acme"}'}}, {"tenant": None}),
    "metadata may be text": (
        {"metadata": '{"tenant":"acme","cancelled":true}'}, {"tenant": "acme", "outcome": "cancelled"},
    ),
    "the model asked for has no date": (
        {"provided_model_name": "gpt-4o-2024-08-06"}, {"model": "gpt-4o", "response_model": "gpt-4o-2024-08-06"},
    ),
    "a date without dashes is a date": (
        {"provided_model_name": "claude-haiku-4-5-20251001"}, {"model": "claude-haiku-4-5"},
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Record]]:
    """Every case in one file, by its name."""
    path = tmp_path_factory.mktemp("langfuse") / "cases.jsonl"
    write_lines(path, [langfuse_row(name, **changes) for name, (changes, _) in CASES.items()])
    with store_of(path) as store:
        yield calls(store)


@pytest.mark.parametrize("name", CASES)
def test_a_langfuse_trap_becomes_what_it_means(stored: dict[str, Record], name: str) -> None:
    """The case's name says what a record written so must become."""
    _, expected = CASES[name]
    call = stored[CASES[name][0].get("id", name)]
    assert {column: call[column] for column in expected} == expected


JUDGE = {"environment": "langfuse-llm-as-a-judge"}
NOT_CALLS = {
    "Langfuse's own judge": langfuse_row("judge", **JUDGE),
    "its prompt experiments": langfuse_row("experiment", environment="langfuse-prompt-experiment"),
    "a deleted row of the database": langfuse_row("deleted", is_deleted=1),
    "an image": langfuse_row("image", name="litellm-aimage_generation", usage_details={}),
    "a span": langfuse_row("span", type="SPAN"),
    "a tool": langfuse_row("tool", type="TOOL"),
}


@pytest.mark.parametrize("record", NOT_CALLS.values(), ids=NOT_CALLS)
def test_what_is_no_llm_call_is_read_and_not_counted(tmp_path: Path, record: Record) -> None:
    """It is in the equation as not a call, and in no report."""
    with store_of(write_lines(tmp_path / "one.jsonl", [record, langfuse_row("call")])) as store:
        assert set(stored_calls(store)) == {"call"}
        assert store.one("SELECT read_records, new_calls, not_calls FROM store.loads") == (2, 1, 1)


def test_a_tenants_key_may_hold_an_object_with_its_id(store: Store, tmp_path: Path) -> None:
    """The object is no name, and its id is."""
    ingest(store, write_lines(tmp_path / "one.jsonl", [langfuse_row("call", metadata={"tenant": {"id": "acme"}})]))
    assert stored_calls(store)["call"]["tenant"] == "acme"


REFUSED = {
    "scores": {"id": "s", "traceId": "t", "observationId": "o", "dataType": "NUMERIC", "value": 1},
    "sessions": {"id": "s", "countTraces": 3, "sessionDuration": 9},
    "manifest": {"version": 1, "exportSource": "EVENTS", "window": {}, "tables": ["observations_v2"], "files": []},
    "metrics": {"time_dimension": "2026-11-16", "p95_latency": 4},
}


@pytest.mark.parametrize("kind", REFUSED)
def test_an_export_of_something_else_is_refused_by_its_name(tmp_path: Path, kind: str) -> None:
    """The message says what the file is, and the hint what to export instead."""
    with empty_store() as store:
        (result,) = ingest(store, write_lines(tmp_path / "one.jsonl", [REFUSED[kind]]))
    assert result.problem is not None and kind in result.problem
    assert result.hint is not None and "observations" in result.hint
