"""Prices: what genai-prices itself charges, for any spelling of a provider, on any day, in any tier."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, time
from decimal import Decimal
from importlib.metadata import version

import pytest
from genai_prices import Usage, calc_price
from genai_prices.data import providers
from genai_prices.types import ModelPrice

from streamaudit.store.pricing.prices import UNTIMED_DAY, PriceRow, price_source, price_table

AUTUMN = date(2026, 11, 20)
HAIKU = "us.anthropic.claude-haiku-4-5-20251001-v1:0"


def row_for(rows: list[PriceRow], input_tokens: int) -> PriceRow:
    """The row whose tier a call is in, by the rule in ``PriceRow``."""
    return max(
        (row for row in rows if row.tier_start_tokens < input_tokens or row.tier_start_tokens == 0),
        key=lambda row: row.tier_start_tokens,
    )


def charged(rows: list[PriceRow], plain: int, cached: int, written: int, output: int) -> tuple[float, float]:
    """Input and output USD of a call with so many uncached, cache-read, cache-written and output tokens."""
    row = row_for(rows, plain + cached + written)
    cached_price = row.cached_input_usd_per_token
    written_price = row.cache_write_usd_per_token
    return (
        plain * row.input_usd_per_token
        + cached * (row.input_usd_per_token if cached_price is None else cached_price)
        + written * (row.input_usd_per_token if written_price is None else written_price),
        output * row.output_usd_per_token,
    )


def unit_prices(provider: str | None, model: str) -> list[tuple[int, float, float | None, float | None, float]]:
    """The prices of a model in autumn 2026, without what was asked; the model must have some."""
    rows = price_table([(provider, model, AUTUMN)])
    assert rows, (provider, model)
    return [
        (
            row.tier_start_tokens,
            row.input_usd_per_token,
            row.cached_input_usd_per_token,
            row.cache_write_usd_per_token,
            row.output_usd_per_token,
        )
        for row in rows
    ]


@pytest.mark.parametrize(
    ("provider", "model", "day", "plain", "cached", "written", "output"),
    [
        ("openai", "gpt-4o-mini-2024-07-18", AUTUMN, 812, 0, 0, 344),
        ("openai", "gpt-4o", AUTUMN, 1_000, 9_000, 0, 500),
        ("openai", "gpt-4", AUTUMN, 1_000, 500, 500, 500),  # no cache prices: the input price
        ("openai", "o3", date(2025, 6, 9), 1_000, 0, 0, 2_000),
        ("openai", "o3", date(2025, 6, 10), 1_000, 0, 0, 2_000),
        ("openai", "gpt-5.6-luna", AUTUMN, 300_000, 20_000, 10_000, 4_000),
        ("anthropic", "claude-sonnet-4-5-20250929", AUTUMN, 3, 150_000, 49_997, 900),  # 200,000: still the first tier
        ("anthropic", "claude-sonnet-4-5-20250929", AUTUMN, 4, 150_000, 49_997, 900),  # one more: the second
        ("anthropic", "claude-sonnet-4-6", date(2026, 3, 12), 250_000, 1, 1, 1_000),
        ("anthropic", "claude-sonnet-4-6", date(2026, 3, 13), 250_000, 1, 1, 1_000),
        ("google", "gemini-2.5-pro", AUTUMN, 200_001, 0, 0, 7),
        ("google", "gemini-2.5-flash", AUTUMN, 0, 0, 0, 7),
        ("groq", "llama-3.3-70b-versatile", AUTUMN, 550, 0, 0, 150),
        ("azure", "gpt-4o", AUTUMN, 550, 100, 0, 150),
        ("aws", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", AUTUMN, 10, 20, 30, 40),
    ],
)
def test_a_call_costs_what_genai_prices_says(
    provider: str, model: str, day: date, plain: int, cached: int, written: int, output: int
) -> None:
    """Multiplying tokens by our unit prices gives the input and output USD of genai-prices' own calculator."""
    usage = Usage(
        input_tokens=plain + cached + written,
        cache_read_tokens=cached,
        cache_write_tokens=written,
        output_tokens=output,
    )
    moment = datetime.combine(day, time(17, 5), UTC)
    theirs = calc_price(usage, model, provider_id=provider, genai_request_timestamp=moment)
    ours = charged(price_table([(provider, model, day)]), plain, cached, written, output)
    assert ours == pytest.approx((float(theirs.input_price), float(theirs.output_price)), rel=1e-12)


