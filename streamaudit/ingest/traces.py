"""Decide what needs a whole trace: which of nested calls counts, the route by walking up, and the dimensions that an
enclosing step carries.

Recomputed for the touched traces inside the load's transaction, because parent and child may come in different files
and in any order.
"""

from typing import Protocol

from streamaudit.ingest import one_call
from streamaudit.ingest.inheritance import inherit
from streamaudit.ingest.responses import recompute_responses, touch_responses
from streamaudit.store.omitted_columns import add_omitted
from streamaudit.store.pricing.own_prices import PriceFile
from streamaudit.store.pricing.sellers import plain_model_sql
from streamaudit.store.store import Store

_TOUCHED = """
CREATE OR REPLACE TEMP TABLE touched_traces AS
SELECT trace_id FROM scratch.staged WHERE trace_id IS NOT NULL AND reason IS NULL
UNION
FROM earlier_traces
"""
# The same with those of loads whose keys were forgotten since a better one has appeared.
_TOUCHED_AND_FORGOTTEN = f"{_TOUCHED} UNION FROM forgotten_traces"

# The calls and steps of these traces that are stored, each with its row. The hashes of ids are compared first, since
# reading all ids of a large store takes ten times as long.
_FIND_CALLS = """
CREATE OR REPLACE TEMP TABLE trace_calls AS
WITH alike AS MATERIALIZED (
    SELECT
        rowid AS call_row, trace_id, call_id, list_has_any(inherited, $figures) AS has_taken,
        inherited IS NOT NULL OR coalesce(uncounted_reason = 'nested', false) AS is_judged
    FROM store.calls
    WHERE source = getvariable('source')
        AND rowid IN (SELECT rowid FROM store.calls WHERE trace_bits IN (SELECT bits_of(trace_id) FROM touched_traces))
)
FROM alike SEMI JOIN touched_traces USING (trace_id)
"""
_FIND_SPANS = """
CREATE OR REPLACE TEMP TABLE trace_spans AS
WITH alike AS MATERIALIZED (
    SELECT rowid AS span_row, trace_id, span_id FROM store.spans
    WHERE source = getvariable('source')
        AND rowid IN (SELECT rowid FROM store.spans WHERE trace_bits IN (SELECT bits_of(trace_id) FROM touched_traces))
)
FROM alike SEMI JOIN touched_traces USING (trace_id)
"""

# The first file of a source, with a trace a call: nothing can be shared, so skip the expensive query.
_STANDS_ALONE = """
SELECT NOT EXISTS (FROM store.loads WHERE source = getvariable('source'))
    AND (SELECT count(*) FROM touched_traces) = $traces
"""

_ANY_EARLIER = "SELECT EXISTS (FROM earlier_traces)"
_SHARES_TRACES = """
SELECT
    EXISTS (FROM trace_spans)
    OR EXISTS (SELECT trace_id FROM trace_calls GROUP BY trace_id HAVING count(*) > 1)
    -- By steps that were in its trace before.
    OR EXISTS (FROM trace_calls WHERE is_judged)
"""

_NO_NODES = "CREATE OR REPLACE TEMP TABLE trace_steps (response_id VARCHAR)"

_NODES = """
CREATE OR REPLACE TEMP TABLE trace_steps AS
SELECT
    calls.rowid AS call_row, trace_id, call_id AS node_id, parent_id, true AS is_call, name, model, operation,
    start_time, end_time, input_tokens, output_tokens, cost_usd IS NULL AS is_unpriced, response_id,
    server_ttft_ms IS NOT NULL AND ttft_ms IS NULL AS is_engine,
    {model} AS plain_model, coalesce({response}, plain_model) AS plain_response,
    CASE WHEN NOT list_contains(inherited, 'route') OR inherited IS NULL THEN route END AS route,
    CASE WHEN NOT list_contains(inherited, 'tenant') OR inherited IS NULL THEN tenant END AS tenant,
    CASE WHEN NOT list_contains(inherited, 'user_id') OR inherited IS NULL THEN user_id END AS user_id,
    CASE WHEN NOT list_contains(inherited, 'session_id') OR inherited IS NULL THEN session_id END AS session_id,
    CASE WHEN NOT list_contains(inherited, 'deploy') OR inherited IS NULL THEN deploy END AS deploy,
    CASE WHEN NOT list_contains(inherited, 'environment') OR inherited IS NULL THEN environment END AS environment,
    CASE WHEN NOT list_contains(inherited, 'service') OR inherited IS NULL THEN service END AS service,
    CASE WHEN NOT list_contains(inherited, 'transport') OR inherited IS NULL THEN transport END AS transport
FROM store.calls AS calls SEMI JOIN trace_calls ON trace_calls.call_row = calls.rowid
UNION ALL
SELECT
    NULL, trace_id, span_id, parent_id, false, name, NULL, kind, start_time, end_time, NULL, NULL, false, NULL,
    false, NULL, NULL,
    route, tenant, user_id, session_id, deploy, environment, service, transport
FROM store.spans AS spans SEMI JOIN trace_spans ON trace_spans.span_row = spans.rowid
-- An id that came as a step once and as a call later is one node, or walking up would double at every level.
ANTI JOIN (
    SELECT call_id AS span_id FROM store.calls
    WHERE source = getvariable('source')
        AND rowid IN (SELECT rowid FROM store.calls WHERE id_bits IN (SELECT bits_of(span_id) FROM trace_spans))
) AS also_calls USING (span_id)
""".replace("{model}", plain_model_sql("model")).replace("{response}", plain_model_sql("response_model"))

