"""Follow paths: yield the files to be read now, look after look."""

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from streamaudit.errors import InputError
from streamaudit.ingest.readers.reader import expand
from streamaudit.ingest.shard import Shard

GROWING = (".jsonl", ".ndjson")
"""Files of lines are read while they grow; all others once two looks find them unchanged."""

_Stamp = tuple[int, int, int]


class Watch:
    """Paths that are looked at repeatedly, and of their files only those of the shard, if there is one. A file is due
    when it is new or has changed since it was last read; a path that does not exist yet is waited for."""

    def __init__(self, paths: list[str], every_s: float, shard: Shard | None = None) -> None:
        self._paths, self._every_s, self._shard = paths, every_s, shard
        self._read: dict[str, _Stamp] = {}
        self._seen: dict[str, _Stamp] = {}

    def poll(self) -> Iterator[dict[str, bool]]:
        """Yield the files to read at each look that finds any, as ``expand`` returns them; never ends."""
        while True:
            found = _stamps(self._paths)
            if self._shard is not None:
                chosen = self._shard.choose(found)
                found = {name: facts for name, facts in found.items() if name in chosen}
            due = {name: sought for name, (sought, stamp) in found.items() if self._is_due(name, stamp)}
            self._read |= {name: found[name][1] for name in due}
            self._seen = {name: stamp for name, (_, stamp) in found.items()}
            if due:
                yield due
            time.sleep(self._every_s)

    def retry(self, names: Iterable[str]) -> None:
        """Mark files that could not be read as due at the next look."""
        for name in names:
            self._read.pop(name, None)

    def _is_due(self, name: str, stamp: _Stamp) -> bool:
        return self._read.get(name) != stamp and (_grows(name) or self._seen.get(name) == stamp)


def _grows(name: str) -> bool:
    return name.lower().endswith(GROWING)


def _stamps(paths: list[str]) -> dict[str, tuple[bool, _Stamp]]:
    found: dict[str, tuple[bool, _Stamp]] = {}
    for path in paths:
        try:
            for name, sought in expand([path]).items():
                facts = Path(name).stat()
                if facts.st_size:
                    found[name] = (sought, (facts.st_ino, facts.st_size, facts.st_mtime_ns))
        except (InputError, OSError):
            continue
    return found
