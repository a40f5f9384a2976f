"""Split a gap between calls and a bill by cause, so that the parts add up to the gap exactly.

Every cause is None where the data cannot tell it; its share is then part of ``unknown``, which is what the known causes
leave of the gap. The same holds for the calls of a cause that do not tell.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from streamaudit.audits.reconcile.bill import Billed
from streamaudit.audits.reconcile.traced import LEFT_OUT, Effect, Traced

UNKNOWN = "unknown"
CAUSES = {
    "service_tier": "prices of other tiers than standard (batch, flex, priority) that the cost of the calls leaves out",
    "long_context": "prices of long inputs that the cost of the calls leaves out",
    "cache": "prices of tokens read from and written to the cache that the cost of the calls leaves out",
    "reasoning": "reasoning tokens that the cost of the calls leaves out",
    "calls_without_usage": "calls without usage, at the mean cost of their model's other calls",
    "calls_without_traces": "billed for calls that are not among the traced ones",
    "discounts": "billed for usage, minus the same at list price (negative)",
    "other_charges": "credits (negative), purchases, fees and adjustments, which are of no single call",
    "taxes": "taxes on the bill",
    UNKNOWN: "what these leave of the gap; negative where they explain more than it",
}
"""Every cause of a gap and its meaning, in the order in which they are shown."""

_SMALLEST = Decimal("1e-12")

OF_CALLS = (*LEFT_OUT, "calls_without_usage")
"""Causes that traced calls tell; the others follow from the bill."""

@dataclass(frozen=True, slots=True)
class Split:
    """A gap by cause, and which of its parts are estimates."""

    parts: Mapping[str, Effect]
    estimated: frozenset[str] = frozenset()


NO_SPLIT = Split({cause: Effect(None) for cause in CAUSES})
"""Of a row without a gap."""


def split_gap(gap: float | None, traced: Traced | None, billed: Billed | None) -> Split:
    """Return the causes of one row's gap in USD; all None where there is no gap to split.

    Without any traced call, everything but discounts, other charges and taxes is billed for calls that are not traced.
    """
    if gap is None or billed is None:
        return NO_SPLIT
    of_bill = {
        "discounts": _of_bill(billed.discount_usd),
        "other_charges": _of_bill(billed.other_usd),
        "taxes": _of_bill(billed.tax_usd),
    }
    if traced is None:
        none = dict.fromkeys(OF_CALLS, Effect(0.0))
        rest = _minus(gap, [effect.usd for effect in of_bill.values()])
        return _with_unknown(gap, {**none, "calls_without_traces": Effect(rest), **of_bill})
    parts = dict(zip(LEFT_OUT, traced.left_out, strict=True))
    if not parts["service_tier"].calls and billed.tier_usd is not None:
        # No call tells its tier, so no traced cost has one.
        parts["service_tier"] = Effect(float(billed.tier_usd), 0, parts["service_tier"].unknown)
    volume = _untraced_usd(traced, billed)
    no_usage = parts["calls_without_usage"] = _within(traced.no_usage, volume)
    no_traces = None if volume is None or no_usage.unknown or no_usage.usd is None else volume - no_usage.usd
    parts["calls_without_traces"] = Effect(no_traces)
    estimated = {name for name in ("calls_without_usage", "calls_without_traces") if parts[name].usd}
    return _with_unknown(gap, {**parts, **of_bill}, estimated)


def add_splits(gap: float | None, splits: Sequence[Split]) -> Split:
    """Return the causes of all rows together. A cause is known as far as it is in any row."""
    if gap is None:
        return NO_SPLIT
    parts: dict[str, Effect] = {}
    for cause in CAUSES:
        effects = [split.parts[cause] for split in splits]
        known = [effect.usd for effect in effects if effect.usd is not None]
        parts[cause] = Effect(
            float(sum(map(_exact, known), Decimal(0))) if known else None,
            sum(effect.calls for effect in effects),
            sum(effect.unknown for effect in effects),
        )
    estimated = {cause for split in splits for cause in split.estimated}
    return _with_unknown(gap, parts, estimated)


def _untraced_usd(traced: Traced, billed: Billed) -> float | None:
    """Return what was billed for tokens that no traced call counts, at the bill's mean price of such tokens; None where
    the bill counts none. Part of it may be of calls without usage, whose lower bounds are accounted for already."""
    if not billed.volumes:
        return None
    known = {"input": traced.input_tokens, "output": traced.output_tokens, "all": traced.tokens}
    usd = 0.0
    for direction, volume in billed.volumes.items():
        if volume.tokens > 0:
            missing = max(volume.tokens - (known[direction] or 0), 0)
            usd += float(volume.usd) * missing / volume.tokens
    return max(usd - traced.no_usage_low_usd, 0.0)


def _within(effect: Effect, limit: float | None) -> Effect:
    """Return an estimate that is at most what it is a part of."""
    if effect.usd is None or limit is None or effect.usd <= limit:
        return effect
    return Effect(limit, effect.calls, effect.unknown)


def _of_bill(usd: Decimal | None) -> Effect:
    return Effect(None if usd is None else float(usd))


def _with_unknown(gap: float, parts: Mapping[str, Effect], estimated: set[str] | frozenset[str] = frozenset()) -> Split:
    named = {cause: _rounded(parts[cause]) for cause in CAUSES if cause != UNKNOWN}
    rest = _minus(gap, [effect.usd for effect in named.values()])
    marks = frozenset(estimated) | ({UNKNOWN} if estimated else set())
    return Split({**named, UNKNOWN: Effect(rest)}, marks)


def _minus(gap: float, parts: Sequence[float | None]) -> float:
    """Subtract exactly: the parts and the rest add up to the gap in decimal."""
    known = sum((_exact(part) for part in parts if part is not None), Decimal(0))
    return float(_exact(gap) - known)


def _rounded(effect: Effect) -> Effect:
    return effect if effect.usd is None else replace(effect, usd=float(_exact(effect.usd)))


def _exact(usd: float) -> Decimal:
    return Decimal(repr(usd)).quantize(_SMALLEST)