# Each call with every step above it; the depth bound ends a cycle of parents.
_ANCESTRY = """
CREATE OR REPLACE TEMP TABLE ancestry AS
WITH RECURSIVE up AS (
    SELECT trace_id, node_id AS call_id, parent_id AS above_id, 1 AS depth FROM trace_steps
    WHERE is_call AND parent_id IS NOT NULL AND parent_id <> node_id
    UNION ALL
    SELECT up.trace_id, up.call_id, trace_steps.parent_id, up.depth + 1
    FROM up JOIN trace_steps ON trace_steps.trace_id = up.trace_id AND trace_steps.node_id = up.above_id
    WHERE trace_steps.parent_id IS NOT NULL AND trace_steps.parent_id <> up.call_id AND up.depth < 64
)
SELECT up.call_id, up.depth, trace_steps.*
FROM up JOIN trace_steps ON trace_steps.trace_id = up.trace_id AND trace_steps.node_id = up.above_id
"""

# Pairs of nested LLM steps. What a model asked of another through a tool is no repeat of the step that called the tool,
# nor is a longer answer than its own.
# A step without the name of a model may be any call; one of a model's own server is inside its client's call.
# A gateway's name for a group of models is not the name of the one that answered.
_SAME_MODEL = """above.plain_model IN (inner_call.plain_model, inner_call.plain_response)
        OR above.plain_response IN (inner_call.plain_model, inner_call.plain_response)"""
_INSIDE = """
CREATE OR REPLACE TEMP TABLE inside AS
WITH tools AS (
    SELECT call_id, min(depth) AS depth FROM ancestry
    WHERE NOT is_call AND lower(operation) IN ('tool', 'execute_tool') GROUP BY call_id
)
SELECT
    above.node_id AS outer_id, above.output_tokens AS outer_tokens, inner_call.node_id AS inner_id,
    inner_call.output_tokens AS inner_tokens, above.input_tokens AS outer_input, inner_call.input_tokens AS inner_input,
    above.is_unpriced OR inner_call.is_unpriced AS is_unpriced, above.depth,
    above.operation IS NOT DISTINCT FROM 'invoke_agent' AS is_agent,
    NOT is_agent AND coalesce(tools.depth < above.depth, false) AND (NOT coalesce({same_model}, false)
        OR coalesce(above.output_tokens < inner_call.output_tokens, false)) AS through_tool,
    coalesce({same_model}, true) AS same_model,
    coalesce(above.start_time <= inner_call.end_time AND inner_call.start_time <= above.end_time, true) AS at_once,
    NOT above.is_engine AND (
        inner_call.is_engine
        OR coalesce(above.response_id = inner_call.response_id AND above.service <> inner_call.service, false)
    ) AS is_served
FROM ancestry AS above
JOIN trace_steps AS inner_call ON inner_call.trace_id = above.trace_id AND inner_call.node_id = above.call_id
LEFT JOIN tools ON tools.call_id = above.call_id
WHERE above.is_call AND above.operation <> 'embedding' AND inner_call.operation <> 'embedding'
""".replace("{same_model}", _SAME_MODEL)

# An outer LLM step is the same call as the nested ones when it repeats them: the deepest are counted. What it repeats
# is the usage of the innermost steps that have any, since those between repeat it too. Where usage is unknown on one
# side, model and times decide instead of the sums, so that broken calls are counted as working ones are. The step of
# an agent never counts next to the calls in it: its usage may be the last call's, or a session's.
_NESTED = """
CREATE OR REPLACE TEMP TABLE repeating_calls AS
WITH judged AS (
    SELECT
        outer_id,
        any_value(outer_tokens) AS outer_tokens,
        sum(inner_tokens) FILTER (is_leaf) AS inner_tokens,
        bool_or(is_unpriced) AND any_value(outer_input) = sum(inner_input) FILTER (is_leaf) AS same_input,
        bool_or(same_model AND at_once) AS same_model,
        bool_or(at_once) AS at_once, bool_or(is_agent) AS is_agent
    FROM (
        SELECT *, inner_id NOT IN (SELECT outer_id FROM inside WHERE inner_tokens IS NOT NULL AND NOT is_served)
            AS is_leaf
        FROM inside WHERE NOT is_served AND NOT through_tool
    )
    GROUP BY outer_id
)
SELECT outer_id AS call_id
FROM judged
WHERE CASE
    WHEN is_agent THEN true
    -- A name without a price may be that of a deployment: then its tokens are those of the model that answered.
    WHEN $nested_rule = 'same_model'
        THEN same_model OR coalesce(at_once AND same_input AND outer_tokens > 0 AND outer_tokens = inner_tokens, false)
    WHEN outer_tokens IS NULL THEN at_once
    WHEN inner_tokens IS NULL THEN same_model
    ELSE outer_tokens >= inner_tokens
END
UNION
-- An engine's own record of the request is inside its client's, which knows when the first token arrived.
SELECT inner_id FROM inside WHERE is_served
"""

