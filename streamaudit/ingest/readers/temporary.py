"""Temporary files of one run, and the message where there is no room for them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from streamaudit.errors import StoreError


@contextmanager
def write_temporary(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file for writing. Raises StoreError when it cannot be written, such as on a full disk."""
    try:
        with path.open("wb") as out:
            yield out
    except OSError as error:
        if error.filename not in (None, str(path)):
            raise  # of the file that is being read
        raise StoreError(
            f"cannot write temporary data to {path.parent}: {error.strerror}",
            "free some space there, or set TMPDIR to another folder",
        ) from None
