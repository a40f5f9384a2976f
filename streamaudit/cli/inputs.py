"""Options that say where calls come from, a store, files or an exported folder, and how each is opened.

Each group of them is taken by a command as one parameter, as those of ``options`` are. Nothing here takes long to
import.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamaudit.cli.options import (
    Data,
    Db,
    EngineName,
    LogFormat,
    MapField,
    MemoryLimit,
    ProgressWhen,
    Quiet,
    Verbose,
    Wait,
    mapping,
)
from streamaudit.config.settings import Settings
from streamaudit.errors import UsageError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from streamaudit.api import Session
    from streamaudit.ingest.results import FileResult
    from streamaudit.store.store import Store


@dataclass(frozen=True, slots=True)
class Access:
    """Options about the store, the wait for it, and the log."""

    db: Db = None
    wait: Wait = "0s"
    memory_limit: MemoryLimit = "1GB"
    quiet: Quiet = False
    verbose: Verbose = 0
    log_format: LogFormat = "text"
    settings: Settings = field(default_factory=Settings)

    def __post_init__(self) -> None:
        from streamaudit.config.units import parse_memory, parse_seconds

        parse_seconds("--wait", self.wait)
        parse_memory("--memory-limit", self.memory_limit)

    def path(self) -> Path:
        """Return the store file: ``--db``, else ``$STREAMAUDIT_DB``, else the configuration's, else the default.

        The default is in the XDG data folder.
        """
        return self.settings.store_path(self.db)[0]

    def origin(self) -> str:
        """Return the setting that named the store file."""
        return self.settings.store_path(self.db)[1]

    def named_store(self) -> str:
        """Return the option that names the store in a suggested command; empty where it was not named."""
        import shlex

        return f" --db {shlex.quote(str(self.db))}" if self.db is not None else ""

    def speak(self) -> None:
        """Configure logging, and log the paths in use."""
        from streamaudit.cli import console

        console.configure(quiet=self.quiet, verbose=self.verbose, form=self.log_format)
        console.detail(f"configuration {self.settings.path or 'none'}")

    def open(self, *, write: bool, create: bool = True, least_wait_s: float = 0.0) -> "Store":
        """Open the store file; a missing one is created when writing, unless ``create`` is False.

        A busy store is waited for as long as ``--wait`` says, and for at least ``least_wait_s`` seconds.
        """
        from streamaudit.cli import console
        from streamaudit.config.units import parse_memory, parse_seconds
        from streamaudit.store.store import Store

        console.detail(f"store {self.path()}")
        return Store.open(
            self.path(), write=write, create=create, wait_s=max(parse_seconds("--wait", self.wait), least_wait_s),
            on_wait=console.note, memory_limit=parse_memory("--memory-limit", self.memory_limit),
            providers=self.settings.provider_overrides(), secret=self.settings.secret(),
        )  # fmt: skip

    def open_scratch(self) -> "AbstractContextManager[Store]":
        """Return a store to try changes on: a private copy of the store, or an empty one where there is none."""
        from streamaudit.cli import console
        from streamaudit.config.units import parse_memory, parse_seconds
        from streamaudit.store.copies import open_copy

        path = self.path()
        if not path.exists():
            return self.in_memory()
        console.detail(f"store {path}")
        return open_copy(
            path, wait_s=parse_seconds("--wait", self.wait), on_wait=console.note,
            memory_limit=parse_memory("--memory-limit", self.memory_limit),
            providers=self.settings.provider_overrides(),
        )  # fmt: skip

    def in_memory(self) -> "Store":
        """Return an empty store that vanishes with the process."""
        from streamaudit.config.units import parse_memory
        from streamaudit.store.store import Store

        return Store.in_memory(
            memory_limit=parse_memory("--memory-limit", self.memory_limit), providers=self.settings.provider_overrides()
        )


@dataclass(frozen=True, slots=True)
class Inputs(Access):
    """Options for a store, or for files instead of one."""

    files: Annotated[
        list[str] | None, typer.Argument(metavar="FILE", help="Files to report on instead of the store.")
    ] = None
    map_: MapField = None

    def __post_init__(self) -> None:
        Access.__post_init__(self)
        if self.files and self.db is not None:
            raise UsageError("give files or --db, not both", "to keep the files, ingest them first")
        if self.map_ and not self.files:
            raise UsageError("--map is for files; the store's calls were mapped when they were ingested")

    def session(self, writable: Path | None = None) -> "Session":
        """Return a session over the store or the files, which opens with its first query.

        Errors in a file are logged when it is read.
        """
        from streamaudit.api import Session
        from streamaudit.config.units import parse_memory, parse_seconds

        self.speak()
        limit = parse_memory("--memory-limit", self.memory_limit)
        if not self.files:
            wait_s = parse_seconds("--wait", self.wait)
            return Session(self.settings, db=self.db, wait_s=wait_s, memory_limit=limit, writable=writable)
        from streamaudit.cli.ingest_summary import log_problems
        from streamaudit.cli.progress import Progress

        mapped = mapping(self.map_, self.settings)

        def log(results: "list[FileResult]") -> None:
            log_problems(results, mapped)

        return Session(
            self.settings, files=self.files, mapping=mapped, memory_limit=limit, writable=writable, on_read=log,
            progress=Progress(self._progress_when()),
        )  # fmt: skip

    def _progress_when(self) -> str:
        return "auto"


@dataclass(frozen=True, slots=True)
class ExportedInputs(Inputs):
    """Options for a store, for files, or for an exported folder instead of them."""

    data: Data = None
    engine: EngineName = "duckdb"
    progress: ProgressWhen = "auto"

    def __post_init__(self) -> None:
        from streamaudit.cli.progress import check_when

        Inputs.__post_init__(self)
        check_when(self.progress)
        if self.data is not None and (self.files or self.db is not None):
            raise UsageError("give --data, --db or files, only one of them", "--data is a folder that export wrote")

    def session(self, writable: Path | None = None) -> "Session":
        """Return a session over the exported folder if one is named, else as ``Inputs.session``."""
        if self.data is None:
            return Inputs.session(self, writable)
        from streamaudit.api import Session
        from streamaudit.cli.progress import Progress
        from streamaudit.config.units import parse_memory, parse_seconds

        self.speak()
        return Session(
            self.settings, data=self.data, engine=self.engine, wait_s=parse_seconds("--wait", self.wait),
            memory_limit=parse_memory("--memory-limit", self.memory_limit),
            on_tasks=Progress(self.progress).of_query(self.data),
        )  # fmt: skip

    def _progress_when(self) -> str:
        return self.progress
