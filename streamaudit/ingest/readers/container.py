"""The model of a container: a way of holding records, recognised by the head of a file.

Each is a module of this package that looks into such a head, has the SELECT that reads the records, and locates a
rejected one. A container knows nothing of formats; a format nothing of containers.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from streamaudit.ingest.readers import remote
from streamaudit.ingest.readers.files import Compression
from streamaudit.ingest.readers.sniff import Values

Record = dict[str, Any]
_MOST_COMPRESSED = 16
"""A file is assumed to be this many times larger than its compressed form."""

class Bad(Protocol):
    """The bad records of a file, in ascending order, however many there are: the ordinal of each and its reasons
    (``unreadable``: find out); one that holds many calls may have several."""

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """Yield those among the records that were read."""

    def missed(self) -> Iterator[tuple[int, list[str]]]:
        """Yield those that the database left out while it read, by ``Container.missed``."""


@dataclass(frozen=True)
class Head:
    """The first bytes of a file, decompressed, and the same as text from the first record on."""

    path: Path
    compression: Compression
    data: bytes
    text: str
    complete: bool
    """The head is the whole file."""

    @cached_property
    def values(self) -> Values:
        """The values in the text."""
        return Values(self.text)

    @cached_property
    def lines(self) -> tuple[Record, ...]:
        """The objects that are alone on a line."""
        return tuple(self.values.lines())

    @cached_property
    def objects(self) -> tuple[Record, ...]:
        """The objects that follow one another from the first character on, however they are broken into lines; the
        elements, if it is an array."""
        return tuple(self.values.elements(1 if self.text[:1] == "[" else 0))


@dataclass(frozen=True, slots=True)
class Found:
    """The first records in a container, and the parameters of its SELECT in addition to those that all share."""

    records: tuple[Record, ...]
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reject:
    """An unusable record: ordinal and line are 1-based, ``bytes`` is its length; ``line`` is None where records have no
    line of their own."""

    record: int
    line: int | None
    reason: str
    bytes: int | None


@dataclass(frozen=True, slots=True)
class Container:
    """A way of holding records. The SELECTs yield ``line`` (the record's ordinal, or NULL where numbering has a cost
    and ``numbered`` exists) and the record as ``json``; they bind ``$files``, ``$compression``, ``$object_bytes``, what
    ``look`` found, and for tables ``$wanted`` (names of columns) unless ``$every`` is true."""

    name: str
    look: Callable[[Head], Found | None]
    read: str
    locate: Callable[["InputFile", Bad], Iterator[Reject]]
    fault: Callable[["InputFile"], str]
    """Explain why the database refuses the file as a whole."""
    numbered: str = ""
    """The same as ``read``, with ordinals; empty when ``read`` has them."""
    fields: str = ""
    """A faster way to the declared fields when the whole record is not needed: ``line``, ``record`` (NULL) and the
    fields. Binds ``$columns``, or their ``$texts``, ``$jsons`` and ``$structure``. Empty where there is none."""
    numbered_fields: str = ""
    missed: str = ""
    """The ordinals of records that the database left out while it read, negative, as ``no``, each with its
    ``reason``."""
    partial: str = ""
    """Number of parts of the file that are marked as incomplete; binds ``$files``, ``$compression`` and
    ``$object_bytes``. Empty where the container has no such mark."""
    words: str = "JSON"
    """The container's name in messages."""
    check: Callable[["InputFile"], str | None] = lambda file: None
    """Explain why no record may be used, where one misaligned record would do harm; None when every record may."""
    forget: str = ""
    """SQL to run before a file is read, so that ``missed`` covers that file only."""
    read_head: Callable[["InputFile"], tuple[Record, ...]] = lambda file: file.head
    """Return many more of the first records than ``look``, within a bound; where columns show what the records are,
    those of ``look``."""


@dataclass(frozen=True, slots=True)
class InputFile:
    """A readable file: ``path`` is the file DuckDB opens, ``shown`` the name the user gave (``-`` for stdin)."""

    path: Path
    shown: str
    compression: Compression
    container: Container
    head: tuple[dict[str, Any], ...]
    size: int
    fingerprint: str
    settings: dict[str, Any] = field(default_factory=dict)
    """Parameters of the container's SELECT for this file."""

    @property
    def plain_size(self) -> int:
        """An upper estimate of the size of the decompressed file in bytes."""
        return self.size if self.compression == "none" else _MOST_COMPRESSED * self.size

    @property
    def stored_name(self) -> str:
        """The name under which the load is stored: absolute, so that another folder's file is another file."""
        if self.shown == "-" or remote.is_remote(self.shown):
            return self.shown
        return os.fsencode(Path(self.shown).resolve()).decode("utf-8", "backslashreplace")
