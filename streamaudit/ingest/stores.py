"""Merge stores into one: what one store would hold had it read all of their files.

The calls of another store arrive as the records of a file do, and meet the rules of an ingest: which record of a call
wins, which key fills a column, which of nested calls counts, from which step a call takes what it lacks, and which of
two sources has a response. Each store is one transaction, and merging it again changes nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from streamaudit.ingest import one_call
from streamaudit.ingest.contest import Contest
from streamaudit.ingest.keys import choose_keys
from streamaudit.ingest.merge import (
    define_merge_macros,
    find_repeated,
    merge_stored,
    replace_loads,
    set_variables,
)
from streamaudit.ingest.other_loads import (
    EMPTY,
    Batch,
    compare_loads,
    find_outdated,
    fold_continued,
    keep_keys,
    keep_loads,
    list_batches,
    merge_evidence,
    record_loads,
)
from streamaudit.ingest.pull.combine import combine_positions
from streamaudit.ingest.sources.registry import discover
from streamaudit.ingest.traces import recompute
from streamaudit.store.pricing.own_prices import PriceFile
from streamaudit.store.store import Store

_SHARED = "coalesce(list_has_any(inherited, {names}), false)".format(
    names="[" + ", ".join(f"'{name}'" for name in one_call.FIGURES) + "]"
)
_RELEASED = f"""
CREATE OR REPLACE TEMP TABLE released_calls AS
SELECT calls.rowid AS staged_row, calls.*
FROM other.calls AS calls JOIN other_loads AS loads ON loads.of_load = calls.load_id
WHERE loads.batch = getvariable('batch') AND {_SHARED}
"""  # noqa: S608 - names of columns
# Of loads that are here already, most calls are settled: those that are the same, those of which every version is known
# here, and those that were deleted here since.
_NONE_SETTLED = "CREATE OR REPLACE TEMP TABLE settled_rows (staged_row BIGINT)"
_SETTLED = """
CREATE OR REPLACE TEMP TABLE settled_rows AS
WITH theirs AS (
    SELECT calls.rowid AS staged_row, loads.state, calls.source, coalesce(calls.request_id, calls.call_id) AS given_id,
        calls.record_hash, calls.input_hash, calls.versions
    FROM other.calls AS calls JOIN other_loads AS loads ON loads.of_load = calls.load_id
    WHERE loads.batch = getvariable('batch') AND (loads.state = 'grown'
        OR (loads.state = 'known' AND calls.versions IS NOT NULL))
), ours AS (
    SELECT source, coalesce(request_id, call_id) AS given_id, record_hash, input_hash, versions
    FROM store.calls WHERE source = getvariable('source')
), unseen AS (
    SELECT given_id, unnest(versions, recursive := true) FROM theirs WHERE state = 'known'
    EXCEPT
    SELECT given_id, unnest(versions, recursive := true) FROM ours WHERE versions IS NOT NULL
)
SELECT staged_row FROM theirs
SEMI JOIN ours ON ours.given_id = theirs.given_id AND ours.record_hash = theirs.record_hash
    AND ours.input_hash IS NOT DISTINCT FROM theirs.input_hash AND ours.versions IS NOT DISTINCT FROM theirs.versions
UNION
SELECT staged_row FROM theirs
WHERE state = 'known'
    AND (given_id NOT IN (SELECT given_id FROM unseen) OR given_id NOT IN (SELECT given_id FROM ours))
"""
_HAS_KNOWN = "SELECT EXISTS (FROM other_loads WHERE batch = getvariable('batch') AND state <> 'new')"

# As records of a file arrive: under the id that the export gives, with figures of their own, and counted.
_ARRIVING = f"""
CREATE OR REPLACE TEMP VIEW arriving_calls AS
SELECT
    calls.* REPLACE (
        coalesce(calls.request_id, calls.call_id) AS call_id, loads.load_id AS load_id,
        CASE WHEN calls.request_id IS NULL OR calls.logical_request_id <> calls.request_id
            THEN calls.logical_request_id END AS logical_request_id,
        true AS counted, NULL::VARCHAR AS uncounted_reason,
        bits_of(coalesce(calls.request_id, calls.call_id)) AS id_bits, bits_of(calls.trace_id) AS trace_bits,
        bits_of(calls.response_id) AS response_bits
    )
FROM (
    SELECT calls.rowid AS staged_row, calls.* FROM other.calls AS calls WHERE NOT {_SHARED}
    UNION ALL
    SELECT * FROM released_calls
) AS calls
JOIN other_loads AS loads ON loads.of_load = calls.load_id
WHERE loads.batch = getvariable('batch') AND (loads.state <> 'known' OR calls.versions IS NOT NULL)
    AND calls.staged_row NOT IN (SELECT staged_row FROM settled_rows);
