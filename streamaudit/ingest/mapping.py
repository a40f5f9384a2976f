"""Map fields of a record to columns: the user's ``--map`` takes precedence over every format's own candidates."""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from streamaudit.errors import UsageError, nearest
from streamaudit.ingest.names import words

Kind = Literal["text", "code", "count", "number", "money", "duration", "instant", "flag", "numbers", "counts", "hash"]
"""Way in which the value of a mapped path is read. Only ``text`` and ``code`` keep the content of a field; a code is
one word."""

KINDS: dict[str, Kind] = {
    **dict.fromkeys(
        (
            "tenant", "route", "deploy", "user_id", "session_id", "environment", "service", "region", "transport",
            "model", "response_model", "provider", "operation", "call_id", "trace_id", "parent_id",
            "logical_request_id", "response_id",
        ),
        "text",
    ),
    **dict.fromkeys(
        (
            "rendered_tokens", "delivered_tokens", "input_tokens", "cached_input_tokens", "cache_write_tokens",
            "output_tokens", "reasoning_tokens", "max_tokens", "rendered_chars", "rendered_chunks", "output_chars",
            "visible_output_chars", "chunk_count", "attempt_number", "http_status",
        ),
        "count",
    ),
    **dict.fromkeys(("cost_usd", "input_cost_usd", "output_cost_usd"), "money"),
    **dict.fromkeys(
        ("duration_ms", "ttft_ms", "ttvt_ms", "server_ttft_ms", "cancelled_at_ms", "upstream_end_ms"), "duration"
    ),
    **dict.fromkeys(("start_time", "end_time", "source_updated_at"), "instant"),
    **dict.fromkeys(("cancelled", "streamed", "cache_hit", "upstream_cancelled"), "flag"),
    **dict.fromkeys(("outcome", "finish_reason", "error_type", "cancelled_by", "usage_basis"), "code"),
    **dict.fromkeys(("chunk_offsets_ms", "client_chunk_offsets_ms"), "numbers"),
    "chunk_tokens": "counts",
    "input_hash": "hash",
}  # fmt: skip
"""Columns a user may fill from a path of their own, by the kind of value they take."""
MAPPABLE = tuple(KINDS)
ALIASES = {
    "id": "call_id", "request_id": "call_id", "start": "start_time", "end": "end_time", "duration": "duration_ms",
    "latency": "duration_ms", "latency_ms": "duration_ms", "ttft": "ttft_ms", "ttvt": "ttvt_ms",
    "server_ttft": "server_ttft_ms", "cost": "cost_usd", "input_cost": "input_cost_usd",
    "output_cost": "output_cost_usd", "stream": "streamed", "user": "user_id", "session": "session_id",
    "status": "outcome", "cached_tokens": "cached_input_tokens", "chunk_offsets": "chunk_offsets_ms",
    "trace": "trace_id", "response": "response_id", "cancelled_at": "cancelled_at_ms",
    "upstream_end": "upstream_end_ms", "updated_at": "source_updated_at",
}  # fmt: skip
"""Shorter names of columns that ``--map`` accepts as well."""
# Columns whose first candidate key that occurs in a source fills the whole source, never row by row.
KEYED = ("tenant", "route", "deploy", "rendered_tokens", "delivered_tokens")

TIMES = ("duration", "instant", "numbers")
"""Kinds that have a unit of time."""
_UNIT_OF = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("ms", "msec", "millis", "millisecond", "milliseconds"), "ms"),
    **dict.fromkeys(("us", "usec", "micros", "microsecond", "microseconds"), "us"),
    **dict.fromkeys(("ns", "nsec", "nanos", "nanosecond", "nanoseconds"), "ns"),
}
_US_IN = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}
_USD_IN = {"cent": 0.01, "cents": 0.01, "millicents": 1e-5, "micros": 1e-6, "microusd": 1e-6, "microdollars": 1e-6}
_CENTS = ":cents"
_SUFFIX = re.compile(r":(s|ms|us|ns)$")

