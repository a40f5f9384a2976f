"""The store behind a session: opened or filled from files, locked, and asked one question at a time."""

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from streamaudit.api.exported import open_export, refuse_unanswered
from streamaudit.audits.scope.filters import Filters, Names, redacted_names, scope_of
from streamaudit.audits.scope.scope import Scope
from streamaudit.config.settings import Settings
from streamaudit.errors import StreamauditError, UsageError
from streamaudit.report.frames import Result
from streamaudit.report.model import Report
from streamaudit.report.redact import redact_report
from streamaudit.store.engines.connect import DUCKDB
from streamaudit.store.engines.protocol import OnTasks
from streamaudit.store.lookups import apply_lookups, log_unmatched, read_lookups
from streamaudit.store.store import Store

if TYPE_CHECKING:
    from streamaudit.ingest.mapping import Mapping
    from streamaudit.ingest.pipeline import Progress
    from streamaudit.ingest.results import FileResult

_log = logging.getLogger(__name__)

Audit = Callable[[Store, Scope], Report]
_Answer = TypeVar("_Answer")


class Connection:
    """A store, or files in memory, under one configuration.

    Threads may share it; their queries run one after the other. It opens with its first query, and closes with its
    ``with`` block or ``close``.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        db: Path | None = None,
        wait_s: float = 0.0,
        files: Sequence[str] = (),
        data: str | None = None,
        engine: str = DUCKDB,
        mapping: "Mapping | None" = None,
        memory_limit: str | None = None,
        writable: Path | None = None,
        progress: "Progress | None" = None,
        on_read: "Callable[[list[FileResult]], None] | None" = None,
        on_tasks: OnTasks | None = None,
    ) -> None:
        """Prepare a session; use ``open`` or ``read`` to get one.

        ``writable`` is the one folder that may be written to. ``progress`` returns a callback that shows how much of a
        file has been read, ``on_read`` receives the result of each file before a failure is raised. ``data`` is an
        exported folder to ask instead of a store, by ``engine``: ``duckdb``, or ``sc://host:port`` of a Spark server,
        whose progress ``on_tasks`` receives. ``wait_s`` is how long to wait for a busy store, or for a server's workers
        if that is longer than usual.
        """
        self._settings, self._db, self._wait_s = settings, db, wait_s
        self._files, self._mapping = tuple(files), mapping
        self._data, self._engine = data, engine
        self._memory_limit, self._writable = memory_limit, writable
        self._progress, self._on_read, self._on_tasks = progress, on_read, on_tasks
        self._lock = threading.RLock()
        self._store: Store | None = None
        self._open = ExitStack()
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Release the store; safe to call twice."""
        with self._lock:
            self._closed, self._store = True, None
            self._open.close()

    def connect(self) -> Self:
        """Open the store or read the files, unless already done."""
        self._connect_store()
        return self

    def _scope(self, by: Names | None, top: int | None, filters: Filters) -> Scope:
        return scope_of(by, top, {"tz": self._settings.zone, **filters}, self._settings.groups)

    def _answer(
        self, audit: Audit, scope: Scope, filters: Filters, exported: dict[str, object] | None = None
    ) -> Result:
        """Run an audit. ``exported`` names the options that an export does not answer, None where it answers none."""
        self._refuse_unanswered(scope, filters, exported)
        hide = redacted_names(filters)

        def ask(store: Store, scope: Scope) -> Report:
            report = audit(store, scope)
            return redact_report(report, hide, store.secret()) if hide else report

        return Result(self._ask(ask, scope))

    def _refuse_unanswered(self, scope: Scope, filters: Filters, exported: dict[str, object] | None) -> None:
        """Raise UsageError for what an export does not answer, if the session is over one."""
        if self._data is not None:
            refuse_unanswered(scope, filters, exported)

    def _ask(self, audit: Callable[[Store, Scope], _Answer], scope: Scope) -> _Answer:
        """Run an audit; raise UsageError for a failure that only the user's own condition can cause."""
        with self._lock:
            store = self._connect_store()
            try:
                return audit(store, scope)
            except StreamauditError as error:
                if scope.where and type(error) is StreamauditError:
                    raise UsageError(f"--where: {scope.where!r} compares a value with another type") from None
                raise

    def _connect_store(self) -> Store:
        """Return the connected store, locked against network and files: the file, or one filled from files."""
        with self._lock:
            if self._store is not None:
                return self._store
            if self._closed:
                raise UsageError("the session is closed", "open a new one: streamaudit.open(...)")
            settings = self._settings
            if self._data is not None:
                self._store = self._open.enter_context(open_export(
                    self._data, self._engine, memory_limit=self._memory_limit, wait_s=self._wait_s,
                    on_tasks=self._on_tasks,
                ))  # fmt: skip
                return self._store
            lookups = read_lookups(settings.lookup_files())
            with ExitStack() as stack:
                if self._files:
                    store = self._fill_store(stack)
                else:
                    path, _ = settings.store_path(self._db)
                    _log.debug(f"store {path}")
                    store = stack.enter_context(Store.open(
                        path, write=False, wait_s=self._wait_s, on_wait=_log.info, memory_limit=self._memory_limit,
                        providers=settings.provider_overrides(),
                    ))  # fmt: skip
                apply_lookups(store, lookups)
                log_unmatched(store, lookups)
                store.lock_down(self._writable)
                self._store, self._open = store, stack.pop_all()
            return store

    def _fill_store(self, stack: ExitStack) -> Store:
        """Return a store in memory with the calls of the files."""
        from streamaudit.ingest.mapping import Mapping
        from streamaudit.ingest.read import read_files, refuse_failures
        from streamaudit.ingest.readers.reader import Reader
        from streamaudit.ingest.results import Options

        # The reader's folder is where large queries spill, so it outlives them.
        reader = stack.enter_context(Reader())
        store = stack.enter_context(Store.in_memory(
            memory_limit=self._memory_limit, providers=self._settings.provider_overrides()
        ))  # fmt: skip
        options = Options(self._mapping or Mapping(), prices=self._settings.price_file())
        results = read_files(store, reader, self._files, options, self._progress)
        if self._on_read is not None:
            self._on_read(results)
        refuse_failures(results, with_reasons=self._on_read is None)
        return store
