"""Write the query that computes figures of the catalogue (metrics.py), each sum of which is computed once a group."""

import re
from dataclasses import dataclass
from functools import cache

from streamaudit.audits.metrics import LATENCIES, METRICS, OF_ALL, PARTS, PERCENTILES, Metric
from streamaudit.audits.sums import mean_milliseconds, write_filter

_EVERYONE = """
, everyone AS (
    SELECT by_1, by_2, by_3, by_4, {sums} FROM scope_outcomes GROUP BY by_1, by_2, by_3, by_4
)"""
# What adds up is added up from the groups; a percentile of all calls is not one of the groups' percentiles.
_EVERYONE_AND_TOTAL = """
, each_group AS MATERIALIZED (
    SELECT by_1, by_2, by_3, by_4, false AS is_total, {sums} FROM scope_outcomes GROUP BY by_1, by_2, by_3, by_4
), everyone AS (
    FROM each_group
    UNION ALL BY NAME
    SELECT added.*, whole.*
    FROM (SELECT true AS is_total, {added} FROM each_group HAVING count(*) > 0) AS added
    CROSS JOIN (SELECT {whole} FROM scope_outcomes) AS whole
)"""
_STEP = """
SELECT by_1 AS {name}_1, by_2 AS {name}_2, by_3 AS {name}_3, by_4 AS {name}_4, $is_total AS {name}_is_total, {sums}
FROM scope_outcomes GROUP BY by_1, by_2, by_3, by_4
"""
_PART = """{rows}
, {name} AS (
    SELECT by_1 AS {name}_1, by_2 AS {name}_2, by_3 AS {name}_3, by_4 AS {name}_4, {sums}
    FROM {relation} GROUP BY by_1, by_2, by_3, by_4
)"""
_PART_AND_TOTAL = """{rows}
, {name} AS (
    SELECT by_1 AS {name}_1, by_2 AS {name}_2, by_3 AS {name}_3, by_4 AS {name}_4,
        grouping(by_1) = 1 AS {name}_is_total, {sums}
    FROM {relation} GROUP BY GROUPING SETS ((by_1, by_2, by_3, by_4), ()) HAVING count(*) > 0
)"""
_JOIN = """
    LEFT JOIN (SELECT {sums} FROM {name})
        ON {name}_1 IS NOT DISTINCT FROM by_1 AND {name}_2 IS NOT DISTINCT FROM by_2
        AND {name}_3 IS NOT DISTINCT FROM by_3 AND {name}_4 IS NOT DISTINCT FROM by_4"""
_JOIN_TOTAL = " AND {name}_is_total = is_total"
_FIGURES = """
, figures AS (
    SELECT {figures}
    FROM (SELECT {everyone} FROM everyone){joins}
)
"""
ROWS = "SELECT * FROM figures"

_ADDED = {
    "count(DISTINCT": "", "count(": "sum({name})::BIGINT", "sum(": "sum({name})::BIGINT",
    "coalesce(": "sum({name})::BIGINT", "fsum(": "fsum({name})", "bool_or(": "bool_or({name})",
    "epoch(min(": "min({name})",
}  # fmt: skip
"""Aggregates that add up the groups to the total, by the beginning of their SQL; others are computed over all calls.
"""
_HOLDING = re.compile(r"(?:quantile_cont|median)\(.*?(\w+)_ms")
"""Aggregates that hold every value of a latency in memory."""
_ROUNDED = re.compile(r"round\((fsum\(.*\)), 12\)")


@dataclass(frozen=True, slots=True)
class Picked:
    """Figures that were picked: their SQL over sums, the conditions of their marks, and the names that both use."""

    metrics: tuple[Metric, ...]
    conditions: dict[str, str]
    used: frozenset[str]


@cache
def pick(names: tuple[str, ...], *, with_left_out: bool = False) -> Picked:
    """Return the figures of these names; the name of a sum is the sum itself."""
    picked = tuple(METRICS.get(name) or Metric(name, None, "", name) for name in names)
    conditions = {one.name: one.leaves_out for one in picked if one.leaves_out} if with_left_out else {}
    if with_left_out:
        conditions |= {f"~{one.name}": one.rests_on_estimates for one in picked if one.rests_on_estimates}
    used = frozenset(_WORD.findall(" ".join([*(one.sql for one in picked), *conditions.values()])))
    return Picked(picked, conditions, used)


