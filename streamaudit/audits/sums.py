"""Sums over a group of calls, each declared once for both: SQL over a store, and what an engine is asked for instead.

An engine adds up whole numbers alone, because fractions add up differently in another order and dollars are exported as
billionths: a sum that rests on more is made of several of its columns, by DuckDB on this machine. A sum whose text is
portable but for a cast is that text.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from streamaudit.store.engines.protocol import Rows
from streamaudit.store.store import Store

# Whether the prompt was paid for an answer of which nothing arrived; NULL without evidence. A column of an export.
PROMPT_UNSEEN = (
    "prompt_unseen(unseen_prompt, cache_hit, cancelled_at_ms, ttft_ms, ran_on, rendered_low, rendered_chars, "
    "delivered_tokens, delivered_low, chunk_count, output_chars)"
)
_FILTERED = re.compile(r"count\(\*\) FILTER \(WHERE (.*)\)")
_FINISH = "SELECT {sums} FROM (SELECT unnest(range($rows)) AS place, {columns}) ORDER BY place"


@dataclass(frozen=True, slots=True)
class Sum:
    """A sum: ``exact`` is its SQL over the calls of a store.

    ``columns`` are what an engine sums, each by the end of its name, and ``local`` the sum itself as DuckDB's SQL over
    them, in which ``{name}`` is the name of the sum.
    """

    exact: str
    columns: Mapping[str, str] = field(default_factory=dict)
    local: str = "{name}"

    def portable(self, name: str) -> dict[str, str]:
        """Return what an engine is asked for, by name."""
        parts = self.columns or {"": self.exact}
        return {f"{name}{end}": make_portable(sql) for end, sql in parts.items()}

    def finish(self, name: str) -> str:
        """Return the sum as SQL over what an engine returned."""
        return self.local.format(name=name)


def make_portable(sql: str) -> str:
    """Return SQL over a store's calls as an engine reads it: its integers become int by themselves."""
    return sql.replace("::BIGINT", "").replace(PROMPT_UNSEEN, "prompt_unseen")


def dollars(column: str, where: str = "", *, rounded: bool = True) -> Sum:
    """Return the sum of a column of dollars, ``rounded`` to 12 places unless a figure divides it."""
    exact = f"fsum({column}){write_filter(where)}"
    return Sum(f"round({exact}, 12)" if rounded else exact, {"_nano": _nano(column, where)}, _DOLLARS)


def whole_dollars(column: str) -> Sum:
    """Return the sum of a column of dollars, NULL as soon as one is unknown."""
    columns = {"_nano": _nano(column), "_all": "count(*)", "_known": f"count({column})"}
    exact = f"CASE WHEN count(*) = count({column}) THEN round(fsum({column}), 12) END"
    return Sum(exact, columns, f"CASE WHEN {{name}}_all = {{name}}_known THEN {_DOLLARS} END")


def priced(amount: str, where: str = "") -> Sum:
    """Return the dollars of a column of tokens, as the macro ``priced_sum``: NULL where no tokens have a price."""
    values = [f"CASE WHEN {where} THEN {one} END" if where else one for one in (amount, f"{amount}_usd")]
    condition = f"{where} AND " if where else ""
    columns = {
        "_nano": _nano(f"{amount}_usd", where),
        "_priced": f"count(*) FILTER (WHERE {condition}{amount} > 0 AND {amount}_usd IS NOT NULL)",
        "_unpriced": f"count(*) FILTER (WHERE {condition}{amount} > 0 AND {amount}_usd IS NULL)",
    }
    local = f"CASE WHEN {{name}}_priced > 0 OR {{name}}_unpriced = 0 THEN {_DOLLARS} END"
    return Sum(f"priced_sum({', '.join(values)})", columns, local)


def mean(column: str, where: str = "") -> Sum:
    """Return the mean of a column of whole numbers."""
    columns = {"_total": f"sum({column}){write_filter(where)}", "_calls": f"count({column}){write_filter(where)}"}
    return Sum(f"avg({column}){write_filter(where)}", columns, "{name}_total / nullif({name}_calls, 0)")


