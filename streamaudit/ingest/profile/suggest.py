"""Suggest which paths of records of no known format may be the figures of calls, as ``--map`` assignments to be
tried."""

import re

from streamaudit.ingest.mapping import KINDS, can_fill, column_of, unit_of
from streamaudit.ingest.names import words
from streamaudit.ingest.profile.guess import guess
from streamaudit.ingest.profile.survey import Field, Survey

_MODEL = re.compile(
    r"([\w.-]+/)*(gpt|chatgpt|o[1-9]|claude|gemini|gemma|llama|meta-llama|mistral|mixtral|qwen|deepseek|command|grok|phi"
    r"|nova|kimi|glm)[\w.:@-]*",
    re.IGNORECASE,
)
_TOKEN_WORDS = frozenset("tok toks token tokens".split())
_IN_WORDS = frozenset("in input prompt request sent".split())
_OUT_WORDS = frozenset("out output completion generated gen response reply answer".split())
_TIME_WORDS = frozenset("secs sec seconds ms millis latency elapsed took runtime duration".split())


def suggest_mapping(survey: Survey) -> list[str]:
    """Return assignments for ``--map``: the best field of each column by its name, else by its values."""
    best: dict[str, tuple[float, Field]] = {}
    for field in survey.fields:
        likely = guess(field.facts)
        if likely:
            _keep(best, column_of(likely.role), likely.score, field)
        column = _guess_by_values(field)
        if column:
            _keep(best, column, 0.5, field)
    return [f"{column}={field.path}{find_unit(column, field)}" for column, (_, field) in best.items()]


def _keep(best: dict[str, tuple[float, Field]], column: str, score: float, field: Field) -> None:
    if column in KINDS and can_fill(column, field.path) and (column not in best or score > best[column][0]):
        best[column] = score, field


def _guess_by_values(field: Field) -> str | None:
    """Return the column that a field of an uncommon name may fill; None when its values suggest none."""
    facts, named = field.facts, set(words(field.path.rpartition(".")[2]))
    if not facts.filled:
        return None
    if field.example and _MODEL.fullmatch(field.example):
        return "model"
    if facts.instants == facts.filled:
        return "start_time"
    if facts.numbers < facts.filled:
        return None
    if named & _TOKEN_WORDS and not facts.fractions:
        return "input_tokens" if named & _IN_WORDS else "output_tokens" if named & _OUT_WORDS else None
    return "duration_ms" if named & _TIME_WORDS else None


def find_unit(column: str, field: Field) -> str:
    """Return the unit to write after the path of a duration whose name does not end in one, "" for none: seconds have
    fractions and are small."""
    if KINDS[column] != "duration" or unit_of(field.path):
        return ""
    named = set(words(field.path.rpartition(".")[2]))
    if named & {"secs", "sec", "seconds"}:
        return ":s"
    try:
        usual = float(field.example or "")
    except ValueError:
        return ""
    return ":s" if usual < 100 and field.facts.fractions else ":ms"
