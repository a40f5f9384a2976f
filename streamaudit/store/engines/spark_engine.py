"""A server that speaks Spark Connect, over an exported folder that it can read: Apache Spark 4, Sail.

The client waits long and in silence for a server that is gone, so every call runs in a thread that is watched: a
server that no longer accepts connections, or that makes no progress, ends the question with one line. The client's own
logs hold plans and the stacks of the server; they are switched off, and only an error's condition is shown.
"""

import logging
import os
import re
import socket
import threading
import time
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from streamaudit.errors import InputError, StoreError, StreamauditError, UsageError
from streamaudit.store.engines.protocol import (
    MOST_CELLS,
    MOST_ROWS,
    Params,
    Rows,
    bind,
    plain_arrays,
    plain_rows,
    refuse_many,
    refuse_many_cells,
)
from streamaudit.store.waiting import run_in_thread

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pyspark.sql.connect.dataframe import DataFrame
    from pyspark.sql.connect.session import SparkSession

_log = logging.getLogger(__name__)

DEFAULT_PORT = 15002
CONNECT_S = 3.0
ANSWER_S = 8.0
"""Longest wait for the server's first answer, about its version."""
SILENT_S = 120.0
"""Longest time without progress on a question."""
MOST_BYTES = 64 << 20
"""Size of an answer at most: groups of a report, not calls."""
_PROBE_S = 2.0
_LOST_PROBES = 2

_NO_FOLDER = frozenset(("PATH_NOT_FOUND", "UNABLE_TO_INFER_SCHEMA"))
_LOGGERS = (
    "pyspark", "pyspark.sql.connect.logging", "pyspark.sql.connect.client.logging", "SQLQueryContextLogger",
    "DataFrameQueryContextLogger",
)  # fmt: skip
_MISSING_COLUMN = "UNRESOLVED_COLUMN"
_Made = TypeVar("_Made")


