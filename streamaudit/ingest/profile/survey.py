"""Survey the paths of an export: every field that ``--map`` can read, how often it is filled, and what it may be.

DuckDB finds the keys level by level and counts their values; Python sees one row a path, never a record. Prompts and
answers are removed from every record before anything else looks at it.
"""

import json
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from streamaudit.errors import InputError, UsageError
from streamaudit.ingest.macros import define_macros
from streamaudit.ingest.mapping import Mapping, parse_mapping, path_only
from streamaudit.ingest.privacy import ID, NAME, PLAIN, PRIVATE, TOP_CONTENT, is_content, is_private
from streamaudit.ingest.profile.guess import Facts, guess
from streamaudit.ingest.profile.usage import Spot, find_uses, judge, plan_reading
from streamaudit.ingest.readers.container import InputFile
from streamaudit.ingest.readers.surrogates import mend_surrogates
from streamaudit.ingest.sources.registry import Source
from streamaudit.ingest.staging import explain_failure, longest_object, select_records
from streamaudit.store.duckdb_errors import ReadFailure
from streamaudit.store.store import Store

KEPT = 20_000
"""Records examined unless more are requested, and the most that are kept to find out which field fills which column."""
ALL = 1 << 60

_MAX_DEPTH = 6
# An object with more different keys than this is a map of something: only keys that many records share are fields.
_MAX_KEYS = 100
_COMMON = 0.05
_MAX_PATHS = 1_000
_NUMBERS = {"UBIGINT", "BIGINT", "HUGEINT", "UHUGEINT", "DOUBLE"}

_SAMPLE = """
INSERT INTO sampled_records
SELECT no, mappable(bare), CASE WHEN no <= $kept THEN bare END
FROM (
    SELECT $before + row_number() OVER () AS no, bare
    FROM (
        SELECT json_merge_patch(record, CASE WHEN json_type(record, '/attributes') = 'OBJECT'
            THEN $without_both::JSON ELSE $without::JSON END) AS bare
        FROM ({read}) WHERE json_type(record) = 'OBJECT' LIMIT $most
    )
)
"""
_KEYS = """
WITH held AS (
    SELECT unnest($pointers::VARCHAR[]) AS pointer, unnest(json_keys(record, $pointers::VARCHAR[])) AS keys
    FROM sampled_records
), counted AS (
    SELECT pointer, key, count(*) AS records FROM (SELECT pointer, unnest(keys) AS key FROM held) GROUP BY ALL
), judged_keys AS (
    SELECT *, list_contains($known::VARCHAR[], key)
        OR (regexp_full_match(key, $name) AND NOT regexp_matches(key, $private) AND NOT regexp_full_match(key, $id))
        AS named
    FROM counted
), holders AS (
    SELECT pointer, count(*) AS records FROM held WHERE len(keys) > 0 GROUP BY pointer
)
SELECT pointer, any_value(holders.records),
    coalesce(list([key, judged_keys.records::VARCHAR] ORDER BY judged_keys.records DESC, key) FILTER (named), [])
        [:$most],
    count(*) FILTER (named), count(*) FILTER (NOT named)
FROM judged_keys JOIN holders USING (pointer)
GROUP BY pointer
ORDER BY pointer
"""
_TYPES = """
SELECT pointer, type
FROM (
    SELECT unnest($pointers::VARCHAR[]) AS pointer, unnest(json_type(record, $pointers::VARCHAR[])) AS type
    FROM sampled_records
)
WHERE type IS NOT NULL
GROUP BY ALL
"""
# Every different value is judged once; one too long to be shown is identified by its hash alone.
_FACTS = """
WITH held AS (
    SELECT no, kind, unnest($paths::VARCHAR[]) AS path, unnest(json_type(record, $pointers::VARCHAR[])) AS type,
        unnest(json_extract_string(record, $pointers::VARCHAR[])) AS text
    FROM sampled_records LEFT JOIN judged_records USING (no)
), filled AS (
    SELECT
        path, type,
        CASE WHEN length(text) <= 40 AND type NOT IN ('ARRAY', 'OBJECT') THEN text ELSE hash(text) || '…' END AS text,
        count(*) AS records, min(no + CASE WHEN kind = 'llm' THEN 0 ELSE $other_kind END) AS first,
        max(no) FILTER (kind = 'llm') AS last
    FROM held
    WHERE type <> 'NULL' AND text NOT IN ('', '[]', '{}')
    GROUP BY ALL
), looked_at AS (
    SELECT
        *,
        CASE WHEN type NOT IN ('BOOLEAN', 'ARRAY', 'OBJECT') THEN try_cast(text AS DOUBLE) END AS number,
        type NOT IN ('ARRAY', 'OBJECT') AND (type <> 'VARCHAR' OR (
            regexp_full_match(text, $plain) AND NOT regexp_matches(text, $private)
            -- Long, of mixed case and with digits, without a break: more likely a key than a name.
            AND NOT (regexp_full_match(text, '[A-Za-z0-9+/=]{24,}') AND regexp_matches(text, '[a-z]')
                AND regexp_matches(text, '[A-Z]') AND regexp_matches(text, '[0-9]')))) AS plain
    FROM filled
)
SELECT
    path, sum(records)::BIGINT, count(*),
    coalesce(sum(records) FILTER (type = 'VARCHAR'), 0)::BIGINT,
    coalesce(sum(records) FILTER (plain), 0)::BIGINT,
    coalesce(sum(records) FILTER (number IS NOT NULL), 0)::BIGINT,
    coalesce(sum(records) FILTER (number <> floor(number)), 0)::BIGINT,
    coalesce(sum(records) FILTER (type IN ('BOOLEAN', 'VARCHAR') AND lower(text) IN ('true', 'false')), 0)::BIGINT,
    coalesce(sum(records) FILTER (CASE WHEN type = 'VARCHAR' THEN regexp_matches(text, '^\\d{4}-\\d\\d-\\d\\d([T ]|$)')
        ELSE number BETWEEN 1e9 AND 4e9 OR number BETWEEN 1e12 AND 4e12 OR number BETWEEN 1e15 AND 4e15
            OR number BETWEEN 1e18 AND 4e18 END), 0)::BIGINT,
    arg_max(text, (records, text)) FILTER (plain), list(DISTINCT type), min(first), max(last)
FROM looked_at
GROUP BY path
"""
_OTHER_KIND = 1 << 61


