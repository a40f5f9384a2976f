"""The findings of each deploy, day, week or month: every audit with the period as one more dimension of its groups."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import fsum

from streamaudit.audits.failures.base import discover, prepare_audit, to_finding
from streamaudit.audits.scope.scope import Scope
from streamaudit.report.finding import SEVERITIES, Severity
from streamaudit.store.store import Store


@dataclass(slots=True)
class Tally:
    """A finding code in one period: its groups, and the calls and dollars of them together, NULL when unknown."""

    audit: str
    code: str
    severity: Severity
    groups: int = 0
    affected_calls: int = 0
    amounts: list[float] = field(default_factory=list)
    """The dollars of each group that has some."""

    @property
    def usd(self) -> float | None:
        """Return the dollars of all groups, the same in any order of them."""
        return fsum(self.amounts) if self.amounts else None


def find_by_period(store: Store, scope: Scope, period: str) -> Mapping[str | None, list[Tally]]:
    """Return the findings of every value of the dimension ``period``, the gravest first; remarks are left out.

    Groups of one code share no call, so that their calls and dollars add up. The view ``matching_calls`` is left
    without tax.
    """
    whole = replace(scope, by=(), top=None)
    whole.prepare(store, taxed=False)
    found: dict[tuple[str | None, str], Tally] = {}
    for audit in discover().values():
        dimensions = tuple(name for name in audit.BY if name != period)
        of_period, params = prepare_audit(store, whole, audit, {}, by=(*dimensions, period))
        examined, _ = store.one(of_period.sql(audit.EXAMINED), params)
        rows = store.records(of_period.sql(audit.QUERY), params) if examined else []
        if period == "deploy" and "cache_lost_on_deploy" in audit.KINDS:
            # It compares a deploy with the one before, which the groups above separate.
            plain, values = prepare_audit(store, whole, audit, {}, by=audit.BY)
            later = store.records(plain.sql(audit.QUERY), values) if examined else []
            rows += [{**row, f"by_{len(dimensions) + 1}": row["deploy"]} for row in later if row["deploy"]]
        for row in rows:
            one = to_finding(audit, of_period, params, row)
            key = one.group[period], one.code
            if one.severity != "info":
                tally = found.setdefault(key, Tally(audit.NAME, one.code, one.severity))
                tally.groups += 1
                tally.affected_calls += one.affected_calls or 0
                if one.usd_at_stake is not None:
                    tally.amounts.append(one.usd_at_stake)
    by_period: dict[str | None, list[Tally]] = {}
    for (value, _), tally in found.items():
        by_period.setdefault(value, []).append(tally)
    return {value: sorted(tallies, key=_rank) for value, tallies in by_period.items()}


def _rank(one: Tally) -> tuple[int, float, int, str]:
    return SEVERITIES.index(one.severity), -(one.usd or 0.0), -one.affected_calls, one.code
