"""Waits that were cut short: which calls were still waiting for a visible token, and Kaplan-Meier percentiles.

Kaplan and Meier 1958: S(t) is the product over arrivals up to t of 1 - d/n, where n still wait just before t. A
percentile is the first t at which S has fallen to 1 - p. A wait that a cut ended at t is at risk up to t.
"""

from streamaudit.audits.scope.scope import Scope
from streamaudit.store.store import Store

# Of the completed streams of a source's model, more than half have the time. With fewer a missing time says nothing.
_RECORDERS = """
SELECT recorder_key(source, model) FROM scope WHERE outcome = 'completed' AND ttft_status = 'usable'
GROUP BY source, model HAVING 2 * count(*) FILTER (ttvt_ms > 0) > count(*)
"""
WAITS = {
    "ttft": """
    SELECT
        by_1, by_2, by_3, by_4,
        CASE WHEN ttft_status = 'usable' THEN ttft_ms ELSE coalesce(cancelled_at_ms, duration_ms) END AS t,
        ttft_status = 'usable' AS arrived
    FROM scope
    WHERE ttft_status = 'usable'
        OR (ttft_status = 'censored' AND coalesce(cancelled_at_ms, duration_ms) IS NOT NULL)
""",
    "ttvt": """
    SELECT
        by_1, by_2, by_3, by_4,
        CASE WHEN ttvt_ms > 0 THEN ttvt_ms ELSE coalesce(cancelled_at_ms, duration_ms) END AS t,
        coalesce(ttvt_ms > 0, false) AS arrived
    FROM scope
    WHERE (ttft_status = 'usable' AND ttvt_ms > 0)
        OR (coalesce(cancelled_at_ms, duration_ms) IS NOT NULL AND cut_before_visible(outcome, ttft_status, ttvt_ms,
            delivered_tokens, rendered_tokens, visible_output_chars, recorder_key(source, model), $ttvt_recorded))
""",
}
"""The waits for a first token and for a first visible one: how long, and whether it arrived or the wait was cut."""

_SURVIVAL = """
, {name}_steps AS (
    SELECT by_1, by_2, by_3, by_4, t, count(*) FILTER (arrived) AS d, count(*) AS ended
    FROM ({waits}) GROUP BY ALL
), {name}_curve AS (
    SELECT
        by_1, by_2, by_3, by_4, t, d, ended,
        exp(sum(CASE WHEN d = at_risk THEN '-inf'::DOUBLE ELSE ln(1 - d / at_risk) END) OVER (
            PARTITION BY by_1, by_2, by_3, by_4 ORDER BY t)) AS survival
    FROM (
        SELECT *, sum(ended) OVER (PARTITION BY by_1, by_2, by_3, by_4 ORDER BY t DESC) AS at_risk FROM {name}_steps
    )
), {name}_survival AS (
    SELECT
        by_1 AS {name}_1, by_2 AS {name}_2, by_3 AS {name}_3, by_4 AS {name}_4, sum(ended)::BIGINT AS {name}_waits,
        sum(ended - d)::BIGINT AS {name}_cut,
        [
            min(t) FILTER (survival <= 0.5 + 1e-12), min(t) FILTER (survival <= 0.1 + 1e-12),
            min(t) FILTER (survival <= 0.05 + 1e-12), min(t) FILTER (survival <= 0.01 + 1e-12)
        ] AS {name}_km
    FROM {name}_curve GROUP BY by_1, by_2, by_3, by_4
)
"""
_JOIN = """
LEFT JOIN {name}_survival
    ON {name}_1 IS NOT DISTINCT FROM by_1 AND {name}_2 IS NOT DISTINCT FROM by_2
    AND {name}_3 IS NOT DISTINCT FROM by_3 AND {name}_4 IS NOT DISTINCT FROM by_4
"""
_ROWS = """
SELECT figures.*, {percentiles}, coalesce(ttvt_cut, 0) FROM figures{joins}"""


def list_recorders(store: Store, scope: Scope) -> list[str]:
    """Return the keys of the sources' models that record the first visible token; the scope must be prepared."""
    return [key for (key,) in store.query(scope.total().sql(_RECORDERS), scope.total().params())]


def with_survival(figures: str) -> str:
    """Return a query for the relation ``figures`` of this text, followed by the Kaplan-Meier percentiles of each wait.

    Each row ends with p50, p90, p95 and p99 of ``ttft``, then those of ``ttvt`` and the number of its waits that were
    cut. Binds ``$ttvt_recorded``, from ``list_recorders``.
    """
    curves = "".join(_SURVIVAL.format(name=name, waits=waits) for name, waits in WAITS.items())
    joins = "".join(_JOIN.format(name=name) for name in WAITS)
    percentiles = ", ".join(
        f"from_enough({name}_km[{place}], '{percentile}', {name}_waits)"
        for name in WAITS
        for place, percentile in enumerate(("p50", "p90", "p95", "p99"), start=1)
    )
    return curves + figures + _ROWS.format(percentiles=percentiles, joins=joins)