@dataclass(frozen=True, slots=True)
class Field:
    """A path: its values' type and statistics, an example where one may be shown, and the column it fills today."""

    path: str
    names: tuple[str, ...]
    """The keys that lead to it, one per object; tags and metadata written as text count as objects."""
    type: str
    facts: Facts
    example: str | None = None
    hidden: bool = False
    """The field has values, and none of them may be shown."""
    fills: str | None = None


@dataclass(frozen=True, slots=True)
class Survey:
    """The fields of files of one format. ``source`` is None when no format is known for them."""

    source: Source | None
    records: int
    complete: bool
    """Every record was examined."""
    fields: tuple[Field, ...] = ()
    filled: frozenset[str] = frozenset()
    """Columns that ingest fills from these files at present."""
    content: int = 0
    unnamed: int = 0
    rare: int = 0
    out_of_reach: int = 0


@dataclass(slots=True)
class _Places:
    """The result of the search for keys: the ways to each path, and counts of what was passed over."""

    names: dict[str, list[tuple[str, ...]]] = field(default_factory=dict)
    types: dict[str, set[str]] = field(default_factory=dict)
    parents: set[str] = field(default_factory=set)
    content: set[str] = field(default_factory=set)
    unnamed: int = 0
    rare: int = 0
    out_of_reach: int = 0


def survey(
    store: Store, files: Sequence[InputFile], source: Source | None, mapping: Mapping, most: int = KEPT
) -> Survey:
    """Survey the first ``most`` records of files of one format, the same number of each file.

    The store is one in memory that this may fill with tables of its own. Raises InputError when a file cannot be read.
    """
    store.run("SET preserve_insertion_order = true")  # so that the first records are the first
    complete = _sample(store, files, most)
    reading = plan_reading(store, source, mapping) if source else None
    judge(store, reading)
    records = store.one("SELECT count(*) FROM sampled_records")[0]
    places = _find(store, source.mapping(mapping) if source else mapping)
    content = places.content | {name for file in files for record in file.head for name in TOP_CONTENT & record.keys()}
    fields, spots = _facts(store, places, records)
    used = find_uses(store, reading, spots)
    fields = [_set_column(one, used.columns.get(one.path)) for one in fields]
    return Survey(
        source, records, complete, tuple(fields), used.filled, len(content), places.unnamed, places.rare,
        places.out_of_reach,
    )  # fmt: skip


def _set_column(one: Field, column: str | None) -> Field:
    return replace(one, fills=column)


