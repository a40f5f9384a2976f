"""A clock that moves only while nothing is on its way.

All parties of the world live on one event loop and talk through real sockets. Whenever no socket has anything to
read, the loop's time jumps to the next moment somebody waits for. So calls last seconds as they do in life, the whole
world takes as long as its bytes take to process, and a machine that is busy elsewhere changes no figure: while it
stands still, so does the clock.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

PATIENCE_S = 60.0
"""After this long without a byte or a timer the world has come to a deadlock."""


class _Selector(selectors.DefaultSelector):
    def __init__(self, jump: Callable[[float], None]) -> None:
        super().__init__()
        self._jump = jump

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            ready = super().select(PATIENCE_S)
            if not ready:
                raise RuntimeError("nobody in the world is doing anything")
            return ready
        # The second look is for bytes that the kernel was still moving during the first.
        ready = super().select(0) or (super().select(0) if timeout > 0 else [])
        if not ready and timeout > 0:
            self._jump(timeout)
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._now_s = 0.0
        super().__init__(_Selector(self._jump))

    def _jump(self, by_s: float) -> None:
        self._now_s += by_s

    def time(self) -> float:
        return self._now_s


def run(world: Coroutine[Any, Any, T]) -> T:
    """Run a world to its end, from time 0."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(world)


def now_ms() -> float:
    """The world's time in milliseconds."""
    return asyncio.get_running_loop().time() * 1000.0


async def sleep_ms(milliseconds: float) -> None:
    """Let the world's time pass."""
    await asyncio.sleep(max(milliseconds, 0.0) / 1000.0)
