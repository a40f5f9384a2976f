"""Kill a command that changes a store, at one of its file operations or some time after its start, and look at what is
left: the store as before or after, and a second run that completes."""

import contextlib
import os
import random
import shutil
import subprocess
import time
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from unittest.mock import patch

from tests.fuzz.check import Broken, run_command
from tests.fuzz.stores import (
    COMMANDS,
    GONE,
    STORE,
    copy_of,
    inbox,
    post_address,
    prepare,
    program,
    state_of,
    surroundings,
)

_CALLS = "pwrite64,write,fsync,fdatasync,ftruncate,rename,unlink,openat,sendto,recvfrom"
_FILES = ("pwrite64", "fsync", "fdatasync", "ftruncate", "rename", "unlink")
_NETWORK = ("sendto", "recvfrom")
_MOST = {"pwrite64": 40, "unlink": 8, "fdatasync": 8, "sendto": 2, "recvfrom": 1}
"""How many of an operation a command has, about; 4 of the others."""


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
    inbox().requests.clear()
    words = program(*COMMANDS[name].words)
    if shutil.which("strace") and dice.random() < 0.8:
        operation = dice.choice(_FILES + _NETWORK * 2 * COMMANDS[name].posts)
        place = f"{operation}:signal=SIGKILL:when={dice.randint(1, _MOST.get(operation, 4))}"
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


def repeat(name: str, folder: Path, story: str) -> int:
    """Run the command in this process, and return its exit code. A load or a user that is gone already is an answer too
    (2 or 3), and so is a message of which nobody knows whether it arrived (5)."""
    with contextlib.chdir(folder), patch.dict(os.environ, post_address()):
        code, _, err = run_command(*COMMANDS[name].words)
    if code not in ((0, 5) if COMMANDS[name].posts else (0, 2, 3)):
        raise Broken(f"{story}: the run after it ended with {code}: {err}")
    return code


def complete(name: str, folder: Path, story: str, after: str) -> None:
    """Run the command again, and compare the store with that of one which nothing disturbed."""
    code = repeat(name, folder, story)
    if state_of(folder) != after:
        raise Broken(f"{story}: after the second run the store differs from one that nothing disturbed")
    left = sorted(path.name for path in folder.glob(f"{STORE}*") if path.name != STORE)
    if left:
        raise Broken(f"{story}: {left} are left beside the store")
    if COMMANDS[name].deletes and GONE.encode() in (folder / STORE).read_bytes():
        raise Broken(f"{story}: bytes of what was deleted are left")
    if COMMANDS[name].posts:
        _check_posts(story, code)


def _check_posts(story: str, code: int) -> None:
    """Hold that two runs post once, and that one which ends well knows that the message arrived."""
    posted = len(inbox().requests)
    if posted > 1:
        raise Broken(f"{story}: posted {posted} times")
    if code == 0 and posted == 0:
        raise Broken(f"{story}: the second run says that the message was posted, and none came")
