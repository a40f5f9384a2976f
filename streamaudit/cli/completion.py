"""Shell completion: dimensions at once, their values from the store if it answers quickly."""

import threading
from contextlib import suppress

import typer

from streamaudit.store.dimensions import DIMENSIONS, PLAIN

_PATIENCE_S = 1.0
_MAX_VALUES = 200


def dimensions(incomplete: str) -> list[str]:
    """Return the dimensions that may follow in a list such as ``tenant,mo``."""
    before, comma, last = incomplete.rpartition(",")
    named = set(before.split(","))
    return [f"{before}{comma}{name}" for name in DIMENSIONS if name.startswith(last) and name not in named]


def values(context: typer.Context, incomplete: str) -> list[str]:
    """Return ``tenant=`` and, once a dimension is named, its values in the store; never wait for a busy store."""
    name, sign, start = incomplete.partition("=")
    if not sign:
        return [f"{one}=" for one in PLAIN if one.startswith(name)]
    if name not in PLAIN:
        return []
    found: list[str] = []
    before, comma, last = start.rpartition(",")

    def ask() -> None:
        with suppress(KeyboardInterrupt):
            found.extend(f"{name}={before}{comma}{value}" for value in _stored_values(context, name, last))

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(_PATIENCE_S)
    if asking.is_alive():
        _give_up()
        asking.join()
    return list(found)


def _give_up() -> None:
    """Stop the query, so that the process does not end with the database open."""
    from streamaudit.store.store import Store

    Store.interrupt_running()


def _stored_values(context: typer.Context, name: str, start: str) -> list[str]:
    from streamaudit.audits.scope.scope import Scope
    from streamaudit.config import loader
    from streamaudit.store.store import Store

    try:
        path, _ = loader.load(loader.find()).store_path(context.params.get("db"))
        with Store.open(path, write=False) as store:
            scope = Scope(by=(name,))
            scope.prepare(store)
            rows = store.query(
                scope.sql("SELECT DISTINCT by_1 FROM scope WHERE starts_with(by_1, $start) ORDER BY by_1 LIMIT $most"),
                {**scope.params(), "start": start, "most": _MAX_VALUES},
            )
            # Values are untrusted text: skip those with characters special to a shell.
            return [
                value for (value,) in rows if value.isprintable() and not set(value) & set(" \t\"'`$\\;&|<>()*?[]{}!#")
            ]
    except Exception:
        return []  # a completion cannot report errors
