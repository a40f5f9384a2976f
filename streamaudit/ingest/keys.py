"""Choose which candidate key fills each keyed column of a source, and forget values that a worse key had filled.

Runs inside a load's transaction, while the staged file is still there.
"""

from streamaudit.ingest.mapping import KEYED
from streamaudit.store.store import Store

# Ranks are in the order of KEYED.
_BEST_RANKS = """
SELECT min(tenant_rank), min(route_rank), min(deploy_rank), min(rendered_tokens_rank), min(delivered_tokens_rank)
FROM scratch.staged WHERE reason IS NULL AND kind <> 'other'
"""

_CHOSEN_RANK = """
SELECT min(rank) FROM store.load_keys WHERE source = $source AND digest = $digest AND field = $field
"""

_WORSE_LOADS = """
SELECT list(load_id) FROM store.load_keys
WHERE source = $source AND digest = $digest AND field = $field AND rank > $rank
    AND $rank < (
        SELECT min(rank) FROM store.load_keys
        WHERE source = $source AND digest = $digest AND field = $field AND load_id <> getvariable('load_id')
    )
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

_NO_FORGOTTEN_TRACES = "CREATE OR REPLACE TEMP TABLE forgotten_traces (trace_id VARCHAR)"

_PASSED_OVER = """
SELECT
    count(*) FILTER (tenant_rank > getvariable('rank_tenant')),
    count(*) FILTER (route_rank > getvariable('rank_route')),
    count(*) FILTER (deploy_rank > getvariable('rank_deploy')),
    count(*) FILTER (rendered_tokens_rank > getvariable('rank_rendered_tokens')),
    count(*) FILTER (delivered_tokens_rank > getvariable('rank_delivered_tokens'))
FROM scratch.staged WHERE reason IS NULL AND kind IN ('llm', 'embedding')
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


def find_best_ranks(store: Store) -> dict[str, int | None]:
    """Return, per keyed column, the rank of the best candidate key that occurs in the staged file; None when none
    does."""
    return dict(zip(KEYED, store.one(_BEST_RANKS), strict=True))


def choose_keys(store: Store, source: str, digest: str) -> tuple[dict[str, int | None], Forgotten]:
    """Return the key that fills each column of the source, this load included. Forgets the values that a worse key had
    filled, and returns them as well."""
    chosen: dict[str, int | None] = {}
    lost: Forgotten = {}
    forgotten: set[int] = set()
    for column in KEYED:
        about = {"source": source, "digest": digest, "field": column}
        chosen[column] = store.one(_CHOSEN_RANK, about)[0]
        worse = store.one(_WORSE_LOADS, {**about, "rank": chosen[column]})[0]
        if worse:
            forgotten.update(worse)
            lost[column] = (worse, store.run(_FORGET[column], {"loads": worse}))
            if column in _FORGET_SPANS:
                store.run(_FORGET_SPANS[column], {"loads": worse})
    if forgotten:
        store.run(_FORGOTTEN_TRACES, {"loads": sorted(forgotten)})
    else:
        store.run(_NO_FORGOTTEN_TRACES)
    return chosen, lost


def count_left_empty(store: Store, forgotten: Forgotten) -> dict[str, int]:
    """Count, by keyed column, the calls that have a value only under a key that is not the source's chosen one: those
    of the staged file, and those of earlier loads that were forgotten in favour of a better key in this one."""
    passed_over = dict(zip(KEYED, store.one(_PASSED_OVER), strict=True))
    counts: dict[str, int] = {}
    for column in KEYED:
        here = store.one(_LEFT_EMPTY.replace("COLUMN", column))[0] if passed_over[column] else 0
        loads, lost = forgotten.get(column, ([], 0))
        again = store.one(_VALUED.replace("COLUMN", column), {"loads": loads})[0] if lost else 0
        counts[column] = here + max(lost - again, 0)
    return {column: count for column, count in counts.items() if count}
