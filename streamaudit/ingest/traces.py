"""Decide what needs a whole trace: which of nested calls counts, the route by walking up, and the dimensions that an
enclosing step carries.

Recomputed for the touched traces inside the load's transaction, because parent and child may come in different files
and in any order.
"""

from typing import Protocol

from streamaudit.ingest import one_call
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
    start_time, end_time, output_tokens, response_id, server_ttft_ms IS NOT NULL AND ttft_ms IS NULL AS is_engine,
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
    NULL, trace_id, span_id, parent_id, false, name, NULL, kind, start_time, end_time, NULL, NULL, false, NULL, NULL,
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
    inner_call.output_tokens AS inner_tokens, above.depth,
    coalesce(tools.depth < above.depth, false) AND (NOT coalesce({same_model}, false)
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
# side, model and times decide instead of the sums, so that broken calls are counted as working ones are.
_NESTED = """
CREATE OR REPLACE TEMP TABLE repeating_calls AS
WITH judged AS (
    SELECT
        outer_id,
        any_value(outer_tokens) AS outer_tokens,
        sum(inner_tokens) FILTER (is_leaf) AS inner_tokens,
        bool_or(same_model AND at_once) AS same_model,
        bool_or(at_once) AS at_once
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
    WHEN $nested_rule = 'same_model' THEN same_model
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

# The nearest enclosing step that has a value gives it; else the whole trace, when all its steps that have one agree.
_INHERIT = """
CREATE OR REPLACE TEMP TABLE inherited_values AS
WITH services AS (
    SELECT n.node_id AS call_id, n.trace_id, coalesce(n.service, above.service, agreed.service) AS service
    FROM trace_steps AS n
    LEFT JOIN (
        SELECT call_id, arg_min(service, depth) FILTER (service IS NOT NULL) AS service FROM ancestry GROUP BY call_id
    ) AS above ON above.call_id = n.node_id
    LEFT JOIN (
        SELECT trace_id, CASE WHEN count(DISTINCT service) = 1 THEN min(service) END AS service
        FROM trace_steps GROUP BY trace_id
    ) AS agreed ON agreed.trace_id = n.trace_id
    WHERE n.is_call
), deploys AS (
    -- The version of one service is not the version of another that it calls.
    SELECT services.call_id, CASE WHEN count(DISTINCT trace_steps.deploy) = 1 THEN min(trace_steps.deploy) END AS deploy
    FROM services
    JOIN trace_steps ON trace_steps.trace_id = services.trace_id AND trace_steps.deploy IS NOT NULL
        AND coalesce(trace_steps.service = services.service, true)
    GROUP BY services.call_id
), nearest AS (
    SELECT
        call_id,
        arg_min(route, depth) FILTER (route IS NOT NULL) AS route,
        arg_min(tenant, depth) FILTER (tenant IS NOT NULL) AS tenant,
        arg_min(user_id, depth) FILTER (user_id IS NOT NULL) AS user_id,
        arg_min(session_id, depth) FILTER (session_id IS NOT NULL) AS session_id,
        arg_min(deploy, depth) FILTER (
            deploy IS NOT NULL AND coalesce(ancestry.service = services.service, true)) AS deploy,
        arg_min(environment, depth) FILTER (environment IS NOT NULL) AS environment,
        any_value(services.service) AS service,
        arg_max(name, depth) FILTER (name IS NOT NULL) AS root_name
    FROM ancestry JOIN services USING (call_id) GROUP BY call_id
), whole_trace AS (
    SELECT
        trace_id,
        CASE WHEN count(DISTINCT route) = 1 THEN min(route) END AS route,
        CASE WHEN count(DISTINCT tenant) = 1 THEN min(tenant) END AS tenant,
        CASE WHEN count(DISTINCT user_id) = 1 THEN min(user_id) END AS user_id,
        CASE WHEN count(DISTINCT session_id) = 1 THEN min(session_id) END AS session_id,
        CASE WHEN count(DISTINCT environment) = 1 THEN min(environment) END AS environment,
        CASE WHEN count(DISTINCT service) = 1 THEN min(service) END AS service
    FROM trace_steps GROUP BY trace_id
), requests AS (
    -- The request that a call sent, in a step of its own inside the call, shows what carried it.
    SELECT parent_id AS call_id, CASE WHEN count(DISTINCT transport) = 1 THEN min(transport) END AS transport
    FROM trace_steps WHERE NOT is_call AND transport IS NOT NULL GROUP BY parent_id
), filled AS (
    SELECT
        n.call_row,
        coalesce(n.transport, r.transport) AS transport,
        CASE
            WHEN $route_by_ancestor THEN coalesce(a.root_name, n.name)
            ELSE coalesce(n.route, a.route, w.route)
        END AS route,
        coalesce(n.tenant, a.tenant, w.tenant) AS tenant,
        coalesce(n.user_id, a.user_id, w.user_id) AS user_id,
        coalesce(n.session_id, a.session_id, w.session_id) AS session_id,
        coalesce(n.deploy, a.deploy, d.deploy) AS deploy,
        coalesce(n.environment, a.environment, w.environment) AS environment,
        coalesce(n.service, a.service, w.service) AS service,
        nullif(list_filter([
            CASE WHEN NOT $route_by_ancestor AND n.route IS NULL AND coalesce(a.route, w.route) IS NOT NULL
                THEN 'route' END,
            CASE WHEN n.tenant IS NULL AND coalesce(a.tenant, w.tenant) IS NOT NULL THEN 'tenant' END,
            CASE WHEN n.user_id IS NULL AND coalesce(a.user_id, w.user_id) IS NOT NULL THEN 'user_id' END,
            CASE WHEN n.session_id IS NULL AND coalesce(a.session_id, w.session_id) IS NOT NULL THEN 'session_id' END,
            CASE WHEN n.deploy IS NULL AND coalesce(a.deploy, d.deploy) IS NOT NULL THEN 'deploy' END,
            CASE WHEN n.environment IS NULL AND coalesce(a.environment, w.environment) IS NOT NULL
                THEN 'environment' END,
            CASE WHEN n.service IS NULL AND coalesce(a.service, w.service) IS NOT NULL THEN 'service' END,
            CASE WHEN n.transport IS NULL AND r.transport IS NOT NULL THEN 'transport' END
        ], lambda x: x IS NOT NULL), []) AS inherited
    FROM trace_steps AS n
    LEFT JOIN nearest AS a ON a.call_id = n.node_id
    LEFT JOIN whole_trace AS w ON w.trace_id = n.trace_id
    LEFT JOIN deploys AS d ON d.call_id = n.node_id
    LEFT JOIN requests AS r ON r.call_id = n.node_id
    WHERE n.is_call
)
SELECT filled.* FROM filled JOIN store.calls AS calls
    ON calls.rowid = filled.call_row
WHERE (calls.route, calls.tenant, calls.user_id, calls.session_id, calls.deploy, calls.environment, calls.service,
        calls.transport, calls.inherited)
    IS DISTINCT FROM (filled.route, filled.tenant, filled.user_id, filled.session_id, filled.deploy,
        filled.environment, filled.service, filled.transport, filled.inherited)
"""

_FILL = """
UPDATE store.calls AS calls
SET route = i.route, tenant = i.tenant, user_id = i.user_id, session_id = i.session_id, deploy = i.deploy,
    environment = i.environment, service = i.service, transport = i.transport, inherited = i.inherited
FROM inherited_values AS i
WHERE calls.rowid = i.call_row
"""

# One response exported by two sources is one bill: the source with the better usage keeps it, whichever came first. So
# is one in two exports of a source, of which one knows the call by the response and one by an id of its own, as
# LiteLLM's spend log and its payloads do.
_SHARED_RESPONSES = """
CREATE OR REPLACE TEMP TABLE shared_responses AS
WITH alike AS MATERIALIZED (
    SELECT rowid AS call_row, response_id, usage_basis, output_tokens, uncounted_reason,
        struct_pack(source, is_own := coalesce(request_id, call_id) = response_id) AS export
    FROM store.calls
    WHERE rowid IN (
        SELECT rowid FROM store.calls WHERE response_bits IN (SELECT bits_of(response_id) FROM touched_responses))
), seen AS (
    FROM alike SEMI JOIN touched_responses USING (response_id)
    WHERE uncounted_reason IS DISTINCT FROM 'nested'
), kept AS (
    -- An id that one export gives to several calls is a placeholder and identifies nothing.
    SELECT
        response_id,
        CASE WHEN count(*) = count(DISTINCT export) THEN count(DISTINCT export) ELSE 1 END AS exports,
        first(export ORDER BY
            usage_rank(usage_basis) DESC,
            output_tokens DESC NULLS LAST, export
        ) AS export
    FROM seen GROUP BY response_id
)
SELECT seen.call_row, kept.exports = 1 OR seen.export = kept.export AS counted
FROM seen JOIN kept USING (response_id)
"""

_COUNT_ONCE = """
UPDATE store.calls AS calls
SET counted = shared.counted, uncounted_reason = CASE WHEN NOT shared.counted THEN 'same_response' END
FROM shared_responses AS shared
WHERE calls.rowid = shared.call_row AND calls.counted <> shared.counted
"""


# The responses of the file, of its traces, and of versions of calls that it put out of the store.
_TOUCHED_RESPONSES = """
CREATE OR REPLACE TEMP TABLE touched_responses AS
SELECT response_id FROM scratch.staged WHERE response_id IS NOT NULL AND reason IS NULL
UNION
SELECT response_id FROM trace_steps WHERE response_id IS NOT NULL
UNION
SELECT response_id FROM removed_calls WHERE response_id IS NOT NULL
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
    store.run(_TOUCHED_RESPONSES)
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
    store.run(_INHERIT, {"route_by_ancestor": route_by_ancestor})
    store.run(_FILL)
    one_call.share_figures(store, returned + now_returned, _find_calls, prices)


def recompute_responses(store: Store) -> None:
    """Count each response in ``touched_responses`` once, whichever sources have it."""
    if store.one("SELECT EXISTS (FROM touched_responses)")[0]:
        store.run(_SHARED_RESPONSES)
        store.run(_COUNT_ONCE)


def _find_calls(store: Store) -> None:
    store.run(_FIND_CALLS, {"figures": one_call.FIGURES})