@cache
def relation(
    names: tuple[str, ...], *, with_left_out: bool = False, with_total: bool = False, in_steps: bool = False
) -> str:  # fmt: skip
    """Return the relation ``figures`` over ``scope``, as the next of a WITH clause.

    Its columns are ``by_1`` to ``by_4``, then one for each of ``names``. The name of a sum is the sum itself.
    ``with_left_out`` adds a column ``left_out``: the list of the figures that are a lower bound in the group, and
    those that rest on estimates with a ``~`` before them, NULL instead of each that is neither. ``with_total`` adds a
    row for all calls, if there are any, and a last column ``is_total``. ``in_steps`` takes percentiles from the tables
    of ``Steps``. Binds ``$slo_ms``, or the limits of ``Targets``, where a figure of them is picked.
    """
    picked = pick(names, with_left_out=with_left_out)
    sums, places = _used(OF_ALL, OF_LATENCIES, picked.used)
    parts, joins = "", ""
    if in_steps:
        for name, own in _divide(sums).items():
            spread = [place for place in places if place.startswith(tuple(own))]
            joins += write_join(name, ["*", *spread], with_total=with_total)
            sums = {sum_name: sql for sum_name, sql in sums.items() if sum_name not in own}
            places = [place for place in places if place not in spread]
    rounded = {name: found[1] for name, sql in sums.items() if (found := _ROUNDED.fullmatch(sql))}
    for part in PARTS:
        own, spread = _used(part.sums, {name: (column, "") for name, column in part.latencies.items()}, picked.used)
        if own:
            text = _PART_AND_TOTAL if with_total else _PART
            parts += text.format(rows=part.rows, name=part.name, relation=part.relation, sums=_columns(own))
            joins += write_join(part.name, ["*", *spread], with_total=with_total)
    # Rounded once they are added up.
    replaced = ", ".join(f"round({name}, 12) AS {name}" for name in rounded)
    everyone = (_write_total if with_total else _write_groups)(sums | rounded)
    columns = ", ".join([f"* REPLACE ({replaced})" if replaced else "*", *places])
    return everyone + parts + write_figures(picked, columns, joins, with_left_out=with_left_out, with_total=with_total)


OF_LATENCIES = {name: (one.column, one.counts) for name, one in LATENCIES.items()}
"""The column of each latency, and which of its values count."""


def write_join(name: str, columns: list[str], *, with_total: bool) -> str:
    """Return the join of a part's sums to those of all calls."""
    return (_JOIN + _JOIN_TOTAL * with_total).format(name=name, sums=", ".join(columns))


def write_figures(picked: Picked, everyone: str, joins: str, *, with_left_out: bool, with_total: bool) -> str:
    """Return the relation ``figures`` over the relation ``everyone`` and its joins, as the next of a WITH clause."""
    figures = ["by_1", "by_2", "by_3", "by_4", *(f"{one.sql} AS {one.name}" for one in picked.metrics)]
    if with_left_out:
        marks = (f"CASE WHEN {condition} THEN '{name}' END" for name, condition in picked.conditions.items())
        figures.append(f"[{', '.join(marks)}] AS left_out")
    if with_total:
        figures.append("is_total")
    return _FIGURES.format(figures=", ".join(figures), joins=joins, everyone=everyone)


@dataclass(frozen=True, slots=True)
class Steps:
    """The query for figures of a large store, in steps of which each holds the values of one latency in memory.

    ``tables`` are to be filled first, by their names, once by group and once for all calls. They bind ``$is_total``.
    ``text`` is then the query by group, ``text_with_total`` that with a row for the total.
    """

    tables: dict[str, str]
    text: str
    text_with_total: str


@dataclass(frozen=True, slots=True)
class FigureQuery:
    """The query for these figures: the texts that a store answers, and what an engine is asked for instead.

    ``lists`` is how many times the query by group holds the values of all calls, ``steps`` how it holds fewer; None
    where a part has percentiles, which no step would find.
    """

    names: tuple[str, ...]
    with_left_out: bool
    text: str
    text_with_total: str | None = None
    ranks: tuple[str, ...] = ()
    lists: int = 0
    steps: Steps | None = None


