"""Where the command is run from must not matter: cron, other folders, pipes, odd names, missing rights."""

import gzip
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pytest

from tests.cli.running import PATIENCE_S, Cli, equation, stored_calls
from tests.cli.traffic import as_lines, calls, write_lines

SCRIPT = Path(sys.executable).parent / "streamaudit"
STORE = "store.duckdb"


def from_cron(cli: Cli, *arguments: str | Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run the installed script with the environment cron gives: almost none."""
    settings = [f"{name}={value}" for name, value in {"PATH": "/usr/bin:/bin", **variables}.items()]
    command = ["env", "-i", *settings, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=PATIENCE_S, check=False)


@pytest.mark.proof
def test_cron_with_a_home_uses_the_usual_store(cli: Cli) -> None:
    """With HOME alone, ingest and report find the same store under it, and ingest says where that is."""
    write_lines(cli.folder / "calls.jsonl", calls(5))
    done = from_cron(cli, "ingest", cli.folder / "calls.jsonl", HOME=str(cli.home))
    assert done.returncode == 0, done.stderr
    store = cli.home / ".local/share/streamaudit/audit.duckdb"
    assert f"store        {store}" in done.stderr
    assert stored_calls(store) == 5
    reported = from_cron(cli, "report", "--by", "tenant", HOME=str(cli.home)).stdout
    assert reported == cli.run("report", "--by", "tenant").out


def test_cron_without_a_home_works_with_a_named_store(cli: Cli) -> None:
    """Neither HOME nor a locale nor TERM is needed when the store is named."""
    path = write_lines(cli.folder / "calls.jsonl", [{**one, "tenant_id": "Grüße"} for one in calls(5)])
    done = from_cron(cli, "ingest", path, "--db", cli.folder / STORE)
    assert done.returncode == 0, done.stderr
    assert "Grüße" in from_cron(cli, "report", "--by", "tenant", STREAMAUDIT_DB=str(cli.folder / STORE)).stdout
    assert "Grüße" in from_cron(cli, "report", path, "--by", "tenant", "--format", "json", LC_ALL="POSIX").stdout


def test_the_store_is_found_by_flag_then_variable_then_data_folder(cli: Cli) -> None:
    """--db beats STREAMAUDIT_DB, which beats XDG_DATA_HOME, which beats the home folder."""
    write_lines(cli.folder / "calls.jsonl", calls(5))
    folder = cli.folder
    env = {"STREAMAUDIT_DB": str(folder / "variable.duckdb"), "XDG_DATA_HOME": str(folder / "data")}
    cli.run("ingest", "calls.jsonl", "--db", "flag.duckdb", env=env)
    assert (folder / "flag.duckdb").exists()
    assert not (folder / "variable.duckdb").exists()
    cli.run("ingest", "calls.jsonl", env=env)
    assert (folder / "variable.duckdb").exists()
    assert not (folder / "data").exists()
    cli.run("ingest", "calls.jsonl", env={"XDG_DATA_HOME": str(folder / "data")})
    assert (folder / "data/streamaudit/audit.duckdb").exists()
    assert not (cli.home / ".local").exists()


@pytest.mark.parametrize("store", [[], ["--db", "my store.duckdb"]], ids=["usual store", "named store"])
def test_what_ingest_says_to_do_next_works(cli: Cli, store: list[str]) -> None:
    """The last line of the narration, copied into a shell, shows the report of what was just stored."""
    write_lines(cli.folder / "calls.jsonl", calls(5))
    last = cli.run("ingest", "calls.jsonl", *store).err.splitlines()[-1]
    assert last.startswith("next: streamaudit report")
    done = cli.shell(last.removeprefix("next: "))
    assert done.code == 0, done.err
    assert "acme" in done.out


def test_the_same_file_from_another_folder_is_the_same_file(cli: Cli) -> None:
    """A file named relatively in one folder and absolutely in another is skipped as unchanged."""
    (cli.folder / "exports").mkdir()
    path = write_lines(cli.folder / "exports" / "calls.jsonl", calls(5))
    assert cli.run("ingest", "calls.jsonl", "--db", cli.folder / STORE, cwd=path.parent).code == 0
    again = cli.run("ingest", path, "exports/calls.jsonl", "--db", cli.folder / STORE)
    assert again.err.count("unchanged since it was read") == 2


def test_files_win_over_the_store_variable(cli: Cli) -> None:
    """A report over files neither reads nor writes the store that STREAMAUDIT_DB names."""
    write_lines(cli.folder / "calls.jsonl", calls(7))
    done = cli.run("report", "calls.jsonl", "--format", "csv", env={"STREAMAUDIT_DB": str(cli.folder / STORE)})
    assert done.out.splitlines()[1].startswith("7,")
    assert sorted(path.name for path in cli.folder.iterdir()) == ["calls.jsonl", "home", "tmp"]
    assert not list(cli.home.iterdir())


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
def test_standard_input_is_a_file_like_others(cli: Cli, packed: bool) -> None:
    """``-`` is read whole, plain or packed, reported on or, plain, stored, and never skipped as unchanged."""
    data = as_lines(calls(6)).encode()
    data = gzip.compress(data) if packed else data
    assert cli.run("report", "-", "--format", "csv", stdin=data).out.splitlines()[1].startswith("6,")
    if packed:
        return
    assert cli.run("ingest", "-", "--db", STORE, stdin=data, env={"TMPDIR": "/nowhere"}).code == 0
    again = cli.run("ingest", "-", "--db", STORE, stdin=data)
    assert equation(again.err)["repeated"] == stored_calls(cli.folder / STORE) == 6
    assert cli.run("ingest", "-", "--db", STORE, stdin=b"").code == 3


ODD_NAMES = (
    "with space.jsonl", "glob[1]*?.jsonl", "it's \"quoted\".jsonl", "semi;colon$HOME.jsonl", "käse-東京.jsonl",
    "percent%20.jsonl", "back\\slash.jsonl", "{a,b}.jsonl", "new\nline.jsonl", "tenant=acme.jsonl", "-q.jsonl",
)  # fmt: skip


def test_a_name_is_only_a_name(cli: Cli) -> None:
    """Spaces, quotes and signs that mean something to shells, SQL or globs are part of the name: one file each. After
    ``--``, which ends the options as everywhere, a dash is too."""
    for index, name in enumerate(ODD_NAMES):
        write_lines(cli.folder / name, calls(4, start=10 * index))
    for decoy in ("glob1xx.jsonl", "a.jsonl", "b.jsonl"):
        write_lines(cli.folder / decoy, calls(3, start=500))
    store = "odd [store]*'\".duckdb"
    done = cli.run("ingest", "--db", store, "--", *ODD_NAMES)
    assert done.code == 0, done.err
    assert equation(done.err)["new"] == stored_calls(cli.folder / store) == 4 * len(ODD_NAMES)
    with duckdb.connect(str(cli.folder / store), read_only=True) as connection:
        read = connection.execute("SELECT path, new_calls FROM loads").fetchall()
    assert sorted((Path(path).name, count) for path, count in read) == sorted((name, 4) for name in ODD_NAMES)


def test_a_name_that_is_no_text_is_only_a_name(cli: Cli) -> None:
    """Linux names are bytes; one that is not UTF-8 is read, stored and shown without harm."""
    path = os.fsencode(cli.folder) + b"/caf\xe9.jsonl"
    with open(path, "w") as file:
        file.write(as_lines(calls(4)))
    done = cli.run("ingest", os.fsdecode(path), "--db", STORE)
    assert done.code == 0, done.err
    assert stored_calls(cli.folder / STORE) == 4


def test_globs_and_folders_find_each_file_once(cli: Cli) -> None:
    """A quoted glob, a folder with sub-folders and the file itself name the same files; hidden ones are left out."""
    names = ("a.jsonl", "b.json", "day=1/c.ndjson", "day=1/d.jsonl.gz", "day=2/.e.jsonl", "notes.md")
    for index, name in enumerate(names):
        path = cli.folder / "exports" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = as_lines(calls(10, start=10 * index)).encode()
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    globs = (("exports/*.json*", 2), ("exports/**/*.jsonl", 1), (f"{cli.folder}/exports/day=1/*", 2))
    lines = [["ingest", "exports", "exports/a.jsonl", "--db", STORE]]
    ingested, *reported = cli.run_each([*lines, *(["report", glob, "--format", "csv"] for glob, _ in globs)])
    assert ingested.code == 0, ingested.err
    assert stored_calls(cli.folder / STORE) == 40
    for (glob, files), done in zip(globs, reported, strict=True):
        assert done.out.splitlines()[1].split(",")[0] == str(10 * files), glob


def test_a_folder_name_is_not_a_column(cli: Cli) -> None:
    """Files under ``tenant=acme/`` keep the tenant that is written in them."""
    (cli.folder / "tenant_id=wrong").mkdir()
    write_lines(cli.folder / "tenant_id=wrong" / "calls.jsonl", calls(4))
    done = cli.run("report", "tenant_id=wrong", "--by", "tenant", "--format", "csv")
    assert done.out.splitlines()[1].startswith("acme,4,")


def without_rights(folder: Path) -> Sequence[str]:
    """What to put before a command so that file permissions bind it; skips where that is impossible."""
    before: tuple[str, ...] = ()
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("root ignores file permissions, and setpriv is not installed to give that up")
        before = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
    folder.chmod(0o555)
    probe = subprocess.run([*before, "touch", str(folder / "probe")], capture_output=True, check=False)
    if probe.returncode == 0:
        pytest.skip("file permissions do not bind this user")
    return before


@pytest.fixture
def locked(cli: Cli, thirty: Path) -> Path:
    """A folder that will be made read-only, with a file of calls and a store."""
    return Path(shutil.copytree(thirty, cli.folder / "locked"))


def test_a_read_only_folder_can_be_reported_on_and_not_be_written_to(cli: Cli, locked: Path) -> None:
    """Neither files nor a store there need to be written to for a report; a store that would be made or written there
    is exit code 4 and an output file 5, each with its path and no trace."""
    before = without_rights(locked)
    (locked / STORE).chmod(0o444)
    file = locked / "calls.jsonl"
    commands: list[tuple[list[str | Path], int]] = [
        (["ingest", file, "--db", locked / "new.duckdb"], 4),
        (["ingest", file, "--db", locked / "new" / "new.duckdb"], 4),
        (["report", file, "-q", "-o", locked / "report.json"], 5),
        (["ingest", file, "-q", "--db", STORE, "--rejects", locked / "rejects.csv"], 5),
        (["ingest", file], 4),  # into the store of a home there
        (["report", file], 0), (["report", "--db", locked / STORE], 0),
    ]  # fmt: skip
    runs = cli.run_each([[*map(str, arguments)] for arguments, _ in commands], {"HOME": str(locked)}, before)
    for (arguments, code), done in zip(commands, runs, strict=True):
        assert (done.code, "output tokens" in done.out) == (code, code == 0), (arguments, done)
        assert code == 0 or (done.out == "" and str(locked) in done.err), (arguments, done)
        assert "Traceback" not in done.err, arguments


def test_what_may_not_be_read_is_said(cli: Cli, locked: Path) -> None:
    """A file or folder without read permission is exit code 3 and names it."""
    before = without_rights(locked)
    secret = write_lines(cli.folder / "secret.jsonl", calls(4))
    secret.chmod(0o000)
    locked.chmod(0o000)
    try:
        unread, file, folder, store = cli.run_each([
            ["report", str(secret)], ["report", str(locked / "calls.jsonl")], ["ingest", str(locked)],
            ["report", "--db", str(locked / STORE)],
        ], before=before)  # fmt: skip
    finally:
        locked.chmod(0o755)
    assert unread.code == 3
    assert f"no permission to read {secret}" in unread.err
    for hidden in (file, folder):
        assert hidden.code == 3, hidden.err
        assert str(locked) in hidden.err
    assert store.code in (2, 4)


def test_process_substitution_is_a_pipe_like_others(cli: Cli) -> None:
    """``<(zcat …)`` names a pipe, which has no size and can be read once."""
    write_lines(cli.folder / "calls.jsonl", calls(4))
    done = cli.shell(f"streamaudit ingest <(cat calls.jsonl) <(gzip -c calls.jsonl) --db {STORE}")
    assert done.code == 0, done.err
    assert equation(done.err)["new"] == equation(done.err)["repeated"] == 4


@pytest.mark.proof
def test_samples_from_a_pipe_of_several_files(cli: Cli) -> None:
    """``zcat`` of an export gives the same report as the export."""
    path = cli.folder / "calls.jsonl.gz"
    path.write_bytes(gzip.compress(as_lines(calls(30)).encode()))
    piped = cli.shell(f"zcat '{path}' | streamaudit report - --by tenant --format csv")
    assert (piped.code, piped.out) == (0, cli.run("report", path, "--by", "tenant", "--format", "csv").out)
