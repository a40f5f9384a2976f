"""What every report says beside its figures: what is not counted, what is unknown, and where prices come from."""

from datetime import UTC, timedelta

from streamaudit.report import Interval, Note
from streamaudit.scope import Scope
from streamaudit.store import Store

_UNCOUNTED = """
SELECT
    count(*) FILTER (uncounted_reason = 'nested'),
    count(*) FILTER (uncounted_reason = 'same_response'),
    count(*) FILTER (counted AND operation = 'embedding')
FROM scope
"""

_UNKNOWN = """
SELECT
    count(*), count(*) FILTER (output_tokens IS NULL), count(*) FILTER (outcome IN ('unknown', 'interrupted')),
    count(*) FILTER (cost_usd IS NULL AND cache_hit IS DISTINCT FROM true),
    count(*) FILTER (output_cost_basis = 'priced')
FROM scope
"""

_UNTIMED = "SELECT count(*) FROM visible WHERE counted AND start_time IS NULL"

_PRICED = "SELECT count(*) FROM scope WHERE outcome = 'cancelled' AND tax_best > 0 AND output_cost_basis = 'priced'"


_RANGE = "SELECT min(start_time), max(start_time) FROM scope"


def interval(store: Store, scope: Scope) -> Interval:
    """The window asked for; where it is open, from the first call in it to just after the last, so that asking for
    it again gives the same calls."""
    first, last = store.one(scope.sql(_RANGE), scope.total().params())
    since = scope.since or (first.replace(tzinfo=UTC) if first else None)
    until = scope.until or (last.replace(tzinfo=UTC) + timedelta(microseconds=1) if last else None)
    return Interval(since, until, scope.tz)


def coverage_notes(store: Store, scope: Scope) -> tuple[Note, ...]:
    """What the report leaves out or does not know, each with its count; an empty window says so."""
    params = scope.total().params()
    calls, no_usage, no_outcome, no_cost, priced = store.one(scope.sql(_UNKNOWN), params)
    everything = {**params, "uncounted": True, "embeddings": True}
    nested, same_response, embeddings = store.one(scope.sql(_UNCOUNTED), everything)
    untimed = store.one(_UNTIMED)[0] if scope.since or scope.until else 0
    stated = (
        ("empty", 0 if calls else 1, "no calls in this window"),
        ("usage_unknown", no_usage, "calls have no known output tokens; sums of tokens leave them out"),
        ("cost_unknown", no_cost, "calls have no known cost; sums of dollars leave them out"),
        ("cost_priced", priced, "calls are priced from a price table, not by their source"),
        ("outcome_unknown", no_outcome, "calls do not say how they ended"),
        ("nested", nested, "outer LLM steps repeat a nested call and are not counted"),
        ("same_response", same_response, "calls are in two sources under one response id and are counted once"),
        ("embeddings", embeddings, "embedding calls are left out; --by operation shows them"),
        ("no_start_time", untimed, "calls have no start time and are in no window"),
    )
    return tuple(
        Note(code, message if code == "empty" else f"{count:,} {message}", None if code == "empty" else count)
        for code, count, message in stated
        if count and not (code == "embeddings" and "operation" in scope.by)
    )


def price_note(store: Store, scope: Scope) -> tuple[Note, ...]:
    """Where the prices behind a tax in dollars come from, when any come from a price table."""
    priced = store.one(scope.sql(_PRICED), scope.total().params())[0]
    if not priced:
        return ()
    from streamaudit.pricing import price_source

    source = price_source()
    dated = f", data of {source.date}" if source.date else ""
    return (Note("prices", f"{priced:,} cancelled calls are priced by {source.name} {source.version}{dated}", priced),)
