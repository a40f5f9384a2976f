"""The connection to DuckDB, in the only module that imports it: limits of a query, running, interrupting and watching
it, and the translation of its failures. The content of the file belongs to ``store.py``."""

import resource
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Self

import duckdb

from streamaudit.errors import StoreError, StreamauditError
from streamaudit.store.duckdb_errors import lock_holder, store_error
from streamaudit.store.waiting import run_in_thread

if TYPE_CHECKING:
    import pyarrow
    from numpy.typing import NDArray

DEFAULT_MEMORY = "1GB"
"""Share of the machine's memory that the database may use; beyond it, it spills to temporary files."""
LEAN_MEMORY = "300MB"
"""Share that writing to a store has: more makes it no faster, and memory would grow with what is written."""

_ATTACH = {
    ("store", True): "ATTACH $path AS store", ("store", False): "ATTACH $path AS store (READ_ONLY)",
    ("other", True): "ATTACH $path AS other", ("other", False): "ATTACH $path AS other (READ_ONLY)",
}  # fmt: skip
_ZONED = "TIMESTAMP WITH TIME ZONE"
_POLL_S = 0.2
_CRAMPED_BYTES = 1 << 30

_MOST_PARSED = 1_000_000
"""Characters of SQL whose statements are kept, at some 16 bytes each. A command has a tenth of that. A session or a
follower asks the same statements again and again; small files whose fields differ have statements of their own."""
_parsed: dict[str, tuple[duckdb.Statement, ...]] = {}

Params = dict[str, Any]


class TimeOver(Exception):
    """A query ran longer than it was allowed to."""


class Answer(NamedTuple):
    """The result of a SELECT: distinct column names, their DuckDB types, the rows fetched, and the number of rows in
    all."""

    names: tuple[str, ...]
    types: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    total: int


