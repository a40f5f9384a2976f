"""The one DuckDB file that holds everything: create, open, wait for, upgrade and rewrite it.

A connection is always in memory with the store attached as ``store``: so a store file, no store at all (reports over
files) and the scratch database of an ingest look the same to SQL. Reports attach read-only and close early, because a
DuckDB file has one writer or many readers, across processes.
"""

import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar, Literal

from streamaudit.errors import InputError, StoreError, StreamauditError, UsageError
from streamaudit.store.duckdb_errors import NO_SPACE
from streamaudit.store.engines.protocol import Engine
from streamaudit.store.files import clear_left_over, fresh_file, private_files
from streamaudit.store.package_files import package_text
from streamaudit.store.plain_files import refuse_other_files
from streamaudit.store.planning import FEW_CALLS, FEW_TO_READ, Planner
from streamaudit.store.providers import ProviderOverrides

SCHEMA_VERSION = 9
FOR_DIVERSITY = ", kept for diversity"
"""Suffix of the ``variant`` of a load with calls that were kept because they are rare."""

KEPT_PRICES = "prices"
"""Key of the entry of ``meta`` with the prices that were found before."""

_PROBE = "SELECT count(*) FROM store.meta WHERE key = 'hash_probe' AND value = hash('streamaudit')::VARCHAR"
_POLL_S = 0.2
_PATIENCE_S = 60.0


