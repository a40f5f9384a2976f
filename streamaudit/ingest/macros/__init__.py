"""Define the macros that statements use, each once a connection and only when one needs it: to define all of them takes
as long as to load a small file.
"""

import re
from functools import cache, lru_cache

from streamaudit.ingest import corrections
from streamaudit.store.package_files import package_text
from streamaudit.store.store import Store

_FILES = ("values", "names", "endings", "usage", "attributes")
"""The files of macros, in the order of their definitions."""

_DEFINITION = re.compile(r"^CREATE OR REPLACE TEMP MACRO (\w+)\(", re.MULTILINE)
_USE = re.compile(r"(?<![\w.])([a-z]\w*)\(")


def define_macros(store: Store, *statements: str) -> None:
    """Define on a connection the macros that any of the statements uses, and those that these use in turn."""
    wanted = dict.fromkeys(name for one in statements for name in _find_macros(one))
    missing = [name for name in wanted if name not in store.macros]
    if missing:
        definitions = _read_definitions()
        store.script("".join(definitions[name] for name in missing))
        store.macros.update(missing)


@cache
def _read_definitions() -> dict[str, str]:
    """Return the statement that defines each macro, by name; a macro uses only those before it."""
    text = "".join(package_text("ingest", f"macros/{name}.sql") for name in _FILES) + corrections.macros()
    starts = [(found.start(), found[1]) for found in _DEFINITION.finditer(text)]
    ends = [start for start, _ in starts[1:]] + [len(text)]
    return {name: text[start:end] for (start, name), end in zip(starts, ends, strict=True)}


@cache
def _list_uses() -> dict[str, frozenset[str]]:
    """Return, for each macro, itself and all that it uses."""
    found: dict[str, frozenset[str]] = {}
    for name, text in _read_definitions().items():
        used = (set(_USE.findall(text)) - {name}) & found.keys()
        found[name] = frozenset({name}.union(*(found[one] for one in used)))
    return found


@lru_cache(maxsize=64)
def _find_macros(statement: str) -> tuple[str, ...]:
    """Return the macros that a statement needs, in the order of their definitions."""
    uses = _list_uses()
    named = frozenset(_USE.findall(statement)) & uses.keys()
    needed = frozenset[str]().union(*(uses[name] for name in named))
    return tuple(name for name in uses if name in needed)