class Database:
    """An in-memory connection with files attached. Use as a context manager; errors are raised as StreamauditError,
    never as duckdb's. ``path`` is the file that messages name, None without one."""

    _open: ClassVar[set["Database"]] = set()

    def __init__(self, path: Path | None, memory_limit: str | None = None) -> None:
        self._connection = _connect(memory_limit)
        self._memory = memory_limit or DEFAULT_MEMORY
        self._running = False
        self._interrupter: threading.Thread | None = None
        self._spill = _spill_folder(self._connection)
        self.path = path
        self.macros = set[str]()
        """Names of the temporary macros that were defined on this connection when a statement first used them."""
        Database._open.add(self)

    @classmethod
    def interrupt_running(cls) -> bool:
        """Stop every running query of this process, for a signal handler: its query raises KeyboardInterrupt and its
        transaction is rolled back. Return False when none runs, so that the handler must raise by itself."""
        running = [one for one in cls._open if one._running]
        for one in running:
            one._interrupter = threading.Thread(target=one._interrupt, daemon=True)
            one._interrupter.start()
        return bool(running)

    def _interrupt(self) -> None:
        # Until the query ends: one that is only being planned forgets an interrupt.
        while self._running:
            self._connection.interrupt()
            time.sleep(0.02)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Release the file; safe to call twice."""
        Database._open.discard(self)
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
            for statement in self._parse(sql):
                self._connection.execute(statement)

    def query(self, sql: str, params: Params | None = None) -> list[tuple[Any, ...]]:
        """Return all rows of one statement. Parameters that the statement does not name are left out, since DuckDB
        refuses them."""
        with self._query_running():
            statement = self._statement(sql)
            bound = {key: params[key] for key in statement.named_parameters} if params else None
            return self._connection.execute(statement, bound).fetchall()

    def first_rows(self, sql: str, values: Params, most: int) -> list[tuple[Any, ...]]:
        """Return at most that many rows of one statement, all of whose parameters are given."""
        with self._query_running():
            return self._connection.execute(sql, values).fetchmany(most)

    def records(self, sql: str, params: Params | None = None) -> list[dict[str, Any]]:
        """Return all rows of one statement, each by column name; column names must differ."""
        with self._query_running():
            statement = self._statement(sql)
            bound = {key: (params or {})[key] for key in statement.named_parameters}
            found = self._connection.execute(statement, bound)
            names = [column[0] for column in found.description]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def arrays(self, sql: str, params: Params | None = None) -> "dict[str, NDArray[Any]]":
        """Return the columns of one statement as numpy arrays, for counts that are the input of statistics. The result
        must hold no NULL."""
        with self._query_running():
            statement = self._statement(sql)
            bound = {key: (params or {})[key] for key in statement.named_parameters}
            found: dict[str, Any] = self._connection.execute(statement, bound).fetchnumpy()
        return found

    def _statement(self, sql: str) -> duckdb.Statement:
        (statement,) = self._parse(sql)
        return statement

    def _parse(self, sql: str) -> tuple[duckdb.Statement, ...]:
        """Return the statements of a text, which is parsed once a process: they belong to no connection, and each
        execution has a copy."""
        found = _parsed.get(sql)
        if found is None:
            if sum(map(len, list(_parsed))) > _MOST_PARSED:  # a list, since another thread may add one
                _parsed.clear()
            found = _parsed[sql] = tuple(self._connection.extract_statements(sql))
        return found

    @contextmanager
    def _query_running(self) -> Iterator[None]:
        self._running = True
        try:
            with _translate_errors(self.path):
                yield
        finally:
            self._running = False
            interrupter, self._interrupter = self._interrupter, None
            if interrupter is not None:
                interrupter.join()
        if interrupter is not None:
            raise KeyboardInterrupt

    def one(self, sql: str, params: Params | None = None) -> tuple[Any, ...]:
        """Return the single row of a statement that always has one."""
        return self.query(sql, params)[0]

    def statement_tree(self, sql: str) -> str:
        """Return DuckDB's own syntax tree of a statement as JSON text; a statement that does not parse gives an error
        object."""
        return str(self.one("SELECT json_serialize_sql($sql)", {"sql": sql})[0])

    def answer(self, sql: str, most: int | None = None) -> "Answer":
        """Return the result of one SELECT: at most ``most`` of its rows, and the number of rows in all."""
        with self._query_running():
            return run_in_thread(lambda: self._answer(sql, most))

    def _answer(self, sql: str, most: int | None) -> "Answer":
        result, found = self._begin_answer(sql)
        names, types = _describe(found)
        if most is None:
            rows = result.fetchall()
            return Answer(names, types, rows, len(rows))
        rows = result.fetchmany(most + 1)
        if len(rows) <= most:
            return Answer(names, types, rows, len(rows))
        total = self._connection.execute(found.aggregate("count(*)").sql_query()).fetchall()[0][0]
        return Answer(names, types, rows[:most], total)

    def _begin_answer(self, sql: str) -> tuple[duckdb.DuckDBPyConnection, duckdb.DuckDBPyRelation]:
        """Begin to run one SELECT; return where its rows come from, and its relation with distinct names and
        no zones."""
        found = self._relation(sql)
        kinds = {name: str(kind) for name, kind in zip(found.columns, found.types, strict=True)}
        if any(_ZONED in kind for kind in kinds.values()):
            # A time with a zone needs a package to become a Python value; the session's zone is UTC.
            found = found.select(*(_drop_zone(name, kind) for name, kind in kinds.items()))
        # A relation that runs by itself holds all its rows and sometimes misses an interrupt.
        return self._connection.execute(found.sql_query()), found

    def arrow(self, sql: str) -> "pyarrow.Table":
        """Return all rows of one SELECT as an Arrow table with distinct column names."""
        with self._query_running():
            return run_in_thread(lambda: self._arrow(sql))

    def _arrow(self, sql: str) -> "pyarrow.Table":
        return self._relation(sql).to_arrow_table()

    def _relation(self, sql: str) -> duckdb.DuckDBPyRelation:
        found = self._connection.sql(sql)
        if len(set(found.columns)) < len(found.columns):
            found = found.project("*")  # renames the second of two equal columns
        return found

    def answer_in_pieces(self, sql: str, rows: int) -> "Iterator[Answer]":
        """Yield the result of one SELECT with at most ``rows`` of its rows at a time, the first also when there is
        none. They are computed as they are taken; another query on this connection ends them."""
        with self._query_running():
            result, relation = run_in_thread(lambda: self._begin_answer(sql))
        names, types = _describe(relation)
        is_first = True
        while True:
            with self._query_running():
                found = run_in_thread(lambda: result.fetchmany(rows))
            if found or is_first:
                yield Answer(names, types, found, len(found))
            if not found:
                return
            is_first = False

    def lock_down(self, writable: Path | None = None) -> None:
        """Refuse all network and file access, except to one folder, and all changes of settings, for the rest of this
        connection's life."""
        if writable is not None:
            self.query("SET allowed_directories = $folders", {"folders": [str(writable)]})
        self.script("SET enable_external_access = false; SET lock_configuration = true")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the block in one transaction: commit at its end, roll back on any error."""
        self.run("BEGIN TRANSACTION")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            self.macros.clear()  # some may have been defined in it
            raise
        self.run("COMMIT")

    @contextmanager
    def less_memory(self, limit: str) -> Iterator[None]:
        """Run the block with another limit than the default one. A limit that was asked for stays as it is."""
        if self._memory != DEFAULT_MEMORY:
            yield
            return
        self.query("SET memory_limit = $limit", {"limit": limit})
        try:
            yield
        finally:
            self.query("SET memory_limit = $limit", {"limit": self._memory})

    @contextmanager
    def progress(self, show: Callable[[float], None] | None) -> Iterator[None]:
        """Call ``show`` about five times a second with the progress in percent of the queries that the block runs."""
        if show is None:
            yield
            return
        self.run("SET enable_progress_bar = true")
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
    def time_limit(self, seconds: float) -> Iterator[None]:
        """Run the block's queries for at most that long; the one that runs then is stopped, and TimeOver raised."""
        over, ended = threading.Event(), threading.Event()

        def stop() -> None:
            over.set()
            while not ended.wait(0.02):
                if self._running:
                    self._connection.interrupt()

        timer = threading.Timer(min(seconds, threading.TIMEOUT_MAX), stop)
        timer.daemon = True
        timer.start()
        try:
            yield
        except KeyboardInterrupt:
            if over.is_set():
                raise TimeOver from None
            raise
        finally:
            ended.set()
            timer.cancel()

    def attach(self, path: Path, *, writable: bool, name: Literal["store", "other"] = "store") -> str | None:
        """Attach a file under a name. Return None when it is attached, else the process that holds it. Raises
        StoreError for any other reason."""
        try:
            self._connection.execute(_ATTACH[name, writable], {"path": str(path)})
        except duckdb.Error as error:
            holder = lock_holder(error)
            if holder is None:
                problem = store_error(error, path)
                if not isinstance(problem, StoreError):
                    problem = StoreError(f"cannot open store {path}", "use --db to name another file")
                raise problem from None
            return holder
        return None


