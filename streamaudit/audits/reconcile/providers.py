"""Names of providers: every spelling that a bill or a trace uses, under one name."""

import re

ALIASES = {
    "anthropic": ("claude",),
    "azure": (
        "azure openai", "azure ai", "azure ai openai", "azure ai inference", "azure ai foundry", "az ai openai",
        "az ai inference", "microsoft azure", "microsoft",
    ),
    "bedrock": ("aws bedrock", "amazon bedrock", "bedrock converse", "aws", "amazon", "amazon web services"),
    "cohere": ("cohere ai",),
    "deepseek": ("deepseek ai",),
    "fireworks": ("fireworks ai",),
    "google": (
        "gemini", "google gemini", "gemini api", "google ai", "google ai studio", "google genai", "google cloud", "gcp",
        "gcp gemini", "gcp gen ai", "gcp vertex ai", "vertex", "vertex ai", "google vertex", "google vertex ai",
    ),
    "mistral": ("mistral ai",),
    "openai": ("openai api", "openai platform"),
    "perplexity": ("perplexity ai",),
    "together": ("together ai",),
    "xai": ("grok",),
}  # fmt: skip
"""Canonical name of each provider and its other names, compared by lower-case letters and digits alone."""

CLOUDS = frozenset({"azure", "bedrock", "google"})
"""Providers that sell much else: only some lines of their bills are of LLM calls."""

NOT_A_WORD = re.compile(r"[\W_]+")
_CANONICAL = {NOT_A_WORD.sub("", other): name for name, others in ALIASES.items() for other in (name, *others)}


def provider_name(text: str) -> str:
    """Return the canonical name of a provider."""
    words = NOT_A_WORD.sub("_", text.lower()).strip("_")
    return _CANONICAL.get(words.replace("_", ""), words)
