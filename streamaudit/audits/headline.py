"""The answer of a report in one or two sentences, from the figures of its own tables.

Each function takes rows of a report's tables by column name. A sentence is never more precise than its figures: a sum
that leaves calls out is "at least", an estimate "about", and what cannot be known is named with its number of calls.
"""

from collections.abc import Callable, Mapping

from streamaudit.report.model import Table, Value
from streamaudit.report.numbers import count, ms, ratio, usd

Row = Mapping[str, Value]

LEAST_COVERAGE = 0.8
"""Below it a share of spend is left out, and a wait says how many calls it rests on."""
SLOW_MS = 2_000.0
"""Where no target is given: MLPerf's limit for the TTFT of a conversation (inference rules, Llama-2-70B)."""
_SAME = 1e-9
"""Dollars whose relative difference is smaller are equal: sums of floats."""


def _noun(by: tuple[str, ...]) -> str:
    """Return what one row of a table by these dimensions is called."""
    return by[0].removeprefix("group:").replace("_", " ") if len(by) == 1 else "group"


def describe_tax(total: Row) -> str:
    """Say what was paid for answers that no user saw, as an amount and as a share of spend.

    ``total`` has the columns of the cancellation tax, ``cost_usd``, ``cost_known_rate`` and ``tax_unknown_calls``.
    """
    calls, left, unclear = (_whole(total[name]) for name in ("calls", "cancelled_calls", "outcome_unknown_calls"))
    if not calls:
        return "No calls match."
    if unclear == calls:
        return "No call records how it ended, so the cancellation tax is unknown."
    if not left:
        doubt = f"; how {count(unclear, 'call')} ended is not recorded" if unclear else ""
        return f"No call is known to be cancelled{doubt}." if doubt else "No call was cancelled."
    unsized = _whole(total["tax_unknown_calls"])
    rest = f"; {count(unsized, 'cancelled call')} cannot be sized." if unsized else "."
    paid = _describe_amount(total, usd, "usd")
    if paid:
        return f"{paid}{_describe_spend(total)} was paid for answers that no user saw{rest}"
    tokens = _describe_amount(total, lambda amount: f"{amount:,.0f} tokens", "tokens")
    if tokens:
        return f"{tokens} were billed for answers that no user saw, at unknown prices{rest}"
    return f"What {count(left, 'cancelled call')} cost for nothing is unknown: see streamaudit coverage."


def _describe_amount(total: Row, show: Callable[[float], str], unit: str) -> str:
    """Return the tax as an amount with its bounds; empty where nothing is known of it."""
    low, value, high = (_number(total[f"tax_{end}{unit}"]) for end in ("low_", "", "high_"))
    if low is None and value is None:
        return ""
    least = low or 0.0
    if value is None or value < least * (1 - _SAME):
        return _describe_least(show(least)) if least else ""
    if not value and high != 0:
        return ""
    if value > least * (1 + _SAME):
        about = _describe_small(show(value), "About ")
        is_apart = least and show(least) != show(value)
        return f"{_describe_least(show(least))} and {about[0].lower()}{about[1:]}" if is_apart else about
    is_whole = high is not None and high <= value * (1 + _SAME) and not _whole(total["outcome_unknown_calls"])
    return _describe_small(show(value)) if is_whole else _describe_least(show(value))


def _describe_least(amount: str) -> str:
    # An amount that rounds to nothing is known to exist, and "at least less than" says nothing.
    return "At least a fraction of a cent" if amount.startswith("<") else f"At least {amount}"


def _describe_small(amount: str, before: str = "") -> str:
    return f"Less than {amount[1:]}" if amount.startswith("<") else f"{before}{amount}"


def _describe_spend(total: Row) -> str:
    cost, known = _number(total["cost_usd"]), _number(total["cost_known_rate"])
    if not cost or known is None or known < LEAST_COVERAGE:
        return ""
    share = _number(total["tax_cost_share"])
    least = "at least " if known < 1 else ""
    whole = usd(cost)
    whole = f"less than {whole[1:]}" if whole.startswith("<") else f"{least}{whole}"
    return f" of {whole}" + (f" ({ratio(share)})" if share is not None else "")


def describe_waits(total: Row, table: Table | None = None, limit_ms: float | None = None) -> str:
    """Say how long users wait for the first token, and in how many groups of a table longer than the limit at p95.

    ``limit_ms`` of None is ``SLOW_MS``. Groups without a p95 are not counted, and those beyond ``--top`` are not shown.
    """
    if not _whole(total["calls"]):
        return "No calls match."
    figures = [
        f"{name} {ms(value)}" for name in ("p50", "p95") if (value := _number(total[f"ttft_{name}_ms"])) is not None
    ]
    measured, streamed = _whole(total["ttft_calls"]), _whole(total["streamed_calls"])
    if not figures:
        return f"Too few calls have a TTFT for a percentile ({measured:,})." if measured else "No call has a TTFT."
    rests_on = f" ({measured:,} of {streamed:,} streamed calls)" if measured < LEAST_COVERAGE * streamed else ""
    limit = SLOW_MS if limit_ms is None else limit_ms
    known = [value for row in table.groups() if (value := _number(row["ttft_p95_ms"])) is not None] if table else []
    slow = sum(value > limit for value in known)
    above = ""
    if table and slow:
        shown = " shown" if table.rest_row is not None else ""
        groups = count(len(known), _noun(table.by))
        above = f"; {slow:,} of {groups}{shown} {'is' if slow == 1 else 'are'} above {ms(limit)}"
    return f"TTFT {', '.join(figures)}{rests_on}{above}."


def _number(value: Value) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _whole(value: Value) -> int:
    return value if isinstance(value, int) else 0
