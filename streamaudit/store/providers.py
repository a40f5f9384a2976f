"""What providers do when the client of a stream disconnects: stop and bill what was generated, or run on and bill all.

The table is a prior, dated and contested in places; it only moves the bounds of a tax, never an exact figure, and the
configuration goes before it.
"""

import csv
import io
from dataclasses import dataclass
from functools import cache

from streamaudit.config import loader
from streamaudit.store.package_files import package_text

STOP_DELAY_MS = 2000.0
"""How long a provider that stops is assumed to go on generating, where the call itself does not say."""


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider. ``on_disconnect`` is stops, runs_on or contested; ``evidence`` says who says so."""

    name: str
    spellings: tuple[str, ...]
    on_disconnect: str
    evidence: str
    as_of: str
    source: str
    note: str


@cache
def table() -> tuple[Provider, ...]:
    """The table of the package, by name."""
    text = package_text("store", "providers.csv")
    rows = csv.DictReader(io.StringIO(text))
    return tuple(
        Provider(
            row["provider"], tuple(row["spellings"].split()), row["on_disconnect"], row["evidence"], row["as_of"],
            row["source"], row["note"],
        )
        for row in rows
    )  # fmt: skip


def behaviours(spelled: list[str]) -> dict[str, str]:
    """What each provider does, by its spelling in the traces; one that nobody knows is left out."""
    own = {_key(name): behaviour for name, behaviour in loader.current().providers.items()}
    known = {_key(word): one.on_disconnect for one in table() for word in (one.name, *one.spellings)}
    found = {}
    for name in spelled:
        for key in (_key(name), _key(name).split(".")[0]):
            behaviour = own.get(key) or known.get(key)
            if behaviour:
                found[name] = behaviour
                break
    return found


def stop_delay_ms() -> float:
    """How long a provider that stops is assumed to go on, in milliseconds."""
    configured = loader.current().stop_delay_ms
    return STOP_DELAY_MS if configured is None else configured


def _key(spelling: str) -> str:
    return spelling.strip().lower().replace("-", "_").replace(" ", "_")
