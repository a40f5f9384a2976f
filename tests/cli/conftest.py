"""Fixtures: the command in a fresh folder, and a store of a few calls."""

import shutil
from pathlib import Path

import pytest

from tests.cli.running import Cli
from tests.cli.traffic import calls, write_lines
from tests.once import once


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """The command, in a folder and with a home of its own."""
    return Cli(tmp_path)


@pytest.fixture(scope="session")
def thirty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with thirty calls in ``calls.jsonl`` and ``store.duckdb``, to be copied."""
    return once(tmp_path_factory, "thirty", _thirty)


def _thirty(folder: Path) -> Path:
    (folder / "made").mkdir()
    cli = Cli(folder / "made")
    write_lines(cli.folder / "calls.jsonl", calls(30))
    assert cli.run("ingest", "calls.jsonl", "--db", "store.duckdb", "-q").code == 0
    kept = folder / "kept"
    kept.mkdir()
    for name in ("calls.jsonl", "store.duckdb"):
        shutil.copy(cli.folder / name, kept)
    return kept
