"""OpenTelemetry spans: the names of attributes that are read, and the texts for explain and coverage on them."""

from streamaudit.ingest.sources.registry import APP_KEYS, OWN

EXTRA_TENANTS = ("org.id", "customer.id", "tenantId")
ROUTES = ("gen_ai.agent.name", "ai.telemetry.functionId", "gen_ai.prompt.name", "traceloop.workflow.name")
DEPLOYS = ("deployment.id", "deployment.name")

OWN_KEYS: dict[str, tuple[str, ...]] = {
    "tenant": (
        *(f"attributes.{key}" for key in (*APP_KEYS["tenant"], *EXTRA_TENANTS)),
        *(f"resource.{key}" for key in (*APP_KEYS["tenant"], "service.namespace")),
    ),
    "route": (*(f"attributes.{key}" for key in (*APP_KEYS["route"], *ROUTES)), "ancestor"),
    "deploy": (
        "resource.service.version", "attributes.service.version",
        *(f"attributes.{key}" for key in APP_KEYS["deploy"]),
        *(f"resource.{key}" for key in (*APP_KEYS["deploy"], *DEPLOYS)),
    ),
    "rendered_tokens": tuple(f"attributes.{key}" for key in APP_KEYS["rendered_tokens"]),
    "delivered_tokens": tuple(f"attributes.{key}" for key in APP_KEYS["delivered_tokens"]),
}  # fmt: skip
"""Candidate keys of the keyed columns, in the order in which the SQL lists their values."""

assert OWN == 300, "the ranks in the SQL begin there"

COUNTS: dict[str, tuple[str, ...]] = {
    "output_tokens": (
        "gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.usage.completion_tokens",
        "ai.usage.outputTokens", "ai.usage.completionTokens", "llm.token_count.completion",
        "gen_ai.response.completion_tokens", "output_tokens",
    ),
    "input_tokens": (
        "gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.usage.prompt_tokens", "ai.usage.inputTokens",
        "ai.usage.promptTokens", "llm.token_count.prompt", "ai.usage.tokens", "gen_ai.usage.prompt_token_count",
        "gen_ai.response.prompt_tokens", "input_tokens",
    ),
    "total_tokens": (
        "gen_ai.usage.total_tokens", "llm.usage.total_tokens", "ai.usage.totalTokens", "llm.token_count.total",
        "gen_ai.usage.total_token_count",
    ),
    "cached_input_tokens": (
        "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens", "ai.usage.cachedInputTokens",
        "ai.usage.inputTokenDetails.cacheReadTokens", "llm.token_count.prompt_details.cache_read",
        "gen_ai.usage.cached_tokens", "gen_ai.usage.cached_input_tokens", "gen_ai.usage.cached_content_token_count",
        "gen_ai.usage.details.cache_read_tokens", "gen_ai.usage.details.cached_tokens",
        "gen_ai.usage.cache_read_tokens", "gen_ai.usage.input_cached_tokens", "gen_ai.usage.input_tokens.cached",
        "gen_ai.usage.prompt_tokens_details.cached_tokens", "gen_ai.usage.input_tokens_details.cached_tokens",
        "gen_ai.usage.prompt_tokens_details.cache_read", "cache_read_tokens",
    ),
    "cache_write_tokens": (
        "gen_ai.usage.cache_write.input_tokens", "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens", "gen_ai.usage.cache_write_input_tokens",
        "ai.usage.inputTokenDetails.cacheWriteTokens", "llm.token_count.prompt_details.cache_write",
        "gen_ai.usage.details.cache_write_tokens",
        "gen_ai.usage.cache_write_tokens", "gen_ai.usage.cache_creation_tokens",
        "gen_ai.usage.input_tokens.cache_write", "gen_ai.usage.prompt_tokens_details.cache_write",
        "cache_creation_tokens",
    ),
    "cache_write_1h_tokens": (
        "gen_ai.usage.cache_creation.ephemeral_1h_input_tokens", "gen_ai.usage.ephemeral_1h_input_tokens",
        "gen_ai.usage.cache_creation_ephemeral_1h_input_tokens", "gen_ai.usage.input_tokens.cache_write_1h",
    ),
    "audio_input_tokens": (
        "gen_ai.usage.audio.input_tokens",
        "gen_ai.usage.input_audio_tokens", "gen_ai.usage.audio_input_tokens", "llm.token_count.prompt_details.audio",
        "gen_ai.usage.details.input_audio_tokens",
    ),
    "image_tokens": (
        "gen_ai.usage.image.input_tokens", "gen_ai.usage.input_image_tokens", "gen_ai.usage.details.input_image_tokens",
    ),
    "audio_output_tokens": (
        "gen_ai.usage.audio.output_tokens", "gen_ai.usage.output_audio_tokens", "gen_ai.usage.audio_output_tokens",
        "llm.token_count.completion_details.audio", "gen_ai.usage.details.output_audio_tokens",
    ),
    "reasoning_tokens": (
        "gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens", "llm.usage.reasoning_tokens",
        "ai.usage.reasoningTokens", "ai.usage.outputTokenDetails.reasoningTokens",
        "llm.token_count.completion_details.reasoning", "gen_ai.usage.thoughts_token_count",
        "gen_ai.usage.experimental.reasoning_tokens", "gen_ai.usage.details.reasoning_tokens",
        "gen_ai.usage.details.thoughts_tokens", "gen_ai.usage.thoughts_tokens", "gen_ai.usage.output_tokens.reasoning",
        "gen_ai.usage.output_reasoning_tokens", "gen_ai.usage.completion_tokens_details.reasoning_tokens",
        "gen_ai.usage.output_tokens_details.reasoning_tokens", "gen_ai.usage.completion_tokens_details.reasoning",
    ),
    "max_tokens": (
        "gen_ai.request.max_tokens", "gen_ai.request.max_output_tokens", "gen_ai.request.max_completion_tokens",
        "llm.request.max_tokens", "ai.settings.maxOutputTokens", "ai.settings.maxTokens",
        "gcp.gen_ai.operation.config.max_output_tokens",
    ),
}  # fmt: skip
"""The names of each count, the newest first; 0 under one name yields to a count under another. Semantic Kernel before
1.18 wrote them of the response, Claude Code writes them bare."""

