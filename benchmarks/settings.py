"""What every case has in hand: the inputs at their scale, and how the commands to measure are spelled."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.generate import HERE, Kind, data_file
from benchmarks.measure import Command, once, remove, warm


@dataclass(frozen=True, slots=True)
class Settings:
    """Scale of the inputs, runs per figure, and the folder for stores."""

    scale: float
    runs: int
    folder: Path

    def input(self, kind: Kind, share: float = 1.0) -> tuple[str, float]:
        """An input file in the page cache, and its size in MB."""
        scale = round(self.scale * share, 6)
        path = data_file(kind, scale)
        if not path.exists():
            once(self.script("generate.py", "--scale", str(scale), "--kind", kind))
        warm(path)
        return str(path), path.stat().st_size / 1e6

    def env(self) -> dict[str, str]:
        """The environment of streamaudit, away from the user's own store and configuration, and with modules that are
        compiled once, as those of an installed package are."""
        own = {"XDG_DATA_HOME": str(self.folder), "XDG_CONFIG_HOME": str(self.folder), "NO_COLOR": "1"}
        left_out = ("STREAMAUDIT_DB", "PYTHONDONTWRITEBYTECODE")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
        return {**kept, **own}

    def tool(self, *arguments: str, fresh: Path | None = None, output: Path | None = None) -> Command:
        """One streamaudit command, with a store that is deleted before it."""
        argv = [sys.executable, "-m", "streamaudit", *arguments]
        return Command(argv, _without(fresh), self.env(), output)

    def script(self, name: str, *arguments: str, fresh: Path | None = None, output: Path | None = None) -> Command:
        """One script of this folder."""
        return Command([sys.executable, str(HERE / name), *arguments], _without(fresh), self.env(), output)

    def ingest(self, file: str, store: Path) -> Command:
        """A first ingest into a store of its own."""
        return self.tool("ingest", "-q", "--db", str(store), file, fresh=store)


def lines(file: str) -> int:
    """How many records a file has."""
    with open(file, "rb") as stream:
        return sum(block.count(b"\n") for block in iter(lambda: stream.read(1 << 22), b""))


def _without(store: Path | None) -> Callable[[], None]:
    return (lambda: remove(store)) if store else (lambda: None)
