"""Deleting is careful: a count first, a question where a person sits at a terminal, and none in a job."""

import os
import pty
import subprocess
from pathlib import Path

import pytest

from tests.cli.running import PATIENCE_S, PROGRAM, Cli
from tests.support import raw_call, write_lines

DELETIONS = (
    (("prune", "--before", "2026-11-17"), "2 calls and 0 other steps that started before 2026-11-17 UTC"),
    (("forget", "--user", "ann"), "1 call and 0 other steps of that user"),
    (("unload", "1"), "3 calls and 0 other steps of load 1"),
)


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """A store of three calls, two of them before the 17th."""
    done = Cli(tmp_path)
    days = (15, 16, 18)
    records = [raw_call(f"c{day}", start_time=f"2026-11-{day}T10:00:00Z", user_id="ann" if day == 18 else "bob")
               for day in days]  # fmt: skip
    assert done.run("ingest", write_lines(tmp_path / "calls.jsonl", records), "-q").code == 0
    return done


def count(cli: Cli) -> int:
    """How many calls the store holds."""
    return int(cli.run("sql", "SELECT count(*) FROM calls", "--format", "csv").out.splitlines()[1])


def answer(cli: Cli, arguments: tuple[str, ...], typed: bytes) -> tuple[int, str]:
    """Run at a terminal, where a person types an answer; the exit code and what the screen shows."""
    master, slave = pty.openpty()
    running = subprocess.Popen(
        [*PROGRAM, *arguments], cwd=cli.folder, env=cli.environment(TERM="dumb"), stdin=slave, stderr=slave,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(slave)
    shown = b""
    while b"?" not in shown:
        shown += os.read(master, 1024)
    os.write(master, typed)
    code = running.wait(PATIENCE_S)
    shown += os.read(master, 4096)
    os.close(master)
    return code, shown.decode()


@pytest.mark.parametrize(("arguments", "counted"), DELETIONS, ids=lambda value: value[0])
def test_a_dry_run_counts_and_deletes_nothing(cli: Cli, arguments: tuple[str, ...], counted: str) -> None:
    """Every command that deletes has one."""
    done = cli.run(*arguments, "--dry-run")
    assert (done.code, done.err.strip()) == (0, f"would delete {counted}; nothing was deleted")
    assert count(cli) == 3


def test_a_person_is_asked_and_may_say_no(cli: Cli) -> None:
    """The question states the count; anything but yes leaves the store as it is."""
    code, shown = answer(cli, ("prune", "--before", "2026-11-17"), b"n\n")
    assert code == 0
    assert "Delete 2 calls and 0 other steps that started before 2026-11-17 UTC?" in shown
    assert "nothing was deleted" in shown
    assert count(cli) == 3
    code, shown = answer(cli, ("prune", "--before", "2026-11-17"), b"y\n")
    assert (code, count(cli)) == (0, 1)


def test_a_job_is_not_asked(cli: Cli) -> None:
    """Cron has no terminal; a line that worked goes on working, and --yes silences the question everywhere."""
    assert cli.run("prune", "--before", "2026-11-16").err.strip() == (
        "deleted 1 call and 0 other steps that started before 2026-11-16 UTC"
    )
    assert cli.run("forget", "--user", "bob", "--yes").code == 0
    assert count(cli) == 1


def test_a_dry_run_of_a_load_that_is_not_there_says_so(cli: Cli) -> None:
    """As the deletion itself would."""
    done = cli.run("unload", "9", "--dry-run")
    assert (done.code, done.err.splitlines()[0]) == (3, "error: the store has no load 9")
