"""Open input files and recognise their containers: plain, gz or zst; JSON lines, arrays, objects, API pages, CSV,
Parquet.

``paths`` finds the files that are meant, ``files`` reads their bytes, and each container in CONTAINERS is one module.
The reader looks at the head of a file in Python and leaves the reading itself to DuckDB. It knows containers, never
formats: which source claims a file is decided in ``sources``.
"""

import re
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from streamaudit.errors import InputError
from streamaudit.ingest.json_text import shorten
from streamaudit.ingest.readers import remote
from streamaudit.ingest.readers.container import Container, Found, Head, InputFile, Reject
from streamaudit.ingest.readers.csv import DELIMITED
from streamaudit.ingest.readers.file_types import (
    NOTHING_KNOWN,
    ZIP,
    describe_file,
    describe_log,
    is_binary,
    suggest_unzip,
)
from streamaudit.ingest.readers.files import (
    DAMAGED,
    MAX_OBJECT_BYTES,
    Compression,
    NotRecords,
    Refused,
    detect_compression,
    is_zstd_complete,
    open_binary,
    read_start,
    refuse_damaged,
    take_fingerprint,
    unpack_start,
)
from streamaudit.ingest.readers.json_pages import PAGES, is_empty
from streamaudit.ingest.readers.json_values import ARRAY, OBJECTS
from streamaudit.ingest.readers.jsonl import LINES
from streamaudit.ingest.readers.parquet import PARQUET
from streamaudit.ingest.readers.paths import expand
from streamaudit.ingest.readers.temporary import spool, write_pieces

__all__ = [
    "CONTAINERS", "DAMAGED", "MAX_OBJECT_BYTES", "Compression", "Container", "NotRecords", "Reader",
    "Refused", "Reject", "detect_compression", "expand", "open_binary",
]  # fmt: skip

CONTAINERS = (PARQUET, PAGES, ARRAY, OBJECTS, LINES, DELIMITED)
"""Every container, in the order in which a file is tried: the first that recognises the head holds the records."""

Look = Callable[[Head], Container | None]
"""Recognises a container by the head of a file; None for one that it does not know."""

Check = Callable[[InputFile], object]
"""Raises InputError for a file whose first records are no calls."""

_HEAD_BYTES = 1 << 20
_LONG_ROW_BYTES = 32 << 20
_BOM = b"\xef\xbb\xbf"
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_./ -]+")


@dataclass(frozen=True, slots=True)
class Beginning:
    """The beginning of a stream that is copied to be read, which shows whether the rest is worth it."""

    shown: str
    look: Look | None = None
    check: Check | None = None

    def first(self, data: bytes) -> None:
        """Raise NotRecords when the first part shows that the stream holds no records."""
        compression, text = unpack_start(data, _HEAD_BYTES)
        shown = _text(text)
        is_long_row = b"\n" not in text and len(data) >= _HEAD_BYTES
        if shown and not is_long_row and not text.startswith((ZIP, b"PAR1")):
            head = Head(Path(), compression, text, shown, complete=len(data) < _HEAD_BYTES)
            if self.look is None or self.look(head) is None:
                _container(head)

    def many(self, path: Path) -> None:
        """Raise InputError when a long copy begins with records and none of them is a call."""
        if self.check is None or self.look is not None:
            return
        try:
            compression = detect_compression(path)
            container, found = _look(path, compression)
        except (Refused, InputError):
            return  # there may be more of it to come
        if found.records:
            self.check(InputFile(path, self.shown, compression, container, found.records, 0, "", found.settings))


