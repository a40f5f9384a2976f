"""Divide the files of an ingest among several machines: each file belongs to one shard, by a hash of its name.

The name of a file is the same on every machine: its path below the folder, or below the fixed part of the glob, that it
was found by, and its whole address in an object store. A file that was named itself is known by the path as given.
"""

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from streamaudit.errors import UsageError
from streamaudit.ingest.readers.remote import is_remote

_SHARD = re.compile(r"(\d{1,6})/(\d{1,6})")
_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard of ``of``, counted from 1, of the files that ``paths`` stand for."""

    number: int
    of: int
    paths: tuple[str, ...]

    def choose(self, names: Iterable[str]) -> set[str]:
        """Return the files that belong to this shard."""
        folders = [path if Path(path).is_dir() else _fixed_part(path) for path in self.paths]
        return {name for name in names if _digest(self._common_name(name, folders)) % self.of == self.number - 1}

    def _common_name(self, name: str, folders: Sequence[str]) -> str:
        """Return the name that a file has on every machine."""
        if is_remote(name):
            return name.partition("?")[0]  # behind it stands a signature
        if name in self.paths:
            return PurePath(os.path.normpath(name)).as_posix()
        for folder in folders:
            if PurePath(name).is_relative_to(folder):
                return PurePath(name).relative_to(folder).as_posix()
        return PurePath(name).as_posix()


def parse_shard(text: str, paths: Sequence[str]) -> Shard:
    """Return the shard that ``--shard`` names, of the files that these paths stand for.

    Raises UsageError when it is none, and for standard input, which has no name.
    """
    found = _SHARD.fullmatch(text.strip())
    number, of = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= number <= of:
        raise UsageError(
            f"--shard {text}: expected a shard and the number of shards, from 1/8 to 8/8",
            "every machine takes the same paths and another shard",
        )
    if "-" in paths:
        raise UsageError(f"--shard {text}: standard input has no name to be assigned by", "name files or folders")
    return Shard(number, of, tuple(paths))


def _fixed_part(pattern: str) -> str:
    """Return the folders before the first one of a glob that is a pattern."""
    parts = PurePath(pattern).parts
    wild = next((place for place, part in enumerate(parts) if _WILD.search(part)), max(len(parts) - 1, 0))
    return str(PurePath(*parts[:wild]))


def _digest(name: str) -> int:
    # One file system keeps an accent apart from its letter, another does not.
    normal = unicodedata.normalize("NFC", name)
    return int.from_bytes(hashlib.blake2b(os.fsencode(normal), digest_size=8).digest(), "big")
