"""A provider's own usage inside a raw record, as it came: where it may be, its names, and what they mean.

Anthropic's and Bedrock's input leaves the cache out; Gemini's candidates leave the thoughts out, and its prompt the
results of tools; what OpenRouter charges of a call with the customer's own key is only its fee (Anthropic, Gemini and
OpenRouter API references). A total decides where it fits (``whole_input``; the output is decided for every source).
"""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from streamaudit.ingest.mapping import json_pointers
from streamaudit.ingest.sources.registry import Occurs

HOLDERS = (
    "totalUsage", "usage", "token_usage", "tokens", "usageMetadata", "usage_metadata", "billed_units",
    "token_details",
)
_WRAPPERS = (
    "response", "result", "output", "body", "response.body", "response_metadata", "llm_output", "output.outputBodyJson",
    "message", "result.message", "data", "payload", "meta", "response.meta", "x_groq", "full_response", "metadata",
)  # fmt: skip
PLACES = (
    # What the Vercel AI SDK had from Anthropic, next to a count of its own that leaves the cache out or not.
    HOLDERS[0], "providerMetadata.anthropic.usage", *HOLDERS[1:],
    *(f"{wrapper}.{holder}" for wrapper in _WRAPPERS for holder in HOLDERS if holder != "tokens"),
)  # fmt: skip
"""Paths of the object; the first that is one is read, also where it is JSON text."""

NESTED: dict[str, tuple[str, ...]] = {
    "input_tokens": (
        "billed_units.input_tokens", "prompt_tokens", "input_tokens", "promptTokens", "inputTokens.total",
        "inputTokens", "prompt", "input", "in", "promptTokenCount", "prompt_token_count", "request_tokens",
    ),
    "output_tokens": (
        "billed_units.output_tokens", "completion_tokens", "output_tokens", "completionTokens", "outputTokens.total",
        "outputTokens", "completion", "output", "out", "candidatesTokenCount", "candidates_token_count",
        "responseTokenCount", "response_token_count", "response_tokens",
    ),
    "cached_input_tokens": (
        "prompt_tokens_details.cached_tokens", "input_tokens_details.cached_tokens", "cache_read_input_tokens",
        "cached_tokens", "cachedInputTokens", "cached", "cacheReadInputTokens", "cacheReadInputTokenCount",
        "cachedContentTokenCount", "cached_content_token_count", "prompt_cache_hit_tokens", "cached_input_tokens",
        "input_token_details.cache_read", "input_token_details.cached_tokens", "inputTokenDetails.cacheReadTokens",
        "inputTokens.cacheRead", "cache_read_tokens",
    ),
    "cache_write_tokens": (
        "cache_creation_input_tokens", "cacheWriteInputTokens", "cacheWriteInputTokenCount",
        "prompt_tokens_details.cache_write_tokens", "prompt_tokens_details.cache_creation_tokens",
        "input_tokens_details.cache_write_tokens", "input_token_details.cache_creation",
        "inputTokenDetails.cacheWriteTokens", "inputTokens.cacheWrite", "cache_write_tokens",
    ),
    "reasoning_tokens": (
        "completion_tokens_details.reasoning_tokens", "output_tokens_details.reasoning_tokens", "reasoning_tokens",
        "reasoningTokens", "reasoning", "thoughtsTokenCount", "thoughts_token_count",
        "output_token_details.reasoning", "outputTokenDetails.reasoningTokens", "outputTokens.reasoning",
        "reasoning_output_tokens",
    ),
    "total_tokens": ("total_tokens", "totalTokens", "total", "totalTokenCount", "total_token_count"),
    "cost_usd": ("cost", "cost.total", "cost.total_cost", "total_cost", "cost_usd"),
    "cache_write_1h_tokens": (
        "cache_creation.ephemeral_1h_input_tokens", "input_token_details.ephemeral_1h_input_tokens",
    ),
    "audio_input_tokens": (
        "prompt_tokens_details.audio_tokens", "input_tokens_details.audio_tokens", "input_token_details.audio",
        "input_token_details.audio_tokens",
    ),
    "image_tokens": (
        "prompt_tokens_details.image_tokens", "input_tokens_details.image_tokens", "input_token_details.image_tokens",
    ),
    "audio_output_tokens": (
        "completion_tokens_details.audio_tokens", "output_tokens_details.audio_tokens", "output_token_details.audio",
        "output_token_details.audio_tokens",
    ),
    "service_tier": ("service_tier",),
}  # fmt: skip
"""Names inside it, by column; a dotted one is inside an object of its own."""

