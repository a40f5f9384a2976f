"""Files that the user names: small texts, a store, and named pipes. To open a pipe with no program at its other end
would block for ever."""

import os
import re
import stat
from pathlib import Path

from streamaudit.errors import StoreError, UsageError

_SHELL = ("/dev/fd/", "/proc/")
"""Pipes that a shell has made for this command, whose other end is open: ``<(command)``."""
_MOST_BYTES = 16 << 20
# Names that the database would not take for files; a path has only one of two slashes left.
_ELSEWHERE = re.compile(r":memory:|[A-Za-z][A-Za-z0-9+.-]+:/|(md|motherduck|postgres|mysql|sqlite|ducklake|quack):")


def is_lonely_pipe(path: Path) -> bool:
    """Whether a path is a named pipe, for which a program may have to be waited for."""
    try:
        return stat.S_ISFIFO(path.stat().st_mode) and not str(path).startswith(_SHELL)
    except OSError:
        return False


def read_text(path: Path) -> str:
    """Return the text of a small file, such as a configuration. Raises UsageError, which quotes none of it, where that
    cannot be read, is no UTF-8 or has no end."""
    if is_lonely_pipe(path):
        raise UsageError(f"{path} is a pipe, not a file")
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not UTF-8 text") from None
    if len(data) > _MOST_BYTES:
        raise UsageError(f"{path} is longer than {_MOST_BYTES >> 20} MB")
    return text.replace("\r\n", "\n")


def open_to_write(name: str, flags: int) -> int:
    """Open a file as ``os.open``, for ``open(..., opener=)``; a named pipe without a reader raises OSError."""
    descriptor = os.open(name, flags | os.O_NONBLOCK, 0o666)
    os.set_blocking(descriptor, True)
    return descriptor


def refuse_other_files(path: Path) -> None:
    """Raise StoreError for a file that is no database at all, such as an export named by mistake, recognised by its
    first bytes; UsageError for what is no file."""
    if _ELSEWHERE.match(str(path)):
        raise UsageError(f"--db {path}: a store is a file on this machine", "to report without one, name the files")
    if is_lonely_pipe(path):
        raise StoreError(f"{path} is a pipe, not a streamaudit store", "use --db to name another file")
    try:
        if path.is_file():
            with path.open("rb") as file:
                start = file.read(12)
            if start and start[8:12] != b"DUCK":
                raise StoreError(f"{path} is not a streamaudit store", "use --db to name another file")
    except OSError:
        return  # opening it says what is wrong
