"""Living with a store: what is taken out leaves the rest as if it had never come, and leaves no bytes behind."""

import gzip
import shutil
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from streamaudit.errors import InputError, StoreError, StreamauditError
from streamaudit.ingest.retention import forget, prune, unload
from streamaudit.store.package_files import package_text
from streamaudit.store.store import SCHEMA_VERSION, Store
from streamaudit.store.views.keep import keep_taxes
from streamaudit.store.views.kept import are_taxes_kept
from tests.reused import empty_store
from tests.sampling import keep
from tests.support import (
    Record,
    calls,
    content,
    datadog_span,
    ingest,
    langfuse_row,
    raw_call,
    rows_of,
    store_of,
    stored_calls,
    write_lines,
)

OLD = Path(__file__).parents[1] / "fixtures" / "store_v1.duckdb.gz"


def old_store(folder: Path) -> Path:
    """A store written by schema version 1, with three calls and one reject."""
    path = folder / "old.duckdb"
    with gzip.open(OLD) as packed, path.open("wb") as file:
        shutil.copyfileobj(packed, file)
    return path


def test_unloading_a_file_leaves_what_its_absence_would(tmp_path: Path) -> None:
    """Steps of one trace in two files: without the inner call the outer one counts again, and what it had inherited
    from the other file is unknown again."""
    outer = langfuse_row("outer", trace_id="t", metadata={}, user_id="")
    inner = langfuse_row("inner", trace_id="t", parent_observation_id="outer", metadata={"tenant": "acme"})
    other = langfuse_row("other", trace_id="u", metadata={"tenant": "globex"})
    first = write_lines(tmp_path / "first.jsonl", [outer, other])
    second = write_lines(tmp_path / "second.jsonl", [inner])
    with store_of(first) as expected, store_of(first, second) as store:
        assert not stored_calls(store)["outer"]["counted"] and stored_calls(store)["outer"]["tenant"] == "acme"
        removed = unload(store, 2)
        assert (removed.calls, removed.spans) == (1, 0)
        assert content(store) == content(expected)
        assert [row["load_id"] for row in rows_of(store, "store.loads")] == [1]
        assert [row["load_id"] for row in rows_of(store, "store.load_keys") if row["load_id"] != 1] == []


def test_unloading_one_source_counts_its_response_in_the_other(tmp_path: Path) -> None:
    """A response that two sources had is counted in the one that is left."""
    with empty_store() as store:
        path = write_lines(tmp_path / "a.jsonl", [raw_call("a", response_id="chatcmpl-1")])
        ingest(store, path, source="gateway")
        ingest(store, path, source="app")
        assert sorted(row["counted"] for row in rows_of(store, "call_tax")) == [False, True]
        counted = next(row for row in rows_of(store, "call_tax") if row["counted"])
        unload(store, counted["load_id"])
        assert [row["counted"] for row in rows_of(store, "call_tax")] == [True]


def test_a_better_version_without_the_shared_response_frees_the_other_source(tmp_path: Path) -> None:
    """Once the new version of call *a* names no response, the other source's call stands alone and counts. A record of
    call *b* that names another response is another attempt, and changes nothing about the first."""

    def both(tokens: int, **responses: str | None) -> list[Record]:
        return [raw_call(name, response_id=response, output_tokens=tokens) for name, response in responses.items()]

    with empty_store() as store:
        ingest(store, write_lines(tmp_path / "gw.jsonl", both(90, a="a-1", b="b-1")), source="gateway")
        ingest(store, write_lines(tmp_path / "app.jsonl", both(100, a="a-1", b="b-1")), source="app")
        counted = [(row["source"], row["counted"]) for row in rows_of(store, "store.calls")]
        assert sorted(counted) == [*2 * [("app", True)], *2 * [("gateway", False)]]
        ingest(store, write_lines(tmp_path / "b.jsonl", both(120, a=None, b="b-2")), source="app")
        found = {
            (row["source"], row["call_id"].split("#")[0], row["response_id"]): row["counted"]
            for row in rows_of(store, "call_tax")
        }
    assert found == {
        ("app", "a", None): True, ("gateway", "a", "a-1"): True,
        ("app", "b", "b-1"): True, ("app", "b", "b-2"): True, ("gateway", "b", "b-1"): False,
    }  # fmt: skip


def test_unloading_what_is_not_there_says_so(store: Store) -> None:
    with pytest.raises(InputError, match="no load 7"):
        unload(store, 7)


def test_pruning_keeps_what_starts_at_the_instant_and_what_has_no_start(tmp_path: Path) -> None:
    """The window is half-open like every other, and an unchanged export does not bring the pruned calls back."""
    times = ("2026-11-15T23:59:59.999999Z", "2026-11-16T00:00:00Z", "2026-11-17T00:00:00Z")
    path = write_lines(tmp_path / "a.jsonl", [raw_call(str(n), start_time=text) for n, text in enumerate(times)])
    with store_of(path) as store:
        assert prune(store, datetime(2026, 11, 16)).calls == 1
        assert sorted(stored_calls(store)) == ["1", "2"]
        assert ingest(store, path)[0].unchanged
        assert prune(store, datetime(2026, 11, 16)).calls == 0