def mean_milliseconds(column: str, where: str = "") -> Sum:
    """Return the mean of a column of milliseconds: of an export that of whole microseconds."""
    us = column.removesuffix("_ms") + "_us"
    columns = {"_total_us": f"sum({us}){write_filter(where)}", "_calls": f"count({us}){write_filter(where)}"}
    local = "round({name}_total_us / (1e3 * nullif({name}_calls, 0)), 9)"
    return Sum(f"round(favg({column}){write_filter(where)}, 9)", columns, local)


def milliseconds(latency: str, where: str) -> Sum:
    """Return the sum of a latency: of an export that of whole microseconds."""
    exact = f"exact_sum(CASE WHEN {where} THEN {latency}_ms END)"
    return Sum(exact, {"_us": f"sum({latency}_us){write_filter(where)}"}, "{name}_us / 1e3")


FIRST_START = Sum("epoch(min(start_time))", {"_us": "min(start_us)"}, "{name}_us / 1e6")
"""The start of the first call, in seconds since 1970."""
_DOLLARS = "round({name}_nano / 1e9, 12)"


def declare(sums: Mapping[str, str | Sum]) -> dict[str, Sum]:
    """Return sums by name; a text is one that is portable but for its cast."""
    return {name: _of_text(one) if isinstance(one, str) else one for name, one in sums.items()}


def _of_text(text: str) -> Sum:
    found = _FILTERED.fullmatch(text)
    return Sum(count_where(found[1]), {"": text}) if found else Sum(text)


def count_where(condition: str) -> str:
    """Return the number of calls that meet a condition as SQL over a store: a filter copies what passes it, and takes
    half as long again."""
    return f"coalesce(count_if({condition}), 0)::BIGINT"


def write_exact(sums: Mapping[str, Sum]) -> str:
    """Return sums as the columns of a query over a store."""
    return _write({name: one.exact for name, one in sums.items()})


def write_portable(sums: Mapping[str, Sum]) -> str:
    """Return sums as the columns of a portable text."""
    return _write(portable_columns(sums))


def portable_columns(sums: Mapping[str, Sum]) -> dict[str, str]:
    """Return what an engine is asked for, by name."""
    return {name: sql for one, found in sums.items() for name, sql in found.portable(one).items()}


def finish(store: Store, sums: Mapping[str, Sum], rows: Rows) -> Rows:
    """Return rows that end with the columns of ``write_portable`` as rows that end with the sums."""
    columns = list(portable_columns(sums))
    if not rows or not columns:
        return rows
    keys = len(rows[0]) - len(columns)
    values = {name: [row[keys + at] for row in rows] for at, name in enumerate(columns)}
    text = _FINISH.format(
        sums=", ".join(f"{one.finish(name)} AS {name}" for name, one in sums.items()),
        columns=write_values(columns, sums),
    )  # fmt: skip
    found = store.query(text, {**values, "rows": len(rows)})
    return [(*row[:keys], *made) for row, made in zip(rows, found, strict=True)]


def write_values(columns: Iterable[str], sums: Mapping[str, Sum], others: Mapping[str, str] | None = None) -> str:
    """Return bound lists as columns, in the types that the SQL over them expects; ``others`` are the types of more."""
    types = others or {}
    return ", ".join(f"unnest(${name}::{types.get(name) or _type(name, sums)}[]) AS {name}" for name in columns)


def _type(name: str, sums: Mapping[str, Sum]) -> str:
    if name.endswith("_nano"):
        return "HUGEINT"
    return "BOOLEAN" if name in sums and sums[name].exact.startswith("bool_or") else "BIGINT"


def _nano(column: str, where: str = "") -> str:
    nano = column.removesuffix("_usd") + "_nano_usd"
    return f"SUM(CAST({nano} AS DECIMAL(20, 0))){write_filter(where)}"


def write_filter(where: str) -> str:
    """Return the filter of an aggregate; empty for all calls."""
    return f" FILTER (WHERE {where})" if where else ""


def _write(columns: Mapping[str, str]) -> str:
    return ", ".join(f"{sql} AS {name}" for name, sql in columns.items())
