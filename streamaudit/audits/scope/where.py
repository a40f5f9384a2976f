"""``--where``: the only user text that becomes part of a query, and only after this check."""

import json
from collections.abc import Iterator
from typing import Any

from streamaudit.errors import UsageError, nearest
from streamaudit.store.store import Store

_SAFE_FUNCTIONS = frozenset(
    "abs ceil floor round least greatest coalesce nullif ifnull lower upper length trim contains starts_with ends_with "
    "prefix suffix strpos substr substring regexp_matches regexp_full_match like ilike ~~ ~~* !~~ !~~* ~~~ like_escape "
    "not_like_escape ilike_escape not_ilike_escape date_trunc date_part year month day hour minute dayofweek isodow "
    "week strftime trunc current_date now get_current_timestamp today epoch epoch_ms epoch_us to_days to_hours "
    "to_minutes to_seconds to_months list_contains "
    "array_contains len isfinite isnan + - * / % // || ^ **".split()
)
_SAFE_CLASSES = frozenset(
    ("CONSTANT", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "FUNCTION", "OPERATOR", "CAST", "TYPE", "CASE", "BETWEEN")
)


def check_condition(store: Store, where: str) -> str:
    """Return the user's condition if it is one expression over the call's own columns.

    It ends in a line break so that a comment in it ends too. Raises UsageError otherwise.
    """
    if not where.strip():
        raise UsageError("--where is empty", "such as --where \"tenant = 'acme'\"")
    statement = f"SELECT 1 FROM matching_calls WHERE ({where}\n)"  # noqa: S608 - parsed, not run
    try:
        tree = json.loads(store.statement_tree(statement))
        return _check_tree(store, where, tree)
    except RecursionError:
        raise UsageError("--where: the condition is nested too deeply") from None


def _check_tree(store: Store, where: str, tree: dict[str, Any]) -> str:
    if tree.get("error") or len(tree["statements"]) != 1:
        raise UsageError(f"--where: not a SQL condition: {where!r}")
    node = tree["statements"][0]["node"]
    plain = node["type"] == "SELECT_NODE" and not any(
        (
            node["modifiers"],
            node["cte_map"]["map"],
            node["group_expressions"],
            node["having"],
            node["qualify"],
            node["sample"],
        )
    )
    if not plain or node["from_table"]["type"] != "BASE_TABLE" or node["select_list"][0]["class"] != "CONSTANT":
        raise UsageError("--where takes a single condition")
    _refuse_unsafe(node["where_clause"])
    # Texts that parse to the same tree are the same condition, so comments and stray brackets cannot hide a clause.
    try:
        store.query(f"EXPLAIN SELECT 1 FROM call_tax WHERE ({where}\n)")  # noqa: S608 - checked above
    except Exception:
        known = [row[0] for row in store.query("SELECT column_name FROM (DESCRIBE call_tax)")]
        unknown = next((name for name in _columns(node["where_clause"]) if name.lower() not in known), None)
        if unknown is None:
            raise UsageError(
                f"--where: {where!r} does not fit the columns of a call", "streamaudit documents them in docs/schema.md"
            ) from None
        close = nearest(unknown.lower(), known)
        raise UsageError(
            f"--where: a call has no column {unknown!r}" + (f", did you mean {close}?" if close else ""),
            "texts stand in single quotes: --where \"tenant = 'acme'\"; streamaudit documents the columns in "
            "docs/schema.md",
        ) from None
    return where + "\n"


def _columns(tree: Any) -> Iterator[str]:
    """Yield the names of the columns in a parsed condition."""
    if isinstance(tree, dict) and tree.get("class") == "COLUMN_REF":
        yield str(tree["column_names"][0])
    elif isinstance(tree, dict | list):
        for part in tree.values() if isinstance(tree, dict) else tree:
            yield from _columns(part)


def _refuse_unsafe(tree: Any) -> None:
    if isinstance(tree, list):
        for item in tree:
            _refuse_unsafe(item)
    if not isinstance(tree, dict):
        return
    kind = tree.get("class")
    if kind is not None and kind not in _SAFE_CLASSES:
        raise UsageError(f"--where: {str(kind).lower()} expressions are not allowed")
    if kind == "FUNCTION" and (tree["function_name"] not in _SAFE_FUNCTIONS or tree.get("schema")):
        raise UsageError(f"--where: the function {tree['function_name']} is not allowed")
    for value in tree.values():
        _refuse_unsafe(value)
