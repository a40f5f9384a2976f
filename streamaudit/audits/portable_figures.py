"""Figures of the catalogue over exported calls: an engine sums them, and the catalogue's own SQL makes the figures.

Sums of dollars are sums of billionths. A percentile lies between the two values next to its rank, of which the engine
gives the histogram bucket, its number of calls, and how many are up to it: values are taken to be spread evenly within
their bucket, which is 1 % wide (store/buckets.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from streamaudit.audits.figures import OF_LATENCIES, ROWS, Picked, pick, write_figures, write_join
from streamaudit.audits.metrics import LATENCIES, OF_ALL, PARTS, PERCENTILES, PROMPT_UNSEEN
from streamaudit.audits.scope.portable import MAX_BY, portable_rows
from streamaudit.audits.scope.scope import Scope
from streamaudit.errors import UsageError
from streamaudit.report.model import Row
from streamaudit.store.buckets import bounds_us
from streamaudit.store.engines.protocol import Engine
from streamaudit.store.store import Store

_LEAVERS = PARTS[0]


@dataclass(frozen=True, slots=True)
class _Sum:
    """A sum that needs another text: columns that an engine sums, and the sum itself as DuckDB's SQL over them."""

    columns: dict[str, str]
    sql: str


def _nano(column: str, where: str = "") -> str:
    return f"SUM(CAST({column} AS DECIMAL(20, 0)))" + (f" FILTER (WHERE {where})" if where else "")


def _dollars(name: str, column: str, where: str = "") -> _Sum:
    return _Sum({f"{name}_nano": _nano(column, where)}, f"round({name}_nano / 1e9, 12)")


def _priced(name: str, amount: str) -> _Sum:
    """Return the macro ``priced_sum`` of an amount of tokens."""
    columns = {
        f"{name}_nano": _nano(f"{amount}_nano_usd"),
        f"{name}_priced": f"count(*) FILTER (WHERE {amount} > 0 AND {amount}_usd IS NOT NULL)",
        f"{name}_unpriced": f"count(*) FILTER (WHERE {amount} > 0 AND {amount}_usd IS NULL)",
    }
    known = f"{name}_priced > 0 OR {name}_unpriced = 0"
    return _Sum(columns, f"CASE WHEN {known} THEN round({name}_nano / 1e9, 12) END")


_OTHERS = {
    "ttft_total": _Sum({"ttft_total_us": "sum(ttft_us) FILTER (WHERE ttft_status = 'usable')"}, "ttft_total_us / 1e3"),
    "output_mean": _Sum(
        {
            "final_output": "sum(output_tokens) FILTER (WHERE usage_status = 'final')",
            "final_calls": "count(output_tokens) FILTER (WHERE usage_status = 'final')",
        }, "final_output / nullif(final_calls, 0)",
    ),
    "cost": _dollars("cost", "cost_low_nano_usd"),
    "kept_cost": _dollars("kept_cost", "cost_nano_usd", "outcome NOT IN ('unknown', 'cancelled')"),
    "first_call": _Sum({"first_us": "min(start_us)"}, "first_us / 1e6"),
    "tax_usd_sum": _priced("tax_usd", "tax_best"),
    "tax_low_usd_sum": _priced("tax_low_usd", "tax_low"),
    "tax_high_usd_sum": _Sum(
        {"tax_high_nano": _nano("tax_high_nano_usd"), "all_calls": "count(*)", "high_calls": "count(tax_high_usd)"},
        "CASE WHEN all_calls = high_calls THEN round(tax_high_nano / 1e9, 12) END",
    ),
    "shared_tax_usd": _dollars("shared_tax", "tax_best_nano_usd", "cost_usd IS NOT NULL"),
    "taxed_cost": _dollars("taxed_cost", "cost_nano_usd", "tax_best_usd IS NOT NULL"),
    "unseen_usd": _dollars("unseen", "input_cost_nano_usd", "prompt_unseen"),
}  # fmt: skip
"""Sums of the catalogue whose text is not portable, or that rest on fractions."""

