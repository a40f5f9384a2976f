"""The findings that one call shows, each with the moment on the call's timeline at which it shows.

Every audit runs with each call as a group of its own, without the least numbers that a group must have. So a call is
marked for what it shows itself, whether or not its route has a finding. What only a group can show (drift, a hit rate
that fell with a deploy, a 95th percentile) marks no call.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
_OF_GROUPS = dict.fromkeys(("least_affected", "least_streams", "least_cut", "least_calls", "least_failures"), 1.0) | {
    "least_share": 0.0
}
"""Thresholds of a group, as they are for a group of one call."""
_AT_START = (
    "cache_miss", "cache_expired", "cache_rewrite", "cache_lost_on_deploy", "context_growth", "runaway_session",
    "silent_task",
)  # fmt: skip
_AT_FIRST = ("burst", "buffered", "coalesced", "block", "batch_like", "uneven")
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
    start = record["start_time"]
    if start is None:
        return []
    window, start = _window(store, start), start.replace(tzinfo=UTC)
    near = Scope(since=start - window, until=start + window)
    near.prepare(store, taxed=False)
    return [
        Marked(finding, moment_of(finding.code, record))
        for audit in discover().values() for finding in _findings(store, near, audit, record)
    ]  # fmt: skip


def _window(store: Store, start: datetime) -> timedelta:
    """Return how far around a call to look: as far as there are few enough calls."""
    counts = store.one(_COUNTS, {"at": start})
    return next((span for span, calls in zip(_WINDOWS, counts, strict=False) if calls <= MOST_CALLS), _WINDOWS[-1])


def _findings(store: Store, near: Scope, audit: Audit, record: Mapping[str, Any]) -> list[Finding]:
    # A session is what grows; elsewhere the call itself is the group.
    own = "session_id" if audit.NAME == "growth" else "call_id"
    if record[own] is None:
        return []
    limits = {one.name: _OF_GROUPS[one.name] for one in audit.THRESHOLDS if one.name in _OF_GROUPS}
    scope, params = prepare_audit(store, near, audit, limits, by=(own,))
    examined, _ = store.one(scope.sql(audit.EXAMINED), params)
    rows = store.records(scope.sql(audit.QUERY), params) if examined else []
    return [to_finding(audit, scope, params, row) for row in rows if row["by_1"] == record[own]]


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
