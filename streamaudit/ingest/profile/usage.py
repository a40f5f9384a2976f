"""Find which column a field fills today, by trying: one record of each field is read unchanged, without the field, and
with another value in it, by the same SQL that ingest uses. The columns that differ are those that the field fills."""

import json
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from streamaudit.ingest.json_text import decode
from streamaudit.ingest.macros import define_macros
from streamaudit.ingest.mapped import apply_mapping
from streamaudit.ingest.mapping import KEYED, MAPPABLE, Mapping
from streamaudit.ingest.names import words
from streamaudit.ingest.occurring import MOST_BYTES, words_of
from streamaudit.ingest.sources._app_keys import omit_absent_keys
from streamaudit.ingest.sources.registry import Occurs, Source, parameters
from streamaudit.ingest.staging import structure
from streamaudit.store.planning import FEW_CALLS
from streamaudit.store.store import Store

Names = tuple[str, ...]

_RECORDS = """
SELECT {number} AS line, {record} AS record, unnest(from_json(bare, $structure))
FROM {relation}
"""
_JUDGE = """
CREATE OR REPLACE TABLE judged_records AS
WITH records AS ({records})
SELECT line AS no, kind, tenant_rank, route_rank, deploy_rank, rendered_tokens_rank, delivered_tokens_rank
FROM (
    SELECT * FROM ({normalised})
    UNION ALL BY NAME
    SELECT NULL::BIGINT AS line, NULL::VARCHAR AS kind, NULL::INTEGER AS tenant_rank, NULL::INTEGER AS route_rank,
        NULL::INTEGER AS deploy_rank, NULL::INTEGER AS rendered_tokens_rank, NULL::INTEGER AS delivered_tokens_rank
    WHERE false
)
"""
_NOT_JUDGED = "CREATE OR REPLACE TABLE judged_records (no BIGINT, kind VARCHAR)"
_TEXT = "SELECT string_agg(bare::VARCHAR, chr(10)) FROM sampled_records HAVING sum(strlen(bare::VARCHAR)) <= $most"
# A column's best candidate key that occurs anywhere fills it for the whole source.
_CHOSEN = """
SELECT min(tenant_rank), min(route_rank), min(deploy_rank), min(rendered_tokens_rank), min(delivered_tokens_rank)
FROM judged_records WHERE kind <> 'other'
"""
_WANTED = "SELECT no, bare FROM sampled_records WHERE list_contains($numbers, no)"
_TRIED = """
WITH records AS ({records})
SELECT line, to_json(found)::VARCHAR FROM ({normalised}) AS found
"""
_AT_ONCE = 400

# Columns under the names that users know; all others feed these or are in no report.
_KNOWN_AS = {
    "said_outcome": "outcome", "app_outcome": "outcome", "failed": "outcome", "error_cancelled": "outcome",
    "error_timeout": "outcome", "cancel_flag": "cancelled", "cut_evidence": "outcome", "span_kind": "kind",
}  # fmt: skip
_NOTHING = {
    "line", "misfits", "total_tokens", "input_hash", "output_chars", "visible_output_chars",
    *(f"{column}_rank" for column in KEYED),
}  # fmt: skip
_AT_LAST = ("name", "kind", "ttft_basis", "usage_basis", "parent_id", "call_id")


@dataclass(frozen=True, slots=True)
class Spot:
    """A place to try a field: the keys that lead to it, and the numbers of records in which it is filled."""

    names: tuple[Names, ...]
    records: tuple[int, ...]
    role: str | None = None
    """The role guessed from its name and values."""


@dataclass(frozen=True, slots=True)
class Uses:
    """The column each path fills, and the columns filled by a key of the source itself or of the user."""

    columns: dict[str, str] = field(default_factory=dict)
    filled: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Reading:
    """A way to read the records in ``sampled_records`` as ingest would: the format, what the user maps, and which names
    occur in them where that is known."""

    source: Source
    mapping: Mapping
    occurs: Occurs | None

    @property
    def statement(self) -> str:
        """SELECT of their calls over ``records``."""
        judged = apply_mapping(self.source, self.mapping)
        return omit_absent_keys(judged, self.occurs) if self.occurs else judged

    def records(self, number: str, relation: str) -> str:
        """Return the SELECT of ``records`` from a relation that has a number and the record as ``bare``."""
        record = "mappable(bare)" if self.mapping.paths else "bare"
        return _RECORDS.format(number=number, record=record, relation=relation)

    @property
    def parameters(self) -> dict[str, Any]:
        """Values that the statement and the SELECT of records bind."""
        return {"structure": structure(self.source), "salt": "", **parameters(self.mapping)}


def plan_reading(store: Store, source: Source, mapping: Mapping) -> Reading:
    """Return how ``sampled_records`` are read: with only the names that occur in them, since planning for all takes
    longer than reading thousands of records."""
    text = store.query(_TEXT, {"most": MOST_BYTES})
    occurs = words_of(BytesIO(text[0][0].encode())) if text and text[0][0] else None
    return Reading(source.fitted(occurs), mapping, occurs)


def judge(store: Store, reading: Reading | None) -> None:
    """Read ``sampled_records`` as ingest would, into ``judged_records``: the kind of each, and where its columns come
    from."""
    if reading is None:
        store.run(_NOT_JUDGED)
        return
    records = reading.records("no", "sampled_records WHERE bare IS NOT NULL")
    statement = _JUDGE.format(records=records, normalised=reading.statement)
    define_macros(store, statement)
    with _few(store, store.one("SELECT count(*) FROM sampled_records")[0]):
        store.run(statement, reading.parameters)


