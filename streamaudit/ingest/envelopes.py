"""Find the calls that a collector of logs has put as text into records of its own, under a key such as ``log`` or
``message`` or next to their time in a list, and name the command that takes them out.
"""

import json
import re
import shlex
from collections import Counter
from collections.abc import Iterator
from typing import Any

from streamaudit.ingest.json_text import decode
from streamaudit.ingest.readers.container import InputFile
from streamaudit.ingest.sources.registry import Match, Record, Refusal
from streamaudit.ingest.voting import elect

_MOST_DEPTH = 6
_TIMES = ("timestamp", "time", "@timestamp", "ts", "date", "eventTime")
_NAME = re.compile(r"[A-Za-z_@][\w.@-]{0,40}")
"""A key that looks like the name of a field; any other may itself be content, and is not repeated."""

_Found = tuple[str, Record]


def find_envelope(file: InputFile) -> Refusal | None:
    """Return what holds the calls of a file whose records are no calls, with the command that reads them; None where
    no text in them is the JSON of a call."""
    inner = [one for record in file.head for one in _walk(record, "", _MOST_DEPTH)]
    if not inner:
        return None
    program = Counter(program for program, _ in inner).most_common(1)[0][0]
    if not isinstance((elect([record for one, record in inner if one == program]) or (None, None))[1], Match):
        return None
    return Refusal(
        "records of a log that hold each call as text", f"jq -c {shlex.quote(program)} FILE | streamaudit ingest -"
    )


def _walk(value: Any, path: str, depth: int) -> Iterator[_Found]:
    """Yield the objects that are text inside a record, each with the jq program that takes out all of its kind. The
    time next to an object is added where it has none of its own by that name."""
    if isinstance(value, dict):
        time = next((name for name in _TIMES if isinstance(value.get(name), str | int | float)), None)
        for key, inner in value.items():
            if not _NAME.fullmatch(key):
                continue
            record = _decode(inner)
            if record is not None:
                outer = f"{{{json.dumps(time)}: {_at(time)}}} + " if time else ""
                added = {time: value[time], **record} if time else record
                yield f"{path} | {outer}({_at(key)} | fromjson?)".removeprefix(" | "), added
            elif depth:
                yield from _walk(inner, path + _at(key), depth - 1)
    elif isinstance(value, list):
        record = _decode(value[1]) if len(value) == 2 else None
        if record is not None:
            yield f"{path} | {{time: .[0]}} + (.[1] | fromjson?)", {"time": value[0], **record}
        else:
            for inner in value[:20] if depth else ():
                yield from _walk(inner, f"{path}[]", depth - 1)


def _at(key: str) -> str:
    return f".{key}" if key.isidentifier() else f".[{json.dumps(key)}]"


def _decode(value: Any) -> Record | None:
    if not isinstance(value, str) or value.lstrip()[:1] != "{":
        return None
    try:
        found = decode(value)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
