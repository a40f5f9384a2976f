"""Kill a command that changes a store, at one of its file operations or some time after its start, and look at what is
left: the store as before or after, and a second run that completes."""

import contextlib
import random
import shutil
import subprocess
import time
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from tests.fuzz.check import Broken, run_command
from tests.fuzz.stores import COMMANDS, GONE, STORE, copy_of, prepare, program, state_of, surroundings

_CALLS = "pwrite64,write,fsync,fdatasync,ftruncate,rename,unlink,openat"
_FILES = "pwrite64,fsync,fdatasync,ftruncate,rename,unlink"


@cache
def prepared() -> Path:
    """The folder that every case starts from."""
    folder = Path(mkdtemp(prefix="fuzz-"))
    prepare(folder)
    return folder


@cache
def reference(name: str) -> tuple[str, str]:
    """Return the state before a command and that after it."""
    folder = copy_of(prepared(), Path(mkdtemp(prefix="fuzz-")))
    before = state_of(folder)
    repeat(name, folder, "undisturbed")
    return before, state_of(folder)


def run(folder: Path, words: list[str]) -> "subprocess.CompletedProcess[bytes]":
    """Run to the end in a folder."""
    return subprocess.run(
        words, cwd=folder, env=surroundings(folder), stdin=subprocess.DEVNULL, capture_output=True, timeout=120,
        check=False,
    )  # fmt: skip


def check(seed: int, folder: Path) -> str:
    """Kill one command and run it again. Raises Broken when the store is neither as before nor as after."""
    dice = random.Random(seed)
    name = dice.choice(sorted(COMMANDS))
    before, after = reference(name)
    copy_of(prepared(), folder)
    words = program(*COMMANDS[name].words)
    if shutil.which("strace") and dice.random() < 0.8:
        operation = dice.choice(_FILES.split(","))
        most = {"pwrite64": 40, "unlink": 8}.get(operation, 4)
        place = f"{operation}:signal=SIGKILL:when={dice.randint(1, most)}"
        run(folder, ["strace", "-f", "-qq", "-e", f"trace={_CALLS}", "-e", f"inject={place}", *words])
    else:
        place = f"{dice.uniform(0.3, 2.5):.3f} s"
        process = subprocess.Popen(
            words, cwd=folder, env=surroundings(folder), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        time.sleep(float(place.split()[0]))
        process.kill()
        process.wait()
    story = f"{name}, killed at {place}"
    left = state_of(folder)
    if left not in (before, after):
        raise Broken(f"{story}: the store is neither as before nor as after")
    complete(name, folder, story, after)
    return story


def repeat(name: str, folder: Path, story: str) -> None:
    """Run the command in this process. A load or a user that is gone already is an answer too (exit code 2 or 3)."""
    with contextlib.chdir(folder):
        code, _, err = run_command(*COMMANDS[name].words)
    if code not in (0, 2, 3):
        raise Broken(f"{story}: the run after it ended with {code}: {err}")


def complete(name: str, folder: Path, story: str, after: str) -> None:
    """Run the command again, and compare the store with that of one which nothing disturbed."""
    repeat(name, folder, story)
    if state_of(folder) != after:
        raise Broken(f"{story}: after the second run the store differs from one that nothing disturbed")
    left = sorted(path.name for path in folder.glob(f"{STORE}*") if path.name != STORE)
    if left:
        raise Broken(f"{story}: {left} are left beside the store")
    if COMMANDS[name].deletes and GONE.encode() in (folder / STORE).read_bytes():
        raise Broken(f"{story}: bytes of what was deleted are left")