def find_uses(store: Store, reading: Reading | None, spots: dict[str, Spot]) -> Uses:
    """Find the column that every path of ``spots`` fills."""
    if reading is None:
        return Uses()
    chosen = dict(zip(KEYED, store.one(_CHOSEN), strict=True))
    found: dict[str, set[str]] = {}
    paths = list(spots)
    for start in range(0, len(paths), _AT_ONCE):
        some = {path: spots[path] for path in paths[start : start + _AT_ONCE]}
        for path, changed in _run_trials(store, reading, some, chosen).items():
            # Where the format has no id, one is made from the whole record.
            found.setdefault(path, set()).update(changed if reading.source.id_field else changed - {"call_id"})
    columns = {path: _choose_main_column(path, changed, spots[path].role) for path, changed in found.items() if changed}
    filled = {column for column, rank in chosen.items() if rank is not None} | set(columns.values())
    return Uses(columns, frozenset(filled))


def _run_trials(
    store: Store, reading: Reading, spots: dict[str, Spot], chosen: dict[str, int | None]
) -> dict[str, set[str]]:
    numbers = sorted({number for spot in spots.values() for number in spot.records})
    originals = {number: decode(text) for number, text in store.query(_WANTED, {"numbers": numbers})}
    records = [originals[number] for number in numbers]
    bases = {number: line for line, number in enumerate(numbers)}
    trials: list[tuple[str, int, int]] = []
    for path, spot in spots.items():
        for number in spot.records:
            for names in spot.names:
                for changed in _variants(originals[number], names):
                    trials.append((path, bases[number], len(records)))
                    records.append(changed)
    statement = _TRIED.format(
        records=reading.records(
            "line", "(SELECT unnest($lines::BIGINT[]) AS line, unnest($records::VARCHAR[])::JSON AS bare)"
        ),
        normalised=reading.statement,
    )
    bound = {
        **reading.parameters, "lines": list(range(len(records))),
        "records": [json.dumps(record) for record in records],
    }  # fmt: skip
    define_macros(store, statement)
    with _few(store, len(records)):
        read = {line: decode(text) for line, text in store.query(statement, bound)}
    found: dict[str, set[str]] = {}
    for path, base, trial in trials:
        found.setdefault(path, set()).update(_differences(read[base], read[trial], chosen))
    return found


def _few(store: Store, records: int) -> AbstractContextManager[None]:
    return store.brief_planning() if records <= FEW_CALLS else nullcontext()


def _differences(base: dict[str, Any], trial: dict[str, Any], chosen: dict[str, int | None]) -> set[str]:
    changed = {column for column in base if column not in _NOTHING and base[column] != trial[column]}
    kept = {column for column in changed if column not in KEYED or base.get(f"{column}_rank") == chosen[column]}
    return {_KNOWN_AS.get(column, column) for column in kept}


def _choose_main_column(path: str, changed: set[str], role: str | None) -> str:
    """Return the main one of the columns that a field changes: a start also moves durations, an end the time to its
    token."""
    if role in changed:
        return role
    named_in_path = set(words(path))

    def order(column: str) -> tuple[bool, bool, bool, int, str]:
        late = _AT_LAST.index(column) + 1 if column in _AT_LAST else 0
        named = {word for word in words(column) if word not in ("ms", "usd", "id")} <= named_in_path
        return (column not in MAPPABLE, late > 0 and not named, not named, late, column)

    return min(changed, key=order)


_REMOVED = object()


def _variants(record: dict[str, Any], names: Names) -> list[dict[str, Any]]:
    """Return the record without the value at a place, and with another one there; empty where the record has no such
    place."""
    try:
        other = _other_value(_at(record, names))
        others = [] if other is None else [_change_value(record, names, other)]
        return [_change_value(record, names, _REMOVED), *others]
    except LookupError:
        return []


def _other_value(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str):
        if value.lower() in ("true", "false"):
            return "false" if value.lower() == "true" else "true"
        return str(int(value) + 1) if value.isdecimal() and value.isascii() else "another"
    return None


def _unpack(value: Any) -> Any:
    """Return an object that is written as JSON text; anything else unchanged."""
    if isinstance(value, str) and value.startswith("{"):
        try:
            return decode(value)
        except (ValueError, RecursionError):
            return value
    return value


def _at(value: Any, names: Names) -> Any:
    if not names:
        return value
    value = _unpack(value)
    if isinstance(value, list):
        return next((tag.partition(":")[2] for tag in value if _is_tag(tag, names)), None)
    if not isinstance(value, dict):
        raise LookupError
    return _at(value[names[0]], names[1:])


def _change_value(value: Any, names: Names, new: Any) -> Any:
    if not names:
        return new
    opened = _unpack(value)
    if isinstance(opened, list):
        kept = [tag for tag in opened if not _is_tag(tag, names)]
        return kept if new is _REMOVED else [f"{names[0]}:{new}", *kept]
    inner = _change_value(opened[names[0]], names[1:], new)
    result = {**opened, names[0]: inner}
    if inner is _REMOVED:
        del result[names[0]]
    return json.dumps(result) if isinstance(value, str) else result


def _is_tag(tag: Any, names: Names) -> bool:
    return isinstance(tag, str) and len(names) == 1 and tag.startswith(f"{names[0]}:")
