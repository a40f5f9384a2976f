"""Turn one query's window, filters and dimensions into the relation ``scope`` that every audit selects from.

``scope`` is the view ``call_tax`` narrowed to counted calls, with the requested dimensions as ``by_1`` … ``by_4`` (NULL
where there are fewer). Groups and total are the same query with and without dimensions.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from streamaudit.audits.scope.portable import Text, Texts, portable_rows
from streamaudit.audits.scope.where import check_condition
from streamaudit.audits.scope.window import naive_utc
from streamaudit.errors import UsageError, nearest
from streamaudit.store.dimensions import CALENDAR, DIMENSIONS, PLAIN
from streamaudit.store.store import Store
from streamaudit.store.views.refresh import refresh

MAX_BY = 4
_GROUP = "group:"

_OF_CALL = " ".join(f"WHEN '{name}' THEN {name}" for name in PLAIN)
# ``call_id`` and ``side`` (of a moment, in the variable ``side_from``) are for audits alone; no option names them.
_SIDE = "CASE WHEN start_time >= getvariable('side_from')::TIMESTAMP THEN 'now' ELSE 'before' END"
_VALUES = {name: name for name in (*PLAIN, "call_id")} | {"side": _SIDE} | {
    name: f"strftime(timezone($tz, timezone('UTC', start_time)), '{form}')" for name, form in CALENDAR.items()
} | {"hour": "hour_name(start_time, $tz)"}
_ONLY = {name: f"AND coalesce(regexp_full_match({name}, $only_{name}), $none_{name})" for name in PLAIN}
# Binding twenty dimensions and filters takes longer than most queries run, so a query has only those in use.
_SCOPE = """
{name} AS NOT MATERIALIZED (
    SELECT
        *,
        {values}
    FROM {calls}
    WHERE ($embeddings OR operation <> 'embedding')
        AND (counted OR $uncounted)
        AND ($since::TIMESTAMP IS NULL OR start_time >= $since)
        AND ($until::TIMESTAMP IS NULL OR start_time < $until)
        {only}
)
"""
_SIDED = """
, sided AS (
    SELECT
        *,
        CASE
            WHEN {is_base}
                AND ($base_since::TIMESTAMP IS NULL OR start_time >= $base_since)
                AND ($base_until::TIMESTAMP IS NULL OR start_time < $base_until) THEN 0
            WHEN {is_head}
                AND ($head_since::TIMESTAMP IS NULL OR start_time >= $head_since)
                AND ($head_until::TIMESTAMP IS NULL OR start_time < $head_until) THEN 1
        END AS side
    FROM (SELECT *, {strata} FROM scope)
    WHERE start_time IS NOT NULL
)
"""
_MAX_STRATA = 3
_REST = """
, {name} AS NOT MATERIALIZED (
    SELECT everything.* REPLACE (NULL AS by_1, NULL AS by_2, NULL AS by_3, NULL AS by_4)
    FROM every_{name} AS everything ANTI JOIN shown_groups AS shown
        ON shown.by_1 IS NOT DISTINCT FROM everything.by_1 AND shown.by_2 IS NOT DISTINCT FROM everything.by_2
        AND shown.by_3 IS NOT DISTINCT FROM everything.by_3 AND shown.by_4 IS NOT DISTINCT FROM everything.by_4
)
"""

# Sums over all calls join no tax to each of them: these have its low ends, and nothing else of it.
_OF_OUTCOMES = "scope_outcomes"
_RELATIONS = {"scope": "matching_calls", _OF_OUTCOMES: "matching_outcomes"}

# ``group_N`` is the name of the group of the N-th dimension's value; NULL where it belongs to none.
_UNTAXED = (
    "CREATE OR REPLACE TEMP VIEW calls_without_tax AS "
    "SELECT * EXCLUDE (call_row), NULL::BIGINT AS tax_best, NULL AS tax_class FROM refreshed_calls"
)
_NO_GROUPS = "SELECT *, NULL AS group_1, NULL AS group_2, NULL AS group_3, NULL AS group_4 FROM call_tax"
_GROUP_JOINS = "\n".join(  # from the fixed list above
    f"LEFT JOIN (SELECT value AS value_{slot}, name AS group_{slot} FROM group_members WHERE slot = {slot})\n"  # noqa: S608
    f"    ON value_{slot} = CASE getvariable('group_{slot}_of') {_OF_CALL} END"
    for slot in range(1, MAX_BY + 1)
)
_GROUPED = f"SELECT call_tax.*, group_1, group_2, group_3, group_4 FROM call_tax {_GROUP_JOINS}"  # noqa: S608 - likewise
_MATCHING_OUTCOMES = [
    "CREATE OR REPLACE TEMP VIEW matching_outcomes AS " + calls.replace("call_tax", "call_low_ends")
    for calls in (_NO_GROUPS, _GROUPED)
]
_ADD_MEMBERS = f"""
INSERT INTO group_members
SELECT $slot, value, $name FROM (SELECT DISTINCT CASE $dimension {_OF_CALL} END AS value FROM refreshed_calls)
WHERE regexp_full_match(value, $pattern) AND value NOT IN (SELECT value FROM group_members WHERE slot = $slot)
"""  # noqa: S608 - likewise
_SET_GROUP = {slot: f"SET VARIABLE group_{slot}_of = $dimension" for slot in range(1, MAX_BY + 1)}


@dataclass(frozen=True, slots=True)
class Scope:
    """The calls of one query. ``since`` and ``until`` are UTC and half-open; None is the data's own end."""

    by: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    tz: str = "UTC"
    where: str | None = None
    only: tuple[tuple[str, str], ...] = ()
    top: int | None = None
    groups: dict[str, dict[str, tuple[str, ...]]] = field(default_factory=dict)
    """Named sets of values, by dimension; ``by`` refers to them as ``group:NAME``."""

    @property
    def filters(self) -> dict[str, str]:
        """Return the filters as a report shows them."""
        stated = {f"only {name}": values for name, values in self.only}
        return {**stated, **({"where": self.where} if self.where else {})}

    def total(self) -> "Scope":
        """Return the same calls as one group."""
        return replace(self, by=())

    def params(self) -> dict[str, Any]:
        """Return the parameters of ``sql``."""
        only = dict(self.only)
        return {
            "since": naive_utc(self.since),
            "until": naive_utc(self.until),
            "tz": self.tz,
            "embeddings": "operation" in self.by or "operation" in only,
            "uncounted": False,
            **{f"only_{name}": _pattern(values) for name, values in self.only},
            **{f"none_{name}": "-" in values.split(",") for name, values in self.only},
        }

    def sql(self, query: str, *, rest: bool = False) -> str:
        """Return a query over ``scope``; with ``rest`` over the calls of the groups that ``show_groups`` left out."""
        values = [
            f"group_{slot}" if name.startswith(_GROUP) else _VALUES[name] for slot, name in enumerate(self.by, start=1)
        ]
        only = "\n        ".join(_ONLY[name] for name, _ in self.only)
        parts = []
        for name, calls in _RELATIONS.items():
            if name != _OF_OUTCOMES or _OF_OUTCOMES in query:
                whole = f"every_{name}" if rest else name
                parts.append(_SCOPE.format(name=whole, values=_slots("by", values, MAX_BY), calls=calls, only=only))
                parts[-1] += _REST.format(name=name) if rest else ""
        return "WITH " + ", ".join(parts) + query

    def rows(
        self, store: Store, query: Text, params: dict[str, Any] | None = None,
        rest: Sequence[Sequence[Any]] | None = None, shown: Sequence[Sequence[Any]] | None = None,
    ) -> list[tuple[Any, ...]]:  # fmt: skip
        """Return the rows of a query over ``scope``, from the store or from the engine that answers for it.

        ``params`` are its own parameters, and replace those of the scope. With ``rest`` it is over the calls of all
        groups but these. ``shown`` names the groups whose rows are used: an engine returns no others. A query of one
        text is portable.
        """
        exact, portable = query if isinstance(query, Texts) else (query, query)
        if store.engine is not None:
            return portable_rows(self, store.engine, portable, params or {}, rest, shown)
        if rest is not None:
            show_groups(store, rest)
        return store.query(self.sql(exact, rest=rest is not None), {**self.params(), **(params or {})})

    def sides_sql(self, query: str, on: str | None, strata: Sequence[str]) -> str:
        """Return a query over ``sided``: the calls of ``scope`` with a side and strata.

        ``side`` is 0 for the base, 1 for the head, NULL for neither; up to three strata are ``stratum_1`` …
        ``stratum_3``. Sides are values of the dimension ``on``, or only windows when it is None.
        """
        value = _VALUES[on] if on else None
        sides = _SIDED.format(
            is_base=f"{value} = $base" if value else "true", is_head=f"{value} = $head" if value else "true",
            strata=_slots("stratum", [_VALUES[name] for name in strata], _MAX_STRATA),
        )  # fmt: skip
        return self.sql(sides + query)

    def prepare(self, store: Store, *, taxed: bool = True) -> None:
        """Define ``matching_calls``, the one place where the user's own condition is part of a query.

        ``matching_outcomes`` are the same calls, without the columns of a tax where no condition can ask for them.

        Valuing the tax of millions of calls takes seconds: without ``taxed``, ``tax_best`` is NULL and other columns of
        it are absent.
        """
        if store.engine is not None:
            refresh(store, taxed=False)
            return
        taxed = taxed or self.where is not None
        refresh(store, taxed=taxed)
        if not taxed:
            store.run(_UNTAXED)
        grouped = any(name.startswith(_GROUP) for name in self.by)
        if grouped:
            self._list_members(store)
        calls = _GROUPED if grouped else _NO_GROUPS
        condition = f" WHERE ({check_condition(store, self.where)})" if self.where is not None else ""
        calls = calls if taxed else calls.replace("call_tax", "calls_without_tax")
        statement = f"CREATE OR REPLACE TEMP VIEW matching_calls AS SELECT * FROM ({calls}){condition}"  # noqa: S608 - checked
        store.run(statement)
        if taxed and self.where is None:
            store.run(_MATCHING_OUTCOMES[grouped])
        else:
            store.run("CREATE OR REPLACE TEMP VIEW matching_outcomes AS FROM matching_calls")

    def _list_members(self, store: Store) -> None:
        """List which values belong to which group, for every grouped dimension; the first match counts."""
        store.run("CREATE OR REPLACE TEMP TABLE group_members (slot INTEGER, value VARCHAR, name VARCHAR)")
        for slot, name in enumerate(self.by, start=1):
            if not name.startswith(_GROUP):
                continue
            dimension, members = group_members(name.removeprefix(_GROUP), self.groups)
            store.run(_SET_GROUP[slot], {"dimension": dimension})
            for group, patterns in members.items():
                about = {"slot": slot, "name": group, "dimension": dimension}
                store.run(_ADD_MEMBERS, {**about, "pattern": _pattern(",".join(patterns))})


