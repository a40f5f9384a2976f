"""Temporary files of one run, and the message where there is no room for them."""

import io
import select
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from streamaudit.errors import InputError, StoreError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

MOST_BYTES = 100 << 30
"""Size up to which an input is copied; a longer one is taken for endless."""
PIECE = 1 << 20
"""Bytes of the first part of an input, by which it is judged before the rest is fetched."""
_ROOM_BYTES = 256 << 20
"""Room left on the disk for everything else."""
_LOOKED_EVERY = 64
_TURN_S = 0.2


class _File(io.FileIO):
    """A temporary file. Whatever else fails while one is written, such as a read of the input, is not a fault of it."""

    def write(self, data: "ReadableBuffer", /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise _failure(Path(str(self.name)), error) from None


def _failure(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"cannot write temporary data to {path.parent}: {error.strerror}",
        "free some space there, or set TMPDIR to another folder",
    )


@contextmanager
def write_temporary(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file for writing. Raises StoreError when it cannot be written, such as on a full disk."""
    try:
        file = _File(path, "w")
    except OSError as error:
        raise _failure(path, error) from None
    with io.BufferedWriter(file) as out:
        yield out


def spool(source: BinaryIO, target: Path, examine: Callable[[bytes], None]) -> None:
    """Copy a stream of unknown length into a temporary file. ``examine`` sees its first part before the rest is
    fetched, and raises when it holds no records. Raises InputError when it has no end, StoreError when the disk is
    full."""
    data = b""
    while len(data) < PIECE and (more := _read_some(source, PIECE - len(data))):
        data += more
    examine(data)
    with write_temporary(target) as out:
        size, pieces = 0, 0
        while data:
            out.write(data)
            size, pieces = size + len(data), pieces + 1
            data = _read_some(source, PIECE)
            if size > MOST_BYTES:
                raise InputError(f"longer than {MOST_BYTES >> 30} GB: it may have no end", "read it in parts")
            if pieces % _LOOKED_EVERY == 0 and shutil.disk_usage(target.parent).free < _ROOM_BYTES:
                raise StoreError(
                    f"{target.parent} is nearly full: the input was copied up to {size >> 20:,} MB",
                    "free some space there, or let TMPDIR name another folder",
                )


def _read_some(source: BinaryIO, most: int) -> bytes:
    """Return at least a byte and at most ``most`` of them, or nothing at the end of a stream.

    A signal that arrives just before a read waits for the end of that read, and a pipe may have nothing to read for
    hours: so this waits for data in short turns.
    """
    if not isinstance(source, io.BufferedReader):
        return source.read(most)
    while not select.select([source], [], [], _TURN_S)[0]:
        pass
    return source.read1(most)
