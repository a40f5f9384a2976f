"""Find the one source that a file's records belong to, or say why there is none."""

import re
import shlex

from streamaudit.errors import InputError
from streamaudit.ingest.mapping import Mapping
from streamaudit.ingest.readers.container import InputFile
from streamaudit.ingest.readers.files import read_start
from streamaudit.ingest.sources.registry import Match, Refusal, Source, claims

_LIST_OF_LISTS = re.compile(rb'\s*\[\s*\[\s*[{"\d]')


def claim(file: InputFile, mapping: Mapping) -> tuple[Source, Match]:
    """Return the source that claims the head of a file, and what it recognised.

    Raises InputError when no source claims it, one refuses it, or several claim it.
    """
    found = claims(file.head, mapping)
    if len(found) == 1:
        source, verdict = found[0]
        if isinstance(verdict, Refusal):
            raise InputError(verdict.what, verdict.instead)
        return source, verdict
    if not found:
        if not file.head and _LIST_OF_LISTS.match(read_start(file.path, file.compression, 4096)):
            raise InputError("a list of lists, not of records", "jq -c '.[][]' FILE > FILE.jsonl, and read that")
        # A key of an unknown file may itself be content; only those that look like names of fields are repeated.
        keys = {key for record in file.head for key in record if re.fullmatch(r"[A-Za-z_][\w.]{0,40}", key)}
        seen = sorted(keys)[:8]
        raise InputError(
            f"{file.container.words}, but of no known format"
            + (f" (its fields begin {', '.join(seen)})" if seen else ": no records"),
            f"streamaudit fields {shlex.quote(file.shown)} looks for the figures of calls in it and prints the "
            "command that reads them",
        )
    raise InputError("claimed by several formats: " + ", ".join(source.name for source, _ in found))