_MAX_DEPTH = 6
# A key may itself be content; a message repeats it only if it looks like a field's name.
_SAYABLE = re.compile(r"[A-Za-z_][\w.-]{0,80}")
# Words that name prompts and answers. No column of text comes from a field whose name ends in one, or from inside an
# object that is called so.
_SPOKEN = frozenset(
    "answer answers arguments args body candidate candidates choice choices completion completions content contents "
    "delta deltas excerpt feedback generation generations input inputs instruction instructions message messages msg "
    "output outputs prompt prompts query question questions reply replies response responses result results snippet "
    "summary text texts thinking thought thoughts transcript transcripts transcription utterance utterances".split()
)
# Objects in which a vendor also keeps names and ids, and the words that such a field's name then ends in.
_ENVELOPES = frozenset(("response", "input", "output", "result", "outputs", "inputs", "body", "message"))
_NAMING = frozenset(("model", "id", "provider", "status"))
_CODING = _NAMING | {"reason", "type", "code", "outcome"}
_FAILURE = frozenset(("error", "errors", "err", "exception", "failed", "failure", "fail"))
_CODED_IN = _ENVELOPES | {"choices", "candidates"}


@dataclass(frozen=True, slots=True)
class Mapping:
    """The user's paths by column. A path tries the literal dotted key first, then walks into objects."""

    paths: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Paths to try by column, in order."""

    def pointers(self, column: str) -> list[str]:
        """Return the JSON pointers to try for a column, most literal first; empty when the user mapped nothing to
        it."""
        return [pointer for path in self.paths.get(column, ()) for pointer in json_pointers(path_only(path))]

    def scales(self, column: str) -> list[float | None]:
        """Return the factor that each of ``pointers`` is multiplied by: to milliseconds for a duration, to microseconds
        for an instant (None: inferred from the magnitude), to US dollars for money."""
        paths = self.paths.get(column, ())
        return [scale(column, path) for path in paths for _ in json_pointers(path_only(path))]

    def digest(self) -> str:
        """Return a digest that changes whenever the mapping would fill any column differently."""
        return hashlib.blake2b(json.dumps(self.paths, sort_keys=True).encode(), digest_size=8).hexdigest()


def path_only(path: str) -> str:
    """Return the path without the unit after it, and with indexes as names: ``a[0].took:s`` is ``a.0.took``."""
    return re.sub(r"\[(\d+)\]", r".\1", _SUFFIX.sub("", path.removesuffix(_CENTS))).removeprefix(".")


def unit_of(path: str) -> str | None:
    """Return the unit of time of a path's values: as written after it, else as its name implies (``latency_sec``)."""
    spelled = _SUFFIX.search(path)
    return spelled[1] if spelled else _UNIT_OF.get((words(path.rpartition(".")[2]) or [""])[-1])


def scale(column: str, path: str) -> float | None:
    """Return the factor from a path's values to the column's own unit."""
    if KINDS[column] == "money":
        named = _USD_IN.get((words(path_only(path).rpartition(".")[2]) or [""])[-1], 1.0)
        return 0.01 if path.endswith(_CENTS) else named
    if KINDS[column] not in TIMES:
        return 1.0
    unit = unit_of(path)
    if KINDS[column] == "instant":
        return _US_IN[unit] if unit else None
    return _US_IN[unit or "ms"] / 1e3


def is_about_errors(path: str) -> bool:
    """Whether a field of this name describes a failure, so that any value in it means one."""
    return not _FAILURE.isdisjoint(words(path_only(path).rpartition(".")[2]))


def column_of(name: str) -> str:
    """Return the column that a name of ``--map`` or ``[fields]`` stands for."""
    return ALIASES.get(name, name)


