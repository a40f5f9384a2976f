"""Whatever surrounds a command, it ends with a documented exit code, a message if one can be written, and no hang."""

import errno
import io
import os
import pty
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from streamaudit.errors import StoreError
from streamaudit.ingest.readers.reader import Beginning
from streamaudit.ingest.readers.temporary import spool, write_temporary
from tests.cli.running import PATIENCE_S, PROGRAM, Cli, stored_calls
from tests.cli.traffic import as_lines, calls
from tests.sampling import keep

SURROUNDINGS: dict[str, tuple[str, int, str]] = {
    "input closed": ("streamaudit ingest - --db new.duckdb <&-", 3, "empty file"),
    "output closed": ("streamaudit report --db store.duckdb >&-", 5, "cannot write to standard output"),
    "output closed, and not needed": ("streamaudit ingest calls.jsonl --db new.duckdb >&-", 0, ""),
    "all closed": ("streamaudit report --db store.duckdb <&- >&- 2>&-", 5, ""),
    "help without an output": ("streamaudit --help >&-", 5, "cannot write to standard output"),
    "messages to a full disk": ("streamaudit ingest calls.jsonl --db new.duckdb 2>/dev/full", 0, ""),
    "an error to a full disk": ("streamaudit report --db none.duckdb 2>/dev/full", 3, ""),
    "output to a full disk": ("streamaudit report --db store.duckdb --format csv >/dev/full", 5, "No space left"),
    "no file may be written": ("ulimit -f 0; streamaudit report --db store.duckdb -o r.json 2>/dev/null", 5, ""),
    "no file may grow": (
        "ulimit -f 16; streamaudit prune --before 2030-01-01 -y --db store.duckdb", 4, "a limit of its size is reached",
    ),
}  # fmt: skip
PIPES: list[tuple[str, int, str]] = [
    ("report --db pipe", 4, "pipe is a pipe"),
    ("report --db store.duckdb -o pipe --format json", 5, "pipe"),
    ("ingest calls.jsonl --rejects pipe --db new.duckdb", 5, "pipe"),
    ("report --db store.duckdb --reconcile pipe", 3, "pipe is a pipe"),
]
"""A pipe as the store, the output, the list of rejects and a bill."""


KEPT = (
    "input closed", "all closed", "messages to a full disk", "an error to a full disk", "output to a full disk",
    "no file may grow",
)  # fmt: skip
"""One of each stream that is missing and that is full."""


@pytest.mark.parametrize("name", keep(SURROUNDINGS, KEPT))
def test_no_surroundings_end_in_a_gate_a_bug_or_a_hang(name: str, cli: Cli, thirty: Path) -> None:
    """A gate is 1 and a bug is 70: neither is what a closed stream or a full disk is."""
    command, code, says = SURROUNDINGS[name]
    for file in ("calls.jsonl", "store.duckdb"):
        shutil.copy(thirty / file, cli.folder)
    done = cli.shell(command)
    assert done.code == code, done.err
    assert says in done.err and "Traceback" not in done.err
    if code == 0:
        assert stored_calls(cli.folder / "new.duckdb") == 30


def test_little_memory_is_one_line(cli: Cli, thirty: Path) -> None:
    """What fails for want of it depends on where the system puts things. It may even be a thread of a library: the C
    library then ends the process, and nothing can be said."""
    shutil.copy(thirty / "store.duckdb", cli.folder)
    codes = set()
    for most_kb in (330_000, 450_000):
        done = cli.shell(f"ulimit -v {most_kb}; streamaudit report --db store.duckdb")
        codes.add(done.code)
        if not (done.code == 0 or "thread-local data: ABORT" in done.err):
            assert (done.code, done.out) == (4, ""), done.err
            assert done.err.startswith("error: not enough memory") and "Traceback" not in done.err
    assert codes != {0}, "none of these limits was too low"


def test_a_pipe_that_nobody_writes_to_is_no_file(cli: Cli, thirty: Path) -> None:
    """Nothing waits for it."""
    for file in ("calls.jsonl", "store.duckdb"):
        shutil.copy(thirty / file, cli.folder)
    os.mkfifo(cli.folder / "pipe")
    for (words, code, says), done in zip(PIPES, cli.run_each([words.split() for words, _, _ in PIPES]), strict=True):
        assert done.code == code and says in done.err, (words, done.err)


