"""Spark answers as DuckDB does over the same folder, and every way to lose it is one line.

With ``pysail`` and ``pyspark-client`` these tests ask Sail; ``make test-spark`` asks Apache Spark with two workers too.
"""

import importlib.util
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamaudit.api import Session
from streamaudit.errors import InputError, StoreError, StreamauditError, UsageError
from streamaudit.report.model import Report
from streamaudit.store.engines.spark_engine import SparkEngine
from tests.engines.cluster import Cluster, cluster, free_port, spark_home, wait_for
from tests.engines.questions import QUESTIONS, SETTINGS

HAS_CLIENT = importlib.util.find_spec("grpc") is not None and importlib.util.find_spec("pyspark") is not None
needs_client = pytest.mark.skipif(not HAS_CLIENT, reason="pyspark-client is not installed: pip install '.[spark]'")
needs_sail = pytest.mark.skipif(
    not HAS_CLIENT or importlib.util.find_spec("pysail") is None, reason="pysail is not installed"
)
needs_spark = pytest.mark.skipif(not HAS_CLIENT or spark_home() is None, reason="there is no Spark or no Java")
SAIL = "from pysail.spark import SparkConnectServer as S; S('127.0.0.1', {port}).start(background=False)"


@pytest.fixture(scope="module")
def sail() -> Iterator[str]:
    port = free_port()
    server = subprocess.Popen([sys.executable, "-c", SAIL.format(port=port)], stderr=subprocess.DEVNULL)
    wait_for(port)
    yield f"sc://localhost:{port}"
    server.kill()
    server.wait()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("spark"), zone="Asia/Kolkata") as made:
        yield made


def session(export: Path, engine: str = "duckdb") -> Session:
    return Session(SETTINGS, data=str(export), engine=engine)


def _content(report: Report) -> list[object]:
    return [report.interval, report.notes, report.headline, *((one.name, one.rows, one.marks) for one in report.tables)]


@needs_sail
@pytest.mark.parametrize("name", QUESTIONS)
def test_sail_answers_as_duckdb_does(sample_export: Path, sail: str, name: str) -> None:
    """Every row, mark and note is the same: one text, two engines."""
    with session(sample_export) as here, session(sample_export, sail) as there:
        assert _content(QUESTIONS[name](there).report) == _content(QUESTIONS[name](here).report)


@needs_sail
def test_a_folder_that_a_server_does_not_find_or_is_older_is_one_line(
    sample_export: Path, sail: str, tmp_path: Path
) -> None:
    """Sail answers a missing path with nothing, Spark with an error: both are the same line."""
    with pytest.raises(InputError, match="no exported calls"):
        session(tmp_path / "missing", sail).report()
    (tmp_path / "old").mkdir()
    for day in sample_export.glob("day=*"):
        (tmp_path / "old" / day.name).symlink_to(day)
    with pytest.raises(InputError, match="older streamaudit"):
        session(tmp_path / "old", sail).report()


def test_no_server_is_one_line_at_once_without_the_token() -> None:
    began = time.monotonic()
    with pytest.raises(StoreError) as refused:
        SparkEngine(f"sc://127.0.0.1:{free_port()}/;token=SECRET", "calls")
    assert "no server answers" in refused.value.message and refused.value.hint
    assert "SECRET" not in refused.value.message + refused.value.hint
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("address", ["sc://", "sc://:15002", "sc://host:port", "sc://host:15002/path"])
def test_what_is_no_address_is_said(address: str) -> None:
    with pytest.raises(UsageError, match="expected an address such as sc://spark:15002"):
        SparkEngine(address, "calls")


def test_a_server_of_something_else_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    """Within ten seconds, and nothing of the client reaches the screen; without the client, how to install it."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(StreamauditError) as refused:
            SparkEngine(f"sc://127.0.0.1:{other.getsockname()[1]}", "calls")
    wanted = "does not speak Spark Connect" if HAS_CLIENT else "not installed"
    assert wanted in refused.value.message
    assert capfd.readouterr() == ("", "")


@pytest.mark.spark
class TestSpark:
    """Apache Spark: a master, two workers and a Connect server in another time zone; a minute or two."""

    @needs_spark
    @pytest.mark.parametrize("name", QUESTIONS)
    def test_spark_answers_as_duckdb_does(self, sample_export: Path, running: Cluster, name: str) -> None:
        with session(sample_export) as here, session(sample_export, running.address) as there:
            assert _content(QUESTIONS[name](there).report) == _content(QUESTIONS[name](here).report)

    @needs_spark
    def test_a_worker_that_dies_changes_nothing_and_a_server_that_dies_is_one_line(
        self, sample_export: Path, running: Cluster, capfd: pytest.CaptureFixture[str]
    ) -> None:
        with session(sample_export) as here, session(sample_export, running.address) as there:
            there.report()
            threading.Timer(0.5, running.kill, (running.workers[0],)).start()
            question = QUESTIONS["report by model and route"]
            assert _content(question(there).report) == _content(question(here).report)
            running.kill(running.server)
            began = time.monotonic()
            with pytest.raises(StoreError, match="the server is gone"):
                question(there)
            assert time.monotonic() - began < 10
        assert "Exception" not in capfd.readouterr().err
