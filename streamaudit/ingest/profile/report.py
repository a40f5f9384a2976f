"""The report of ``streamaudit fields``: one row a path, what it may be, and which paths are not listed and why."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from streamaudit.ingest.claim import recognise
from streamaudit.ingest.mapping import can_fill
from streamaudit.ingest.profile.guess import ORDER, Guess, guess, rate_candidate
from streamaudit.ingest.profile.survey import Field, Survey
from streamaudit.ingest.readers.container import InputFile
from streamaudit.ingest.sources.registry import NO_MAPPING, Refusal, Source, discover
from streamaudit.report.model import NO_WINDOW, Column, Mark, Note, Report, Table, Value

_FORMAT = Column("format", None, "format of the files that have the path")
COLUMNS = (
    Column("path", None, "the field as --map takes it", whole=True),
    Column("looks_like", None, "the column it may fill, by name and values; empty when it fills one"),
    Column("used_as", None, "the column it fills today; empty when ingest does not use it"),
    Column("filled_rate", "ratio", "records in which it is there and not null or empty / records"),
    Column("distinct_values", None, "number of different values"),
    Column("type", None, "text, integer, number, true/false, list, object"),
    Column("example", None, "the most frequent value; (text) where it may be content, personal or a secret"),
    Column("guess_score", None, "the higher the better a candidate", wide=True),
    Column("guess_basis", None, "name, or shape: only that the values part the calls into groups", wide=True),
)

Named = tuple[Survey, Field, Guess | None]


def report(surveys: Sequence[Survey], role: str | None, hidden: frozenset[str] = frozenset()) -> Report:
    """Report the fields of every survey, or with ``role`` the candidates for it, the best first. ``hidden`` are columns
    whose values no example may show."""
    rows = [named for survey in surveys for named in (list_candidates(survey, role) if role else list_fields(survey))]
    by = ("format", "path") if len(surveys) > 1 else ("path",)
    columns: tuple[Column, ...] = (_FORMAT, *COLUMNS) if len(surveys) > 1 else COLUMNS
    columns = tuple(replace(one, wide=False) if role and one.name == "guess_basis" else one for one in columns)
    values, marks = [], {}
    for index, (survey, field, found) in enumerate(rows):
        row = _row(field, found, hidden)
        values.append((survey.source.name if survey.source else None, *row) if len(surveys) > 1 else row)
        marks.update({(index, name): Mark(instead=" ") for name in ("looks_like", "used_as", "type", "guess_score",
                                                                    "guess_basis")})  # fmt: skip
        marks[index, "example"] = Mark(instead="(text)" if _is_hidden(field, found, hidden) else " ")
    table = Table("fields", columns, tuple(values), by, marks=marks)
    headline = "; ".join(map(_headline, surveys))
    notes = tuple(note for survey in surveys for note in _notes(survey))
    filters = {"for": role} if role else {}
    return Report("fields", NO_WINDOW, (table,), filters=filters, notes=notes, headline=headline)


def list_fields(survey: Survey) -> list[Named]:
    """List every field with its guess: those with a role first, in the order of the roles, then by path."""
    rows = [(survey, field, None if field.fills else _likely(field)) for field in survey.fields]

    def order(row: Named) -> tuple[int, bool, float, str]:
        _, field, found = row
        role = found.role if found else field.fills
        place = ORDER.index(role) if role in ORDER else len(ORDER)
        return place, found is not None, -found.score if found else 0.0, field.path

    return sorted(rows, key=order)


def list_candidates(survey: Survey, role: str) -> list[Named]:
    """List the fields that may fill a column: the one that does, then the best guesses first. Guesses by values alone
    are used only if no name suggests a field."""
    rows: list[Named] = []
    for field in survey.fields:
        if field.fills == role:
            rows.append((survey, field, None))
        elif (
            (found := rate_candidate(role, field.facts))
            and (not field.fills or found.basis == "name")
            and can_fill(role, field.path)
        ):
            rows.append((survey, field, found))

    named = [row for row in rows if not row[2] or row[2].basis == "name"]
    return sorted(named or rows, key=lambda row: (row[2] is not None, -row[2].score if row[2] else 0.0, row[1].path))


def _likely(field: Field) -> Guess | None:
    found = guess(field.facts)
    return found if found and can_fill(found.role, field.path) else None


def _row(field: Field, found: Guess | None, hidden: frozenset[str]) -> tuple[Value, ...]:
    facts = field.facts
    return (
        field.path, found.role if found else None, field.fills, facts.filled / facts.records if facts.records else None,
        facts.distinct, field.type or None, None if _is_hidden(field, found, hidden) else field.example,
        round(found.score, 2) if found else None, found.basis if found else None,
    )  # fmt: skip


def _is_hidden(field: Field, found: Guess | None, hidden: frozenset[str]) -> bool:
    return field.hidden or field.fills in hidden or bool(found and found.role in hidden)


def _headline(survey: Survey) -> str:
    name = survey.source.name if survey.source else "no known format"
    return f"{name}: {survey.records:,} records, {len(survey.fields):,} fields"


def _notes(survey: Survey) -> Iterator[Note]:
    stated = (
        ("sampled", 0 if survey.complete else survey.records,
         "only the first records were examined; --records all examines every one"),
        ("content", survey.content, "fields that hold prompts or answers are not listed"),
        ("unnamed", survey.unnamed, "keys that do not look like names of fields are not listed: they may be content"),
        ("rare", survey.rare, "keys of objects with very many keys are not listed: each is in few records"),
        ("out_of_reach", survey.out_of_reach, "paths that --map cannot read are not listed"),
    )  # fmt: skip
    yield from (Note(code, message, count) for code, count, message in stated if count)


def explain_unrecognised(file: InputFile) -> Note:
    """Explain why no format claims a file, and what the nearest one misses in it; with names of our own fields only."""
    found = recognise(file, NO_MAPPING)
    if found is not None and isinstance(found[1], Refusal):
        verdict = found[1]
        return Note("unknown_format", f"not ingested: {verdict.what}; {verdict.instead}")
    source, missing = find_nearest_format(file)
    if not missing:
        return Note("unknown_format", f"not ingested: it has the field names of {source.name}, but not its values")
    if source.fallback:
        return Note("unknown_format", "not ingested: unknown format, and no field has a usual name of a call's figure")
    lacks = "; ".join(" or ".join(group[:4]) for group in missing)
    return Note("unknown_format", f"not ingested: unknown format; to be read as {source.name}, it lacks {lacks}")


def find_nearest_format(file: InputFile) -> tuple[Source, list[tuple[str, ...]]]:
    """Return the format that most of a file's records come closest to, raw when none does, and the fields it misses."""
    keys = {key for record in file.head for key in record} | {
        f"{key}.{inner}"
        for record in file.head for key, value in record.items() if isinstance(value, dict) for inner in value
    }  # fmt: skip

    def missing(source: Source) -> list[tuple[str, ...]]:
        return [group for group in source.needs if not keys & set(group)]

    sources = [source for source in discover().values() if source.needs]
    best = min(sources, key=lambda source: (len(missing(source)) / len(source.needs), source.name != "raw"))
    if len(missing(best)) == len(best.needs):
        best = next(source for source in sources if source.name == "raw")
    return best, missing(best)
