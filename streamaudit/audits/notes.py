"""Notes of every report: calls not counted, unknown values, gaps in the data, and the source of prices."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from streamaudit.audits.empty import explain_empty
from streamaudit.audits.scope.portable import Texts, moment
from streamaudit.audits.scope.scope import Scope
from streamaudit.audits.sums import count_where
from streamaudit.audits.window_notes import NAMED, window_notes
from streamaudit.report.model import Interval, Note
from streamaudit.report.numbers import count, ratio
from streamaudit.store.exported import ExportedStore
from streamaudit.store.store import FOR_DIVERSITY, Store

# One pass over every call for all notes: planning a query over ``scope`` takes longer than running it on a small store.
_OF_SOURCES = """
, placed AS (
    SELECT *, counted AND ($with_embeddings OR operation <> 'embedding') AS included FROM scope_outcomes
)
SELECT
    source, {counts},
    min({start}) FILTER (WHERE included) AS first_call, max({start}) FILTER (WHERE included) AS last_call
FROM placed GROUP BY source ORDER BY source
"""
_COUNTED = (
    "included",
    "included AND (output_tokens IS NULL OR usage_status <> 'final')",
    "included AND outcome IN ('unknown', 'interrupted')",
    "included AND cost_usd IS NULL AND cache_hit IS DISTINCT FROM true",
    "included AND cost_usd IS NULL AND cache_hit IS DISTINCT FROM true"
    " AND (output_tokens IS NULL OR usage_status <> 'final')",
    "included AND cost_basis = 'priced' AND cost_usd IS NOT NULL",
    "included AND cost_basis = 'reported' AND output_cost_basis = 'priced' AND outcome = 'cancelled'",
    "included AND streamed",
    "included AND outcome = 'cancelled'",
    "uncounted_reason = 'nested'",
    "uncounted_reason = 'same_response'",
    "counted AND operation = 'embedding'",
    "included AND tenant IS NOT NULL",
    "included AND user_id IS NOT NULL",
    "included AND cancel_evidence = 'unknown_word'",
    "included AND provider_basis = 'inferred'",
)
_SOURCES = Texts(
    _OF_SOURCES.format(start="start_time", counts=", ".join(count_where(one) for one in _COUNTED)),
    _OF_SOURCES.format(start="start_us", counts=", ".join(f"count(*) FILTER (WHERE {one})" for one in _COUNTED)),
)

# A file read again, after it grew or with another mapping, counts as one file.
_REJECTED = """
SELECT coalesce(sum(rejected), 0)::BIGINT, count(*) FILTER (rejected > 0)
FROM (
    SELECT arg_max(rejected_records, load_id) AS rejected
    FROM store.loads WHERE format <> 'evidence'
    GROUP BY source, CASE WHEN path = '-' THEN load_id::VARCHAR ELSE path END
)
"""

MANY_STREAMS = 200
"""A source with this many streamed calls and none cancelled may not export cancelled ones."""
_SOME_CANCELLED = Texts(
    "SELECT DISTINCT source FROM store.calls WHERE outcome = 'cancelled' AND list_contains($sources, source)",
    "SELECT DISTINCT source FROM calls WHERE outcome = 'cancelled'",
)

_ANY_SAMPLED = "SELECT count(*) FROM store.loads WHERE sample_rate < 1"
_SAMPLED = Texts(
    """
SELECT count(*), min(sample_rate), max(sample_rate)
FROM scope_outcomes JOIN (SELECT load_id, sample_rate FROM store.loads WHERE sample_rate < 1) USING (load_id)
""",
    """
SELECT count(*) AS calls, min(sample_rate) AS lowest, max(sample_rate) AS highest
FROM scope_outcomes WHERE sample_rate < 1
""",
)
_ANY_DIVERSE = "SELECT count(*) FROM store.loads WHERE ends_with(variant, $mark)"
_DIVERSE = Texts(
    """
