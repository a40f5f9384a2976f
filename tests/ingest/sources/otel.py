"""Spans of OpenTelemetry, case by case: the attributes and events of each, and the columns that they must become."""

from typing import Any

from tests.support import Record, otel_attributes, otel_span

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
    "OpenLLMetry under its other old names": (
        {**BARE, "llm.request.type": "completion", "llm.request.model": "m", "gen_ai.is_streaming": "true",
         "llm.usage.prompt_tokens": 20, "llm.usage.completion_tokens": 30, "gen_ai.usage.reasoning_tokens": 7,
         "gen_ai.response.finish_reason": "stop", "enduser.id": "u"},
        {"operation": "completion", "model": "m", "streamed": True, "input_tokens": 20, "output_tokens": 30,
         "reasoning_tokens": 7, "finish_reason": "stop", "user_id": "u"},
    ),
    "Sentry's names": (
        {"gen_ai.usage.input_tokens.cached": 20, "gen_ai.usage.input_tokens.cache_write": 9,
         "gen_ai.usage.output_tokens.reasoning": 7, "gen_ai.usage.total_cost": 0.5, "gen_ai.usage.input_cost": 0.1,
         "gen_ai.usage.output_cost": 0.4},
        {"cached_input_tokens": 20, "cache_write_tokens": 9, "reasoning_tokens": 7, "cost_usd": 0.5,
         "input_cost_usd": 0.1, "output_cost_usd": 0.4},
    ),
    "LiteLLM's costs": (
        {"gen_ai.cost.total_cost": 0.5, "gen_ai.cost.input_cost": 0.1, "gen_ai.cost.output_cost": 0.4},
        {"cost_usd": 0.5, "cost_basis": "reported", "input_cost_usd": 0.1},
    ),
    "LiteLLM without a price": (
        {"gen_ai.cost.total_cost": 0.0, "gen_ai.cost.input_cost": 0}, {"cost_basis": "priced"},
    ),
    "OpenLIT": (
        {"gen_ai.request.is_stream": True, "gen_ai.server.time_to_first_token": 0.3, "gen_ai.usage.cost": 0.5,
         "gen_ai.usage.completion_tokens_details.reasoning": 7, "gen_ai.usage.prompt_tokens_details.cache_read": 20},
        {"streamed": True, "ttft_ms": 300.0, "cost_usd": 0.5, "reasoning_tokens": 7, "cached_input_tokens": 20},
    ),
    "OpenLIT's time to first token of a call that did not stream": (
        {"gen_ai.server.time_to_first_token": 5.0}, {"ttft_ms": None, "ttft_status": "not_recorded"},
    ),
    "Strands, whose first token and duration are milliseconds": (
        {"gen_ai.server.time_to_first_token": 300, "gen_ai.server.request.duration": 4800}, {"ttft_ms": 300.0},
    ),
    "OpenInference's prompt of Gemini that has the cached tokens twice": (
        {**BARE, "openinference.span.kind": "LLM", "llm.model_name": "gemini-2.5-flash", "llm.token_count.prompt": 1300,
         "llm.token_count.prompt_details.cache_read": 400, "llm.token_count.completion": 90,
         "llm.token_count.total": 990},
        {"input_tokens": 900, "cached_input_tokens": 400},
    ),
    "OpenInference's prompt of Strands that leaves out the cache": (
        {**BARE, "openinference.span.kind": "LLM", "llm.model_name": "m", "llm.token_count.prompt": 500,
         "llm.token_count.completion": 90, "llm.token_count.total": 990,
         "metadata": '{"gen_ai.usage.cache_read_input_tokens": 300, "gen_ai.usage.cache_write_input_tokens": 100}'},
        {"input_tokens": 900, "cached_input_tokens": 300, "cache_write_tokens": 100},
    ),
    "Logfire": (
        {"operation.cost": 0.5, "gen_ai.usage.details.thoughts_tokens": 7, "gen_ai.usage.cache_read_tokens": 20},
        {"cost_usd": 0.5, "reasoning_tokens": 7, "cached_input_tokens": 20},
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
    "the Vercel AI SDK without a stream": (
        {**BARE, "ai.operationId": "ai.generateText.doGenerate", "ai.model.id": "m", "ai.usage.outputTokens": 30},
        {"streamed": False, "output_tokens": 30},
    ),
    "the Vercel AI SDK's new exporter": (
        {"gen_ai.client.operation.time_to_first_chunk": 0.4125, "gen_ai.agent.name": "support",
         "gen_ai.usage.cache_creation.input_tokens": 6, "ai.settings.context.userId": "u",
         "customer.id": "acme"},
        {"ttft_ms": 412.5, "route": "support", "cache_write_tokens": 6, "user_id": "u", "tenant": "acme"},
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
         "mlflow.chat.tokenUsage": '{"input_tokens": 20, "output_tokens": 30, "cache_read_input_tokens": 8}',
         "mlflow.llm.cost": '{"input_cost": 0.1, "output_cost": 0.4, "total_cost": 0.5}'},
        {"model": "m", "input_tokens": 20, "output_tokens": 30, "cached_input_tokens": 8, "cost_usd": 0.5,
         "input_cost_usd": 0.1, "output_cost_usd": 0.4},
    ),
    "an engine of its own": (
        {**BARE, "gen_ai.latency.time_to_first_token": 0.2, "gen_ai.response.model": "m",
         "gen_ai.usage.completion_tokens": 30},
        {"server_ttft_ms": 200.0, "ttft_ms": None, "output_tokens": 30},
    ),
    "values of other types": (
        {"gen_ai.usage.input_tokens": {"intValue": 20}, "gen_ai.usage.output_tokens": {"doubleValue": 30.0},
         "gen_ai.response.time_to_first_chunk": {"doubleValue": "NaN"},
         "gen_ai.request.max_tokens": {"doubleValue": "Infinity"}, "a": {"bytesValue": "AAE="},
         "b": {"kvlistValue": {"values": [{"key": "c", "value": {"intValue": "1"}}]}}, "d": {}},
        {"input_tokens": 20, "output_tokens": 30, "ttft_ms": None, "max_tokens": None, "outcome": "completed"},
    ),
    "a service nobody named": ({}, {"service": None, "tenant": None}),
    "a count of 0 under the newest name, the real one under an older": (
        {"gen_ai.usage.output_tokens": 0, "gen_ai.usage.completion_tokens": 30, "gen_ai.usage.input_tokens": 0,
         "llm.usage.prompt_tokens": 20, "gen_ai.usage.cache_read.input_tokens": 0,
         "gen_ai.usage.cache_read_input_tokens": 8},
        {"input_tokens": 20, "output_tokens": 30, "cached_input_tokens": 8},
    ),
    "usage of zeros that nobody counted": (
        {"gen_ai.usage.output_tokens": 0, "gen_ai.usage.input_tokens": 0},
        {"input_tokens": None, "output_tokens": None},
    ),
    "zeros of an answer from a cache": (
        {"gen_ai.usage.output_tokens": 0, "gen_ai.usage.input_tokens": 0, "cache_hit": True},
        {"input_tokens": 0, "output_tokens": 0},
    ),
    "input without what was cached, by its total": (
        {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.cache_read_input_tokens": 60,
         "gen_ai.usage.cache_write_input_tokens": 30, "gen_ai.usage.output_tokens": 10,
         "gen_ai.usage.total_tokens": 200},
        {"input_tokens": 190, "cached_input_tokens": 60, "cache_write_tokens": 30},
    ),
    "input below what was cached": (
        {"gen_ai.usage.input_tokens": 21, "gen_ai.usage.cache_read_input_tokens": 5000},
        {"input_tokens": 5021, "cached_input_tokens": 5000},
    ),
    "input with what was cached, by its total": (
        {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.cache_read_input_tokens": 60,
         "gen_ai.usage.output_tokens": 10, "gen_ai.usage.total_tokens": 110},
        {"input_tokens": 100, "cached_input_tokens": 60},
    ),
    "Gemini's own names": (
        {**BARE, "gen_ai.operation.name": "generate_content", "gen_ai.response.model": "gemini-2.5-flash",
         "gen_ai.usage.prompt_token_count": 324, "gen_ai.usage.candidates_token_count": 859,
         "gen_ai.usage.thoughts_token_count": 1000, "gen_ai.usage.cached_content_token_count": 100},
        {"input_tokens": 324, "output_tokens": 1859, "reasoning_tokens": 1000, "cached_input_tokens": 100},
    ),
    "caps by other names": (
        {"llm.invocation_parameters": '{"generationConfig": {"maxOutputTokens": 800}}'}, {"max_tokens": 800},
    ),
    "a cap of the Responses API": ({"gen_ai.request.max_output_tokens": 700}, {"max_tokens": 700}),
    "a framework for a provider, and no model's name": (
        {"gen_ai.system": "Langchain", "gen_ai.provider.name": ..., "gen_ai.request.model": "unknown",
         "gen_ai.response.model": "gpt-4o-2024-08-06", "traceloop.association.properties.ls_provider": "openai"},
        {"provider": "openai", "model": "gpt-4o", "response_model": "gpt-4o-2024-08-06"},
    ),
    "a framework for a provider, and nothing better": (
        {"gen_ai.system": "langchain", "gen_ai.provider.name": ..., "llm.request.model": "gpt-4o",
         "gen_ai.request.model": "unknown"},
        {"provider": "openai", "provider_basis": "inferred", "model": "gpt-4o"},
    ),
    "the tier that served and kinds of tokens": (
        {"openai.request.service_tier": "auto", "openai.response.service_tier": "flex",
         "gen_ai.usage.ephemeral_1h_input_tokens": 4, "llm.token_count.prompt_details.audio": 5,
         "llm.token_count.completion_details.audio": 6},
        {"service_tier": "flex", "cache_write_1h_tokens": 4, "audio_input_tokens": 5, "audio_output_tokens": 6},
    ),
    "kinds of tokens by their newest names": (
        {"gen_ai.usage.audio.input_tokens": 7, "gen_ai.usage.image.input_tokens": 8,
         "gen_ai.usage.audio.output_tokens": 9},
        {"audio_input_tokens": 7, "image_tokens": 8, "audio_output_tokens": 9},
    ),
    "a tier that was only asked for": (
        {"gen_ai.openai.request.service_tier": "priority"}, {"service_tier": None},
    ),
}  # fmt: skip


