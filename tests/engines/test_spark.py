"""Spark answers as DuckDB does over the same folder.

With ``pysail`` and ``pyspark-client`` these tests ask Sail; ``make test-spark`` asks Apache Spark with two workers too.
"""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamaudit.api import Session
from streamaudit.errors import InputError, StoreError
from streamaudit.store.engines import spark_watch
from streamaudit.store.engines.protocol import Tasks
from streamaudit.store.engines.spark_engine import SparkEngine
from tests.engines.cluster import Cluster, cluster
from tests.engines.questions import QUESTIONS, SETTINGS, content
from tests.engines.servers import needs_sail, needs_spark


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("spark"), zone="Asia/Kolkata", token="RIGHT") as made:
        yield made


def session(export: Path, engine: str = "duckdb") -> Session:
    return Session(SETTINGS, data=str(export), engine=engine, wait_s=60)


KEPT = ("report by week and tenant, in a window", "tax by month and tenant", "diff as a gate")


@needs_sail
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in KEPT else pytest.mark.spark) for name in QUESTIONS]
)
def test_sail_answers_as_duckdb_does(sample_export: Path, sail: int, name: str) -> None:
    """Every row, mark and note is the same: one text, two engines."""
    with session(sample_export) as here, session(sample_export, f"sc://localhost:{sail}") as there:
        assert content(QUESTIONS[name](there).report) == content(QUESTIONS[name](here).report)


@pytest.mark.spark
class TestSpark:
    """Apache Spark: a master, two workers and a Connect server in another time zone; a minute or two."""

    @needs_spark
    @pytest.mark.parametrize("name", QUESTIONS)
    def test_spark_answers_as_duckdb_does(self, sample_export: Path, running: Cluster, name: str) -> None:
        with session(sample_export) as here, session(sample_export, running.address) as there:
            assert content(QUESTIONS[name](there).report) == content(QUESTIONS[name](here).report)

    @needs_spark
    def test_its_tasks_are_shown(self, sample_export: Path, running: Cluster) -> None:
        """Spark reports every two seconds, and the samples take less: so this query is one of its own."""
        shown: list[Tasks | None] = []
        engine = SparkEngine(running.address, str(sample_export), on_tasks=shown.append)
        text = "SELECT sum(hash(a.id, b.id) % 7) AS x FROM range(0, 300000, 1, 6) AS a CROSS JOIN range(0, 3000) AS b"
        assert len(engine.rows(text)) == 1
        engine.close()
        seen = [one for one in shown if one is not None]
        assert seen and all(0 <= one.done <= one.known for one in seen) and max(one.known for one in seen) >= 6
        assert shown[-1] is None

    @needs_spark
    def test_tokens_and_addresses_that_it_refuses(
        self, sample_export: Path, running: Cluster, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """Its own check of tokens; s3a:// without the package that reads it."""
        for address in (running.address.replace("RIGHT", "WRONG"), running.address.partition("/;")[0]):
            with pytest.raises(StoreError, match="refuses the token, or wants one"):
                SparkEngine(address, str(sample_export))
        with pytest.raises(InputError, match="cannot read s3a:// addresses"):
            SparkEngine(running.address, "s3a://bucket/calls")
        with pytest.raises(InputError, match="no exported calls"):
            SparkEngine(running.address, "/no/such/folder")
        assert "Exception" not in capfd.readouterr().err

    @needs_spark
    def test_lost_workers(
        self, sample_export: Path, running: Cluster, capfd: pytest.CaptureFixture[str],
        caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        """One that dies in mid-question changes nothing; without the last one a line says so within ten seconds, the
        question is given up in time, and with a new worker it is answered. A dead server is one line."""
        question = QUESTIONS["report by model and route"]
        with session(sample_export) as here, session(sample_export, running.address) as there:
            there.report()
            threading.Timer(0.5, running.kill, (running.workers[0],)).start()
            assert content(question(there).report) == content(question(here).report)
            running.kill(running.workers[1])
            with monkeypatch.context() as patient:
                patient.setattr(spark_watch, "WORKERLESS_S", 12.0)
                began = time.monotonic()
                with pytest.raises(StoreError, match="no worker ran the question"):
                    session(sample_export, running.address).report()
            (note,) = [one for one in caplog.records if "no worker runs the question" in one.getMessage()]
            assert note.relativeCreated and note.created - time.time() + time.monotonic() - began < 12
            threading.Timer(10, running.add_worker).start()
            assert content(question(there).report) == content(question(here).report)
            running.kill(running.server)
            began = time.monotonic()
            with pytest.raises(StoreError, match="the server is gone"):
                question(there)
            assert time.monotonic() - began < 10
        assert "Exception" not in capfd.readouterr().err
