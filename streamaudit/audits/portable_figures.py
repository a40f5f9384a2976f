"""Figures of the catalogue over exported calls: an engine sums them, and the catalogue's own SQL makes the figures.

Sums of dollars are sums of billionths. A percentile lies between the two values next to its rank, of which the engine
gives the histogram bucket, its number of calls, and how many are up to it: values are taken to be spread evenly within
their bucket, which is 1 % wide (store/buckets.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from streamaudit.audits.figures import OF_LATENCIES, ROWS, Picked, pick, write_figures, write_join
from streamaudit.audits.metrics import LATENCIES, PARTS, PERCENTILES, SUMS_OF_ALL, SUMS_OF_CANCELLED
from streamaudit.audits.scope.portable import MAX_BY, portable_rows
from streamaudit.audits.scope.scope import Scope
from streamaudit.audits.sums import Sum, mean_milliseconds, portable_columns, write_filter, write_values
from streamaudit.errors import UsageError
from streamaudit.report.model import Row
from streamaudit.store.buckets import bounds_us
from streamaudit.store.engines.protocol import Engine
from streamaudit.store.store import Store

_LEAVERS = PARTS[0]
_SUMS = "SELECT {by}{columns} FROM {relation}{grouping}"
_KEEP_SUMS = "CREATE OR REPLACE TEMP TABLE {table} AS SELECT {columns}"
_KEY_TYPES = {**dict.fromkeys(("by_1", "by_2", "by_3", "by_4"), "VARCHAR"), "is_total": "BOOLEAN"}
_LOCAL_EVERYONE = "WITH everyone AS (SELECT {columns} FROM everyone_sums)"
_LOCAL_LEAVERS = ", leavers AS (SELECT {columns} FROM leaver_sums)"
_BY = ("by_1", "by_2", "by_3", "by_4")


def figure_rows(
    store: Store, scope: Scope, names: tuple[str, ...], params: dict[str, Any],
    *, with_left_out: bool = False, with_total: bool = False, rest: Sequence[Sequence[Any]] | None = None,
    shown: Sequence[Sequence[Any]] | None = None,
) -> list[Row]:  # fmt: skip
    """Return the rows that ``figures.select`` gives over a store; those of the total end with True, others with False,
    if ``with_total``.

    With ``rest`` they are of the calls of all groups but these, with ``shown`` of these groups alone. Raises UsageError
    for a figure that the export does not answer.
    """
    assert store.engine is not None, "a store answers by itself"
    asking = _Asking(store.engine, scope, params, rest, shown)
    picked = pick(names, with_left_out=with_left_out)
    if any(name in picked.used for part in PARTS[1:] for name in (*part.sums, *part.latencies)):
        raise UsageError("--data: chunk gaps and goodput are not answered from an export", "ask the store itself")
    with_total = with_total and bool(scope.by)
    sums = _pick(SUMS_OF_ALL, picked) | _pick_latencies(picked)
    everyone = _query_sums(asking, sums, "scope", with_total=with_total)
    if any(f"{name}_{p}" in picked.used for name in LATENCIES for p in PERCENTILES) or "speed" in picked.used:
        _add_percentiles(everyone, asking, picked, with_total=with_total)
    _store_rows(store, "everyone_sums", everyone, sums)
    text = _LOCAL_EVERYONE.format(columns=", ".join([*_BY, "is_total", *everyone.ready, *_finish(sums)]))
    joins, left = "", _pick(SUMS_OF_CANCELLED, picked)
    if left:
        leavers = _query_sums(asking, left, _LEAVERS.relation, with_total=with_total)
        _store_rows(store, "leaver_sums", leavers, left)
        keys = [f"by_{slot} AS leavers_{slot}" for slot in range(1, MAX_BY + 1)]
        text += _LOCAL_LEAVERS.format(columns=", ".join([*keys, "is_total AS leavers_is_total", *_finish(left)]))
        joins = write_join("leavers", ["*"], with_total=with_total)
    text += write_figures(picked, "*", joins, with_left_out=with_left_out, with_total=with_total) + ROWS
    return store.query(text, params)


@dataclass(frozen=True, slots=True)
class _Asking:
    """An engine, and the calls that it is asked about."""

    engine: Engine
    scope: Scope
    params: dict[str, Any]
    rest: Sequence[Sequence[Any]] | None
    shown: Sequence[Sequence[Any]] | None

    @property
    def depth(self) -> int:
        """The number of dimensions in a row; the calls of all other groups are one group."""
        return 0 if self.rest is not None else len(self.scope.by)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a portable query over these calls."""
        return portable_rows(self.scope, self.engine, query, self.params, self.rest, self.shown)


_TOP = """
SELECT {by}, COUNT(*) OVER () AS all_groups
FROM (SELECT {by}, {ranks} FROM scope GROUP BY {by}) AS ranked
ORDER BY {order} LIMIT {top}
"""


