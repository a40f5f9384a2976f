"""Delete calls from a store: undo a load, delete what is older than a day, or all of one user.

Each is one transaction that leaves the rest as if the deleted calls had never come: steps of the same trace and the
same response in another export are counted again, and priced by ``prices``, the user's own file, where it has a price.
Afterwards the file is rewritten, since deleting alone leaves the bytes in it.
"""

from dataclasses import dataclass
from datetime import datetime

from streamaudit.errors import InputError
from streamaudit.ingest.merge import define_merge_macros
from streamaudit.ingest.responses import recompute_responses
from streamaudit.ingest.sources.registry import discover
from streamaudit.ingest.traces import recompute_remaining
from streamaudit.store.connection import Params
from streamaudit.store.pricing.own_prices import PriceFile
from streamaudit.store.store import Store
from streamaudit.store.views.keep import keep_taxes


@dataclass(frozen=True, slots=True)
class Removed:
    """The result of a deletion. ``beaten`` counts calls of which the deleted version had replaced an earlier one,
    ``evidence`` records of other logs."""

    calls: int
    spans: int
    beaten: int = 0
    evidence: int = 0


_REMOVED_TRACES = "CREATE OR REPLACE TEMP TABLE removed_traces (source VARCHAR, trace_id VARCHAR)"
_REMOVED_RESPONSES = "CREATE OR REPLACE TEMP TABLE touched_responses (response_id VARCHAR)"
_NOTE_RESPONSES = """
INSERT INTO touched_responses SELECT DISTINCT response_id FROM leaving_calls WHERE response_id IS NOT NULL
"""
_NOTE_CALLS = "INSERT INTO removed_traces SELECT DISTINCT source, trace_id FROM leaving_calls"
_NOTE_SPANS = "INSERT INTO removed_traces SELECT DISTINCT source, trace_id FROM leaving_spans"
_DELETE_CALLS = """
DELETE FROM store.calls USING leaving_calls
WHERE calls.source = leaving_calls.source AND calls.call_id = leaving_calls.call_id
"""
_DELETE_SPANS = """
DELETE FROM store.spans USING leaving_spans
WHERE spans.source = leaving_spans.source AND spans.span_id = leaving_spans.span_id
"""

_DELETE_EVIDENCE = """
DELETE FROM store.evidence WHERE key IN (
    SELECT CASE key_kind WHEN 'request_id' THEN given_id WHEN 'response_id' THEN response_id ELSE trace_id END
    FROM leaving_calls)
"""

_CHOOSE_CALLS = """
CREATE OR REPLACE TEMP TABLE leaving_calls AS
SELECT source, call_id, coalesce(request_id, call_id) AS given_id, trace_id, response_id
FROM store.calls WHERE {condition}
"""
_CHOOSE_SPANS = """
CREATE OR REPLACE TEMP TABLE leaving_spans AS
SELECT source, span_id, trace_id FROM store.spans WHERE {condition}
"""
_COUNT = "SELECT (SELECT count(*) FROM leaving_calls), (SELECT count(*) FROM leaving_spans)"
_OF_CALLS = "(source, trace_id) IN (SELECT source, trace_id FROM leaving_calls WHERE trace_id IS NOT NULL)"


@dataclass(frozen=True, slots=True)
class Selection:
    """Calls and steps to delete: their conditions, from the three below, and the parameters of these."""

    calls: str
    spans: str
    params: Params

    def choose(self, store: Store) -> None:
        """List them in the temporary tables ``leaving_calls`` and ``leaving_spans``."""
        store.run(_CHOOSE_CALLS.format(condition=self.calls), self.params)
        store.run(_CHOOSE_SPANS.format(condition=self.spans), self.params)


def of_load(load_id: int) -> Selection:
    """Select what one load brought."""
    return Selection("load_id = $load_id", "load_id = $load_id", {"load_id": load_id})


