"""A large file of lines is staged with the fields and columns of a sample alone: the store is the same as if it had
been read in full, whatever turns up late."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sample_traces import simulate, write_langfuse_v2, write_otel, write_raw
from streamaudit.ingest import merge, narrow, staging
from streamaudit.ingest.results import FileResult
from streamaudit.store.store import Store
from tests.reused import empty_store
from tests.sampling import keep
from tests.support import ingest, write_lines

TABLES = ("calls", "spans", "loads", "rejects", "load_keys")
CALLS = 900
"""So many that the last of them are behind the sample of the head."""
LATE = 800
RARE: dict[str, Any] = {
    "a field": {"error_type": "TimeoutError", "cancelled_by": "user"},
    "keys of an application and a list": {
        "metadata": {"tenant": "late", "release": "9"}, "tags": ["tenant:x", "region:eu"], "chunk_offsets_ms": [1, 2],
    },
    "a null and values of another kind": {"error_type": None, "duration_ms": "soon", "http_status": "teapot"},
    "a parent": {"parent_span_id": "c3"},
    "a better key": {"rendered_tokens": 4},
    "usage of a home-made log": {"latency_ms": 77, "usage": {"prompt_tokens": 5}},
    "a negative count": {"output_tokens": -4},
    "an id again": {"request_id": "c7", "output_tokens": 99},
}  # fmt: skip
FORMS: dict[str, Callable[..., None]] = {"raw": write_raw, "langfuse": write_langfuse_v2, "otel": write_otel}


@pytest.fixture
def sampled(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """Sample files of any size, by a head of a few records; collects whether each was staged by its sample alone."""
    done: list[bool] = []
    stage_narrow = staging._stage_narrow

    def collect(*arguments: Any) -> bool:
        done.append(stage_narrow(*arguments))
        return done[-1]

    monkeypatch.setattr(staging, "_NUMBERED_BYTES", 0)
    monkeypatch.setattr(staging, "_SAMPLED_BYTES", 0)
    monkeypatch.setattr(staging, "_stage_narrow", collect)
    monkeypatch.setattr(narrow, "_HEAD_BYTES", 1 << 14)
    monkeypatch.setattr(narrow, "_PIECES", 0)
    yield done


def call(number: int, **more: object) -> dict[str, object]:
    """A lean call."""
    return {
        "request_id": f"c{number}", "trace_id": f"t{number // 2}", "start_time": f"2026-10-01T10:00:{number % 60:02d}Z",
        "duration_ms": 1000 + number % 700, "ttft_ms": 100 + number % 300, "provider": "openai", "model": "gpt-4o",
        "input_tokens": 100 + number % 50, "output_tokens": 50, "outcome": "completed", "tenant_id": f"t{number % 5}",
        **more,
    }  # fmt: skip


def content(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, but for when and by which version it was written."""
    left_out = {"loads": "EXCLUDE (loaded_at, tool_version)"}
    return {name: store.query(f"SELECT * {left_out.get(name, '')} FROM store.{name} ORDER BY ALL") for name in TABLES}


def read_in_full(path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[FileResult, dict[str, list[tuple[Any, ...]]]]:
    """The result and the content of a store that holds the file, every column of it staged."""
    with monkeypatch.context() as patch, empty_store() as store:
        patch.setattr(staging, "_SAMPLED_BYTES", 1 << 60)
        store.run("UPDATE store.meta SET value = 'salt' WHERE key = 'hash_salt'")
        return ingest(store, path)[0], content(store)


def read(path: Path) -> tuple[FileResult, dict[str, list[tuple[Any, ...]]]]:
    """The same as this version reads it."""
    with empty_store() as store:
        store.run("UPDATE store.meta SET value = 'salt' WHERE key = 'hash_salt'")
        return ingest(store, path)[0], content(store)


@pytest.mark.parametrize("late", keep(RARE, [*RARE][::4]))
def test_what_turns_up_late_is_not_lost(
    late: str, sampled: list[bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Far behind the sample one record has what no other has."""
    records = [call(number, **(RARE[late] if number == LATE else {})) for number in range(CALLS)]
    path = write_lines(tmp_path / "late.jsonl", records)
    assert read(path) == read_in_full(path, monkeypatch)
    assert len(sampled) == 1


def test_a_plain_file_needs_no_more_than_its_sample(
    sampled: list[bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records that are alike are staged once; a field that no source knows, a line that is no JSON and a repeated call
    are no reason to read them again."""
    records: list[object] = [call(number) for number in range(CALLS)]
    records[LATE] = call(LATE, unheard_of=1)
    records[LATE + 1] = '{"request_id": broken'
    records[LATE + 2] = call(LATE)
    path = write_lines(tmp_path / "plain.jsonl", records)
    result, stored = read(path)
    assert (result, stored) == read_in_full(path, monkeypatch)
    assert result.counts is not None and (result.counts.read, result.counts.new, result.counts.rejected) == (
        CALLS, CALLS - 2, 1,
    )  # fmt: skip
    assert [(reject.line, reject.record) for reject in result.rejects] == [(LATE + 2, LATE + 2)]
    assert sampled == [True]


@pytest.mark.parametrize("form", keep(FORMS, ["otel"]))
def test_every_form_of_lines_gives_the_same_store(
    form: str, sampled: list[bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Traffic with all that a format knows, of which the head has a part."""
    FORMS[form](simulate(120, 3, datetime(2026, 11, 9, tzinfo=UTC), 2), tmp_path / "fleet.jsonl")
    assert read(tmp_path / "fleet.jsonl") == read_in_full(tmp_path / "fleet.jsonl", monkeypatch)
    assert len(sampled) == 1


def shown_calls(store: Store) -> list[tuple[Any, ...]]:
    """The calls as reports read them."""
    return store.query("SELECT * EXCLUDE (call_row) FROM calls_with_lookups ORDER BY ALL")


@pytest.mark.parametrize("alone", [True, False], ids=["a trace a call", "traces of two calls"])
def test_columns_that_no_call_fills_are_shown_all_the_same(
    alone: bool, sampled: list[bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store in memory leaves them out of its table, unless traces are judged by them, until a file fills them."""
    one_each = {number: {"trace_id": f"t{number}"} if alone else {} for number in range(CALLS)}
    first = write_lines(tmp_path / "1.jsonl", [call(number, **one_each[number]) for number in range(CALLS)])
    more = {"request_id": "d", "attempt_number": 2, "chunk_count": 7, "error_type": "TimeoutError", "region": "eu"}
    second = write_lines(tmp_path / "2.jsonl", [call(number) for number in range(9)] + [call(9, **more)])
    with Store.in_memory() as whole, monkeypatch.context() as patch, Store.in_memory() as store:
        for each in (whole, store):
            each.run("UPDATE store.meta SET value = 'salt' WHERE key = 'hash_salt'")
        ingest(whole, first)
        patch.setattr(merge, "FEW_CALLS", 0)
        ingest(store, first)
        assert ("chunk_count" in store.omitted) == alone
        assert shown_calls(store) == shown_calls(whole)
        patch.undo()
        for each in (whole, store):
            ingest(each, second)
        assert not store.omitted
        assert shown_calls(store) == shown_calls(whole)
