"""Which of a record's fields fill which column: the user's ``--map`` before every format's own candidates."""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from streamaudit.errors import UsageError, nearest
from streamaudit.ingest.names import words

# Columns a user may fill from a path of their own.
MAPPABLE = (
    "tenant",
    "route",
    "deploy",
    "user_id",
    "session_id",
    "environment",
    "service",
    "region",
    "transport",
    "model",
    "rendered_tokens",
    "delivered_tokens",
    "cancelled",
)
# Columns whose first candidate key that occurs in a source fills the whole source, never row by row.
KEYED = ("tenant", "route", "deploy", "rendered_tokens", "delivered_tokens")

_MAX_DEPTH = 6
# A key may itself be content; only what looks like a field's name is repeated.
_SAYABLE = re.compile(r"[A-Za-z_][\w.-]{0,80}")
# Words that name what somebody said. No column of text comes from a field whose name ends in one, or from inside an
# object that is called so.
_SPOKEN = frozenset(
    "answer answers arguments args body candidate candidates choice choices completion completions content contents "
    "delta deltas excerpt feedback generation generations input inputs instruction instructions message messages msg "
    "output outputs prompt prompts query question questions reply replies response responses result results snippet "
    "summary text texts thinking thought thoughts transcript transcripts transcription utterance utterances".split()
)
_COUNTS = ("rendered_tokens", "delivered_tokens", "cancelled")
"""Columns that take no text, whatever a field holds."""
_CONTENT = {"input", "output", "messages", "prompt", "completion", "content", "text", "choices", "response"}


@dataclass(frozen=True, slots=True)
class Mapping:
    """The user's paths by column. A path tries the literal dotted key first, then walks into objects."""

    paths: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Paths to try by column, in order."""

    def pointers(self, column: str) -> list[str]:
        """JSON pointers to try for a column, most literal first; empty when the user mapped nothing to it."""
        return [pointer for path in self.paths.get(column, ()) for pointer in json_pointers(path)]

    def digest(self) -> str:
        """Changes whenever the mapping would fill any column otherwise."""
        return hashlib.blake2b(json.dumps(self.paths, sort_keys=True).encode(), digest_size=8).hexdigest()


def parse_mapping(assignments: list[str]) -> Mapping:
    """``["tenant=metadata.org"]`` as a Mapping. Raises UsageError for an unknown column or an impossible path."""
    paths: dict[str, tuple[str, ...]] = {}
    for text in assignments:
        column, sign, path = text.partition("=")
        if not sign or not path:
            raise UsageError(f"--map {text}: expected FIELD=PATH, such as tenant=metadata.organizationId")
        if column not in MAPPABLE:
            close = nearest(column, list(MAPPABLE))
            raise UsageError(
                f"--map {text}: there is no field {column}" + (f", did you mean {close}?" if close else ""),
                "fields: " + ", ".join(MAPPABLE),
            )
        if any(not part for part in path.split(".")) or path.count(".") >= _MAX_DEPTH:
            raise UsageError(f"--map {text}: a path is up to {_MAX_DEPTH} names joined by dots")
        parts = path.lower().split(".")
        if parts[0] in _CONTENT or (parts[0] == "attributes" and parts[1:] and parts[1] in _CONTENT):
            raise UsageError(f"--map {text}: {path} holds prompts or answers, which are never stored")
        if column not in _COUNTS and _is_spoken(path):
            raise UsageError(
                f"--map {text}: {path} is named like something that was said, which is never stored",
                "map a field that holds a name or an id",
            )
        paths[column] = (path,)
    return Mapping(paths)


def _is_spoken(path: str) -> bool:
    """Whether a field is named like something that was said, or lies in an object that is."""
    *above, last = path.split(".")
    return not _SPOKEN.isdisjoint(part.lower() for part in above) or not _SPOKEN.isdisjoint(words(last)[-1:])


def can_fill(column: str, path: str) -> bool:
    """Whether a field of this name may fill a column; only columns of text are guarded."""
    return column not in MAPPABLE or column in _COUNTS or not _is_spoken(path)


def near_path(path: str, records: Sequence[Any]) -> str | None:
    """The path in these records that was most likely meant by one that none of them has: the same key elsewhere, else
    one spelled much alike."""
    present = sorted({found for record in records for found in _paths(record, ()) if _SAYABLE.fullmatch(found)})
    last = path.rpartition(".")[2]
    same = [one for one in present if one.rpartition(".")[2] == last and one != path]
    if same:
        return nearest(path, same) or (same[0] if len(same) == 1 else None)
    close = nearest(last, [one.rpartition(".")[2] for one in present])
    alike = [one for one in present if one.rpartition(".")[2] == close]
    return nearest(path, alike) or next(iter(alike), None)


def _paths(value: Any, names: tuple[str, ...]) -> Iterator[str]:
    if isinstance(value, dict) and len(names) < _MAX_DEPTH:
        for key, inner in value.items():
            if not isinstance(key, str) or _is_spoken(key):
                continue
            yield from _paths(inner, (*names, key))
    elif names and not isinstance(value, list) and value is not None:
        yield ".".join(names)


def json_pointers(path: str) -> list[str]:
    """Every way to read a dotted path, literal keys before walks: ``a.b`` gives ``/a.b`` then ``/a/b``."""
    parts = [part.replace("~", "~0").replace("/", "~1") for part in path.split(".")]
    return [_pointer(parts, cuts) for cuts in sorted(range(2 ** (len(parts) - 1)), key=lambda cuts: cuts.bit_count())]


def _pointer(parts: list[str], cuts: int) -> str:
    text = "/" + parts[0]
    for index, part in enumerate(parts[1:]):
        text += ("/" if cuts >> index & 1 else ".") + part
    return text
