"""What to type next after looking at the fields of an export."""

import json
import re
import shlex
from collections.abc import Mapping as Dictionary
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from streamaudit.cli import console
from streamaudit.ingest.profile.guess import guess
from streamaudit.ingest.profile.report import explain_unrecognised, find_nearest_format, list_candidates
from streamaudit.ingest.profile.survey import Survey
from streamaudit.ingest.readers.container import InputFile
from streamaudit.ingest.sources.registry import Match, claims
from streamaudit.report.model import Report
from streamaudit.store.dimensions import DIMENSIONS

Groups = Dictionary[str | None, Sequence[InputFile]]

# Columns that make the reports worth reading, suggested unasked when nothing fills them and a name speaks for a field.
_WORTH = ("tenant", "route", "deploy", "rendered_tokens", "cancelled")
_UNPACK = {"none": "", "gzip": "gzip -dc", "zstd": "zstd -dc"}
_READ_BY_JQ = ("lines", "objects", "array")
_PLAIN_KEY = re.compile(r"[A-Za-z_]\w*")


def with_reasons(report: Report, groups: Groups) -> Report:
    """The report, saying of files of no known format what they lack."""
    reasons = dict.fromkeys(explain_unrecognised(file) for file in groups.get(None, ()))
    return replace(report, notes=(*reasons, *report.notes))


def say_next(
    surveys: Sequence[Survey], groups: Groups, role: str | None, paths: Sequence[str], assignments: Sequence[str]
) -> None:
    """On standard error: the command that puts to use what was found, one for each format."""
    said = False
    if role and any(role in survey.filled for survey in surveys):
        console.note(f"{role} is filled already; --map {role}=PATH puts another field in its place")
    for survey in surveys:
        name = survey.source.name if survey.source else None
        files = paths if len(surveys) == 1 else [file.shown for file in groups[name]]
        line = _ingest(survey, role, files, assignments) if name else _reshape(survey, role, groups[None], assignments)
        if line:
            console.note(f"next: {line}")
        said = said or line is not None
    if role and not said:
        console.note(
            f"no field looks like {_article(role)} {role}: streamaudit fields FILE without --for lists them all"
        )


def _ingest(survey: Survey, role: str | None, files: Sequence[str], assignments: Sequence[str]) -> str | None:
    if role and role in survey.filled:
        report = f"report {_named(files)} --by {role}" if role in DIMENSIONS else f"tax {_named(files)}"
        return f"streamaudit {report}" + _options(assignments)
    maps = _maps(survey, role, assignments)
    return f"streamaudit ingest {_named(files)}{maps}" if maps else None


def _maps(survey: Survey, role: str | None, assignments: Sequence[str]) -> str:
    """What to map, as options: the best candidate for ``role``, else for every column that is worth it."""
    found = {}
    for column in (role,) if role else _WORTH:
        best = next((one for one in list_candidates(survey, column) if one[2]), None)
        if best and best[2] and column not in survey.filled and (role or best[2].basis == "name"):
            found[column] = best[1].path
    if not found:
        return ""
    kept = [text for text in assignments if text.partition("=")[0] not in found]
    maps = [*kept, *(f"{column}={path}" for column, path in found.items())]
    return _options(maps)


def _options(assignments: Sequence[str]) -> str:
    return "".join(f" --map {shlex.quote(text)}" for text in assignments)


def _reshape(survey: Survey, role: str | None, files: Sequence[InputFile], assignments: Sequence[str]) -> str | None:
    """A jq line that gives records of no known format the field names of raw JSON lines, where that would do."""
    file = files[0]
    held = {(one.container.name, one.compression) for one in files}
    if file.shown == "-" or file.container.name not in _READ_BY_JQ or len(held) > 1:
        return None
    source, missing = find_nearest_format(file)
    found: dict[str, tuple[str, ...]] = {}
    best: dict[str, float] = {}
    for field in survey.fields:
        likely = guess(field.facts)
        if likely and likely.score > best.get(likely.role, 0):
            best[likely.role], found[likely.role] = likely.score, field.names
    renamed = {
        column: found[column]
        for column in ("request_id", "start_time", "model", "output_tokens", "input_tokens")
        if column in found and found[column] != (column,)
    }
    reshaped = [{**record, **{column: _at(record, names) for column, names in renamed.items()}} for record in file.head]
    if source.name != "raw" or not missing or not any(isinstance(verdict, Match) for _, verdict in claims(reshaped)):
        return None
    program = (".[] | " if file.container.name == "array" else "") + (
        ". + {" + ", ".join(f"{column}: {_jq(names)}" for column, names in renamed.items()) + "}"
    )
    names, unpack = _named([one.shown for one in files]), _UNPACK[file.compression]
    read = f"{unpack} {names} | jq -c {shlex.quote(program)}" if unpack else f"jq -c {shlex.quote(program)} {names}"
    return f"{read} | streamaudit ingest -{_maps(survey, role, assignments)}"


def _at(record: Any, names: Sequence[str]) -> Any:
    for name in names:
        record = record.get(name) if isinstance(record, dict) else None
    return record


def _jq(names: Sequence[str]) -> str:
    if all(_PLAIN_KEY.fullmatch(name) for name in names):
        return "." + ".".join(names)
    return f"getpath({json.dumps(names)})"


def _named(files: Sequence[str]) -> str:
    return " ".join(shlex.quote(f"./{name}" if name.startswith("-") and name != "-" else name) for name in files)


def _article(word: str) -> str:
    return "an" if word[0] in "aeio" else "a"
