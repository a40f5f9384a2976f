"""An application's own keys in the SQL of sources: ``app[tenant]`` stands for the values of its keys for a tenant.

A source that has such values lists them once for each record, in the order of ``$app_paths`` (or of ``$tag_keys``: the
lists named in BY_TAG), without empty texts. Here each use of such a list becomes its elements: slicing the list
costs DuckDB twenty times as much as picking them.
"""

import re
from functools import cache

from streamaudit.ingest.mapping import json_pointers
from streamaudit.ingest.sources.registry import APP_KEYS, Occurs, app_pointers

BY_TAG = ("tagged", "stated", "either")
"""Lists in the order of ``$tag_keys``; all others are in that of ``$app_paths``."""

_COLUMNS = "|".join(APP_KEYS)
_FIRST = re.compile(rf"first_filled\((\w+)\[({_COLUMNS})\]\)")
_RANK = re.compile(rf"filled_rank\((\w+)\[({_COLUMNS})\], (\d+)\)")
_ALL = re.compile(rf"(?<!\$)\b(\w+)\[({_COLUMNS})\]")
_OF_KEYS = r"(?:app|meta|measured|tagged|stated|either)\[\d+\]"
_ELEMENT = re.compile(rf"\b{_OF_KEYS}")
_COALESCED = re.compile(rf"coalesce\(({_OF_KEYS}(?:, {_OF_KEYS})*)\)")
_RANKED = re.compile(rf"CASE ((?:WHEN {_OF_KEYS} IS NOT NULL THEN \d+ )+)END")
_CASE = re.compile(rf"WHEN ({_OF_KEYS}) IS NOT NULL THEN (\d+)")
_NAMES = re.compile(rf"\$tag_keys\[({_COLUMNS})\]")


def expand_app_keys(sql: str) -> str:
    """Replace uses of a list that name the column they are for by the elements of the list: the first that is there,
    its rank after a base, or all as a list; ``$tag_keys[tenant]`` becomes the names themselves."""
    sql = _FIRST.sub(lambda found: f"coalesce({', '.join(_elements(*found.groups()))})", sql)
    sql = _RANK.sub(lambda found: _rank(_elements(found[1], found[2]), int(found[3])), sql)
    sql = _ALL.sub(lambda found: f"[{', '.join(_elements(*found.groups()))}]", sql)
    return _NAMES.sub(lambda found: str(list(APP_KEYS[found[1]])), sql)


def omit_absent_keys(sql: str, occurs: Occurs) -> str:
    """Replace, in SQL that ``expand_app_keys`` returned, the elements of keys that are nowhere in a file by NULL."""
    kept = {
        by_tag: frozenset(str(place) for place, key in enumerate(_keys(by_tag=by_tag), start=1) if occurs(key))
        for by_tag in (False, True)
    }

    def is_kept(element: str) -> bool:
        name, _, place = element[:-1].partition("[")
        return place in kept[name in BY_TAG]

    def coalesce(found: re.Match[str]) -> str:
        elements = list(filter(is_kept, found[1].split(", ")))
        return f"coalesce({', '.join(elements)})" if elements else "NULL::VARCHAR"

    def rank(found: re.Match[str]) -> str:
        cases = [case for case in _CASE.findall(found[1]) if is_kept(case[0])]
        return f"CASE {' '.join(f'WHEN {one} IS NOT NULL THEN {place}' for one, place in cases)} END" if cases else (
            "NULL::INTEGER")

    sql = _COALESCED.sub(coalesce, sql)
    sql = _RANKED.sub(rank, sql)
    return _ELEMENT.sub(lambda found: found[0] if is_kept(found[0]) else "NULL::VARCHAR", sql)


def _elements(name: str, column: str) -> list[str]:
    return [f"{name}[{place}]" for place in _places(column, by_tag=name in BY_TAG)]


@cache
def _places(column: str, *, by_tag: bool) -> tuple[int, ...]:
    """Return the places of a column's keys in ``$tag_keys``, or of its pointers in ``$app_paths``, from 1."""
    owners = (owner for owner, keys in APP_KEYS.items() for _ in (keys if by_tag else app_pointers(owner)))
    return tuple(place for place, owner in enumerate(owners, start=1) if owner == column)


@cache
def _keys(*, by_tag: bool) -> tuple[str, ...]:
    """Return the key of each place in ``$tag_keys``, or in ``$app_paths``."""
    return tuple(
        key for keys in APP_KEYS.values() for key in keys for _ in ((key,) if by_tag else json_pointers(key))
    )


def _rank(elements: list[str], base: int) -> str:
    ranks = (f"WHEN {element} IS NOT NULL THEN {rank}" for rank, element in enumerate(elements, start=base + 1))
    return f"CASE {' '.join(ranks)} END"
