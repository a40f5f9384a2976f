"""Running streamaudit the way a user does: a process of its own, a home folder of its own, three streams kept apart."""

import fcntl
import json
import os
import pty
import re
import shlex
import shutil
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from glob import glob
from pathlib import Path

import duckdb

from tests.cli import forked

SAMPLES = Path(__file__).parents[2] / "sample_traces"
PROGRAM = (sys.executable, "-m", "streamaudit")
_EACH = """
import io, json, sys
from streamaudit.cli.main import main
real, runs = sys.stdout, []
for command in json.loads(sys.argv[1]):
    sys.stdout, sys.stderr = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True), io.StringIO()
    code = main(command)
    runs.append((code, sys.stdout.buffer.getvalue().decode(), sys.stderr.getvalue()))
json.dump(runs, real)
"""
PATIENCE_S = 120
"""After this long a process counts as hung; no test says how fast anything is."""


@dataclass(frozen=True)
class Result:
    """How one run ended and what it wrote."""

    code: int
    out: str
    err: str


class Cli:
    """The command in a folder: that folder is its working directory and holds its home."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir(exist_ok=True)
        self.spool = folder / "tmp"
        self.spool.mkdir(exist_ok=True)

    def environment(self, **changes: str) -> dict[str, str]:
        """A plain environment that knows nothing of the machine the tests run on."""
        return {
            "PATH": os.environ.get("PATH", os.defpath), "HOME": str(self.home), "LANG": "C.UTF-8",
            "TMPDIR": str(self.spool), **changes,
        }  # fmt: skip

    def run(
        self, *arguments: str | Path, stdin: bytes | None = None, cwd: Path | None = None,
        env: dict[str, str] | None = None, before: Sequence[str] = (),
    ) -> Result:  # fmt: skip
        """Run to the end; ``env`` adds to the plain environment, ``before`` is put in front of the program."""
        place, surroundings = cwd or self.folder, self.environment(**(env or {}))
        if before or not forked.can_have(surroundings):
            done = subprocess.run(
                [*before, *PROGRAM, *map(str, arguments)], cwd=place, env=surroundings, input=stdin,
                stdin=subprocess.DEVNULL if stdin is None else None, capture_output=True, timeout=PATIENCE_S,
                check=False,
            )  # fmt: skip
            result = Result(done.returncode, done.stdout.decode(), done.stderr.decode())
        else:
            result = Result(*forked.run(list(map(str, arguments)), place, surroundings, stdin, PATIENCE_S))
        assert "the command left a store open" not in result.err
        return result

    def run_each(
        self, commands: list[list[str]], env: dict[str, str] | None = None, before: Sequence[str] = ()
    ) -> list[Result]:  # fmt: skip
        """Run many commands in one process, one after the other, to save its start-up; ``before`` as in ``run``."""
        surroundings = self.environment(**(env or {}))
        if before:
            done = subprocess.run(
                [*before, sys.executable, "-c", _EACH, json.dumps(commands)], cwd=self.folder, env=surroundings,
                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
            )  # fmt: skip
            assert (done.returncode, done.stderr) == (0, ""), done.stderr
            return [Result(*run) for run in json.loads(done.stdout)]
        assert forked.can_have(surroundings), "such processes have to start from nothing"
        code, out, err = forked.run([], self.folder, surroundings, None, PATIENCE_S, each=commands)
        assert (code, err) == (0, ""), err
        return [Result(*run) for run in json.loads(out)]

    def start(self, *arguments: str | Path) -> "subprocess.Popen[bytes]":
        """Start and return at once; the caller ends it."""
        return subprocess.Popen(
            [*PROGRAM, *map(str, arguments)], cwd=self.folder, env=self.environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def terminal(self, *arguments: str | Path, columns: int, env: dict[str, str] | None = None) -> Result:
        """Run with standard output on a terminal of that width."""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        surroundings = self.environment(**{"TERM": "xterm-256color", **(env or {})})
        assert forked.can_have(surroundings), "such a process has to start from nothing"
        with ThreadPoolExecutor(1) as threads:
            seen = threads.submit(_drain, master)
            code, _, err = forked.run(list(map(str, arguments)), self.folder, surroundings, None, PATIENCE_S, slave)
            shown = seen.result()
        os.close(master)
        return Result(code, shown.decode().replace("\r\n", "\n"), err)

    def words(self, command: str) -> list[str]:
        """Return the arguments of a plain ``streamaudit`` line, with its globs as the files they match."""
        words = shlex.split(command)[1:]
        named = [sorted(glob(word, root_dir=self.folder)) if "*" in word else [] for word in words]
        return [name for word, names in zip(words, named, strict=True) for name in names or [word]]

    def shell(self, command: str) -> Result:
        """Run a line of bash in which ``streamaudit`` is the installed program; a plain call of it needs no bash, even
        with a comment after it."""
        command = re.sub(r"\s+#\s[^'\"]*$", "", command)
        unquoted = re.sub(r"'[^']*'|\"[^\"$`\\]*\"", "", command)
        if command.startswith("streamaudit ") and not re.search(r"[|&;<>()$`\\?~\[\]{}#]|=~", unquoted):
            return self.run(*self.words(command))
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command], cwd=self.folder, env=self.environment(PATH=path),
            stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())


def _drain(master: int) -> bytes:
    seen = b""
    while True:
        try:
            part = os.read(master, 1 << 16)
        except OSError:  # how Linux says that the other side of a terminal is closed
            return seen
        if not part:
            return seen
        seen += part


def wait_until(condition: Callable[[], bool], process: "subprocess.Popen[bytes]", every_s: float = 0.002) -> None:
    """Poll until something is true while a process runs; fails when the process ends first."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert process.poll() is None, "the process ended before what the test waits for"
        assert time.monotonic() < deadline, "what the test waits for never happened"
        time.sleep(every_s)


def equation(err: str) -> dict[str, int]:
    """The counts that an ingest prints: read, new, repeated, replaced, rejected, not_calls."""
    found = re.findall(r"^  (?:[=+] )?(read|new|repeated|replaced|rejected|not calls) +([\d,]+)", err, re.MULTILINE)
    return {name.replace(" ", "_"): int(count.replace(",", "")) for name, count in found}


def copy_samples(target: Path) -> list[Path]:
    """The three sample files in a folder of their own."""
    target.mkdir(parents=True, exist_ok=True)
    return [Path(shutil.copy2(file, target)) for file in sorted(SAMPLES.glob("*.gz"))]


def stored_calls(store: Path) -> int:
    """How many calls a store holds; 0 when there is no store."""
    if not store.exists():
        return 0
    with duckdb.connect(str(store), read_only=True) as connection:
        return int(connection.execute("SELECT count(*) FROM calls").fetchall()[0][0])