CREATE OR REPLACE TEMP VIEW arriving_spans AS
SELECT spans.* REPLACE (
    loads.load_id AS load_id, bits_of(spans.span_id) AS id_bits, bits_of(spans.trace_id) AS trace_bits)
FROM other.spans AS spans JOIN other_loads AS loads ON loads.of_load = spans.load_id
WHERE loads.batch = getvariable('batch') AND loads.state <> 'known';
CREATE OR REPLACE VIEW scratch.staged AS
SELECT
    call_id, trace_id, parent_id, response_id, NULL::VARCHAR AS reason,
    CASE operation WHEN 'embedding' THEN 'embedding' ELSE 'llm' END AS kind
FROM arriving_calls
UNION ALL
SELECT span_id, trace_id, parent_id, NULL, NULL, 'span' FROM arriving_spans
"""  # noqa: S608 - names of columns
# An id that was given to several attempts has as many calls.
_OF_ATTEMPTS = """
INSERT INTO repeated_calls
SELECT DISTINCT call_id FROM arriving_calls ANTI JOIN repeated_calls USING (call_id) WHERE request_id IS NOT NULL
"""
_TRACED = """
SELECT
    count(*) FILTER (kind = 'span' OR parent_id IS NOT NULL)
        + (SELECT count(*) FROM arriving_calls WHERE inherited IS NOT NULL),
    count(trace_id), count(*) FILTER (kind = 'span'), count(*)
FROM scratch.staged
"""
_TALLY = """
CREATE OR REPLACE TEMP TABLE merged_tally AS
SELECT
    load_id, count(*) FILTER (is_repeated AND has_won IS NULL) AS lost, count(*) FILTER (has_won) AS won,
    count(*) FILTER (NOT is_repeated OR NOT has_won) AS first
FROM (
    SELECT arriving_calls.load_id, repeated_calls.call_id IS NOT NULL AS is_repeated, contest.stored > 0 AS has_won
    FROM arriving_calls
    LEFT JOIN repeated_calls USING (call_id)
    LEFT JOIN contest ON contest.winner_row = arriving_calls.staged_row
)
GROUP BY load_id
"""
_REREAD = """
SELECT count(*) FROM arriving_calls SEMI JOIN (SELECT call_id FROM removed_calls WHERE reread) AS gone USING (call_id)
"""
_ROUTE_KEY = """
SELECT any_value(key) FROM store.load_keys
WHERE source = $source AND digest = $digest AND field = 'route' AND rank = $rank
"""
_ANY_STEPS = "SELECT EXISTS (FROM trace_steps)"

_IS_EMPTY = "SELECT NOT EXISTS (FROM store.loads)"
_SALTS = """
SELECT
    (SELECT value FROM store.meta WHERE key = 'hash_salt') = (SELECT value FROM other.meta WHERE key = 'hash_salt'),
    EXISTS (FROM other.calls WHERE input_hash IS NOT NULL)
"""
_TAKE_SALT = """
UPDATE store.meta SET value = (SELECT value FROM other.meta WHERE key = 'hash_salt') WHERE key = 'hash_salt'
"""
# A dimension is looked up by one column.
_LOOKUPS = """
INSERT INTO store.lookups BY NAME
SELECT theirs.* FROM other.lookups AS theirs
ANTI JOIN store.lookups AS ours ON ours.field = theirs.field
    AND (ours.key_column <> theirs.key_column OR ours.key = theirs.key)
"""
_OTHER_LOOKUPS = """
SELECT count(*) FROM other.lookups AS theirs
ANTI JOIN store.lookups AS ours ON ours.field = theirs.field AND ours.key_column = theirs.key_column
    AND ours.key = theirs.key AND ours.value = theirs.value
"""
# A post that was pending may have been sent since.
_OLD_DELIVERIES = """
DELETE FROM store.deliveries WHERE (period, target, config, started_at) IN (
    SELECT (period, target, config, started_at) FROM other.deliveries)
