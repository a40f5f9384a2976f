"""A provider's own usage inside a line of a log: each with the names and the meaning that its provider gives them."""

import json
from pathlib import Path
from typing import Any

import pytest

from streamaudit.store.store import Store
from tests.support import Record, ingest, raw_call, stored_calls, write_lines

Case = tuple[Record, dict[str, Any]]

ANTHROPIC = {"input_tokens": 6000, "output_tokens": 393, "cache_read_input_tokens": 5000}
GEMINI = {
    "promptTokenCount": 300, "candidatesTokenCount": 1000, "thoughtsTokenCount": 500, "cachedContentTokenCount": 200,
}  # fmt: skip
RESPONSES = {
    "input_tokens": 6000, "output_tokens": 393, "total_tokens": 6393, "input_tokens_details": {"cached_tokens": 5000},
    "output_tokens_details": {"reasoning_tokens": 100},
}  # fmt: skip
CACHED = {"cached_input_tokens": 5000, "output_tokens": 393}
FEE = {"prompt_tokens": 100, "completion_tokens": 20, "cost": 0.0005}
AUDIO = {
    "prompt_tokens": 900, "completion_tokens": 90, "prompt_tokens_details": {"audio_tokens": 800, "image_tokens": 30},
    "completion_tokens_details": {"audio_tokens": 70},
}  # fmt: skip

