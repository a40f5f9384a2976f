"""Give calls the dimensions that the steps around them carry: route, tenant, user, session, deploy, environment,
service and transport. It reads the steps of the touched traces and their ancestry, as ``traces.py`` has found them.
"""

from streamaudit.store.store import Store

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


def inherit(store: Store, *, route_by_ancestor: bool) -> None:
    """Fill the missing dimensions of the calls in the touched traces. With ``route_by_ancestor``, a route may be the
    name of an enclosing step."""
    store.run(_INHERIT, {"route_by_ancestor": route_by_ancestor})
    store.run(_FILL)
