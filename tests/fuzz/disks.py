"""Run a command that changes a store with too little room for what it writes, then again with enough."""

import random
import resource
import subprocess
from pathlib import Path

from tests.fuzz.check import Broken
from tests.fuzz.kills import complete, prepared, reference
from tests.fuzz.stores import COMMANDS, STORE, copy_of, inbox, program, state_of, surroundings

_EXITS = (0, 3, 4, 5)


def check(seed: int, folder: Path) -> str:
    """Limit the size to which files may grow. Raises Broken when the store is neither as before nor as after."""
    dice = random.Random(seed)
    name = dice.choice(sorted(COMMANDS))
    before, after = reference(name)
    copy_of(prepared(), folder)
    inbox().requests.clear()
    words = program(*COMMANDS[name].words)
    size = (prepared() / STORE).stat().st_size
    most = int(dice.choice((dice.uniform(0, 1), dice.uniform(1, 1.5))) * size)
    story = f"{name}, files up to {most:,} bytes"
    done = subprocess.run(
        words, cwd=folder, env=surroundings(folder), stdin=subprocess.DEVNULL, capture_output=True, timeout=120,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)), check=False,
    )  # fmt: skip
    if done.returncode not in _EXITS or b"Traceback" in done.stderr:
        raise Broken(f"{story}: exit code {done.returncode}: {done.stderr.decode()}")
    left = state_of(folder)
    if left not in (before, after):
        raise Broken(f"{story}: the store is neither as before nor as after")
    if done.returncode == 0 and left != after:
        raise Broken(f"{story}: the command says it is done, and is not")
    complete(name, folder, story, after)
    return story
