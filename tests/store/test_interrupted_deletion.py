"""A deletion that is killed: the next writer finishes it, and nothing is left beside the store."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from streamaudit.store.files import clear_left_over
from streamaudit.store.store import Store
from tests.support import ingest, raw_call, write_lines

GONE = "tenant-that-must-go-0123456789abcdef"

# The program itself, killed at one of its file operations.
_KILLED = """
import os, pathlib, signal, sys
from streamaudit.cli.main import main
from streamaudit.store.store import Store

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

at = sys.argv.pop(1)
if at == "before the copy":
    Store.rewrite = die
elif at == "before it takes the name":
    pathlib.Path.replace = die
sys.exit(main())
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store of two loads, one of which holds the name that must go."""
    path = tmp_path / "audit.duckdb"
    kept = write_lines(tmp_path / "kept.jsonl", [raw_call(f"kept-{n}", tenant="acme") for n in range(3)])
    gone = write_lines(tmp_path / "gone.jsonl", [raw_call(f"gone-{n}", tenant=GONE, user_id="u1") for n in range(3)])
    with Store.open(path, write=True) as store:
        ingest(store, kept)
        ingest(store, gone)
    return path


def _kill(at: str, *words: str | Path) -> None:
    argv = [sys.executable, "-c", _KILLED, at, *map(str, words)]
    assert subprocess.run(argv, capture_output=True, check=False).returncode == -9


UNLOAD, FORGET = ("unload", "2"), ("forget", "--user", "u1")


@pytest.mark.parametrize(
    ("words", "at"),
    [
        (UNLOAD, "before it takes the name"), (FORGET, "before the copy"),
        pytest.param(UNLOAD, "before the copy", marks=pytest.mark.proof),
        pytest.param(FORGET, "before it takes the name", marks=pytest.mark.proof),
    ],
)  # fmt: skip
def test_the_next_writer_finishes_a_killed_deletion(path: Path, at: str, words: tuple[str, ...]) -> None:
    """The calls are gone from reports at once; their bytes are gone after the next command that writes."""
    _kill(at, *words, "--db", path)
    assert GONE.encode() in path.read_bytes()
    with Store.open(path, write=True) as store:
        assert store.query("SELECT call_id FROM store.calls WHERE tenant <> 'acme'") == []
        assert store.one("SELECT count(*) FROM store.calls")[0] == 3
        assert store.query("SELECT value FROM store.meta WHERE key = 'rewrite'") == []
    assert GONE.encode() not in path.read_bytes()
    assert [one.name for one in path.parent.iterdir() if one.name.startswith(".")] == []


def test_a_reader_neither_finishes_it_nor_is_stopped_by_it(path: Path) -> None:
    """A report needs no right to write."""
    _kill("before the copy", "unload", "2", "--db", path)
    before = path.read_bytes()
    with Store.open(path, write=False) as store:
        assert store.one("SELECT count(*) FROM store.calls")[0] == 3
    assert path.read_bytes() == before


def test_a_new_store_and_its_log_are_private(tmp_path: Path) -> None:
    """Whatever the user's umask allows for other files, and after a rewrite too; a mode that was given later stays."""
    path = tmp_path / "audit.duckdb"
    mask = os.umask(0o022)
    try:
        with Store.open(path, write=True) as store, store.transaction():
            store.run("INSERT INTO store.meta VALUES ('a', 'b')")
            assert {one.name: oct(one.stat().st_mode & 0o777) for one in tmp_path.iterdir()} == {
                "audit.duckdb": "0o600"
            }
            store.run("COMMIT")
            log = path.with_name("audit.duckdb.wal")
            assert not log.exists() or log.stat().st_mode & 0o777 == 0o600
            store.run("BEGIN TRANSACTION")
        path.chmod(0o640)
        with Store.open(path, write=True) as store:
            store.rewrite()
    finally:
        os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o640


def test_what_killed_runs_left_is_cleared_and_what_lives_is_not(tmp_path: Path) -> None:
    """Names of this and of earlier versions; other files, and those of a process that is alive, stay."""
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    dead = int(ended.stdout)
    left = (".s.db.new", ".s.db.new.wal", f".s.db.{dead}", f".s.db.{dead}.wal")
    kept = (f".s.db.{os.getppid()}-x", ".s.db.backup", ".other.new", "s.db", "s.db.new")
    for name in (*left, *kept):
        (tmp_path / name).touch()
    (tmp_path / f".s.db.{dead}-abc").mkdir()
    (tmp_path / f".s.db.{dead}-abc" / "s.db").touch()
    clear_left_over(tmp_path / "s.db")
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted(kept)
