"""Exit code 4: the store is held by another process, is no store, or is newer than this streamaudit."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from tests.cli.running import PATIENCE_S, Cli, stored_calls, wait_until
from tests.cli.traffic import as_lines, call, calls, long_line, write_lines

_HOLD = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "read")
print("open", flush=True)
sys.stdin.read()
connection.close()
"""


@contextmanager
def held(store: Path, how: str) -> "Iterator[subprocess.Popen[bytes]]":
    """Another process that has the store open, as a forgotten SQL session would, until its input is closed."""
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(store), how], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        yield process
        if process.stdin and not process.stdin.closed:
            process.stdin.close()


@pytest.fixture
def store(cli: Cli, thirty: Path) -> Path:
    """A small store of its own."""
    shutil.copytree(thirty, cli.folder, dirs_exist_ok=True)
    return cli.folder / "store.duckdb"


BOTH_WAYS = [
    ("write", ["report", "--db", "store.duckdb", "--format", "csv"]),
    ("write", ["ingest", "more.jsonl", "--db", "store.duckdb"]),
    ("read", ["ingest", "more.jsonl", "--db", "store.duckdb"]),
]


@pytest.mark.parametrize(("how", "command"), BOTH_WAYS, ids=lambda value: value if isinstance(value, str) else value[0])
def test_a_busy_store_ends_with_4_and_names_the_holder(cli: Cli, store: Path, how: str, command: list[str]) -> None:
    """The process that holds the store is named by its PID, and nothing has changed."""
    write_lines(cli.folder / "more.jsonl", calls(5, start=100))
    before = store.read_bytes()
    with held(store, how) as holder:
        done = cli.run(*command)
        assert (done.code, done.out) == (4, "")
        assert f"store.duckdb is in use by another process (PID {holder.pid})" in done.err
        assert "--wait 60s" in done.err
    assert store.read_bytes() == before


