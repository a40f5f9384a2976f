"""Write a file next to the one it replaces, and clear what interrupted runs left there."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LEFT_OVER = r"\.{name}\.(?:new|(?P<process>\d+)(?:-\w+)?)(?:\.wal)?"


@contextmanager
def fresh_file(path: Path) -> Iterator[Path]:
    """Yield a path on the same file system, for a file that may then take the name of ``path``.

    It lies in a new folder that only this user can enter, so that no other user can put a link in its place, and that
    is deleted at the end. Raises OSError when the folder cannot be created.
    """
    folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.{os.getpid()}-", dir=path.parent))
    try:
        yield folder / path.name
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def clear_left_over(path: Path) -> None:
    """Delete what killed runs left next to a file, and nothing of a run that is alive. What cannot be deleted stays."""
    pattern = re.compile(_LEFT_OVER.format(name=re.escape(path.name)))
    try:
        found = [(one, pattern.fullmatch(one.name)) for one in path.parent.iterdir() if one.name.startswith(".")]
    except OSError:
        return
    for one, match in found:
        if match is None or (match["process"] and _is_alive(int(match["process"]))):
            continue
        if one.is_dir() and not one.is_symlink():
            shutil.rmtree(one, ignore_errors=True)
        else:
            one.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it is somebody else's
        return True
    return True


@contextmanager
def private_files() -> Iterator[None]:
    """Let no other user read the files that the block creates."""
    mask = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(mask)