def _slots(name: str, values: Sequence[str], slots: int) -> str:
    return ", ".join(
        f"{values[slot - 1] if slot <= len(values) else 'NULL::VARCHAR'} AS {name}_{slot}"
        for slot in range(1, slots + 1)
    )


def show_groups(store: Store, keys: Sequence[Sequence[Any]]) -> None:
    """Name the groups that have a row of their own, so that a rest query can leave them out."""
    padded = [(*key, *[None] * (MAX_BY - len(key))) for key in keys]
    columns = [[key[index] for key in padded] for index in range(MAX_BY)]
    store.run(
        "CREATE OR REPLACE TEMP TABLE shown_groups AS SELECT unnest($k1::VARCHAR[]) AS by_1, "
        "unnest($k2::VARCHAR[]) AS by_2, unnest($k3::VARCHAR[]) AS by_3, unnest($k4::VARCHAR[]) AS by_4",
        {f"k{index + 1}": column for index, column in enumerate(columns)},
    )


def group_members(name: str, groups: dict[str, dict[str, tuple[str, ...]]]) -> tuple[str, dict[str, tuple[str, ...]]]:
    """Return the dimension of ``group:NAME`` and the patterns of each group of its values.

    NAME is a dimension, for all its groups, or one group. Raises UsageError for an unknown name.
    """
    by_dimension = {group: members[name] for group, members in groups.items() if name in members}
    if by_dimension:
        return name, by_dimension
    if name in groups and len(groups[name]) == 1:
        return next((dimension, {name: patterns}) for dimension, patterns in groups[name].items())
    if name in groups:
        raise UsageError(
            f"--by group:{name}: the group has several dimensions, say which",
            f"--by group:{next(iter(groups[name]))}",
        )
    known = sorted({dimension for members in groups.values() for dimension in members} | set(groups))
    raise UsageError(
        f"--by group:{name}: no group is called so in the configuration",
        "groups: " + ", ".join(known) if known else 'name one: [groups.enterprise] tenant = ["acme", "globex*"]',
    )


