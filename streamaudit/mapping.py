"""Which of a record's fields fill which column: the user's ``--map`` before every format's own candidates."""

import hashlib
import json
from dataclasses import dataclass, field

from streamaudit.errors import UsageError, nearest

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
# Where prompts and answers live: nothing from there may become a column.
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
        if path.split(".")[0] in _CONTENT or (path.startswith("attributes.") and path.split(".")[1] in _CONTENT):
            raise UsageError(f"--map {text}: {path} holds prompts or answers, which are never stored")
        paths[column] = (path,)
    return Mapping(paths)


def json_pointers(path: str) -> list[str]:
    """Every way to read a dotted path, literal keys before walks: ``a.b`` gives ``/a.b`` then ``/a/b``."""
    parts = [part.replace("~", "~0").replace("/", "~1") for part in path.split(".")]
    return [_pointer(parts, cuts) for cuts in sorted(range(2 ** (len(parts) - 1)), key=lambda cuts: cuts.bit_count())]


def _pointer(parts: list[str], cuts: int) -> str:
    text = "/" + parts[0]
    for index, part in enumerate(parts[1:]):
        text += ("/" if cuts >> index & 1 else ".") + part
    return text
