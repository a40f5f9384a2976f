"""The values that a shell completes come from the store's file alone, which is never changed for them."""

from pathlib import Path

from streamaudit.store.store import Store
from streamaudit.store.stored_values import values_beginning
from tests.reused import empty_store
from tests.support import ingest, raw_call, write_lines


def test_values_come_in_order_and_a_slow_busy_or_foreign_file_gives_none(tmp_path: Path) -> None:
    rows = [raw_call(f"c{n}", tenant=tenant) for n, tenant in enumerate(("acme", "zeta", "apex", "acme"))]
    store, path = tmp_path / "s.duckdb", write_lines(tmp_path / "log.jsonl", rows)
    with Store.open(store, write=True) as written:
        ingest(written, path)
        assert values_beginning(tmp_path / "none.duckdb", "tenant", "a", most=9, seconds=9) == []
    before = store.read_bytes()
    assert values_beginning(store, "tenant", "a", most=9, seconds=9) == ["acme", "apex"]
    assert values_beginning(store, "tenant", "a", most=1, seconds=9) == ["acme"]
    assert values_beginning(path, "tenant", "a", most=9, seconds=9) == []
    assert store.read_bytes() == before
    with empty_store() as other:
        other.run(f"ATTACH '{tmp_path / 'other.duckdb'}' AS other")
        other.run("CREATE TABLE other.calls AS SELECT 1 AS n")
    assert values_beginning(tmp_path / "other.duckdb", "tenant", "a", most=9, seconds=9) == []
