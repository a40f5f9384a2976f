"""Combine the positions of pulls when stores are merged: what either store has fetched is there."""

from dataclasses import replace
from datetime import UTC, datetime

from streamaudit.ingest.pull._windows import merge
from streamaudit.store.pulls import Position, read_positions, replace_position
from streamaudit.store.store import Store

_NEVER = datetime.min.replace(tzinfo=UTC)


def combine_positions(store: Store) -> None:
    """Bring the positions of the store up to date with those of the store ``other``, in the caller's transaction."""
    ours = {(one.source, one.account): one for one in read_positions(store)}
    for theirs in read_positions(store, "other"):
        own = ours.get((theirs.source, theirs.account))
        combined = theirs if own is None else _combine(own, theirs)
        if combined != own:
            replace_position(store, combined)


def _combine(one: Position, other: Position) -> Position:
    later = max(one, other, key=_last_heard)
    if one.digest != other.digest:  # what was fetched under another mapping has to be fetched again
        return later
    untils = [position.until for position in (one, other) if position.until]
    return replace(later, settled=merge([*one.settled, *other.settled]), until=max(untils, default=None))


def _last_heard(position: Position) -> tuple[datetime, datetime]:
    return max(position.until or _NEVER, position.failed_at or _NEVER), position.until or _NEVER