KEYED = {"tenant", "route", "rendered_tokens"}
"""Filled for a whole file from the best key that occurs in it, so that these cases are files of their own."""

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
    "the reason error, whatever the status": (
        {"attributes": {"gen_ai.response.finish_reasons": ["stop", "error"]}}, {"outcome": "error"},
    ),
    "an answer cut by its length": (
        {"attributes": {"gen_ai.response.finish_reasons": ["length"]}}, {"outcome": "completed", "ended_by": "length"},
    ),
    "JavaScript's abort": (
        {"attributes": {**UNFINISHED, "error.type": "AbortError"}, "status": {"code": 2}}, {"outcome": "cancelled"},
    ),
    "a status of 499": (
        {"attributes": {**UNFINISHED, "http.response.status_code": 499}, "status": {"code": 2}},
        {"outcome": "cancelled", "cancel_evidence": "http_status"},
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
    "the Vercel AI SDK's new exporter aborting": (
        {"attributes": UNFINISHED, "scope": "gen_ai"},
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
    "OpenInference's reader at the end, without usage": (
        {"attributes": {**UNFINISHED, "openinference.span.kind": "LLM"}, "status": {"code": 1},
         "events": [event("First Token Stream Event", 400)]},
        {"outcome": "completed", "output_tokens": None, "ttft_ms": 400.0},
    ),
    "OpenInference's reader at the end, of a client that had left": (
        {"attributes": {**UNFINISHED, "openinference.span.kind": "LLM", "cancelled_at_ms": 900}, "status": {"code": 1}},
        {"outcome": "cancelled", "cancel_evidence": "cancelled_at"},
    ),
    "OpenLLMetry counting the tokens that came": (
        {"attributes": {"gen_ai.response.finish_reasons": ...},
         "events": [event("gen_ai.content.completion.chunk", 400)]},
        {"usage_basis": "tokenizer", "billed_tokens": None},
    ),
    "a stream with a first token and no end": (
        {"attributes": {**UNFINISHED, "gen_ai.response.time_to_first_chunk": 0.4}}, {"outcome": "interrupted"},
    ),
    "a stream with a word for no finish reason": (
        {"attributes": {**UNFINISHED, "gen_ai.request.stream": True, "gen_ai.response.finish_reasons": ["unknown"]}},
        {"outcome": "interrupted", "finish_reason": None},
    ),
    "an exception whose message names who stopped it": (
        {"attributes": UNFINISHED, "status": {"code": 2},
         "events": [
             event("exception", 9, {"exception.type": "APIError", "exception.message": "Request was aborted."})]},
        {"outcome": "cancelled", "error_type": "APIError"},
    ),
    "an exception whose message names a deadline": (
        {"attributes": UNFINISHED, "status": {"code": 2},
         "events": [event("exception", 900, {"exception.type": "Error", "exception.message": "Read \"x\" timed out"})]},
        {"outcome": "timeout"},
    ),
    "gRPC's status of a cancel": ({"attributes": {**UNFINISHED, "rpc.grpc.status_code": 1}}, {"outcome": "cancelled"}),
    "gRPC's status of a deadline": (
        {"attributes": {**UNFINISHED, "rpc.response.status_code": "DEADLINE_EXCEEDED"}}, {"outcome": "timeout"},
    ),
    "a flag of the stream": ({"attributes": {**UNFINISHED, "stream.cancelled": True}}, {"outcome": "cancelled"}),
    "no stream, no usage": ({"attributes": UNFINISHED}, {"outcome": "unknown"}),
    "a finish reason without usage": (
        {"attributes": {**UNFINISHED, "gen_ai.response.finish_reasons": ["stop"]},
         "events": [event("gen_ai.content.completion.chunk", 400)]},
        {"outcome": "completed", "output_tokens": None},
    ),
    "an abort of the engine": ({"attributes": {"gen_ai.response.finish_reasons": ["abort"]}}, {"outcome": "cancelled"}),
    "a stream that its reader abandoned": (
        {"attributes": {**UNFINISHED, "error.type": "_OTHER"}, "status": {"code": 2, "message": "abandoned stream"}},
        {"outcome": "cancelled", "cancel_evidence": "error"},
    ),
    "a stream aborted, with a finish reason of its own": (
        {"attributes": {**UNFINISHED, "error.type": "_OTHER", "gen_ai.response.finish_reasons": ["error"]},
         "status": {"code": 2, "message": "stream aborted"}},
        {"outcome": "cancelled"},
    ),
    "another error beside the exception's class": (
        {"attributes": {**UNFINISHED, "error.type": "_OTHER"}, "status": {"code": 2},
         "events": [event("exception", 10, {"exception.type": "GeneratorExit"})]},
        {"outcome": "cancelled", "error_type": "GeneratorExit"},
    ),
    "an error of no known class": (
        {"attributes": {**UNFINISHED, "error.type": "_OTHER"}, "status": {"code": 2, "message": "upstream broke"}},
        {"outcome": "error"},
    ),
    "a status that a gateway would have sent": (
        {"attributes": {**UNFINISHED, "http.response.status_code_effective": 499}, "status": {"code": 2}},
        {"outcome": "cancelled", "http_status": 499},
    ),
    "an answer that the Responses API calls incomplete": (
        {"attributes": {"gen_ai.response.finish_reasons": ["incomplete"]}},
        {"outcome": "completed", "ended_by": "length"},
    ),
    "the Responses API's reason": (
        {"attributes": {"gen_ai.response.finish_reasons": ["max_output_tokens"]}},
        {"outcome": "completed", "ended_by": "length"},
    ),
    "no end": ({"endTimeUnixNano": "0", "attributes": UNFINISHED}, {"outcome": "unknown", "duration_ms": None}),
}  # fmt: skip


TOLD = {
    "GenAI conventions": otel_span("a"),
    "OpenLLMetry": otel_span("a", {"traceloop.workflow.name": "w"}),
    "OpenLLMetry up to 0.4": otel_span("a", {"llm.request.type": "chat"}),
    "OpenInference": otel_span("a", {"openinference.span.kind": "LLM"}),
    "Vercel AI SDK": otel_span("a", {"gen_ai.client.operation.time_to_first_chunk": 0.4}),
    "Vercel AI SDK, legacy exporter": otel_span("a", {"ai.operationId": "ai.streamText.doStream"}),
    "vLLM or SGLang": otel_span("a", {"gen_ai.latency.e2e": 1.5}),
}
