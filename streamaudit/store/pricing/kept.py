"""Prices kept in the store, so that a file whose models have been priced before needs no price list: to load that takes
longer than to read a small file.

They are one entry of ``meta``, stamped with what they rest on: the price list as installed, the rules that pick a price
from it, and the user's own prices. Another stamp makes them void.
"""

import json
from collections.abc import Iterable, Sequence
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from streamaudit.store.package_files import package_text
from streamaudit.store.pricing.apply import Key, Prices, Ranges, fill_prices, list_keys, resolve_prices
from streamaudit.store.pricing.own_prices import OwnPrice, PriceFile, read_own_prices
from streamaudit.store.pricing.prices import depends_on_day
from streamaudit.store.store import KEPT_PRICES, Store

_MOST = 1_000
"""Keys of the entry. Most models have one price at all times, and one key."""
_ANY_DAY = "*"

_READ = "SELECT value FROM store.meta WHERE key = $key"

_Kept = dict[tuple[str | None, ...], Ranges]


class KeptPrices:
    """The prices that a store has kept, and those found since, for loads into that store. A store in memory keeps none.
    ``file`` is the user's own price file."""

    def __init__(self, store: Store, file: PriceFile | None) -> None:
        self._store, self._file = store, file
        self._text = _read(store)
        self._stamp = ""
        self._added: _Kept = {}

    def look_up(self, wanted: str) -> None:
        """Fill the table ``unit_prices`` as ``look_up_prices`` does. The store may be detached."""
        keys = list_keys(self._store, wanted)
        if keys:
            fill_prices(self._store, self._find(keys, read_own_prices(self._file)))

    def _find(self, keys: Sequence[Key], own: Sequence[OwnPrice]) -> Prices:
        if self._store.path is None:
            return resolve_prices(keys, own)
        stamp = _stamp(own)
        if stamp != self._stamp:
            self._stamp, self._added = stamp, {}
        known = {**_parse(self._text, stamp), **self._added}
        found: Prices = {}
        for key in keys:
            ranges = known.get(_name(key, _ANY_DAY), known.get(_name(key, _day(key))))
            if ranges is not None:
                found[key] = ranges
        resolved = resolve_prices([key for key in keys if key not in found], own)
        for key, ranges in resolved.items():
            always = _name(key, _ANY_DAY)
            if always not in self._added:
                self._added[_name(key, _day(key)) if depends_on_day(*key, own) else always] = ranges
        return found | resolved

    def keep(self) -> None:
        """Write the prices found since, in the caller's transaction. Others that the store has by now stay, apart from
        the oldest of too many."""
        if not self._added:
            return
        known = {**_parse(_read(self._store), self._stamp), **self._added}
        entry = {"stamp": self._stamp, "prices": list(known.items())[-_MOST:]}
        self._text, self._added = json.dumps(entry, separators=(",", ":")), {}
        self._store.drop_prices()
        self._store.run("INSERT INTO store.meta VALUES ($key, $text)", {"key": KEPT_PRICES, "text": self._text})


def _read(store: Store) -> str | None:
    found = store.query(_READ, {"key": KEPT_PRICES})
    return found[0][0] if found else None


def _parse(text: str | None, stamp: str) -> _Kept:
    """Return the prices of an entry; none of another stamp."""
    entry = json.loads(text) if text else {}
    return {tuple(key): rows for key, rows in entry["prices"]} if entry.get("stamp") == stamp else {}


def _day(key: Key) -> str | None:
    day = key[3]
    return day.isoformat() if day else None


def _name(key: Key, day: str | None) -> tuple[str | None, ...]:
    provider, answering, requested, _, tier = key
    return provider, answering, requested, day, tier


def _stamp(own: Iterable[OwnPrice]) -> str:
    return sha256(f"{_digest_list()} {list(own)}".encode()).hexdigest()


@cache
def _digest_list() -> str:
    """Return a digest of the installed price list and of the rules."""
    digest = sha256()
    spec = find_spec("genai_prices")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for path in sorted(Path(folder).glob("*.py")):
            digest.update(path.read_bytes())
    for name in ("prices.py", "sellers.py", "own_prices.py", "apply.py"):
        digest.update(package_text("store.pricing", name).encode())
    return digest.hexdigest()