@pytest.mark.parametrize(
    ("how", "command"), [pytest.param(*BOTH_WAYS[0], marks=pytest.mark.proof), BOTH_WAYS[1]],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_wait_sits_out_the_holder_and_then_succeeds(cli: Cli, store: Path, how: str, command: list[str]) -> None:
    """With --wait the command says once whom it waits for, and does its work when the store is free."""
    write_lines(cli.folder / "more.jsonl", calls(5, start=100))
    with held(store, how) as holder:
        waiting = cli.start(*command, "--wait", f"{PATIENCE_S}s")
        assert waiting.stderr is not None
        first = waiting.stderr.readline().decode()
        assert f"PID {holder.pid}" in first
        assert "waiting up to" in first
        assert waiting.poll() is None
        assert holder.stdin is not None
        holder.stdin.close()
        _, err = waiting.communicate(timeout=PATIENCE_S)
    assert waiting.returncode == 0, err
    assert b"waiting" not in err
    assert stored_calls(store) == (30 if command[0] == "report" else 35)


def test_wait_gives_up_in_the_end(cli: Cli, store: Path) -> None:
    """A holder that never lets go is exit code 4 after the wait, not a hang."""
    with held(store, "write"):
        done = cli.run("report", "--db", store, "--wait", "1s")
    assert done.code == 4
    assert "waiting up to 1 s" in done.err


def test_readers_do_not_disturb_each_other(cli: Cli, store: Path) -> None:
    """A report runs while another process reads the store."""
    with held(store, "read"):
        assert cli.run("report", "--db", store).code == 0


def test_ingests_at_the_same_time_wait_for_each_other(cli: Cli) -> None:
    """Two processes that create and fill one store at once lose and repeat nothing."""
    running = []
    for index in range(2):
        path = write_lines(cli.folder / f"part{index}.jsonl", calls(500, start=500 * index))
        running.append(cli.start("ingest", path, "--db", "shared.duckdb", "-q", "--wait", f"{PATIENCE_S}s"))
    for process in running:
        _, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, err
    assert stored_calls(cli.folder / "shared.duckdb") == 1000


def test_standard_input_is_awaited_without_holding_the_store(cli: Cli, store: Path) -> None:
    """While a slow pipe is still being filled, the store is free for others."""
    slow = subprocess.Popen(
        [sys.executable, "-m", "streamaudit", "ingest", "-", "--db", str(store), "--wait", f"{PATIENCE_S}s"],
        cwd=cli.folder, env=cli.environment(), stdin=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert slow.stdin is not None
    first, *others = [call(number, request_id=f"s{number}") for number in range(30)]
    slow.stdin.write(long_line(first))
    slow.stdin.flush()
    wait_until(lambda: any(cli.spool.glob("streamaudit-*/1.json")), slow)
    assert cli.run("report", "--db", store).code == 0
    slow.stdin.write(as_lines(others).encode())
    _, err = slow.communicate(timeout=PATIENCE_S)
    assert slow.returncode == 0, err
    assert stored_calls(store) == 60


@pytest.mark.parametrize("command", [["report"], ["ttft"], ["tax"], ["ingest", "calls.jsonl"]], ids=lambda c: c[0])
def test_a_file_that_is_no_store_ends_with_4_and_is_left_alone(cli: Cli, command: list[str]) -> None:
    """Text, a folder and another program's DuckDB file are each refused and not touched."""
    write_lines(cli.folder / "calls.jsonl", calls(3))
    text = cli.folder / "notes.duckdb"
    text.write_text("dear diary, " * 1000)
    (cli.folder / "folder.duckdb").mkdir()
    for name, says in (("notes.duckdb", "is not a streamaudit store"), ("folder.duckdb", "is a folder")):
        done = cli.run(*command, "--db", name)
        assert (done.code, done.out) == (4, "")
        assert says in done.err
    assert text.read_text() == "dear diary, " * 1000


def test_an_export_in_place_of_a_store_is_refused_and_left_alone(cli: Cli) -> None:
    """Mixed-up arguments are exit code 4 for readers and writers, and cost nothing."""
    path = write_lines(cli.folder / "calls.jsonl", calls(3))
    before = path.read_bytes()
    commands: list[list[str | Path]] = [
        ["ingest", path, "--db", path], ["report", "--db", path], ["forget", "--user", "u", "--db", path],
    ]  # fmt: skip
    for command in commands:
        done = cli.run(*command)
        assert (done.code, "not a streamaudit store" in done.err) == (4, True), done.err
    assert path.read_bytes() == before


@pytest.mark.parametrize("command", [["report"], ["ingest", "calls.jsonl"]], ids=lambda c: c[0])
def test_another_programs_database_is_refused(cli: Cli, command: list[str]) -> None:
    """A DuckDB file with tables of its own neither gets ours nor is read."""
    write_lines(cli.folder / "calls.jsonl", calls(3))
    with duckdb.connect(str(cli.folder / "sales.duckdb")) as connection:
        connection.execute("CREATE TABLE sales AS SELECT 42 AS amount")
    done = cli.run(*command, "--db", "sales.duckdb")
    assert done.code == 4, done.err
    assert "not a streamaudit store" in done.err
    with duckdb.connect(str(cli.folder / "sales.duckdb"), read_only=True) as connection:
        assert connection.execute("SELECT table_name FROM duckdb_tables()").fetchall() == [("sales",)]


def test_a_newer_store_is_refused_with_the_version_it_needs(cli: Cli, store: Path) -> None:
    """A store of schema 99 is neither read nor written."""
    with duckdb.connect(str(store)) as connection:
        connection.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
    for command in (["report"], ["ingest", "calls.jsonl"]):
        done = cli.run(*command, "--db", store)
        assert (done.code, done.out) == (4, "")
        assert "has schema 99" in done.err
        assert "upgrade streamaudit" in done.err


def test_a_cut_off_store_ends_with_4(cli: Cli, store: Path) -> None:
    """Half a store, as a full disk or a broken copy leaves it, is damage and not a bug."""
    store.write_bytes(store.read_bytes()[: store.stat().st_size // 2])
    done = cli.run("report", "--db", store)
    assert (done.code, done.out) == (4, ""), done.err


@pytest.mark.parametrize("path", ["/dev/null/x/store.duckdb", "calls.jsonl/store.duckdb"])
def test_a_store_where_no_folder_can_be_made_ends_with_4(cli: Cli, path: str) -> None:
    """A path through something that is no folder is said plainly."""
    write_lines(cli.folder / "calls.jsonl", calls(3))
    done = cli.run("ingest", "calls.jsonl", "--db", path)
    assert done.code == 4
    assert path in done.err


def test_a_missing_store_ends_with_3_and_says_how_to_make_one(cli: Cli) -> None:
    """A report without a store names the place it looked in and the command that fills it."""
    done = cli.run("report")
    assert done.code == 3
    assert f"no store at {cli.home}/.local/share/streamaudit/audit.duckdb" in done.err
    assert "streamaudit ingest FILE" in done.err