_DETAILS = {
    "cached_input_tokens": ("/prompt_tokens_details/cached_tokens", "/input_tokens_details/cached_tokens",
                            "/cache_read_input_tokens"),
    "cache_write_tokens": ("/cache_creation_input_tokens",),
    "cache_write_1h_tokens": ("/cache_creation/ephemeral_1h_input_tokens",),
    "reasoning_tokens": ("/completion_tokens_details/reasoning_tokens", "/output_tokens_details/reasoning_tokens"),
}  # fmt: skip
PACKED: dict[str, dict[str, tuple[str, ...]]] = {
    "gen_ai.usage.input_token_details": {
        "cached_input_tokens": ("/cache_read",), "cache_write_tokens": ("/cache_creation",),
        "cache_write_1h_tokens": ("/ephemeral_1h_input_tokens",), "audio_input_tokens": ("/audio",),
    },
    "gen_ai.usage.output_token_details": {"reasoning_tokens": ("/reasoning",), "audio_output_tokens": ("/audio",)},
    "gen_ai.usage.raw": _DETAILS,
    "response_data": {
        "input_tokens": ("/usage/prompt_tokens", "/usage/input_tokens"),
        "output_tokens": ("/usage/completion_tokens", "/usage/output_tokens"),
        **{column: tuple(f"/usage{pointer}" for pointer in pointers) for column, pointers in _DETAILS.items()},
    },
    "ai.response.providerMetadata": {
        "cached_input_tokens": (
            "/anthropic/cacheReadInputTokens", "/anthropic/usage/cache_read_input_tokens", "/openai/cachedPromptTokens",
            "/bedrock/usage/cacheReadInputTokens", "/deepseek/promptCacheHitTokens",
            "/google/usageMetadata/cachedContentTokenCount", "/vertex/usageMetadata/cachedContentTokenCount",
            "/openrouter/usage/promptTokensDetails/cachedTokens",
        ),
        "cache_write_tokens": (
            "/anthropic/cacheCreationInputTokens", "/anthropic/usage/cache_creation_input_tokens",
            "/bedrock/usage/cacheWriteInputTokens",
        ),
        "cache_write_1h_tokens": ("/anthropic/usage/cache_creation/ephemeral_1h_input_tokens",),
        "reasoning_tokens": (
            "/openai/reasoningTokens", "/google/usageMetadata/thoughtsTokenCount",
            "/vertex/usageMetadata/thoughtsTokenCount", "/openrouter/usage/completionTokensDetails/reasoningTokens",
        ),
        "cost_usd": ("/openrouter/usage/cost", "/gateway/cost"),
    },
    "gcp.vertex.agent.llm_response": {
        "cached_input_tokens": ("/usage_metadata/cached_content_token_count",),
        "reasoning_tokens": ("/usage_metadata/thoughts_token_count",),
        "total_tokens": ("/usage_metadata/total_token_count",),
    },
}  # fmt: skip
"""Attributes that are objects in text, and the places in them of counts that the span has under no name of its own: by
LangSmith, Logfire, the Vercel AI SDK and Google's ADK, which leaves a model's thoughts out of the output."""