def test_every_tier_of_every_model_agrees_with_genai_prices() -> None:
    """Whatever the bundled data holds, each row is the unit price of the calculator just above its tier's start."""
    rows = price_table([(provider.id, model.id, AUTUMN) for provider in providers for model in provider.models])
    noon = datetime.combine(AUTUMN, time(12), UTC)
    assert len(rows) > 1_500
    for row in rows:
        million = {"input_tokens": row.tier_start_tokens + 1, "output_tokens": 1_000_000}
        usage = Usage(**million)
        theirs = calc_price(usage, row.model, provider_id=row.provider, genai_request_timestamp=noon)
        ours = million["input_tokens"] * row.input_usd_per_token, 1_000_000 * row.output_usd_per_token
        assert ours == pytest.approx((float(theirs.input_price), float(theirs.output_price)), rel=1e-12), row


def test_tiers_are_rows_in_ascending_order() -> None:
    """A long-context model has one row a tier and each repeats what was asked, so that rows join back to calls."""
    rows = price_table([("anthropic", "claude-sonnet-4-5", AUTUMN), ("openai", "gpt-4o", AUTUMN)])
    assert [(row.provider, row.model, row.day, row.tier_start_tokens) for row in rows] == [
        ("anthropic", "claude-sonnet-4-5", AUTUMN, 0),
        ("anthropic", "claude-sonnet-4-5", AUTUMN, 200_000),
        ("openai", "gpt-4o", AUTUMN, 0),
    ]


def test_unit_prices_are_the_floats_nearest_to_the_decimals() -> None:
    """No rounding creeps in between the price list's decimals and the floats stored."""
    (row,) = price_table([("openai", "gpt-4o-mini", AUTUMN)])
    assert Decimal(repr(row.input_usd_per_token)) == Decimal("0.15") / 1_000_000
    assert Decimal(repr(row.output_usd_per_token)) == Decimal("0.6") / 1_000_000


@pytest.mark.parametrize(
    ("seller", "model", "spellings"),
    [
        ("openai", "gpt-4o", "openai OpenAI openai.chat openai.responses text-completion-openai"),
        ("azure", "gpt-3.5-turbo", "azure azure_openai Azure-OpenAI azure.ai.openai az.ai.openai azure_ai azure.chat"),
        ("azure", "gpt-3.5-turbo", "azure.ai.inference azure_text azure-openai.chat AzureOpenAI"),
        ("aws", "amazon.nova-lite-v1:0", "aws bedrock aws.bedrock amazon_bedrock Amazon-Bedrock"),
        ("google", "gemini-2.5-pro", "google gemini gcp gcp.vertex_ai gcp.gen_ai gcp.gemini vertex_ai vertex_ai_beta"),
        ("google", "gemini-2.5-pro", "google_genai google_vertexai google.generative-ai google.vertex.chat"),
        ("anthropic", "claude-sonnet-4-5", "anthropic Anthropic anthropic.messages"),
        ("mistral", "mistral-large-latest", "mistral mistral_ai mistralai mistral.chat"),
        ("x-ai", "grok-4-0709", "x-ai x_ai xai xai.chat"),
        ("groq", "llama-3.3-70b-versatile", "groq groq.chat"),
        ("together", "meta-llama/Llama-3.3-70B-Instruct-Turbo", "together together_ai togetherai"),
        ("fireworks", "accounts/fireworks/models/deepseek-r1-0528", "fireworks fireworks_ai"),
    ],
)
def test_every_spelling_of_a_provider_is_that_provider(seller: str, model: str, spellings: str) -> None:
    """Each tool's name for a provider gives the price of genai-prices' own id for it."""
    moment = datetime.combine(AUTUMN, time(12), UTC)
    usage = Usage(input_tokens=1_000, output_tokens=1_000)
    theirs = calc_price(usage, model, provider_id=seller, genai_request_timestamp=moment)
    for spelling in spellings.split():
        rows = price_table([(spelling, model, AUTUMN)])
        assert rows, spelling
        assert rows[0].provider == spelling
        assert sum(charged(rows, 1_000, 0, 0, 1_000)) == pytest.approx(float(theirs.total_price), rel=1e-12), spelling


