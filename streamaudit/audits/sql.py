"""``sql``: run one SELECT of the user's own, over four documented tables and nothing else.

DuckDB's own syntax tree of the statement decides whether it may run: which tables and table functions it reads, and
that nothing in it writes. The connection it then runs on can reach no file and no network and holds the store
read-only.
"""

import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from datetime import time as time_of_day
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from streamaudit.errors import StoreError, StreamauditError, UsageError, nearest
from streamaudit.report.frames import ArrowRows, sql_types
from streamaudit.report.model import NO_WINDOW, Column, Json, Note, Report, Table, Unit, Value
from streamaudit.store.connection import Answer, TimeOver, explain_misfit
from streamaudit.store.store import Store
from streamaudit.store.views.refresh import refresh

if TYPE_CHECKING:
    import pyarrow

TABLES = ("calls", "spans", "loads", "rejects")
"""Tables that a statement may read."""

TIMEOUT_S = 60.0
"""Seconds that a statement may take."""
_ROWS_A_PIECE = 20_000

_SETUP = """
CREATE OR REPLACE TEMP VIEW calls AS FROM call_tax;
CREATE OR REPLACE TEMP VIEW spans AS FROM store.spans;
CREATE OR REPLACE TEMP VIEW loads AS FROM store.loads;
CREATE OR REPLACE TEMP VIEW rejects AS FROM store.rejects;
"""

_NODES = frozenset(("SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"))
_SOURCES = frozenset(
    ("BASE_TABLE", "SUBQUERY", "JOIN", "TABLE_FUNCTION", "EXPRESSION_LIST", "EMPTY", "PIVOT", "SHOW_REF")
)
_TABLE_FUNCTIONS = frozenset(("unnest", "range", "generate_series", "json_each", "json_tree"))
# Functions that reveal the machine or the session, wait, or plan another statement.
_REFUSED_FUNCTIONS = frozenset(
    "getvariable current_setting write_log sleep_ms pg_sleep nextval setval currval pg_get_viewdef current_query "
    "json_serialize_plan parse_duckdb_log_message".split()
)
_FAILURES = {
    "ConversionException": "a value is not of the type it is cast to; try_cast(x AS type) gives NULL there",
    "OutOfRangeException": "a result is out of range; cast to a larger type first, such as x::DOUBLE",
    "OutOfMemoryException": "it needs more memory than it may use; --memory-limit 4GB allows more",
}
_SUCH_AS = 'such as streamaudit sql "SELECT tenant, count(*) FROM calls GROUP BY ALL"'
_UNITS: dict[str, Unit] = {"ms": "ms", "usd": "usd", "tokens": "tokens", "bytes": "bytes"}
_NUMERIC = ("INT", "DOUBLE", "FLOAT", "DECIMAL")


def run(
    store: Store, sql: str, most: int | None = None, *, columnar: bool = False, timeout_s: float = TIMEOUT_S
) -> Report:
    """Run one statement as a report with one table; UsageError when it is not allowed, fails, or takes longer than
    ``timeout_s`` seconds.

    ``columnar`` fetches all rows by Arrow, which takes a tenth of the time, and converts them only when Python values
    are needed.
    """
    _prepare(store, sql)
    with _explained(timeout_s), store.time_limit(timeout_s):
        if columnar:
            return _columnar(sql_types(store.arrow(sql)), most)
        found = store.answer(sql, most)
    return _report(found)


def run_in_pieces(store: Store, sql: str, timeout_s: float = TIMEOUT_S) -> Iterator[Report]:
    """Run one statement as ``run`` and yield its rows in reports of some thousand each, one at least. The time that
    their reader takes does not count."""
    _prepare(store, sql)
    pieces, left_s = store.answer_in_pieces(sql, _ROWS_A_PIECE), timeout_s
    while True:
        begin = time.monotonic()
        with _explained(timeout_s), store.time_limit(left_s):
            piece = next(pieces, None)
        if piece is None:
            return
        left_s -= time.monotonic() - begin
        yield _report(piece)


def _prepare(store: Store, sql: str) -> None:
    check(store, sql)
    refresh(store)
    store.script(_SETUP)


@contextmanager
def _explained(timeout_s: float) -> Iterator[None]:
    """Raise what goes wrong with a statement as UsageError, without a value that the database may quote."""
    try:
        yield
    except TimeOver:
        raise UsageError(
            f"sql: the statement was stopped after {timeout_s:g} s", "--timeout 10m allows more time"
        ) from None
    except StoreError:
        raise
    except StreamauditError as error:
        fault = explain_misfit(error)
        if fault is not None:
            raise UsageError(f"sql: {fault}", 'streamaudit sql "DESCRIBE calls" lists the columns') from None
        kind = type(error.__cause__).__name__
        raise UsageError(f"sql: the statement failed: {_FAILURES.get(kind, kind)}") from None


def check(store: Store, sql: str) -> None:
    """Raise UsageError unless the text is one statement that only reads the documented tables."""
    try:
        _check_tree(json.loads(store.statement_tree(sql)))
    except RecursionError:
        raise UsageError("sql: the statement is nested too deeply") from None


def _check_tree(tree: dict[str, Any]) -> None:
    if tree.get("error"):
        if tree.get("error_type") == "parser":
            raise UsageError(f"sql: {tree['error_message']}, at character {int(tree.get('position', 0)) + 1}")
        raise UsageError(
            "sql: only one statement that reads is allowed: SELECT, WITH … SELECT, FROM …, DESCRIBE",
            _SUCH_AS,
        )
    if len(tree["statements"]) != 1:
        raise UsageError("sql takes one statement" + ("" if tree["statements"] else ", this is none"), _SUCH_AS)
    _allow(tree["statements"][0]["node"], frozenset())


