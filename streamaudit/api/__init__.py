"""Python API: open a store or read files, ask questions, get typed tables.

A ``Session`` does everything that correct figures depend on: it finds the settings, applies the lookups, and locks the
connection against network and files. Nothing is printed; errors are those of ``streamaudit.errors``, and messages for
people go to the logger ``streamaudit``. The command line is the first client of this module.
"""

import logging
from collections.abc import Mapping
from os import PathLike, fspath
from pathlib import Path

from streamaudit.api.session import Session
from streamaudit.audits.scope.filters import Filters
from streamaudit.config import loader
from streamaudit.config.settings import OPTIONS, Settings
from streamaudit.config.units import parse_memory, parse_seconds
from streamaudit.errors import UsageError
from streamaudit.report.frames import Frame, Result

__all__ = ("Filters", "Frame", "Result", "Session", "check_log", "open", "open_export", "read")

logging.getLogger("streamaudit").addHandler(logging.NullHandler())


def open(
    db: str | PathLike[str] | None = None,
    *,
    config: str | PathLike[str] | None = "auto",
    wait: str = "0s",
    memory_limit: str | None = None,
) -> "Session":
    """Open a store read-only; None is the command line's default store.

    ``config`` is ``"auto"`` for the file the command line would find, a path, or None for no file. ``wait`` is how long
    to wait for another process that writes to the store; ``memory_limit`` None is the configuration's, else 1 GB. Use
    the session as a context manager: while it is open, no other process can write to the store. Raises InputError when
    the store does not exist, StoreError when it is busy or not a store, UsageError for an invalid configuration.
    """
    settings = loader.load_config(config)
    return Session(
        settings, db=Path(db) if db is not None else None, wait_s=parse_seconds("wait", wait),
        memory_limit=_memory(memory_limit, settings),
    ).connect()  # fmt: skip


def open_export(
    folder: str | PathLike[str],
    *,
    engine: str | None = None,
    config: str | PathLike[str] | None = "auto",
    wait: str = "0s",
    memory_limit: str | None = None,
) -> "Session":
    """Open a folder that ``export`` wrote, to ask it instead of a store.

    ``engine`` is ``duckdb``, or the address of a Spark server such as ``sc://spark:15002``, which reads the folder
    itself: name it as the server does. None is the configuration's. ``wait`` is how long to wait for workers to run a
    question, where that is longer than two minutes. Raises InputError when the folder is no export of this version,
    StoreError when the server does not answer, UsageError for an unknown engine.
    """
    settings = loader.load_config(config)
    return Session(
        settings, data=fspath(folder), engine=engine or settings.engine, wait_s=parse_seconds("wait", wait),
        memory_limit=_memory(memory_limit, settings),
    ).connect()  # fmt: skip


def read(
    *files: str | PathLike[str],
    map: Mapping[str, str] | None = None,
    config: str | PathLike[str] | None = "auto",
    memory_limit: str | None = None,
) -> "Session":
    """Read exports into memory: files, globs or folders; nothing is stored.

    ``map`` gives the path of a field in your exports, such as ``{"tenant": "metadata.organizationId"}``. Raises
    InputError when a file cannot be read or none holds a valid record, UsageError for an invalid path.
    """
    if not files:
        raise UsageError("give at least one file")
    from streamaudit.ingest.mapping import parse_mapping

    settings = loader.load_config(config)
    given = parse_mapping([f"{name}={path}" for name, path in (map or {}).items()])
    return Session(
        settings, files=tuple(fspath(file) for file in files), mapping=type(given)({**settings.fields, **given.paths}),
        memory_limit=_memory(memory_limit, settings),
    ).connect()  # fmt: skip


def check_log(log: str | PathLike[str], expected: str | None = None) -> Result:
    """Read a sample of a server's or recorder's log and show which figures it would give as evidence.

    Tables ``figures``, ``ids`` and ``lines``; the note ``next`` is the command that reads it. ``expected`` names the
    server it should come from, such as ``nginx``. Raises InputError when it cannot be read, or no line gives evidence.
    """
    from streamaudit.ingest import edge_check

    return Result(edge_check.check_log(fspath(log), expected))


def _memory(limit: str | None, settings: Settings) -> str:
    return parse_memory("memory_limit", limit or str(settings.options.get("memory_limit", OPTIONS["memory_limit"])))
