"""A server that speaks Spark Connect, over an exported folder that it can read: Apache Spark 4, Sail.

The client waits long and in silence for a server that is gone, so every call runs in a thread that is watched
(``spark_watch``). The client's own logs hold plans and the stacks of the server; they are switched off, and errors are
given in our words (``spark_errors``).
"""

import logging
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from streamaudit.errors import InputError, UsageError
from streamaudit.store.engines.protocol import (
    MOST_CELLS,
    MOST_ROWS,
    OnTasks,
    Params,
    Rows,
    bind,
    plain_arrays,
    plain_rows,
    refuse_many,
)
from streamaudit.store.engines.spark_errors import NoFolder, explain, not_an_address
from streamaudit.store.engines.spark_watch import Watch

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pyspark.sql.connect.dataframe import DataFrame
    from pyspark.sql.connect.session import SparkSession

_log = logging.getLogger(__name__)

DEFAULT_PORT = 15002
MOST_BYTES = 64 << 20
"""Size of an answer at most: groups of a report, not calls."""
_GOODBYE_S = 2.0
"""Longest wait at the end for the server to hear of it: a question that is left unasked would run on."""

_LOGGERS = (
    "pyspark", "pyspark.sql.connect.logging", "pyspark.sql.connect.client.logging", "SQLQueryContextLogger",
    "DataFrameQueryContextLogger",
)  # fmt: skip
_Made = TypeVar("_Made")


class SparkEngine:
    """Answers over a folder, by a path or an address as the server reads it, such as ``s3a://bucket/calls``."""

    def __init__(self, address: str, folder: str, *, wait_s: float = 0.0, on_tasks: OnTasks | None = None) -> None:
        """Connect and look at the folder; every failure is raised within about ten seconds.

        Raises UsageError for an address that is none or a package that is missing, StoreError where no server answers
        or it refuses, InputError where the folder holds no exported calls.
        """
        host, port = _place(address)
        self.name, self._folder = f"sc://{host}:{port}", folder
        self._watch = Watch(self.name, host, port, wait_s, on_tasks)
        self._session: SparkSession | None = None
        _silence()
        self._watch.check_port()
        begin = _import_client()
        self._session = self._explained(lambda: self._watch.connect(lambda: begin(address)))
        self._session.registerProgressHandler(self._watch.note)
        self._run(self._find_calls, is_reported=False)

    def rows(self, text: str, params: Params | None = None) -> Rows:
        """Return the rows of a text, as ``Engine.rows``."""
        bound, values = bind(text, params, ":")
        found = self._run(lambda session: session.sql(bound, args=values).limit(MOST_ROWS + 1).toArrow())
        if found.nbytes > MOST_BYTES:
            raise refuse_many()
        columns = [column.to_pylist() for column in found.columns]
        return plain_rows(zip(*columns, strict=True))

    def arrays(self, text: str, params: Params | None = None) -> "dict[str, NDArray[Any]]":
        """Return the columns of a text as arrays, as ``Engine.arrays``."""
        bound, values = bind(text, params, ":")
        found = self._run(lambda session: session.sql(bound, args=values).limit(MOST_CELLS + 1).toArrow())
        return plain_arrays(_to_numpy(found))

    def table(self, name: str) -> list[dict[str, Any]]:
        """Return the rows of a table about the export, as ``Engine.table``."""
        try:
            read = self._run(lambda session: self._find(session, f"/{name}"), is_reported=False)
            found = self._run(lambda _: read.toArrow())
        except NoFolder:
            return []
        return list(found.to_pylist())

    def close(self) -> None:
        """Release the server's session, which ends a question that still runs; safe to call twice."""
        session, self._session = self._session, None
        if session is not None:
            goodbye = threading.Thread(target=_quietly, args=(session.stop,), daemon=True)
            goodbye.start()
            goodbye.join(_GOODBYE_S)

    def _find_calls(self, session: "SparkSession") -> None:
        """Name the folder's calls ``calls``."""
        try:
            found = self._find(session, "")
        except Exception as error:
            if not isinstance(explain(error, self.name, self._folder, is_there=True), NoFolder):
                raise
            raise InputError(
                f"--data {self._folder}: {self.name} finds no exported calls there",
                "the server reads the folder itself: name it as the server does, such as s3a://BUCKET/calls",
            ) from None
        found.createOrReplaceTempView("calls")

    def _find(self, session: "SparkSession", name: str) -> "DataFrame":
        """Return the table of a folder, whose columns are read at once; raises NoFolder where there is none."""
        found = session.read.parquet(self._folder.rstrip("/") + name)
        if not found.columns:  # Sail's answer where there is nothing
            raise NoFolder
        return found

    def _run(self, work: "Callable[[SparkSession], _Made]", *, is_reported: bool = True) -> _Made:
        """Run a query, and give up where the server is gone or nothing works on it."""
        session = self._session
        assert session is not None, "the engine is closed"
        return self._explained(lambda: self._watch.run(lambda: work(session), is_reported=is_reported))

    def _explained(self, work: Callable[[], _Made]) -> _Made:
        try:
            return work()
        except Exception as error:
            raise explain(error, self.name, self._folder, is_there=self._watch.answers()) from None


def _to_numpy(table: Any) -> "dict[str, NDArray[Any]]":
    """Return the columns of an Arrow table, decimals as floats: engines sum whole numbers in different types."""
    import pyarrow

    columns = {
        name: column.cast(pyarrow.float64()) if pyarrow.types.is_decimal(column.type) else column
        for name, column in zip(table.column_names, table.columns, strict=True)
    }
    return {name: column.to_numpy() for name, column in columns.items()}


def _import_client() -> "Callable[[str], SparkSession]":
    """Return what connects a session; loading the client takes a second or two, which no server is to blame for."""
    try:
        with _main_module():
            from pyspark.sql.connect.client.retries import DefaultPolicy
            from pyspark.sql.connect.session import SparkSession
    except ImportError:
        raise UsageError(
            "--engine sc://: the Spark client is not installed", "pip install 'streamaudit[spark]' installs it"
        ) from None

    def begin(address: str) -> SparkSession:
        session = SparkSession(connection=address)
        session.client.set_retry_policies([DefaultPolicy(max_retries=2, max_backoff=500)])
        session.version  # noqa: B018 - the server's first answer
        return session

    return begin


@contextmanager
def _main_module() -> Iterator[None]:
    """Give the main module a file: in ``python -c`` it has none, and the client believes that its doctests run, looks
    for a server's installation, and ends the process where there is none."""
    main = sys.modules["__main__"]
    is_without = not hasattr(main, "__file__")
    if is_without:
        main.__file__ = ""
    try:
        yield
    finally:
        if is_without:
            del main.__file__


def _place(address: str) -> tuple[str, int]:
    """Return the host and the port of an address, which may hold a token."""
    parts = urlsplit(address.partition(";")[0])
    try:
        port = parts.port or DEFAULT_PORT
    except ValueError:
        port = 0
    if parts.scheme != "sc" or not parts.hostname or not port or parts.path.strip("/"):
        raise not_an_address(address.partition(";")[0])
    return parts.hostname, port


def _silence() -> None:
    """Keep the client's own logs and warnings off the screen."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    for module in ("pyspark", "google", "pandas"):
        warnings.filterwarnings("ignore", module=module)


def _quietly(work: Callable[[], object]) -> None:
    try:
        work()
    except Exception as error:
        _log.debug("spark: %s", type(error).__name__)
