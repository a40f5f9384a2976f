"""The relation ``scope`` over exported calls, in the SQL that every engine answers alike.

It has the columns of ``scope`` over a store as far as portable questions need them, with flags as booleans again, so
that a question has one text where DuckDB's own is portable. Days, hours and months come from the folder's UTC day,
guarded by ``start_us``: an engine may give the folder of calls without a start any name. Weeks are named here, by
their Monday.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from streamaudit.errors import UsageError
from streamaudit.store.dimensions import CALENDAR, PLAIN
from streamaudit.store.engines.protocol import Engine, Rows

if TYPE_CHECKING:
    from streamaudit.audits.scope.scope import Scope

MAX_BY = 4
_DAY_US, _HOUR_US, _WEEK_US = 86_400_000_000, 3_600_000_000, 604_800_000_000
_THURSDAY_US = 3 * _DAY_US
"""1970 began on a Thursday, three days into its week."""


class Texts(NamedTuple):
    """A question in two texts: DuckDB's own over a store, and a portable one over exported calls."""

    exact: str
    portable: str


Text = str | Texts

_FLAGS = ("streamed", "cache_hit", "stopped_before_first_token", "ended_early", "ran_on", "prompt_unseen")
_COLUMNS = (
    *PLAIN, "call_id", "uncounted_reason", "start_us", "usage_status", "ttft_status", "ended_by", "provider_basis",
    "cancel_evidence", "cost_basis", "output_cost_basis", "on_disconnect", "tax_class", "tax_rule", "delivered_rule",
    "ttft_ms", "ttft_us", "ttvt_us", "duration_us", "tpot_us", "ttft_bucket", "ttvt_bucket", "duration_bucket",
    "tpot_bucket", "ttft_band", "ttvt_ms", "duration_ms", "tpot_ms",
    "input_tokens", "output_tokens", "reasoning_tokens", "billed_tokens", "rendered_tokens", "delivered_tokens",
    "output_low", "billed_low", "billed_high", "delivered_low", "delivered_high", "tax_low", "tax_best", "tax_high",
    "tax_hidden", "tax_undelivered", "tax_unread", "tax_orphaned", "saved_low", "saved_high",
    "cost_usd", "input_cost_usd", "output_cost_usd", "output_usd_per_token", "usd_per_output_token", "tax_low_usd",
    "tax_best_usd", "tax_high_usd",
    "cost_nano_usd", "cost_low_nano_usd", "input_cost_nano_usd", "tax_low_nano_usd", "tax_best_nano_usd",
    "tax_high_nano_usd", "saved_low_nano_usd", "saved_high_nano_usd", "sample_rate", "kept_for_diversity",
    "visible_output_chars", "cut_bucket", "session_bin", "ttfb_bucket", "ttfb_to_ttft_bucket",
)  # fmt: skip

_DAY = "CASE WHEN start_us IS NOT NULL THEN CAST(day AS STRING) END"
_IN_DAY = f"((start_us % {_DAY_US}) + {_DAY_US}) % {_DAY_US}"
_IN_WEEK = f"(((start_us + {_THURSDAY_US}) % {_WEEK_US}) + {_WEEK_US}) % {_WEEK_US}"
_CALENDAR = {
    "day": _DAY,
    "month": "CASE WHEN start_us IS NOT NULL THEN SUBSTR(CAST(day AS STRING), 1, 7) END",
    "hour": f"CASE WHEN start_us IS NOT NULL THEN CAST(day AS STRING) || ' ' || LPAD(CAST(CAST(({_IN_DAY} - "
            f"({_IN_DAY}) % {_HOUR_US}) / {_HOUR_US} AS INTEGER) AS STRING), 2, '0') || ':00' END",
    "week": f"CAST(start_us - {_IN_WEEK} AS STRING)",
}  # fmt: skip

_SCOPE = """WITH matching_calls AS (
    SELECT {columns}, {flags}, uncounted_reason IS NULL AS counted, {values}
    FROM calls
), {whole} AS (
    SELECT *
    FROM matching_calls
    WHERE ($embeddings OR operation <> 'embedding') AND (counted OR $uncounted){conditions}
){rest}
"""
_SIDED = """, sided AS (
    SELECT *
    FROM (
        SELECT scope.*, {strata}, CASE WHEN {base} THEN 0 WHEN {head} THEN 1 END AS side
        FROM scope WHERE start_us IS NOT NULL
    ) AS both_sides
    WHERE side IS NOT NULL
)"""
_SHOWN = """, scope AS (
    SELECT every_scope.*
    FROM every_scope
    JOIN (
        SELECT * FROM (VALUES {keys}) AS keys ({names})
    ) AS shown ON {same}
)"""
_REST = """, scope AS (
    SELECT {columns}, {flags}, counted, {values}
    FROM every_scope
    LEFT JOIN (
        SELECT * FROM (VALUES {keys}) AS keys (shown_1, shown_2, shown_3, shown_4, is_shown)
    ) AS shown ON {same}
    WHERE is_shown IS NULL
)"""


