"""Verify the checksum of a gz file: DuckDB reads it to its end and compares no checksum.

The file is decompressed a second time in a thread, while the database works: zlib lets other threads run meanwhile.
"""

import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from streamaudit.ingest.readers.container import InputFile
from streamaudit.store.duckdb_errors import ReadFailure

_IN, _OUT = 1 << 20, 1 << 22
_WITH_HEADER = 31  # tells zlib to expect gzip and to compare its checksum and length


@contextmanager
def check_gzip(file: InputFile) -> Iterator[Callable[[], None]]:
    """Decompress the file, if it is gz, while the block works. The block gets a function that waits for the end of
    that, and raises ReadFailure when a checksum or a length does not match the data."""
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
    """Return the kind of ReadFailure of a damaged or truncated gz file; empty for an intact one, or once it was
    stopped."""
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
