"""The user's own price file, which takes precedence over the bundled prices."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

from streamaudit.store.pricing.sellers import is_same_seller, model_names


@dataclass(frozen=True, slots=True)
class OwnPrice:
    """A line of the user's price file, in USD per token; with a ``provider`` of None it applies to every provider."""

    provider: str | None
    model: str
    since: date
    input_usd_per_token: float
    cached_input_usd_per_token: float | None
    cache_write_usd_per_token: float | None
    output_usd_per_token: float

    def fits(self, provider: str | None, model: str, day: date) -> bool:
        """Whether this line prices a call of that provider and model on that day. A provider may be spelled in any way
        that genai-prices or a tracer knows; a model may have a gateway's prefixes before it and a snapshot's date after
        it."""
        named = self.provider is None or is_same_seller(self.provider, provider or "")
        return named and self.since <= day and self.closeness(model) > 0

    def closeness(self, model: str) -> int:
        """Return how close the name is to a call's: the higher, the less had to be cut off; 0 when it is another
        model."""
        names, mine = _names_in_price_file(model), self.model.lower()
        return len(names) - names.index(mine) if mine in names else 0


OWN_COLUMNS = ("model", "input_usd_per_mtok", "output_usd_per_mtok")
"""Columns a price file must have; it may have provider, since, cached_input_usd_per_mtok, cache_write_usd_per_mtok."""
_ALL_COLUMNS = (*OWN_COLUMNS, "provider", "since", "cached_input_usd_per_mtok", "cache_write_usd_per_mtok")
_SNAPSHOT = re.compile(r"[-@]20\d{2}-?[01]\d-?[0-3]\d$")


@dataclass(frozen=True, slots=True)
class PriceFile:
    """The user's own price file. ``origin`` is where the configuration names it, as ``FILE:LINE``."""

    path: Path
    origin: str


def read_own_prices(file: PriceFile | None) -> list[OwnPrice]:
    """Read the user's own prices; an empty list without a file. Raises UsageError with file and line."""
    import csv

    from streamaudit.errors import UsageError
    from streamaudit.store.plain_files import is_lonely_pipe

    if file is None:
        return []
    path, where = file.path, file.origin
    try:
        if is_lonely_pipe(path):
            raise UsageError(f"{path} is a pipe, not a file")
        with path.open(encoding="utf-8-sig", newline="") as text:
            header = text.readline()
            text.seek(0)
            reader = csv.DictReader(text, delimiter=max(",;\t", key=header.count))
            lines = [(reader.line_num, line) for line in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or "no CSV of UTF-8 text"
        raise UsageError(f"{where}: prices: cannot read {path}: {reason}") from None
    missing = [name for name in OWN_COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise UsageError(f"{path}:1: a price file needs a column {missing[0]}", "columns: " + ", ".join(_ALL_COLUMNS))
    found = []
    for number, line in lines:
        if None in line:
            raise UsageError(f"{path}:{number}: more cells than the header has columns")
        try:
            amounts = {name: _amount(line.get(f"{name}_usd_per_mtok")) for name in
                       ("input", "cached_input", "cache_write", "output")}  # fmt: skip
            since = date.fromisoformat(line["since"].strip()) if (line.get("since") or "").strip() else date.min
        except ValueError:
            raise UsageError(
                f"{path}:{number}: expected dollars per million tokens, such as 0.15, and a date such as 2026-11-01"
            ) from None
        plain, output, model = amounts["input"], amounts["output"], (line.get("model") or "").strip()
        if not model or plain is None or output is None:
            raise UsageError(f"{path}:{number}: a price needs " + ", ".join(OWN_COLUMNS))
        found.append(OwnPrice(
            (line.get("provider") or "").strip() or None, model, since, plain, amounts["cached_input"],
            amounts["cache_write"], output,
        ))  # fmt: skip
    return found


@cache
def _names_in_price_file(model: str) -> list[str]:
    """Return the spellings of a model in a price file, the fullest name first."""
    names = model_names(model.strip().lower())
    return [*names, *(_SNAPSHOT.sub("", name) for name in names)]


def _amount(text: str | None) -> float | None:
    if text is None or not text.strip():
        return None
    amount = float(text) / 1e6
    if not 0 <= amount < 1:
        raise ValueError(text)
    return amount
