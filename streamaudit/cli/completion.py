"""Shell completion: dimensions at once, their values from the store if it answers quickly."""

import typer

from streamaudit.store.dimensions import DIMENSIONS, PLAIN

_PATIENCE_S = 1.0
_MAX_VALUES = 200


def dimensions(incomplete: str) -> list[str]:
    """Return the dimensions that may follow in a list such as ``tenant,mo``."""
    before, comma, last = incomplete.rpartition(",")
    named = set(before.split(","))
    return [f"{before}{comma}{name}" for name in DIMENSIONS if name.startswith(last) and name not in named]


def recipes(incomplete: str) -> list[str]:
    """Return the recipes of ``instrument`` that begin so."""
    from streamaudit.cli.recipe_files import RECIPES

    return [name for name in RECIPES if name.startswith(incomplete)]


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
    # Loaded only here: names are completed without the database.
    from streamaudit.config import loader
    from streamaudit.errors import StreamauditError
    from streamaudit.store.stored_values import values_beginning

    try:
        path = loader.load(loader.find()).store_path(context.params.get("db"))[0]
    except StreamauditError:
        return []  # a completion cannot report errors
    found = values_beginning(path, name, start, most=_MAX_VALUES, seconds=_PATIENCE_S)
    # Values are untrusted text: skip those with characters special to a shell.
    return [one for one in found if one.isprintable() and not set(one) & set(" \t\"'`$\\;&|<>()*?[]{}!#")]