def parse_by(
    text: str | None, groups: dict[str, dict[str, tuple[str, ...]]] | None = None, flag: str = "--by",
    most: int = MAX_BY,
) -> tuple[str, ...]:  # fmt: skip
    """Parse ``"tenant,model"`` into at most ``most`` dimensions.

    Raises UsageError naming the option ``flag`` and the nearest known dimension.
    """
    names = tuple(name.strip() for name in text.split(",") if name.strip()) if text else ()
    for name in names:
        if name.startswith(_GROUP):
            group_members(name.removeprefix(_GROUP), groups or {})
        elif name not in DIMENSIONS:
            close = nearest(name, list(DIMENSIONS))
            raise UsageError(
                f"{flag} {name}: unknown dimension",
                f"did you mean {close}?" if close else "dimensions: " + ", ".join(DIMENSIONS),
            )
    if len(set(names)) != len(names):
        raise UsageError(f"{flag} {text}: a dimension is named twice")
    if len(names) > most:
        raise UsageError(f"{flag} takes at most {most} dimensions")
    return names


def parse_only(texts: list[str]) -> tuple[tuple[str, str], ...]:
    """Parse ``["tenant=acme,glob*"]`` into (dimension, values). ``-`` matches calls without a value."""
    found: dict[str, str] = {}
    for text in texts:
        name, sign, values = text.partition("=")
        if not sign or not values:
            raise UsageError(f"--only {text}: expected DIMENSION=VALUE[,VALUE…], such as tenant=acme,glob*")
        if name not in PLAIN:
            close = nearest(name, list(PLAIN))
            raise UsageError(
                f"--only {name}: unknown dimension",
                f"did you mean {close}?" if close else "dimensions: " + ", ".join(PLAIN),
            )
        found[name] = f"{found[name]},{values}" if name in found else values
    return tuple(found.items())


def _pattern(values: str) -> str:
    """Return a regular expression for a list of values with ``*`` and ``?``; ``-`` matches a missing value."""
    parts = (re.escape(value.strip()).replace(r"\*", ".*").replace(r"\?", ".") for value in values.split(","))
    return "(?s)(" + "|".join(parts) + ")"
