"""JSON lines of one's own: one call a line, in streamaudit's own field names, names close to them, or the usual names
of home-made logs.

The same SQL is generated twice: for the own names alone, which is fast, and for the usual ones as well, for files whose
first records have one of those, nest their figures, or have no id or start. Where no record has an id, a call is
identified by the digest of its line and the ordinal among equal lines.
"""

import shlex
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache, partial
from math import log

from streamaudit.ingest.mapping import Mapping
from streamaudit.ingest.sources import _raw_answers
from streamaudit.ingest.sources._raw_advice import READS, REMEDIES, TOP_KEYS
from streamaudit.ingest.sources._raw_calls import (
    INVOCATION_METRICS,
    LINE_DIGEST,
    LINE_ORDINAL,
    TELLING,
    call_fields,
    calls_sql,
    recognise_own,
)
from streamaudit.ingest.sources._raw_gateways import find_gateway
from streamaudit.ingest.sources._raw_names import (
    ANSWERS,
    ID,
    ONLY_USUAL,
    START,
    Names,
    find_other_spellings,
    find_unitless,
    list_names,
)
from streamaudit.ingest.sources._raw_usage import INVOCATION_NAMES, NESTED, PARTS, find_usage, has_count
from streamaudit.ingest.sources.registry import APP_KEYS, Match, Occurs, Record, Source

_PER_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
_WORDS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
_LONE_TIMES = ("timestamp", "ts", "time", "created_at", "created", "datetime", "@timestamp")
"""Instants whose name does not show whether the call began or ended then."""


def _recognise(head: Sequence[Record]) -> Match | None:
    own = recognise_own(head)
    implied = _find_paths(head)
    # The lines' own schema has no answer, but an application may add it.
    is_plain = own and own.variant == "attempt/1" and not _has_value(head, ANSWERS)
    if own and (is_plain or not (_has_usual(head) or implied)):
        return replace(own, unread=_list_unread(head, implied))
    found = {column for column, names in list_names(wide=True).items() if _has_value(head, names)} | implied.keys()
    usages = [find_usage(record) for record in head]
    found |= {column for column in NESTED if any(has_count(usage, column) for usage in usages)}
    counted = {"input_tokens", "output_tokens"} <= found
    measured = counted or bool({"ttft_ms", "duration_ms", "cost_usd", "output_tokens", "first_token_at"} & found)
    if not own and not (measured and ("model" in found or "response_model" in found or counted)):
        return None
    match = own or Match("log", " + ".join(sorted(_explain_match(head, implied))))
    reading = build_wide_source(head, implied)
    return replace(match, reading=reading, notes=_list_notes(head), unread=_list_unread(head, implied))


def _read_mapped(head: Sequence[Record]) -> Match:
    """Read any records with the user's paths."""
    implied = _find_paths(head)
    reading = build_wide_source(head, implied)
    unread = _list_unread(head, implied)
    return Match("log", "mapped paths", reading=reading, notes=_list_notes(head), unread=unread)


def _find_paths(head: Sequence[Record]) -> Names:
    return find_other_spellings(head) | find_gateway(head)


def _has_usual(head: Sequence[Record]) -> bool:
    return any(record.get(name) not in (None, "") for record in head for name in ONLY_USUAL & record.keys()) or any(
        map(find_usage, head)
    )


def _has_value(head: Sequence[Record], names: Sequence[str]) -> bool:
    return any(record.get(name) not in (None, "") for record in head for name in names)


def _explain_match(head: Sequence[Record], implied: Names) -> list[str]:
    """Return the fields by which a home-made log was recognised: its model and its first measure."""
    names = list_names(wide=True)
    return [
        next((name for name in names[column] if _has_value(head, [name])), None) or implied[column][0]
        for column in ("model", "output_tokens", "duration_ms")
        if _has_value(head, names[column]) or column in implied
    ] or ["token counts"]


def _list_notes(head: Sequence[Record]) -> tuple[str, ...]:
    names = list_names(wide=True)
    start = next((name for name in names["start_time"] if _has_value(head, [name])), None)
    if start in _LONE_TIMES and _has_value(head, names["duration_ms"]) and not _has_value(head, names["end_time"]):
        return (f"{start} is taken for the start of a call: if it is written at its end, --map end_time={start}",)
    return ()


