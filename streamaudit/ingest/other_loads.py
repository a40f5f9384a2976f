"""Compare the loads of another store with those of this one: which are new here, which have grown since they were
merged, which are known.

The table ``other_loads`` has a row for each load of the other store: ``of_load`` is its number there, ``state`` new,
grown or known, ``load_id`` the number that what arrives gets, ``into_id`` the number of the load here that it belongs
to, NULL for a new one, and ``batch`` the number of its source, format and mapping. Where loads were merged to is kept
in ``meta``, in a row for each store.
"""

import json
from dataclasses import dataclass

from streamaudit.ingest.incremental import fold
from streamaudit.store.store import Store

_KEY = "merged "
# A store of an earlier version has no id; its salt was made at random.
_STORE_ID = """
SELECT coalesce(
    max(value) FILTER (key = 'store_id'), sha256('store' || max(value) FILTER (key = 'hash_salt'))[:16]
) FROM other.meta
"""
_READ = "SELECT value FROM store.meta WHERE key = $key"
_FORGET = "DELETE FROM store.meta WHERE key = $key"
_KEEP = "INSERT INTO store.meta VALUES ($key, $value)"
_NOW = "SELECT of_load, coalesce(into_id, load_id), epoch_us(loaded_at) FROM other_loads ORDER BY of_load"

EMPTY = """
CREATE OR REPLACE TEMP TABLE other_loads (
    of_load BIGINT, source VARCHAR, path VARCHAR, fingerprint VARCHAR, format VARCHAR, digest VARCHAR,
    loaded_at TIMESTAMP, content_before VARCHAR, into_id BIGINT, state VARCHAR, batch BIGINT, load_id BIGINT
)
"""
# A load is known by the number it had when it was merged. The same file may also have been read by another store: then
# it is one load, as in one store the second reading would have been left out. Of a log that two stores have read, each
# as far as it reached then, the later reading has all of the earlier one.
_COMPARE = """
CREATE OR REPLACE TEMP TABLE merged_before AS
SELECT k.* FROM (
    SELECT unnest($known::STRUCT(of_load BIGINT, load_id BIGINT, loaded_us BIGINT)[]) AS k
);
"""
_CLASSIFY = """
INSERT INTO other_loads
WITH compared AS (
    SELECT
        theirs.*,
        ours.load_id AS own_id,
        epoch_us(theirs.loaded_at) <> before.loaded_us AS has_grown,
        (
            SELECT min(twin.load_id) FROM store.loads AS twin
            WHERE twin.source = theirs.source AND twin.path = theirs.path AND twin.digest = theirs.digest
                AND twin.fingerprint = theirs.fingerprint AND twin.path <> '-'
                AND twin.load_id NOT IN (SELECT load_id FROM merged_before)
        ) AS twin_id,
        (
            SELECT min(later.load_id) FROM store.loads AS later
            WHERE later.format = 'evidence' AND theirs.format = 'evidence' AND later.source = theirs.source
                AND later.content_before = theirs.content_before AND later.loaded_at > theirs.loaded_at
        ) AS later_id
    FROM other.loads AS theirs
    LEFT JOIN merged_before AS before ON before.of_load = theirs.load_id
    LEFT JOIN store.loads AS ours ON ours.load_id = before.load_id
        AND ours.source = theirs.source AND ours.digest = theirs.digest
        AND (ours.path = theirs.path OR theirs.end_byte IS NOT NULL)
), judged AS (
    SELECT
        *, coalesce(own_id, twin_id, later_id) AS into_id,
        CASE WHEN own_id IS NOT NULL AND has_grown THEN 'grown' WHEN into_id IS NULL THEN 'new' ELSE 'known' END
            AS state,
        min(load_id) OVER (PARTITION BY source, format, digest) AS beginning
    FROM compared
), batched AS (
    SELECT *, dense_rank() OVER (ORDER BY beginning) AS batch FROM judged
)
SELECT
    load_id AS of_load, source, path, fingerprint, format, digest, loaded_at, content_before, into_id, state, batch,
    CASE WHEN state = 'known' THEN into_id
        ELSE (SELECT coalesce(max(load_id), 0) FROM store.loads)
            + row_number() OVER (PARTITION BY state = 'known' ORDER BY batch, load_id)
    END AS load_id
FROM batched
"""