OWN_INPUT = ("input_tokens", "inputTokens")
_APART_FROM_INPUT = (
    "cache_read_input_tokens", "cache_creation_input_tokens", "cacheReadInputTokens", "cacheWriteInputTokens",
    "cacheReadInputTokenCount", "cacheWriteInputTokenCount",
)  # fmt: skip
_WITHIN_INPUT = (
    "prompt_tokens", "input_tokens_details.cached_tokens", "input_token_details.cache_read",
    "input_token_details.cached_tokens",
)
CANDIDATES = ("candidatesTokenCount", "candidates_token_count", "responseTokenCount", "response_token_count")
_THOUGHTS = ("thoughtsTokenCount", "thoughts_token_count")
_TOOL_PROMPT = ("toolUsePromptTokenCount", "tool_use_prompt_token_count")
_TICKS = ("cost_in_usd_ticks",)
_WAITS = ("queue_time", "prompt_time")
_OWN_KEY, _UPSTREAM = ("is_byok",), ("cost_details.upstream_inference_cost",)
_EVERY = tuple(dict.fromkeys((
    *(name for names in NESTED.values() for name in names), *_TOOL_PROMPT, *_OWN_KEY, *_UPSTREAM, *_TICKS, *_WAITS,
)))  # fmt: skip
# Names that few usages have are looked for where the text of one shows that it has some.
_IS_RARE = re.compile("billed_units|_token_details|TokenDetails|putTokens[.]|_time$|ticks|byok|upstream|(?i:tool_?use)")
_HAS_RARE = (
    "billed_units|_token_details|TokenDetails|putTokens\":\\{|queue_time|ticks|byok|upstream|toolUse|tool_use|"
    "etails\":\\[|speed|raffic|serviceTier"
)
_RARE = tuple(filter(_IS_RARE.search, _EVERY))
_NAMES = tuple(name for name in _EVERY if name not in _RARE)
# Names of one provider alone: a usage written out among the other fields of a log has its meaning. Anthropic's name for
# what was read from the cache is not among them, since it is one of ours, of an input that includes it.
_AT_TOP = (
    *CANDIDATES[:2], *_THOUGHTS, "input_tokens", "prompt_tokens", "cache_creation_input_tokens",
)  # fmt: skip
PARTS = frozenset(part for path in (*PLACES, *_EVERY) for part in path.split("."))
"""Every key on the way to a count."""


def find_usage(record: dict[str, Any]) -> dict[str, Any]:
    """Return the usage in a record; empty when it has none."""
    for place in PLACES:
        found = at(record, place)
        if isinstance(found, str) and found.startswith("{"):
            try:
                found = json.loads(found)
            except (ValueError, RecursionError):
                continue
        if isinstance(found, dict):
            return found
    counts = {name: at(record, path[1:].replace("/", ".")) for name, path in _INVOCATION_COUNTS.items()}
    return counts if counts["inputTokens"] is not None else {}


def has_count(usage: dict[str, Any], column: str) -> bool:
    """Return whether a usage has the count of a column."""
    return any(at(usage, name) is not None for name in NESTED[column])


def at(value: Any, path: str) -> Any:
    """Return the value at a dotted path; None when there is none."""
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


# Bedrock's log of invocations has its counts apart from an answer that came in events, and next to one that came whole.
INVOCATION_NAMES = ("inputTokenCount", "outputTokenCount")
_INVOCATION_COUNTS = {
    "inputTokens": "/input/inputTokenCount", "outputTokens": "/output/outputTokenCount",
    "cacheReadInputTokens": "/input/cacheReadInputTokenCount",
    "cacheWriteInputTokens": "/input/cacheWriteInputTokenCount",
}  # fmt: skip
_COUNTED = ", ".join(f"'{name}', json_extract(record, '{path}')" for name, path in _INVOCATION_COUNTS.items())
_INVOCATION = f"CASE WHEN json_extract(record, '/input/inputTokenCount') IS NOT NULL THEN json_object({_COUNTED}) END"


