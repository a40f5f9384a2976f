"""The cost of calls by month and provider, and the prices that it leaves out."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from streamaudit.audits.reconcile.providers import provider_name
from streamaudit.audits.scope.scope import Scope
from streamaudit.store.package_files import package_text
from streamaudit.store.pricing.apply import look_up_prices
from streamaudit.store.pricing.own_prices import PriceFile
from streamaudit.store.store import Store

ENOUGH_CALLS = 20
"""Calls of a model with a known cost from which the mean estimates that of a call without usage."""
LEFT_OUT = ("service_tier", "long_context", "cache", "reasoning")
"""The prices that a reported cost may leave out, by the names of ``traced.sql``."""

Place = tuple[str | None, str | None]
"""Month and provider; None where calls have none."""

_Number = TypeVar("_Number", int, float)

_WANTED = """
, keys AS (
    SELECT DISTINCT CASE WHEN provider_basis IS DISTINCT FROM 'inferred' THEN provider END AS seller,
        coalesce(response_model, model) AS answering, model, start_time::DATE AS day, service_tier
    FROM scope
    WHERE coalesce(response_model, model) IS NOT NULL AND cost_basis = 'reported'
)
FROM keys UNION SELECT * REPLACE (NULL AS service_tier) FROM keys
"""


@dataclass(frozen=True, slots=True)
class Effect:
    """A part of a gap in USD, None where no call tells; of how many calls it is, and how many do not tell."""

    usd: float | None
    calls: int = 0
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class Traced:
    """Sums of calls; an amount or a count of tokens is None where no call has a value.

    ``usd`` holds the lower bounds of calls of unknown cost too, ``reported_usd`` and ``list_usd`` only known costs.
    """

    calls: int = 0
    cost_unknown: int = 0
    usd: float | None = None
    reported_usd: float | None = None
    list_usd: float | None = None
    reported: int = 0
    priced: int = 0
    tokens: int | None = None
    tokens_unknown: int = 0
    input_tokens: int | None = None
    output_tokens: int | None = None
    no_usage_low_usd: float = 0.0
    no_usage: Effect = Effect(None)
    """The cost of calls without usage beyond their lower bound, by the mean cost of their model's other calls."""
    left_out: tuple[Effect, ...] = (Effect(None),) * len(LEFT_OUT)
    """The prices that costs leave out, in the order of ``LEFT_OUT``."""


def add_up(parts: Iterable[Traced]) -> Traced:
    """Add up the calls of several models, or of several spellings of one provider."""
    found = list(parts)
    return Traced(
        calls=sum(part.calls for part in found),
        cost_unknown=sum(part.cost_unknown for part in found),
        usd=sum_known(part.usd for part in found),
        reported_usd=sum_known(part.reported_usd for part in found),
        list_usd=sum_known(part.list_usd for part in found),
        reported=sum(part.reported for part in found),
        priced=sum(part.priced for part in found),
        tokens=sum_known(part.tokens for part in found),
        tokens_unknown=sum(part.tokens_unknown for part in found),
        input_tokens=sum_known(part.input_tokens for part in found),
        output_tokens=sum_known(part.output_tokens for part in found),
        no_usage_low_usd=sum(part.no_usage_low_usd for part in found),
        no_usage=_add_effects(part.no_usage for part in found),
        left_out=tuple(_add_effects(part.left_out[index] for part in found) for index in range(len(LEFT_OUT))),
    )


def sum_known(values: Iterable[_Number | None]) -> _Number | None:
    """Return the sum of the values that are known; None when none is."""
    known = [value for value in values if value is not None]
    return sum(known[1:], known[0]) if known else None


def trace(store: Store, scope: Scope, prices: PriceFile | None = None) -> dict[Place, Traced]:
    """Return the calls of a scope by month and provider; its ``by`` must be these two, and it must be prepared.

    Reported costs are compared with list prices, of which the user's own ``prices`` take precedence.
    """
    params = {**scope.params(), "embeddings": True}
    store.run("CREATE OR REPLACE TEMP TABLE wanted_prices AS " + scope.sql(_WANTED), params)
    look_up_prices(store, "FROM wanted_prices", prices)
    store.script(package_text("audits.reconcile", "prices.sql"))
    found: dict[Place, list[Traced]] = {}
    for row in store.records(scope.sql(package_text("audits.reconcile", "traced.sql")), params):
        month, seller = row.pop("month"), row.pop("seller")
        place = (month, provider_name(seller) if seller is not None else None)
        found.setdefault(place, []).append(_of_model(row))
    return {place: add_up(parts) for place, parts in found.items()}


def _of_model(row: dict[str, float]) -> Traced:
    costed = int(row["costed"])
    left_out = []
    for name in LEFT_OUT:
        calls = int(row[f"{name}_calls"])
        left_out.append(Effect(row[f"{name}_usd"] or 0.0 if calls else None, calls, costed - calls))
    calls, low = int(row["no_usage"]), row["no_usage_low_usd"]
    no_usage = Effect(None, 0, calls)
    if not calls:
        no_usage = Effect(0.0)
    elif costed >= ENOUGH_CALLS:
        usual = (row["costed_usd"] + sum(effect.usd or 0.0 for effect in left_out)) / costed
        no_usage = Effect(max(calls * usual - low, 0.0), calls, 0)
    names = (
        "calls", "cost_unknown", "usd", "reported_usd", "list_usd", "reported", "priced", "tokens",
        "tokens_unknown", "input_tokens", "output_tokens", "no_usage_low_usd",
    )  # fmt: skip
    values = {name: row[name] for name in names}
    return Traced(**values, no_usage=no_usage, left_out=tuple(left_out))  # type: ignore[arg-type]


def _add_effects(effects: Iterable[Effect]) -> Effect:
    found = list(effects)
    calls, unknown = sum(effect.calls for effect in found), sum(effect.unknown for effect in found)
    # Where no call tells, the 0 of a model without such calls is not the answer.
    usd = None if unknown and not calls else sum_known(effect.usd for effect in found)
    return Effect(usd, calls, unknown)