def find_top(
    store: Store, scope: Scope, ranks: Sequence[str], params: dict[str, Any], top: int
) -> tuple[list[Row], int]:  # fmt: skip
    """Return the ``top`` groups by descending ``ranks``, portable sums, then by their names; and how many there are."""
    assert store.engine is not None, "a store answers by itself"
    by = _BY[: len(scope.by)]
    order = [f"rank_{place} DESC" for place in range(len(ranks))] + [f"{name} NULLS FIRST" for name in by]
    query = _TOP.format(
        by=", ".join(by), ranks=", ".join(f"{sql} AS rank_{place}" for place, sql in enumerate(ranks)),
        order=", ".join(order), top=top,
    )  # fmt: skip
    found = portable_rows(scope, store.engine, query, params, None)
    return [row[:-1] for row in found], found[0][-1] if found else 0


@dataclass(slots=True)
class _Sums:
    """Rows of sums by group: ``by_1`` … ``by_4``, ``is_total``, and one column for each part of a sum.

    ``ready`` names columns after them that are figures already.
    """

    columns: list[str]
    rows: list[list[Any]]
    ready: list[str] = field(default_factory=list)


def _pick(sums: Mapping[str, Sum], picked: Picked) -> dict[str, Sum]:
    # The median speed comes with the percentiles.
    return {name: one for name, one in sums.items() if name in picked.used and name != "speed"}


def _pick_latencies(picked: Picked) -> dict[str, Sum]:
    """Return the numbers of calls and the means of latencies; percentiles come from buckets."""
    made = {}
    for name, (column, counting) in OF_LATENCIES.items():
        made[f"{name}_n"] = Sum(f"count({column}){write_filter(counting)}")
        made[f"{name}_mean"] = mean_milliseconds(column, counting)
    return {name: one for name, one in made.items() if name in picked.used}


def _finish(sums: Mapping[str, Sum]) -> list[str]:
    return [f"{one.finish(name)} AS {name}" for name, one in sums.items()]


def _query_sums(asking: _Asking, sums: Mapping[str, Sum], relation: str, *, with_total: bool) -> _Sums:
    """Return the sums of every group that has calls, and of the total."""
    asked = portable_columns(sums)
    by, grouping = _grouping(asking.depth, with_total=with_total)
    columns = ", ".join(["count(*) AS members", *(f"{sql} AS {name}" for name, sql in asked.items())])
    query = _SUMS.format(by=by, columns=columns, relation=relation, grouping=grouping)
    found, depth = asking.rows(query), asking.depth
    return _Sums(
        [*_BY, "is_total", *asked],
        [[*_pad(row[:depth]), bool(row[depth]), *row[depth + 2 :]] for row in found if row[depth + 1]],
    )


def _grouping(depth: int, *, with_total: bool) -> tuple[str, str]:
    """Return the dimensions with a flag of the total, as a SELECT begins, and the GROUP BY that goes with them."""
    names = ", ".join(_BY[:depth])
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


def _add_percentiles(sums: _Sums, asking: _Asking, picked: Picked, *, with_total: bool) -> None:
    """Add a figure for each percentile that is used, in milliseconds, and the median speed."""
    wanted = {
        name: [p for p in PERCENTILES if f"{name}_{p}" in picked.used or (name == "tpot" and p == "p50"
               and "speed" in picked.used)]
        for name in LATENCIES
    }  # fmt: skip
    counting = {name: LATENCIES[name].counts for name in wanted if wanted[name]}
    query = percentile_text(counting, asking.depth, with_total=with_total)
    found: dict[tuple[Any, ...], dict[str, float | None]] = {}
    names = asking.depth or 1
    for row in asking.rows(query):
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
    sums.ready.extend(added)


def find_medians(store: Store, scope: Scope, latencies: Mapping[str, str]) -> dict[str, tuple[int, float]]:
    """Return the number of calls and the median in milliseconds of each latency, by its name; none without calls.

    A latency has a column of buckets of its name; its text says which calls count.
    """
    assert store.engine is not None, "a store answers by itself"
    found = {}
    for _, _, name, calls, *cells in portable_rows(
        scope.total(), store.engine, percentile_text(latencies, 0, with_total=False), {}, None
    ):
        low, high, part = _neighbours(calls, 50, cells[:6])
        found[name] = (calls, (low + (high - low) * part) / 1e3)
    return found


def percentile_text(latencies: Mapping[str, str], depth: int, *, with_total: bool) -> str:
    """Return the portable text that finds, by group and latency, the buckets next to the rank of each percentile.

    ``latencies`` are their names, each with a condition of the values that count, empty for all.
    """
    names = ", ".join(_BY[: depth or 1])
    by, grouping = f"{names}, 0 AS is_total", f"{names}, latency, bucket"
    if with_total:
        by = f"{names}, GROUPING(by_1) AS is_total"
        grouping = f"GROUPING SETS (({names}, latency, bucket), (latency, bucket))"
    values = "\n    UNION ALL ".join(
        _VALUES.format(names=names, latency=name, counts=f" AND {counts}" if counts else "")
        for name, counts in latencies.items()
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


def _store_rows(store: Store, table: str, found: _Sums, sums: Mapping[str, Sum]) -> None:
    """Put sums into a table of the store's connection, in the types that the catalogue's SQL expects."""
    columns = [*found.columns, *found.ready]
    types = _KEY_TYPES | dict.fromkeys(found.ready, "DOUBLE")
    selected = write_values(columns, sums, types)
    values = {name: [row[place] for row in found.rows] for place, name in enumerate(columns)}
    store.run(_KEEP_SUMS.format(table=table, columns=selected), values)
