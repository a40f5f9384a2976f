"""What costs much and never changes: the first worker of a run that needs it makes it, the others take it from disk."""

import fcntl
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

Made = TypeVar("Made")


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Made]) -> Made:
    """What ``make`` returns, which can be pickled, given a folder of its own; the same for all workers of a run. The
    folder must only be read afterwards."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / f"once-{name}"
    folder.mkdir(exist_ok=True)
    kept = folder / "made.pickle"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            shutil.rmtree(folder / "content", ignore_errors=True)  # of a worker that failed to make it
            (folder / "content").mkdir()
            kept.write_bytes(pickle.dumps(make(folder / "content")))
    return pickle.loads(kept.read_bytes())  # type: ignore[no-any-return]