USAGES: dict[str, Case] = {
    "Anthropic leaves the cache out": ({"usage": ANTHROPIC}, {**CACHED, "input_tokens": 11_000}),
    "its whole answer": ({"response": {"id": "msg_1", "usage": ANTHROPIC}}, {**CACHED, "input_tokens": 11_000}),
    "its counts at the top, with a cache that exceeds the input": (
        {"output_tokens": 393, "input_tokens": 1000, "cache_read_input_tokens": 5000},
        {**CACHED, "input_tokens": 6000},
    ),
    "Anthropic's cache for an hour": (
        {"usage": {**ANTHROPIC, "cache_creation_input_tokens": 40,
                   "cache_creation": {"ephemeral_1h_input_tokens": 40}}},
        {"cache_write_tokens": 40, "cache_write_1h_tokens": 40, "input_tokens": 11_040},
    ),
    "a gateway's count in OpenAI's names beside Anthropic's": (
        {"usage": {"prompt_tokens": 6000, "completion_tokens": 393, "total_tokens": 6393,
                   "prompt_tokens_details": {"cached_tokens": 0}, "cache_read_input_tokens": 5000,
                   "cache_creation_input_tokens": 0}},
        {**CACHED, "input_tokens": 6000},
    ),
    "Bedrock leaves the cache out": (
        {"usage": {"inputTokens": 6000, "outputTokens": 393, "totalTokens": 11_393, "cacheReadInputTokens": 5000}},
        {**CACHED, "input_tokens": 11_000},
    ),
    "Gemini's candidates leave the thoughts out": (
        {"usageMetadata": GEMINI},
        {"input_tokens": 300, "output_tokens": 1500, "reasoning_tokens": 500, "cached_input_tokens": 200},
    ),
    "Gemini counts the results of tools beside its prompt": (
        {"response": {"usageMetadata": {**GEMINI, "toolUsePromptTokenCount": 70, "totalTokenCount": 1870}}},
        {"input_tokens": 370, "output_tokens": 1500},
    ),
    "the Gemini SDK's other spelling": (
        {"usage_metadata": {"prompt_token_count": 300, "candidates_token_count": 1000, "thoughts_token_count": 500,
                            "total_token_count": 1800}},
        {"input_tokens": 300, "output_tokens": 1500},
    ),
    "LangChain": (
        {"usage_metadata": {"input_tokens": 6000, "output_tokens": 393, "total_tokens": 6393,
                            "input_token_details": {"cache_read": 5000}, "output_token_details": {"reasoning": 100}}},
        {**CACHED, "input_tokens": 6000, "reasoning_tokens": 100},
    ),
    "the Vercel AI SDK": (
        {"usage": {"inputTokens": 6000, "outputTokens": 393, "totalTokens": 6393,
                   "inputTokenDetails": {"cacheReadTokens": 5000}, "outputTokenDetails": {"reasoningTokens": 100}}},
        {**CACHED, "input_tokens": 6000, "reasoning_tokens": 100},
    ),
    "an answer of the Responses API": (
        {"response": {"status": "completed", "usage": RESPONSES}},
        {**CACHED, "input_tokens": 6000, "reasoning_tokens": 100},
    ),
    "DeepSeek's cache": (
        {"usage": {"prompt_tokens": 6000, "completion_tokens": 393, "prompt_cache_hit_tokens": 5000}}, CACHED,
    ),
    "Gemini's counts among the other fields": (
        {**GEMINI, "latency_s": 1}, {"input_tokens": 300, "output_tokens": 1500, "cached_input_tokens": 200},
    ),
    "the same in the other spelling": (
        {"prompt_token_count": 300, "candidates_token_count": 1000, "thoughts_token_count": 500},
        {"input_tokens": 300, "output_tokens": 1500, "reasoning_tokens": 500},
    ),
    "Anthropic's counts among the other fields": (
        {"input_tokens": 6000, "output_tokens": 393, "cache_read_input_tokens": 5000,
         "cache_creation_input_tokens": 40},
        {**CACHED, "cache_write_tokens": 40, "input_tokens": 11_040},
    ),
    "the same with a total of the input and the output": (
        {"input_tokens": 6000, "output_tokens": 393, "cache_creation_input_tokens": 40, "total_tokens": 6393},
        {"cache_write_tokens": 40, "input_tokens": 6000},
    ),
    "OpenAI's counts among the other fields": (
        {"prompt_tokens": 6000, "completion_tokens": 393, "prompt_tokens_details": {"cached_tokens": 5000},
         "completion_tokens_details": {"reasoning_tokens": 100}},
        {**CACHED, "input_tokens": 6000, "reasoning_tokens": 100},
    ),
    "DeepSeek's counts among the other fields": (
        {"prompt_tokens": 6000, "completion_tokens": 393, "prompt_cache_hit_tokens": 5000}, CACHED,
    ),
    "Gemini's answer that was all thoughts": (
        {"usageMetadata": {"promptTokenCount": 300, "thoughtsTokenCount": 500, "totalTokenCount": 800}},
        {"input_tokens": 300, "output_tokens": 500, "reasoning_tokens": 500},
    ),
    "xAI's cost in ticks": (
        {"usage": {"prompt_tokens": 10, "completion_tokens": 5, "cost_in_usd_ticks": 37_756_000}},
        {"cost_usd": 0.0037756},
    ),
    "Perplexity's object of costs": (
        {"usage": {"prompt_tokens": 10, "completion_tokens": 5, "cost": {"total_cost": 0.00678}}},
        {"cost_usd": 0.00678},
    ),
    "Pydantic AI": (
        {"usage": {"request_tokens": 300, "response_tokens": 60, "total_tokens": 360}},
        {"input_tokens": 300, "output_tokens": 60},
    ),
    "LangChain's message": (
        {"model": None, "response_metadata": {"model_name": "gpt-4o", "finish_reason": "stop",
                                              "token_usage": RESPONSES}},
        {**CACHED, "model": "gpt-4o", "finish_reason": "stop", "reasoning_tokens": 100},
    ),
    "a line of OpenAI's batch": (
        {"model": None, "response": {"status_code": 200, "body": {"model": "gpt-4o", "usage": RESPONSES}}},
        {**CACHED, "model": "gpt-4o", "http_status": 200},
    ),
    "a line of Anthropic's batch": (
        {"model": None, "result": {"message": {"model": "claude-sonnet-4-5", "usage": ANTHROPIC}}},
        {**CACHED, "model": "claude-sonnet-4-5", "input_tokens": 11_000},
    ),
    "a cost as a table shows it": ({"cost_usd": "$1,234.50"}, {"cost_usd": 1234.5}),
    "a cost with a decimal comma": ({"cost_usd": "0,0123"}, {"cost_usd": 0.0123}),
    "a cost of which the comma says nothing": ({"cost_usd": "1,234", "model": "ours"}, {"cost_usd": None}),
    "a cost of another currency": ({"cost_usd": "€0.01", "model": "a-model-without-a-price"}, {"cost_usd": None}),
    "a cost in cents": ({"cost_cents": 1.5}, {"cost_usd": 0.015}),
    "a cost in millionths": ({"cost_usd_micros": 1500}, {"cost_usd": 0.0015}),
    "parts of a cost": (
        {"prompt_cost": 0.001, "completion_cost": "0.002"},
        {"cost_usd": 0.003, "input_cost_usd": 0.001, "output_cost_usd": 0.002},
    ),
    "an object of costs": (
        {"cost": {"input": 0.001, "output": 0.002, "total": 0.0035}},
        {"cost_usd": 0.0035, "input_cost_usd": 0.001, "output_cost_usd": 0.002},
    ),
    "an object of costs without a total": ({"cost": {"input": 0.001, "output": 0.002}}, {"cost_usd": 0.003}),
    "who spoke, and how often, is no route": ({"role": "assistant", "step": 0, "tokens_out": 5}, {"route": None}),
    "usage as JSON text": ({"usage": json.dumps(RESPONSES)}, {**CACHED, "input_tokens": 6000}),
    "tokens with prices of their own": (
        {"usage": AUDIO}, {"audio_input_tokens": 800, "image_tokens": 30, "audio_output_tokens": 70},
    ),
    "OpenRouter's fee on the customer's own key": (
        {"usage": {**FEE, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.01}}}, {"cost_usd": 0.0105},
    ),
    "the same, without what the provider bills": (
        {"usage": {**FEE, "is_byok": True}, "model": "a-model-without-a-price"}, {"cost_usd": None},
    ),
    "what OpenRouter charges on its own key is all": (
        {"usage": {**FEE, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.0005}}}, {"cost_usd": 0.0005},
    ),
}  # fmt: skip
ENDS: dict[str, Case] = {
    "Bedrock's log of invocations": (
        {"input": {"inputTokenCount": 500, "inputBodyJson": {"inferenceConfig": {"maxTokens": 300}}},
         "output": {"outputTokenCount": 300, "outputBodyJson": {"stopReason": "max_tokens", "usage": {
             "inputTokens": 500, "outputTokens": 300, "totalTokens": 1300, "cacheReadInputTokens": 400,
             "cacheWriteInputTokens": 100}}}, "output_tokens": None},
        {"input_tokens": 1000, "cached_input_tokens": 400, "cache_write_tokens": 100, "output_tokens": 300,
         "max_tokens": 300, "finish_reason": "max_tokens"},
    ),
    "Bedrock's log of an answer in events": (
        {"model": None, "duration_ms": None, "modelId": "anthropic.claude-sonnet-4-5-20250929-v1:0",
         "input": {"inputTokenCount": 500, "cacheReadInputTokenCount": 400, "cacheWriteInputTokenCount": 100,
                   "inputBodyJson": {"max_tokens": 300}},
         "output": {"outputTokenCount": 30, "outputBodyJson": [
             {"type": "message_start", "message": {"usage": {"input_tokens": 500, "output_tokens": 1}}},
             {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 30}},
             {"type": "message_stop", "amazon-bedrock-invocationMetrics": {
                 "invocationLatency": 2500, "firstByteLatency": 400}}]}},
        {"input_tokens": 1000, "cached_input_tokens": 400, "cache_write_tokens": 100, "output_tokens": 30,
         "max_tokens": 300, "finish_reason": "end_turn", "outcome": "completed", "duration_ms": 2500.0,
         "ttft_ms": 400.0},
    ),
    "all steps of the Vercel AI SDK's answer": (
        {"usage": {"inputTokens": 10, "outputTokens": 20}, "output_tokens": None,
         "totalUsage": {"inputTokens": 1000, "inputTokenDetails": {"cacheReadTokens": 400, "cacheWriteTokens": 100},
                        "outputTokens": 300, "outputTokenDetails": {"reasoningTokens": 50}}},
        {"input_tokens": 1000, "cached_input_tokens": 400, "cache_write_tokens": 100, "output_tokens": 300,
         "reasoning_tokens": 50},
    ),
    "a model that is an object": (
        {"model": {"provider": "anthropic", "modelId": "claude-sonnet-4-5"}, "durationMs": 5},
        {"model": "claude-sonnet-4-5", "provider": "anthropic"},
    ),
    "a model's answer in the Vercel AI SDK": (
        {"usage": {"inputTokens": {"total": 1000, "noCache": 500, "cacheRead": 400, "cacheWrite": 100},
                   "outputTokens": {"total": 300, "text": 250, "reasoning": 50}}, "output_tokens": None},
        {"input_tokens": 1000, "cached_input_tokens": 400, "cache_write_tokens": 100, "output_tokens": 300,
         "reasoning_tokens": 50},
    ),
    "a cap in the Responses API": ({"max_output_tokens": 500}, {"max_tokens": 500}),
    "a cap in Chat Completions": ({"max_completion_tokens": 500}, {"max_tokens": 500}),
    "a cap in Gemini's request": ({"request": {"generationConfig": {"maxOutputTokens": 500}}}, {"max_tokens": 500}),
    "a chat completion as it came": (
        {"object": "chat.completion", "choices": [{"index": 0, "finish_reason": "length"}], "usage": RESPONSES},
        {"finish_reason": "length", "outcome": "completed"},
    ),
    "an answer of the Responses API that reached its cap": (
        {"object": "response", "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"},
         "usage": RESPONSES},
        {"finish_reason": "length", "outcome": "completed"},
    ),
    "an incomplete answer of the Responses API without a reason": (
        {"object": "response", "status": "incomplete", "incomplete_details": None, "usage": RESPONSES},
        {"finish_reason": "length", "outcome": "completed"},
    ),
    "an incomplete answer as long as its cap": (
        {"status": "incomplete", "output_tokens": 500, "max_tokens": 500},
        {"finish_reason": "length", "outcome": "completed"},
    ),
    "an incomplete answer with a reason": (
        {"status": "incomplete", "finish_reason": "content_filter"},
        {"finish_reason": "content_filter", "outcome": "completed"},
    ),
    "an incomplete answer that was shorter": (
        {"status": "incomplete", "output_tokens": 499, "max_tokens": 500},
        {"finish_reason": None, "outcome": "interrupted"},
    ),
    "an answer of the Responses API inside a line, that was cancelled": (
        {"response": {"object": "response", "status": "cancelled", "model": "gpt-5.1", "usage": None}},
        {"outcome": "cancelled"},
    ),
    "an answer of the Responses API inside a line, that failed": (
        {"response": {"object": "response", "status": "failed", "model": "gpt-5.1", "usage": None}},
        {"outcome": "error"},
    ),
    "an answer of the Responses API that was cancelled": (
        {"object": "response", "status": "cancelled", "incomplete_details": None, "model": "gpt-5.1"},
        {"outcome": "cancelled", "output_tokens": None},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", USAGES)
def test_a_providers_usage_is_read_by_its_own_names(store: Store, tmp_path: Path, name: str) -> None:
    """Wherever it is in the line."""
    given, expected = USAGES[name]
    ingest(store, write_lines(tmp_path / "calls.jsonl", [raw_call("a", **{"output_tokens": None, **given})]))
    (call,) = stored_calls(store).values()
    assert {column: call[column] for column in expected} == pytest.approx(expected)


@pytest.mark.parametrize("name", ENDS)
def test_caps_and_reasons_are_read_by_the_providers_names(store: Store, tmp_path: Path, name: str) -> None:
    """At the top of a line, in the request or in the answer."""
    given, expected = ENDS[name]
    bare = {"output_tokens": None, "outcome": None, **given}
    ingest(store, write_lines(tmp_path / "calls.jsonl", [raw_call("a", **bare)]))
    (call,) = stored_calls(store).values()
    assert {column: call[column] for column in expected} == expected


def test_each_line_may_have_its_cap_at_another_path(store: Store, tmp_path: Path) -> None:
    """A log of calls of several APIs has each one's own request."""
    caps: dict[str, Record] = {
        "a": {"request": {"max_completion_tokens": 100}}, "b": {"params": {"max_tokens": 200}},
        "c": {"max_tokens": 300}, "d": {"request": {"generationConfig": {"maxOutputTokens": 400}}}, "e": {},
    }  # fmt: skip
    ingest(store, write_lines(tmp_path / "calls.jsonl", [raw_call(name, **cap) for name, cap in caps.items()]))
    found = {name: call["max_tokens"] for name, call in stored_calls(store).items()}
    assert found == {"a": 100, "b": 200, "c": 300, "d": 400, "e": None}