def ask(names: tuple[str, ...], *, with_left_out: bool = False, ranks: tuple[str, ...] = ()) -> FigureQuery:
    """Return the query for these figures, by group and with a row for the total.

    ``ranks`` are portable sums by which groups rank, so that an engine returns the first ones alone.
    """
    text, with_total = (select(names, with_left_out=with_left_out, with_total=total) for total in (False, True))
    used = pick(names, with_left_out=with_left_out).used
    divided = _divide(_used(OF_ALL, OF_LATENCIES, used)[0])
    in_parts = [name for part in PARTS for name in part.latencies if any(f"{name}_{p}" in used for p in PERCENTILES)]
    lists = sum(map(len, divided.values())) + len(in_parts)
    steps = None if in_parts else _write_steps(names, divided, with_left_out=with_left_out)
    return FigureQuery(names, with_left_out, text, with_total, ranks, lists, steps)


def _write_steps(names: tuple[str, ...], divided: dict[str, dict[str, str]], *, with_left_out: bool) -> Steps:
    """Return the query in steps, of which each finds some of the sums that hold every value."""
    tables = {name: _STEP.format(name=name, sums=_columns(own)) for name, own in divided.items()}
    text, with_total = (
        relation(names, with_left_out=with_left_out, with_total=total, in_steps=True) + ROWS for total in (False, True)
    )
    return Steps(tables, text, with_total)


def select(names: tuple[str, ...], *, with_left_out: bool = False, with_total: bool = False) -> str:
    """Return the query for these figures: the relation of the same names, and its rows."""
    return relation(names, with_left_out=with_left_out, with_total=with_total) + ROWS


def _write_groups(sums: dict[str, str]) -> str:
    return _EVERYONE.format(sums=_columns(sums))


def _write_total(sums: dict[str, str]) -> str:
    added = {name: _add_up(name, sql) for name, sql in sums.items()}
    return _EVERYONE_AND_TOTAL.format(
        sums=_columns(sums),
        added=_columns({name: sql for name, sql in added.items() if sql}),
        whole=_columns({name: sums[name] for name, sql in added.items() if not sql} or {"_": "count(*)"}),
    )


def _divide(sums: dict[str, str]) -> dict[str, dict[str, str]]:
    """Return the sums that hold every value, by the step that finds them: those of one latency are together."""
    divided: dict[str, dict[str, str]] = {}
    for name, sql in sums.items():
        if found := _HOLDING.match(sql):
            divided.setdefault(f"{found[1]}_step", {})[name] = sql
    return divided


def _add_up(name: str, sql: str) -> str:
    """Return the SQL that makes the total of a sum from the groups; empty where they do not say it."""
    return next((added.format(name=name) for start, added in _ADDED.items() if sql.startswith(start)), "")


_WORD = re.compile(r"\w+")


def _used(
    sums: dict[str, str], latencies: dict[str, tuple[str, str]], used: frozenset[str]
) -> tuple[dict[str, str], list[str]]:
    """Return the sums that are used, and those of latencies (column and condition by name).

    All percentiles of a latency come from a single list; the second result gives each its name.
    """
    found = {name: sql for name, sql in sums.items() if name in used}
    places: list[str] = []
    for name, (column, counting) in latencies.items():
        counts = write_filter(counting)
        percentiles = [one for one in PERCENTILES if f"{name}_{one}" in used]
        if f"{name}_n" in used:
            found[f"{name}_n"] = f"count({column}){counts}"
        if f"{name}_mean" in used:
            found[f"{name}_mean"] = mean_milliseconds(column, counting).exact
        if percentiles:
            shares = ", ".join(str(PERCENTILES[one]) for one in percentiles)
            found[f"{name}_percentiles"] = f"quantile_cont({column}, [{shares}]){counts}"
            places += [f"{name}_percentiles[{place}] AS {name}_{one}" for place, one in enumerate(percentiles, start=1)]
    return found, places


def _columns(sums: dict[str, str]) -> str:
    return ", ".join(f"{sql} AS {name}" for name, sql in sums.items())
