"""Choose which candidate key fills each keyed column of a source, and forget values that a worse key had filled.

Runs inside a load's transaction, while the staged file is still there.
"""

from typing import Any

from streamaudit.ingest.mapping import KEYED
from streamaudit.store.store import Store

# The best rank that occurs in the source, and the best one before this load.
_RANKS = """
SELECT field, min(rank), min(rank) FILTER (load_id < getvariable('load_id'))
FROM store.load_keys WHERE source = $source AND digest = $digest GROUP BY field
"""

# A load that was read in parts has a rank of each part.
_WORSE_LOADS = """
SELECT list(load_id) FROM (
    SELECT load_id FROM store.load_keys WHERE source = $source AND digest = $digest AND field = $field
    GROUP BY load_id HAVING min(rank) > $rank AND load_id >= $since
)
"""

_RECORD_KEYS = """
INSERT INTO store.load_keys
SELECT k.load_id, k.source, k.digest, k.field, k.rank, k.key
FROM (SELECT unnest($rows::STRUCT(load_id BIGINT, source VARCHAR, digest VARCHAR, field VARCHAR, rank INTEGER,
    key VARCHAR)[]) AS k)
"""

# A better key has appeared in the source: calls filled from a worse one are unknown under it.
_FORGET = {
    "tenant": "UPDATE store.calls SET tenant = NULL WHERE list_contains($loads, load_id) AND tenant IS NOT NULL",
    "route": "UPDATE store.calls SET route = NULL WHERE list_contains($loads, load_id) AND route IS NOT NULL",
    "deploy": "UPDATE store.calls SET deploy = NULL WHERE list_contains($loads, load_id) AND deploy IS NOT NULL",
    "rendered_tokens": "UPDATE store.calls SET rendered_tokens = NULL, rendered_basis = NULL "
    "WHERE list_contains($loads, load_id) AND rendered_tokens IS NOT NULL",
    "delivered_tokens": "UPDATE store.calls SET delivered_tokens = NULL "
    "WHERE list_contains($loads, load_id) AND delivered_tokens IS NOT NULL",
}

_FORGET_SPANS = {
    "tenant": "UPDATE store.spans SET tenant = NULL WHERE list_contains($loads, load_id)",
    "route": "UPDATE store.spans SET route = NULL WHERE list_contains($loads, load_id)",
    "deploy": "UPDATE store.spans SET deploy = NULL WHERE list_contains($loads, load_id)",
}

# Their traces may have lent what was forgotten to calls of other loads.
_FORGOTTEN_TRACES = """
CREATE OR REPLACE TEMP TABLE forgotten_traces AS
SELECT DISTINCT trace_id FROM (
    SELECT trace_id, load_id FROM store.calls UNION ALL SELECT trace_id, load_id FROM store.spans
)
WHERE trace_id IS NOT NULL AND list_contains($loads, load_id)
"""

# A call that got its value from an enclosing step after all has lost nothing.
_LEFT_EMPTY = """
SELECT count(*) FROM store.calls
SEMI JOIN (
    SELECT call_id FROM scratch.staged
    WHERE reason IS NULL AND kind IN ('llm', 'embedding') AND COLUMN_rank > getvariable('rank_COLUMN')
) AS other USING (call_id)
WHERE source = getvariable('source') AND load_id = getvariable('load_id') AND COLUMN IS NULL
"""
_VALUED = "SELECT count(COLUMN) FROM store.calls WHERE list_contains($loads, load_id)"

Forgotten = dict[str, tuple[list[int], int]]
"""By column the loads whose values were forgotten, and how many calls had one."""


def record_keys(store: Store, rows: list[dict[str, Any]]) -> None:
    """Record which candidate keys loads have: load, source, digest, column, rank and the key's name of each."""
    if rows:
        store.run(_RECORD_KEYS, {"rows": rows})


def choose_keys(
    store: Store, source: str, digest: str, since: int | None = None
) -> tuple[dict[str, int | None], Forgotten]:
    """Return the key that fills each column of the source, this load included. Forgets the values that a worse key had
    filled, and returns them as well. Loads from ``since`` on are in the store already, and may have a worse key."""
    about = {"source": source, "digest": digest}
    ranks = {field: (best, before) for field, best, before in store.query(_RANKS, about)}
    chosen: dict[str, int | None] = {column: ranks.get(column, (None, None))[0] for column in KEYED}
    lost: Forgotten = {}
    forgotten: set[int] = set()
    for column in KEYED:
        best, before = ranks.get(column, (None, None))
        is_better = best is not None and before is not None and best < before
        of_loads = 0 if is_better else since
        worse = None
        if best is not None and of_loads is not None:
            asked = {**about, "field": column, "rank": best, "since": of_loads}
            worse = store.one(_WORSE_LOADS, asked)[0]
        if worse:
            forgotten.update(worse)
            lost[column] = (worse, store.run(_FORGET[column], {"loads": worse}))
            if column in _FORGET_SPANS:
                store.run(_FORGET_SPANS[column], {"loads": worse})
    if forgotten:
        store.run(_FORGOTTEN_TRACES, {"loads": sorted(forgotten)})
    return chosen, lost


def count_left_empty(
    store: Store, worst: dict[str, int | None], chosen: dict[str, int | None], forgotten: Forgotten
) -> dict[str, int]:
    """Count, by keyed column, the calls that have a value only under a key that is not the source's chosen one: those
    of the staged file, of whose keys ``worst`` has the worst ranks, and those of earlier loads that were forgotten in
    favour of a better key in this one."""
    counts: dict[str, int] = {}
    for column in KEYED:
        best, last = chosen[column], worst[column]
        is_passed_over = best is not None and last is not None and last > best
        here = store.one(_LEFT_EMPTY.replace("COLUMN", column))[0] if is_passed_over else 0
        loads, lost = forgotten.get(column, ([], 0))
        again = store.one(_VALUED.replace("COLUMN", column), {"loads": loads})[0] if lost else 0
        counts[column] = here + max(lost - again, 0)
    return {column: count for column, count in counts.items() if count}
