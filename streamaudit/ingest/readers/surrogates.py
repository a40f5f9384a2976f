r"""Half of an emoji in JSON: ``\ud83d`` without its other half, as JavaScript writes a text cut between the two.

The database's parser refuses the whole value around it, other parsers accept it. A file that was refused is read again
from a copy in which ``\ufffd``, the replacement character, takes its place. It has the same length, so that lines,
records and offsets are unchanged.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from streamaudit.ingest.readers.container import InputFile
from streamaudit.ingest.readers.files import open_binary
from streamaudit.ingest.readers.temporary import write_pieces

_CHUNK = 1 << 20
_HEX = rb"[0-9a-fA-F]"
# An even number of backslashes before it: each pair of them is a backslash of the text. A whole pair of halves comes
# first, so that neither of its halves counts as a lone one.
_HALF = re.compile(
    rb"(?<!\\)((?:\\\\)*)(?:(\\u[dD][89abAB]" + _HEX + rb"{2}\\u[dD][c-fC-F]" + _HEX + rb"{2})"
    rb"|\\u[dD][89a-fA-F]" + _HEX + rb"{2})"
)
# The characters of an escape: a piece of the file that ends with none of these does not end inside one.
_WITHIN = b"\\u0123456789abcdefABCDEF"


def mend_surrogates(file: InputFile, folder: Path) -> InputFile | None:
    """Return the file with a copy in ``folder`` to be read in its place; None when it holds no half of a character, and
    for containers that are no JSON."""
    if file.container.words != "JSON":
        return None
    with open_binary(file.path, file.compression) as stream:
        if not any(_has_half(piece) for piece in _pieces(stream)):
            return None
    target = folder / "mended.json"
    with open_binary(file.path, file.compression) as stream:
        pieces = (_HALF.sub(_replace_half, piece) if _may_have(piece) else piece for piece in _pieces(stream))
        write_pieces(target, pieces)
    return replace(file, path=target, compression="none", size=target.stat().st_size)


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the bytes of a stream, never cut inside an escape."""
    held = b""
    while data := stream.read(_CHUNK):
        held += data
        whole = len(held.rstrip(_WITHIN))
        if whole:
            yield held[:whole]
            held = held[whole:]
    yield held


def _may_have(piece: bytes) -> bool:
    return b"\\ud" in piece or b"\\uD" in piece


def _has_half(piece: bytes) -> bool:
    return _may_have(piece) and any(match[2] is None for match in _HALF.finditer(piece))


def _replace_half(match: re.Match[bytes]) -> bytes:
    return match[0] if match[2] is not None else match[1] + b"\\ufffd"
