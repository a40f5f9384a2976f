"""Finding input files and what is in them: plain, gz or zst; JSON lines, one array, or API pages.

The reader looks at the head of a file in Python and leaves the reading itself to DuckDB. It knows containers, never
formats: which source claims a file is decided in ``sources``.
"""

import glob
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import sys
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import zstandard

from streamaudit.errors import InputError

Compression = Literal["none", "gzip", "zstd"]
Container = Literal["lines", "array", "pages"]

SUFFIXES = (".jsonl", ".ndjson", ".json")
_PACKED = (".gz", ".zst")
_HEAD_BYTES = 1 << 20
MAX_OBJECT_BYTES = 256 << 20
# What reading a compressed file raises when its bytes are not what was once written.
DAMAGED = (EOFError, OSError, zlib.error, zstandard.ZstdError)
_HEAD_RECORDS = 50
_BOM = b"\xef\xbb\xbf"
# Keys under which an API page or a download holds its records.
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_./ -]+")
PAGE_KEYS = ("data", "observations", "spans")


@dataclass(frozen=True, slots=True)
class InputFile:
    """One readable file: ``path`` is what DuckDB opens, ``shown`` what the user called it (``-`` for stdin)."""

    path: Path
    shown: str
    compression: Compression
    container: Container
    page_key: str | None
    head: tuple[dict[str, Any], ...]
    size: int
    fingerprint: str

    @property
    def stored_name(self) -> str:
        """The name under which the load is remembered: absolute, so that another folder's file is another file."""
        if self.shown == "-":
            return "-"
        return os.fsencode(Path(self.shown).resolve()).decode("utf-8", "backslashreplace")


class Refused(Exception):
    """A file that holds no usable JSON; the text says what it holds instead."""


class NotRecords(Refused):
    """A file that holds no JSON records at all: what is passed over in a folder."""


class Reader:
    """Opens inputs one by one; keeps private temporary copies (standard input, files with a BOM) until closed."""

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._names = 0

    def __enter__(self) -> "Reader":
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

    def open(self, shown: str) -> InputFile:
        """Look into one file. Raises Refused when it holds no JSON records, InputError when it cannot be read."""
        path = self._in_reach(shown)
        size, fingerprint = _fingerprint(path)
        if size == 0:
            raise Refused("empty file")
        compression = compression_of(path)
        if compression == "zstd" and not _zstd_complete(path):
            # DuckDB would take the part that is there for the whole.
            raise Refused("the zst stream ends early: the file is incomplete, copy or download it again")
        start = _start_of(path, compression, len(_BOM))
        if start.startswith(_BOM):
            # DuckDB would lose the first record of a file that begins with a byte order mark.
            path, compression = self._without_bom(path, compression), "none"
        container, page_key, head = _look(path, compression)
        return InputFile(path, shown, compression, container, page_key, head, size, fingerprint)

    def _in_reach(self, shown: str) -> Path:
        """A path that DuckDB takes as it is: pipes are copied, and a name in which it would see a glob or a
        partition (``tenant=acme/``) gets a link with a plain one."""
        if shown == "-":
            return self._spool(sys.stdin.buffer)
        path = Path(shown)
        if path.is_fifo():
            with path.open("rb") as pipe:
                return self._spool(pipe)
        if _PLAIN_PATH.fullmatch(shown):
            return path
        link = self._new_name()
        link.symlink_to(path.absolute())
        return link

    def _new_name(self) -> Path:
        self._names += 1
        return self.folder / f"{self._names}.json"

    def _spool(self, source: BinaryIO) -> Path:
        target = self._new_name()
        with target.open("wb") as out:
            shutil.copyfileobj(source, out, 1 << 20)
        return target

    def _without_bom(self, path: Path, compression: Compression) -> Path:
        target = self._new_name()
        with open_binary(path, compression) as source, target.open("wb") as out:
            source.read(len(_BOM))
            shutil.copyfileobj(source, out, 1 << 20)
        return target


def expand(paths: list[str]) -> dict[str, bool]:
    """Every file named by paths, globs and folders, in a stable order and each once; ``-`` is standard input. The value
    says whether the file was only found, in a folder or by a glob, and not named.

    A folder stands for the JSON files below it. Raises InputError for a path that does not exist or matches nothing.
    """
    found: dict[str, bool] = {}
    for text in paths:
        for name in _expand_one(text):
            found[name] = found.get(name, True) and name != text
    return found