def _allow(tree: Any, named: frozenset[str]) -> None:
    """Refuse everything not known to be harmless. ``named`` are the tables that the statement itself defines here."""
    if isinstance(tree, list):
        for item in tree:
            _allow(item, named)
    if not isinstance(tree, dict):
        return
    if isinstance(tree.get("cte_map"), dict):
        for entry in tree["cte_map"]["map"]:
            # A definition sees those before it: any other name belongs to a real table.
            _allow(entry["value"], named)
            named |= {entry["key"].lower()}
        tree = {key: value for key, value in tree.items() if key != "cte_map"}
    if tree.get("type") == "RECURSIVE_CTE_NODE":
        # It sees itself only in its recursive part; elsewhere its name belongs to a real table too.
        _allow(tree["right"], named | {tree["cte_name"].lower()})
        tree = {key: value for key, value in tree.items() if key != "right"}
    kind = str(tree.get("type"))
    if kind.endswith("_NODE") and kind not in _NODES:
        raise UsageError("sql: the statement may only read")
    if "class" in tree:
        _allow_expression(tree)
    elif "sample" in tree and "alias" in tree:
        _allow_source(kind, tree, named)
    for value in tree.values():
        _allow(value, named)


def _allow_expression(tree: dict[str, Any]) -> None:
    if tree["class"] == "PARAMETER":
        raise UsageError("sql: a statement here has no parameters; write the value itself")
    name = str(tree.get("function_name", "")).lower()
    if tree["class"] in ("FUNCTION", "WINDOW") and name in _REFUSED_FUNCTIONS:
        raise UsageError(f"sql: the function {name} is not allowed")


def _allow_source(kind: str, tree: dict[str, Any], named: frozenset[str]) -> None:
    # SUMMARIZE would take minutes to plan over the many columns of calls; SHOW lists more than these tables.
    if kind not in _SOURCES or (kind == "SHOW_REF" and (tree["query"] is None or tree["show_type"] != "DESCRIBE")):
        raise UsageError("sql: only tables, joins, sub-queries and DESCRIBE are allowed", _tables())
    if kind == "TABLE_FUNCTION":
        name = str(tree["function"].get("function_name", "")).lower()
        if name not in _TABLE_FUNCTIONS:
            raise UsageError(f"sql: the table function {name} is not allowed", _tables())
    if kind == "BASE_TABLE":
        path = tree.get("qualified_name", {}).get("path") or [tree["table_name"]]
        name = ".".join(path)
        # A text without a dot can come from a quoted name, so the parts are counted and not the dots.
        if len(path) != 1 or tree["catalog_name"] or tree["schema_name"] or name.lower() not in {*TABLES, *named}:
            close = nearest(name.lower(), [*TABLES])
            raise UsageError(
                f"sql: unknown table {name}", f"did you mean {close}?" if close else _tables()
            )


def _tables() -> str:
    return "tables: " + ", ".join(TABLES)


def _columnar(data: "pyarrow.Table", most: int | None) -> Report:
    total = data.num_rows
    rows = ArrowRows(data if most is None else data.slice(0, most))
    columns = tuple(Column(field.name, _unit(field.name, str(field.type).upper())) for field in data.schema)
    return Report("sql", NO_WINDOW, (Table("result", columns, rows),), notes=_notes(len(rows), total), command="sql")


def _report(found: Answer) -> Report:
    columns = tuple(Column(name, _unit(name, kind)) for name, kind in zip(found.names, found.types, strict=True))
    ready = {index for index, kind in enumerate(found.types) if _is_plain(kind)}
    rows = tuple(
        tuple(value if index in ready else _value(value, found.types[index]) for index, value in enumerate(row))
        for row in found.rows
    )
    result = Table("result", columns, rows)
    return Report("sql", NO_WINDOW, (result,), notes=_notes(len(rows), found.total), command="sql")


def _notes(shown: int, total: int) -> tuple[Note, ...]:
    if not shown:
        return (Note("empty", "the statement has no rows"),)
    if shown == total:
        return ()
    message = f"{shown:,} of {total:,} rows shown; --limit N shows more, --format csv all of them"
    return (Note("rows_cut", message, total),)


def _unit(name: str, kind: str) -> Unit | None:
    return _UNITS.get(name.rpartition("_")[2]) if "_" in name and kind.startswith(_NUMERIC) else None


def _is_plain(kind: str) -> bool:
    """Return whether a report takes values of the type unchanged, so that no call per cell is needed."""
    return kind in ("VARCHAR", "BOOLEAN", "TIMESTAMP") or (kind.endswith(("INT", "INTEGER")) and "(" not in kind)


def _value(value: Any, kind: str) -> Value:
    if value is None:
        return None
    if kind == "JSON":
        return Json(value)
    if isinstance(value, float):
        return value
    plain: Value | list[Any] | dict[str, Any] = _plain(value)
    return Json(json.dumps(plain, ensure_ascii=False)) if isinstance(plain, list | dict) else plain


def _plain(value: Any) -> Any:
    """Convert a value from DuckDB to a JSON type."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(_plain(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int | bool):
        return value
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() and value.as_tuple().exponent == 0 else float(value)
    if isinstance(value, datetime | date | time_of_day):
        return value.isoformat() + ("Z" if isinstance(value, datetime) and value.tzinfo is None else "")
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    return str(value)  # intervals, UUIDs and types added by later versions
