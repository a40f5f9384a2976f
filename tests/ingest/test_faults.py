"""What goes wrong with one file is that file's problem."""

from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from streamaudit.errors import StoreError
from streamaudit.ingest.faults import contain
from streamaudit.ingest.pipeline import Ingest
from streamaudit.ingest.readers.reader import Reader
from streamaudit.ingest.results import FileResult, Options
from streamaudit.store.duckdb_errors import NO_MEMORY
from streamaudit.store.pricing.own_prices import PriceFile
from streamaudit.store.store import Store
from tests.support import raw_call, write_lines

SECRET = "CONFIDENTIAL-answer"


def test_a_bug_is_reported_with_its_place_and_the_run_goes_on(store: Store, tmp_path: Path) -> None:
    """A file whose load fails in the middle leaves nothing behind, and the next is read."""
    files = [write_lines(tmp_path / f"{name}.jsonl", [raw_call(name)]) for name in ("a", "b")]
    broken = Options(prices=cast(PriceFile, object()))
    with Reader() as reader:
        failed = list(Ingest(store, broken).files(reader, {str(file): False for file in files}))
        whole = list(Ingest(store, Options()).files(reader, {str(file): False for file in files}))
    for result in failed:
        assert result.problem is not None and result.counts is None
        assert "a bug in streamaudit (AttributeError at streamaudit/" in result.problem
        assert result.bug is not None and "pipeline.py" in result.bug
    assert [result.counts.new for result in whole if result.counts] == [1, 1]


def _fail(store: Store) -> Any:
    return store.query(f"SELECT CAST('{SECRET}' AS INTEGER)")


def test_the_text_of_a_bug_holds_no_value(store: Store) -> None:
    """The database quotes the value that it refuses."""
    found = contain("calls.jsonl", False, partial(_fail, store))
    assert isinstance(found, FileResult) and found.bug is not None
    assert "ConversionException" in found.bug
    assert SECRET not in f"{found.problem}{found.hint}{found.bug}"


def _raise(error: Exception) -> Any:
    raise error


def test_what_concerns_every_file_ends_the_run() -> None:
    """A store that is busy and a process without memory are no problem of one file."""
    with pytest.raises(StoreError):
        contain("a", False, partial(_raise, StoreError("busy")))
    with pytest.raises(StoreError, match="memory"):
        contain("a", False, partial(_raise, MemoryError()))


def test_a_file_that_needs_too_much_memory_is_left_out() -> None:
    """The others may need less."""
    found = contain("a", False, partial(_raise, StoreError(NO_MEMORY)))
    assert isinstance(found, FileResult) and "memory" in (found.problem or "")


def test_a_file_that_cannot_be_read_says_so() -> None:
    """A disk fails in the middle of a file."""
    found = contain("a", False, partial(_raise, OSError(5, "Input/output error")))
    assert found == FileResult("a", problem="cannot be read: Input/output error")
