"""What the choice of keys left empty in one staged file: paths of the user that no record has, and calls whose tenant,
route or deploy stands only under a key that another one was preferred to.

Asked inside the load's transaction, while the staged file is still there.
"""

from streamaudit.ingest.mapping import KEYED, Mapping
from streamaudit.ingest.merge import Forgotten
from streamaudit.store.store import Store

# What the user's paths filled. A keyed column says by rank 0 that it was they.
_FILLED = """
SELECT
    count(*), count(*) FILTER (tenant_rank = 0), count(*) FILTER (route_rank = 0), count(*) FILTER (deploy_rank = 0),
    count(*) FILTER (rendered_tokens_rank = 0), count(*) FILTER (delivered_tokens_rank = 0), count(cancel_flag),
    count(user_id), count(session_id), count(environment), count(service), count(region), count(transport), count(model)
FROM scratch.staged WHERE reason IS NULL AND kind <> 'other'
"""
_FILLED_COLUMNS = (
    "tenant", "route", "deploy", "rendered_tokens", "delivered_tokens", "cancelled", "user_id", "session_id",
    "environment", "service", "region", "transport", "model",
)  # fmt: skip

_PASSED_OVER = """
SELECT
    count(*) FILTER (tenant_rank > getvariable('rank_tenant')),
    count(*) FILTER (route_rank > getvariable('rank_route')),
    count(*) FILTER (deploy_rank > getvariable('rank_deploy')),
    count(*) FILTER (rendered_tokens_rank > getvariable('rank_rendered_tokens')),
    count(*) FILTER (delivered_tokens_rank > getvariable('rank_delivered_tokens'))
FROM scratch.staged WHERE reason IS NULL AND kind IN ('llm', 'embedding')
"""
_ORDER = ("tenant", "route", "deploy", "rendered_tokens", "delivered_tokens")
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


def unfilled(store: Store, mapping: Mapping) -> frozenset[str]:
    """The mapped columns for which no record of the staged file has the user's path."""
    if not mapping.paths:
        return frozenset()
    records, *counts = store.one(_FILLED)
    found = dict(zip(_FILLED_COLUMNS, counts, strict=True))
    return frozenset(column for column in mapping.paths if records and not found.get(column))


def left_empty(store: Store, forgotten: Forgotten) -> dict[str, int]:
    """By keyed column, the calls that have a value only under a key that is not the source's chosen one: those of the
    staged file, and those of earlier loads that were forgotten for the sake of a better key in this one."""
    passed_over = dict(zip(_ORDER, store.one(_PASSED_OVER), strict=True))
    counts: dict[str, int] = {}
    for column in KEYED:
        here = store.one(_LEFT_EMPTY.replace("COLUMN", column))[0] if passed_over[column] else 0
        loads, lost = forgotten.get(column, ([], 0))
        again = store.one(_VALUED.replace("COLUMN", column), {"loads": loads})[0] if lost else 0
        counts[column] = here + max(lost - again, 0)
    return {column: count for column, count in counts.items() if count}
