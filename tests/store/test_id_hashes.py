"""Calls are found by the hashes of their ids, but what a call is rests on the ids alone."""

from pathlib import Path

import pytest

from streamaudit.store.package_files import package_text
from streamaudit.store.store import Store
from tests.support import content, equation, ingest, langfuse_row, raw_call, store_of, stored_calls, write_lines

_WRONG = """
SELECT
    (SELECT count(*) FROM store.calls WHERE (id_bits, trace_bits, response_bits)
        IS DISTINCT FROM (bits_of(coalesce(request_id, call_id)), bits_of(trace_id), bits_of(response_id)))
    + (SELECT count(*) FROM store.spans WHERE (id_bits, trace_bits)
        IS DISTINCT FROM (bits_of(span_id), bits_of(trace_id)))
"""


def assert_hashed(store: Store) -> None:
    assert store.one(_WRONG)[0] == 0


def test_hashes_fit_ids_that_become_attempts_and_steps(tmp_path: Path) -> None:
    """A call that turns out to be one of two attempts gets another id, and is still found by the export's own."""
    first = write_lines(tmp_path / "1.jsonl", [raw_call("r", attempt_number=1), raw_call("s", response_id="x")])
    second = write_lines(tmp_path / "2.jsonl", [raw_call("r", attempt_number=2)])
    third = write_lines(tmp_path / "3.jsonl", [raw_call("r", attempt_number=3), raw_call("s", output_tokens=7)])
    steps = write_lines(tmp_path / "4.jsonl", [
        langfuse_row("outer", trace_id="t", type="AGENT"), langfuse_row("inner", trace_id="t"),
    ])  # fmt: skip
    with store_of(first, second, third, steps) as store:
        assert {"r#1", "r#2", "r#3", "s"} < set(stored_calls(store))
        assert store.one("SELECT count(*), count(trace_bits) FROM store.spans") == (1, 1)
        assert_hashed(store)


@pytest.mark.parametrize("column", ["id_bits", "trace_bits", "response_bits"])
def test_ids_with_one_hash_stay_apart(column: str, tmp_path: Path) -> None:
    """As if all that is stored had the hash of the one call that is new."""
    first = [raw_call(name, trace_id=f"t-{name}", response_id=f"x-{name}", tenant_id=name) for name in "abc"]
    again = [*first[1:], raw_call("d", trace_id="t-d", response_id="x-d")]
    one, two = write_lines(tmp_path / "1.jsonl", first), write_lines(tmp_path / "2.jsonl", again)
    with store_of(one) as store:
        all_alike = {"id_bits": "d", "trace_bits": "t-d", "response_bits": "x-d"}
        store.run(f"UPDATE store.calls SET {column} = bits_of('{all_alike[column]}')")
        assert equation(ingest(store, two)[0]) == (3, 1, 2, 0, 0, 0)
        assert [row["counted"] for row in stored_calls(store).values()] == [True] * 4
        assert sorted(stored_calls(store)) == ["a", "b", "c", "d"]


def test_ids_are_hashed_again_when_the_database_hashes_otherwise(tmp_path: Path) -> None:
    """By the next process that opens the store, so that a repeat is found as before."""
    path = tmp_path / "audit.duckdb"
    file = write_lines(tmp_path / "1.jsonl", [raw_call("a", trace_id="t"), raw_call("b", response_id="x")])
    again = write_lines(tmp_path / "2.jsonl", [raw_call("a", trace_id="t"), raw_call("c")])
    with Store.open(path, write=True) as store:
        assert ingest(store, file)[0].problem is None
        store.run("UPDATE store.calls SET id_bits = id_bits // 2, trace_bits = 1, response_bits = 2")
        store.run("UPDATE store.meta SET value = '1' WHERE key = 'hash_probe'")
    with Store.open(path, write=False) as store:
        assert_hashed(store)
    with Store.open(path, write=True) as store, store_of(file, again) as expected:
        assert equation(ingest(store, again)[0]) == (2, 1, 1, 0, 0, 0)
        assert_hashed(store)
        assert content(store) == content(expected)


def test_another_process_may_hash_otherwise_while_a_file_is_parsed(tmp_path: Path) -> None:
    """The store is free meanwhile; whoever comes back to it looks."""
    path = tmp_path / "audit.duckdb"
    file = write_lines(tmp_path / "1.jsonl", [raw_call("a")])
    with Store.open(path, write=True) as store:
        assert ingest(store, file)[0].problem is None
        with store.release(), Store.open(path, write=True) as other:
            other.run("UPDATE store.calls SET id_bits = 1")
            other.run("UPDATE store.meta SET value = '1' WHERE key = 'hash_probe'")
        assert equation(ingest(store, file, force=True)[0]) == (1, 0, 1, 0, 0, 0)


def test_a_store_of_version_8_gets_hashes_and_finds_repeats(tmp_path: Path) -> None:
    path = tmp_path / "audit.duckdb"
    first = write_lines(tmp_path / "1.jsonl", [raw_call("a", trace_id="t", response_id="x"), raw_call("b")])
    again = write_lines(tmp_path / "2.jsonl", [raw_call("b", output_tokens=200), raw_call("c", trace_id="t")])
    with Store.open(path, write=True) as store:
        assert ingest(store, first)[0].problem is None
        for table, column in (
            ("calls", "id_bits"), ("calls", "trace_bits"), ("calls", "response_bits"),
            ("spans", "id_bits"), ("spans", "trace_bits"),
        ):  # fmt: skip
            store.run(f"ALTER TABLE store.{table} DROP COLUMN {column}")
        store.run("DELETE FROM store.meta WHERE key = 'hash_probe'")
        store.run("UPDATE store.meta SET value = '8' WHERE key = 'schema_version'")
    assert "ALTER TABLE calls ADD COLUMN id_bits" in package_text("store", "migrations/9.sql")
    with Store.open(path, write=True) as store, store_of(first, again) as expected:
        assert_hashed(store)
        assert equation(ingest(store, again)[0]) == (2, 1, 0, 1, 0, 0)
        assert_hashed(store)
        assert content(store) == content(expected)