"""
_DELIVERIES = "INSERT INTO store.deliveries BY NAME FROM other.deliveries"
_COUNT_LOADS = """
SELECT count(*) FILTER (state = 'new'), count(*) FILTER (state = 'grown'), count(*) FILTER (state = 'known')
FROM other_loads
"""


@dataclass(frozen=True, slots=True)
class Merged:
    """The result of merging one store: its loads by what was known of them; of the calls of new and grown loads how
    many were new, repeated or better than those stored; other steps and records of evidence that arrived."""

    new_loads: int
    grown_loads: int
    known_loads: int
    calls: int = 0
    new: int = 0
    repeated: int = 0
    replaced: int = 0
    spans: int = 0
    evidence: int = 0
    other_salt: bool = False
    """Its inputs are hashed with another secret: an input that two stores have is not recognised as the same."""
    other_lookups: int = 0
    """Entries of its lookups that are not taken over, because the store looks the same dimension up otherwise."""


def merge_store(store: Store, path: Path, prices: PriceFile | None = None) -> Merged:
    """Merge another store into this one, in one transaction.

    A busy one is waited for as long as this one. Raises InputError when there is none, UsageError when it is this one,
    StoreError when it stays busy, or is no store of this version. ``prices`` is the user's own price file, for calls
    that take their usage from a step of the other store.
    """
    with store.attach_other(path), _arriving(store), store.transaction():
        return _merge(store, prices)


@contextmanager
def _arriving(store: Store) -> Iterator[None]:
    """Define the relations of what arrives, before a transaction that may write to the store alone."""
    store.run("ATTACH ':memory:' AS scratch")
    try:
        define_merge_macros(store)
        store.run("SET VARIABLE file_ends = NULL::BIGINT[]")
        store.run("SET VARIABLE batch = 0::BIGINT")
        for statement in (EMPTY, _RELEASED, _NONE_SETTLED):
            store.run(statement)
        store.script(_ARRIVING)
        yield
    finally:
        store.run("DETACH scratch")


def _merge(store: Store, prices: PriceFile | None) -> Merged:
    compare_loads(store)
    fold_continued(store)
    is_same_salt, has_hashes = _settle_salt(store)
    found, spans, only_added = Contest(0, 0, 0, 0), 0, True
    reread = 0
    for batch in list_batches(store):
        one = _merge_batch(store, batch, prices)
        found, spans, reread = found + one.contest, spans + one.spans, reread + one.reread
        only_added = only_added and one.only_added
    evidence = merge_evidence(store)
    if only_added and not evidence:
        store.note_only_added()
    for statement in (_LOOKUPS, _OLD_DELIVERIES, _DELIVERIES):
        store.run(statement)
    combine_positions(store)
    keep_loads(store)
    new_loads, grown_loads, known_loads = store.one(_COUNT_LOADS)
    return Merged(
        new_loads, grown_loads, known_loads, found.arrived, found.first_seen - reread, found.repeated,
        found.replaced + reread, spans, evidence, has_hashes and not is_same_salt, store.one(_OTHER_LOOKUPS)[0],
    )  # fmt: skip


def _settle_salt(store: Store) -> tuple[bool, bool]:
    """Return whether both stores have one salt, and whether the other one has hashes. An empty store takes over its
    salt."""
    is_same, has_hashes = store.one(_SALTS)
    if not is_same and store.one(_IS_EMPTY)[0]:
        store.run(_TAKE_SALT)
        is_same = True
    return is_same, has_hashes


@dataclass(frozen=True, slots=True)
class _Arrived:
    """The result of a batch; ``reread`` counts calls that were deleted here since they came again."""

    contest: Contest
    spans: int
    reread: int
    only_added: bool


@dataclass(frozen=True, slots=True)
class _Traced:
    steps: int
    with_trace: int


def _merge_batch(store: Store, batch: Batch, prices: PriceFile | None) -> _Arrived:
    """Merge the calls and steps of one source, format and mapping, as those of a file are."""
    rules = discover().get(batch.format)
    set_variables(store, {"source": batch.source, "load_id": batch.since})
    store.run("SET VARIABLE batch = $batch", {"batch": batch.number})
    store.run(_RELEASED)
    returned = one_call.return_figures_of(store, "released_calls")
    store.run(_SETTLED if store.one(_HAS_KNOWN)[0] else _NONE_SETTLED)
    outdated = find_outdated(store, batch)
    is_reread = replace_loads(store, [load_id for load_id, _ in outdated], [one for one, same in outdated if same])
    steps, with_trace, spans, records = store.one(_TRACED)
    if batch.is_known and not records:
        return _Arrived(Contest(0, 0, 0, 0), 0, 0, only_added=True)
    reread = store.one(_REREAD)[0] if is_reread else 0
    keep_keys(store, batch)
    find_repeated(store)
    store.run(_OF_ATTEMPTS)
    contest = merge_stored(store, rules.id_names if rules else "attempt")
    store.run(_TALLY)
    chosen, forgotten = choose_keys(store, batch.source, batch.digest, batch.since)
    about = {"source": batch.source, "digest": batch.digest, "rank": chosen["route"]}
    recompute(
        store, _Traced(steps, with_trace), rules.nested_rule if rules else "same_model",
        route_by_ancestor=store.one(_ROUTE_KEY, about)[0] == "ancestor", is_forgotten=bool(forgotten),
        returned=returned, prices=prices,
    )  # fmt: skip
    only_added = not (is_reread or forgotten or contest.displaced or store.one(_ANY_STEPS)[0])
    record_loads(store, batch)
    return _Arrived(contest, spans, reread, only_added)
