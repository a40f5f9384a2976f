"""Behaviour of providers when the client of a stream disconnects: stop and bill what was generated, or run on and bill
all.

The table is a prior, dated and contested in places; it only moves the bounds of a tax, never an exact figure, and the
configuration takes precedence over it.
"""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from streamaudit.store.package_files import package_text

STOP_DELAY_MS = 2000.0
"""Milliseconds that a provider that stops is assumed to go on generating, where the call itself does not record it."""


@dataclass(frozen=True, slots=True)
class ProviderOverrides:
    """The configuration's statements about providers: stops, runs_on or contested by name, and for how many
    milliseconds a provider that stops is assumed to go on."""

    on_disconnect: Mapping[str, str] = field(default_factory=dict)
    stop_delay_ms: float = STOP_DELAY_MS
    hops: Mapping[str, str] = field(default_factory=dict)
    """Behaviour of servers before the application when a client aborts, by name; see ``hops``."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A row of the table. ``on_disconnect`` is stops, runs_on or contested; ``evidence`` names the source of that."""

    name: str
    spellings: tuple[str, ...]
    on_disconnect: str
    evidence: str
    as_of: str
    source: str
    note: str


@cache
def read_providers() -> tuple[Provider, ...]:
    """Read the package's table of providers, by name."""
    text = package_text("store", "providers.csv")
    rows = csv.DictReader(io.StringIO(text))
    return tuple(
        Provider(
            row["provider"], tuple(row["spellings"].split()), row["on_disconnect"], row["evidence"], row["as_of"],
            row["source"], row["note"],
        )
        for row in rows
    )  # fmt: skip


def resolve_behaviours(spelled: list[str], overrides: ProviderOverrides | None = None) -> dict[str, str]:
    """Return the behaviour of each provider, by its spelling in the traces; an unknown provider is left out."""
    own = {_key(name): behaviour for name, behaviour in overrides.on_disconnect.items()} if overrides else {}
    known = {_key(word): one.on_disconnect for one in read_providers() for word in (one.name, *one.spellings)}
    found = {}
    for name in spelled:
        for key in (_key(name), _key(name).split(".")[0]):
            behaviour = own.get(key) or known.get(key)
            if behaviour:
                found[name] = behaviour
                break
    return found


def _key(spelling: str) -> str:
    return spelling.strip().lower().replace("-", "_").replace(" ", "_")