def _sample(store: Store, files: Sequence[InputFile], most: int) -> bool:
    """Fill ``sampled_records``; return True when that was every record of every file."""
    store.run("CREATE OR REPLACE TABLE sampled_records (no BIGINT, record JSON, bare JSON)")
    share = -(-most // len(files))
    removed = dict.fromkeys(sorted(TOP_CONTENT))
    complete = True
    for file in files:
        read, bound = select_records(file)
        before = store.one("SELECT count(*) FROM sampled_records")[0]
        bound |= {
            "before": before, "kept": KEPT, "most": share + 1, "without": json.dumps(removed),
            "without_both": json.dumps({**removed, "attributes": removed}),
        }  # fmt: skip
        try:
            _read(store, file, _SAMPLE.format(read=read), bound)
        except ReadFailure as failure:
            if failure.kind != "malformed" or not _read_mended(store, file, bound):
                raise InputError(f"{file.shown}: {explain_failure(file, failure)}") from None
        complete = not store.run("DELETE FROM sampled_records WHERE no > $last", {"last": before + share}) and complete
    return complete


def _read_mended(store: Store, file: InputFile, bound: dict[str, Any]) -> bool:
    """Read a mended copy of a file that was refused for half of a surrogate pair in it; return False when it has none,
    or is damaged elsewhere too."""
    with tempfile.TemporaryDirectory(prefix="streamaudit-") as folder:
        copy = mend_surrogates(file, Path(folder))
        if copy is None:
            return False
        read, places = select_records(copy)
        try:
            _read(store, copy, _SAMPLE.format(read=read), {**bound, **places})
        except ReadFailure:
            return False
        return True


def _read(store: Store, file: InputFile, statement: str, bound: dict[str, Any]) -> None:
    from streamaudit.store.duckdb_errors import translate_read_failures

    define_macros(store, statement)
    try:
        with translate_read_failures():
            store.run(statement, bound)
    except ReadFailure as failure:
        if failure.kind != "object_too_large":
            raise
        with translate_read_failures():
            store.run(statement, {**bound, "object_bytes": longest_object(file)})


def _find(store: Store, mapping: Mapping) -> _Places:
    """Find every path of the records, with one query a level. A key on a mapped path is the name of a field, however
    it looks: ``Latency (s)``."""
    places = _Places()
    known = sorted({key for paths in mapping.paths.values() for path in paths for key in path_only(path).split(".")})
    level: list[tuple[str, ...]] = [()]
    while level and len(places.names) < _MAX_PATHS:
        found: list[tuple[str, ...]] = []
        asked = {_pointer(names): names for names in level}
        bound = {
            "pointers": list(asked), "name": NAME, "private": PRIVATE, "id": ID, "most": _MAX_KEYS + 1, "known": known,
        }  # fmt: skip
        for pointer, holders, keys, named, unnamed in store.query(_KEYS, bound):
            kept = keys
            if named > _MAX_KEYS:
                kept = [pair for pair in keys[:_MAX_KEYS] if int(pair[1]) >= max(2, _COMMON * holders)]
                places.rare += named - len(kept)
            places.unnamed += unnamed
            found += [(*asked[pointer], key) for key, _ in kept]
        level = _keep(store, places, found)
    return places


def _keep(store: Store, places: _Places, found: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Add the new places to those found, and return those that are objects, which may hold more."""
    types: dict[str, set[str]] = {}
    for pointer, kind in store.query(_TYPES, {"pointers": [_pointer(names) for names in found]}) if found else ():
        types.setdefault(pointer, set()).add(kind)
    objects = []
    for names in found:
        path, kinds = ".".join(names), types.get(_pointer(names), set())
        if is_content(names) and kinds - _NUMBERS - {"BOOLEAN", "NULL"}:
            places.content.add(path)
        elif not _mappable(path):
            places.out_of_reach += 1
        else:
            places.names.setdefault(path, []).append(names)
            places.types.setdefault(path, set()).update(kinds)
            places.parents.add(".".join(names[:-1]))
            if "OBJECT" in kinds and path.count(".") < _MAX_DEPTH - 1:
                objects.append(names)
    return objects


def _pointer(names: tuple[str, ...]) -> str:
    return "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in names)


def _mappable(path: str) -> bool:
    try:
        parse_mapping([f"rendered_tokens={path}"])
    except UsageError:
        return False
    return True


def _facts(store: Store, places: _Places, records: int) -> tuple[list[Field], dict[str, Spot]]:
    # An object whose fields are listed is no field itself.
    listed = [path for path, kinds in places.types.items() if path not in places.parents or kinds - {"OBJECT", "NULL"}]
    ways = [(path, names) for path in listed for names in places.names[path]]
    bound = {
        "paths": [path for path, _ in ways], "pointers": [_pointer(names) for _, names in ways], "plain": PLAIN,
        "private": PRIVATE, "other_kind": _OTHER_KIND,
    }  # fmt: skip
    rows = {row[0]: row[1:] for row in store.query(_FACTS, bound)} if ways else {}
    fields, spots = [], {}
    for path in listed:
        names, facts = places.names[path], Facts(path, records, 0, 0)
        if path not in rows:
            fields.append(Field(path, names[0], _type_names(places.types[path] - {"NULL"}), facts))
            continue
        filled, distinct, *counts, example, kinds, first, last = rows[path]
        facts = Facts(path, records, min(filled, records), distinct, *counts)
        prose = facts.texts > facts.flags and facts.numbers < filled
        shown = facts.plain >= 0.9 * filled and not is_private(names[0], text=prose)
        hidden = not shown and not set(kinds) <= {"ARRAY", "OBJECT"}
        fields.append(Field(path, names[0], _type_names(kinds), facts, example if shown else None, hidden))
        numbers = {number for number in (first % _OTHER_KIND, last) if number is not None and number <= KEPT}
        role = guess(facts)
        spots[path] = Spot(tuple(names), tuple(sorted(numbers)), role.role if role else None)
    return fields, spots


def _type_names(kinds: Iterable[str]) -> str:
    """Return the names of JSON types as they are shown to people."""
    names = {
        "VARCHAR": "text", "BOOLEAN": "true/false", "ARRAY": "list", "OBJECT": "object", "DOUBLE": "number",
        "UBIGINT": "integer", "BIGINT": "integer", "HUGEINT": "integer", "UHUGEINT": "integer",
    }  # fmt: skip
    shown = {names.get(kind, "other") for kind in kinds}
    return " or ".join(sorted(shown - {"integer"} if "number" in shown else shown))
