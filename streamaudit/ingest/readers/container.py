"""What a container is: one way of holding records, told by the head of a file.

Each is a module of this package that says how to look into such a head, the SELECT that reads the records, and where a
rejected one stands. A container knows nothing of formats; a format nothing of containers.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from streamaudit.ingest.readers import remote
from streamaudit.ingest.readers.files import Compression
from streamaudit.ingest.readers.sniff import Values

Record = dict[str, Any]
Bad = dict[int, list[str]]
"""The ordinal of each bad record, and its reasons (``unreadable``: find out); one that holds many calls may have
several."""


@dataclass(frozen=True)
class Head:
    """The first bytes of a file, unpacked, and the same as text without what stands before the first record."""

    path: Path
    compression: Compression
    data: bytes
    text: str
    complete: bool
    """This is the whole file."""

    @cached_property
    def values(self) -> Values:
        """The values in the text."""
        return Values(self.text)

    @cached_property
    def lines(self) -> tuple[Record, ...]:
        """The objects that stand alone on a line."""
        return tuple(self.values.lines())

    @cached_property
    def objects(self) -> tuple[Record, ...]:
        """The objects that follow one another from the first character on, however they are broken into lines; of an
        array, those in it."""
        return tuple(self.values.elements(1 if self.text[:1] == "[" else 0))


@dataclass(frozen=True, slots=True)
class Found:
    """The first records in a container, and what its SELECT binds beside the parameters that all share."""

    records: tuple[Record, ...]
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reject:
    """One unusable record: ordinal and line are 1-based, ``bytes`` its length; ``line`` is None where records stand on
    no line of their own."""

    record: int
    line: int | None
    reason: str
    bytes: int | None


@dataclass(frozen=True, slots=True)
class Container:
    """One way of holding records. The SELECTs give ``line`` (the record's ordinal, or NULL where numbering has a cost
    and ``numbered`` stands beside) and the record as ``json``; they bind ``$files``, ``$compression``,
    ``$object_bytes``, what ``look`` found, and for tables ``$wanted`` (names of columns) unless ``$every`` is true."""

    name: str
    look: Callable[[Head], Found | None]
    read: str
    locate: Callable[["InputFile", Bad], Iterator[Reject]]
    fault: Callable[["InputFile"], str]
    """Why the database refuses the file as a whole, in words."""
    numbered: str = ""
    """The same as ``read``, with ordinals; empty when ``read`` has them."""
    fields: str = ""
    """A faster way to the declared fields when nobody asks for the whole record: ``line``, ``record`` (NULL) and the
    fields. Binds ``$columns``, or their ``$texts``, ``$jsons`` and ``$structure``. Empty where there is none."""
    numbered_fields: str = ""
    missed: str = ""
    """The ordinals of records that the database left out while it read, ``no``, each with its ``reason``."""
    partial: str = ""
    """How many parts of the file say of themselves that they are not whole; binds ``$files``, ``$compression`` and
    ``$object_bytes``. Empty where nothing can say so."""
    words: str = "JSON"
    """What people call it."""
    check: Callable[["InputFile"], str | None] = lambda file: None
    """Why no record may be used where a record out of step would do harm, in words; None when every record may."""
    forget: str = ""
    """What to run before a file is read, so that ``missed`` tells only of it."""


@dataclass(frozen=True, slots=True)
class InputFile:
    """One readable file: ``path`` is what DuckDB opens, ``shown`` what the user called it (``-`` for stdin)."""

    path: Path
    shown: str
    compression: Compression
    container: Container
    head: tuple[dict[str, Any], ...]
    size: int
    fingerprint: str
    settings: dict[str, Any] = field(default_factory=dict)
    """What the container's SELECT binds for this file."""

    @property
    def stored_name(self) -> str:
        """The name under which the load is remembered: absolute, so that another folder's file is another file."""
        if self.shown == "-" or remote.is_remote(self.shown):
            return self.shown
        return os.fsencode(Path(self.shown).resolve()).decode("utf-8", "backslashreplace")