_SUMS = "SELECT {by}{columns} FROM {relation}{grouping}"
_KEEP_SUMS = "CREATE OR REPLACE TEMP TABLE {table} AS SELECT {columns}"
_LOCAL_EVERYONE = "WITH everyone AS (SELECT {columns} FROM everyone_sums)"
_LOCAL_LEAVERS = ", leavers AS (SELECT {columns} FROM leaver_sums)"
_BY = ("by_1", "by_2", "by_3", "by_4")


def figure_rows(
    store: Store, scope: Scope, names: tuple[str, ...], params: dict[str, Any],
    *, with_left_out: bool = False, with_total: bool = False, rest: Sequence[Sequence[Any]] | None = None,
) -> list[Row]:  # fmt: skip
    """Return the rows that ``figures.select`` gives over a store; those of the total end with True, others with False,
    if ``with_total``. Raises UsageError for a figure that the export does not answer."""
    engine = store.engine
    assert engine is not None, "a store answers by itself"
    picked = pick(names, with_left_out=with_left_out)
    if any(name in picked.used for part in PARTS[1:] for name in (*part.sums, *part.latencies)):
        raise UsageError("--data: chunk gaps and goodput are not answered from an export", "ask the store itself")
    with_total = with_total and bool(scope.by)
    everyone = _query_sums(engine, scope, OF_ALL, picked, "scope", params, rest, with_total=with_total, latencies=True)
    if any(f"{name}_{p}" in picked.used for name in LATENCIES for p in PERCENTILES) or "speed" in picked.used:
        _add_percentiles(everyone, engine, scope, picked, params, rest, with_total=with_total)
    columns, sums = _localise(OF_ALL, picked)
    kept = [name for name in everyone.columns if name not in columns]
    _store_rows(store, "everyone_sums", everyone)
    text = _LOCAL_EVERYONE.format(columns=", ".join([*kept, *sums]))
    joins = ""
    if any(name in picked.used for name in _LEAVERS.sums):
        leavers = _query_sums(engine, scope, _LEAVERS.sums, picked, "scope WHERE outcome = 'cancelled'", params, rest,
            with_total=with_total)  # fmt: skip
        _store_rows(store, "leaver_sums", leavers)
        columns, sums = _localise(_LEAVERS.sums, picked)
        keys = {f"by_{slot}": f"leavers_{slot}" for slot in range(1, MAX_BY + 1)} | {"is_total": "leavers_is_total"}
        kept = [f"{name} AS {keys[name]}" if name in keys else name for name in leavers.columns if name not in columns]
        text += _LOCAL_LEAVERS.format(columns=", ".join([*kept, *sums]))
        joins = write_join("leavers", ["*"], with_total=with_total)
    text += write_figures(picked, "*", joins, with_left_out=with_left_out, with_total=with_total) + ROWS
    return store.query(text, params)


@dataclass(slots=True)
class _Sums:
    """Rows of sums by group: ``by_1`` … ``by_4``, ``is_total``, and one column for each sum."""

    columns: list[str]
    rows: list[list[Any]]


def _localise(sums: dict[str, str], picked: Picked) -> tuple[set[str], list[str]]:
    """Return the columns that stand for sums of another text, and SQL that makes these sums of them."""
    others = [_OTHERS[name] for name in sums if name in picked.used and name in _OTHERS]
    named = [f"{_OTHERS[name].sql} AS {name}" for name in sums if name in picked.used and name in _OTHERS]
    return {column for other in others for column in other.columns}, named


