"""Figures for thresholds: those of ``report``, ``ttft`` and ``tax``, for each selection and grouping."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from streamaudit.audits.base import query_figures
from streamaudit.audits.check.thresholds import TIMES, Check, Figure
from streamaudit.audits.figures import ask
from streamaudit.audits.holds import Selectors
from streamaudit.audits.metrics import LATENCIES, PERCENTILES
from streamaudit.audits.scope.scope import MAX_BY, Scope
from streamaudit.errors import UsageError
from streamaudit.store.buckets import BUCKET_SLACK
from streamaudit.store.store import Store
from streamaudit.store.views.percentiles import MIN_CALLS

Group = tuple[str | None, ...]
Figures = dict[tuple[str, str | None], Figure]
"""Figures by metric and statistic."""

CENSORED = ("censored_calls", None)
"""Calls that a time to first token leaves out: cancelled or timed out before it."""

_SUMS = (
    "calls", "no_outcome", "failed", "cost", "no_cost", "completed", "completed_output", "cancelled", "tax", "tax_low",
    "tax_high", "tax_usd_sum", "tax_low_usd_sum", "tax_high_usd_sum", "taxed", "taxed_output", "billed_low_sum",
    "billed_high_sum",
)  # fmt: skip
_TIMED = (
    "censored",
    *(f"{name}_{what}" for name in LATENCIES for what in ("n", "mean", *PERCENTILES)),
)


class QueriedFigures:
    """Figures of each selection, grouping and window, queried once."""

    def __init__(
        self, store: Store, scope: Scope, before: tuple[datetime, datetime] | None, checks: Sequence[Check]
    ) -> None:
        self._store, self._scope, self._before = store, scope, before
        self._known: dict[tuple[Selectors, tuple[str, ...], bool], dict[Group, Figures]] = {}
        self._times = {(check.where, check.by) for check in checks if check.metric in TIMES}
        self._sums = {(check.where, check.by) for check in checks if check.metric not in TIMES}

    def figures(self, check: Check, *, past: bool = False) -> dict[Group, Figures]:
        """Return by group every figure that a check of this selection and grouping needs."""
        key = (check.where, check.by, past)
        if key not in self._known:
            self._known[key] = self._query(check, past)
        return self._known[key]

    def _query(self, check: Check, past: bool) -> dict[Group, Figures]:
        scope = _narrow(self._scope, check)
        if past and self._before:
            scope = replace(scope, since=self._before[0], until=self._before[1])
        if any(name.startswith("group:") for name in check.by):
            scope.prepare(self._store)
        found: dict[Group, Figures] = {}
        slack = 0.0 if self._store.engine is None else BUCKET_SLACK
        wanted = (check.where, check.by)
        if wanted in self._sums:
            self._add(found, scope, _SUMS, _sums)
        if wanted in self._times:
            self._add(found, scope, _TIMED, lambda row: _times(row, slack))
        return found

    def _add(
        self, found: dict[Group, Figures], scope: Scope, names: tuple[str, ...],
        read: Callable[[Sequence[Any]], Figures],
    ) -> None:  # fmt: skip
        for row in query_figures(self._store, scope, ask(names), {}):
            found.setdefault(tuple(map(_name, row[: len(scope.by)])), {}).update(read(row[MAX_BY:]))


def _name(value: object) -> str | None:
    assert value is None or isinstance(value, str)
    return value


def _narrow(scope: Scope, check: Check) -> Scope:
    for name, _ in check.where:
        if name in dict(scope.only):
            raise UsageError(f"--only {name}: the check at {check.origin} selects by {name} itself")
    return replace(scope, by=check.by, only=(*scope.only, *check.where), top=None)


def _sums(row: Sequence[Any]) -> Figures:
    calls, no_outcome, errors, cost, no_cost, completed, completed_output, cancelled, *tax = row
    return {
        ("calls", None): Figure.exact(calls, calls),
        ("cancel_rate", None): _outcome_rate(cancelled or 0, no_outcome, calls),
        ("error_rate", None): _outcome_rate(errors, no_outcome, calls),
        ("cost_usd", None): Figure(calls, cost, cost, None if no_cost else cost),
        **_taxes(calls, no_outcome, completed, completed_output, tax if cancelled else None),
    }


def _outcome_rate(calls_so: int, no_outcome: int, calls: int) -> Figure:
    """Return the share of calls with this outcome; calls of unknown outcome widen it to an interval."""
    value = calls_so / calls if no_outcome < calls else None
    return Figure(calls, value, calls_so / calls, (calls_so + no_outcome) / calls)


def _taxes(calls: int, no_outcome: int, completed: int, completed_output: int, sums: Sequence[Any] | None) -> Figures:
    """Return the tax in tokens, in dollars and as a share of output.

    The share covers the calls whose tax and output are known. If no call was cancelled the tax is 0, unless the outcome
    of every call is unknown. A call of unknown outcome may have been cancelled.
    """
    none = 0 if no_outcome < calls else None
    tax, low, high, usd, usd_low, usd_high, taxed, output, output_low, output_high = sums or (
        none, 0, 0, none if none is None else 0.0, 0.0, 0.0, 0, 0, 0, 0,
    )  # fmt: skip
    if no_outcome:
        high = usd_high = None
    return {
        ("tax_tokens", None): Figure(calls, tax, low, high),
        ("tax_usd", None): Figure(calls, usd, usd_low, usd_high),
        ("tax_rate", None): Figure(
            completed + taxed, _share(tax, completed_output, output), _share(low, completed_output, output_low),
            _share(high, completed_output, output_high),
        ),
    }  # fmt: skip


def _share(part: int | None, completed_output: int, output: int | None) -> float | None:
    whole = completed_output + (output or 0)
    return part / whole if part is not None and whole else None


def _times(row: Sequence[Any], slack: float) -> Figures:
    """Return the figures of latencies; percentiles are off by at most the share ``slack``."""
    found: Figures = {CENSORED: Figure.exact(row[0], row[0])}
    width = 2 + len(PERCENTILES)
    for place, metric in enumerate(TIMES):
        n, mean, *percentiles = row[1 + width * place : 1 + width * (place + 1)]
        found[metric, "avg"] = Figure.exact(n, mean)
        for stat, value in zip(PERCENTILES, percentiles, strict=True):
            known = n >= MIN_CALLS[stat]
            found[metric, stat] = Figure(n, value, value / (1 + slack), value * (1 + slack)) if known else Figure(n)
    return found
