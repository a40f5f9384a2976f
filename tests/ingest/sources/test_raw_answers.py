"""Files of providers' own answers, as they came: whole ones, the events of streams, the results of batches."""

from pathlib import Path
from typing import Any

import pytest

from streamaudit.store.store import Store
from tests.support import Record, ingest, stored_calls, write_lines

USAGE = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
NAMED = {"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100}
CHAT = {
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1794816000, "model": "gpt-5-mini-2025-08-07",
    "choices": [{"index": 0, "finish_reason": "stop"}], "usage": USAGE,
}  # fmt: skip
CHUNK = {**CHAT, "object": "chat.completion.chunk", "usage": None}
CLAUDE = {"id": "msg_1", "type": "message", "model": "claude-opus-4-8", "stop_reason": "end_turn"}
OPENED = {**CLAUDE, "stop_reason": None, "usage": {"input_tokens": 40, "output_tokens": 1}}
RESPONSE = {
    "id": "resp_1", "object": "response", "created_at": 1794816000, "model": "gpt-5-mini-2025-08-07",
    "status": "completed", "usage": NAMED,
}  # fmt: skip
SPOKEN = {
    "total_tokens": 1100, "input_tokens": 1000, "output_tokens": 100,
    "input_token_details": {"text_tokens": 200, "audio_tokens": 800, "cached_tokens": 0},
    "output_token_details": {"text_tokens": 20, "audio_tokens": 80},
}  # fmt: skip
LOCAL = {
    "model": "llama3.2", "created_at": "2026-11-16T08:00:05Z", "done": True, "done_reason": "stop",
    "total_duration": 4_500_000_000, "load_duration": 1_000_000, "prompt_eval_count": 26, "eval_count": 282,
}  # fmt: skip
MODALITIES = [{"modality": "TEXT", "tokenCount": 200}, {"modality": "AUDIO", "tokenCount": 800}]


def _gemini(usage: Record, *, ends: bool = True) -> Record:
    candidate = {"content": {}, **({"finishReason": "STOP"} if ends else {})}
    return {
        "responseId": "r-1", "modelVersion": "gemini-2.5-flash", "candidates": [candidate],
        "usageMetadata": {"promptTokenCount": 1000, "candidatesTokenCount": 10, "totalTokenCount": 1010, **usage},
    }  # fmt: skip


def _logged(answer: Record, **fields: Any) -> Record:
    return {"ts": "2026-11-16T08:00:00Z", "latency_ms": 1200, "response": answer, **fields}


CASES: dict[str, tuple[list[Record], Record]] = {
    "a tier next to the usage": (
        [{**CHAT, "service_tier": "flex"}],
        {"service_tier": "flex", "cost_usd": 0.000225, "response_id": "chatcmpl-1"},
    ),
    "a tier inside a line, though another was asked for": (
        [_logged({**CHAT, "service_tier": "default"}, request={"service_tier": "priority"})],
        {"service_tier": "default", "cost_usd": 0.00045, "response_id": "chatcmpl-1"},
    ),
    "a tier that was asked for, where the answer has none": (
        [_logged(CHAT, request={"service_tier": "flex"})], {"service_tier": "flex", "cost_usd": 0.000225},
    ),
    "a plan of a customer is no tier": (
        [{**CHAT, "service_tier": "enterprise"}], {"service_tier": None, "cost_usd": 0.00045},
    ),
    "a line of a batch's results": (
        [{"id": "batch_req_1", "custom_id": "row-1", "error": None,
          "response": {"status_code": 200, "body": {**CHAT, "service_tier": "default"}}}],
        {"service_tier": "batch", "cost_usd": 0.000225},
    ),
    "Anthropic's fast mode": (
        [{**CLAUDE, "usage": {
            "input_tokens": 1000, "output_tokens": 100, "service_tier": "standard", "speed": "fast"}}],
        {"service_tier": "fast", "cost_usd": 0.015, "response_id": "msg_1"},
    ),
    "Vertex's traffic": ([_gemini({"trafficType": "ON_DEMAND_FLEX"})], {"service_tier": "flex", "cost_usd": None}),
    "Vertex's ordinary traffic": ([_gemini({"trafficType": "ON_DEMAND"})], {"cost_usd": 0.000325}),
    "Vertex's bought throughput": ([_gemini({"trafficType": "PROVISIONED_THROUGHPUT"})], {"cost_usd": None}),
    "Gemini's sounds have a price of their own": (
        [_gemini({"promptTokensDetails": MODALITIES})], {"audio_input_tokens": 800, "input_cost_usd": 0.00086},
    ),
    "every event of Gemini's stream has the counts so far": (
        [_gemini({}, ends=False), _gemini({"candidatesTokenCount": 20, "totalTokenCount": 1020}, ends=False),
         _gemini({"candidatesTokenCount": 30, "totalTokenCount": 1030})],
        {"call_id": "r-1", "output_tokens": 30, "outcome": "completed", "usage_basis": "provider"},
    ),
    "Gemini's stream that did not end": (
        [_gemini({}, ends=False), _gemini({"candidatesTokenCount": 20, "totalTokenCount": 1020}, ends=False)],
        {"output_tokens": 20, "usage_basis": "partial", "cost_usd": None},
    ),
    "Bedrock's writes for an hour": (
        [_logged({"output": {}, "stopReason": "end_turn", "usage": {
            "inputTokens": 30, "outputTokens": 60, "totalTokens": 1090, "cacheWriteInputTokens": 1000,
            "cacheDetails": [{"ttl": "1h", "inputTokens": 700}, {"ttl": "5m", "inputTokens": 300}]}},
            modelId="eu.anthropic.claude-sonnet-4-5-20250929-v1:0")],
        {"input_tokens": 1030, "cache_write_tokens": 1000, "cache_write_1h_tokens": 700},
    ),
    "Bedrock's call that failed": (
        [{"requestId": "a", "timestamp": "2026-11-16T08:00:00Z", "modelId": "amazon.nova-pro-v1:0",
          "latencyMs": 12, "errorCode": "ThrottlingException"}],
        {"outcome": "error", "error_type": "ThrottlingException"},
    ),
    "Cohere bills less than its tokens": (
        [_logged({"id": "c-1", "finish_reason": "COMPLETE", "usage": {
            "tokens": {"input_tokens": 71, "output_tokens": 420},
            "billed_units": {"input_tokens": 5, "output_tokens": 418}}}, model="command-r-plus-08-2024")],
        {"input_tokens": 5, "output_tokens": 418, "cost_usd": 0.0041925},
    ),
    "Groq's waits are seconds of its server": (
        [{**CHAT, "usage": {**USAGE, "queue_time": 0.04, "prompt_time": 0.01, "total_time": 0.5}}],
        {"server_ttft_ms": 50.0, "ttft_ms": None, "duration_ms": None},
    ),
    "Ollama's durations are nanoseconds, and its time is the end": (
        [{"model": "llama3.2", "created_at": "2026-11-16T08:00:01Z", "message": {"content": "A"}, "done": False},
         LOCAL],
        {"duration_ms": 4500.0, "start_time": "2026-11-16 08:00:00.500000", "output_tokens": 282,
         "outcome": "completed"},
    ),
    "Ollama's prompt that was in its cache": (
        [{**LOCAL, "prompt_eval_count": 26, "prompt_eval_cached_count": 20}],
        {"input_tokens": 26, "cached_input_tokens": 20},
    ),
    "a prompt of 0 tokens before an answer": (
        [_logged({**CHAT, "usage": {"prompt_tokens": 0, "completion_tokens": 9, "total_tokens": 9}})],
        {"input_tokens": None, "output_tokens": 9, "cost_usd": None},
    ),
    "SGLang's own answer": (
        [{"text": "A", "meta_info": {"id": "a", "finish_reason": {"type": "abort"}, "prompt_tokens": 7,
                                     "completion_tokens": 32, "cached_tokens": 4, "e2e_latency": 1.5}}],
        {"call_id": "a", "outcome": "cancelled", "input_tokens": 7, "cached_input_tokens": 4, "duration_ms": 1500.0},
    ),
    "the model of an answer inside a line": (
        [_logged({**CLAUDE, "model": "claude-haiku-4-5-20251001",
                  "usage": {"input_tokens": 40, "output_tokens": 300}})],
        {"model": "claude-haiku-4-5", "response_model": "claude-haiku-4-5-20251001", "outcome": "completed"},
    ),
    "the usage of a stream is in its last chunk": (
        [CHUNK | {"choices": [{"index": 0, "finish_reason": None}]}, CHUNK, {**CHUNK, "choices": [], "usage": USAGE}],
        {"input_tokens": 1000, "output_tokens": 100, "outcome": "completed", "usage_basis": "provider"},
    ),
    "usage in a chunk of a stream that was cut": (
        [{**CHUNK, "choices": [{"index": 0, "finish_reason": None}], "usage": USAGE}],
        {"output_tokens": 100, "usage_basis": "partial", "cost_usd": None},
    ),
    "a completion whose stream was cut": (
        [{**CHUNK, "object": "text_completion", "choices": [{"text": "A", "finish_reason": None}],
          "usage": {**USAGE, "completion_tokens": count}} for count in (1, 2)],
        {"output_tokens": 2, "usage_basis": "partial"},
    ),
    "a tier that the Vercel AI SDK passes on": (
        [{"ts": "2026-11-16T08:00:00Z", "model": "gpt-5-mini", "usage": {"inputTokens": 1000, "outputTokens": 100},
          "providerMetadata": {"openai": {"serviceTier": "flex"}}}],
        {"service_tier": "flex", "cost_usd": 0.000225},
    ),
    "Anthropic's own usage that the Vercel AI SDK passes on": (
        [{"ts": "2026-11-16T08:00:00Z", "model": "claude-sonnet-4-5",
          "usage": {"inputTokens": 1000, "outputTokens": 100, "totalTokens": 1100, "cachedInputTokens": 400},
          "providerMetadata": {"anthropic": {"cacheCreationInputTokens": 50, "usage": {
              "input_tokens": 1000, "output_tokens": 100, "cache_read_input_tokens": 400,
              "cache_creation_input_tokens": 50}}}}],
        {"input_tokens": 1450, "cached_input_tokens": 400, "cache_write_tokens": 50, "output_tokens": 100},
    ),
    "Gemini's spoken answer": (
        [{"ts": "2026-11-16T08:00:00Z", "model": "gemini-live-2.5-flash", "usageMetadata": {
            "promptTokenCount": 1000, "responseTokenCount": 40, "totalTokenCount": 1040,
            "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 40}]}}],
        {"input_tokens": 1000, "output_tokens": 40, "audio_output_tokens": 40},
    ),
    "an embedding is no answer": (
        [{"request_id": "a", "start_time": "2026-11-16T08:00:00Z", "model": "text-embedding-3-small",
          "duration_ms": 12, "input_tokens": 8}],
        {"operation": "embedding"},
    ),
    "the events of Anthropic's stream": (
        [{"type": "message_start", "message": OPENED}, {"type": "content_block_delta", "delta": {"text": "A"}},
         {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 300}}],
        {"call_id": "msg_1", "input_tokens": 40, "usage_basis": "partial", "cost_usd": None},
    ),
    "an answer of Anthropic's that was merged from its first event alone": (
        [_logged(OPENED)], {"usage_basis": "partial", "cost_usd": None, "outcome": "unknown"},
    ),
    "the events of a stream of the Responses API": (
        [{"type": "response.created", "response": {**RESPONSE, "status": "in_progress", "usage": None}},
         {"type": "keepalive", "sequence_number": 3, "model": "gpt-5-mini-2025-08-07"},
         {"type": "response.output_text.delta", "delta": "A"}, {"type": "response.completed", "response": RESPONSE}],
        {"call_id": "resp_1", "response_id": "resp_1", "input_tokens": 1000, "output_tokens": 100,
         "outcome": "completed"},
    ),
    "a spoken answer that its listener interrupted": (
        [{"type": "response.done", "response": {"object": "realtime.response", "id": "resp_1", "status": "cancelled",
                                                "usage": SPOKEN}}],
        {"outcome": "cancelled", "audio_input_tokens": 800, "audio_output_tokens": 80, "cached_input_tokens": 0},
    ),
    "Vertex's log of requests": (
        [{"logging_time": "2026-11-16T08:00:00Z", "request_id": "1", "model": "gemini-2.5-flash", "full_request": {},
          "full_response": _gemini({})}],
        {"input_tokens": 1000, "output_tokens": 10, "outcome": "completed"},
    ),
    "Dify's latency is seconds, and its prices are of a currency": (
        [{"event": "message_end", "message_id": "m-1", "created_at": 1794816000, "metadata": {"usage": {
            **USAGE, "prompt_price": "0.001", "completion_price": "0.002", "total_price": "0.003", "currency": "USD",
            "latency": 2.5, "time_to_first_token": 0.5}}}],
        {"duration_ms": 2500.0, "ttft_ms": 500.0, "cost_usd": 0.003, "output_cost_usd": 0.002},
    ),
    "in another currency": (
        [{"event": "message_end", "message_id": "m-1", "created_at": 1794816000, "metadata": {"usage": {
            **USAGE, "total_price": "0.02", "currency": "RMB", "latency": 2.5}}}],
        {"duration_ms": 2500.0, "cost_usd": None},
    ),
    "without a count": (
        [{"event": "message_end", "message_id": "m-1", "created_at": 1794816000, "metadata": {"usage": {
            "prompt_tokens": 0, "completion_tokens": 0, "total_price": "0", "currency": "USD", "latency": 2.5}}}],
        {"output_tokens": None, "cost_usd": None},
    ),
    "0 dollars of a call without a count": (
        [{"id": "a", "ts": "2026-11-16T08:00:00Z", "model": "gpt-4o", "latency_ms": 5, "prompt_tokens": 0,
          "completion_tokens": 0, "cost": 0}],
        {"output_tokens": None, "cost_usd": None},
    ),
    "details of tokens next to their counts, as JSON text": (
        [{"id": "a", "model": "gpt-4o", "datetime_utc": "2026-11-16T08:00:00", "duration_ms": 1200, "input_tokens": 10,
          "output_tokens": 20, "token_details": '{"prompt_tokens_details": {"cached_tokens": 4}}'}],
        {"input_tokens": 10, "cached_input_tokens": 4, "output_tokens": 20},
    ),
    "Azure's table of a gateway's calls": (
        [{"TimeGenerated": "2026-11-16T08:00:00Z", "DeploymentName": "chat-prod", "ModelName": "gpt-4o-2024-08-06",
          "PromptTokens": 1000, "CompletionTokens": 100, "TotalTokens": 1100}],
        {"start_time": "2026-11-16 08:00:00", "input_tokens": 1000, "output_tokens": 100},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_an_answer_as_it_came_is_one_call(store: Store, tmp_path: Path, name: str) -> None:
    """With the figures that its provider means."""
    given, expected = CASES[name]
    ingest(store, write_lines(tmp_path / "answers.jsonl", given))
    (call,) = stored_calls(store).values()
    found = {column: str(call[column]) if column == "start_time" else call[column] for column in expected}
    assert found == pytest.approx(expected)