def _connect(memory_limit: str | None) -> duckdb.DuckDBPyConnection:
    try:
        connection = duckdb.connect(":memory:", config={
            # Naive times are UTC; nothing is fetched from a network; insertion order is never relied upon.
            "TimeZone": "UTC", "autoinstall_known_extensions": False, "preserve_insertion_order": False,
            "memory_limit": memory_limit or DEFAULT_MEMORY, **({"threads": 1} if _is_cramped() else {}),
        })  # fmt: skip
        # DuckDB takes Python without a file (``python -c``, a notebook) for interactive, and would draw on its output.
        connection.execute("SET enable_progress_bar_print = false")
        return connection
    except duckdb.Error as error:
        raise store_error(error, None) from None


def _is_cramped() -> bool:
    """Whether the process may have so little memory (``ulimit -v``) that a thread might not get what it needs to start:
    the C library then ends the process, and no message can be shown."""
    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    return most != resource.RLIM_INFINITY and most < _CRAMPED_BYTES


def _spill_folder(connection: duckdb.DuckDBPyConnection) -> str | None:
    """Create a folder that only this user can read, for data that does not fit into memory; None where none can be
    made."""
    try:
        folder = tempfile.mkdtemp(prefix="streamaudit-")
    except OSError:
        return None
    connection.execute("SET temp_directory = $folder", {"folder": str(Path(folder) / "spill")})
    return folder


def _describe(found: duckdb.DuckDBPyRelation) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names and the types of a relation's columns."""
    return tuple(found.columns), tuple(str(kind) for kind in found.types)


def _drop_zone(name: str, kind: str) -> duckdb.Expression:
    return duckdb.ColumnExpression(name).cast(duckdb.sqltype(kind.replace(_ZONED, "TIMESTAMP"))).alias(name)


def explain_misfit(error: StreamauditError) -> str | None:
    """Return why a statement does not parse or does not fit the tables, in DuckDB's words, which then quote only the
    statement. None when it failed while running, where they may quote a value."""
    cause = error.__cause__
    if not isinstance(cause, duckdb.ParserException | duckdb.BinderException | duckdb.CatalogException):
        return None
    lines = str(cause).partition("\n\nLINE ")[0].partition("Error: ")[2].splitlines()
    shown = takewhile(lambda line: "Candidate functions" not in line, lines)
    return " ".join(line.strip() for line in shown if line.strip())


@contextmanager
def _translate_errors(path: Path | None) -> Iterator[None]:
    try:
        yield
    except duckdb.InterruptException:
        raise KeyboardInterrupt from None
    except duckdb.Error as error:
        raise store_error(error, path) from error
