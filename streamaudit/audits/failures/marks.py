"""The findings that one call shows, each with the moment on the call's timeline at which it shows.

Every audit runs with each call as a group of its own, without the least numbers that a group must have. So a call is
marked for what it shows itself, whether or not its route has a finding. What only a group can show (drift, a hit rate
that fell with a deploy, a 95th percentile, a limit at which many streams end) marks the calls of the group that it
affects, with the group's numbers.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from streamaudit.audits.failures.base import Audit, discover, prepare_audit, to_finding
from streamaudit.audits.scope.scope import Scope
from streamaudit.report.finding import Finding
from streamaudit.store.store import Store

MOST_CALLS = 20_000
"""Calls around the explained one that are looked at for its retries, its session and its route's habit."""
_WINDOWS = (timedelta(days=30), timedelta(days=1), timedelta(hours=1))
_COUNTS = """
SELECT count(*), count(*) FILTER (abs(epoch(start_time - $at)) <= 86400) FROM store.calls
WHERE start_time BETWEEN $at - INTERVAL 30 DAY AND $at + INTERVAL 30 DAY
"""
_KEEP = """
CREATE OR REPLACE TEMP TABLE near_calls AS FROM matching_calls WHERE start_time >= $since AND start_time < $until
"""
_OF_GROUPS = dict.fromkeys(("least_affected", "least_streams", "least_cut", "least_calls", "least_failures"), 1.0) | {
    "least_share": 0.0
}
"""Thresholds of a group, as they are for a group of one call."""
_OF_SEVERAL = ("growth", "billing-drift", "voice")
"""Audits of which no finding is of one call: a session grows, a provider drifts, and turns have a percentile."""
_AT_START = (
    "cache_miss", "cache_expired", "cache_rewrite", "cache_lost_on_deploy", "context_growth", "runaway_session",
    "silent_task",
)  # fmt: skip
_AT_FIRST = ("burst", "buffered", "coalesced", "block", "batch_like", "uneven", "turn_over_budget")
_AT_CUT = ("orphan", "drained", "lost_task", "unread_stock", "gave_up")
_IN_GAP = ("stall", "idle_cut")


@dataclass(frozen=True, slots=True)
class Marked:
    """A finding of one call; ``at_ms`` is the moment after the request, NULL where no log has it."""

    finding: Finding
    at_ms: float | None


def findings_of_call(store: Store, record: Mapping[str, Any]) -> list[Marked]:
    """Return the findings of a call, given as its row of ``call_tax``, in the order of the audits.

    The view ``matching_calls`` is left without tax. Calls that reports do not count have none.
    """
    return findings_of_calls(store, [record])[0]


def findings_of_calls(store: Store, records: Sequence[Mapping[str, Any]]) -> list[list[Marked]]:
    """Return the findings of each of several calls, which are looked for among the calls around all of them."""
    started = [record for record in records if record["start_time"] is not None]
    if not started:
        return [[] for _ in records]
    starts = [record["start_time"] for record in started]
    window = min(_window(store, start) for start in (min(starts), max(starts)))
    near = Scope(since=min(starts).replace(tzinfo=UTC) - window, until=max(starts).replace(tzinfo=UTC) + window)
    near.prepare(store, taxed=False)
    store.run(_KEEP, {"since": min(starts) - window, "until": max(starts) + window})
    store.run("CREATE OR REPLACE TEMP VIEW matching_calls AS FROM near_calls")
    found: dict[str, list[Finding]] = {record["call_id"]: [] for record in started}
    for audit in discover().values():
        for call_id, finding in (*_own_findings(store, near, audit, started),
                                 *_group_findings(store, near, audit, started)):  # fmt: skip
            if finding.code not in {one.code for one in found[call_id]}:
                found[call_id].append(finding)
    return [
        [Marked(one, moment_of(one.code, record)) for one in found.get(record["call_id"], ())] for record in records
    ]


def _window(store: Store, start: datetime) -> timedelta:
    """Return how far around a call to look: as far as there are few enough calls."""
    counts = store.one(_COUNTS, {"at": start})
    return next((span for span, calls in zip(_WINDOWS, counts, strict=False) if calls <= MOST_CALLS), _WINDOWS[-1])


def _own_findings(
    store: Store, near: Scope, audit: Audit, records: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, Finding]]:
    """Yield what calls show by themselves, each with the call's id."""
    if audit.NAME in _OF_SEVERAL:
        return
    limits = {one.name: _OF_GROUPS[one.name] for one in audit.THRESHOLDS if one.name in _OF_GROUPS}
    scope, params = prepare_audit(store, near, audit, limits, by=("call_id",))
    ids = {record["call_id"] for record in records}
    for row in _rows(store, scope, audit, params):
        if row["by_1"] in ids:
            yield row["by_1"], to_finding(audit, scope, params, row, of_call=True)


def _group_findings(
    store: Store, near: Scope, audit: Audit, records: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, Finding]]:
    """Yield what only the groups of calls show, each with the id of a call that it affects."""
    if not any("$explained" in statement for statement in (*audit.PREPARE, audit.QUERY)):
        return
    ids = [record["call_id"] for record in records]
    scope, params = prepare_audit(store, near, audit, {}, by=audit.BY, explained=ids)
    about = " and ".join(audit.BY)
    for row in _rows(store, scope, audit, params):
        found = to_finding(audit, scope, params, row)
        for call_id in row["shows"] or ():
            yield call_id, replace(found, evidence=f"Of the calls of its {about}: {found.evidence}")


def _rows(store: Store, scope: Scope, audit: Audit, params: dict[str, Any]) -> list[dict[str, Any]]:
    examined, _ = store.one(scope.sql(audit.EXAMINED), params)
    return store.records(scope.sql(audit.QUERY), params) if examined else []


def moment_of(code: str, record: Mapping[str, Any]) -> float | None:
    """Return where on the timeline of a call a finding shows, in milliseconds after the request."""
    arrivals: Sequence[float] = record["client_chunk_offsets_ms"] or record["chunk_offsets_ms"] or []
    ended: float | None = record["duration_ms"]
    first: float | None = arrivals[0] if arrivals else record["ttft_ms"]
    cut: float | None = record["cancelled_at_ms"]
    if code in _AT_START:
        return 0.0
    if code in _AT_FIRST:
        return first
    if code in _AT_CUT:
        return ended if cut is None else cut
    if code == "visible_correction":
        shown: float | None = record["retractions"][0]["offset_ms"]
        return shown
    if code in _IN_GAP and arrivals:
        gaps = [(later - earlier, earlier) for earlier, later in pairwise(arrivals)]
        return max(gaps)[1] if code == "stall" and gaps else arrivals[-1]
    return ended
