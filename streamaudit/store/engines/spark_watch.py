"""Wait for a server that speaks Spark Connect: know while a question runs whether anything answers and works on it.

The client waits long and in silence, for a server that is gone as for one without workers. A question may take hours,
though, and a cluster may start its first worker for it, so time alone is no sign of a failure:

- A server that accepts no connection twice in a row is gone.
- Spark reports its tasks every two seconds. If a stage is open, no task runs and nothing changes, the user is
  notified after ``IDLE_S``, and the question is given up after ``WORKERLESS_S``. The workers may be gone, busy or
  still starting; after a loss Spark miscounts the tasks that run, so the report is no proof.
- While it looks for a folder's files, a worker reads one of them, and nothing is reported: the same limits hold.
- As long as tasks run there is no limit: Spark itself replaces a worker whose heartbeat is missing.
- Sail reports nothing, nor does Spark while it plans: after ``SILENT_S`` without a report the question is given up.
"""

import logging
import socket
import time
from collections.abc import Callable
from typing import Any, TypeVar

from streamaudit.errors import StoreError
from streamaudit.store.engines.protocol import OnTasks, Tasks
from streamaudit.store.engines.spark_errors import gone
from streamaudit.store.waiting import run_in_thread

_log = logging.getLogger(__name__)
_Made = TypeVar("_Made")

CONNECT_S = 3.0
ANSWER_S = 8.0
"""Longest wait for the server's first answer, about its version."""
IDLE_S = 8.0
"""Time without a running task after which the user is notified."""
WORKERLESS_S = 120.0
"""Longest time without a running task."""
SILENT_S = 600.0
"""Longest time without any report."""
_PROBE_S = 2.0
_LOST_PROBES = 2


class Watch:
    """Waits for the answers of one server."""

    def __init__(self, name: str, host: str, port: int, wait_s: float = 0.0, on_tasks: OnTasks | None = None) -> None:
        """Watch a server by its name in messages and its address; ``wait_s`` lengthens each wait."""
        self.name, self._place, self._on_tasks = name, (host, port), on_tasks
        self._answer_s = max(ANSWER_S, wait_s)
        self._workerless_s, self._silent_s = max(WORKERLESS_S, wait_s), max(SILENT_S, wait_s)
        self._queries = 0
        self._state: tuple[object, ...] = ()
        self._tasks: Tasks | None = None
        self._shown: Tasks | None = None
        self._begin()

    def check_port(self) -> None:
        """Raise StoreError where nothing accepts a connection."""
        try:
            socket.create_connection(self._place, timeout=CONNECT_S).close()
        except OSError as error:
            reason = error.strerror or "no answer"
            raise StoreError(
                f"--engine {self.name}: no server answers there ({reason.lower()})",
                "start one: sbin/start-connect-server.sh, or leave out --engine",
            ) from None

    def answers(self) -> bool:
        """Return whether something accepts a connection."""
        try:
            socket.create_connection(self._place, timeout=1).close()
        except OSError:
            return False
        return True

    def connect(self, work: Callable[[], _Made]) -> _Made:
        """Run the first call to the server; raises StoreError without an answer within ``ANSWER_S``."""
        began = time.monotonic()

        def look() -> None:
            if time.monotonic() - began > self._answer_s:
                raise StoreError(
                    f"--engine {self.name}: no answer for {self._answer_s:g} s: the server is busy, does not speak "
                    "Spark Connect, or only with or without TLS",
                    "--wait 60s waits longer; TLS: sc://HOST:PORT/;use_ssl=true",
                )

        return run_in_thread(work, look)

    def run(self, work: Callable[[], _Made], *, is_reported: bool = True) -> _Made:
        """Run a query; raises StoreError where the server is gone, or nothing works on it for too long.

        ``is_reported`` is False for a search of files, about which a server says nothing until it has found them.
        """
        self._begin()
        self._is_idle = not is_reported
        self._queries += is_reported
        try:
            return run_in_thread(work, self._look)
        finally:
            if self._shown is not None and self._on_tasks is not None:
                self._on_tasks(None)

    def note(self, stages: Any, inflight_tasks: int, operation_id: Any, done: bool) -> None:
        """Take a report of the client's about the stages of a query and the number of tasks that run."""
        del operation_id, done
        self._reported = time.monotonic()
        state = (inflight_tasks, *((one.stage_id, one.num_completed_tasks, one.num_bytes_read) for one in stages))
        if state == self._state:
            return
        self._state, self._moved = state, self._reported
        self._is_idle = inflight_tasks == 0 and not all(one.done for one in stages)
        # Tasks that a lost worker ran count as completed, and run again.
        completed = sum(min(one.num_completed_tasks, one.num_tasks) for one in stages)
        self._tasks = Tasks(self._queries, completed, sum(one.num_tasks for one in stages)) if stages else None

    def _begin(self) -> None:
        self._reported = self._moved = self._probed = time.monotonic()
        self._misses = 0
        self._state = ()
        self._is_idle = self._is_notified = False
        self._tasks = self._shown = None

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._probed > _PROBE_S:
            self._probed, self._misses = now, 0 if self.answers() else self._misses + 1
            if self._misses >= _LOST_PROBES:
                raise gone(self.name)
        if self._is_idle and now - self._moved > IDLE_S:
            self._notify_idle()
            if now - self._moved > self._workerless_s:
                raise StoreError(
                    f"--engine {self.name}: given up, as no worker ran the question for {self._workerless_s:g} s",
                    "look at the server's workers; --wait 10m waits longer for some to start",
                )
        if now - self._reported > self._silent_s:
            raise StoreError(
                f"--engine {self.name}: given up, as nothing was reported for {self._silent_s:g} s",
                "look at the server's workers, then ask again; --wait 1h waits longer",
            )
        if self._on_tasks is not None and self._tasks is not None and self._tasks != self._shown:
            self._shown = self._tasks
            self._on_tasks(self._tasks)

    def _notify_idle(self) -> None:
        if self._is_notified:
            return
        self._is_notified = True
        if self._shown is not None and self._on_tasks is not None:
            self._on_tasks(None)
        _log.warning(
            f"--engine {self.name}: no worker runs the question: they are gone, busy or still starting; "
            f"it waits {self._workerless_s:g} s for one"
        )