@pytest.mark.parametrize("provider", [None, "", "unknown", "custom", "litellm_proxy", "my-gateway"])
def test_an_unknown_provider_leaves_the_model_to_say(provider: str | None) -> None:
    """Without a provider that genai-prices knows, the model's maker sets the price."""
    assert unit_prices(provider, "gpt-4o") == unit_prices("openai", "gpt-4o")


@pytest.mark.parametrize(
    ("provider", "model", "plain_provider", "plain_model"),
    [
        ("openai", "openai/gpt-4o", "openai", "gpt-4o"),
        (None, "openai/gpt-4o", "openai", "gpt-4o"),
        ("unknown", "groq/llama-3.3-70b-versatile", "groq", "llama-3.3-70b-versatile"),
        ("bedrock", f"bedrock/{HAIKU}", "aws", HAIKU),
        (None, f"bedrock/{HAIKU}", "aws", HAIKU),
        (None, HAIKU, "aws", HAIKU),
        ("litellm", "litellm_proxy/azure/eu/gpt-3.5-turbo", "azure", "gpt-3.5-turbo"),
        ("gcp.vertex_ai", "publishers/google/models/gemini-2.5-pro", "google", "gemini-2.5-pro"),
        (None, "models/gemini-2.5-pro", "google", "gemini-2.5-pro"),
        ("groq", "openai/gpt-oss-120b", "groq", "openai/gpt-oss-120b"),
    ],
)
def test_a_prefix_of_the_model_is_tried_then_dropped(
    provider: str | None, model: str, plain_provider: str, plain_model: str
) -> None:
    """A model name is looked up as written, then without its prefixes, which name the provider if nothing else does."""
    assert unit_prices(provider, model) == unit_prices(plain_provider, plain_model)


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "our-finetune"),
        (None, "assistant-large"),
        (None, ""),
        (None, "/"),
        ("groq", "gpt-4o"),  # groq is known, and does not sell it
        ("ollama", "gpt-4o"),  # one's own machine sells no tokens
        (None, "hosted_vllm/gpt-4o"),
        ("perplexity", "sonar-deep-research"),  # reasoning has a price of its own
        ("deepseek", "deepseek-chat"),  # the price depends on the hour
        ("openai", "text-embedding-3-small"),  # no output price
        ("mistral", "mistral-nemo:free"),  # listed without a price
    ],
)
def test_what_the_data_does_not_determine_has_no_row(provider: str | None, model: str) -> None:
    """A model without one sure price is absent, and does not disturb the others asked for with it."""
    rows = price_table([(provider, model, AUTUMN), ("openai", "gpt-4o", AUTUMN)])
    assert [row.model for row in rows] == ["gpt-4o"]


def test_prices_by_the_hour_are_no_price_but_prices_by_the_day_are() -> None:
    """A day cannot tell peak from off-peak, so such a model is unpriced; a change between days prices both days."""
    by_hour = [
        (provider.id, model.id, AUTUMN)
        for provider in providers
        for model in provider.models
        if not isinstance(model.prices, ModelPrice)
        and len({str(model.get_prices(datetime(2026, 11, 20, hour, 45, tzinfo=UTC))) for hour in range(24)}) > 1
    ]
    assert by_hour
    assert price_table(by_hour) == []
    before, after = price_table([("openai", "o3", date(2025, 6, 9)), ("openai", "o3", date(2025, 6, 10))])
    assert (before.input_usd_per_token, after.input_usd_per_token) == (1e-5, 2e-6)


def test_a_call_without_a_time_has_the_prices_of_the_data_day() -> None:
    """An unknown day is priced at ``UNTIMED_DAY`` and comes back as None, so that it still joins."""
    untimed = price_table([("openai", "o3", None), ("anthropic", "claude-sonnet-4-6", None)])
    dated = price_table([("openai", "o3", UNTIMED_DAY), ("anthropic", "claude-sonnet-4-6", UNTIMED_DAY)])
    assert [row.day for row in untimed] == [None, None]
    assert [row.input_usd_per_token for row in untimed] == [row.input_usd_per_token for row in dated]


def test_the_source_names_the_installed_package() -> None:
    """Money is printed with the package and version behind it; genai-prices states no date for its data."""
    source = price_source()
    assert (source.name, source.version, source.date) == ("genai-prices", version("genai-prices"), None)


def test_importing_pricing_does_not_load_the_prices() -> None:
    """Start-up stays fast: the price data is loaded by the first question, not by the import."""
    code = (
        "import sys, streamaudit.store.pricing.prices as p; p.price_source(); sys.exit('genai_prices' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