def _expand_one(text: str) -> list[str]:
    if text == "-":
        return ["-"]
    path = Path(text)
    if path.is_dir():
        names = sorted(str(file) for file in path.rglob("*") if file.is_file() and _is_json_name(file, path))
        if not names:
            raise InputError(f"no .json, .jsonl or .ndjson file (plain, .gz or .zst) in folder {text}")
        return names
    if path.exists():
        return [text]
    if any(sign in text for sign in "*?["):
        names = sorted(name for name in glob.glob(text, recursive=True) if Path(name).is_file())
        if names:
            return names
        raise InputError(f"nothing matches {text}")
    raise InputError(f"no such file: {text}", f"looked in {Path.cwd()}" if not path.is_absolute() else None)


def _is_json_name(path: Path, root: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
    name = path.name.lower()
    for packed in _PACKED:
        name = name.removesuffix(packed)
    return name.endswith(SUFFIXES) and not hidden


def open_binary(path: Path, compression: Compression) -> BinaryIO:
    """The decompressed bytes of a file, read as a stream in flat memory."""
    if compression == "gzip":
        return cast(BinaryIO, gzip.open(path, "rb"))
    if compression == "zstd":
        raw = zstandard.ZstdDecompressor().stream_reader(path.open("rb"), read_across_frames=True, closefd=True)
        return cast(BinaryIO, io.BufferedReader(cast(io.RawIOBase, raw), 1 << 20))
    return path.open("rb")


def _start_of(path: Path, compression: Compression, size: int) -> bytes:
    try:
        with open_binary(path, compression) as stream:
            return stream.read(size)
    except EOFError:
        raise Refused("the gzip stream ends early: the file is incomplete, copy or download it again") from None
    except DAMAGED as error:
        if isinstance(error, PermissionError):
            raise InputError(f"no permission to read {path}") from None
        raise Refused("damaged compressed file: copy or download it again") from None


def compression_of(path: Path) -> Compression:
    """How a file is packed, by its first bytes. InputError when it may not be read."""
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except PermissionError:
        raise InputError(f"no permission to read {path}") from None
    if magic[:2] == b"\x1f\x8b":
        return "gzip"
    if magic == b"\x28\xb5\x2f\xfd":
        return "zstd"
    return "none"


def _zstd_complete(path: Path) -> bool:
    """Whether every frame of a zst file is there to its end; walks the block headers and decompresses nothing."""
    size, position = path.stat().st_size, 0
    with path.open("rb") as file:
        while position < size:
            file.seek(position)
            start = file.read(18)
            if len(start) >= 8 and start[1:4] == b"\x2a\x4d\x18" and start[0] >> 4 == 5:
                position += 8 + int.from_bytes(start[4:8], "little")  # a skippable frame
                continue
            try:
                position += zstandard.frame_header_size(start)
                checksum = 4 if zstandard.get_frame_parameters(start).has_checksum else 0
            except (zstandard.ZstdError, ValueError):
                return False
            last = False
            while not last:
                file.seek(position)
                header = file.read(3)
                if len(header) < 3:
                    return False
                block = int.from_bytes(header, "little")
                last, length = bool(block & 1), 1 if block >> 1 & 3 == 1 else block >> 3
                position += 3 + length
            position += checksum
    return position == size


def _fingerprint(path: Path) -> tuple[int, str]:
    """Size in bytes, and size, modification time and a hash of head and tail: equal means unchanged."""
    try:
        stat = path.stat()
        digest = hashlib.blake2b(digest_size=16)
        with path.open("rb") as file:
            digest.update(file.read(1 << 16))
            if stat.st_size > 1 << 16:
                file.seek(max(stat.st_size - (1 << 16), 1 << 16))
                digest.update(file.read(1 << 16))
    except PermissionError:
        raise InputError(f"no permission to read {path}") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    return stat.st_size, f"{stat.st_size}:{stat.st_mtime_ns}:{digest.hexdigest()}"


def _look(path: Path, compression: Compression) -> tuple[Container, str | None, tuple[dict[str, Any], ...]]:
    """Container, page key and first records; reads further only when the first record is longer than the head."""
    for size in (_HEAD_BYTES, MAX_OBJECT_BYTES + _HEAD_BYTES):
        head = _start_of(path, compression, size)
        text = head.decode("utf-8", errors="replace").lstrip("\ufeff \t\r\n")
        if not text:
            raise Refused("empty file")
        if text[0] not in "{[" and (b"\x00" in head[:4096] or next(_lines(text), None) is None):
            raise NotRecords(_describe_non_json(head))
        found = _records_in(text)
        if found[2] or len(head) < size:
            break
    if not found[2] and len(head) < size and _holds_no_record(text):
        raise Refused("empty file")
    if not found[2] and found[0] == "lines":
        raise NotRecords("no line of it is a JSON object; a single object larger than 256 MB must be split first")
    return found


def _holds_no_record(text: str) -> bool:
    """Whether this is what an export with nothing in it looks like: ``[]``, or a page whose list is empty."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return value == [] or (isinstance(value, dict) and any(value.get(key) == [] for key in PAGE_KEYS))


def _records_in(text: str) -> tuple[Container, str | None, tuple[dict[str, Any], ...]]:
    records = tuple(_elements(text, 1)) if text[0] == "[" else ()
    # A log line in front may begin with a bracket too; what follows it then is lines.
    if text[0] == "[" and (records or next(_lines(text), None) is None):
        page_key = _page_key(records[0]) if records else None
        if page_key:
            nested = (item for record in records for item in record.get(page_key, ()) if isinstance(item, dict))
            return "pages", page_key, tuple(nested)[:_HEAD_RECORDS]
        return "array", None, records
    lines = tuple(_lines(text))
    page_key, start = _page_start(text)
    paged = tuple(_elements(text, start)) if page_key else ()
    # A page may be written with each of its records on a line of its own: it then explains more than its lines do.
    split_page = len(paged) > len(lines) and not any(_lines(text.split("\n", 1)[0]))
    if lines and not split_page and not all(_page_key(line) for line in lines):
        return "lines", None, lines
    if page_key:
        return "pages", page_key, paged
    return "lines", None, lines


def _lines(text: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(text.split("\n")):
        if number >= 10 * _HEAD_RECORDS:
            return
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            yield value


def _elements(text: str, start: int) -> Iterator[dict[str, Any]]:
    """The first whole objects of an array whose elements begin at ``start``."""
    decoder = json.JSONDecoder()
    position = start
    for _ in range(_HEAD_RECORDS):
        position = _skip(text, position, " \t\r\n,")
        try:
            value, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            return
        if isinstance(value, dict):
            yield value


def _page_key(record: dict[str, Any]) -> str | None:
    """The key under which an object is a page of records rather than a record itself."""
    for key in PAGE_KEYS:
        value = record.get(key)
        if (
            isinstance(value, list)
            and all(isinstance(item, dict) for item in value)
            and not {"id", "type"} & set(record)
        ):
            return key
    return None


def _page_start(text: str) -> tuple[str | None, int]:
    """Where the list of records of a page begins, found without decoding the whole page."""
    decoder = json.JSONDecoder()
    position = 1
    while True:
        position = _skip(text, position, " \t\r\n,")
        try:
            key, position = decoder.raw_decode(text, position)
            position = _skip(text, position, " \t\r\n:")
            if key in PAGE_KEYS and text[position] == "[":
                return str(key), position + 1
            _, position = decoder.raw_decode(text, position)
        except (ValueError, IndexError, RecursionError):
            return None, 0


def _skip(text: str, position: int, blanks: str) -> int:
    while position < len(text) and text[position] in blanks:
        position += 1
    return position


def _describe_non_json(head: bytes) -> str:
    start = head.lstrip()[:512].lower()
    if head[:4] == b"PAR1":
        return "Parquet is not read yet; export JSON lines"
    if head[:2] == b"\x00\x00" and (head[4:8] == b"\x28\xb5\x2f\xfd" or head[4:5] == b"\x0a"):
        return (
            "length-prefixed records, as OpenTelemetry's file exporter writes with compression or format: proto: set "
            "format: json and no compression"
        )
    if head[:2] == b"PK":
        return "a zip archive: unpack it first"
    if head[:6] == b"\xfd7zXZ\x00" or head[:3] == b"BZh":
        return "xz and bzip2 are not read: repack as .gz or .zst"
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "HTML or XML, not JSON: probably a login or error page saved in place of the export"
    if head[:2] in (b"\xff\xfe", b"\xfe\xff") or head[:2] in (b"{\x00", b"[\x00", b"\x00{", b"\x00["):
        return "UTF-16 text: save it as UTF-8"
    if b"\x00" in head[:4096]:
        return "a binary file, not JSON"
    first = head.split(b"\n", 1)[0]
    if first.count(b",") >= 2 or first.count(b"\t") >= 2:
        return "a CSV or other table, not JSON: export JSON lines instead"
    return "not JSON: the first character is neither { nor ["