class Reader:
    """Opens inputs one by one; keeps private temporary copies (standard input, files with a BOM) until closed."""

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._names = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    @property
    def folder(self) -> Path:
        """A private temporary folder that vanishes with the reader."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="streamaudit-")
        return Path(self._folder.name)

    def open(self, shown: str, look: Look | None = None, check: Check | None = None) -> InputFile:
        """Open and examine one file. Raises Refused when it holds no records, InputError when it cannot be read.

        ``look`` recognises containers of its own, before all others; ``check`` raises for a file without calls, and is
        asked about the beginning of one that is long and has to be copied.
        """
        known = None
        if remote.is_remote(shown):
            path = self._new_name()
            known = remote.fetch(shown, path, Beginning(remote.mask_address(shown), look, check))
            shown = remote.mask_address(shown)
        else:
            path = self._make_reachable(shown, look, check)
        size, fingerprint = take_fingerprint(path)
        fingerprint = known or fingerprint
        if size == 0:
            raise Refused("empty file")
        compression = detect_compression(path)
        if compression == "zstd" and not is_zstd_complete(path):
            # DuckDB would read a truncated file as if it were complete.
            raise Refused("the zst stream ends early: the file is incomplete, copy or download it again")
        start = read_start(path, compression, len(ZIP))
        if start == ZIP and compression == "none":
            raise NotRecords("a zip archive: unpack it first", suggest_unzip(path, shown))
        if start.startswith(_BOM):
            # DuckDB would lose the first record of a file that begins with a byte order mark.
            path, compression = self._strip_bom(path, compression), "none"
        container, found = _look(path, compression, look)
        return InputFile(path, shown, compression, container, found.records, size, fingerprint, found.settings)

    def done(self, file: InputFile) -> None:
        """Delete the copy of a file that came over a network, once it is no longer needed."""
        if remote.is_remote(file.shown):
            file.path.unlink(missing_ok=True)

    def _make_reachable(self, shown: str, look: Look | None, check: Check | None) -> Path:
        """Return a path that DuckDB can open unchanged: pipes are copied, and a name in which it would see a glob or a
        partition (``tenant=acme/``) gets a link with a plain one."""
        if shown == "-":
            return self._spool(sys.stdin.buffer, "standard input", Beginning(shown, look, check))
        path = Path(shown)
        if path.is_fifo():
            with path.open("rb") as pipe:
                return self._spool(pipe, shown, Beginning(shown, look, check))
        if _PLAIN_PATH.fullmatch(shown):
            return path
        link = self._new_name()
        try:
            path.open("rb").close()  # later messages would name the link
        except PermissionError:
            raise InputError(f"no permission to read {shown}") from None
        except OSError as error:
            raise InputError(f"cannot read {shown}: {error.strerror}") from None
        link.symlink_to(path.absolute())
        return link

    def _new_name(self) -> Path:
        self._names += 1
        return self.folder / f"{self._names}.json"

    def _spool(self, source: BinaryIO, name: str, examine: Beginning) -> Path:
        target = self._new_name()
        try:
            spool(source, target, examine)
        except OSError as error:  # of the source: a fault of the copy is a StoreError
            raise InputError(f"cannot read {name}: {error.strerror}") from None
        return target

    def _strip_bom(self, path: Path, compression: Compression) -> Path:
        target = self._new_name()
        with refuse_damaged(path), open_binary(path, compression) as source:
            source.read(len(_BOM))
            write_pieces(target, iter(lambda: source.read(_HEAD_BYTES), b""))
        return target


def _look(path: Path, compression: Compression, look: Look | None = None) -> tuple[Container, Found]:
    """Return the container and its first records; looks further only when the first record is longer than the head."""
    head = _read_head(path, compression)
    own = look(head) if look else None
    if own is not None:
        return own, Found(())
    container, found = _container(head)
    if not found.records and not head.complete:
        head = _read_long_head(head)
        container, found = _container(head)
    if not found.records and head.complete and (container in (DELIMITED, PARQUET) or _is_empty(head)):
        raise Refused("empty file")
    if not found.records and container is LINES:
        raise NotRecords("no line is a JSON object; an object larger than 256 MB must be split first")
    return container, found


def _read_head(path: Path, compression: Compression) -> Head:
    data = read_start(path, compression, _HEAD_BYTES)
    text = _text(data)
    if not text:
        raise Refused("empty file")
    return Head(path, compression, data, text, complete=len(data) < _HEAD_BYTES)


def _read_long_head(head: Head) -> Head:
    """Return the beginning of a file whose first record is long: of JSON with shorter values, otherwise as it is."""
    if head.text[0] not in "{[":
        data = read_start(head.path, head.compression, _LONG_ROW_BYTES)
        return Head(head.path, head.compression, data, _text(data), complete=len(data) < _LONG_ROW_BYTES)
    with open_binary(head.path, head.compression) as stream, refuse_damaged(head.path):
        data, complete = shorten(iter(lambda: stream.read(_HEAD_BYTES), b""), MAX_OBJECT_BYTES)
    return Head(head.path, head.compression, head.data, _text(data), complete)


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="replace").lstrip("\ufeff \t\r\n")


def _container(head: Head) -> tuple[Container, Found]:
    is_json = head.text[0] in "{["
    if not is_json and not head.data.startswith(b"PAR1") and (is_binary(head.data) or not head.lines):
        sign = describe_file(head.data)
        if sign:
            raise NotRecords(sign)
    if not is_json:
        lines = describe_log(head.text)
        if lines:
            raise NotRecords(lines)
    for container in CONTAINERS:
        found = container.look(head)
        if found is not None:
            return container, found
    if not is_json:
        raise NotRecords(NOTHING_KNOWN)
    return LINES, Found(())


def _is_empty(head: Head) -> bool:
    """Whether the text is one value, and that of an export without records."""
    found = head.values.at(0)
    return found is not None and not head.text[found[1] :].strip() and is_empty(found[0])
