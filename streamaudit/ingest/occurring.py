"""Find which names occur in a file, by its text: a field whose name is nowhere in it is in no record, and to leave it
out of a statement saves more time than the look takes.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress

from streamaudit.ingest.readers.container import InputFile
from streamaudit.ingest.readers.files import open_binary
from streamaudit.ingest.readers.json_pages import PAGES
from streamaudit.ingest.readers.json_values import ARRAY, OBJECTS
from streamaudit.ingest.readers.jsonl import LINES
from streamaudit.ingest.readers.reader import DAMAGED

MOST_BYTES = 16 << 20
"""Larger texts are not looked at."""
_PIECE_BYTES = 1 << 20
_LETTERS = bytes(
    byte if byte < 128 and (chr(byte).isalnum() or byte == ord("_")) else ord(" ") for byte in range(256)
)  # fmt: skip
_WORD = re.compile(rb"\w+")
# An escape that stands for a character of a name. Others hide none: half of an emoji, a line break.
_HIDING = re.compile(rb"\\u00(?:2[4d-f]|3\d|4|5[\daf]|6|7)", re.IGNORECASE)
_BREAKS = (rb"\n", rb"\r", rb"\t")


class Words:
    """The words of a text."""

    def __init__(self, words: frozenset[bytes]) -> None:
        self._words = words

    def __call__(self, name: str) -> bool:
        """Return whether a name may occur in the text: where each of its words does, since objects may be nested in the
        place of a dotted one; one that ends in ``*``, where a word begins so."""
        if name.endswith("*"):
            start = name[:-1].encode()
            return any(word.startswith(start) for word in self._words)
        return all(word in self._words for word in _WORD.findall(name.encode()))


def find_words(file: InputFile) -> Words | None:
    """Return the words of a file; None for a large one, and where a name may be there in another form: within an
    escape, or as the header of a table."""
    if file.container not in (LINES, ARRAY, OBJECTS, PAGES) or file.size > MOST_BYTES:
        return None
    with suppress(*DAMAGED):  # the database says what is wrong with it
        return words_of(_read_pieces(file))
    return None


def words_of(pieces: Iterable[bytes]) -> Words | None:
    """Return the words of a text in pieces, none of which ends within a word; None as for a file."""
    words: set[bytes] = set()
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > MOST_BYTES or b"\0" in piece or _HIDING.search(piece):
            return None
        words.update(piece.translate(_LETTERS).split())
        # A word may follow the letter of an escape, or be one that begins with it.
        spaced = piece
        for pair in _BREAKS:
            spaced = spaced.replace(pair, b" ")
        if spaced != piece:
            words.update(spaced.translate(_LETTERS).split())
    return Words(frozenset(words))


def _read_pieces(file: InputFile) -> Iterator[bytes]:
    left = b""
    with open_binary(file.path, file.compression) as stream:
        while data := stream.read(_PIECE_BYTES):
            *whole, left = (left + data).rpartition(b'"')
            yield b"".join(whole)
            if len(left) > MOST_BYTES:
                break
    yield left