SELECT count(*) FROM scope_outcomes
JOIN (SELECT load_id FROM store.loads WHERE ends_with(variant, $mark)) USING (load_id)
""",
    "SELECT count(*) AS calls FROM scope_outcomes WHERE kept_for_diversity = 1",
)

_TOKENS = ("output_tokens", "input_tokens", "hidden_tokens", "tax_", "unseen_", "tokens_at_stake", "usage_known_rate")
_DOLLARS = ("cost_", "tax_", "unseen_", "usd_", "saved_")
_OUTCOMES = ("cancel", "error", "timeout", "tax_", "outcome_", "unseen_", "goodput")
"""Beginnings of the columns that a missing value makes incomplete."""
_ABOUT = {
    "cost_priced": _DOLLARS, "cost_split": ("tax_", "unseen_"), "outcome_unknown": _OUTCOMES, "outcome_word": _OUTCOMES,
}  # fmt: skip
_KNOWN_WORDS = "known are completed, cancelled, timeout, error and interrupted"

_UNTIMED = Texts(
    "SELECT count(*) FROM matching_outcomes WHERE counted AND start_time IS NULL",
    "SELECT count(*) AS calls FROM matching_outcomes WHERE counted AND start_us IS NULL",
)

_PRICED = """
SELECT count(*) AS calls FROM scope WHERE outcome = 'cancelled' AND tax_best > 0 AND output_cost_basis = 'priced'
"""


@dataclass(frozen=True, slots=True)
class _Counts:
    """Counts of one source's calls in the scope, by what they lack and by why they are left out."""

    source: str
    calls: int
    no_usage: int
    no_outcome: int
    no_cost: int
    no_usage_nor_cost: int
    priced: int
    split: int
    streamed: int
    cancelled: int
    nested: int
    same_response: int
    embeddings: int
    with_tenant: int
    with_user: int
    unknown_words: int
    inferred: int
    first: datetime | None
    last: datetime | None


def coverage_notes(store: Store, scope: Scope) -> tuple[Note, ...]:
    """Return what the report leaves out or does not know, each with its count, or that the window is empty."""
    return interval_and_notes(store, scope)[1]


def interval_and_notes(store: Store, scope: Scope, about: Sequence[str] = ()) -> tuple[Interval, tuple[Note, ...]]:
    """Return the window of the report and its notes.

    Where the window is open, it extends from the first call in it to just after the last, so that asking for it again
    gives the same calls. ``about`` names dimensions that the report shows without grouping by them.
    """
    params = scope.total().params()
    everything = {**params, "uncounted": True, "embeddings": True, "with_embeddings": params["embeddings"]}
    rows = scope.total().rows(store, _SOURCES, everything)
    found = [_Counts(*row[:-2], *map(moment, row[-2:])) for row in rows]
    return _interval(scope, found), (*_notes(store, scope, found, about), *exported_notes(store))


def exported_notes(store: Store) -> Iterator[Note]:
    """Yield how figures of exported calls differ from those of their store: percentiles, and what was exported."""
    if isinstance(store, ExportedStore):
        yield Note(
            "percentiles_from_buckets", "percentiles of exported calls come from buckets and are at most 1 % off", None,
            ("ttft_", "ttvt_", "duration_", "tpot_", "output_tokens_per_s_"),
        )  # fmt: skip
    yield from narrowed_notes(store)


def narrowed_notes(store: Store) -> Iterator[Note]:
    """Yield to what the exports were narrowed, if calls are exported ones and not all were."""
    for one in store.chosen if isinstance(store, ExportedStore) else ():
        yield Note("export_narrowed", f"the export holds only calls of {one}")


def _interval(scope: Scope, sources: list[_Counts]) -> Interval:
    first = min((one.first for one in sources if one.first), default=None)
    last = max((one.last for one in sources if one.last), default=None)
    since = scope.since or (first.replace(tzinfo=UTC) if first else None)
    until = scope.until or (last.replace(tzinfo=UTC) + timedelta(microseconds=1) if last else None)
    return Interval(since, until, scope.tz, last.replace(tzinfo=UTC) if last else None)


