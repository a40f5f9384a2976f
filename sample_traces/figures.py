"""The truth about a fleet, computed from its calls in plain Python and independently of the tool."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import floor
from typing import Literal

from sample_traces.model import Call, Fleet, usd

Row = dict[str, str | int | float | None]
Dimension = Literal["tenant", "route", "model", "deploy", "provider", "environment", "service", "user_id"]

PERCENTILES = (("p50", 0.50, 1), ("p90", 0.90, 10), ("p95", 0.95, 20), ("p99", 0.99, 100))  # name, q, least n


@dataclass(frozen=True, slots=True)
class Tax:
    """Tokens billed but not shown in one cancelled call: best value, and the least and most it can be."""

    kind: Literal["exact", "estimated", "bounded", "unknown"]
    best: int | None
    low: int
    high: int | None


def truth(*fleets: Fleet, by: Sequence[Dimension] = ("tenant",)) -> dict[str, Row | list[Row]]:
    """Return `{"total": row, "by_<dimension>": [row, ...]}` over all counted calls but embeddings.

    Times are milliseconds, money US dollars; None is unknown. A group without a value has None as its name.
    """
    calls = [call for fleet in fleets for call in fleet.calls if call.counted and call.operation == "chat"]
    result: dict[str, Row | list[Row]] = {"total": figures(calls)}
    for dimension in by:
        groups: dict[str | None, list[Call]] = {}
        for call in calls:
            groups.setdefault(getattr(call, dimension), []).append(call)
        names = sorted(groups, key=lambda name: (name is None, name or ""))
        result[f"by_{dimension}"] = [{dimension: name, **figures(groups[name])} for name in names]
    return result


def figures(calls: Sequence[Call]) -> Row:
    """Return every figure of one group of calls."""
    ttfts = sorted(call.ttft_us for call in calls if call.ttft_us is not None and usable_ttft(call))
    durations = sorted(call.duration_us for call in calls)
    cancelled = [call for call in calls if call.outcome == "cancelled"]
    row: Row = {
        "calls": len(calls),
        "streamed_calls": sum(call.streamed for call in calls),
        "ttft_calls": len(ttfts),
    }
    for name, q, least in PERCENTILES:
        row[f"ttft_{name}_ms"] = quantile(ttfts, q) if len(ttfts) >= least else None
    return row | {
        "duration_p50_ms": quantile(durations, 0.5) if durations else None,
        "duration_p95_ms": quantile(durations, 0.95) if len(durations) >= 20 else None,
        "cancelled_calls": len(cancelled),
        "cancelled_before_first_token": sum(map(before_first_token, cancelled)),
        "timeouts": sum(call.outcome == "timeout" for call in calls),
        "errors": sum(call.outcome == "error" for call in calls),
        "input_tokens": known_sum(call.input_tokens for call in calls),
        "output_tokens": known_sum(call.output_tokens for call in calls),
        "hidden_tokens": known_sum(call.reasoning_tokens for call in calls),
        "usage_known_calls": sum(call.output_tokens is not None for call in calls),
        "cancelled_usage_known_calls": sum(call.output_tokens is not None for call in cancelled),
        "cost_usd": usd(known_sum(call.cost_nano for call in calls)),
        **_tax_figures([tax(call) for call in cancelled]),
    }


def _tax_figures(taxes: Sequence[Tax]) -> Row:
    exact = [each for each in taxes if each.kind == "exact"]
    estimated = [each for each in taxes if each.kind == "estimated"]
    high = [each.high for each in taxes if each.high is not None]
    unvalued = bool(taxes) and not exact and not estimated
    return {
        "tax_exact_calls": len(exact),
        "tax_estimated_calls": len(estimated),
        "tax_bounded_calls": sum(each.kind == "bounded" for each in taxes),
        "tax_unknown_calls": sum(each.kind == "unknown" for each in taxes),
        "tax_exact_tokens": sum(each.best or 0 for each in exact),
        "tax_estimated_tokens": sum(each.best or 0 for each in estimated),
        "tax_tokens": None if unvalued else sum(each.best or 0 for each in (*exact, *estimated)),
        "tax_low_tokens": sum(each.low for each in taxes),
        "tax_high_tokens": sum(high) if len(high) == len(taxes) else None,
    }


def tax(call: Call) -> Tax:
    """Class a cancelled call: exact if billed and rendered are known, estimated with delivered instead; else what is
    known bounds it: what was delivered was billed, the cap was not exceeded, reasoning was not shown."""
    billed, delivered, hidden = call.output_tokens, call.delivered_tokens, call.reasoning_tokens or 0
    rendered = 0 if call.rendered_tokens is None and before_first_token(call) else call.rendered_tokens
    if billed is not None and rendered is not None:
        value = max(0, billed - rendered)
        return Tax("exact", value, value, value)
    if billed is not None and delivered is not None:
        shown = min(delivered, billed - hidden)
        return Tax("estimated", billed - shown, billed - shown, billed)
    if billed is not None:
        return Tax("bounded", None, hidden, billed)
    least = max(delivered or 0, rendered or 0)
    most_shown = rendered if rendered is not None else delivered
    cap = call.max_tokens if call.max_tokens is not None and call.max_tokens >= least else None
    low = max(0, least - most_shown) if most_shown is not None else 0
    if cap is not None:
        return Tax("bounded", None, low, cap - (rendered or 0))
    return Tax("bounded", None, low, None) if low else Tax("unknown", None, 0, None)


def before_first_token(call: Call) -> bool:
    """Whether it is proved that the user left before the first chunk: by the clock, or by 0 delivered."""
    cut, first = call.cancelled_at_us, call.ttft_us
    return call.delivered_tokens == 0 or (cut is not None and first is not None and cut < first)


def usable_ttft(call: Call) -> bool:
    """Whether the call's TTFT may enter a percentile."""
    return call.streamed and call.ttft_us is not None and 0 < call.ttft_us < call.duration_us and not call.cache_hit


def quantile(sorted_us: Sequence[int], q: float) -> float:
    """Return the q-quantile of sorted microseconds by linear interpolation, in milliseconds."""
    position = (len(sorted_us) - 1) * q
    low = floor(position)
    high = min(low + 1, len(sorted_us) - 1)
    value = sorted_us[low] + (sorted_us[high] - sorted_us[low]) * (position - low)
    return round(value / 1000, 6)


def known_sum(values: Iterable[int | None]) -> int | None:
    """Sum what is known; None when nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None
