"""``ingest --shard`` and ``merge`` as a user runs them: what they print, who is waited for, a kill in the middle."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.running import PATIENCE_S, Cli, stored_calls
from tests.cli.test_store_errors import held
from tests.cli.traffic import call, calls, write_lines
from tests.once import once
from tests.sampling import keep

_KILLED = """
import os, signal, sys
from streamaudit.cli.main import main
from streamaudit.store.store import Store

at, begun = sys.argv.pop(1), Store.query
def query(self, sql, params=None):
    if at in sql:
        os.kill(os.getpid(), signal.SIGKILL)
    return begun(self, sql, params)
Store.query = query
sys.exit(main())
"""


@pytest.fixture
def parts(cli: Cli, thirty: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two stores of thirty calls each, ten of which they share, and nothing else."""
    shutil.copy(thirty / "store.duckdb", cli.folder / "one.duckdb")
    shutil.copy(once(tmp_path_factory, "other-thirty", _other_thirty), cli.folder / "two.duckdb")
    return cli.folder


def _other_thirty(folder: Path) -> Path:
    write_lines(folder / "more.jsonl", calls(30, start=20))
    assert Cli(folder).run("ingest", "more.jsonl", "--db", "two.duckdb", "-q").code == 0
    return folder / "two.duckdb"


def test_machines_that_share_a_folder_make_one_store(cli: Cli) -> None:
    """Each says how many files are its own; a report on the merged store is that on all files."""
    folder = cli.folder / "exports"
    folder.mkdir()
    for number in range(3):
        write_lines(folder / f"{number}.jsonl", [call(number), call(number + 1, output_tokens=61)])
    shard = ["ingest", "exports", "--shard"]
    secret = {"STREAMAUDIT_SECRET": "s"}
    first, second, joined, again, merged, whole = cli.run_each([
        [*shard, "1/2", "--db", "1.duckdb"], [*shard, "2/2", "--db", "2.duckdb"],
        ["merge", "1.duckdb", "2.duckdb", "--into", "all.duckdb"], ["merge", "1.duckdb", "--db", "all.duckdb"],
        ["report", "--by", "tenant", "--db", "all.duckdb", "--format", "csv"],
        ["report", "--by", "tenant", "exports", "--format", "csv"],
    ], secret)  # fmt: skip
    counts = [int(done.err.partition(" of 2: ")[2].partition(" of 3 files")[0]) for done in (first, second)]
    assert sum(counts) == 3 and 0 not in counts
    assert joined.code == again.code == 0 and "another secret" not in joined.err
    assert "1.duckdb: 0 new loads, 0 grown, " in again.err
    assert merged.out == whole.out != ""


WRONG = [
    (["ingest", "x", "--shard", "3/2"], "--shard 3/2: expected a shard and the number of shards"),
    (["ingest", "-", "--shard", "1/2"], "standard input has no name"),
    (["merge", "one.duckdb", "--into", "a.duckdb", "--db", "b.duckdb"], "give --into or --db, not both"),
    (["merge", "one.duckdb", "--into", "one.duckdb"], "is the store to merge into"),
]


def test_wrong_words_are_refused(cli: Cli, parts: Path) -> None:
    """Before anything is written."""
    for (words, message), done in zip(WRONG, cli.run_each([words for words, _ in WRONG]), strict=True):
        assert (done.code, done.out) == (2, ""), words
        assert message in done.err
    assert sorted(path.name for path in parts.glob("*.duckdb")) == ["one.duckdb", "two.duckdb"]


def test_a_shard_without_files_is_no_error(cli: Cli) -> None:
    """Its store is there to be merged."""
    write_lines(cli.folder / "calls.jsonl", calls(1))
    runs = [cli.run("ingest", "calls.jsonl", "--shard", f"{number}/2", "--db", f"{number}.duckdb") for number in (1, 2)]
    assert [done.code for done in runs] == [0, 0]
    assert sum("0 of 1 file" in done.err for done in runs) == 1
    assert cli.run("merge", "1.duckdb", "2.duckdb", "--into", "all.duckdb").code == 0
    assert stored_calls(cli.folder / "all.duckdb") == 1


def test_a_store_that_is_missing_leaves_those_before_it_merged(cli: Cli, parts: Path) -> None:
    """And the same command goes on once it is there."""
    done = cli.run("merge", "one.duckdb", "three.duckdb", "two.duckdb", "--into", "all.duckdb")
    assert (done.code, "no store at three.duckdb" in done.err) == (3, True)
    assert stored_calls(parts / "all.duckdb") == 30
    assert cli.run("merge", "one.duckdb", "two.duckdb", "--into", "all.duckdb").code == 0
    assert stored_calls(parts / "all.duckdb") == 50


@pytest.mark.parametrize("busy", keep(["two.duckdb", "all.duckdb"], ["all.duckdb"]))
def test_a_busy_store_is_waited_for(cli: Cli, parts: Path, busy: str) -> None:
    """Whichever it is; without --wait it is exit code 4, and the message says who holds it."""
    command = ["merge", "one.duckdb", "two.duckdb", "--into", "all.duckdb"]
    shutil.copy(parts / "one.duckdb", parts / "all.duckdb")
    with held(parts / busy, "write") as holder:
        done = cli.run(*command)
        assert done.code == 4 and f"{busy} is in use by another process (PID {holder.pid})" in done.err
        waiting = cli.start(*command, "--wait", f"{PATIENCE_S}s")
        assert waiting.stderr is not None
        assert any(b"waiting up to" in line for line in iter(waiting.stderr.readline, b""))
        assert holder.stdin is not None
        holder.stdin.close()
        _, err = waiting.communicate(timeout=PATIENCE_S)
    assert waiting.returncode == 0, err
    assert stored_calls(parts / "all.duckdb") == 50


@pytest.mark.parametrize("at", keep(["INSERT INTO store.loads BY NAME", "COMMIT"], ["COMMIT"]))
def test_a_merge_that_was_killed_is_done_by_the_same_command(cli: Cli, parts: Path, at: str) -> None:
    """Of the second store nothing is there, then all of it: the same as without the kill."""
    shutil.copy(parts / "one.duckdb", parts / "all.duckdb")
    words = ["merge", "one.duckdb", "two.duckdb", "--into", "all.duckdb"]
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED, at, *words], cwd=parts, env=cli.environment(), capture_output=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert stored_calls(parts / "all.duckdb") == 30
    again, twice, found = cli.run_each(
        [words, words, ["sql", "SELECT read_records, new_calls, repeated_calls FROM loads ORDER BY ALL", "--db",
         "all.duckdb", "--json"]],
    )  # fmt: skip
    assert (again.code, twice.code) == (0, 0), again.err
    assert "two.duckdb: 0 new loads, 0 grown, 1 known" in twice.err
    assert stored_calls(parts / "all.duckdb") == 50
    rows = json.loads(found.out)["tables"][0]["rows"]
    assert [tuple(row.values()) for row in rows] == [(30, 20, 10), (30, 30, 0)]