def test_temporary_files_may_have_no_place(cli: Cli, thirty: Path) -> None:
    """Standard input is copied to another one."""
    data = (thirty / "calls.jsonl").read_bytes()
    done = cli.run("ingest", "-", "--db", "new.duckdb", stdin=data, env={"TMPDIR": "/none"})
    assert done.code == 0, done.err
    assert stored_calls(cli.folder / "new.duckdb") == 30


def _hung_up() -> int:
    """A terminal whose other side is closed: reading and writing give EIO."""
    master, slave = pty.openpty()
    os.close(master)
    return slave


def _broken() -> int:
    """A file that gives EIO, as a failing disk does: nothing is at the first address of a process."""
    return os.open("/proc/self/mem", os.O_RDWR)


def _unread() -> int:
    """A pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    return writer


_REPORT, _INGEST, _MISSING = ["report"], ["ingest", "calls.jsonl"], ["report", "none.jsonl"]
FAILING: dict[str, tuple[Callable[[], int], str, list[str], int]] = {
    "a terminal that is gone": (_hung_up, "out", _REPORT, 5),
    "messages to a terminal that is gone": (_hung_up, "err", _INGEST, 0),
    "an error to a broken disk": (_broken, "err", _MISSING, 3),
    "all that nobody reads": (_unread, "both", _REPORT, 141),
}  # fmt: skip


@pytest.mark.parametrize("name", keep(FAILING, ["a terminal that is gone", "all that nobody reads"]))
def test_an_output_that_fails_is_no_gate_and_no_bug(name: str, cli: Cli, thirty: Path) -> None:
    """EIO and EPIPE on real descriptors; what was asked for is done all the same where nothing had to be shown."""
    opened, which, command, code = FAILING[name]
    for file in ("calls.jsonl", "store.duckdb"):
        shutil.copy(thirty / file, cli.folder)
    store = "new.duckdb" if command is _INGEST else "store.duckdb"
    failing = opened()
    try:
        done = subprocess.run(
            [*PROGRAM, *command, *([] if command is _MISSING else ["--db", store])], cwd=cli.folder,
            env=cli.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE if which == "err" else failing,
            stderr=subprocess.PIPE if which == "out" else failing, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
    finally:
        os.close(failing)
    assert done.returncode == code, done.stderr
    if which == "out":
        assert done.stderr == b"error: cannot write to standard output: Input/output error\n"
    if command is _INGEST:
        assert stored_calls(cli.folder / store) == 30


ODD: list[tuple[list[str], str]] = [
    (["report", "--only", os.fsdecode(b"tenant=\xe9")], "not UTF-8"),
    (["sql", os.fsdecode(b"SELECT '\xe9'")], "not UTF-8"),
    (["report", "--where", "NOT " * 900 + "true"], "nested too deeply"),
    (["sql", "SELECT " + "NOT " * 900 + "true"], "nested too deeply"),
    (["report", "--db", ":memory:"], "a store is a file on this machine"),
    (["report", "--db", "https://example.org/store.duckdb"], "a store is a file on this machine"),
    (["prune", "--before", "2026-01-01", "--db", "s3://bucket/store.duckdb"], "a store is a file on this machine"),
]


def test_odd_arguments_are_mistakes_of_the_command_line(cli: Cli, thirty: Path) -> None:
    """Exit code 2, in words."""
    shutil.copy(thirty / "store.duckdb", cli.folder)
    commands = [[*words, *(() if "--db" in words else ("--db", "store.duckdb"))] for words, _ in ODD]
    for (words, says), done in zip(ODD, cli.run_each(commands), strict=True):
        assert (done.code, says in done.err) == (2, True), (words[:2], done.err)


def test_a_file_may_have_a_name_in_any_encoding(cli: Cli, thirty: Path) -> None:
    """Only the names of files may hold other bytes than UTF-8."""
    name = os.fsdecode(b"caf\xe9.jsonl")
    shutil.copy(thirty / "calls.jsonl", cli.folder / name)
    done = cli.run("ingest", name, "--db", "new.duckdb", "-q")
    assert done.code == 0, done.err
    assert stored_calls(cli.folder / "new.duckdb") == 30


def test_an_input_that_the_disk_cannot_give_is_named(cli: Cli, thirty: Path) -> None:
    """A read error of an input is exit code 3, not one of the store or of standard output; other files are read.

    The memory of a process has nothing at its first address: reading it there gives the error of a broken disk.
    """
    if not Path("/proc/self/mem").exists():
        pytest.skip("only Linux has a file that gives EIO")
    shutil.copy(thirty / "calls.jsonl", cli.folder)
    broken = ("broken.jsonl", "broken.csv", "broken.jsonl.gz", "broken.parquet")
    for name in (*broken, "broken.duckdb"):
        (cli.folder / name).symlink_to("/proc/self/mem")
    store = ["--db", "new.duckdb"]
    ingest, report, fields, sample, opened = cli.run_each([
        ["ingest", *broken, "calls.jsonl", *store], ["report", "broken.jsonl"], ["fields", "broken.jsonl"],
        ["instrument", "nginx", "--check", "broken.jsonl"], ["report", "--db", "broken.duckdb"],
    ])  # fmt: skip
    assert stored_calls(cli.folder / "new.duckdb") == 30
    for name in broken:
        assert f"{name}: cannot read {name}: Input/output error" in ingest.err
    for done in (ingest, report, fields, sample):
        assert done.code == 3 and "broken.jsonl: Input/output error" in done.err
    assert opened.code == 4 and "broken.duckdb" in opened.err
    with open("/proc/self/mem", "rb", buffering=0) as memory:
        piped = subprocess.run(
            [*PROGRAM, "ingest", "-", *store], cwd=cli.folder, env=cli.environment(), stdin=memory,
            capture_output=True, check=False,
        )  # fmt: skip
    assert piped.returncode == 3 and b"cannot read standard input: Input/output error" in piped.stderr


class _Breaks(io.BytesIO):
    """A stream that ends in a read error after two megabytes."""

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if not data:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return data


def test_a_read_that_fails_amid_a_copy_is_no_fault_of_the_copy(tmp_path: Path) -> None:
    """Only a failed write is a full disk."""
    with pytest.raises(OSError, match="Input/output") as failed:
        spool(_Breaks(b'{"id":"x"}\n' * (1 << 18)), tmp_path / "copy", Beginning("-"))
    assert failed.value.errno == errno.EIO
    with pytest.raises(StoreError, match="No space left"), write_temporary(Path("/dev/full")) as out:
        out.write(b"x")


def test_no_command_that_reads_files_is_ended_by_a_value(cli: Cli) -> None:
    """Objects nested thousands deep, and half of a character in a damaged file, which is mended in vain: each command
    says what it read, or why it did not."""
    deep = '{"a":' * 3_000 + "1" + "}" * 3_000
    half = '{"request_id": "x", "name": "\\ud83d"}'
    good = as_lines(calls(3)).splitlines()
    files = {
        "lines.jsonl": "\n".join([*good, deep]), "half.json": f"[{half},{','.join(good)},{half},{good[0][:-9]}]",
        "log.jsonl": f'{{"uri": "/", "status": "200", "body_bytes_sent": "1", "x": {deep}}}\n' * 3,
    }  # fmt: skip
    for name, text in files.items():
        (cli.folder / name).write_text(text)
    ways = (["fields"], ["instrument", "--check"], ["ingest", "--evidence"])
    commands = [[*words, name] for name in files for words in ways]
    for command, done in zip(commands, cli.run_each(commands), strict=True):
        assert done.code in (0, 2, 3), (command, done.err)
        assert "a bug in streamaudit" not in done.err and "Recursion" not in done.err, (command, done.err)


def test_an_odd_file_of_settings_is_a_mistake_and_never_a_bug(cli: Cli) -> None:
    """Nested deep, endless, or not text: the configuration, the file of addresses and that of keys."""
    for name, data in {"deep": b"tz = " + b"[" * 3_000 + b"]" * 3_000, "bytes": bytes(range(256))}.items():
        (cli.folder / f"{name}.toml").write_bytes(data)
    with (cli.folder / "long.toml").open("wb") as file:
        file.truncate(1 << 40)
    names = {"deep": "nested too deeply", "bytes": "not UTF-8 text", "long": "longer than 16 MB"}
    for name in ("long", "bytes"):
        (cli.folder / f"posts-{name}.toml").write_text(f'[post]\ntargets = ["{name}.toml"]\n')
    commands = {
        **{f"--config {name}.toml report": says for name, says in names.items()},
        **{f"pull langfuse --credentials {name}.toml": names[name] for name in ("bytes", "long")},
        **{f"--config posts-{name}.toml weekly --post": names[name] for name in ("bytes", "long")},
    }
    for (command, says), done in zip(
        commands.items(), cli.run_each([command.split() for command in commands]), strict=True
    ):
        assert done.code == 2 and says in done.err, (command, done.err)