def parse_mapping(assignments: list[str]) -> Mapping:
    """Parse assignments such as ``["tenant=metadata.org", "duration=took:s"]`` into a Mapping.

    Raises UsageError for an unknown column, an impossible path or one that holds prompts or answers.
    """
    paths: dict[str, tuple[str, ...]] = {}
    for text in assignments:
        name, sign, spelled = text.partition("=")
        if not sign or not spelled:
            raise UsageError(f"--map {text}: expected FIELD=PATH, such as tenant=metadata.organizationId")
        column, path = column_of(name), spelled
        if column not in KINDS:
            close = nearest(name, [*MAPPABLE, *ALIASES])
            raise UsageError(
                f"--map {text}: unknown field {name}",
                f"did you mean {close}?" if close else "fields: " + ", ".join(MAPPABLE),
            )
        if spelled.endswith(_CENTS) and KINDS[column] != "money":
            right = f"--map {name}={path_only(spelled)}"
            raise UsageError(f"--map {text}: {column} is no cost and takes no cents", right)
        if KINDS[column] in TIMES:
            path = path_only(spelled)
        elif _SUFFIX.search(spelled):
            raise UsageError(
                f"--map {text}: {column} is not a time and takes no unit", f"--map {name}={_SUFFIX.sub('', spelled)}"
            )
        path = path_only(path)
        if any(not part for part in path.split(".")) or path.count(".") >= _MAX_DEPTH:
            raise UsageError(f"--map {text}: a path has at most {_MAX_DEPTH} names, separated by dots")
        if not can_fill(column, path):
            raise UsageError(
                f"--map {text}: {path} looks like the text of a prompt or an answer, which is never stored",
                "map a field that holds a name or an id",
            )
        paths[column] = (spelled,)
    return Mapping(paths)


def can_fill(column: str, path: str) -> bool:
    """Whether a field of this name may fill a column.

    Only columns of text are guarded: numbers, times and flags may come from anywhere, an outcome is one of a few words,
    and a code is one word of a field that is named like one.
    """
    kind = KINDS.get(column, "text")
    if column not in KINDS or kind not in ("text", "code") or column in ("outcome", "usage_basis"):
        return True
    *above, last = path_only(path).lower().split(".")
    ends = set(words(path_only(path).rpartition(".")[2])[-1:])
    held = _SPOKEN.intersection(above)
    if kind == "code":
        return not held or (held <= _CODED_IN and bool(ends & _CODING))
    if ends & _NAMING and held <= _ENVELOPES:
        return True
    return not held and last not in _SPOKEN and _SPOKEN.isdisjoint(ends)


def _is_spoken(path: str) -> bool:
    """Whether a field is named like prompt or answer text, or lies in an object that is."""
    *above, last = path.split(".")
    return not _SPOKEN.isdisjoint(part.lower() for part in above) or not _SPOKEN.isdisjoint(words(last)[-1:])


def near_path(path: str, records: Sequence[Any]) -> str | None:
    """Return the path in these records that was most likely meant by one that none of them has: the same key elsewhere,
    else one with a similar spelling."""
    present = sorted({found for record in records for found in _paths(record, ()) if _SAYABLE.fullmatch(found)})
    last = path.rpartition(".")[2]
    same = [one for one in present if one.rpartition(".")[2] == last and one != path]
    if same:
        return nearest(path, same) or (same[0] if len(same) == 1 else None)
    close = nearest(last, [one.rpartition(".")[2] for one in present])
    alike = [one for one in present if one.rpartition(".")[2] == close]
    return nearest(path, alike) or next(iter(alike), None)


def has_path(value: Any, path: str) -> bool:
    """Whether a record has a value at a mapped path, its literal key before the walk."""
    return _has_parts(value, path_only(path).split("."))


def _has_parts(value: Any, parts: Sequence[str]) -> bool:
    if not parts:
        return value is not None
    return isinstance(value, dict) and any(
        (key := ".".join(parts[:count])) in value and _has_parts(value[key], parts[count:])
        for count in range(len(parts), 0, -1)
    )


def _paths(value: Any, names: tuple[str, ...]) -> Iterator[str]:
    if isinstance(value, dict) and len(names) < _MAX_DEPTH:
        for key, inner in value.items():
            if not isinstance(key, str) or _is_spoken(key):
                continue
            yield from _paths(inner, (*names, key))
    elif names and not isinstance(value, list) and value is not None:
        yield ".".join(names)


def json_pointers(path: str) -> list[str]:
    """Return every way to read a dotted path, literal keys before walks: ``a.b`` gives ``/a.b`` then ``/a/b``."""
    parts = [part.replace("~", "~0").replace("/", "~1") for part in path.split(".")]
    return [_pointer(parts, cuts) for cuts in sorted(range(2 ** (len(parts) - 1)), key=lambda cuts: cuts.bit_count())]


def _pointer(parts: list[str], cuts: int) -> str:
    text = "/" + parts[0]
    for index, part in enumerate(parts[1:]):
        text += ("/" if cuts >> index & 1 else ".") + part
    return text
