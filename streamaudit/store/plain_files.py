"""Tell files from named pipes: opening one with no program at its other end would wait for ever."""

import os
import stat
from pathlib import Path

_SHELL = ("/dev/fd/", "/proc/")
"""Pipes that a shell has made for this command, whose other end is open: ``<(command)``."""


def is_lonely_pipe(path: Path) -> bool:
    """Whether a path is a named pipe, for which a program may have to be waited for."""
    try:
        return stat.S_ISFIFO(path.stat().st_mode) and not str(path).startswith(_SHELL)
    except OSError:
        return False


def open_to_write(name: str, flags: int) -> int:
    """Open a file as ``os.open``, for ``open(..., opener=)``; a named pipe without a reader raises OSError."""
    descriptor = os.open(name, flags | os.O_NONBLOCK, 0o666)
    os.set_blocking(descriptor, True)
    return descriptor