# The other store has continued a file in several loads, and has since made one of them.
_FOLDED = """
SELECT ours.continues, ours.load_id
FROM store.loads AS ours SEMI JOIN merged_before AS before ON before.load_id = ours.load_id
WHERE ours.load_id NOT IN (SELECT into_id FROM other_loads WHERE into_id IS NOT NULL)
    AND ours.continues IN (SELECT into_id FROM other_loads WHERE state = 'grown')
ORDER BY ours.load_id
"""
# The other store has read a file once more under another mapping.
_OUTDATED = """
SELECT DISTINCT ours.load_id, bool_or(ours.fingerprint = theirs.fingerprint)
FROM store.loads AS ours
SEMI JOIN merged_before AS before ON before.load_id = ours.load_id
JOIN other_loads AS theirs ON theirs.source = ours.source AND theirs.path = ours.path AND theirs.digest <> ours.digest
    AND theirs.loaded_at > ours.loaded_at
WHERE theirs.batch = $batch AND theirs.state = 'new' AND theirs.path <> '-'
GROUP BY ALL ORDER BY ALL
"""
# Evidence of the same file, read earlier: what it contributed is replaced.
_REPLACED_EVIDENCE = """
SELECT DISTINCT ours.load_id
FROM store.loads AS ours
JOIN other_loads AS theirs ON theirs.source = ours.source AND theirs.state = 'new' AND theirs.format = 'evidence'
WHERE ours.format = 'evidence' AND (
    ours.content_before = theirs.content_before
    OR (ours.content_before IS NULL AND theirs.content_before IS NULL AND ours.path = theirs.path
        AND ours.load_id IN (SELECT load_id FROM merged_before)
        AND ours.load_id NOT IN (SELECT into_id FROM other_loads WHERE into_id IS NOT NULL))
)
"""
_KEEP_EVIDENCE = """
INSERT INTO store.evidence BY NAME
SELECT theirs.* REPLACE (loads.load_id AS load_id)
FROM other.evidence AS theirs JOIN other_loads AS loads ON loads.of_load = theirs.load_id
WHERE loads.state = 'new'
"""

# A call of a load that is here already counts there as first seen, or as better than another record of the load.
_RECORD_NEW = """
INSERT INTO store.loads BY NAME
WITH counted AS (
    SELECT
        theirs.*, loads.load_id AS own_id, coalesce(lost, 0) AS lost, coalesce(won, 0) AS won,
        theirs.new_calls + theirs.repeated_calls + theirs.replaced_calls AS total,
        greatest(theirs.new_calls - coalesce(lost, 0) - coalesce(won, 0), 0) AS new,
        greatest(coalesce(lost, 0) + coalesce(won, 0) - theirs.new_calls, 0) AS more
    FROM other.loads AS theirs JOIN other_loads AS loads ON loads.of_load = theirs.load_id
    LEFT JOIN merged_tally AS tally ON tally.load_id = loads.load_id
    WHERE loads.batch = $batch AND loads.state = 'new'
)
SELECT
    * EXCLUDE (own_id, lost, won, total, new, more) REPLACE (
        own_id AS load_id, new AS new_calls,
        greatest(least(replaced_calls + won - more, total - new), 0) AS replaced_calls,
        total - new - greatest(least(replaced_calls + won - more, total - new), 0) AS repeated_calls,
        CASE WHEN continues IS NOT NULL THEN
            -- Of a load that is gone there is none to be continued, and no load has the number 0.
            coalesce((SELECT coalesce(first.into_id, first.load_id) FROM other_loads AS first
                WHERE first.of_load = continues), 0) END AS continues
    )
FROM counted
"""
_RECORD_GROWN = """
UPDATE store.loads AS ours SET
    path = theirs.path, fingerprint = theirs.fingerprint, variant = theirs.variant, loaded_at = theirs.loaded_at,
    tool_version = theirs.tool_version, read_records = theirs.read_records,
    rejected_records = theirs.rejected_records, not_calls = theirs.not_calls,
    new_calls = ours.new_calls + first, replaced_calls = ours.replaced_calls + won,
    repeated_calls = greatest(theirs.new_calls + theirs.repeated_calls + theirs.replaced_calls
        - ours.new_calls - first - ours.replaced_calls - won, 0),
    sample_rate = theirs.sample_rate, end_byte = theirs.end_byte, end_line = theirs.end_line,
    end_record = theirs.end_record, content_before = theirs.content_before
FROM (
    SELECT theirs.*, loads.into_id, coalesce(tally.first, 0) AS first, coalesce(tally.won, 0) AS won
    FROM other.loads AS theirs JOIN other_loads AS loads ON loads.of_load = theirs.load_id
    LEFT JOIN merged_tally AS tally ON tally.load_id = loads.load_id
    WHERE loads.batch = $batch AND loads.state = 'grown'
) AS theirs
WHERE ours.load_id = theirs.into_id
"""
_OLD_REJECTS = """
DELETE FROM store.rejects
WHERE load_id IN (SELECT into_id FROM other_loads WHERE batch = $batch AND state = 'grown')
"""
_KEEP_REJECTS = """
INSERT INTO store.rejects BY NAME
SELECT theirs.* REPLACE (loads.load_id AS load_id)
FROM other.rejects AS theirs JOIN other_loads AS loads ON loads.of_load = theirs.load_id
WHERE loads.batch = $batch AND loads.state <> 'known'
"""
_KEEP_KEYS = """
INSERT INTO store.load_keys BY NAME
SELECT theirs.* REPLACE (loads.load_id AS load_id)
FROM other.load_keys AS theirs JOIN other_loads AS loads ON loads.of_load = theirs.load_id
WHERE loads.batch = $batch AND loads.state <> 'known'
"""
_GROWN = "SELECT into_id, load_id FROM other_loads WHERE batch = $batch AND state = 'grown' ORDER BY load_id"


