"""Providers and models by any spelling a trace may have, as genai-prices knows them.

genai-prices is imported inside the functions only (0.2 s).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import Provider

# Provider spellings of OpenTelemetry GenAI, LiteLLM, LangChain, Vercel and Datadog which genai-prices does not know or
# mistakes for another provider ("azure_openai" for openai); lower case, separators as "_". The values are its ids.
_PROVIDERS = {
    "amazon_bedrock": "aws",
    "aws_bedrock": "aws",
    "awsbedrock": "aws",
    "az_ai_inference": "azure",
    "az_ai_openai": "azure",
    "azure_ai": "azure",
    "azure_ai_inference": "azure",
    "azure_ai_openai": "azure",
    "azure_openai": "azure",
    "azure_text": "azure",
    "azureopenai": "azure",
    "bedrock": "aws",
    "bedrock_converse": "aws",
    "codestral": "mistral",
    "fireworks_ai": "fireworks",
    "gcp": "google",
    "gcp_gemini": "google",
    "gcp_gen_ai": "google",
    "gcp_vertex_ai": "google",
    "gemini": "google",
    "mistral_ai": "mistral",
    "mistralai": "mistral",
    "palm": "google",
    "together_ai": "together",
    "togetherai": "together",
    "vertex_ai": "google",
    "vertexai": "google",
    "x_ai": "x-ai",
    "xai": "x-ai",
    "z_ai": "zai",
}
# Serving software, not sellers of tokens: the same model's price elsewhere would be invented money.
_SELF_HOSTED = frozenset(
    "hosted_vllm llama_cpp llamacpp llamafile lm_studio lmstudio local ollama ollama_chat sagemaker sagemaker_chat "
    "sglang tgi triton vllm xinference".split()
)

# Bedrock's ids name the maker, maybe the region of a profile, and a version: us.anthropic.claude-sonnet-4-5-…-v1:0.
_BEDROCK_MAKER = (
    r"((us|eu|apac|global|us-gov|jp|au)\.)?"
    r"(ai21|amazon|anthropic|cohere|deepseek|luma|meta|mistral|openai|qwen|stability|twelvelabs|writer)\."
)
_BEDROCK = re.compile(_BEDROCK_MAKER + r"[\w.:-]+")
# What a gateway, a cloud or a framework puts around a model's name.
_AROUND = (
    r"^(openai|azure|azure_openai|anthropic|google[a-z_-]*|vertex[a-z_-]*|bedrock|openrouter|groq)::?"
    rf"|^{_BEDROCK_MAKER}|-v\d+:\d+$"
)
# TensorZero has openai::gpt-4o.
_SEPARATOR = re.compile("/|::")
_DATE = r"([-@]20\d{2}-?[01]\d-?[0-3]\d|-latest)$"


def plain_model_sql(column: str) -> str:
    """Return the SQL of a model's name without what is around it, and without its date or ``latest`` for it."""
    name = f"lower(split_part({column}, '/', -1))"
    return f"regexp_replace(regexp_replace({name}, '{_AROUND}', '', 'g'), '{_DATE}', '')"


def is_same_seller(one: str, other: str) -> bool:
    """Whether two spellings name one provider."""
    if _key(one) == _key(other):
        return True
    seller = _seller_id(one)
    return seller is not None and seller == _seller_id(other)


@cache
def _seller_id(spelling: str) -> str | None:
    found = find_seller(spelling)
    return found.id if found else None


def model_names(model: str) -> list[str]:
    """Return a model's name, followed by the name without each of its prefixes."""
    names = [model]
    while _SEPARATOR.search(names[-1]):
        names.append(_SEPARATOR.split(names[-1], maxsplit=1)[1])
    return names


@cache
def bundled_data() -> DataSnapshot:
    """Return the bundled data, whatever snapshot the process may have set for genai-prices itself."""
    from genai_prices.data import providers
    from genai_prices.data_snapshot import DataSnapshot

    return DataSnapshot(providers=providers, from_auto_update=False)


def lookup_names(provider: str | None, model: str) -> Iterator[tuple[Provider | None, str]]:
    """Yield the ways to look a model up, the surest first; a provider of None means by model alone."""
    names = model_names(model)
    prefixes = _SEPARATOR.split(model)[:-1]
    seller = find_seller(provider or "")
    if _key(provider or "") in _SELF_HOSTED or (seller is None and not _SELF_HOSTED.isdisjoint(map(_key, prefixes))):
        return
    if seller is not None:
        yield from ((seller, name) for name in names)
        return
    for prefix, rest in zip(prefixes, names[1:], strict=True):
        named = find_seller(prefix)
        if named is not None:
            yield named, rest
    if _BEDROCK.fullmatch(names[-1]):
        yield find_seller("aws"), names[-1]
    yield from ((None, name) for name in names)


def find_seller(spelling: str) -> Provider | None:
    """Return the provider that genai-prices knows by a trace's spelling of it ("aws.bedrock", "Azure-OpenAI",
    "xai.chat")."""
    from genai_prices.data_snapshot import find_provider_by_id

    whole = spelling.strip().lower()
    first = whole.split(".", 1)[0]
    known = _PROVIDERS.get(_key(whole)) or _PROVIDERS.get(_key(first))
    everyone = bundled_data().providers
    return find_provider_by_id(everyone, known or whole) or find_provider_by_id(everyone, first)


def _key(spelling: str) -> str:
    return spelling.strip().lower().replace(".", "_").replace("-", "_").replace(" ", "_")
