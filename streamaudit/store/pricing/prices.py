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

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING

from streamaudit.store.pricing.own_prices import OwnPrice
from streamaudit.store.pricing.sellers import bundled_data, lookup_names

if TYPE_CHECKING:
    from decimal import Decimal

    from genai_prices.types import ModelInfo, ModelPrice, TieredPrices

UNTIMED_DAY = date(2026, 11, 9)
"""The day whose prices a call without a time gets: the newest price change already in force in genai-prices 0.2.3.
Its data has no date of its own; a fixed day keeps the price of an untimed call the same whenever it is read."""


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


STANDARD_TIERS = frozenset({"default", "standard", "on_demand", "auto"})
"""Service tiers at the standard price; ``auto`` requests whichever is available, and does not record which it was."""
BENCHMARK = "benchmark"
"""The tier of a load generator's calls: its server has no price except one of the user's own."""


def choose_priced_model(
    own: Sequence[OwnPrice], provider: str | None, answering: str, requested: str | None, day: date | None
) -> str:
    """Return which of a call's two models its price is looked up by: the one that answered, unless only the requested
    one is among the user's own prices."""

    def is_listed(model: str) -> bool:
        return any(price.fits(provider, model, day or UNTIMED_DAY) for price in own)

    return requested if requested and not is_listed(answering) and is_listed(requested) else answering


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
    is_standard = _is_standard(service_tier)
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


def depends_on_day(
    provider: str | None, answering: str, requested: str | None, day: date | None, service_tier: str | None,
    own: Sequence[OwnPrice],
) -> bool:  # fmt: skip
    """Return whether a call's price may be another one on another day."""
    if any(price.fits(provider, model, date.max) for price in own for model in (answering, requested) if model):
        return True
    found = _find(provider, answering)
    if found is None:
        return False
    from genai_prices.types import ModelPrice

    variants = () if _is_standard(service_tier) else found.price_variants or ()
    return not isinstance(found.prices, ModelPrice) or any(one.constraint is not None for one in variants)


def _is_standard(service_tier: str | None) -> bool:
    """Return whether the tier is not known to be other than standard."""
    return service_tier is None or service_tier in STANDARD_TIERS


def is_listed(provider: str | None, model: str) -> bool:
    """Return whether the data has the model at all, with prices that a call record determines or without."""
    return _find(provider, model) is not None


def _find(provider: str | None, model: str) -> ModelInfo | None:
    """Return the model's entry in the data; None when it is unknown or has no seller."""
    for seller, name in lookup_names(provider, model):
        try:
            return bundled_data().find_provider_model(name, seller, None, None)[1]
        except LookupError:
            continue
    return None


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