COSTS: dict[str, tuple[str, ...]] = {
    "cost_usd": (
        "gen_ai.cost.total_cost", "litellm.cost.total", "gen_ai.usage.total_cost", "gen_ai.usage.cost_usd",
        "llm.usage.total_cost", "operation.cost", "cost_usd",
    ),
    "input_cost_usd": ("gen_ai.cost.input_cost", "gen_ai.usage.input_cost"),
    "output_cost_usd": ("gen_ai.cost.output_cost", "gen_ai.usage.output_cost"),
}  # fmt: skip
"""The names of each cost in dollars by LiteLLM, Sentry, OpenLLMetry and Logfire, where 0 stands for no price."""

CALL_WORDS = (
    "a?(chat|completion|text_completion|responses|anthropic_messages|messages|generate_content)(_stream)?"
    "|(chat|text)[._](streaming_)?completions?|converse(_stream)?|invoke_model(_with_response_stream)?"
)
"""Operations that are calls of a model, by the conventions, by LiteLLM's types of calls (acompletion, aresponses), by
Semantic Kernel (chat.streaming_completions) and by Bedrock's API (converse_stream)."""

CAPS = (
    "/max_tokens", "/max_completion_tokens", "/max_output_tokens", "/maxTokens", "/maxOutputTokens",
    "/generation_config/max_output_tokens", "/generationConfig/maxOutputTokens", "/config/max_output_tokens",
    "/inferenceConfig/maxTokens",
)  # fmt: skip
"""An output cap among the parameters of a request, by the names of several providers."""