class SparkEngine:
    """Answers over a folder, by a path or an address as the server reads it, such as ``s3a://bucket/calls``."""

    def __init__(self, address: str, folder: str, on_progress: Callable[[float], None] | None = None) -> None:
        """Connect and look at the folder; every failure is raised within about ten seconds.

        Raises UsageError for an address that is none or a package that is missing, StoreError where no server answers
        or it refuses, InputError where the folder holds no exported calls.
        """
        self._host, self._port = _place(address)
        self.name, self._folder = f"sc://{self._host}:{self._port}", folder
        self._on_progress = on_progress
        self._moved = time.monotonic()
        _silence()
        self._check_port()
        begin = _import_client()
        self._session = self._watch(lambda: begin(address), ANSWER_S)
        self._session.registerProgressHandler(self._note_progress)
        self._watch(self._find_calls, SILENT_S)

    def rows(self, text: str, params: Params | None = None) -> Rows:
        """Return the rows of a text, as ``Engine.rows``."""
        bound, values = bind(text, params, ":")
        found = self._watch(lambda: self._session.sql(bound, args=values).limit(MOST_ROWS + 1).toArrow(), SILENT_S)
        if found.num_rows > MOST_ROWS or found.nbytes > MOST_BYTES:
            raise refuse_many()
        columns = [column.to_pylist() for column in found.columns]
        return plain_rows(zip(*columns, strict=True))

    def arrays(self, text: str, params: Params | None = None) -> "dict[str, NDArray[Any]]":
        """Return the columns of a text as arrays, as ``Engine.arrays``."""
        bound, values = bind(text, params, ":")
        found = self._watch(lambda: self._session.sql(bound, args=values).limit(MOST_CELLS + 1).toArrow(), SILENT_S)
        if found.num_rows > MOST_CELLS:
            raise refuse_many_cells()
        return plain_arrays(_to_numpy(found))

    def table(self, name: str) -> list[dict[str, Any]]:
        """Return the rows of a table about the export, as ``Engine.table``."""
        try:
            return self._watch(lambda: self._read(f"/{name}").toArrow().to_pylist(), SILENT_S)
        except _NoFolder:
            return []

    def close(self) -> None:
        """Release the server's session; safe to call twice."""
        session, self._session = getattr(self, "_session", None), None
        if session is not None:
            threading.Thread(target=_quietly, args=(session.stop,), daemon=True).start()

    def _find_calls(self) -> None:
        """Name the folder's calls ``calls``."""
        try:
            found = self._read("")
            if not found.columns:  # Sail's answer where there is nothing
                raise _NoFolder
        except _NoFolder:
            raise InputError(
                f"--data {self._folder}: {self.name} finds no exported calls there",
                "the server reads the folder itself: name it as the server does, such as s3a://BUCKET/calls",
            ) from None
        found.createOrReplaceTempView("calls")

    def _read(self, name: str) -> "DataFrame":
        return self._session.read.parquet(self._folder.rstrip("/") + name)

    def _note_progress(self, stages: Any, inflight_tasks: int, operation_id: Any, done: bool) -> None:
        self._moved = time.monotonic()
        if self._on_progress is not None and stages:
            tasks = sum(stage.num_tasks for stage in stages)
            self._on_progress(100 * sum(stage.num_completed_tasks for stage in stages) / max(tasks, 1))

    def _check_port(self) -> None:
        try:
            socket.create_connection((self._host, self._port), timeout=CONNECT_S).close()
        except OSError as error:
            reason = error.strerror or "no answer"
            raise StoreError(
                f"--engine {self.name}: no server answers there ({reason.lower()})",
                "start one: sbin/start-connect-server.sh, or leave out --engine",
            ) from None

    def _watch(self, work: Callable[[], _Made], patience_s: float) -> _Made:
        """Run a call of the client in a thread, and give up where the server is gone or makes no progress that long."""
        self._moved = probed = time.monotonic()
        misses = 0

        def look() -> None:
            nonlocal probed, misses
            now = time.monotonic()
            if now - self._moved > patience_s:
                raise self._gave_up(patience_s)
            if now - probed > _PROBE_S:
                probed, misses = now, 0 if self._answers() else misses + 1
                if misses >= _LOST_PROBES:
                    raise StoreError(f"--engine {self.name}: the server is gone", "ask again once it is back")

        try:
            return run_in_thread(work, look)
        except Exception as error:
            raise self._explain(error) from None

    def _answers(self) -> bool:
        try:
            socket.create_connection((self._host, self._port), timeout=1).close()
        except OSError:
            return False
        return True

    def _gave_up(self, patience_s: float) -> StreamauditError:
        if patience_s == ANSWER_S:
            return self._is_no_connect()
        return StoreError(
            f"--engine {self.name}: no progress for {patience_s:g} s, so the question was given up",
            "look at the server's workers, then ask again",
        )

    def _is_no_connect(self) -> StoreError:
        return StoreError(
            f"--engine {self.name}: what answers there does not speak Spark Connect, or only with or without TLS",
            "TLS: sc://HOST:PORT/;use_ssl=true; a token means TLS too, unless the host is localhost",
        )

    def _explain(self, error: BaseException) -> BaseException:
        """Return an error of the client in our words: nothing of the server's plans and stacks."""
        if isinstance(error, StreamauditError | KeyboardInterrupt | _NoFolder):
            return error
        condition, text = _condition(error), str(error)
        if condition in _NO_FOLDER:
            return _NoFolder()
        if condition.startswith(_MISSING_COLUMN):
            return InputError(
                f"--data {self._folder}: an older streamaudit wrote it",
                "write it again from its store: streamaudit export FOLDER --overwrite",
            )
        if condition == "INVALID_CONNECT_URL":
            return _not_an_address(self.name)
        if "UNAUTHENTICATED" in text or "PERMISSION_DENIED" in text:
            return StoreError(
                f"--engine {self.name}: the server refuses the token",
                "name it in the address: sc://HOST:PORT/;token=TOKEN, or in $STREAMAUDIT_ENGINE",
            )
        if "UNAVAILABLE" in text or "RetriesExceeded" in type(error).__name__ or "handshake" in text.lower():
            if self._answers():
                return self._is_no_connect()
            return StoreError(f"--engine {self.name}: the server is gone", "ask again once it is back")
        if "ClassNotFoundException" in text or "UnsupportedFileSystem" in text or "No FileSystem for scheme" in text:
            scheme = urlsplit(self._folder).scheme or "this"
            return InputError(
                f"--data {self._folder}: the server cannot read {scheme} addresses",
                "start it with the package that can, such as org.apache.hadoop:hadoop-aws",
            )
        _log.debug("spark: %s", condition or type(error).__name__)
        return StreamauditError(f"--engine {self.name}: the server failed ({condition or type(error).__name__})")


def _to_numpy(table: Any) -> "dict[str, NDArray[Any]]":
    """Return the columns of an Arrow table, decimals as floats: engines sum whole numbers in different types."""
    import pyarrow

    columns = {
        name: column.cast(pyarrow.float64()) if pyarrow.types.is_decimal(column.type) else column
        for name, column in zip(table.column_names, table.columns, strict=True)
    }
    return {name: column.to_numpy() for name, column in columns.items()}


class _NoFolder(Exception):
    """The server finds no Parquet files."""


def _import_client() -> "Callable[[str], SparkSession]":
    """Return what connects a session; loading the client takes a second or two, which no server is to blame for."""
    try:
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


def _place(address: str) -> tuple[str, int]:
    """Return the host and the port of an address, which may hold a token."""
    parts = urlsplit(address.partition(";")[0])
    try:
        port = parts.port or DEFAULT_PORT
    except ValueError:
        port = 0
    if parts.scheme != "sc" or not parts.hostname or not port or parts.path.strip("/"):
        raise _not_an_address(address.partition(";")[0])
    return parts.hostname, port


def _not_an_address(shown: str) -> UsageError:
    return UsageError(f"--engine {shown}: expected an address such as sc://spark:15002")


def _condition(error: BaseException) -> str:
    """Return the condition of a client's error, such as PATH_NOT_FOUND; empty where it has none."""
    condition = getattr(error, "getCondition", lambda: None)()
    if condition:
        return str(condition)
    found = re.match(r"\[([A-Z_.]+)\]", str(error))
    return found[1] if found else ""


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
