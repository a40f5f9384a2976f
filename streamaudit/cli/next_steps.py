"""Suggest the next command after looking at the fields of an export."""

import shlex
from collections.abc import Mapping as Dictionary
from collections.abc import Sequence
from dataclasses import replace

from streamaudit.cli import console
from streamaudit.ingest.mapping import column_of, parse_mapping
from streamaudit.ingest.pipeline import Ingest
from streamaudit.ingest.profile.report import explain_unrecognised, list_candidates
from streamaudit.ingest.profile.suggest import find_unit, suggest_mapping
from streamaudit.ingest.profile.survey import Survey
from streamaudit.ingest.readers.container import InputFile
from streamaudit.ingest.readers.reader import Reader
from streamaudit.ingest.results import Options
from streamaudit.report.model import Report
from streamaudit.store.dimensions import DIMENSIONS
from streamaudit.store.store import Store

Groups = Dictionary[str | None, Sequence[InputFile]]

# Columns that reports need most, suggested when nothing fills them and the name of a field matches.
_WORTH = ("tenant", "route", "deploy", "ttft_ms", "duration_ms", "rendered_tokens", "cancelled")


def with_reasons(report: Report, groups: Groups) -> Report:
    """Return the report with the reason why files have no known format."""
    reasons = dict.fromkeys(explain_unrecognised(file) for file in groups.get(None, ()))
    return replace(report, notes=(*reasons, *report.notes))


def say_next(
    surveys: Sequence[Survey], groups: Groups, role: str | None, paths: Sequence[str], assignments: Sequence[str]
) -> None:
    """Log the command that uses the candidates found, one for each format."""
    has_suggestion = False
    if role and any(role in survey.filled for survey in surveys):
        console.note(f"{role} is already filled; --map {role}=PATH uses another field")
    for survey in surveys:
        name = survey.source.name if survey.source else None
        files = paths if len(surveys) == 1 else [file.shown for file in groups[name]]
        line = _ingest(survey, role, files, assignments) if name else _try_maps(survey, role, groups[None], assignments)
        if line:
            console.note(f"next: {line}")
        elif name is None and not role:
            console.note("no field looks like a model, a token count or a time of a call, so there is nothing to map")
        has_suggestion = has_suggestion or line is not None
    if role and not has_suggestion:
        console.note(
            f"no field looks like {_article(role)} {role}: streamaudit fields FILE without --for lists them all"
        )


def _ingest(survey: Survey, role: str | None, files: Sequence[str], assignments: Sequence[str]) -> str | None:
    if role and role in survey.filled:
        report = f"report {_list_files(files)} --by {role}" if role in DIMENSIONS else f"tax {_list_files(files)}"
        return f"streamaudit {report}" + _options(assignments)
    maps = _maps(survey, role, assignments)
    return f"streamaudit ingest {_list_files(files)}{maps}" if maps else None


def _maps(survey: Survey, role: str | None, assignments: Sequence[str]) -> str:
    """Return ``--map`` options: the best candidate for ``role``, else for every suggested column."""
    found = {}
    for column in (role,) if role else _WORTH:
        best = next((one for one in list_candidates(survey, column) if one[2]), None)
        if best and best[2] and column not in survey.filled and (role or best[2].basis == "name"):
            found[column] = best[1].path + find_unit(column, best[1])
    if not found:
        return ""
    kept = [text for text in assignments if text.partition("=")[0] not in found]
    maps = [*kept, *(f"{column}={path}" for column, path in found.items())]
    return _options(maps)


def _options(assignments: Sequence[str]) -> str:
    return "".join(f" --map {shlex.quote(text)}" for text in assignments)


def _try_maps(survey: Survey, role: str | None, files: Sequence[InputFile], assignments: Sequence[str]) -> str | None:
    """Return a command that reads files of no known format, tried on the first one; None without one."""
    mine = {column_of(text.partition("=")[0]) for text in assignments}
    maps = [*assignments, *(text for text in suggest_mapping(survey) if text.partition("=")[0] not in mine)]
    if role and not any(text.startswith(f"{role}=") for text in maps):
        return None
    if not maps:
        return None
    with Reader() as reader, Store.in_memory() as store:
        outcome = Ingest(store, Options(parse_mapping(maps))).file(reader, str(files[0].path))
        if outcome.problem or not outcome.counts or not outcome.counts.new:
            return None
    return f"streamaudit ingest {_list_files([file.shown for file in files])}{_options(maps)}"


def _list_files(files: Sequence[str]) -> str:
    return " ".join(shlex.quote(f"./{name}" if name.startswith("-") and name != "-" else name) for name in files)


def _article(word: str) -> str:
    return "an" if word[0] in "aeio" else "a"
