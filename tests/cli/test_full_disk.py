"""A full disk, made of a small memory file system: one clear line, exit code 4 or 5, and an intact store."""

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.running import Cli, stored_calls
from tests.cli.traffic import call, calls, write_lines, write_many

STORE = "store.duckdb"


@pytest.fixture
def small(cli: Cli) -> Iterator[Path]:
    """A disk of 6 MB that any user may write to; only root can make one."""
    folder = cli.folder / "disk"
    folder.mkdir()
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("making a small disk needs root")
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m,mode=1777", "tmpfs", str(folder)], check=False)
    if made.returncode != 0:
        pytest.skip("this machine lets nobody mount")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def as_a_user() -> tuple[str, ...]:
    """What to put before a command so that no right of root is left: root may use a disk's last reserve."""
    return ("setpriv", "--bounding-set=-all", "--inh-caps=-all") if shutil.which("setpriv") else ()


def fill(folder: Path) -> Path:
    """Take all the space that is left."""
    path = folder / "ballast"
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    return path


def test_ingest_on_a_full_disk_is_one_line_and_the_store_is_as_it_was(cli: Cli, small: Path) -> None:
    """What was stored before is there afterwards, and the same command succeeds once there is room."""
    first = write_lines(cli.folder / "first.jsonl", calls(50))
    assert cli.run("ingest", first, "--db", small / STORE).code == 0
    big = write_many(cli.folder / "big.jsonl", 8_000)
    ballast = fill(small)
    done = cli.run("ingest", big, "--db", small / STORE, before=as_a_user())
    assert done.code == 4
    assert [line for line in done.err.splitlines() if line.startswith("error: ")] != []
    assert "space" in done.err and "Traceback" not in done.err
    ballast.unlink()
    assert json.loads(cli.run("report", "--db", small / STORE, "--json").out)["tables"][0]["rows"][0]["calls"] == 50
    again = write_lines(cli.folder / "second.jsonl", [call(n) for n in range(100, 150)])
    assert cli.run("ingest", again, "--db", small / STORE).code == 0


@pytest.mark.proof
def test_a_merge_on_a_full_disk_leaves_the_store_as_it_was(cli: Cli, small: Path) -> None:
    """And the same command succeeds once there is room."""
    assert cli.run("ingest", write_lines(cli.folder / "a.jsonl", calls(50)), "--db", small / STORE).code == 0
    big = write_many(cli.folder / "big.jsonl", 20_000)
    assert cli.run("ingest", big, "--db", "part.duckdb", "-q").code == 0
    ballast = fill(small)
    done = cli.run("merge", "part.duckdb", "--into", small / STORE, before=as_a_user())
    assert (done.code, "space" in done.err, "Traceback" in done.err) == (4, True, False)
    ballast.unlink()
    assert stored_calls(small / STORE) == 50
    subprocess.run(["mount", "-o", "remount,size=60m", str(small)], check=True)
    assert cli.run("merge", "part.duckdb", "--into", small / STORE).code == 0
    assert stored_calls(small / STORE) == 20_050


def test_a_new_store_on_a_full_disk_leaves_nothing_that_is_taken_for_one(cli: Cli, small: Path) -> None:
    ballast = fill(small)
    path = write_lines(cli.folder / "first.jsonl", calls(50))
    done = cli.run("ingest", path, "--db", small / STORE, before=as_a_user())
    assert (done.code, "space" in done.err) == (4, True)
    ballast.unlink()
    assert cli.run("ingest", path, "--db", small / STORE).code == 0


def test_a_report_for_a_full_disk_leaves_no_half_of_one(cli: Cli, small: Path) -> None:
    """The file that was there stays whole when there is no room for its successor."""
    path = write_lines(cli.folder / "first.jsonl", calls(50))
    assert cli.run("report", path, "--by", "tenant", "-o", small / "r.json").code == 0
    before = (small / "r.json").read_text()
    ballast = fill(small)
    many = write_lines(cli.folder / "many.jsonl", [call(n, tenant_id=f"tenant-{n}") for n in range(400)])
    done = cli.run("report", many, "--by", "tenant", "-o", small / "r.json", before=as_a_user())
    assert (done.code, "space" in done.err.lower()) == (5, True)
    assert (small / "r.json").read_text() == before
    assert sorted(one.name for one in small.iterdir()) == ["ballast", "r.json"]
    ballast.unlink()


@pytest.mark.proof
def test_no_room_to_write_the_store_anew_says_how_much_it_takes(cli: Cli, small: Path) -> None:
    """What was deleted stays so, no copy is left, and with room the same command ends well; the store stays private."""
    big = write_many(cli.folder / "big.jsonl", 20_000)
    assert cli.run("ingest", big, "--db", small / STORE, "-q").code == 0
    (small / STORE).chmod(0o600)
    ballast = fill(small)
    os.truncate(ballast, ballast.stat().st_size - (1 << 19))
    command = ("prune", "--before", "2020-01-01", "--db", small / STORE)
    done = cli.run(*command, before=as_a_user())
    assert done.code == 4
    assert "the disk is full: rewriting" in done.err and "MB are free" in done.err
    assert sorted(one.name for one in small.iterdir()) == ["ballast", STORE]
    ballast.unlink()
    assert cli.run(*command).code == 0
    assert (small / STORE).stat().st_mode & 0o777 == 0o600


def test_no_room_for_temporary_data_is_said(cli: Cli, small: Path) -> None:
    """The scratch space is elsewhere than the store; which of the two is full is told apart."""
    big = write_many(cli.folder / "big.jsonl", 200_000)
    ballast = fill(small)
    os.truncate(ballast, ballast.stat().st_size - (1 << 20))  # enough for the folder to be chosen, not for the data
    done = cli.run("ingest", big, "--db", STORE, before=as_a_user(), env={"TMPDIR": str(small)})
    assert done.code == 4
    assert "space" in done.err and "Traceback" not in done.err
    ballast.unlink()


def test_standard_input_without_room_is_not_called_unreadable(cli: Cli, small: Path) -> None:
    """Copying it fails for the disk's sake: the command, a report and fields say where, and leave nothing there."""
    line = (json.dumps(call(0, note="x" * 1000)) + "\n").encode()
    for words in (["ingest", "-", "--db", STORE], ["report", "-"], ["fields", "-"]):
        done = cli.run(*words, stdin=line * 8000, env={"TMPDIR": str(small)})
        assert (done.code, done.out) == (4, "")
        assert str(small) in done.err and ("nearly full" in done.err or "cannot write temporary data" in done.err)
        assert "TMPDIR" in done.err
        assert "Traceback" not in done.err and list(small.iterdir()) == []
    assert stored_calls(cli.folder / STORE) == 0
