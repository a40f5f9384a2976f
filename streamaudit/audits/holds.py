"""Holds: a breach or a finding that is known and accepted, for a reason and through a day.

``check`` and ``audit`` share them. What is held is still listed, with the reason and the last day, and fails no gate;
from the day after, the hold has expired and the reader sees that too.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from streamaudit.errors import UsageError, nearest
from streamaudit.store.dimensions import PLAIN

Selectors = tuple[tuple[str, str], ...]

KEYS = ("reason", "until", "where")


class Wrong(UsageError):
    """An entry is invalid: ``key`` is the setting within the entry that is at fault."""

    def __init__(self, key: str, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.key = key


@dataclass(frozen=True, slots=True)
class Hold:
    """An accepted breach or finding, for the groups that match ``where``, up to and including a day."""

    reason: str
    until: date
    where: Selectors = ()


@dataclass(frozen=True, slots=True)
class Held:
    """The hold that applies to a group: whether it is still valid, and in words until when and why."""

    valid: bool
    words: str


def find_hold(holds: Iterable[Hold], group: Mapping[str, str | None], today: date) -> Held | None:
    """Return the first valid hold of a group, else the one that expired last, else None."""
    mine = [hold for hold in holds if fits(hold.where, group)]
    valid = next((hold for hold in mine if hold.until >= today), None)
    if valid is not None:
        return Held(True, f"until {valid.until}: {valid.reason}")
    if not mine:
        return None
    ended = max(mine, key=lambda hold: hold.until)
    return Held(False, f"was held until {ended.until}: {ended.reason}")


def fits(where: Selectors, group: Mapping[str, str | None]) -> bool:
    """Return whether the values of a group meet selectors on its dimensions; ``-`` stands for no value."""
    return all(name in group and _value_fits(values, group[name]) for name, values in where)


def parse_hold(entry: Mapping[str, object], example: str, key: str = "") -> Hold:
    """Parse ``reason``, ``until`` and ``where``.

    Raises Wrong with the example for an invalid one; its key is ``key`` where the hold is within a setting.
    """
    reason, until = entry.get("reason"), entry.get("until")
    if not isinstance(reason, str) or not reason.strip():
        raise Wrong(key, "it has no reason", example)
    if isinstance(until, str):
        try:
            until = date.fromisoformat(until)
        except ValueError:
            until = None
    if not isinstance(until, date) or isinstance(until, datetime):
        raise Wrong(key or ("until" if "until" in entry else ""), "it has no day until which it holds", example)
    return Hold(reason.strip(), until, parse_selectors(key or "where", entry.get("where", [])))


def parse_selectors(key: str, value: object) -> Selectors:
    """Parse ``"model=gpt-4o route=/chat"``, or a list of selectors for values with spaces."""
    texts = value.split() if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(one, str) for one in texts):
        raise Wrong(key, 'expected selectors, such as "model=gpt-4o route=/chat"')
    found: dict[str, str] = {}
    for text in texts:
        name, sign, values = text.partition("=")
        if not sign or not values:
            hint = 'such as "tenant=acme,glob*"; a value with spaces in a list: ["route=GET /chat"]'
            raise Wrong(key, f"{text!r} is no selector", hint)
        check_name(key, name, PLAIN, "dimension")
        if name in found:
            raise Wrong(key, f"{name} is named twice", f"several values are one list: {name}=one,other")
        found[name] = values
    return tuple(found.items())


def check_name(key: str, name: object, known: Sequence[str], what: str) -> None:
    """Raise Wrong with the nearest known name unless ``name`` is a known one."""
    if name not in known:
        close = nearest(str(name), list(known))
        meant = f", did you mean {close}?" if close else ""
        raise Wrong(key, f"there is no {what} {name!r}{meant}", f"{what}s: {', '.join(known)}")


def _value_fits(values: str, value: str | None) -> bool:
    parts = [one.strip() for one in values.split(",")]
    if value is None:
        return "-" in parts
    patterns = (re.escape(one).replace(r"\*", ".*").replace(r"\?", ".") for one in parts)
    return re.fullmatch("(?s)(" + "|".join(patterns) + ")", value) is not None