def _query_sums(
    engine: Engine, scope: Scope, sums: dict[str, str], picked: Picked, relation: str, params: dict[str, Any],
    rest: Sequence[Sequence[Any]] | None, *, with_total: bool, latencies: bool = False,
) -> _Sums:  # fmt: skip
    """Return the sums of every group that has calls, and of the total."""
    asked: dict[str, str] = {}
    for name, sql in sums.items():
        if name not in picked.used or name == "speed":
            continue
        asked |= _OTHERS[name].columns if name in _OTHERS else {name: portable_sum(sql)}
    if latencies:
        asked |= {
            f"{name}_n": f"count({column}){counts}"
            for name, (column, counts) in OF_LATENCIES.items() if f"{name}_n" in picked.used
        }  # fmt: skip
    by, grouping = _grouping(scope, rest, with_total=with_total)
    columns = ", ".join(["count(*) AS members", *(f"{sql} AS {name}" for name, sql in asked.items())])
    query = _SUMS.format(by=by, columns=columns, relation=relation, grouping=grouping)
    found = portable_rows(scope, engine, query, params, rest)
    depth = _depth(scope, rest)
    return _Sums(
        [*_BY, "is_total", *asked],
        [[*_pad(row[:depth]), bool(row[depth]), *row[depth + 2 :]] for row in found if row[depth + 1]],
    )


def portable_sum(sql: str) -> str:
    """Return a sum of the catalogue without DuckDB's casts: an engine's integers become int by themselves."""
    return sql.replace("::BIGINT", "").replace(PROMPT_UNSEEN, "prompt_unseen")


def _depth(scope: Scope, rest: Sequence[Sequence[Any]] | None) -> int:
    """Return the number of dimensions in a row; the calls of all other groups are one group."""
    return 0 if rest is not None else len(scope.by)


def _grouping(scope: Scope, rest: Sequence[Sequence[Any]] | None, *, with_total: bool) -> tuple[str, str]:
    """Return the dimensions with a flag of the total, as a SELECT begins, and the GROUP BY that goes with them."""
    names = ", ".join(_BY[: _depth(scope, rest)])
    if not names:
        return "0 AS is_total, ", ""
    if with_total:
        return f"{names}, GROUPING(by_1) AS is_total, ", f" GROUP BY GROUPING SETS (({names}), ())"
    return f"{names}, 0 AS is_total, ", f" GROUP BY {names}"


def _pad(key: Sequence[Any]) -> list[Any]:
    return [*key, *[None] * (MAX_BY - len(key))]


_HISTOGRAM = """, kept AS (
    {values}
), cells AS (
    SELECT {by}, latency, bucket, count(*) AS n FROM kept GROUP BY {grouping}
), counted_cells AS (
    SELECT {names}, is_total, latency, bucket, n,
        SUM(n) OVER (PARTITION BY {names}, is_total, latency ORDER BY bucket
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS upto,
        SUM(n) OVER (PARTITION BY {names}, is_total, latency) AS total
    FROM cells
)
SELECT {names}, is_total, latency, MAX(total) AS calls, {ranks}
FROM counted_cells GROUP BY {names}, is_total, latency
"""
_VALUES = """SELECT {names}, '{latency}' AS latency, {latency}_bucket AS bucket
    FROM scope WHERE {latency}_bucket IS NOT NULL{counts}"""
# The rank of a percentile is (total - 1) x p / 100, counted from 0: between the ranks below and above it.
_RANK = """
    MIN(CASE WHEN upto * 100 > {rank} THEN bucket END) AS {side}_{p}_bucket,
    MIN(CASE WHEN upto * 100 > {rank} THEN upto END) AS {side}_{p}_upto,
    MIN(CASE WHEN upto * 100 > {rank} AND (upto - n) * 100 <= {rank} THEN n END) AS {side}_{p}_n"""


