"""Temporary files of one run, and the message where there is no room for them."""

import io
import select
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from streamaudit.errors import InputError, StoreError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

MOST_BYTES = 100 << 30
"""Size up to which an input is copied; a longer one is taken for endless."""
PIECE = 1 << 20
"""Bytes of the first part of an input, by which it is judged before the rest is fetched."""
LONG_BYTES = 64 << 20
"""Bytes of an input in which there must be a call, as among the records that are looked at of a file."""
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


class Examine(Protocol):
    """Looks at a stream while it is copied, and raises when the rest is not worth it."""

    def first(self, data: bytes) -> None:
        """Look at the first part, before the rest is fetched."""

    def many(self, path: Path) -> None:
        """Look at the copy once it has LONG_BYTES."""


def spool(source: BinaryIO, target: Path, examine: Examine) -> None:
    """Copy a stream of unknown length into a temporary file. Raises InputError when it has no end, StoreError when the
    disk is full, and what ``examine`` raises."""
    data = b""
    while len(data) < PIECE and (more := _read_some(source, PIECE - len(data))):
        data += more
    examine.first(data)
    write_pieces(target, chain((data,), iter(lambda: _read_some(source, PIECE), b"")), examine.many)


def write_pieces(target: Path, pieces: Iterable[bytes], look: Callable[[Path], None] | None = None) -> None:
    """Write a temporary file of unknown length, such as one that is unpacked; ``look`` is called with it once it has
    LONG_BYTES. Raises InputError when it has no end, StoreError when the disk is full."""
    try:
        with write_temporary(target) as out:
            size = 0
            for number, piece in enumerate(pieces, start=1):
                out.write(piece)
                if look is not None and size < LONG_BYTES <= size + len(piece):
                    out.flush()
                    look(target)
                size += len(piece)
                if size > MOST_BYTES:
                    raise InputError(f"longer than {MOST_BYTES >> 30} GB: it may have no end", "read it in parts")
                if number % _LOOKED_EVERY == 0 and shutil.disk_usage(target.parent).free < _ROOM_BYTES:
                    raise StoreError(
                        f"{target.parent} is nearly full: the input was copied up to {size >> 20:,} MB",
                        "free some space there, or let TMPDIR name another folder",
                    )
    except BaseException:
        target.unlink(missing_ok=True)
        raise


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
