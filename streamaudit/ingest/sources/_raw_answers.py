"""SQL over a provider's own answer besides its counts: the tier that served it, kinds of tokens that it lists, and
whether it is only a part of a stream.

A tier that is flex, priority or batch has prices of its own, and stands next to the usage (OpenAI), in it (Anthropic,
Gemini) or in an object (Bedrock); a line of a batch's results says nothing of it, and is known by its shape. Gemini and
Bedrock list kinds of tokens instead of naming each (API references of each).
"""

from collections.abc import Sequence

from streamaudit.ingest.sources._raw_usage import CANDIDATES, OWN_INPUT, Usage, first
from streamaudit.ingest.sources.registry import Occurs

FIELDS = ("object", "type", "service_tier", "serviceTier", "custom_id", "done", "providerMetadata")
"""Fields that an answer has, besides those of logs."""

_IN_RESPONSE = "['/service_tier', '/body/service_tier', '/serviceTier/type']"
_LISTED = "STRUCT(modality VARCHAR, tokenCount BIGINT, token_count BIGINT, ttl VARCHAR, inputTokens BIGINT)[]"
_PROMPT_KINDS = ("promptTokensDetails", "prompt_tokens_details")
_ANSWER_KINDS = (
    "candidatesTokensDetails", "candidates_tokens_details", "responseTokensDetails", "response_tokens_details",
)  # fmt: skip
_WRITES = ("cacheDetails",)
LISTS = (*_PROMPT_KINDS, *_ANSWER_KINDS, *_WRITES)
"""Names in a usage under which a list has the counts of its kinds."""
NAMES = (*LISTS, "serviceTier", "speed", "trafficType", "traffic_type")
"""Names in a usage that are read here."""

WORDS = (
    "chat.completion.chunk", "text_completion", "message_start", "message_delta", "keepalive", "stop_reason",
    "response", "output",
)  # fmt: skip
"""Other names and words that decide what is read."""

_TIERS = (
    "'default', 'auto', 'standard', 'on_demand', 'flex', 'priority', 'batch', 'scale', 'fast', 'performance'"
)
_HAS_EVENTS = ("message_start", "message_delta", "keepalive")
# Events of a stream that are no answer of their own, where a log has every event on a line.
_EVENTS = (
    "'message_delta', 'message_stop', 'content_block_start', 'content_block_delta', 'content_block_stop', 'ping', "
    "'keepalive'"
)


def service_tier(usage: Usage, occurs: Occurs) -> str:
    """Return the tier that served a call, the surest first; what the request asked for is the last."""
    fast = [f"CASE WHEN lower({speed}) = 'fast' THEN 'fast' END" for speed in usage.values(("speed",))]
    traffic = [
        f"replace(lower({kind}), 'on_demand_', '')" for kind in usage.values(("trafficType", "traffic_type"))
    ]
    parts = [*fast, *usage.values(("service_tier", "serviceTier")), *traffic]
    if occurs("custom_id"):
        # A line of a batch's results: the tier in its answer is the one of the endpoint.
        parts.insert(0, """CASE WHEN "custom_id" <> '' AND starts_with("response", '{')
            AND json_type(try_cast("response" AS JSON), '/body') = 'OBJECT' THEN 'batch' END""")
    if occurs("service_tier"):
        # In a log of one's own the name may stand for the plan of a customer.
        parts.append(f"CASE WHEN lower(\"service_tier\") IN ({_TIERS}) THEN \"service_tier\" END")
    if occurs("serviceTier"):
        parts.append("""CASE WHEN starts_with("serviceTier", '{') THEN json_of("serviceTier")->>'type'
            ELSE nullif("serviceTier", '') END""")
        if occurs("providerMetadata"):
            parts.append("""CASE WHEN starts_with("providerMetadata", '{')
                THEN try_cast("providerMetadata" AS JSON)->>'$.openai.serviceTier' END""")
        if occurs("output"):
            parts.append("""CASE WHEN starts_with("output", '{')
                THEN json_extract_string(record, '/output/outputBodyJson/serviceTier/type') END""")
    if occurs("response") and (occurs("service_tier") or occurs("serviceTier")):
        parts.append(f"""CASE WHEN starts_with("response", '{{') THEN coalesce(
            first_filled(json_extract_string(try_cast("response" AS JSON), {_IN_RESPONSE})),
            json_extract_string(record, '/request/service_tier')) END""")
    return first(parts)