class Usage:
    """SQL over the usage of a record, in a file in which only some names occur; ``others`` are further names in it."""

    def __init__(self, occurs: Occurs, others: Sequence[str] = ()) -> None:
        self._places = [path for path in PLACES if all(map(occurs, path.split(".")))]
        self._has_invocations = all(map(occurs, INVOCATION_NAMES))
        names = [name for name in _NAMES if self._places and all(map(occurs, name.split(".")))]
        if self._has_invocations:
            names = list(dict.fromkeys((*names, *_INVOCATION_COUNTS)))
        self._usual = len(names)
        if self._places:
            names += [name for name in (*_RARE, *others) if all(map(occurs, name.split(".")))]
        self._found = {name: place for place, name in enumerate(names, start=1)}
        self._at_top = {name for name in _AT_TOP if occurs(name)}

    def select(self) -> str:
        """Return the list of all values that are read from the usage, as text."""
        if not self._found:
            return "NULL::VARCHAR[]"
        pointers = [json_pointers(name)[-1] for name in self._found]
        places = [json_pointers(path)[-1] for path in self._places]
        last = f", [{_INVOCATION}]" if self._has_invocations else ""
        found = f"""list_filter(list_concat(list_transform(json_extract(record, {places}),
            lambda u: CASE json_type(u) WHEN 'OBJECT' THEN u WHEN 'VARCHAR' THEN json_of(u->>'$') END){last}),
            lambda u: json_type(u) = 'OBJECT')[1]"""
        if len(pointers) == self._usual:
            return f"json_extract_string({found}, {pointers})"
        return f"""list_transform([{found}], lambda u: CASE WHEN regexp_matches(u::VARCHAR, '{_HAS_RARE}')
            THEN json_extract_string(u, {pointers}) ELSE json_extract_string(u, {pointers[: self._usual]}) END)[1]"""

    def values(self, names: Iterable[str]) -> list[str]:
        """Return an expression for each name that occurs."""
        return [f"deep[{self._found[name]}]" for name in names if name in self._found]

    def anywhere(self, names: Iterable[str]) -> list[str]:
        """Return the same, and for those that a log writes among its other fields."""
        return [*self.values(names), *(f"nullif(\"{name}\", '')" for name in names if name in self._at_top)]

    def input_tokens(self, chosen: str) -> str:
        """Return the input as counted, with the results of tools that Gemini counts next to its prompt."""
        tools = self.values(_TOOL_PROMPT)
        return f"tokens_with(tokens_of({chosen}), tokens_of({first(tools)}), 0)" if tools else f"tokens_of({chosen})"

    def output_tokens(self, chosen: str) -> str:
        """Return the output as counted, with the thoughts that Gemini counts next to its candidates."""
        answers, thoughts = self.anywhere(CANDIDATES), self.anywhere(_THOUGHTS)
        if not thoughts:
            return f"tokens_of({chosen})"
        # An answer whose thoughts reached its cap has no candidates.
        alone = f"CASE WHEN {chosen} IS NULL THEN tokens_of({first(thoughts)}) ELSE tokens_of({chosen}) END"
        if not answers:
            return alone
        added = f"CASE WHEN {chosen} = {first(answers)} THEN tokens_of({first(thoughts)}) END"
        return f"tokens_with({alone}, {added}, 0)"

    def leaves_cache_out(self) -> str:
        """Return whether the names are those of a provider whose input leaves the cache out."""
        own, apart, within = map(self.anywhere, (OWN_INPUT, _APART_FROM_INPUT, _WITHIN_INPUT))
        if not own or not apart:
            return "false"
        return f"({first(own)} IS NOT NULL AND {first(apart)} IS NOT NULL AND {first(within)} IS NULL)"

    def cost_of_ticks(self) -> list[str]:
        """Return what xAI says that a call cost, of whose ticks a dollar has ten thousand million."""
        return [f"number_of({ticks}) / 1e10" for ticks in self.values(_TICKS)]

    def server_waits(self) -> list[str]:
        """Return the milliseconds that Groq's and Cerebras' servers took to the first token, which they give in
        seconds: in their queue, and for the prompt."""
        waits = self.values(_WAITS)
        return [f"(number_of({waits[0]}) + number_of({waits[1]})) * 1e3"] if len(waits) == len(_WAITS) else []

    def upstream_cost(self) -> str:
        """Return what the provider bills besides a gateway's fee: 0 without a key of the customer's own."""
        own_key = self.values(_OWN_KEY)
        upstream = f"number_of({first(self.values(_UPSTREAM))})"
        return f"CASE WHEN bool_of({first(own_key)}) THEN {upstream} ELSE 0 END" if own_key else "0"


def first(expressions: Sequence[str]) -> str:
    """Return the first of some expressions that is not NULL."""
    return f"coalesce({', '.join(expressions)})" if expressions else "NULL::VARCHAR"
