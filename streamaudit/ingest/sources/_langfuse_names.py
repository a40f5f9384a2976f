"""Where a record of Langfuse may have what its own fields do not: in the metadata, among the attributes of a span of
OpenTelemetry, in the answer, in a name."""

from streamaudit.ingest.sources.registry import APP_KEYS

MODEL_PATHS = (
    "/ls_model_name", "/model", "/attributes/gen_ai.request.model", "/attributes/llm.model_name",
    "/attributes/gen_ai.response.model",
)  # fmt: skip
PROVIDER_PATHS = (
    "/provider", "/ls_provider", "/attributes/gen_ai.provider.name", "/attributes/gen_ai.system",
    "/attributes/llm.provider", "/attributes/ai.model.provider",
)  # fmt: skip
TRANSPORT_PATHS = (
    *(f"/attributes/{key}" for key in APP_KEYS["transport"]), "/attributes/gen_ai.operation.name",
)  # fmt: skip
TIER_PATHS = (
    "/service_tier", "/response_service_tier", "/attributes/openai.response.service_tier",
    "/attributes/gen_ai.openai.response.service_tier",
)  # fmt: skip
# What a span of OpenTelemetry counted, and its total.
SPAN_COUNTS = (
    ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt", "ai.usage.inputTokens"),
    ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.token_count.completion",
     "ai.usage.outputTokens"),
    ("gen_ai.usage.total_tokens", "llm.token_count.total", "ai.usage.totalTokens", "llm.usage.total_tokens"),
)  # fmt: skip
# An answer's id: what a client's step keeps of OpenTelemetry, and what an answer of OpenAI's Responses API has.
RESPONSE_ID_PATHS = tuple(
    f"/attributes{mark}{key}" for key in ("gen_ai.response.id", "ai.response.id") for mark in "/."
)
FINISH_PATHS = (
    *(f"/attributes{mark}{key}" for key in ("ai.response.finishReason", "gen_ai.response.finish_reasons")
      for mark in "/."),
    "/incomplete_details/reason",
)  # fmt: skip
ANSWER_FINISH_PATHS = (
    "/choices/0/finish_reason", "/stop_reason", "/finish_reason", "/response_metadata/finish_reason",
    "/response_metadata/stop_reason", "/candidates/0/finishReason",
)  # fmt: skip
REQUEST_NAMES = "^(GET|POST|PUT|PATCH|DELETE|HEAD|HTTP)\\b|^Received Proxy Server Request|^raw_gen_ai_request"
AGENT_OPERATIONS = "invoke_agent|agent_step|create_agent|invoke_workflow"
OUTER_NAMES = r"^ai\.(streamText|generateText|streamObject|generateObject|embed|embedMany)( |$)"
"""Vercel's outer steps repeat the usage of the ones inside, doStream and doGenerate, of one step or of all."""
FIRST_CHUNK_PATHS = tuple(
    f"/attributes{mark}{key}" for key in ("ai.response.msToFirstChunk", "ai.stream.msToFirstChunk") for mark in "/."
)
FIRST_TOKEN_PATHS = tuple(
    f"/attributes{mark}{key}" for key in (
        "gen_ai.server.time_to_first_token", "gen_ai.client.operation.time_to_first_chunk",
        "gen_ai.response.time_to_first_chunk",
    ) for mark in "/."
)  # fmt: skip
SERVER_DURATION_PATHS = tuple(f"/attributes{mark}gen_ai.server.request.duration" for mark in "/.")
"""When the first chunk came: milliseconds of the AI SDK, and seconds of others, but that Strands writes milliseconds,
as its duration shows."""
