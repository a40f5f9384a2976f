"""Wait for a long step so that a signal is handled at once."""

import threading
from collections.abc import Callable
from typing import TypeVar

_Made = TypeVar("_Made")
_POLL_S = 0.2


def run_in_thread(work: Callable[[], _Made], look: Callable[[], None] | None = None) -> _Made:
    """Run a function in a thread of its own while this one only waits: a signal is handled here at once, whereas during
    one long step of a query it would have to wait for the end of that step. ``look`` is called now and then meanwhile;
    what it raises ends the wait, and the thread is left to itself."""
    done = threading.Event()
    made: list[_Made] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            made.append(work())
        except BaseException as error:
            failed.append(error)
        done.set()

    threading.Thread(target=run, daemon=True).start()
    while not done.wait(_POLL_S):
        if look is not None:
            look()
    if failed:
        raise failed[0]
    return made[0]
