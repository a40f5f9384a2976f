"""A question is given up where nothing works on it, and never because it takes long."""

import logging
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from streamaudit.errors import StoreError
from streamaudit.store.engines import spark_watch
from streamaudit.store.engines.protocol import Tasks
from streamaudit.store.engines.spark_watch import Watch


@dataclass
class Stage:
    """A stage as the client reports it."""

    stage_id: int = 0
    num_tasks: int = 4
    num_completed_tasks: int = 1
    num_bytes_read: int = 0
    done: bool = False


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A server that accepts connections; patience is cut to moments."""
    for name, seconds in (("IDLE_S", 0.3), ("WORKERLESS_S", 1.0), ("SILENT_S", 1.5), ("_PROBE_S", 0.3)):
        monkeypatch.setattr(spark_watch, name, seconds)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def _report(watch: Watch, seconds: float, running: int, *stages: Stage) -> str:
    """A question during which the server reports the same every moment."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        watch.note(stages, running, "1", False)
        time.sleep(0.05)
    return "answer"


def _watch(port: int, shown: list[Tasks | None] | None = None, wait_s: float = 0) -> Watch:
    return Watch("sc://spark:15002", "127.0.0.1", port, wait_s, None if shown is None else shown.append)


def test_a_long_task_is_waited_for(port: int, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing changes for longer than any patience, but a task runs, or the server itself works between stages."""
    watch = _watch(port)
    assert watch.run(lambda: _report(watch, 2, 1, Stage())) == "answer"
    assert watch.run(lambda: _report(watch, 1.2, 0, Stage(done=True))) == "answer"
    assert not caplog.records


def test_a_question_without_workers_is_notified_and_given_up(port: int, caplog: pytest.LogCaptureFixture) -> None:
    watch = _watch(port)
    with pytest.raises(StoreError, match="given up, as no worker ran the question for 1 s") as given_up:
        watch.run(lambda: _report(watch, 9, 0, Stage(done=True), Stage(1)))
    assert "--wait" in str(given_up.value.hint)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "they are gone, busy or still starting; it waits 1 s" in caplog.text


def test_a_search_for_files_needs_a_worker_too(port: int, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is reported about it, so silence counts as for a question without workers."""
    with pytest.raises(StoreError, match="no worker ran the question for 1 s"):
        _watch(port).run(threading.Event().wait, is_reported=False)
    assert "no worker runs the question" in caplog.text


def test_workers_that_start_late_answer(port: int, caplog: pytest.LogCaptureFixture) -> None:
    """A cluster may start its first worker for the question: with --wait it gets the time that it needs."""
    watch = _watch(port, wait_s=60)

    def work() -> str:
        _report(watch, 1.5, 0, Stage(num_completed_tasks=0))
        return _report(watch, 0.3, 2, Stage(num_completed_tasks=2))

    assert watch.run(work) == "answer"
    assert "it waits 60 s" in caplog.text


def test_silence_is_not_endless(port: int) -> None:
    watch = _watch(port)
    with pytest.raises(StoreError, match="given up, as nothing was reported for 1"):
        watch.run(threading.Event().wait)


def test_a_server_that_is_gone_is_noticed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        watch = _watch(listener.getsockname()[1])
    began = time.monotonic()
    with pytest.raises(StoreError, match="the server is gone"):
        watch.run(threading.Event().wait)
    assert time.monotonic() - began < 10


def test_progress_counts_no_task_twice(port: int) -> None:
    """Spark counts the tasks of a lost worker as completed, and runs them again."""
    shown: list[Tasks | None] = []
    watch = _watch(port, shown)
    watch.run(lambda: _report(watch, 1.0, 1, Stage()))
    watch.run(lambda: _report(watch, 1.0, 1, Stage(num_completed_tasks=2, num_tasks=2, done=True), Stage(1, 8, 18)))
    assert shown == [Tasks(1, 1, 4), None, Tasks(2, 10, 10), None]
