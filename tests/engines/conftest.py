"""Fixtures of the tests about exported folders."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.running import Cli
from tests.engines.servers import sail_server
from tests.once import once


@pytest.fixture(scope="session")
def sample_export(sample_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The samples as a folder, among them calls without a start time."""

    def make(folder: Path) -> Path:
        assert Cli(folder).run("export", "calls", "--db", sample_store).code == 0
        return folder / "calls"

    return once(tmp_path_factory, "sample-export", make)


@pytest.fixture(scope="session")
def sail() -> Iterator[int]:
    """The port of a Sail server."""
    with sail_server() as port:
        yield port
