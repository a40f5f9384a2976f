"""Guess the column that a field of an export may fill, from the words of its name and the shape of its values.

A guess only puts a field in front of a person; nothing is ever filled by one.
"""

import re
from dataclasses import dataclass
from typing import Literal

from streamaudit.ingest.names import words

Shape = Literal["name", "tokens", "number", "share", "flag", "instant", "code"]
Basis = Literal["name", "shape"]


@dataclass(frozen=True, slots=True)
class Facts:
    """Statistics of a field's values. Every count is of records; ``distinct`` counts different values."""

    path: str
    records: int
    filled: int
    distinct: int
    texts: int = 0
    plain: int = 0
    """Values that could be a name or an id: short, one word, nothing private."""
    numbers: int = 0
    """Numbers, and text that is one."""
    fractions: int = 0
    flags: int = 0
    """true and false, also as text."""
    instants: int = 0
    """Dates and times as text, or numbers as large as epochs."""


@dataclass(frozen=True, slots=True)
class Guess:
    """A column that a field may fill; a higher score is a better candidate."""

    role: str
    score: float
    basis: Basis


@dataclass(frozen=True, slots=True)
class _Role:
    shape: Shape
    words: dict[str, int]
    also: frozenset[str] = frozenset()
    """Words of which the name must have at least one as well."""


_CUT = dict.fromkeys(
    ("cancelled", "canceled", "cancel", "aborted", "abort", "disconnected", "disconnect", "interrupted", "hangup"), 8
)
_TOKENS = frozenset(("tokens", "token"))

_ROLES: dict[str, _Role] = {
    "tenant": _Role("name", {
        "tenant": 10, "org": 9, "organization": 9, "organisation": 9, "customer": 8, "cust": 7, "workspace": 8,
        "account": 7, "acct": 7, "company": 7, "team": 6, "merchant": 6, "client": 5, "partner": 5, "subscriber": 5,
        "business": 5, "brand": 4, "group": 4,
    }),
    "route": _Role("name", {
        "route": 10, "endpoint": 9, "feature": 8, "usecase": 8, "handler": 7, "workflow": 6, "path": 5, "flow": 5,
        "page": 5, "screen": 5, "surface": 5, "action": 5, "task": 4, "product": 4, "uri": 5,
    }),
    "deploy": _Role("name", {
        "deploy": 10, "deployment": 10, "release": 9, "rollout": 7, "version": 7, "build": 7, "commit": 7,
        "revision": 7, "sha": 6, "git": 5,
    }),
    "rendered_tokens": _Role(
        "tokens", dict.fromkeys(("rendered", "displayed", "shown", "painted", "seen", "visible"), 13), _TOKENS
    ),
    "delivered_tokens": _Role(
        "tokens", dict.fromkeys(("delivered", "streamed", "sent", "flushed", "emitted"), 13), _TOKENS
    ),
    "cancelled": _Role("flag", _CUT),
    "user_id": _Role("name", {
        "user": 9, "enduser": 9, "usr": 8, "uid": 7, "member": 6, "employee": 6, "visitor": 6, "person": 5,
    }),
    "session_id": _Role("name", {
        "session": 9, "conversation": 9, "thread": 7, "dialog": 6, "dialogue": 6, "chat": 5,
    }),
    "environment": _Role("name", {"environment": 9, "env": 9, "stage": 6}),
    "service": _Role("name", {"service": 9, "svc": 8, "microservice": 9, "application": 7, "app": 7, "component": 5}),
    "region": _Role("name", {"region": 9, "datacenter": 7, "dc": 6, "zone": 5, "geo": 5, "location": 4}),
    "transport": _Role("name", {"transport": 9, "protocol": 5}),
    "model": _Role("name", {"model": 9, "engine": 4}),
    "request_id": _Role("name", {"request": 8, "call": 7, "generation": 7, "span": 6, "event": 5, "log": 4, "": 5}),
    "trace_id": _Role("name", {"trace": 9}, frozenset(("id", "uuid"))),
    "provider": _Role("name", {"provider": 9, "vendor": 6}),
    "start_time": _Role("instant", {
        "start": 9, "started": 9, "timestamp": 8, "begin": 8, "ts": 7, "created": 6, "time": 6, "date": 5,
    }),
    "end_time": _Role("instant", {"end": 9, "ended": 9, "finished": 8, "completed": 7}),
    "duration_ms": _Role("number", {"duration": 9, "latency": 8, "elapsed": 8}),
    "ttft_ms": _Role("number", {"ttft": 10, "first": 7}, frozenset(("ttft", "token", "chunk", "byte"))),
    "output_tokens": _Role("tokens", {"output": 9, "completion": 9, "generated": 8, "candidates": 6}, _TOKENS),
    "input_tokens": _Role("tokens", {"input": 9, "prompt": 9}, _TOKENS),
    "reasoning_tokens": _Role("tokens", {"reasoning": 13, "thinking": 13, "thoughts": 13}, _TOKENS),
    "cost_usd": _Role("share", {"cost": 9, "usd": 8, "price": 6}),
    "finish_reason": _Role("name", {"finish": 9, "stop": 8}, frozenset(("reason",))),
    "http_status": _Role("code", {"status": 7, "http": 6}),
}  # fmt: skip

