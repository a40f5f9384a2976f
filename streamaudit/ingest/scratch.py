"""The scratch database into which a file is parsed before anything of it reaches the store."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamaudit.ingest.readers.container import InputFile
from streamaudit.store.store import Store

# Staged, a file takes less than half of its size; so do its calls.
IN_MEMORY_BYTES = 160 << 20


@contextmanager
def scratch(store: Store, folder: Path, file: InputFile | None = None) -> Iterator[None]:
    """Attach a scratch database and remove it at the end of the block: in memory for a small file, on disk for a large
    one, so that memory stays flat."""
    place = folder / "scratch"
    place.mkdir(exist_ok=True)
    in_memory = file is not None and file.plain_size <= IN_MEMORY_BYTES
    store.run("ATTACH $path AS scratch", {"path": ":memory:" if in_memory else str(place / "scratch.duckdb")})
    try:
        yield
    finally:
        store.run("DETACH scratch")
        shutil.rmtree(place, ignore_errors=True)
