"""Show the progress of long steps: a bar on a terminal, now and then a line elsewhere."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamaudit.cli import console
from streamaudit.errors import UsageError

if TYPE_CHECKING:
    from streamaudit.ingest.readers.container import InputFile
    from streamaudit.store.engines.protocol import OnTasks, Tasks

_LONG_BYTES = 32 << 20
_LINE_EVERY_S = 30.0
_SURE_S = 3.0
"""Time after which the rest can be estimated."""


def check_when(when: str) -> None:
    """Raise UsageError for an unknown choice."""
    if when not in ("auto", "on", "off"):
        raise UsageError(f"--progress {when}: expected auto, on or off")


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a long step: ``auto`` for long files, ``on`` for all, ``off``.

    It is a bar redrawn in place on a terminal, elsewhere a line every half minute.
    """

    when: str = "auto"

    def __post_init__(self) -> None:
        check_when(self.when)

    def __call__(self, file: "InputFile") -> Callable[[float], None] | None:
        """Return a function that shows the progress of a file in percent; None to show nothing."""
        if self.when == "off" or console.quiet() or (self.when == "auto" and file.size < _LONG_BYTES):
            return None
        return _bar if _has_bar() else _lines(file.shown)

    def clear(self) -> None:
        """Remove a bar that is not full."""
        if self.when != "off" and not console.quiet() and _has_bar():
            _clear()

    def of_pull(self, name: str) -> Callable[[float], None] | None:
        """Return a function that shows the share, from 0 to 1, of the time that a pull has fetched; None to show
        nothing."""
        if self.when == "off" or console.quiet():
            return None
        begun, is_bar = time.monotonic(), _has_bar()
        show_line = _lines(name, "fetched")

        def show(share: float) -> None:
            passed = time.monotonic() - begun
            left = f", about {_describe(passed / share - passed)} left" if 0 < share < 1 and passed >= _SURE_S else ""
            if is_bar:
                _bar(100 * share, left)
            else:
                show_line(100 * share, left)

        return show

    def of_query(self, name: str) -> "OnTasks | None":
        """Return a function that shows the tasks of a server's queries; None to show nothing.

        ``auto`` shows them on a terminal only: a question takes seconds, or its user waits for it there.
        """
        is_bar = _has_bar()
        if self.when == "off" or console.quiet() or (self.when == "auto" and not is_bar):
            return None
        show_line = _lines(name, "done")

        def show(tasks: "Tasks | None") -> None:
            if tasks is None:
                if is_bar:
                    _clear()
                return
            percent = 100 * tasks.done / max(tasks.known, 1)
            more = f", {tasks.done:,} of {tasks.known:,} tasks of query {tasks.query:,}"
            if not is_bar:
                show_line(percent, more)
            elif percent < 100:  # a full bar would leave, and the next stage of the query begin another
                _bar(percent, more)

        return show


def _has_bar() -> bool:
    return sys.stderr.isatty() and console.plain()


def _clear() -> None:
    console.write("\r\x1b[K", end="")


def _describe(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:,.0f} min"


def _bar(percent: float, more: str = "") -> None:
    filled = int(min(percent, 100) / 2.5)
    end = "\r" if percent < 100 else "\r\x1b[K"
    bar = "#" * filled + "." * (40 - filled)
    console.write(f"\r  {bar} {min(percent, 100):3.0f} %{more}" + ("\x1b[K" if more else ""), end=end)


def _lines(shown: str, done: str = "read") -> Callable[..., None]:
    last = time.monotonic()

    def show(percent: float, more: str = "") -> None:
        nonlocal last
        if time.monotonic() - last >= _LINE_EVERY_S:
            last = time.monotonic()
            console.note(f"  {shown}: {min(percent, 100):.0f} % {done}{more}", file=shown)

    return show