def _list_unread(head: Sequence[Record], implied: Names) -> dict[str, str]:
    unitless = find_unitless(head)
    if not unitless:
        return {}
    names = list_names(wide=True)
    filled = {column for column in names if _has_value(head, names[column])} | implied.keys()
    filled |= {"duration_ms"} if {"start_time", "end_time"} <= filled else set()
    filled |= {"ttft_ms"} if "first_token_at" in filled else set()
    return {
        column: _explain_unit(column, path, values)
        for column, (path, values) in unitless.items() if column not in filled
    }  # fmt: skip


def _explain_unit(column: str, path: str, values: Sequence[float]) -> str:
    """Say how to read a path whose name has no unit: in the one that brings its middle value nearest to what is usual,
    half a second to the first token and five to the last."""
    usual, middle = 5.0 if column == "duration_ms" else 0.5, sorted(values)[len(values) // 2]
    unit = min(_PER_SECOND, key=lambda unit: abs(log(middle / _PER_SECOND[unit] / usual)))
    assignment = shlex.quote(f"{column.removesuffix('_ms')}={path}:{unit}")
    return f"{path} has no unit and is not read: --map {assignment} reads it in {_WORDS[unit]}"


def build_wide_source(head: Sequence[Record], implied: Names) -> Source:
    """Return the source that reads a home-made log: its usual names, and the ``implied`` paths."""
    ids = list_names(wide=True)["call_id"]
    calls = [record for record in head if _has_value([record], list_names(wide=True)["model"])] or head
    named = bool(calls) and ("call_id" in implied or all(_has_value([record], ids) for record in calls))
    return replace(_WIDE if named else _NAMELESS, implied=Mapping(implied))


def _fit(source: Source, occurs: Occurs, *, wide: bool, call_id: str) -> Source:
    """Read only the names that occur: a home-made log may use any of 400, and a line has a dozen of them."""
    fields, sql = _build_fitting(frozenset(filter(occurs, _NAMES)), wide, call_id)
    return replace(source, fields=fields, sql=sql) if fields else source


@lru_cache(maxsize=64)
def _build_fitting(names: frozenset[str], wide: bool, call_id: str) -> tuple[dict[str, str], str]:
    occurs = names.__contains__
    return call_fields(wide=wide, occurs=occurs), calls_sql(wide=wide, call_id=call_id, occurs=occurs)


_NAMES = (
    *call_fields(wide=True), *sorted(PARTS), "choices", "candidates", "incomplete_details", "incomplete", "delta",
    "object", "promptFeedback",
    *INVOCATION_NAMES, INVOCATION_METRICS, *_raw_answers.NAMES, *_raw_answers.WORDS,
    *(key for keys in APP_KEYS.values() for key in keys),
)  # fmt: skip
_BY_DIGEST, _BY_ORDINAL = f"coalesce(own_id, {LINE_DIGEST})", f"coalesce(own_id, {LINE_ORDINAL})"

SOURCE = Source(
    name="raw",
    version=12,
    recognise=_recognise,
    fields=call_fields(wide=False),
    sql=calls_sql(wide=False, call_id="own_id"),
    is_record_a_row=True,
    has_total=True,
    fallback=True,
    read_mapped=_read_mapped,
    top_keys=TOP_KEYS,
    id_field="request_id",
    id_names="request",
    time_field="start_time",
    needs=(ID, START, TELLING),
    reads=READS,
    remedies=REMEDIES,
    fit=partial(_fit, wide=False, call_id="own_id"),
)  # fmt: skip
_WIDE = replace(
    SOURCE, fields=call_fields(wide=True), sql=calls_sql(wide=True, call_id=_BY_DIGEST), whole=True, time_field=None,
    fit=partial(_fit, wide=True, call_id=_BY_DIGEST),
)  # fmt: skip
_NAMELESS = replace(
    _WIDE, sql=calls_sql(wide=True, call_id=_BY_ORDINAL), id_field=None,
    fit=partial(_fit, wide=True, call_id=_BY_ORDINAL),
)  # fmt: skip