# The order in which roles are shown, the most wanted first.
ORDER = tuple(_ROLES)

# Endings of a name that is about the word before them.
_SUFFIXES = {
    "id": 2, "uuid": 2, "slug": 1, "key": 1, "handle": 1, "ref": 1,
    **dict.fromkeys("ids name code ns ms s unix at count tokens token reason usd".split(), 0),
}  # fmt: skip
# Words that make the name be about something else.
_SPOILERS = frozenset(
    "type tier plan level kind size limit quota balance settings flag email mail url avatar role manager index parent "
    "alias parameters params config temperature format hash secret password updated modified deleted total cache "
    "cached write max bookmarked public pricing".split()
)
# The same, also one level up in the path: the version of a library is no deploy.
_TECHNICAL = frozenset(
    "schema sdk library lib api protocol python node runtime prompt tracer ddtrace otel telemetry language".split()
)
# The same anywhere in a path: such fields describe the instrumentation, not the application.
_INSTRUMENT = frozenset("instrumentation instrumentor scope exporter collector telemetry sdk otel tracer".split())
_HARMLESS = {
    "input_tokens": {"prompt", "total"}, "transport": {"protocol"}, "cost_usd": {"total"}, "user_id": {"alias"},
    "tenant": {"alias", "key"}, "route": {"api", "url"}, "http_status": {"type"}, "start_time": {"api"},
    "duration_ms": {"api", "total"}, "ttft_ms": {"prompt"},
}  # fmt: skip
_ENOUGH = 4.0
_DISTANCE = 2
_BY_SHAPE = ("tenant", "route", "deploy", "user_id", "session_id", "environment", "service", "region")


def guess(facts: Facts) -> Guess | None:
    """Return the best role for a field by its name, if its values have the shape for it; None when no role is
    likely."""
    found = [Guess(role, score, "name") for role in _ROLES if (score := _score(role, facts)) >= _ENOUGH]
    return max(found, key=lambda one: (one.score, -ORDER.index(one.role)), default=None)


def rate_candidate(role: str, facts: Facts) -> Guess | None:
    """Rate how likely a field fills one role: by its name, else by values that look like names of groups of calls."""
    score = _score(role, facts)
    if score >= _ENOUGH:
        return Guess(role, score, "name")
    best = guess(facts)
    if role in _BY_SHAPE and best is None and _forms_groups(facts):
        return Guess(role, facts.filled / max(facts.records, 1), "shape")
    return None


def _topic_words(path: str) -> list[str]:
    """Return the words of the last part of a path; of more parts when that one alone, such as ``id``, is ambiguous."""
    named: list[str] = []
    for part in reversed(re.split(r"[./:]", path)):
        named = [*words(part), *named]
        if not set(named) <= _SUFFIXES.keys():
            break
    return named


def _score(role: str, facts: Facts) -> float:
    wanted = _ROLES[role]
    if not facts.filled or not _fits(wanted.shape, facts):
        return 0
    named = _topic_words(facts.path)
    if wanted.also and not wanted.also & set(named):
        return 0
    bonus = 0
    about = list(named)
    while len(about) > 1 and about[-1] in _SUFFIXES and about[-1] not in wanted.words:
        bonus = max(bonus, _SUFFIXES[about.pop()])
    above = words(" ".join(re.split(r"[./:]", facts.path)[-2:]))
    anywhere = _INSTRUMENT & set(words(facts.path))
    spoilers = (_SPOILERS & set(about[-2:]) | _TECHNICAL & set(above) | anywhere) - _HARMLESS.get(role, set())
    best = max((wanted.words.get(word, 0) - _DISTANCE * back for back, word in enumerate(reversed(about))), default=0)
    if role == "request_id":
        best = wanted.words[""] if named in (["id"], ["uuid"]) else best
        if facts.distinct < 0.95 * facts.filled or facts.filled < 0.95 * facts.records:
            return 0
    if best <= 0:
        return 0
    score = best + bonus - 6 * len(spoilers)
    if role in ("tenant", "route", "deploy") and facts.filled >= 20:
        # A single value, or a different one for each call, forms no groups.
        score -= 4 if facts.distinct == 1 or facts.distinct > 0.9 * facts.filled else 0
    return score + facts.filled / max(facts.records, 1)


def _fits(shape: Shape, facts: Facts) -> bool:
    filled = facts.filled
    match shape:
        case "name":
            textual = facts.texts - facts.flags
            return facts.instants < 0.5 * filled and (
                textual > 0.5 * filled or (facts.numbers == filled and not facts.fractions)
            )
        case "flag":
            return facts.flags > 0.9 * filled
        case "instant":
            return facts.instants > 0.9 * filled
        case "tokens" | "code":
            return facts.numbers > 0.9 * filled and not facts.fractions and facts.instants == 0
        case "number" | "share":
            return facts.numbers > 0.9 * filled


def _forms_groups(facts: Facts) -> bool:
    """Whether the values split the calls into groups: short names, several, and most of them more than once."""
    return (
        min(facts.plain, facts.texts - facts.numbers) > 0.9 * facts.filled
        and facts.instants == facts.fractions == facts.flags == 0
        and 2 <= facts.distinct <= facts.filled / 2
    )
