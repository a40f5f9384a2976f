"""Write the query that computes figures of the catalogue (metrics.py), each sum of which is computed once a group."""

import re
from functools import cache

from streamaudit.audits.metrics import LATENCIES, METRICS, OF_ALL, PARTS, PERCENTILES, Metric

_EVERYONE = """
, everyone AS (
    SELECT by_1, by_2, by_3, by_4, {sums} FROM scope_outcomes GROUP BY by_1, by_2, by_3, by_4
)"""
_PART = """{rows}
, {name} AS (
    SELECT by_1 AS {name}_1, by_2 AS {name}_2, by_3 AS {name}_3, by_4 AS {name}_4, {sums}
    FROM {relation} GROUP BY by_1, by_2, by_3, by_4
)"""
_JOIN = """
    LEFT JOIN (SELECT {sums} FROM {name})
        ON {name}_1 IS NOT DISTINCT FROM by_1 AND {name}_2 IS NOT DISTINCT FROM by_2
        AND {name}_3 IS NOT DISTINCT FROM by_3 AND {name}_4 IS NOT DISTINCT FROM by_4"""
_FIGURES = """
, figures AS (
    SELECT {figures}
    FROM (SELECT {everyone} FROM everyone){joins}
)
"""
ROWS = "SELECT * FROM figures"


@cache
def relation(names: tuple[str, ...], *, with_left_out: bool = False) -> str:
    """Return the relation ``figures`` over ``scope``, as the next of a WITH clause.

    Its columns are ``by_1`` to ``by_4``, then one for each of ``names``. The name of a sum is the sum itself.
    ``with_left_out`` adds a last column ``left_out``: the list of the figures that are a lower bound in the group, and
    those that rest on estimates with a ``~`` before them, NULL in place of each that is neither. Binds ``$slo_ms``, or
    the limits of ``Targets``, where a figure of them is picked.
    """
    picked = [METRICS.get(name) or Metric(name, None, "", name) for name in names]
    conditions = {one.name: one.leaves_out for one in picked if one.leaves_out} if with_left_out else {}
    if with_left_out:
        conditions |= {f"~{one.name}": one.rests_on_estimates for one in picked if one.rests_on_estimates}
    used = set(_WORD.findall(" ".join([*(one.sql for one in picked), *conditions.values()])))
    latencies = {name: (one.column, f" FILTER ({one.counts})" if one.counts else "") for name, one in LATENCIES.items()}
    sums, places = _used(OF_ALL, latencies, used)
    parts, joins = "", ""
    for part in PARTS:
        own, spread = _used(part.sums, {name: (column, "") for name, column in part.latencies.items()}, used)
        if own:
            parts += _PART.format(rows=part.rows, name=part.name, relation=part.relation, sums=_columns(own))
            joins += _JOIN.format(name=part.name, sums=", ".join(["*", *spread]))
    figures = ["by_1", "by_2", "by_3", "by_4", *(f"{one.sql} AS {one.name}" for one in picked)]
    if with_left_out:
        marks = (f"CASE WHEN {condition} THEN '{name}' END" for name, condition in conditions.items())
        figures.append(f"[{', '.join(marks)}] AS left_out")
    everyone = _EVERYONE.format(sums=_columns(sums))
    return everyone + parts + _FIGURES.format(
        figures=", ".join(figures), everyone=", ".join(["*", *places]), joins=joins
    )


def select(names: tuple[str, ...], *, with_left_out: bool = False) -> str:
    """Return the query for these figures: the relation of the same names, and its rows."""
    return relation(names, with_left_out=with_left_out) + ROWS


_WORD = re.compile(r"\w+")


def _used(
    sums: dict[str, str], latencies: dict[str, tuple[str, str]], used: set[str]
) -> tuple[dict[str, str], list[str]]:
    """Return the sums that are used, and those of latencies (column and filter by name).

    All percentiles of a latency come from a single list; the second result gives each its name.
    """
    found = {name: sql for name, sql in sums.items() if name in used}
    places: list[str] = []
    for name, (column, counts) in latencies.items():
        percentiles = [one for one in PERCENTILES if f"{name}_{one}" in used]
        if f"{name}_n" in used:
            found[f"{name}_n"] = f"count({column}){counts}"
        if f"{name}_mean" in used:
            found[f"{name}_mean"] = f"round(favg({column}){counts}, 9)"
        if percentiles:
            shares = ", ".join(str(PERCENTILES[one]) for one in percentiles)
            found[f"{name}_percentiles"] = f"quantile_cont({column}, [{shares}]){counts}"
            places += [f"{name}_percentiles[{place}] AS {name}_{one}" for place, one in enumerate(percentiles, start=1)]
    return found, places


def _columns(sums: dict[str, str]) -> str:
    return ", ".join(f"{sql} AS {name}" for name, sql in sums.items())
