"""Read the bytes of a file: its compression, whether it is complete, and a fingerprint that shows whether it
changed."""

import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Literal, cast

import zstandard

from streamaudit.errors import InputError

Compression = Literal["none", "gzip", "zstd"]

MAX_OBJECT_BYTES = 256 << 20
# Errors raised when a compressed file is read whose bytes are damaged.
DAMAGED = (EOFError, OSError, zlib.error, zstandard.ZstdError)


class Refused(Exception):
    """A file that holds no usable records; the text explains what it holds instead, ``hint`` is the command to try."""

    def __init__(self, what: str, hint: str | None = None) -> None:
        super().__init__(what)
        self.hint = hint


class NotRecords(Refused):
    """A file that holds no records at all: it is passed over in a folder."""


def open_binary(path: Path, compression: Compression) -> BinaryIO:
    """Open the decompressed bytes of a file as a stream, read in flat memory."""
    if compression == "gzip":
        return cast(BinaryIO, gzip.open(path, "rb"))
    if compression == "zstd":
        raw = zstandard.ZstdDecompressor().stream_reader(path.open("rb"), read_across_frames=True, closefd=True)
        return cast(BinaryIO, io.BufferedReader(cast(io.RawIOBase, raw), 1 << 20))
    return path.open("rb")


def read_start(path: Path, compression: Compression, size: int) -> bytes:
    """Return the first ``size`` decompressed bytes of a file."""
    with refuse_damaged(path), open_binary(path, compression) as stream:
        return stream.read(size)


@contextmanager
def refuse_damaged(path: Path) -> Iterator[None]:
    """Raise Refused for a file whose bytes turn out to be damaged, InputError for one that may not be read."""
    try:
        yield
    except EOFError:
        raise Refused("the gzip stream ends early: the file is incomplete, copy or download it again") from None
    except DAMAGED as error:
        if isinstance(error, PermissionError):
            raise InputError(f"no permission to read {path}") from None
        raise Refused("damaged compressed file: copy or download it again") from None


def detect_compression(path: Path) -> Compression:
    """Return the compression of a file by its first bytes. Raises InputError when it may not be read."""
    try:
        with path.open("rb") as file:
            return _detect_compression(file.read(4))
    except PermissionError:
        raise InputError(f"no permission to read {path}") from None


def unpack_start(data: bytes, size: int) -> tuple[Compression, bytes]:
    """Return the compression of a stream by its first bytes, and up to ``size`` decompressed bytes of what is there;
    nothing of damaged ones."""
    compression = _detect_compression(data)
    try:
        if compression == "gzip":
            return compression, zlib.decompressobj(31).decompress(data, size)
        if compression == "zstd":
            return compression, zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data)).read(size)
    except DAMAGED:
        return compression, b""
    return compression, data[:size]


def _detect_compression(magic: bytes) -> Compression:
    if magic[:2] == b"\x1f\x8b":
        return "gzip"
    if magic[:4] == b"\x28\xb5\x2f\xfd":
        return "zstd"
    return "none"


def is_zstd_complete(path: Path) -> bool:
    """Whether every frame of a zst file is complete; walks the block headers and decompresses nothing."""
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


def take_fingerprint(path: Path) -> tuple[int, str]:
    """Return a file's size in bytes, and a text of size, modification time and a hash of head and tail: the same text
    means an unchanged file."""
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
