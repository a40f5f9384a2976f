"""Find which names occur in a file, by its text: a field whose name is nowhere in it is in no record, and to leave it
out of a statement saves more time than the look takes.
"""

import re
from contextlib import suppress
from typing import BinaryIO

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
# An escape that stands for a character of a name.
_HIDING = re.compile(rb"\\u00(?:2[4d-f]|3\d|4|5[\daf]|6|7)", re.IGNORECASE)
# Any other one of a letter: a line break, half of an emoji.
_BREAK = re.compile(rb"\\(?:[bfnrt]|u[0-9a-fA-F]{4})")


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
    with suppress(*DAMAGED), open_binary(file.path, file.compression) as stream:
        return words_of(stream)
    return None  # the database says what is wrong with it


def words_of(stream: BinaryIO) -> Words | None:
    """Return the words of a text, which is read a piece at a time; None as for a file."""
    words: set[bytes] = set()
    size, left = 0, b""
    while data := stream.read(_PIECE_BYTES):
        size += len(data)
        # No word or escape goes on behind a quotation mark.
        before, mark, left = (left + data).rpartition(b'"')
        if size > MOST_BYTES or not _add_words(words, before + mark):
            return None
    return Words(frozenset(words)) if _add_words(words, left) else None


def _add_words(words: set[bytes], text: bytes) -> bool:
    """Add the words of a text; return False where it may hide one."""
    if b"\0" in text or _HIDING.search(text):
        return False
    words.update(text.translate(_LETTERS).split())
    if b"\\" in text:  # a word may follow the letter of an escape, or be one that begins with it
        words.update(_BREAK.sub(b" ", text).translate(_LETTERS).split())
    return True
