"""Settings and fixtures shared by all tests."""

import gc
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, settings

from sample_traces import Fleet, simulate
from streamaudit.store.store import Store
from tests.cli.running import SAMPLES, Cli, Result
from tests.once import once
from tests.reused import empty_store

# Nothing that is imported and collected is ever freed: the collector would walk through it again and again.
gc.disable()


def _connect(
    database: str | Path = ":memory:", read_only: bool = False, config: dict[str, Any] | None = None
) -> duckdb.DuckDBPyConnection:
    return _connect_with_all(database, read_only, {"threads": 1, **(config or {})})


# Several tests run at once: a database with a thread for every core would only get in the way of the others.
_connect_with_all, duckdb.connect = duckdb.connect, _connect

# The same examples on every run and machine; no test is timed.
settings.register_profile(
    "streamaudit",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
settings.load_profile("streamaudit")


FIRST = (
    "tests/truth", "tests/edge", "tests/cli/recipes", "tests/fuzz", "tests/cli/test_watch.py", "tests/cli/test_soak.py",
    "tests/cli/test_mcp.py", "tests/cli/test_interruption.py", "tests/cli/test_posting.py", "tests/docs/test_docs.py",
)  # fmt: skip
"""Tests that wait for a clock or another process, or that take seconds each."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what waits or is long: others run meanwhile, and at the end no worker waits for one such test."""
    items.sort(key=lambda item: not item.nodeid.startswith(FIRST))


def pytest_collection_finish() -> None:
    """Collect garbage from here on, of the tests alone. What the tests start has not the allocator that they have."""
    gc.freeze()
    gc.enable()
    os.environ.pop("LD_PRELOAD", None)


@pytest.fixture
def store() -> Iterator[Store]:
    """An empty store in memory, whose queries are planned as those of a small store are."""
    with empty_store() as opened:
        yield opened


@pytest.fixture(scope="session")
def sample_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with all sample traces, for tests that only read it; beside it are ``ingest.err``, what ingest said, and
    ``rejects.csv``, the list of rejects."""
    return once(tmp_path_factory, "samples", _ingested)


def _ingested(folder: Path) -> Path:
    files = sorted(SAMPLES.glob("*.gz"))
    done = Cli(folder).run("ingest", *files, "--db", "samples.duckdb", "--rejects", "rejects.csv")
    assert (done.code, done.out) == (0, ""), done.err
    (folder / "ingest.err").write_text(done.err)
    return folder / "samples.duckdb"


@pytest.fixture(scope="session")
def demo_on_screen(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """One run of the demo on a terminal of eighty columns without colours."""
    return once(
        tmp_path_factory, "demo-on-screen",
        lambda folder: Cli(folder).terminal("demo", columns=80, env={"NO_COLOR": "1"}),
    )  # fmt: skip


@pytest.fixture(scope="session")
def fleet() -> Fleet:
    """A fleet in whole milliseconds, which every form can hold."""
    return simulate(400, 7, datetime(2026, 11, 9, tzinfo=UTC), 5, whole_ms=True)


@pytest.fixture(scope="session")
def fine_fleet() -> Fleet:
    """A fleet in microseconds, which some forms can hold."""
    return simulate(300, 8, datetime(2026, 11, 9, tzinfo=UTC), 5)