def kinds(usage: Usage) -> dict[str, list[str]]:
    """Return, by column, the counts of kinds of tokens that a provider lists."""
    return {
        "audio_input_tokens": _summed(usage.values(_PROMPT_KINDS), "ends_with(upper(k.modality), 'AUDIO')"),
        "audio_output_tokens": _summed(usage.values(_ANSWER_KINDS), "ends_with(upper(k.modality), 'AUDIO')"),
        "cache_write_1h_tokens": _summed(usage.values(_WRITES), "k.ttl = '1h'"),
    }


def _summed(lists: Sequence[str], is_kind: str) -> list[str]:
    return [
        f"""CASE WHEN starts_with({one}, '[') THEN list_sum(list_transform(list_filter(
            try_cast(json_of({one}) AS {_LISTED}), lambda k: {is_kind}),
            lambda k: coalesce(k.tokenCount, k.token_count, k.inputTokens)))::VARCHAR END"""
        for one in lists
    ]


def is_part(usage: Usage, occurs: Occurs) -> str:
    """Return whether the counts are those of a stream that had not ended: its last event has the rest."""
    cases = []
    if occurs("chat.completion.chunk") or occurs("text_completion"):
        cases.append("""WHEN "object" IN ('chat.completion.chunk', 'text_completion')
            THEN json_array_length(record, '/choices') > 0 AND answer_reason IS NULL""")
    if occurs("message_start"):
        cases.append("WHEN \"type\" = 'message_start' THEN true")
    candidates = usage.anywhere(CANDIDATES)
    if candidates and occurs("candidates"):
        cases.append(f"""WHEN {first(candidates)} IS NOT NULL THEN answer_reason IS NULL AND coalesce(
            json_type(record, '/candidates/0'), json_type(record, '/response/candidates/0')) = 'OBJECT'""")
    own = usage.anywhere(OWN_INPUT)
    if own and occurs("stop_reason"):
        # Anthropic's count at the opening of a stream is a few tokens, whatever follows.
        cases.append(f"""WHEN counted_out <= 8 AND {first(own)} IS NOT NULL AND coalesce({{finish_reason}}) IS NULL
            THEN json_type(record, '/stop_reason') = 'NULL' OR json_type(record, '/response/stop_reason') = 'NULL'""")
    return f"CASE {' '.join(cases)} END" if cases else "false"


def is_event(occurs: Occurs) -> str:
    """Return whether a line is an event of a stream, and no answer."""
    events = f"\"type\" IN ({_EVENTS})" if any(map(occurs, _HAS_EVENTS)) else "false"
    # Ollama's lines of a stream: all counts are in the last.
    pieces = (
        """("done" = 'false' AND own_id IS NULL AND coalesce(counted_in, counted_out) IS NULL
            AND coalesce({duration_ms}, {ttft_ms}) IS NULL)"""
        if occurs("done") and occurs("created_at") else "false"
    )
    return f"({events} OR {pieces})"


def is_whole(occurs: Occurs) -> str:
    """Return whether a chunk is the last of a stream, which has its usage and no answer."""
    return (
        """("object" IN ('chat.completion.chunk', 'text_completion') AND json_type(record, '/usage') = 'OBJECT'
            AND json_array_length(record, '/choices') = 0)"""
        if occurs("chat.completion.chunk") or occurs("text_completion") else "false"
    )


def state_inside(*states: str) -> str:
    """Return the state of a whole answer of the Responses API inside a line, where it is one of these."""
    quoted = ", ".join(f"'{state}'" for state in states)
    return f"""CASE WHEN left("response", 1) = '{{' THEN list_transform([try_cast("response" AS JSON)], lambda r:
        CASE WHEN r->>'object' IN ('response', 'realtime.response') AND r->>'status' IN ({quoted}) THEN r->>'status'
        END)[1] END"""
