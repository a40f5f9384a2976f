"""USD per token by provider, model and UTC day, from the price data bundled with genai-prices.

Pure and offline: its network updater is never called, its clock never read, so the same call always costs the same.
genai-prices is imported inside the functions only (0.2 s).

A price is given only when the data determines it: prices that depend on something a call record does not hold are left
out, so that no estimate joins exact money. Left out are models with a separate price for some output tokens other than
audio (reasoning: ``sonar-deep-research`` alone; image, video: picture models), prices that change within a day
(DeepSeek peak hours), models without an output price (embeddings) and models served on one's own machines. For all
others reasoning tokens are output tokens and cost the output price. A service tier without a price in the data has none
here: the package itself would return the standard price. Fees per request or web search are not included.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal

    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, ModelPrice, Provider, TieredPrices

UNTIMED_DAY = date(2026, 11, 9)
"""The day whose prices a call without a time gets: the newest price change already in force in genai-prices 0.2.3.
Its data has no date of its own; a fixed day keeps the price of an untimed call the same whenever it is read."""

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


@dataclass(frozen=True, slots=True)
class PriceRow:
    """The unit prices of one (provider, model, day) in one long-context tier, in USD per token.

    ``provider``, ``model`` and ``day`` are as requested, so that rows can be joined by them. A row applies to calls
    whose total input (cached included) is more than ``tier_start_tokens`` and at most the next row's, and then to all
    their tokens, output included; the row of 0 also applies to calls with no input. ``cached_input_usd_per_token``
    (cache reads) and ``cache_write_usd_per_token`` are None where the data has no such price: they cost the same as
    input.
    """

    provider: str | None
    model: str
    day: date | None
    tier_start_tokens: int
    input_usd_per_token: float
    cached_input_usd_per_token: float | None
    cache_write_usd_per_token: float | None
    output_usd_per_token: float
    cache_write_1h_usd_per_token: float | None = None
    audio_input_usd_per_token: float | None = None
    image_usd_per_token: float | None = None
    audio_output_usd_per_token: float | None = None
    """These four are None where the data has no such price: tokens of that kind then have none."""


@dataclass(frozen=True, slots=True)
class PriceSource:
    """The source of prices, printed next to money. ``date`` is None when the package does not state its data's date."""

    name: str
    version: str
    date: date | None


def price_source() -> PriceSource:
    """Return the price table in use: genai-prices and its installed version; it states no data date, so ``date`` is
    None."""
    from importlib.metadata import version

    return PriceSource("genai-prices", version("genai-prices"), None)


@dataclass(frozen=True, slots=True)
class OwnPrice:
    """A line of the user's price file, in USD per token; with a ``provider`` of None it applies to every provider."""

    provider: str | None
    model: str
    since: date
    input_usd_per_token: float
    cached_input_usd_per_token: float | None
    cache_write_usd_per_token: float | None
    output_usd_per_token: float

    def fits(self, provider: str | None, model: str, day: date) -> bool:
        """Whether this line prices a call of that provider and model on that day. A provider may be spelled in any way
        that genai-prices or a tracer knows; a model may have a gateway's prefixes before it and a snapshot's date after
        it."""
        named = self.provider is None or _same_seller(self.provider, provider or "")
        return named and self.since <= day and self.closeness(model) > 0

    def closeness(self, model: str) -> int:
        """Return how close the name is to a call's: the higher, the less had to be cut off; 0 when it is another
        model."""
        names, mine = _names_in_price_file(model), self.model.lower()
        return len(names) - names.index(mine) if mine in names else 0


STANDARD_TIERS = frozenset({"default", "standard", "on_demand", "auto"})
"""Service tiers at the standard price; ``auto`` requests whichever is available, and does not record which it was."""
BENCHMARK = "benchmark"
"""The tier of a load generator's calls: its server has no price except one of the user's own."""

OWN_COLUMNS = ("model", "input_usd_per_mtok", "output_usd_per_mtok")
"""Columns a price file must have; it may have provider, since, cached_input_usd_per_mtok, cache_write_usd_per_mtok."""
_ALL_COLUMNS = (*OWN_COLUMNS, "provider", "since", "cached_input_usd_per_mtok", "cache_write_usd_per_mtok")
_SNAPSHOT = re.compile(r"[-@]20\d{2}-?[01]\d-?[0-3]\d$")


@dataclass(frozen=True, slots=True)
class PriceFile:
    """The user's own price file. ``origin`` is where the configuration names it, as ``FILE:LINE``."""

    path: Path
    origin: str