@dataclass(frozen=True, slots=True)
class Batch:
    """Loads of one source, format and mapping; ``since`` is the lowest number of those that are new or have grown,
    above every load here."""

    number: int
    source: str
    format: str
    digest: str
    since: int
    is_known: bool
    """No load is new or has grown."""


_BATCHES = """
SELECT
    batch, source, format, digest,
    coalesce(min(load_id) FILTER (state <> 'known'), (SELECT max(load_id) + 1 FROM store.loads)),
    bool_and(state = 'known')
FROM other_loads WHERE format <> 'evidence' GROUP BY ALL ORDER BY batch
"""


def compare_loads(store: Store) -> None:
    """Fill the table ``other_loads``, and bring loads up to date that the other store has made one of."""
    found = store.query(_READ, {"key": _key(store)})
    known = json.loads(found[0][0]) if found else []
    store.run(_COMPARE, {"known": [dict(zip(("of_load", "load_id", "loaded_us"), one, strict=True)) for one in known]})
    store.run("DELETE FROM other_loads")
    store.run(_CLASSIFY)


def fold_continued(store: Store) -> None:
    """Make one load of those that the other store has made one of since they were merged."""
    for first, last in store.query(_FOLDED):
        fold(store, first, last)


def keep_loads(store: Store) -> None:
    """Keep where the loads of the other store were merged to."""
    key, now = _key(store), store.query(_NOW)
    store.run(_FORGET, {"key": key})
    store.run(_KEEP, {"key": key, "value": json.dumps(now, separators=(",", ":"))})


def list_batches(store: Store) -> list[Batch]:
    """Return the loads of calls by what they have in common, in the order in which they were read."""
    return [Batch(*row) for row in store.query(_BATCHES)]


def find_outdated(store: Store, batch: Batch) -> list[tuple[int, bool]]:
    """Return the loads here of files that the batch brings again under another mapping, and whether they have the very
    same content."""
    return [(load_id, same) for load_id, same in store.query(_OUTDATED, {"batch": batch.number})]


def keep_keys(store: Store, batch: Batch) -> None:
    """Record which candidate keys the arriving loads have."""
    store.run(_KEEP_KEYS, {"batch": batch.number})


def record_loads(store: Store, batch: Batch) -> None:
    """Record the arriving loads with their rejects, after their calls; ``merged_tally`` counts by load what became of
    these. What has arrived of a load that has grown joins the load that is here."""
    about = {"batch": batch.number}
    for statement in (_RECORD_NEW, _RECORD_GROWN, _OLD_REJECTS, _KEEP_REJECTS):
        store.run(statement, about)
    for first, last in store.query(_GROWN, about):
        fold(store, first, last, counted=True)


def merge_evidence(store: Store) -> int:
    """Take over the evidence of the other store, instead of what the same files held before, and return how many
    records."""
    for (load_id,) in store.query(_REPLACED_EVIDENCE):
        store.run("DELETE FROM store.evidence WHERE load_id = $id", {"id": load_id})
        store.run("DELETE FROM store.loads WHERE load_id = $id", {"id": load_id})
    kept = store.run(_KEEP_EVIDENCE)
    store.run(_NO_TALLY)
    for (batch,) in store.query("SELECT DISTINCT batch FROM other_loads WHERE format = 'evidence' ORDER BY batch"):
        store.run(_RECORD_NEW, {"batch": batch})
    return kept


_NO_TALLY = "CREATE OR REPLACE TEMP TABLE merged_tally (load_id BIGINT, lost BIGINT, won BIGINT, first BIGINT)"


def _key(store: Store) -> str:
    return _KEY + str(store.one(_STORE_ID)[0])