def test_pruning_takes_the_steps_of_the_time_too(tmp_path: Path) -> None:
    """Spans go with the calls of their time, and the call that is left has nothing to inherit from."""
    step = datadog_span("step", span_kind="workflow", trace_id="t", start_ns=1763164800000000000, tags=["tenant:acme"])
    inner = datadog_span("llm", trace_id="t", parent_id="step")
    with store_of(write_lines(tmp_path / "a.jsonl", [step, inner])) as store:
        before = stored_calls(store)["llm"]
        assert before["tenant"] == "acme"
        removed = prune(store, before["start_time"])
        assert (removed.calls, removed.spans) == (0, 1)
        assert stored_calls(store)["llm"]["tenant"] is None


def test_forgetting_a_user_leaves_no_byte_of_the_id(tmp_path: Path) -> None:
    """Neither a column nor the file itself holds the id afterwards; other users' calls are untouched."""
    path = tmp_path / "store.duckdb"
    records = [raw_call(str(n), user_id=f"u-{n % 2}-zebra") for n in range(40)]
    with Store.open(path, write=True) as store:
        ingest(store, write_lines(tmp_path / "a.jsonl", records))
        assert forget(store, "u-1-zebra").calls == 20
        assert {row["user_id"] for row in stored_calls(store).values()} == {"u-0-zebra"}
    assert b"u-1-zebra" not in path.read_bytes()
    assert b"u-0-zebra" in path.read_bytes()  # or the line above would prove nothing
    assert list(tmp_path.glob(".*")) == [] and not path.with_name("store.duckdb.wal").exists()
    with Store.open(path, write=True) as store:  # the new file is a whole store
        assert len(stored_calls(store)) == 20
        assert ingest(store, write_lines(tmp_path / "b.jsonl", [raw_call("more")]))[0].problem is None


def test_an_older_store_is_upgraded_in_place_even_by_a_reader(tmp_path: Path) -> None:
    """All it held is there, in the current schema, exactly as a new store would have it."""
    path = old_store(tmp_path)
    with Store.open(path, write=False) as store:
        assert sorted(calls(store)) == ["r-1", "r-2", "r-3"]
        assert calls(store)["r-2"]["tax_best"] == 511 - 80
        assert len(rows_of(store, "store.rejects")) == 1
        upgraded = _shape(store)
        assert store.one("SELECT value FROM store.meta WHERE key = 'schema_version'")[0] == str(SCHEMA_VERSION)
    with Store.open(tmp_path / "new.duckdb", write=True) as new:
        assert upgraded == _shape(new)
    with Store.open(path, write=True) as store:
        more = write_lines(tmp_path / "more.jsonl", [raw_call("r-4", tenant_id="acme")])
        assert ingest(store, more)[0].problem is None
        assert len(calls(store)) == 4


@pytest.mark.parametrize("version", keep(range(2, SCHEMA_VERSION), [SCHEMA_VERSION - 1]))
def test_a_store_of_every_older_version_is_upgraded(version: int, tmp_path: Path) -> None:
    """One step at a time, from wherever it is, to what a new store has; it keeps its calls."""
    path = old_store(tmp_path)
    with duckdb.connect(str(path)) as connection:
        for number in range(2, version + 1):
            connection.execute(package_text("store", f"migrations/{number}.sql"))
        connection.execute(f"UPDATE meta SET value = '{version}' WHERE key = 'schema_version'")
    with Store.open(path, write=True) as store, Store.open(tmp_path / "new.duckdb", write=True) as new:
        assert _shape(store) == _shape(new)
        assert len(calls(store)) == 3
        keep_taxes(store, small=True)
        assert are_taxes_kept(store)


def test_an_upgrade_that_fails_leaves_the_older_store_as_it_was(tmp_path: Path) -> None:
    """Half an upgrade is none: the next version of streamaudit meets the schema it knows."""
    path = old_store(tmp_path)
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE lookups (stray INTEGER)")
    with pytest.raises(StreamauditError):
        Store.open(path, write=True)
    with duckdb.connect(str(path)) as connection:
        version = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchall()
        columns = connection.execute("SELECT column_name FROM duckdb_columns() WHERE table_name = 'loads'").fetchall()
    assert version == [("1",)]
    assert ("sample_rate",) not in columns


def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "new.duckdb"
    Store.open(path, write=True).close()
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
    with pytest.raises(StoreError, match="99"):
        Store.open(path, write=False)


def _shape(store: Store) -> list[tuple[object, ...]]:
    return store.query(
        "SELECT table_name, column_name, data_type, is_nullable, comment FROM duckdb_columns() "
        "WHERE database_name = 'store' ORDER BY table_name, column_name"
    )
