"""The schema describes itself in a store file, and costs a store in memory nothing."""

from pathlib import Path

from streamaudit.store.store import Store

_COLUMNS = "SELECT count(*), count(comment) FROM duckdb_columns() WHERE database_name = 'store'"


def test_every_column_of_a_store_file_is_described(tmp_path: Path) -> None:
    with Store.open(tmp_path / "audit.duckdb", write=True) as store:
        columns, described = store.one(_COLUMNS)
    assert columns == described > 100


def test_a_store_in_memory_has_the_same_columns_without_descriptions(tmp_path: Path) -> None:
    with Store.open(tmp_path / "audit.duckdb", write=True) as store:
        expected = store.one(_COLUMNS)[0]
    with Store.in_memory() as store:
        assert store.one(_COLUMNS) == (expected, 0)
