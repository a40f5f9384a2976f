"""USD per token by provider, model and day, from the price data bundled with genai-prices. Offline: never its updater.

Prices are those of the package's data on the call's day where the data knows price changes by date, else its only
ones. Reasoning is billed at the output price: genai-prices has no separate one. A tier's price applies to all tokens
of a call whose input exceeds the tier's start (genai-prices ``TieredPrices``).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

# Spellings of OpenTelemetry GenAI, LiteLLM and Datadog for what genai-prices calls by another name.
_PROVIDERS = {
    "aws.bedrock": "aws",
    "aws_bedrock": "aws",
    "bedrock": "aws",
    "amazon": "aws",
    "amazon_bedrock": "aws",
    "bedrock_converse": "aws",
    "az.ai.inference": "azure",
    "az.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "azure_ai": "azure",
    "azure_openai": "azure",
    "azureopenai": "azure",
    "gcp": "google",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex_ai": "google",
    "gemini": "google",
    "google_genai": "google",
    "google_vertexai": "google",
    "vertex_ai": "google",
    "vertexai": "google",
    "mistral_ai": "mistral",
    "mistralai": "mistral",
    "together_ai": "together",
    "fireworks_ai": "fireworks",
    "xai": "x-ai",
}
_UNKNOWN = ("", "unknown", "custom", "default", "none")


@dataclass(frozen=True, slots=True)
class PriceRow:
    """The unit prices of one asked-for (provider, model, day), in USD per token; ``None`` = same as plain input.

    One row a tier: a tier applies to calls with more input tokens than ``tier_start_tokens`` (0 for the first).
    """

    provider: str | None
    model: str
    day: date | None
    tier_start_tokens: int
    input_usd_per_token: float
    cached_input_usd_per_token: float | None
    cache_write_usd_per_token: float | None
    output_usd_per_token: float


@dataclass(frozen=True, slots=True)
class PriceSource:
    """Where prices come from, for printing beside money; ``date`` None: the package does not tell its data's date."""

    name: str
    version: str
    date: date | None


def price_source() -> PriceSource:
    """The price table in use."""
    import genai_prices

    return PriceSource("genai-prices", genai_prices.__version__, None)


def price_table(wanted: Iterable[tuple[str | None, str, date | None]]) -> list[PriceRow]:
    """Unit prices for distinct (provider, model, UTC day or None); what cannot be priced is absent."""
    found: list[PriceRow] = []
    for provider, model, day in wanted:
        prices = _model_price(provider, model, day)
        if prices is not None:
            found.extend(_tiers(provider, model, day, prices))
    return found


def _model_price(provider: str | None, model: str, day: date | None) -> Any:
    from genai_prices import Usage, calc_price

    noon = datetime.combine(day, time(12), UTC) if day else None
    for provider_id, name in _spellings(provider, model):
        try:
            found = calc_price(Usage(), name, provider_id=provider_id, genai_request_timestamp=noon)
        except LookupError:
            continue
        prices = found.model_price
        if _of(prices, "input_mtok") is not None and _of(prices, "output_mtok") is not None:
            return prices
    return None


def _spellings(provider: str | None, model: str) -> Iterator[tuple[str | None, str]]:
    """Ways to look a model up, the most exact first: as written, without a ``provider/`` prefix, by model alone."""
    name = (provider or "").strip().lower()
    known = None if name in _UNKNOWN else _PROVIDERS.get(name, name)
    names = [model] if "/" not in model else [model, model.split("/", 1)[1]]
    if known is not None:
        for spelled in names:
            yield known, spelled
    for spelled in names:
        yield None, spelled


def _tiers(provider: str | None, model: str, day: date | None, prices: Any) -> Iterator[PriceRow]:
    parts = [_of(prices, name) for name in ("input_mtok", "cache_read_mtok", "cache_write_mtok", "output_mtok")]
    starts = sorted({0, *(tier.start for part in parts for tier in getattr(part, "tiers", ()))})
    for start in starts:
        plain, cached, written, output = (_at(part, start) for part in parts)
        if plain is not None and output is not None:
            yield PriceRow(provider, model, day, start, plain, cached, written, output)


def _of(prices: Any, name: str) -> Any:
    return getattr(prices, name, None)


def _at(price: Any, start: int) -> float | None:
    """A price per token in the tier that begins at ``start``."""
    if price is None:
        return None
    value = getattr(price, "base", price)
    for tier in getattr(price, "tiers", ()):
        if tier.start <= start:
            value = tier.price
    return float(value / 1_000_000)
