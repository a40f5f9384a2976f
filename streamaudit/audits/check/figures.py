"""The figures that thresholds are about: those of ``report``, ``ttft`` and ``tax``, for each selection and grouping."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from streamaudit.audits.base import MIN_CALLS
from streamaudit.audits.check.thresholds import TIMES, Check, Figure, Selectors
from streamaudit.audits.scope.scope import MAX_BY, Scope
from streamaudit.errors import UsageError
from streamaudit.store.store import Store

Group = tuple[str | None, ...]
Figures = dict[tuple[str, str | None], Figure]
"""By metric and statistic."""

CENSORED = ("censored_calls", None)
"""Calls that a time to first token leaves out: cancelled or timed out before it."""

# What only cancelled calls have is summed apart, so that the bulk of the calls pays nothing for it.
_SUMS = """
, everyone AS (
    SELECT
        by_1, by_2, by_3, by_4,
        count(*) AS calls,
        count(*) FILTER (outcome = 'unknown') AS no_outcome,
        count(*) FILTER (outcome = 'error') AS errors,
        round(fsum(cost_usd), 12) AS cost_usd,
        count(*) FILTER (cost_usd IS NULL AND cache_hit IS DISTINCT FROM true) AS no_cost,
        count(billed_tokens) FILTER (outcome = 'completed') AS completed,
        coalesce(sum(billed_tokens) FILTER (outcome = 'completed'), 0)::BIGINT AS completed_output
    FROM scope
    GROUP BY by_1, by_2, by_3, by_4
), leavers AS (
    SELECT
        by_1, by_2, by_3, by_4,
        count(*) AS cancelled,
        sum(tax_best)::BIGINT AS tax,
        sum(tax_low)::BIGINT AS tax_low,
        CASE WHEN count(*) = count(tax_high) THEN sum(tax_high)::BIGINT END AS tax_high,
        priced_sum(tax_best, tax_best_usd) AS usd,
        priced_sum(tax_low, tax_low_usd) AS usd_low,
        CASE WHEN count(*) = count(tax_high_usd) THEN round(fsum(tax_high_usd), 12) END AS usd_high,
        count(tax_best) AS taxed,
        sum(billed_tokens) FILTER (tax_best IS NOT NULL)::BIGINT AS output,
        sum(billed_low)::BIGINT AS output_low,
        CASE WHEN count(*) = count(tax_high) THEN sum(billed_high)::BIGINT END AS output_high
    FROM scope
    WHERE outcome = 'cancelled'
    GROUP BY by_1, by_2, by_3, by_4
)
SELECT
    e.by_1, e.by_2, e.by_3, e.by_4, calls, no_outcome, errors, cost_usd, no_cost, completed, completed_output,
    coalesce(cancelled, 0), tax, tax_low, tax_high, usd, usd_low, usd_high, taxed, output, output_low, output_high
FROM everyone AS e
LEFT JOIN leavers AS l
    ON l.by_1 IS NOT DISTINCT FROM e.by_1 AND l.by_2 IS NOT DISTINCT FROM e.by_2
    AND l.by_3 IS NOT DISTINCT FROM e.by_3 AND l.by_4 IS NOT DISTINCT FROM e.by_4
"""

# In the order of TIMES: how many calls have one, their mean, and the percentiles 50, 90, 95 and 99.
_TIMED = """
, timed AS (
    SELECT
        by_1, by_2, by_3, by_4, ttft_status,
        CASE WHEN ttft_status = 'usable' THEN ttft_ms END AS ttft,
        CASE WHEN ttft_status = 'usable' AND ttvt_ms > 0 THEN ttvt_ms END AS ttvt,
        duration_ms AS duration,
        tpot_ms AS tpot
    FROM scope
)
SELECT
    by_1, by_2, by_3, by_4, count(*) FILTER (ttft_status = 'censored'),
    count(ttft), round(favg(ttft), 9), quantile_cont(ttft, [0.5, 0.9, 0.95, 0.99]),
    count(ttvt), round(favg(ttvt), 9), quantile_cont(ttvt, [0.5, 0.9, 0.95, 0.99]),
    count(duration), round(favg(duration), 9), quantile_cont(duration, [0.5, 0.9, 0.95, 0.99]),
    count(tpot), round(favg(tpot), 9), quantile_cont(tpot, [0.5, 0.9, 0.95, 0.99])
