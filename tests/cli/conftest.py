"""Fixtures: the command in a fresh folder, and a store that holds the sample traces."""

from pathlib import Path

import pytest

from tests.cli.running import SAMPLES, Cli


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """The command, in a folder and with a home of its own."""
    return Cli(tmp_path)


@pytest.fixture(scope="session")
def sample_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with all sample traces, for tests that only read it."""
    folder = tmp_path_factory.mktemp("samples")
    store = folder / "samples.duckdb"
    done = Cli(folder).run("ingest", *sorted(SAMPLES.glob("*.gz")), "--db", store)
    assert done.code == 0, done.err
    return store
