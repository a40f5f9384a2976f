"""The one DuckDB file that holds everything, and the only module that imports duckdb.

A connection is always in memory with the store attached as ``store``: so a store file, no store at all (reports over
files) and the scratch database of an ingest look the same to SQL. Reports attach read-only and close early, because
a DuckDB file has one writer or many readers, across processes.
"""

import os
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from itertools import takewhile
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar

import duckdb

from streamaudit.errors import InputError, StoreError, StreamauditError
from streamaudit.failures import NO_SPACE, READ_SIGNS, lock_holder, store_error

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCHEMA_VERSION = 2

DEFAULT_MEMORY = "1GB"
"""What the database may use of the machine's memory; beyond it, it spills to temporary files."""

_ZONED = "TIMESTAMP WITH TIME ZONE"
_POLL_S = 0.2
_PATIENCE_S = 60.0

Params = dict[str, Any]
_Made = TypeVar("_Made")


class ReadFailure(Exception):
    """DuckDB could not read an input file; ``kind`` says how, never quoting content."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class Answer(NamedTuple):
    """What a SELECT gave: column names, each once, their DuckDB types, rows, and how many rows there are in all."""

    names: tuple[str, ...]
    types: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    total: int


class Store:
    """A connection to one store. Use as a context manager; errors come out as StreamauditError, never as duckdb's."""

    _open: ClassVar[set["Store"]] = set()

    def __init__(self, connection: duckdb.DuckDBPyConnection, path: Path | None, writable: bool) -> None:
        self._connection = connection
        self._running = False
        self._interrupter: threading.Thread | None = None
        self.stale = True
        """Whether what is derived from the calls (``vocabulary.refresh``) has yet to be brought up to date."""
        self._wait_s: float = 0.0
        self._spill = _spill_folder(connection)
        self._on_wait: Callable[[str], None] | None = None
        self.path = path
        self.writable = writable
        Store._open.add(self)

    @classmethod
    def interrupt_running(cls) -> bool:
        """Stop every running query of this process, for a signal handler: its query raises KeyboardInterrupt and its
        transaction is rolled back. False when none runs, so that the handler must raise by itself."""
        running = [store for store in cls._open if store._running]
        for store in running:
            store._interrupter = threading.Thread(target=store._interrupt, daemon=True)
            store._interrupter.start()
        return bool(running)

    def _interrupt(self) -> None:
        # Until the query ends: one that is only being planned forgets an interrupt.
        while self._running:
            self._connection.interrupt()
            time.sleep(0.02)

    @classmethod
    def in_memory(cls, *, memory_limit: str | None = None) -> "Store":
        """An empty store that vanishes with the process."""
        store = cls(_connect(memory_limit), None, writable=True)
        store.run("ATTACH ':memory:' AS store")
        store._create_schema()
        store._define_vocabulary()
        return store

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
    ) -> "Store":
        """Open a store file; a missing one is created when writing and a StoreError-free InputError when reading.

        Waits up to ``wait_s`` seconds while another process holds it, telling ``on_wait`` once who does. A store of an
        older version is upgraded in place, for which even a reader writes once. ``memory_limit`` None is the default.
        Raises StoreError when it stays busy, is not a store, or was written by a newer streamaudit.
        """
        try:
            new = not path.exists()
            if new and write and create:
                path.parent.mkdir(parents=True, exist_ok=True)
                cls._make(path)
        except OSError as error:
            raise StoreError(f"cannot open store {path}: {error.strerror}", "--db names another file") from None
        if new and not (write and create):
            raise InputError(f"no store at {path}", "streamaudit ingest FILE creates it; --db names another one")
        _refuse_other_files(path)
        store = cls(_connect(memory_limit), path, writable=write)
        store._wait_s, store._on_wait = wait_s, on_wait
        try:
            store._attach(wait_s)
            if write and not store._has_tables():
                store._create_schema()
            if store._version() < SCHEMA_VERSION:
                store._upgrade()
            store._define_vocabulary()
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def _make(cls, path: Path) -> None:
        """An empty store under another name that takes its own once it is whole, unless another process was first."""
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with cls(_connect(None), fresh, writable=True) as store:
                store._attach(0.0)
                store._create_schema()
                store.run("DETACH store")
            try:
                os.link(fresh, path)
            except FileExistsError:
                pass
            except OSError:  # a file system without links
                if not path.exists():
                    fresh.rename(path)
        finally:
            fresh.unlink(missing_ok=True)
            fresh.with_name(f"{fresh.name}.wal").unlink(missing_ok=True)

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Release the file; safe to call twice."""
        Store._open.discard(self)
        self._connection.close()
        if self._spill is not None:
            shutil.rmtree(self._spill, ignore_errors=True)

    def run(self, sql: str, params: Params | None = None) -> int:
        """Run one statement to its end and return the number of rows it changed (0 when it changes none)."""
        rows = self.query(sql, params)
        return int(rows[0][0]) if rows and len(rows[0]) == 1 and isinstance(rows[0][0], int) else 0

    def script(self, sql: str) -> None:
        """Run several parameterless statements."""
        with self._query_running():
            self._connection.execute(sql)

    def query(self, sql: str, params: Params | None = None) -> list[tuple[Any, ...]]:
        """All rows of one statement. Parameters the statement does not name are left out, since DuckDB refuses them."""
        with self._query_running():
            if not params:
                return self._connection.execute(sql).fetchall()
            named = self._connection.extract_statements(sql)[-1].named_parameters
            return self._connection.execute(sql, {key: params[key] for key in named}).fetchall()

    def arrays(self, sql: str, params: Params | None = None) -> "dict[str, NDArray[Any]]":
        """The columns of one statement as numpy arrays: for counts that go on into statistics. No NULLs."""
        with self._query_running():
            named = self._connection.extract_statements(sql)[-1].named_parameters
            found = self._connection.execute(sql, {key: (params or {})[key] for key in named}).fetchnumpy()
        return dict(found)

    @contextmanager
    def _query_running(self) -> Iterator[None]:
        self._running = True
        try:
            with _translated(self.path):
                yield
        finally:
            self._running = False
            interrupter, self._interrupter = self._interrupter, None
            if interrupter is not None:
                interrupter.join()
        if interrupter is not None:
            raise KeyboardInterrupt

    def one(self, sql: str, params: Params | None = None) -> tuple[Any, ...]:
        """The single row of a statement that always has one."""
        return self.query(sql, params)[0]

    def statement_tree(self, sql: str) -> str:
        """DuckDB's own syntax tree of a statement, as JSON text; what does not parse comes back as an error object."""
        return str(self.one("SELECT json_serialize_sql($sql)", {"sql": sql})[0])

    def answer(self, sql: str, most: int | None = None) -> "Answer":
        """One SELECT as a table: at most this many of its rows, and how many it has in all."""
        with self._query_running():
            return _apart(lambda: self._answer(sql, most))

    def _answer(self, sql: str, most: int | None) -> "Answer":
        found = self._connection.sql(sql)
        if len(set(found.columns)) < len(found.columns):
            found = found.project("*")  # names the second of two equal columns anew
        kinds = {name: str(kind) for name, kind in zip(found.columns, found.types, strict=True)}
        if any(_ZONED in kind for kind in kinds.values()):
            # A time with a zone needs a package to become a Python value; the session's zone is UTC.
            found = found.select(*(_unzoned(name, kind) for name, kind in kinds.items()))
        names, types = tuple(found.columns), tuple(str(kind) for kind in found.types)
        # A relation that runs by itself holds all its rows and sometimes misses an interrupt.
        result = self._connection.execute(found.sql_query())
        if most is None:
            rows = result.fetchall()
            return Answer(names, types, rows, len(rows))
        rows = result.fetchmany(most + 1)
        if len(rows) <= most:
            return Answer(names, types, rows, len(rows))
        total = self._connection.execute(found.aggregate("count(*)").sql_query()).fetchall()[0][0]
        return Answer(names, types, rows[:most], total)

    def lock_down(self, writable: Path | None = None) -> None:
        """Refuse all network and file access, but for one folder, and all settings for the rest of this connection's
        life."""
        if writable is not None:
            self.query("SET allowed_directories = $folders", {"folders": [str(writable)]})
        self.script("SET enable_external_access = false; SET lock_configuration = true")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing: commits at the end of the block, rolls back on any error."""
        self.run("BEGIN TRANSACTION")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self.run("COMMIT")
        self.stale = True

    @contextmanager
    def progress(self, show: Callable[[float], None] | None) -> Iterator[None]:
        """While the block runs queries, call ``show`` with their progress in percent about five times a second."""
        if show is None:
            yield
            return
        stop = threading.Event()

        def poll() -> None:
            while not stop.wait(_POLL_S):
                done = self._connection.query_progress()
                if done >= 0:
                    show(done)

        watcher = threading.Thread(target=poll, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            stop.set()
            watcher.join()

    @contextmanager
    def released(self) -> Iterator[None]:
        """Let other processes have the file while the block works without it; afterwards wait for it again."""
        if self.path is None:
            yield
            return
        self.run("DETACH store")
        try:
            yield
        finally:
            if not self.path.exists():
                raise StoreError(f"store {self.path} is gone; nothing of the current file was kept")
            # Work has been done by now: a passing reader must not cost it.
            self._attach(max(self._wait_s, _PATIENCE_S))

    def _attach(self, wait_s: float) -> None:
        deadline = time.monotonic() + wait_s
        told = False
        statement = "ATTACH $path AS store" if self.writable else "ATTACH $path AS store (READ_ONLY)"
        while True:
            try:
                self._connection.execute(statement, {"path": str(self.path)})
                return
            except duckdb.Error as error:
                holder = lock_holder(error)
                if holder is None:
                    problem = store_error(error, self.path)
                    if not isinstance(problem, StoreError):
                        problem = StoreError(f"cannot open store {self.path}", "--db names another file")
                    raise problem from None
            if time.monotonic() >= deadline:
                raise StoreError(f"store {self.path} is in use by {holder}", "wait for it to end, or give --wait 60s")
            if self._on_wait and not told:
                self._on_wait(f"store {self.path} is in use by {holder}; waiting up to {wait_s:g} s")
                told = True
            time.sleep(_POLL_S)

    def _has_tables(self) -> bool:
        return bool(self.one("SELECT count(*) FROM duckdb_tables() WHERE database_name = 'store'")[0])

    def _has_schema(self) -> bool:
        return bool(
            self.one("SELECT count(*) FROM duckdb_tables() WHERE database_name = 'store' AND table_name = 'meta'")[0]
        )

    def _create_schema(self) -> None:
        self.run("USE store")
        with self.transaction():
            self.script(sql_text("schema.sql"))
            self.run(
                "INSERT INTO store.meta VALUES ('schema_version', $version), ('hash_salt', $salt)",
                {"version": str(SCHEMA_VERSION), "salt": secrets.token_hex(16)},
            )
        self.run("USE memory")

    def _version(self) -> int:
        if not self._has_schema():
            raise StoreError(f"{self.path} is a DuckDB file but not a streamaudit store", "--db names another file")
        found = int(self.one("SELECT value FROM store.meta WHERE key = 'schema_version'")[0])
        if found > SCHEMA_VERSION:
            raise StoreError(
                f"store {self.path} has schema {found}; this streamaudit knows {SCHEMA_VERSION}",
                "upgrade streamaudit, or name another store with --db",
            )
        return found

    def _upgrade(self) -> None:
        """Bring an older store up to date, all steps in one transaction; the exports behind it may be gone."""
        readonly = not self.writable
        if readonly:
            self._reattach(writable=True)
        # Another process may have upgraded it while this one waited for the file.
        steps = range(self._version() + 1, SCHEMA_VERSION + 1)
        self.run("USE store")
        with self.transaction():
            for number in steps:
                self.script(sql_text(f"upgrades/{number}.sql"))
            self.run("UPDATE store.meta SET value = $to WHERE key = 'schema_version'", {"to": str(SCHEMA_VERSION)})
        self.run("USE memory")
        if readonly:
            self._reattach(writable=False)

    def _reattach(self, *, writable: bool) -> None:
        self.run("DETACH store")
        self.writable = writable
        self._attach(max(self._wait_s, _PATIENCE_S))

    def secret(self) -> str:
        """The store's own random secret, from which hashes and aliases are keyed; never printed."""
        return str(self.one("SELECT value FROM store.meta WHERE key = 'hash_salt'")[0])

    def rewrite(self) -> None:
        """Write the store anew without what was deleted from it and put it in the old one's place: deleting alone
        leaves the bytes in the file. The old file stays locked until the new one has its name."""
        if self.path is None:
            return
        path = self.path.resolve()
        fresh = path.with_name(f".{path.name}.new")
        left_over = (fresh, fresh.with_name(f"{fresh.name}.wal"))
        for one in left_over:
            one.unlink(missing_ok=True)
        try:
            self.run("CHECKPOINT store")
            mask = os.umask(0o077)  # nobody else may read the copy, not even while it is made
            try:
                self.run("ATTACH $path AS fresh", {"path": str(fresh)})
            finally:
                os.umask(mask)
            self.run("COPY FROM DATABASE store TO fresh")
            self.run("DETACH fresh")
            fresh.chmod(path.stat().st_mode)
            fresh.replace(path)
        except BaseException as error:
            with suppress(duckdb.Error):  # an open file would still take its room
                self._connection.execute("DETACH fresh")
            for one in left_over:
                one.unlink(missing_ok=True)
            if isinstance(error, StreamauditError) and error.message == NO_SPACE:
                raise _no_room(path) from None
            raise
        self.run("DETACH store")
        self._attach(max(self._wait_s, _PATIENCE_S))

    def _define_vocabulary(self) -> None:
        self.script(sql_text("views.sql"))