FROM timed
GROUP BY by_1, by_2, by_3, by_4
"""


class Asked:
    """The figures of each selection, grouping and window, queried once."""

    def __init__(
        self, store: Store, scope: Scope, before: tuple[datetime, datetime] | None, checks: Sequence[Check]
    ) -> None:
        self._store, self._scope, self._before = store, scope, before
        self._known: dict[tuple[Selectors, tuple[str, ...], bool], dict[Group, Figures]] = {}
        self._times = {(check.where, check.by) for check in checks if check.metric in TIMES}
        self._sums = {(check.where, check.by) for check in checks if check.metric not in TIMES}

    def figures(self, check: Check, *, past: bool = False) -> dict[Group, Figures]:
        """By group, every figure that a check of this selection and grouping needs."""
        key = (check.where, check.by, past)
        if key not in self._known:
            self._known[key] = self._query(check, past)
        return self._known[key]

    def _query(self, check: Check, past: bool) -> dict[Group, Figures]:
        scope = _narrowed(self._scope, check)
        if past and self._before:
            scope = replace(scope, since=self._before[0], until=self._before[1])
        if any(name.startswith("group:") for name in check.by):
            scope.prepare(self._store)
        found: dict[Group, Figures] = {}
        wanted = (check.where, check.by)
        for asked, query, read in ((self._sums, _SUMS, _sums), (self._times, _TIMED, _times)):
            if wanted in asked:
                for row in self._store.query(scope.sql(query), scope.params()):
                    found.setdefault(tuple(row[: len(check.by)]), {}).update(read(row[MAX_BY:]))
        return found


def _narrowed(scope: Scope, check: Check) -> Scope:
    for name, _ in check.where:
        if name in dict(scope.only):
            raise UsageError(f"--only {name}: the check at {check.origin} selects by {name} itself")
    return replace(scope, by=check.by, only=(*scope.only, *check.where), top=None)


def _sums(row: Sequence[Any]) -> Figures:
    calls, no_outcome, errors, cost, no_cost, completed, completed_output, cancelled, *tax = row
    return {
        ("calls", None): Figure.exact(calls, calls),
        ("cancel_rate", None): _outcome_rate(cancelled, no_outcome, calls),
        ("error_rate", None): _outcome_rate(errors, no_outcome, calls),
        ("cost_usd", None): Figure(calls, cost, cost, None if no_cost else cost),
        **_taxes(calls, no_outcome, completed, completed_output, tax if cancelled else None),
    }


def _outcome_rate(calls_so: int, no_outcome: int, calls: int) -> Figure:
    """The share of calls that ended so: of the calls that do not say how they ended, none to all may have."""
    value = calls_so / calls if no_outcome < calls else None
    return Figure(calls, value, calls_so / calls, (calls_so + no_outcome) / calls)


def _taxes(calls: int, no_outcome: int, completed: int, completed_output: int, sums: Sequence[Any] | None) -> Figures:
    """The tax in tokens, dollars and as a share of the output of the calls whose tax and output are known. Nobody left:
    no tax, unless nobody knows of any call how it ended. Who does not say how he ended may have left."""
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


def _times(row: Sequence[Any]) -> Figures:
    found: Figures = {CENSORED: Figure.exact(row[0], row[0])}
    for place, metric in enumerate(TIMES):
        n, mean, quantiles = row[1 + 3 * place : 4 + 3 * place]
        found[metric, "avg"] = Figure.exact(n, mean)
        for stat, value in zip(MIN_CALLS, quantiles or (), strict=False):
            found[metric, stat] = Figure.exact(n, value) if n >= MIN_CALLS[stat] else Figure(n)
    return found
