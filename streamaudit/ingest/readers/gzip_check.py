"""Whether a gz file is what was once written: DuckDB reads it to its end and compares no checksum.

The file is unpacked a second time beside the database's own work, in a thread: zlib lets other threads run meanwhile.
"""

import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from streamaudit.ingest.readers.container import InputFile
from streamaudit.store.connection import ReadFailure

_IN, _OUT = 1 << 20, 1 << 22
_WITH_HEADER = 31  # zlib's word for gzip, whose checksum and length it then compares


@contextmanager
def check_gzip_beside(file: InputFile) -> Iterator[Callable[[], None]]:
    """While the block works, unpack the file if it is gz. What the block gets waits for the end of that, and raises
    ReadFailure when a checksum or a length is not that of the data."""
    if file.compression != "gzip":
        yield lambda: None
        return
    stop, done = threading.Event(), threading.Event()
    faults: list[str] = []

    def run() -> None:
        faults.extend(find_gzip_fault(file.path, stop.is_set))
        done.set()

    def wait() -> None:
        while not done.wait(0.2):
            pass
        if faults:
            raise ReadFailure(faults[0])

    threading.Thread(target=run, daemon=True).start()
    try:
        yield wait
    finally:
        stop.set()


def find_gzip_fault(path: Path, stopped: Callable[[], bool] = lambda: False) -> list[str]:
    """The kind of ReadFailure of a gz file that is not whole; empty for one that is, or once it was stopped."""
    try:
        with path.open("rb") as file:
            unpack = zlib.decompressobj(_WITH_HEADER)
            data = file.read(_IN)
            while data and not stopped():
                unpack.decompress(data, _OUT)
                data = unpack.unconsumed_tail
                if unpack.eof:
                    # Another member may follow, and zeros that fill a block of a tape.
                    data = unpack.unused_data.lstrip(b"\0") or file.read(_IN).lstrip(b"\0")
                    unpack = zlib.decompressobj(_WITH_HEADER) if data else unpack
                data = data or file.read(_IN)
            return [] if unpack.eof or stopped() else ["gzip_truncated"]
    except zlib.error:
        return ["gzip_damaged"]
    except OSError:
        return ["missing"]