class Store(Planner):
    """A connection to one store."""

    _empty: ClassVar[bytes] = b""
    """The file of a store without rows; empty until this process has created one."""

    def __init__(
        self, path: Path | None, *, writable: bool, memory_limit: str | None = None,
        providers: ProviderOverrides | None = None,
    ) -> None:  # fmt: skip
        super().__init__(path, memory_limit)
        self.providers = providers or ProviderOverrides()
        """Assumptions about providers, used to value a tax."""
        self.stale = True
        """Whether what is derived from the calls (``views.refresh``) has yet to be brought up to date."""
        self.taxed = False
        """Whether that includes the tax of each call."""
        self.omitted: dict[str, str] = {}
        """Columns that the table of calls lacks since no call fills them, with their types (omitted_columns.py)."""
        self.looked_up_routes: int | None = None
        """Digest of the lookup that gives calls their routes, 0 without one; None before lookups are applied."""
        self.is_on_disk = path is not None
        """Whether the calls are in a file; see ``move_to_disk``."""
        self._only_added = False
        self._wait_s: float = 0.0
        self._on_wait: Callable[[str], None] | None = None
        self._secret: str | None = None
        self.writable = writable
        self.engine: Engine | None = None
        """Answers questions about calls that are not in this store but exported (exported.py); None for a store."""

    @classmethod
    def in_memory(cls, *, memory_limit: str | None = None, providers: ProviderOverrides | None = None) -> "Store":
        """Return an empty store that vanishes with the process."""
        store = cls(None, writable=True, memory_limit=memory_limit, providers=providers)
        store.run("ATTACH ':memory:' AS store")
        store._create_schema()
        store._define_vocabulary()
        return store

    def move_to_disk(self, folder: Path) -> None:
        """Continue a store in memory in a file of its own in this folder, which must outlive it: memory then stays flat
        however much is read. It still vanishes with the process."""
        path = {"path": str(folder / "store.duckdb")}
        self.run("ATTACH $path AS moved", path)
        self.run("COPY FROM DATABASE store TO moved")
        self.script("DETACH store; DETACH moved")
        self.run("ATTACH $path AS store", path)
        self.is_on_disk = True

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        write: bool,
        create: bool = True,
        wait_s: float = 0.0,
        on_wait: Callable[[str], None] | None = None,
        memory_limit: str | None = None,
        providers: ProviderOverrides | None = None,
        secret: str | None = None,
    ) -> "Store":
        """Open a store file; a missing one is created when writing and raises InputError when reading.

        Waits up to ``wait_s`` seconds while another process holds it, and calls ``on_wait`` once with that process. A
        store of an older version is upgraded in place, for which even a reader writes once. ``memory_limit`` None is
        the default; ``providers`` is what the configuration states about them; a store that is created salts its
        hashes with ``secret``, None with a random one. Raises StoreError when the file stays busy, is not a store, or
        was written by a newer streamaudit.
        """
        refuse_other_files(path)
        try:
            new = not path.exists()
            if new and write and create:
                path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _cannot_open(path, error) from None
        if new and not (write and create):
            raise InputError(f"no store at {path}", "streamaudit ingest FILE creates it; use --db to name another one")
        store = cls(path, writable=write, memory_limit=memory_limit, providers=providers)
        store._wait_s, store._on_wait, store._secret = wait_s, on_wait, secret
        try:
            if new:
                try:
                    store._create_file(path)
                except OSError as error:
                    raise _cannot_open(path, error) from None
            store._attach(wait_s)
            if write and not store._has_tables():
                store._create_schema()
            if store._version() < SCHEMA_VERSION or not store._is_hashed():
                store._upgrade()
            if write:
                clear_left_over(path.resolve())
                store._finish_deletion()
            store._define_vocabulary()
        except BaseException:
            store.close()
            raise
        return store

    def _create_file(self, path: Path) -> None:
        """Create an empty store, readable by this user only, under another name; it takes its own once it is complete,
        unless another process was first."""
        with fresh_file(path) as fresh:
            with private_files():
                if Store._empty:
                    fresh.write_bytes(Store._empty)
                    self.attach(fresh, writable=True)
                else:
                    self.attach(fresh, writable=True)
                    self._create_schema(identified=False)
                    self.run("DETACH store")
                    Store._empty = fresh.read_bytes()
                    self.attach(fresh, writable=True)
                with self.transaction(changes_calls=False):
                    self._identify()
                self.run("DETACH store")
            try:
                os.link(fresh, path)
            except FileExistsError:
                pass
            except OSError:  # a file system without links
                if not path.exists():
                    fresh.rename(path)

    @contextmanager
    def transaction(self, *, changes_calls: bool = True) -> Iterator[None]:
        """Run the block in one transaction; what is derived from the calls is out of date afterwards.

        The taxes kept in the store are dropped, unless the block calls ``note_only_added`` or does not change calls,
        nor evidence of them.
        """
        # The first write creates a log next to the store, as private as the store itself.
        with private_files(), super().transaction():
            self._only_added = False
            yield
            if changes_calls and not self._only_added:
                self.drop_taxes()
        self.stale = True

    def note_only_added(self) -> None:
        """State that the transaction so far has changed and deleted no figure of a stored call, and no evidence."""
        self._only_added = True

    def drop_taxes(self) -> None:
        """Delete the taxes kept in the store: reports value the calls themselves until they are kept again."""
        if self.run("DELETE FROM store.meta WHERE key = 'taxes'"):
            self.run("DELETE FROM store.taxes")
            self.run("DELETE FROM store.texts")

    def drop_prices(self) -> None:
        """Delete the prices kept in the store (``pricing.kept``): they are looked up again."""
        self.run("DELETE FROM store.meta WHERE key = $key", {"key": KEPT_PRICES})

    def is_small(self, most: int = FEW_CALLS) -> bool:
        """Return whether the store has so few calls, at ``most`` that many, that planning a query takes longer than
        running it."""
        return int(self.one("SELECT count(*) FROM store.calls")[0]) <= most

    def lock_down(self, writable: Path | None = None) -> None:
        """Plan queries for the size of the store, then refuse access to all else, as ``Database.lock_down``."""
        if self.is_small(FEW_TO_READ):
            self.plan_briefly()
        else:
            self.plan_fully()
        super().lock_down(writable)

    @contextmanager
    def release(self) -> Iterator[None]:
        """Release the file to other processes while the block works without it; afterwards wait for it again."""
        if self.path is None:
            yield
            return
        self.run("DETACH store")
        try:
            yield
        finally:
            if not self.path.exists():
                raise StoreError(f"store {self.path} is gone; nothing of the current file was kept")
            # Retry, so that a concurrent reader cannot discard parsed work.
            self._attach(max(self._wait_s, _PATIENCE_S))
            if not self._is_hashed():
                self._upgrade()

    def _attach(self, wait_s: float) -> None:
        assert self.path is not None, "a store in memory is attached once"
        self.stale = True
        self._attach_when_free(self.path, wait_s, writable=self.writable)

    def _attach_when_free(
        self, path: Path, wait_s: float, *, writable: bool, name: Literal["store", "other"] = "store"
    ) -> None:
        deadline = time.monotonic() + wait_s
        reported = False
        while holder := self.attach(path, writable=writable, name=name):
            if time.monotonic() >= deadline:
                raise StoreError(f"store {path} is in use by {holder}", "wait until it ends, or add --wait 60s")
            if self._on_wait and not reported:
                self._on_wait(f"store {path} is in use by {holder}; waiting up to {wait_s:g} s")
                reported = True
            time.sleep(_POLL_S)

    @contextmanager
    def attach_other(self, path: Path) -> Iterator[None]:
        """Attach another store as ``other`` inside the block, to read it. It is waited for as long as this one.

        Raises InputError when there is none, UsageError when it is this store itself, StoreError as ``open``.
        """
        if self.path is not None and path.exists() and self.path.samefile(path):
            raise UsageError(f"{path} is the store to merge into", "name the other stores")
        if not path.exists():
            raise InputError(f"no store at {path}", f"streamaudit ingest FILE --db {path} makes it")
        # By itself first: it may have to be upgraded, for which it is written to.
        Store.open(path, write=False, wait_s=self._wait_s, on_wait=self._on_wait).close()
        self._attach_when_free(path, max(self._wait_s, _PATIENCE_S), writable=False, name="other")
        try:
            yield
        finally:
            self.run("DETACH other")

    def _has_tables(self) -> bool:
        return bool(self.one("SELECT count(*) FROM duckdb_tables() WHERE database_name = 'store'")[0])

    def _has_schema(self) -> bool:
        return bool(
            self.one("SELECT count(*) FROM duckdb_tables() WHERE database_name = 'store' AND table_name = 'meta'")[0]
        )

    def _create_schema(self, *, identified: bool = True) -> None:
        self.run("USE store")
        with self.transaction(changes_calls=False):
            self.script(_read_schema(comments=self.path is not None))
            if identified:
                self._identify()
        self.run("USE memory")

    def _identify(self) -> None:
        """Write what tells this store from every other."""
        self.run(
            "INSERT INTO store.meta VALUES ('schema_version', $version), ('hash_salt', $salt), "
            "('hash_probe', hash('streamaudit')::VARCHAR), ('store_id', $id)",
            {"version": str(SCHEMA_VERSION), "salt": _salt(self._secret), "id": secrets.token_hex(8)},
        )

    def _version(self) -> int:
        if not self._has_schema():
            raise StoreError(
                f"{self.path} is a DuckDB file but not a streamaudit store", "use --db to name another file"
            )
        found = int(self.one("SELECT value FROM store.meta WHERE key = 'schema_version'")[0])
        if found > SCHEMA_VERSION:
            raise StoreError(
                f"store {self.path} has schema {found}; this streamaudit knows {SCHEMA_VERSION}",
                "upgrade streamaudit, or name another store with --db",
            )
        return found

    def _is_hashed(self) -> bool:
        """Return whether the hashes next to ids are what the database computes: another version may do it otherwise."""
        return bool(self.one(_PROBE)[0])

    def _upgrade(self) -> None:
        """Upgrade an older store to this version, all steps in one transaction, and hash its ids again where that is
        needed; the exports it was read from may no longer exist."""
        readonly = not self.writable
        if readonly:
            self._reattach(writable=True)
        # Another process may have upgraded it while this one waited for the file.
        steps = range(self._version() + 1, SCHEMA_VERSION + 1)
        self.run("USE store")
        with self.transaction():
            for number in steps:
                self.script(package_text("store", f"migrations/{number}.sql"))
            if not self._is_hashed():
                self.script(package_text("store", "rehash.sql"))
            self.run("UPDATE store.meta SET value = $to WHERE key = 'schema_version'", {"to": str(SCHEMA_VERSION)})
        self.run("USE memory")
        self.run("CHECKPOINT store")
        if readonly:
            self._reattach(writable=False)

    def _reattach(self, *, writable: bool) -> None:
        self.run("DETACH store")
        self.writable = writable
        self._attach(max(self._wait_s, _PATIENCE_S))

    def secret(self) -> str:
        """Return the store's own random secret, which keys hashes and aliases; it is never printed."""
        return str(self.one("SELECT value FROM store.meta WHERE key = 'hash_salt'")[0])

    def mark_rewrite(self) -> None:
        """Note, in the transaction of a deletion, that its bytes are still in the file until it is rewritten."""
        if self.path is not None:
            self.drop_prices()  # they name models
            self.run("DELETE FROM store.meta WHERE key = 'rewrite'")
            self.run("INSERT INTO store.meta VALUES ('rewrite', 'pending')")

    def rewrite(self) -> None:
        """Write a copy of the store without deleted data and put it in the old one's place: deleting alone leaves the
        bytes in the file. The old file stays locked until the new one has its name. A run that ends before leaves the
        mark of ``mark_rewrite``, and the next writer does it."""
        if self.path is None:
            return
        path = self.path.resolve()
        clear_left_over(path)
        try:
            self.run("CHECKPOINT store")
            with fresh_file(path) as fresh:
                try:
                    with private_files():
                        self.run("ATTACH $path AS fresh", {"path": str(fresh)})
                        self.run("COPY FROM DATABASE store TO fresh")
                        self.run("DELETE FROM fresh.meta WHERE key = 'rewrite'")
                        self.run("CHECKPOINT fresh")
                finally:
                    with suppress(StreamauditError):  # an open file would still take up its space
                        self.run("DETACH fresh")
                fresh.chmod(path.stat().st_mode)
                fresh.replace(path)
        except StreamauditError as error:
            if error.message == NO_SPACE:
                raise _disk_full(path) from None
            raise
        except OSError as error:
            raise StoreError(f"cannot write {path} again: {error.strerror}") from None
        self.run("DETACH store")
        self._attach(max(self._wait_s, _PATIENCE_S))

    def _finish_deletion(self) -> None:
        """Rewrite the file if a deletion was interrupted before that; where it cannot be done now, the mark stays."""
        if not self.query("SELECT 1 FROM store.meta WHERE key = 'rewrite'"):
            return
        try:
            self.rewrite()
        except StoreError as error:
            if self._on_wait:
                self._on_wait(f"deleted calls are in no report, but their bytes are still in the file: {error.message}")

    def _define_vocabulary(self) -> None:
        self.script(package_text("store", "views/calls.sql"))


def _salt(secret: str | None) -> str:
    """Return the salt of a new store: of a secret the same one everywhere, without one at random."""
    if secret is None:
        return secrets.token_hex(16)
    return hashlib.scrypt(os.fsencode(secret), salt=b"streamaudit store", n=1 << 14, r=8, p=1, dklen=16).hex()


def _read_schema(*, comments: bool) -> str:
    """Return the statements that create the tables, with or without the comments for people who open the file.

    Comments take ten times as long to run as the tables, and a store in memory is never opened by hand.
    """
    lines = "".join(package_text("store", name) for name in ("schema.sql", "derived.sql")).splitlines(keepends=True)
    return "".join(line for line in lines if comments or not line.startswith("COMMENT ON "))


def _cannot_open(path: Path, error: OSError) -> StoreError:
    return StoreError(f"cannot open store {path}: {error.strerror}", "use --db to name another file")


def _disk_full(path: Path) -> StoreError:
    needed, free = -(-path.stat().st_size >> 20), shutil.disk_usage(path.parent).free >> 20
    return StoreError(
        f"the disk is full: rewriting {path} needs up to {needed:,} MB, and {free:,} MB are free",
        "deleted calls are in no report, but their bytes are still in the file: free some space and run it again",
    )
