"""Where the pulls of a store stand: for each account of a vendor, which windows were fetched, up to when, and why the
last one failed. A row of ``meta`` holds one of them as JSON."""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from streamaudit.store.store import Store

Interval = tuple[datetime, datetime]
"""Two instants in UTC; the end does not belong to it."""
_PREFIX = "pull "
_READ = {
    "store": "SELECT value FROM store.meta WHERE starts_with(key, $prefix) ORDER BY key",
    "other": "SELECT value FROM other.meta WHERE starts_with(key, $prefix) ORDER BY key",
}


@dataclass(frozen=True, slots=True)
class Position:
    """The position of the pulls of one account.

    ``settled`` are the intervals that need not be fetched again, in order, under the mapping of ``digest``. ``until``
    is the instant up to which the data is taken to be complete, None before the first window. ``failed_at`` and
    ``reason`` describe the last run if it failed, and are None otherwise.
    """

    source: str
    account: str
    digest: str = ""
    settled: tuple[Interval, ...] = ()
    until: datetime | None = None
    failed_at: datetime | None = None
    reason: str | None = None


def read_positions(store: Store, of: Literal["store", "other"] = "store") -> list[Position]:
    """Return the positions of all pulls into the store, or into the other one, by source and account."""
    rows = store.query(_READ[of], {"prefix": _PREFIX})
    return [_parse(json.loads(value)) for (value,) in rows]


def read_position(store: Store, source: str, account: str) -> Position:
    """Return the position of one account; an empty one before its first pull."""
    found = (one for one in read_positions(store) if (one.source, one.account) == (source, account))
    return next(found, Position(source, account))


def write_position(store: Store, position: Position) -> None:
    """Keep a position, in a transaction of its own."""
    with store.transaction(changes_calls=False):
        replace_position(store, position)


def replace_position(store: Store, position: Position) -> None:
    """Keep a position, in the caller's transaction."""
    key = f"{_PREFIX}{position.source} {position.account}"
    store.run("DELETE FROM store.meta WHERE key = $key", {"key": key})
    store.run("INSERT INTO store.meta VALUES ($key, $value)", {"key": key, "value": json.dumps(_fields(position))})


def note_failure(store: Store, source: str, reason: str) -> None:
    """Keep that no pull of a source could begin, and why, where it has been pulled before."""
    for position in read_positions(store):
        if position.source == source:
            write_position(store, replace(position, failed_at=datetime.now(UTC), reason=reason))


def _fields(position: Position) -> dict[str, Any]:
    return {
        "source": position.source, "account": position.account, "digest": position.digest,
        "settled": [[one.isoformat() for one in interval] for interval in position.settled],
        "until": _text(position.until), "failed_at": _text(position.failed_at), "reason": position.reason,
    }  # fmt: skip


def _parse(fields: dict[str, Any]) -> Position:
    settled = tuple((_instant(since), _instant(until)) for since, until in fields["settled"])
    return Position(
        fields["source"], fields["account"], fields["digest"], settled,
        _instant(fields["until"]) if fields["until"] else None,
        _instant(fields["failed_at"]) if fields["failed_at"] else None, fields["reason"],
    )  # fmt: skip


def _text(instant: datetime | None) -> str | None:
    return instant.isoformat() if instant else None


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
