"""Recognisers hold whatever JSON value is anywhere in a record: a head is nobody's promise."""

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamaudit.ingest.mapping import has_path, near_path, parse_mapping
from streamaudit.ingest.sources import registry
from streamaudit.ingest.voting import elect
from tests.ingest.sources.test_hostile_values import SOURCES, base
from tests.support import Record

VALUES: list[Any] = [
    None, True, 0, -1, 10**400, 1e308, float("inf"), float("nan"), "", "x", "{", '{"a":', "\ud800", "1.2E+18",
    "9" * 5_000, [], [None], [1], ["a"], [[]], [{}], [{"a": 1}], [[{"model": "m"}]], {}, {"": None},
    {"a": []}, {"model": "m"}, {"avg": {}},
]  # fmt: skip
MAPPING = parse_mapping(["model=a.b", "cost=cost.total"])


def _places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value inside a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield (*above, key)
        yield from _places(one, (*above, key))


def _put(record: Record, place: tuple[Any, ...], value: Any) -> Record:
    changed = copy.deepcopy(record)
    inner: Any = changed
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return changed


def _looked_at() -> set[str]:
    """Every key that the code of a source mentions."""
    folder = Path(registry.__file__).parent
    return {key for file in folder.glob("*.py") for key in re.findall(r"\"([A-Za-z@_][\w.@ ]*)\"", file.read_text())}


def _check(record: Record) -> None:
    for source in SOURCES.values():
        source.recognise([record])
    elect([record], MAPPING)
    elect([record, {}])
    has_path(record, "a.b")
    near_path("usage.total", [record])


@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.proof)])
@pytest.mark.parametrize("source", SOURCES)
def test_no_value_at_any_path_breaks_a_recogniser(source: str, step: int) -> None:
    """Of the first record of every format, every ``step``-th value in turn."""
    record = base(source, 1)
    for number, place in enumerate(_places(record)):
        for value in VALUES[number % step :: step]:
            _check(_put(record, place, value))


@pytest.mark.parametrize("step", [28, pytest.param(1, marks=pytest.mark.proof)])
def test_no_value_under_any_key_that_a_recogniser_knows_breaks_it(step: int) -> None:
    """Each key alone, with every ``step``-th kind of value, by turns."""
    for number, key in enumerate(sorted(_looked_at())):
        for value in VALUES[number % step :: step]:
            _check({key: value})