_DEEPEST_ONLY = """
UPDATE store.calls AS calls
SET counted = NOT outer_call, uncounted_reason = CASE WHEN outer_call THEN 'nested' END
FROM (
    SELECT call_row, node_id IN (SELECT call_id FROM repeating_calls) AS outer_call FROM trace_steps WHERE is_call
) AS seen
WHERE calls.rowid = seen.call_row
    AND outer_call <> (calls.uncounted_reason IS NOT DISTINCT FROM 'nested')
"""


class Traced(Protocol):
    """Numbers of staged records that are steps, and that have a trace, as in ``Stock``."""

    @property
    def steps(self) -> int: ...  # noqa: D102
    @property
    def with_trace(self) -> int: ...  # noqa: D102


def recompute(
    store: Store, stock: Traced, nested_rule: str, *, route_by_ancestor: bool, is_forgotten: bool = False,
    returned: int = 0, prices: PriceFile | None = None,
) -> None:  # fmt: skip
    """Bring the traces and responses of the staged file up to date; a no-op for sources without steps.

    ``is_forgotten`` is whether the traces of calls whose keys were forgotten are concerned too, ``returned`` the number
    of arriving calls that have given back figures of other steps. ``prices`` is the user's own price file, for calls
    that take their usage from another step.
    """
    if _shares_traces(store, stock, is_forgotten=is_forgotten):
        _recompute_traces(store, nested_rule, route_by_ancestor, returned, prices)
    else:
        store.run(_NO_NODES)
        if route_by_ancestor:
            store.run("UPDATE store.calls SET route = name WHERE load_id >= getvariable('load_id')")
    touch_responses(store)
    recompute_responses(store)


def _shares_traces(store: Store, stock: Traced, *, is_forgotten: bool) -> bool:
    """Find the touched traces; return whether one of them may have several steps."""
    store.run(_TOUCHED_AND_FORGOTTEN if is_forgotten else _TOUCHED)
    if stock.steps or is_forgotten:
        return True
    has_none = not stock.with_trace and not store.one(_ANY_EARLIER)[0]
    if has_none or store.one(_STANDS_ALONE, {"traces": stock.with_trace})[0]:
        return False
    _find_calls(store)
    store.run(_FIND_SPANS)
    return bool(store.one(_SHARES_TRACES)[0])


def recompute_remaining(
    store: Store, source: str, nested_rule: str, route_by_ancestor: bool, prices: PriceFile | None = None
) -> None:
    """Bring up to date the rest of the traces in ``removed_traces`` (source, trace_id)."""
    store.run("SET VARIABLE source = $source", {"source": source})
    store.run(_REMAINING)
    _recompute_traces(store, nested_rule, route_by_ancestor, 0, prices)
    store.run("INSERT INTO touched_responses SELECT response_id FROM trace_steps WHERE response_id IS NOT NULL")


_REMAINING = """
CREATE OR REPLACE TEMP TABLE touched_traces AS
SELECT DISTINCT trace_id FROM removed_traces WHERE trace_id IS NOT NULL AND source = getvariable('source')
"""


def _recompute_traces(
    store: Store, nested_rule: str, route_by_ancestor: bool, returned: int, prices: PriceFile | None
) -> None:
    add_omitted(store)
    _find_calls(store)
    now_returned = 0
    if store.one("SELECT EXISTS (FROM trace_calls WHERE has_taken)")[0]:
        now_returned = one_call.return_figures(store, "trace_calls")
        _find_calls(store)
    store.run(_FIND_SPANS)
    store.run(_NODES)
    store.run(_ANCESTRY)
    store.run(_INSIDE)
    store.run(_NESTED, {"nested_rule": nested_rule})
    store.run(_DEEPEST_ONLY)
    inherit(store, route_by_ancestor=route_by_ancestor)
    one_call.share_figures(store, returned + now_returned, _find_calls, prices)


def _find_calls(store: Store) -> None:
    store.run(_FIND_CALLS, {"figures": one_call.FIGURES})
