"""The schema describes itself in a store file, and costs a store in memory nothing."""

from pathlib import Path

from streamaudit.store.store import Store
from tests.reused import empty_store

_COLUMNS = "SELECT count(*), count(comment) FROM duckdb_columns() WHERE database_name = 'store'"


def test_every_column_of_a_store_file_is_described(tmp_path: Path) -> None:
    with Store.open(tmp_path / "audit.duckdb", write=True) as store:
        columns, described = store.one(_COLUMNS)
    assert columns == described > 100


def test_a_store_in_memory_has_the_same_columns_without_descriptions(tmp_path: Path) -> None:
    with Store.open(tmp_path / "audit.duckdb", write=True) as store:
        expected = store.one(_COLUMNS)[0]
    with empty_store() as store:
        assert store.one(_COLUMNS) == (expected, 0)


def test_stores_of_one_process_are_alike_but_for_who_they_are(tmp_path: Path) -> None:
    described = "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() WHERE database_name = 'store'"
    found, secrets, ids = [], set(), set()
    for name in ("first", "second", "third"):
        with Store.open(tmp_path / f"{name}.duckdb", write=True) as store:
            found.append(sorted(store.query(described)))
            secrets.add(store.secret())
            ids.add(store.one("SELECT value FROM store.meta WHERE key = 'store_id'")[0])
            assert store.one("SELECT count(*) FROM store.meta")[0] == 4
    assert found[0] == found[1] == found[2]
    assert len(secrets) == len(ids) == 3