def _notes(
    store: Store, scope: Scope, found: list[_Counts], about_dimensions: Sequence[str]
) -> tuple[Note, ...]:  # fmt: skip
    sources = [one for one in found if one.calls]
    untimed = scope.total().rows(store, _UNTIMED)[0][0] if scope.since or scope.until else 0
    calls = sum(one.calls for one in sources)
    words = sum(one.unknown_words for one in sources)
    odd = f" ({count(words, 'call')} by an unknown word)" if words else ""
    stated = (
        ("cost_priced", sum(one.priced for one in sources), "call",
            "is priced at list price; its source reports no cost",
            "are priced at list price; their source reports no cost"),
        ("cost_split", sum(one.split for one in sources), "cancelled call",
            "reports one cost for input and output; its tax in dollars follows list prices",
            "report one cost for input and output; their tax in dollars follows list prices"),
        ("outcome_unknown", sum(one.no_outcome for one in sources), "call",
            f"does not record how it ended{odd}; rates and tax are lower bounds",
            f"do not record how they ended{odd}; rates and tax are lower bounds"),
        ("outcome_word", words, "call",
            f"has an outcome that counts as unknown: {_KNOWN_WORDS}",
            f"have an outcome that counts as unknown: {_KNOWN_WORDS}"),
        ("provider_inferred", sum(one.inferred for one in sources), "call",
            "names no provider; the one shown follows from the model's name",
            "name no provider; the one shown follows from the model's name"),
        ("nested", sum(one.nested for one in found), "LLM span",
            "repeats a counted call and is not counted", "repeat a counted call and are not counted"),
        ("same_response", sum(one.same_response for one in found), "call",
            "is in two exports under one response id and counts once",
            "are in two exports under one response id and count once"),
        ("embeddings", sum(one.embeddings for one in found), "embedding call",
            "is left out; --by operation shows it", "are left out; --by operation shows them"),
        ("no_start_time", untimed, "call", "has no start time and is in no window",
            "have no start time and are in no window"),
    )  # fmt: skip
    of_calls = ("cost_priced", "outcome_unknown", "outcome_word", "provider_inferred")
    counted = [
        Note(code, f"{count(number, noun)}{_share(number, calls) if code in of_calls else ''} "
             f"{one if number == 1 else several}", number, _ABOUT.get(code, ()), data_only=code == "outcome_word")
        for code, number, noun, one, several in stated
        if number
        and not (code == "embeddings" and "operation" in scope.by)
        and not (code == "provider_inferred" and "provider" not in (*scope.by, *about_dimensions))
    ]  # fmt: skip
    tenants = tenant_notes(sum(one.with_user for one in sources)) if _lacks_tenants(scope, sources) else ()
    why = () if sources else (explain_empty(store, scope),)
    return (*why, *window_notes(store, scope, {one.source for one in sources}), *_sampling_notes(store, scope),
        *diverse_note(store, scope), *_incomplete_notes(sources), *counted, *rejected_notes(store), *tenants,
        *_never_cancelled_notes(store, sources))  # fmt: skip


def _share(part: int, whole: int) -> str:
    """Return the share in brackets, unless it is of all or of none."""
    return f" ({ratio(part / whole)})" if 0 < part < whole else ""


def _incomplete_notes(sources: list[_Counts]) -> Iterator[Note]:
    """Yield what totals exclude: calls without usage and without cost, in one sentence where both are lacking."""
    calls = sum(one.calls for one in sources)
    usage, cost, both = (sum(getattr(one, name) for one in sources)
                         for name in ("no_usage", "no_cost", "no_usage_nor_cost"))  # fmt: skip
    excluded = "totals exclude " + ("it" if max(usage, cost) == 1 else "them")
    if usage and usage == both:
        text = _without("usage or cost", usage, calls) if usage == cost else (
            f"{_without('cost', cost, calls)}, {usage:,} of them no usage"
        )  # fmt: skip
        text = f"{text}; {excluded}"
        yield Note("usage_unknown", text, usage, (*_TOKENS, *_DOLLARS))
        yield Note("cost_unknown", f"{_without('cost', cost, calls)}; {excluded}", cost, _DOLLARS, data_only=True)
        return
    if usage:
        yield Note("usage_unknown", f"{_without('usage', usage, calls)}; {excluded}", usage, _TOKENS)
    if cost:
        yield Note("cost_unknown", f"{_without('cost', cost, calls)}; {excluded}", cost, _DOLLARS)


def _without(what: str, number: int, calls: int) -> str:
    return f"{count(number, 'call')}{_share(number, calls)} {'has' if number == 1 else 'have'} no {what}"


