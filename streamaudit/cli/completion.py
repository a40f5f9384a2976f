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


def vendors(incomplete: str) -> list[str]:
    """Return the vendors that can be pulled."""
    from streamaudit.ingest.pull import registry

    return [name for name in registry.names() if name.startswith(incomplete)]


def values(context: typer.Context, incomplete: str) -> list[str]:
    """Return ``tenant=`` and, once a dimension is named, its values in the store; never wait for a busy store."""
    name, sign, start = incomplete.partition("=")
    if not sign:
        return [f"{one}=" for one in PLAIN if one.startswith(name)]
    if name not in PLAIN:
        return []
    before, comma, last = start.rpartition(",")
    return [f"{name}={before}{comma}{value}" for value in _ask_store(context, name, last)]


def deploys(context: typer.Context, incomplete: str) -> list[str]:
    """Return the deploys in the store that begin so; a shell offers files where there are none."""
    return _ask_store(context, "deploy", incomplete)


def _ask_store(context: typer.Context, name: str, start: str) -> list[str]:
    """Return the values of a dimension that begin so, or nothing if the store does not answer in time."""
    found: list[str] = []

    def ask() -> None:
        with suppress(KeyboardInterrupt):
            found.extend(_stored_values(context, name, start))

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
    from streamaudit.config import loader
    from streamaudit.store.store import Store
    from streamaudit.store.stored_values import values_beginning

    try:
        settings = loader.load(loader.find())
        with Store.open(settings.store_path(context.params.get("db"))[0], write=False) as store:
            found = values_beginning(store, name, start, _MAX_VALUES)
            # Values are untrusted text: skip those with characters special to a shell.
            return [one for one in found if one.isprintable() and not set(one) & set(" \t\"'`$\\;&|<>()*?[]{}!#")]
    except Exception:
        return []  # a completion cannot report errors