def _no_room(path: Path) -> StoreError:
    needed, free = -(-path.stat().st_size >> 20), shutil.disk_usage(path.parent).free >> 20
    return StoreError(
        f"the disk is full: writing {path} anew takes up to {needed:,} MB beside it, and {free:,} MB are free",
        "what was to go is in no report any more, but its bytes stay in the file: free some space and run it again",
    )


def _refuse_other_files(path: Path) -> None:
    """A file that is no database at all, such as an export named by mistake, is told by its first bytes."""
    try:
        if path.is_file():
            with path.open("rb") as file:
                start = file.read(12)
            if start and start[8:12] != b"DUCK":
                raise StoreError(f"{path} is not a streamaudit store", "--db names another file")
    except OSError:
        return  # opening it says what is wrong


def sql_text(name: str) -> str:
    """A SQL file of the package."""
    return files("streamaudit").joinpath(name).read_text(encoding="utf-8")


def _connect(memory_limit: str | None) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(":memory:")
    connection.execute("SET memory_limit = $limit", {"limit": memory_limit or DEFAULT_MEMORY})
    # Naive times are UTC; nothing is fetched from a network; insertion order is never relied upon.
    connection.execute(
        "SET TimeZone = 'UTC'; SET autoinstall_known_extensions = false; SET preserve_insertion_order = false; "
        "SET enable_progress_bar = true; SET enable_progress_bar_print = false"
    )
    return connection


