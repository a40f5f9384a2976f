"""Record every post in the store's table ``deliveries``, so that no message is posted twice.

Each attempt has one row: ``pending`` before it and ``sent`` or ``failed`` after, each written in a short transaction of
its own, so that a crash between the two is visible.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from streamaudit.errors import StoreError
from streamaudit.store.store import Store

State = Literal["new", "sent", "pending"]

_POLL_S = 0.2

_STATE = """
SELECT arg_max(state, started_at), max(ended_at) FILTER (state = 'sent'), max(started_at), arg_max(content, started_at)
FROM store.deliveries
WHERE period = $period AND target = $target AND config = $config
"""
_LAST = """
SELECT arg_max(content, ended_at), arg_max(period, ended_at)
FROM store.deliveries
WHERE target = $target AND config = $config AND state = 'sent'
"""
_BEGIN = """
INSERT INTO store.deliveries (period, target, config, kind, state, content, started_at)
VALUES ($period, $target, $config, $kind, 'pending', $content, $now)
"""
_END = """
UPDATE store.deliveries SET state = $state, attempts = $attempts, ended_at = $now
WHERE period = $period AND target = $target AND config = $config AND started_at = $started
"""


@dataclass(frozen=True, slots=True)
class Subject:
    """Identity of a message: the name of the period, a hash of the question, and a hash of the content.

    The content is empty where it depends on what a target has received.
    """

    period: str
    config: str
    content: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """State of one subject at one target: ``new``, ``pending`` since a time, or ``sent`` at a time.

    It also has the last message that this target received for any period: a hash of its content, and its period; and
    the content and start of the last attempt of this subject where that did not finish, whatever was sent before.
    """

    state: State
    at: datetime | None
    last_content: str | None
    last_period: str | None
    unfinished_content: str | None = None
    unfinished_at: datetime | None = None


class Ledger:
    """The table ``deliveries``; ``open_store`` opens the store for writing and takes the least wait in seconds."""

    def __init__(self, open_store: Callable[[float], Store], subject: Subject) -> None:
        self._open, self.subject = open_store, subject

    def standing(self, store: Store, target: str) -> Standing:
        """Return the state of a target. Once sent it stays sent, whatever a later attempt came to."""
        key = self._key(target)
        state, sent, begun, begun_content = store.one(_STATE, key)
        content, period = store.one(_LAST, key)
        unfinished = (begun_content, begun) if state == "pending" else (None, None)
        if sent is not None:
            return Standing("sent", sent, content, period, *unfinished)
        return Standing("pending" if state == "pending" else "new", begun, content, period, *unfinished)

    def begin(
        self, target: str, kind: str, content: Callable[[Standing], str | None], patience_s: float = 0.0
    ) -> datetime | None:
        """Begin a row with the content that ``content`` returns for the state of a target, and return its instant.

        Return None where that is None: nothing is to be posted.
        """
        with self._open(patience_s) as store, store.transaction(changes_calls=False):
            recorded = content(self.standing(store, target))
            if recorded is None:
                return None
            now = _now()
            store.run(_BEGIN, {**self._key(target), "kind": kind, "content": recorded, "now": now})
            return now

    def end(self, target: str, started: datetime, *, sent: bool, attempts: int, patience_s: float) -> None:
        """Record the outcome of an attempt in its row."""
        outcome = {"state": "sent" if sent else "failed", "attempts": attempts, "now": _now(), "started": started}
        with self._open(patience_s) as store, store.transaction(changes_calls=False):
            store.run(_END, {**self._key(target), **outcome})

    def _key(self, target: str) -> dict[str, str]:
        return {"period": self.subject.period, "target": target, "config": self.subject.config}


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


@contextmanager
def lock_folder(store: Path, wait_s: float) -> Iterator[None]:
    """Let one process at a time post from the stores of a folder.

    A second process waits, and then finds the posts of the first in the ledger. Raises StoreError when the wait ends
    without the lock. The lock ends with its process, however that ends.

    The folder is locked and not the store: closing a second handle of a file releases the database's own lock.
    """
    handle = os.open(store.resolve().parent, os.O_RDONLY)
    try:
        deadline = time.monotonic() + wait_s
        while not _lock(handle):
            if time.monotonic() >= deadline:
                raise StoreError(f"another streamaudit is posting from {store}", "give --wait 5m to wait for it")
            time.sleep(_POLL_S)
        yield
    finally:
        os.close(handle)


def _lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without such locks: the ledger alone still prevents repeats
        return True
    return True
