"""Compare the findings of two neighbouring windows: what is new, what got worse, and what is gone.

Both windows are audited at once, with the window as one more dimension of every group.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from math import sqrt
from typing import Literal

from streamaudit.audits.failures.base import LEAST_EXAMINED, Audit, discover, prepare_audit, to_finding
from streamaudit.audits.failures.suppressions import Suppression, accept
from streamaudit.audits.scope.scope import Scope
from streamaudit.audits.scope.window import naive_utc
from streamaudit.report.finding import SEVERITIES, Finding
from streamaudit.store.store import Store

Kind = Literal["new", "worse", "gone", "not judged", "open", "held"]

LEAST_RISE, LEAST_RISE_USD, LEAST_Z = 1.25, 1.0, 3.0
"""A finding got worse when its money is at least the first times as high and rose by the second, in dollars; without
money when its share of calls is as many times as high, and the third standard errors higher."""
_SIDE = "side"
_GROUPS = "SELECT DISTINCT by_1, by_2, by_3, by_4 FROM scope"


@dataclass(frozen=True, slots=True)
class Change:
    """A finding of either window. ``kind`` is ``open`` where it is about the same as before."""

    kind: Kind
    now: Finding | None
    before: Finding | None

    @property
    def finding(self) -> Finding:
        """The finding as it is now, or as it was."""
        found = self.now or self.before
        assert found is not None
        return found


def compare_windows(
    store: Store, scope: Scope, since: datetime, suppressions: Sequence[Suppression] = (), today: date | None = None
) -> list[Change]:
    """Return every finding before and from ``since`` on within the window of ``scope``, the gravest first.

    A finding is gone only where its audit had enough to judge, and its group had calls: else it is not judged. Those
    held by a suppression are ``held``. The view ``matching_calls`` is left without tax.
    """
    both = replace(scope, by=(), top=None)
    both.prepare(store, taxed=False)
    store.run("SET VARIABLE side_from = $since", {"since": naive_utc(since)})
    found: list[Change] = []
    for audit in discover().values():
        now, before = _sides(store, both, audit)
        now = {key: accept(one, suppressions, today) for key, one in now.items()}
        found += [Change(_kind(one, before.get(key)), one, before.get(key)) for key, one in now.items()]
        gone = {key: one for key, one in before.items() if key not in now}
        judged = _judged(store, replace(both, since=since), audit) if gone else set()
        found += [Change("gone" if key[1] in judged else "not judged", None, one) for key, one in gone.items()]
    return sorted(found, key=_rank)


_Key = tuple[str, tuple[str | None, ...]]


def _sides(store: Store, both: Scope, audit: Audit) -> tuple[dict[_Key, Finding], dict[_Key, Finding]]:
    """Return the findings of an audit from the border on, and before it, by code and group."""
    scope, params = prepare_audit(store, both, audit, {}, by=(*audit.BY, _SIDE))
    examined, _ = store.one(scope.sql(audit.EXAMINED), params)
    sides: dict[str | None, dict[_Key, Finding]] = {"now": {}, "before": {}}
    for row in store.records(scope.sql(audit.QUERY), params) if examined else []:
        one = to_finding(audit, scope, params, row)
        group = {name: value for name, value in one.group.items() if name != _SIDE}
        sides[one.group[_SIDE]][one.code, tuple(group.values())] = replace(one, group=group)
    return sides["now"], sides["before"]


def _judged(store: Store, now: Scope, audit: Audit) -> set[tuple[str | None, ...]]:
    """Return the groups with calls in the later window; none where the audit has too little to judge there."""
    scope, params = prepare_audit(store, now, audit, {}, by=audit.BY)
    examined, _ = store.one(scope.sql(audit.EXAMINED), params)
    if examined < LEAST_EXAMINED.default:
        return set()
    return {row[: len(audit.BY)] for row in store.query(scope.sql(_GROUPS), params)}


def _kind(now: Finding, before: Finding | None) -> Kind:
    if now.status == "accepted":
        return "held"
    if before is None:
        return "new"
    return "worse" if _is_worse(now, before) else "open"


def _is_worse(now: Finding, before: Finding) -> bool:
    if now.usd_at_stake is not None and before.usd_at_stake is not None:
        rise = now.usd_at_stake - before.usd_at_stake
        return rise >= LEAST_RISE_USD and now.usd_at_stake >= LEAST_RISE * before.usd_at_stake
    share, past = now.affected_share, before.affected_share
    if share is None or past is None or not (now.calls and before.calls):
        return False
    pooled = ((now.affected_calls or 0) + (before.affected_calls or 0)) / (now.calls + before.calls)
    error = sqrt(pooled * (1 - pooled) * (1 / now.calls + 1 / before.calls))
    return share >= LEAST_RISE * past and share - past >= LEAST_Z * error


def _rank(one: Change) -> tuple[int, float, int, str, str]:
    found = one.finding
    return (
        SEVERITIES.index(found.severity), -(found.usd_at_stake or 0.0), -(found.affected_calls or 0), found.audit,
        repr(tuple(found.group.values())),
    )  # fmt: skip


def count_kinds(changes: Sequence[Change]) -> Mapping[Kind, int]:
    """Return how many findings there are of each kind; ``open`` counts the new and the worse ones too."""
    kinds: tuple[Kind, ...] = ("new", "worse", "gone", "not judged", "held")
    counts: dict[Kind, int] = {kind: sum(one.kind == kind for one in changes) for kind in kinds}
    return {"open": sum(one.kind in ("open", "new", "worse") for one in changes), **counts}