def rejected_notes(store: Store) -> tuple[Note, ...]:
    """Return how many records could not be used when they were read; they have no window and no group."""
    rejected, files = store.one(_REJECTED)
    if not rejected:
        return ()
    records = "1 record" if rejected == 1 else f"{rejected:,} records"
    of = "1 file" if files == 1 else f"{files:,} files"
    message = (
        f"{records} of {of} could not be read and {'is' if rejected == 1 else 'are'} in no figure: streamaudit "
        "coverage counts them by file, streamaudit ingest --rejects OUT.csv lists them with the reason"
    )
    return (Note("rejected", message, rejected),)


def _lacks_tenants(scope: Scope, sources: list[_Counts]) -> bool:
    return "tenant" in scope.by and bool(sources) and not any(one.with_tenant for one in sources)


def tenant_notes(users: int) -> tuple[Note, ...]:
    """Return a remedy where no call has a tenant; ``users`` is how many calls have a user instead."""
    find = "streamaudit fields FILE --for tenant finds the key that holds the customer, --map tenant=PATH names it"
    if not users:
        return (Note("no_tenant", f"no call has a tenant: {find}"),)
    message = (
        f"no call has a tenant, and {users:,} have a user: if your customers are single users, read the files with "
        f"--map tenant=user_id; else {find}"
    )
    return (Note("tenant_from_user", message, users),)


def _sampling_notes(store: Store, scope: Scope) -> tuple[Note, ...]:
    """Return the note that totals of sampled calls are under-counts; no figure is scaled up for it."""
    if not store.one(_ANY_SAMPLED)[0]:
        return ()
    calls, lowest, highest = scope.total().rows(store, _SAMPLED)[0]
    if not calls:
        return ()
    rate = f"{lowest:.4g}" if lowest == highest else f"{lowest:.4g} to {highest:.4g}"
    return (
        Note(
            "sampled", f"{calls:,} calls are a sample (rate {rate}): totals count only these, and are not scaled", calls
        ),
    )


def diverse_note(store: Store, scope: Scope) -> tuple[Note, ...]:
    """Return the note that spans kept for being rare do not represent the distribution of latencies."""
    mark = {"mark": FOR_DIVERSITY}
    if not store.one(_ANY_DIVERSE, mark)[0]:
        return ()
    calls = scope.total().rows(store, _DIVERSE, mark)[0][0]
    if not calls:
        return ()
    message = (
        f"{calls:,} calls come from files sampled for diversity, which keeps rare spans: their latencies are not those "
        "of the traffic and do not compare with others"
    )
    return (Note("diversity_sampled", message, calls),)


def _never_cancelled_notes(store: Store, sources: list[_Counts]) -> tuple[Note, ...]:
    """Return a warning when many streams have no cancelled call, which is no proof that none was."""
    suspects = {one.source: one.streamed for one in sources if one.streamed >= MANY_STREAMS and not one.cancelled}
    if not suspects:
        return ()
    # The filters may exclude cancelled calls.
    cancels = {row[0] for row in Scope().rows(store, _SOME_CANCELLED, {"sources": list(suspects)})}
    left = {source: streamed for source, streamed in suspects.items() if source not in cancels}
    if not left:
        return ()
    streamed = sum(left.values())
    named = ", ".join(list(left)[:NAMED]) + (f" and {len(left) - NAMED} more" if len(left) > NAMED else "")
    doubt = "either every user stayed, or the exporter leaves abandoned streams out"
    return (
        Note(
            "no_cancels", f"none of {streamed:,} streamed calls of {named} was cancelled: {doubt}", streamed, _OUTCOMES
        ),
    )


def price_note(store: Store, scope: Scope) -> tuple[Note, ...]:
    """Return the origin of the prices behind a tax in dollars, when any come from a price table."""
    priced = scope.total().rows(store, _PRICED)[0][0]
    if not priced:
        return ()
    if isinstance(store, ExportedStore):
        return (Note("prices", f"{priced:,} cancelled calls are priced by {store.prices}", priced),)
    from streamaudit.store.pricing.prices import price_source

    source = price_source()
    dated = f", data of {source.date}" if source.date else ""
    return (Note("prices", f"{priced:,} cancelled calls are priced by {source.name} {source.version}{dated}", priced),)