def read_own_prices(file: PriceFile | None) -> list[OwnPrice]:
    """Read the user's own prices; an empty list without a file. Raises UsageError with file and line."""
    import csv

    from streamaudit.errors import UsageError

    if file is None:
        return []
    path, where = file.path, file.origin
    try:
        with path.open(encoding="utf-8-sig", newline="") as text:
            header = text.readline()
            text.seek(0)
            reader = csv.DictReader(text, delimiter=max(",;\t", key=header.count))
            lines = [(reader.line_num, line) for line in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or "no CSV of UTF-8 text"
        raise UsageError(f"{where}: prices: cannot read {path}: {reason}") from None
    missing = [name for name in OWN_COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise UsageError(f"{path}:1: a price file needs a column {missing[0]}", "columns: " + ", ".join(_ALL_COLUMNS))
    found = []
    for number, line in lines:
        if None in line:
            raise UsageError(f"{path}:{number}: more cells than the header has columns")
        try:
            amounts = {name: _amount(line.get(f"{name}_usd_per_mtok")) for name in
                       ("input", "cached_input", "cache_write", "output")}  # fmt: skip
            since = date.fromisoformat(line["since"].strip()) if (line.get("since") or "").strip() else date.min
        except ValueError:
            raise UsageError(
                f"{path}:{number}: expected dollars per million tokens, such as 0.15, and a date such as 2026-11-01"
            ) from None
        plain, output, model = amounts["input"], amounts["output"], (line.get("model") or "").strip()
        if not model or plain is None or output is None:
            raise UsageError(f"{path}:{number}: a price needs " + ", ".join(OWN_COLUMNS))
        found.append(OwnPrice(
            (line.get("provider") or "").strip() or None, model, since, plain, amounts["cached_input"],
            amounts["cache_write"], output,
        ))  # fmt: skip
    return found


def _same_seller(one: str, other: str) -> bool:
    if _key(one) == _key(other):
        return True
    seller = _seller_id(one)
    return seller is not None and seller == _seller_id(other)


@cache
def _seller_id(spelling: str) -> str | None:
    found = _seller(spelling)
    return found.id if found else None


def _names(model: str) -> list[str]:
    """Return a model's name, followed by the name without each of its prefixes."""
    names = [model]
    while "/" in names[-1]:
        names.append(names[-1].split("/", 1)[1])
    return names


@cache
def _names_in_price_file(model: str) -> list[str]:
    """Return the spellings of a model in a price file, the fullest name first."""
    names = _names(model.strip().lower())
    return [*names, *(_SNAPSHOT.sub("", name) for name in names)]


def choose_priced_model(
    own: Sequence[OwnPrice], provider: str | None, answering: str, requested: str | None, day: date | None
) -> str:
    """Return which of a call's two models its price is looked up by: the one that answered, unless only the requested
    one is among the user's own prices."""

    def is_listed(model: str) -> bool:
        return any(price.fits(provider, model, day or UNTIMED_DAY) for price in own)

    return requested if requested and not is_listed(answering) and is_listed(requested) else answering


def _amount(text: str | None) -> float | None:
    if text is None or not text.strip():
        return None
    amount = float(text) / 1e6
    if not 0 <= amount < 1:
        raise ValueError(text)
    return amount


def price_table(
    wanted: Iterable[tuple[str | None, str, date | None]], own: Sequence[OwnPrice] = (), service_tier: str | None = None
) -> list[PriceRow]:
    """Return the unit prices in USD per token of distinct (provider, model, UTC day) in one service tier, one row for
    each step of the price by input, steps ascending.

    A day of None (time unknown) gets the prices of ``UNTIMED_DAY``, which stands for the package's data date. A model
    that cannot be priced has no row: the caller counts it. A provider that genai-prices knows is the only one looked
    up; for one it does not know (None, "unknown", a gateway) the model's own prefix names the provider
    ("groq/llama-..."), else the model alone does. Source: genai-prices; ``own`` prices take precedence at the standard
    price, those that name the provider first, then the latest. A tier of None is not known to be other than standard;
    one that the data has no price for prices nothing.
    """
    is_standard = service_tier is None or service_tier in STANDARD_TIERS
    own = own if is_standard or service_tier == BENCHMARK else ()
    models: dict[tuple[str | None, str], ModelInfo | None] = {}
    rows: list[PriceRow] = []
    for provider, model, day in wanted:
        mine = [price for price in own if price.fits(provider, model, day or UNTIMED_DAY)]
        if mine:
            best = max(mine, key=lambda price: (price.provider is not None, price.closeness(model), price.since))
            rows.append(PriceRow(
                provider, model, day, 0, best.input_usd_per_token, best.cached_input_usd_per_token,
                best.cache_write_usd_per_token, best.output_usd_per_token,
            ))  # fmt: skip
            continue
        if service_tier == BENCHMARK:
            continue
        if (provider, model) not in models:
            models[provider, model] = _find(provider, model)
        found = models[provider, model]
        prices = _prices_on(found, day or UNTIMED_DAY, None if is_standard else service_tier) if found else None
        if prices is not None:
            rows.extend(_tiers(provider, model, day, prices))
    return rows


@cache
def _data() -> DataSnapshot:
    """Return the bundled data, whatever snapshot the process may have set for genai-prices itself."""
    from genai_prices.data import providers
    from genai_prices.data_snapshot import DataSnapshot

    return DataSnapshot(providers=providers, from_auto_update=False)


def _find(provider: str | None, model: str) -> ModelInfo | None:
    """Return the model's entry in the data; None when it is unknown or has no seller."""
    for seller, name in _spellings(provider, model):
        try:
            return _data().find_provider_model(name, seller, None, None)[1]
        except LookupError:
            continue
    return None


def _spellings(provider: str | None, model: str) -> Iterator[tuple[Provider | None, str]]:
    """Yield the ways to look a model up, the surest first; a provider of None means by model alone."""
    names = _names(model)
    prefixes = model.split("/")[:-1]
    seller = _seller(provider or "")
    if _key(provider or "") in _SELF_HOSTED or (seller is None and not _SELF_HOSTED.isdisjoint(map(_key, prefixes))):
        return
    if seller is not None:
        yield from ((seller, name) for name in names)
        return
    for prefix, rest in zip(prefixes, names[1:], strict=True):
        named = _seller(prefix)
        if named is not None:
            yield named, rest
    yield from ((None, name) for name in names)


def _seller(spelling: str) -> Provider | None:
    """Return the provider that genai-prices knows by a trace's spelling of it ("aws.bedrock", "Azure-OpenAI",
    "xai.chat")."""
    from genai_prices.data_snapshot import find_provider_by_id

    whole = spelling.strip().lower()
    first = whole.split(".", 1)[0]
    known = _PROVIDERS.get(_key(whole)) or _PROVIDERS.get(_key(first))
    everyone = _data().providers
    return find_provider_by_id(everyone, known or whole) or find_provider_by_id(everyone, first)


def _key(spelling: str) -> str:
    return spelling.strip().lower().replace(".", "_").replace("-", "_").replace(" ", "_")


def _prices_on(model: ModelInfo, day: date, service_tier: str | None) -> ModelPrice | None:
    """Return the model's prices on a UTC day; None if they change within it, do not price every input and output token,
    or the tier has none."""
    from genai_prices.types import ModelPrice, TimeOfDateConstraint

    moments = [datetime.combine(day, time(0), UTC)]
    for case in [] if isinstance(model.prices, ModelPrice) else model.prices:
        if isinstance(case.constraint, TimeOfDateConstraint):
            edges = (case.constraint.start_time, case.constraint.end_time)
            moments += [datetime.combine(day, edge) for edge in edges]
    context = _context(model, moments[0], service_tier) if service_tier else None
    if service_tier and context is None:
        return None
    prices = model.get_prices(moments[0], context)
    steady = all(model.get_prices(moment, context) == prices for moment in moments[1:])
    whole = prices.input_mtok is not None and prices.output_mtok is not None
    return prices if steady and whole and not _splits_output(prices) else None


def _context(model: ModelInfo, moment: datetime, service_tier: str) -> dict[str, str] | None:
    """Return the context that selects a tier's prices in the data; None where it has none. An unknown context would
    silently select the standard prices."""
    for key in ("service_tier", "processing", "speed"):
        for variant in model.price_variants or ():
            if variant.when == {key: service_tier} and (
                variant.constraint is None or variant.constraint.active(moment)
            ):
                return {key: service_tier}
    return None


def _splits_output(prices: ModelPrice) -> bool:
    """Whether some output tokens that no record distinguishes have a price of their own: reasoning, citation, image or
    video."""
    plain = ("output_mtok", "output_audio_mtok")
    return any(name.startswith("output_") and name not in plain and vars(prices)[name] for name in vars(prices))


_PARTS = ("input_mtok", "cache_read_mtok", "cache_write_mtok", "output_mtok", "cache_write_1h_mtok", "input_audio_mtok",
          "input_image_mtok", "output_audio_mtok")  # fmt: skip


def _tiers(provider: str | None, model: str, day: date | None, prices: ModelPrice) -> Iterator[PriceRow]:
    """Yield a row for each step of any of the prices: genai-prices picks each by the call's total input."""
    parts = tuple(vars(prices).get(name) for name in _PARTS)
    starts = {0, *(tier.start for part in parts for tier in getattr(part, "tiers", ()))}
    for start in sorted(starts):
        plain, cached, written, output, *kinds = (_per_token(part, start) for part in parts)
        if plain is not None and output is not None:
            yield PriceRow(provider, model, day, start, plain, cached, written, output, *kinds)


def _per_token(price: Decimal | TieredPrices | None, start: int) -> float | None:
    """Return USD per token, from a price per million, for calls with just more input tokens than ``start``."""
    from genai_prices.types import TieredPrices

    if isinstance(price, TieredPrices):
        reached = [tier.price for tier in price.tiers if tier.start <= start]
        price = reached[-1] if reached else price.base
    return None if price is None else float(price / 1_000_000)