def refuse_other_zones(tz: str) -> None:
    """Raise UsageError for a zone in which the exported days are no days."""
    if tz != "UTC":
        raise UsageError(f"--tz {tz}: exported calls are grouped in UTC", "leave out --tz, or ask the store itself")


def portable_rows(
    scope: "Scope", engine: Engine, query: str, params: Mapping[str, Any], rest: Sequence[Sequence[Any]] | None,
    shown: Sequence[Sequence[Any]] | None = None,
) -> Rows:  # fmt: skip
    """Return the rows of a portable text over ``scope``; with ``rest`` over the calls of all groups but these, with
    ``shown`` over those of these groups alone.

    The rows of a scope with dimensions begin with these.
    A text over ``scope_outcomes`` reads the same relation: here every call has its tax already.
    """
    text, values = write(scope, query, rest, shown)
    rows = engine.rows(text, {**values, **params})
    return rows if rest is not None else name_weeks(scope, rows)


def name_weeks(scope: "Scope", rows: Rows) -> Rows:
    """Return rows that begin with the dimensions of a scope, with the names of weeks."""
    weeks = [place for place, name in enumerate(scope.by) if name == "week"]
    return [_name_weeks(row, weeks) for row in rows] if weeks else rows


def write(
    scope: "Scope", query: str, rest: Sequence[Sequence[Any]] | None = None,
    shown: Sequence[Sequence[Any]] | None = None,
) -> tuple[str, dict[str, Any]]:  # fmt: skip
    """Return the whole text of a query over ``scope``, and the parameters of its window, filters and groups."""
    refuse_other_zones(scope.tz)
    params: dict[str, Any] = {name: value for name, value in scope.params().items() if isinstance(value, bool)}
    values = [_value(scope, slot, name, params) for slot, name in enumerate(scope.by, start=1)]
    conditions = "".join(f"\n        AND {one}" for one in _conditions(scope, params))
    of_rest = _rest(scope, rest, params) if rest is not None else _shown(scope, shown, params) if shown else ""
    text = _SCOPE.format(
        columns=", ".join(_COLUMNS), flags=", ".join(f"{name} = 1 AS {name}" for name in _FLAGS),
        values=", ".join(f"{_slot(values, slot)} AS by_{slot}" for slot in range(1, MAX_BY + 1)),
        whole="every_scope" if of_rest else "scope", conditions=conditions, rest=of_rest,
    )  # fmt: skip
    return text + query.replace("scope_outcomes", "scope").replace("matching_outcomes", "matching_calls"), params


class Bounds(NamedTuple):
    """A side of a comparison: a value of a dimension, a window in UTC, or both; None is open."""

    value: str | None
    since: datetime | None
    until: datetime | None


def write_sides(
    scope: "Scope", query: str, on: str | None, sides: tuple[Bounds, Bounds], strata: Sequence[str]
) -> tuple[str, dict[str, Any]]:
    """Return a query over ``sided``, as ``Scope.sides_sql``, with its parameters: here of calls of either side only.

    Strata are ``stratum_1`` and so on, as many as there are.
    """
    params: dict[str, Any] = {}
    base, head = (
        " AND ".join(_side(on, bounds, name, params)) or "1 = 1"
        for name, bounds in zip(("base", "head"), sides, strict=True)
    )
    named = ", ".join(f"{name} AS stratum_{slot}" for slot, name in enumerate(strata, start=1))
    text, own = write(scope, _SIDED.format(base=base, head=head, strata=named or "0 AS stratum_0") + query)
    return text, {**own, **params}


def _side(on: str | None, bounds: Bounds, name: str, params: dict[str, Any]) -> Iterator[str]:
    if on is not None:
        params[name] = bounds.value
        yield f"{on} = ${name}"
    for word, bound, sign in (("since", bounds.since, ">="), ("until", bounds.until, "<")):
        if bound is not None:
            params[f"{name}_{word}_us"] = microseconds(bound)
            yield f"start_us {sign} ${name}_{word}_us"


