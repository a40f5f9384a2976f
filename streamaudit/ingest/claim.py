"""Find the source that a file's records belong to, or say why there is none."""

import re
import shlex
from dataclasses import replace

from streamaudit.errors import InputError
from streamaudit.ingest.mapping import Mapping
from streamaudit.ingest.readers.container import InputFile
from streamaudit.ingest.readers.files import DAMAGED, read_start
from streamaudit.ingest.sources.registry import Match, Refusal, Source, fallback
from streamaudit.ingest.voting import elect

_LIST_OF_LISTS = re.compile(rb'\s*\[\s*\[\s*[{"\d]')


def claim(file: InputFile, mapping: Mapping) -> tuple[Source, Match]:
    """Return the source that reads a file, and what it recognised.

    Raises InputError when no record is a call: of no known format, or of one that is known and not read.
    """
    found = recognise(file, mapping)
    if found is None:
        raise _explain_unknown(file)
    source, verdict = found
    if isinstance(verdict, Refusal):
        raise InputError(verdict.what, verdict.instead)
    unread = {column: text for column, text in verdict.unread.items() if column not in mapping.paths}
    return source, replace(verdict, unread=unread)


def recognise(file: InputFile, mapping: Mapping) -> tuple[Source, Match | Refusal] | None:
    """Return the source that reads a file and what it recognised, as ``voting.elect``; where the head holds no call,
    many more records are looked at."""
    found = elect(file.head, mapping)
    if found is not None and isinstance(found[1], Match):
        return found
    try:
        more = file.container.read_head(file)
    except DAMAGED:
        more = ()
    if len(more) > len(file.head):
        found = elect(more, mapping)
        if found is not None and isinstance(found[1], Match):
            return found
    from streamaudit.ingest.envelopes import find_envelope

    held = find_envelope(file)
    return (fallback(), held) if held else found


def _explain_unknown(file: InputFile) -> InputError:
    if not file.head and _LIST_OF_LISTS.match(read_start(file.path, file.compression, 4096)):
        return InputError("a list of lists, not of records", "jq -c '.[][]' FILE > FILE.jsonl, and read that")
    # A key of an unknown file may itself be content; only those that look like names of fields are repeated.
    keys = {key for record in file.head for key in record if re.fullmatch(r"[A-Za-z_][\w.]{0,40}", key)}
    seen = sorted(keys)[:8]
    return InputError(
        f"{file.container.words}, but of no known format"
        + (f" (first fields: {', '.join(seen)})" if seen else ": no records"),
        f"streamaudit fields {shlex.quote(file.shown)} finds the fields that describe calls and prints the "
        "command to read them",
    )