def _add_percentiles(
    sums: _Sums, engine: Engine, scope: Scope, picked: Picked, params: dict[str, Any],
    rest: Sequence[Sequence[Any]] | None, *, with_total: bool,
) -> None:  # fmt: skip
    """Add a column for each percentile that is used, in milliseconds, and the median speed."""
    wanted = {
        name: [p for p in PERCENTILES if f"{name}_{p}" in picked.used or (name == "tpot" and p == "p50"
               and "speed" in picked.used)]
        for name in LATENCIES
    }  # fmt: skip
    query = percentile_text([name for name in wanted if wanted[name]], _depth(scope, rest), with_total=with_total)
    found: dict[tuple[Any, ...], dict[str, float | None]] = {}
    names = _depth(scope, rest) or 1
    for row in portable_rows(scope, engine, query, params, rest):
        key = (*_pad(row[:names]), bool(row[names]))
        name, calls, *cells = row[names + 1 :]
        for place, (p, share) in enumerate(PERCENTILES.items()):
            if p in wanted[name]:
                low, high, part = _neighbours(calls, round(share * 100), cells[6 * place : 6 * place + 6])
                mine = found.setdefault(key, {})
                mine[f"{name}_{p}"] = (low + (high - low) * part) / 1e3
                if name == "tpot" and p == "p50" and low > 0:
                    mine["speed"] = (1e6 / low) * (1 - part) + (1e6 / high) * part
    added = [f"{name}_{p}" for name, shares in wanted.items() for p in shares]
    added += ["speed"] if "speed" in picked.used else []
    for one in sums.rows:
        mine = found.get(tuple(one[: MAX_BY + 1]), {})
        one.extend(mine.get(name) for name in added)
    sums.columns.extend(added)


def percentile_text(latencies: Sequence[str], depth: int, *, with_total: bool) -> str:
    """Return the portable text that finds, by group and latency, the buckets next to the rank of each percentile."""
    names = ", ".join(_BY[: depth or 1])
    by, grouping = f"{names}, 0 AS is_total", f"{names}, latency, bucket"
    if with_total:
        by = f"{names}, GROUPING(by_1) AS is_total"
        grouping = f"GROUPING SETS (({names}, latency, bucket), (latency, bucket))"
    values = "\n    UNION ALL ".join(
        _VALUES.format(names=names, latency=name, counts=f" AND {counts}" if (counts := LATENCIES[name].counts) else "")
        for name in latencies
    )  # fmt: skip
    ranks = ",".join(
        _RANK.format(rank=rank, side=side, p=p)
        for p, share in PERCENTILES.items()
        for side, rank in _ranks(round(share * 100)).items()
    )
    return _HISTOGRAM.format(values=values, by=by, grouping=grouping, names=names, ranks=ranks)


def _ranks(percent: int) -> dict[str, str]:
    below = f"((total - 1) * {percent} - (total - 1) * {percent} % 100)"
    return {"low": below, "high": f"({below} + CASE WHEN (total - 1) * {percent} % 100 > 0 THEN 100 ELSE 0 END)"}


def _neighbours(calls: int, percent: int, cells: Sequence[int]) -> tuple[float, float, float]:
    """Return the values next to the rank of a percentile in microseconds, and how far it is between them, 0 to 1."""
    rank, part = divmod((calls - 1) * percent, 100)
    low = _value_at(rank, *cells[:3])
    return low, _value_at(rank + 1, *cells[3:]) if part else low, part / 100


def _value_at(rank: int, bucket: int, upto: int, n: int) -> float:
    """Return the value of a rank within its bucket, whose ``n`` calls are spread evenly and end at rank ``upto``."""
    first, next_first = bounds_us(bucket)
    if first is None or next_first is None:
        return float(first or 0)
    return first + (next_first - 1 - first) * (rank - (upto - n) + 0.5) / n


def _store_rows(store: Store, table: str, sums: _Sums) -> None:
    """Put sums into a table of the store's connection, in the types that the catalogue's SQL expects."""
    columns = {name: [row[place] for row in sums.rows] for place, name in enumerate(sums.columns)}
    selected = ", ".join(f"unnest(${name}::{_type(name)}[]) AS {name}" for name in columns)
    store.run(_KEEP_SUMS.format(table=table, columns=selected), columns)


def _type(name: str) -> str:
    if name in _BY:
        return "VARCHAR"
    if name.endswith("_nano"):
        return "HUGEINT"
    if name == "is_total" or OF_ALL.get(name, "").startswith("bool_or"):
        return "BOOLEAN"
    return "DOUBLE" if name == "speed" or name.rpartition("_")[2] in PERCENTILES else "BIGINT"
