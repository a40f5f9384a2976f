"""A private copy of a store, to try changes on that are not kept."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from streamaudit.errors import StoreError
from streamaudit.store.providers import ProviderOverrides
from streamaudit.store.store import Store


@contextmanager
def open_copy(
    path: Path,
    *,
    wait_s: float = 0.0,
    on_wait: Callable[[str], None] | None = None,
    memory_limit: str | None = None,
    providers: ProviderOverrides | None = None,
) -> Iterator[Store]:
    """Open a writable copy of a store in a folder that no other user reads; it is deleted at the end.

    The store itself is held only while it is copied. Raises InputError when there is none, StoreError when it stays
    busy for ``wait_s`` seconds or the copy does not fit.
    """
    with TemporaryDirectory(prefix="streamaudit-") as folder:
        copy = Path(folder) / path.name
        # While it is open for reading no other process writes to it.
        with Store.open(path, write=False, wait_s=wait_s, on_wait=on_wait, memory_limit=memory_limit):
            try:
                shutil.copyfile(path, copy)
                log = path.with_name(f"{path.name}.wal")
                if log.exists():
                    shutil.copyfile(log, copy.with_name(log.name))
            except OSError as error:
                raise StoreError(
                    f"cannot copy store {path} to {folder}: {error.strerror}",
                    f"the copy needs {path.stat().st_size / 1e6:,.0f} MB; set TMPDIR to another folder",
                ) from None
        with Store.open(copy, write=True, memory_limit=memory_limit, providers=providers) as store:
            yield store