def _spill_folder(connection: duckdb.DuckDBPyConnection) -> str | None:
    """A folder that only this user can read, for what does not fit into memory; None where none can be made."""
    try:
        folder = tempfile.mkdtemp(prefix="streamaudit-")
    except OSError:
        return None
    connection.execute("SET temp_directory = $folder", {"folder": str(Path(folder) / "spill")})
    return folder


def _apart(work: Callable[[], _Made]) -> _Made:
    """Do it in a thread of its own while this one only waits: a signal is handled here at once, where inside one long
    step of a query it would have to wait for the end of that step."""
    done = threading.Event()
    made: list[_Made] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            made.append(work())
        except BaseException as error:
            failed.append(error)
        done.set()

    threading.Thread(target=run, daemon=True).start()
    while not done.wait(_POLL_S):
        pass
    if failed:
        raise failed[0]
    return made[0]


def _unzoned(name: str, kind: str) -> duckdb.Expression:
    return duckdb.ColumnExpression(name).cast(duckdb.sqltype(kind.replace(_ZONED, "TIMESTAMP"))).alias(name)


def misfit(error: StreamauditError) -> str | None:
    """Why a statement does not parse or does not fit the tables, in DuckDB's words, which then name only what stands in
    the statement; None when it failed while running, where they may quote a value."""
    cause = error.__cause__
    if not isinstance(cause, duckdb.ParserException | duckdb.BinderException | duckdb.CatalogException):
        return None
    lines = str(cause).partition("\n\nLINE ")[0].partition("Error: ")[2].splitlines()
    shown = takewhile(lambda line: "Candidate functions" not in line, lines)
    return " ".join(line.strip() for line in shown if line.strip())


@contextmanager
def _translated(path: Path | None) -> Iterator[None]:
    try:
        yield
    except duckdb.InterruptException:
        raise KeyboardInterrupt from None
    except duckdb.Error as error:
        raise store_error(error, path) from error


@contextmanager
def reading() -> Iterator[None]:
    """Inside this block a failure to read an input file comes out as ReadFailure."""
    try:
        yield
    except StreamauditError as error:
        text = str(error.__cause__ or "")
        for sign, kind in READ_SIGNS:
            if sign.lower() in text.lower() and not isinstance(error, StoreError):
                raise ReadFailure(kind) from None
        raise
