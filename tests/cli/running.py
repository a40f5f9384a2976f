"""Running streamaudit the way a user does: a process of its own, a home folder of its own, three streams kept apart."""

import fcntl
import os
import pty
import shutil
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

SAMPLES = Path(__file__).parents[2] / "sample_traces"
PROGRAM = (sys.executable, "-m", "streamaudit")
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
        done = subprocess.run(
            [*before, *PROGRAM, *map(str, arguments)], cwd=cwd or self.folder, env=self.environment(**(env or {})),
            input=stdin, stdin=subprocess.DEVNULL if stdin is None else None, capture_output=True, timeout=PATIENCE_S,
            check=False,
        )  # fmt: skip
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

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
        with subprocess.Popen(
            [*PROGRAM, *map(str, arguments)], cwd=self.folder,
            env=self.environment(TERM="xterm-256color", **(env or {})), stdin=subprocess.DEVNULL, stdout=slave,
            stderr=subprocess.PIPE,
        ) as process:  # fmt: skip
            os.close(slave)
            seen = _drain(master)
            assert process.stderr is not None
            err = process.stderr.read().decode()
            code = process.wait(PATIENCE_S)
        os.close(master)
        return Result(code, seen.decode().replace("\r\n", "\n"), err)

    def shell(self, command: str) -> Result:
        """Run a line of bash in which ``streamaudit`` is the installed program."""
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


def wait_until(condition: Callable[[], bool], process: "subprocess.Popen[bytes]") -> None:
    """Poll until something is true while a process runs; fails when the process ends first."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert process.poll() is None, "the process ended before what the test waits for"
        assert time.monotonic() < deadline, "what the test waits for never happened"
        time.sleep(0.002)


def copy_samples(target: Path) -> list[Path]:
    """The three sample files in a folder of their own."""
    target.mkdir(parents=True, exist_ok=True)
    return [Path(shutil.copy2(file, target)) for file in sorted(SAMPLES.glob("*.gz"))]
