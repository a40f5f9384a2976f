"""Spans of OpenTelemetry GenAI and OpenInference as calls and steps, however an export wraps them.

A source's own SQL gives a relation ``spans``: ``line``, ``record`` (the object that --map reads, only when the user
mapped a path), ``trace``, ``span`` and ``parent`` (ids as written), ``name``, ``kind`` (OTel's span kind as a number or
a word), ``kind_word`` (OpenInference's kind where it is outside the attributes), ``scope``, ``started``, ``ended``
(UTC), ``keys`` and ``vals`` (attributes as two lists of one length, values as text), ``own`` (the keys as an
application wrote them, without a library's prefix), ``r_keys`` and ``r_vals`` (the same of the resource),
``r_tenants`` and ``r_deploys`` (the resource's values of OWN_KEYS, in their order),
``events`` (name, at, attributes), ``dropped`` (how many events the exporter left out), ``status`` and
``status_message``, and ``is_other`` for what holds no span.

Names of attributes are those of the GenAI conventions in their four generations, of OpenLLMetry, the Vercel AI SDK,
OpenInference, MLflow and vLLM; the newest first. Seconds or milliseconds as each of them defines it.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from streamaudit.ingest.sources._app_keys import expand_app_keys
from streamaudit.ingest.sources._otel_calls import ANSWER, SQL
from streamaudit.ingest.sources._otel_semconv import CALL_WORDS, CAPS, COSTS, COUNTS, PACKED
from streamaudit.ingest.sources._otel_voice import FRAGMENTS, NO_VOICE
from streamaudit.ingest.sources._otel_voice import KEYS as VOICE_KEYS
from streamaudit.ingest.sources.registry import Occurs, Source

_LOOKUPS = re.findall(
    r"attribute\((?:keys|own), vals, ('[^']+')\)|list_transform\(\[([^\]]+)\]", SQL + "".join(FRAGMENTS.values())
)
KNOWN = tuple(dict.fromkeys((
    *re.findall(r"'([^']+)'", " ".join(one or several for one, several in _LOOKUPS)),
    *(name for names in (*COUNTS.values(), *COSTS.values()) for name in names), *PACKED,
)))  # fmt: skip
"""Every attribute that the SQL reads under its own name."""

_SQL = SQL.replace("{call_words}", CALL_WORDS).replace("{caps}", str(list(CAPS))).replace("{answer}", ANSWER)
_LOOKUP = re.compile(r"attribute\(keys, vals, '([^']+)'\)")


def normalise(spans: str, occurs: Occurs = lambda name: True) -> str:
    """Return the SQL of a source whose records become ``spans`` by the given SELECT, for a file in which only some
    names occur."""
    sql = _SQL
    has_voice = occurs("livekit*") or any(map(occurs, VOICE_KEYS))
    for mark, columns in (FRAGMENTS if has_voice else NO_VOICE).items():
        sql = sql.replace(f"{{{mark}}}", columns.strip())
    packed = [name for name in PACKED if occurs(name)]
    sql = sql.replace("{details}", _open_details(packed))
    for column, names in COUNTS.items():
        listed = _list_counts([name for name in names if occurs(name)])
        details = _list_details(packed, column, "tokens_of")
        sql = sql.replace(f"{{{column}}}", f"list_concat({listed}, {details})" if details else listed)
    for column, names in COSTS.items():
        listed = _list_numbers([name for name in names if occurs(name)])
        details = _list_details(packed, column, "number_of")
        found = f"list_concat({listed}, {details})" if details else listed
        sql = sql.replace(f"{{{column}}}", f"list_filter({found}, lambda n: n > 0)[1]")
    return expand_app_keys(_list_attributes(sql, occurs).replace("{spans}", spans, 1))


def _list_counts(names: Sequence[str]) -> str:
    if not names:
        return "[]::BIGINT[]"
    return f"list_transform({list(names)}, lambda k: tokens_of(vals[list_position(keys, k)]))"


def _list_numbers(names: Sequence[str]) -> str:
    if not names:
        return "[]::DOUBLE[]"
    return f"list_transform({list(names)}, lambda k: number_of(vals[list_position(keys, k)]))"


def _open_details(packed: Sequence[str]) -> str:
    """Return a column with the counts inside each of these attributes, NULL where a file has none of them."""
    opened = (
        f"json_extract_string(json_of(vals[list_position(keys, '{name}')]), {_pointers(name)})" for name in packed
    )
    return f"[{', '.join(opened)}] AS details," if packed else "NULL::VARCHAR[][] AS details,"


def _list_details(packed: Sequence[str], column: str, read: str) -> str | None:
    """Return the values of a column inside those attributes."""
    places = (
        f"details[{number}][{_pointers(name).index(pointer) + 1}]"
        for number, name in enumerate(packed, start=1) for pointer in PACKED[name].get(column, ())
    )  # fmt: skip
    listed = ", ".join(places)
    return f"list_transform([{listed}], lambda v: {read}(v))" if listed else None


def _pointers(name: str) -> list[str]:
    return [pointer for pointers in PACKED[name].values() for pointer in pointers]


def _list_attributes(sql: str, occurs: Occurs) -> str:
    """Look all attributes up once, into a list from which each use takes its own: to look one up is planned several
    times as long as to take it."""
    names = [name for name in dict.fromkeys(_LOOKUP.findall(sql)) if occurs(name)]
    places = {name: place for place, name in enumerate(names, start=1)}
    listed = f"list_transform({names}::VARCHAR[], lambda k: vals[list_position(keys, k)])"
    taken = _LOOKUP.sub(lambda found: f"given[{places[found[1]]}]" if found[1] in places else "NULL::VARCHAR", sql)
    return taken.replace("{attributes}", listed, 1)


_NAMES = tuple(dict.fromkeys((*KNOWN, *_LOOKUP.findall(_SQL), *VOICE_KEYS)))


def fit_spans(source: Source, occurs: Occurs, *, spans: str) -> Source:
    """Read only the attributes that occur."""
    names = frozenset(filter(occurs, _NAMES))
    return replace(source, sql=_fit(spans, names | {"livekit*"} if occurs("livekit*") else names))


@lru_cache(maxsize=64)
def _fit(spans: str, names: frozenset[str]) -> str:
    return normalise(spans, names.__contains__)
