"""``streamaudit fields``."""

from typing import TYPE_CHECKING, Annotated, Optional

import typer

from streamaudit.cli.options import LogFormat, MapField, MemoryLimit, Quiet, Verbose, Writing, mapping
from streamaudit.config.settings import Settings
from streamaudit.errors import EXIT_OK, InputError, UsageError, nearest

if TYPE_CHECKING:
    from streamaudit.ingest.mapping import Mapping
    from streamaudit.ingest.profile.survey import Survey
    from streamaudit.ingest.readers.container import InputFile
    from streamaudit.ingest.readers.reader import Reader
    from streamaudit.ingest.sources.registry import Source
    from streamaudit.store.store import Store


def command(
    paths: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Files, globs, folders, or - for standard input.")
    ],
    writing: Writing,
    settings: Settings,
    role: Annotated[
        Optional[str],
        typer.Option("--for", metavar="FIELD", help="Only the candidates for this field, such as tenant, best first."),
    ] = None,
    records: Annotated[
        str, typer.Option("--records", metavar="N|all", help="How many records to look at, from the start.")
    ] = "20000",
    map_: MapField = None,
    memory_limit: MemoryLimit = "1GB",
    quiet: Quiet = False,
    verbose: Verbose = 0,
    log_format: LogFormat = "text",
) -> int:
    """The paths in an export, how often each is filled, what it may be and what it is used as: what to give to --map.

    Example: streamaudit fields traces.jsonl --for tenant
    """
    from streamaudit.cli import console, next_steps
    from streamaudit.config.units import parse_memory
    from streamaudit.ingest.mapping import MAPPABLE
    from streamaudit.ingest.profile.report import report
    from streamaudit.ingest.readers.reader import Reader
    from streamaudit.report.frames import Result
    from streamaudit.store.store import Store

    if role is not None and role not in MAPPABLE:
        close = nearest(role, list(MAPPABLE))
        raise UsageError(
            f"--for {role}: unknown field",
            f"did you mean {close}?" if close else "fields: " + ", ".join(MAPPABLE),
        )
    most, mapped, output, hidden = _number(records), mapping(map_, settings), writing.parse(), writing.redacted_names()
    console.configure(quiet=quiet, verbose=verbose, form=log_format)
    with Reader() as reader, Store.in_memory(memory_limit=parse_memory("--memory-limit", memory_limit)) as store:
        groups, sources = _by_format(reader, paths, mapped)
        share = max(1, most // sum(len(files) for files in groups.values()))
        surveys = [
            _survey(store, sources.get(name), files, mapped, share * len(files)) for name, files in groups.items()
        ]
    answer = report(surveys, role, frozenset(hidden))
    answer = next_steps.with_reasons(answer, groups)
    output.render(dict.fromkeys(output.tops, Result(answer)))
    next_steps.say_next(surveys, groups, role, paths, map_ or [])
    if writing.fail_on_empty and not answer.tables[0].rows:
        raise InputError("no field looks like that column" if role else "the files have no fields")
    return EXIT_OK


def _number(text: str) -> int:
    from streamaudit.ingest.profile.survey import ALL

    if text == "all":
        return ALL
    if not text.isdecimal() or not text.isascii() or not int(text):
        raise UsageError(f"--records {text}: expected a number from 1, or all")
    return min(int(text), ALL)


def _by_format(
    reader: "Reader", paths: list[str], mapped: "Mapping"
) -> "tuple[dict[str | None, list[InputFile]], dict[str | None, Source]]":
    """Return the files by the format that claims them, and a reader of each format's first file.

    Files claimed by no format are under None.
    """
    from streamaudit.cli import console
    from streamaudit.ingest.claim import recognise
    from streamaudit.ingest.readers.reader import Refused, expand
    from streamaudit.ingest.sources.registry import Match

    groups: dict[str | None, list[InputFile]] = {}
    sources: dict[str | None, Source] = {}
    only_found = []
    for name, sought in expand(paths).items():
        try:
            file = reader.open(name)
        except Refused as refused:
            if not sought:
                raise InputError(f"{name}: {refused}") from None
            console.say(f"{name}: {refused}, skipped", level="warning", file=name)
            continue
        source, verdict = recognise(file, mapped) or (None, None)
        if source and isinstance(verdict, Match):
            console.note(f"{name}: {source.name}, {verdict.variant} (has {verdict.because})", file=name)
            groups.setdefault(source.name, []).append(file)
            sources.setdefault(source.name, source)
        elif sought:
            only_found.append(file)
        else:
            groups.setdefault(None, []).append(file)
    # Of a folder only files of a known format are read, unless there are none.
    for file in only_found if groups else ():
        console.say(f"{file.shown}: of no known format, skipped", level="warning", file=file.shown)
    groups = groups or ({None: only_found} if only_found else {})
    if not groups:
        raise InputError("no file holds JSON records")
    return groups, sources


def _survey(
    store: "Store", source: "Source | None", files: "list[InputFile]", mapped: "Mapping", most: int
) -> "Survey":
    from streamaudit.ingest.profile.survey import survey

    return survey(store, files, source, source.mapping(mapped) if source else mapped, most)