def started_before(instant: datetime) -> Selection:
    """Select what started before an instant; calls without a start time are not among it."""
    return Selection("start_time < $before", "start_time < $before", {"before": instant})


def of_user(user_id: str) -> Selection:
    """Select the calls of a user, and the steps that are theirs or in the traces of those calls."""
    return Selection("user_id = $user", f"user_id = $user OR {_OF_CALLS}", {"user": user_id})


def count_selected(store: Store, selection: Selection) -> Removed:
    """Count what a deletion would remove, and change nothing. Raises InputError for a load that is not there."""
    if "load_id" in selection.params:
        _find_load(store, selection.params["load_id"])
    selection.choose(store)
    calls, spans = store.one(_COUNT)
    return Removed(calls, spans)


_ROUTE_KEY = """
SELECT first(key ORDER BY rank) FROM store.load_keys WHERE source = $source AND field = 'route'
"""


def unload(store: Store, load_id: int, prices: PriceFile | None = None) -> Removed:
    """Undo a load: its calls and steps, its rejects and its line among the loads. Raises InputError when there is
    none."""
    beaten = _find_load(store, load_id)
    with store.transaction():
        removed = _remove(store, of_load(load_id), prices)
        evidence = store.run("DELETE FROM store.evidence WHERE load_id = $load_id", {"load_id": load_id})
        for statement in (
            "DELETE FROM store.rejects WHERE load_id = $load_id",
            "DELETE FROM store.load_keys WHERE load_id = $load_id",
            "DELETE FROM store.loads WHERE load_id = $load_id",
        ):
            store.run(statement, {"load_id": load_id})
        store.mark_rewrite()
    store.rewrite()
    keep_taxes(store)
    return Removed(removed.calls, removed.spans, beaten, evidence)


def _find_load(store: Store, load_id: object) -> int:
    """Return how many calls a load replaced."""
    found = store.query("SELECT replaced_calls FROM store.loads WHERE load_id = $load_id", {"load_id": load_id})
    if not found:
        raise InputError(f"the store has no load {load_id}", "streamaudit coverage lists the loads")
    return int(found[0][0])


def prune(store: Store, before: datetime, prices: PriceFile | None = None) -> Removed:
    """Delete every call and step that started before an instant. Those without a start time stay. The loads stay on
    record, so that reading an unchanged export again does not bring the calls back."""
    with store.transaction():
        removed = _remove(store, started_before(before), prices)
        store.run(_DELETE_EVIDENCE)
        store.mark_rewrite()
    store.rewrite()
    keep_taxes(store)
    return removed


def forget(store: Store, user_id: str, prices: PriceFile | None = None) -> Removed:
    """Delete every call of a user and every step of those calls' traces."""
    with store.transaction():
        removed = _remove(store, of_user(user_id), prices)
        store.run(_DELETE_EVIDENCE)
        store.run("DELETE FROM store.lookups WHERE key_column = 'user_id' AND key = $user", {"user": user_id})
        store.mark_rewrite()
    store.rewrite()
    keep_taxes(store)
    return removed


def _remove(store: Store, selection: Selection, prices: PriceFile | None) -> Removed:
    define_merge_macros(store)
    selection.choose(store)
    for statement in (_REMOVED_TRACES, _REMOVED_RESPONSES, _NOTE_RESPONSES, _NOTE_CALLS, _NOTE_SPANS):
        store.run(statement)
    calls, spans = store.run(_DELETE_CALLS), store.run(_DELETE_SPANS)
    formats = discover()
    for source, form in store.query("SELECT source, any_value(format) FROM store.loads GROUP BY source ORDER BY ALL"):
        rule = formats[form].nested_rule if form in formats else "same_model"
        by_ancestor = store.one(_ROUTE_KEY, {"source": source})[0] == "ancestor"
        recompute_remaining(store, source, rule, by_ancestor, prices)
    recompute_responses(store)
    return Removed(calls, spans)