READS = {
    "call_id": "traceId and spanId", "trace_id": "traceId", "parent_id": "parentSpanId",
    "logical_request_id": "attributes.logical_request_id, idempotency_key",
    "attempt_number": "attributes.attempt_number",
    "response_id": "gen_ai.response.id, ai.response.id",
    "model": "gen_ai.request.model, llm.request.model, ai.model.id, else the answering model without its date",
    "response_model": "gen_ai.response.model, ai.response.model, llm.response.model, llm.model_name",
    "provider": "gen_ai.provider.name, gen_ai.system, ai.model.provider, llm.provider, llm.system",
    "user_id": "user.id, enduser.id, enduser.pseudo.id, gen_ai.user",
    "session_id": "gen_ai.conversation.id, session.id",
    "environment": "resource deployment.environment.name or deployment.environment", "service": "resource service.name",
    "region": "attributes.region, cloud.region",
    "transport": "attributes.transport, url.scheme, url.full, http.url, rpc.system, a realtime operation or model; "
        "else that of the request in a span inside the call",
    "operation": "gen_ai.operation.name, llm.request.type, openinference.span.kind",
    "start_time": "startTimeUnixNano", "end_time": "endTimeUnixNano",
    "duration_ms": "endTimeUnixNano - startTimeUnixNano",
    "streamed": "gen_ai.request.stream, llm.is_streaming; a usable TTFT or chunk events prove it",
    "ttft_ms": "gen_ai.response.time_to_first_chunk and its other names, else the event of the first chunk",
    "ttvt_ms": "attributes.time_to_first_output_token_ms", "server_ttft_ms": "gen_ai.latency.time_to_first_token",
    "chunk_count": "number of chunk events", "chunk_offsets_ms": "times of the chunk events",
    "input_tokens": "gen_ai.usage.input_tokens and its older names",
    "cached_input_tokens": "gen_ai.usage.cache_read.input_tokens and its older names",
    "cache_write_tokens": "gen_ai.usage.cache_write.input_tokens, cache_creation.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens and its older names",
    "reasoning_tokens": "gen_ai.usage.reasoning.output_tokens and its older names",
    "max_tokens": "gen_ai.request.max_tokens", "cache_hit": "attributes.cache_hit",
    "cost_usd": "llm.cost.total, gen_ai.usage.cost, gen_ai.cost.total_cost and other names of it",
    "input_cost_usd": "llm.cost.prompt, gen_ai.cost.input_cost, mlflow.llm.cost",
    "output_cost_usd": "llm.cost.completion, gen_ai.cost.output_cost, mlflow.llm.cost",
    "cancelled_by": "attributes.cancelled_by",
    "cancelled_at_ms": "attributes.cancelled_at_ms, else the last chunk event of a stream without an end",
    "upstream_cancelled": "attributes.upstream_cancelled", "upstream_end_ms": "attributes.upstream_end_ms",
    "finish_reason": "the first of gen_ai.response.finish_reasons, ai.response.finishReason",
    "http_status": "http.response.status_code, error.type where it is a number",
    "error_type": "error.type, exception.type, the class at the head of the status message",
    "input_hash": "hash of the recorded input", "output_chars": "length of the recorded answer",
    "visible_output_chars": "length of the recorded answer",
}  # fmt: skip

REMEDIES = {
    "duration": "end the span also when the stream breaks, in a finally block",
    "streamed": "set the attribute gen_ai.request.stream",
    "ttft": "set gen_ai.response.time_to_first_chunk in seconds: instrumentations before conventions 1.41 do not",
    "ttvt": "set the attribute time_to_first_output_token_ms",
    "chunk_times": "add a span event gen_ai.content.completion.chunk per chunk, and raise OTEL_SPAN_EVENT_COUNT_LIMIT",
    "client_chunk_times": "spans hold none: log client_chunk_offsets_ms in JSON lines of your own",
    "usage": "ask for stream_options.include_usage; with it gen_ai.usage.output_tokens is set",
    "input_tokens": "set gen_ai.usage.input_tokens",
    "reasoning": "set gen_ai.usage.reasoning.output_tokens",
    "billed_at_cut": "drain the stream after the cut and set gen_ai.usage.output_tokens before the span ends",
    "rendered": "set the attribute rendered_tokens to what the client showed",
    "delivered": "set the attribute delivered_tokens",
    "cancel_time": "set the attribute cancelled_at_ms",
    "provider_stop": "set the attribute upstream_end_ms",
    "outcome": "set the attribute outcome, or error.type, in a finally block around the stream",
    "finish_reason": "set gen_ai.response.finish_reasons",
    "http_status": "set http.response.status_code on the span of the call",
    "cost": "set llm.cost.total, or gen_ai.provider.name, gen_ai.response.model and both token counts, which price it",
    "tenant": "set the attribute tenant.id, or copy it from baggage; --map tenant=KEY takes another",
    "user": "set user.id or enduser.id",
    "session": "set gen_ai.conversation.id or session.id",
    "route": "export the SERVER span with http.route in the same traces, or set the attribute route",
    "deploy": "set service.version among OTEL_RESOURCE_ATTRIBUTES",
    "environment": "set deployment.environment.name among OTEL_RESOURCE_ATTRIBUTES",
    "region": "set cloud.region among OTEL_RESOURCE_ATTRIBUTES",
    "transport": "set the attribute transport, or url.full or rpc.system, on the span of the call",
    "model": "set gen_ai.request.model",
    "provider": "set gen_ai.provider.name",
    "response_id": "set gen_ai.response.id",
    "logical_request": "set the attribute logical_request_id, the same for all attempts",
    "input_hash": "record inputs too (OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT): only a salted hash is kept",
}