def microseconds(value: datetime) -> int:
    """Return an instant, in UTC where it has no zone, in microseconds since 1970."""
    return (value.replace(tzinfo=value.tzinfo or UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def moment(value: "datetime | int | None") -> datetime | None:
    """Return a start as a store gives it, which an engine gives in microseconds since 1970."""
    if isinstance(value, int):
        return datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None) + timedelta(microseconds=value)
    return value


def _slot(values: Sequence[str], slot: int) -> str:
    return values[slot - 1] if slot <= len(values) else "CAST(NULL AS STRING)"


def _value(scope: "Scope", slot: int, name: str, params: dict[str, Any]) -> str:
    """Return the SQL of the N-th dimension: a column, a part of the calendar, or the group that a value belongs to."""
    if name in CALENDAR or name == "hour":
        return _CALENDAR[name]
    if not name.startswith("group:"):
        return name
    from streamaudit.audits.scope.scope import group_members

    dimension, members = group_members(name.removeprefix("group:"), scope.groups)
    branches = []
    for place, (group, patterns) in enumerate(members.items()):
        key = f"group_{slot}_{place}"
        params[key] = group
        branches.append(f"WHEN {_matches(dimension, patterns, key, params)} THEN ${key}")
    return f"CASE {' '.join(branches)} END"


def _conditions(scope: "Scope", params: dict[str, Any]) -> list[str]:
    found = []
    for name, bound, sign in (("since", scope.since, ">="), ("until", scope.until, "<")):
        if bound is not None:
            params[f"{name}_us"] = microseconds(bound)
            found.append(f"start_us {sign} ${name}_us")
    for name, values in scope.only:
        parts = values.split(",")
        matched = _matches(name, [part.strip() for part in parts], f"only_{name}", params)
        found.append(f"({matched} OR {name} IS NULL)" if "-" in parts else f"({matched})")
    return found


def _matches(name: str, patterns: Sequence[str], key: str, params: dict[str, Any]) -> str:
    """Return the condition that a column has one of these values, in which ``*`` and ``?`` stand for any characters."""
    tests = []
    for place, pattern in enumerate(patterns):
        bound = f"{key}_{place}"
        if "*" in pattern or "?" in pattern:
            escaped = "".join("!" + sign if sign in "!%_" else sign for sign in pattern)
            params[bound] = escaped.replace("*", "%").replace("?", "_")
            tests.append(f"{name} LIKE ${bound} ESCAPE '!'")
        else:
            params[bound] = pattern
            tests.append(f"{name} = ${bound}")
    return " OR ".join(tests)


def _keys(scope: "Scope", keys: Sequence[Sequence[Any]], slots: int, params: dict[str, Any]) -> list[str]:
    """Return the values of each group as SQL, separated by commas."""
    rows = []
    for place, key in enumerate(keys):
        cells = []
        for slot in range(slots):
            value = key[slot] if slot < len(key) else None
            is_week = slot < len(scope.by) and scope.by[slot] == "week" and value is not None
            params[f"shown_{place}_{slot}"] = _monday_us(str(value)) if is_week else value
            cells.append(f"CAST($shown_{place}_{slot} AS STRING)")
        rows.append(", ".join(cells))
    return rows


def _shown(scope: "Scope", keys: Sequence[Sequence[Any]], params: dict[str, Any]) -> str:
    slots = range(1, len(keys[0]) + 1)
    return _SHOWN.format(
        keys=", ".join(f"({row})" for row in _keys(scope, keys, len(keys[0]), params)),
        names=", ".join(f"shown_{slot}" for slot in slots),
        same=" AND ".join(f"shown_{slot} IS NOT DISTINCT FROM by_{slot}" for slot in slots),
    )


def _rest(scope: "Scope", keys: Sequence[Sequence[Any]], params: dict[str, Any]) -> str:
    return _REST.format(
        columns=", ".join(_COLUMNS), flags=", ".join(_FLAGS),
        keys=", ".join(f"({row}, 1)" for row in _keys(scope, keys, MAX_BY, params)),
        values=", ".join(f"CAST(NULL AS STRING) AS by_{slot}" for slot in range(1, MAX_BY + 1)),
        same=" AND ".join(f"shown_{slot} IS NOT DISTINCT FROM by_{slot}" for slot in range(1, MAX_BY + 1)),
    )  # fmt: skip


def _monday_us(week: str) -> str:
    days = datetime.strptime(f"{week}-1", "%G-W%V-%u").date() - date(1970, 1, 1)
    return str(days.days * _DAY_US)


def _name_weeks(row: tuple[Any, ...], places: Sequence[int]) -> tuple[Any, ...]:
    named = list(row)
    for place in places:
        if named[place] is not None:
            day = date(1970, 1, 1) + timedelta(days=int(named[place]) // _DAY_US)
            named[place] = day.strftime(CALENDAR["week"])
    return tuple(named)
