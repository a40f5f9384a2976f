"""Empty stores in memory for tests, on connections that are used again.

To open a connection and to define the macros of a source on it takes a third of the time of reading a small file. So
the next test gets the connection of the last one with another database attached to it, after whatever the last one left
there was dropped, but for the macros, whose definitions are constants; ``tests/ingest/test_macros.py`` has connections
of its own. A connection is not used again when its test failed, closed it, changed a setting or left a transaction.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from streamaudit.errors import StreamauditError
from streamaudit.store.store import Store

# Those that the package or a test changes: to compute all that there are takes ten times as long.
_SETTINGS = """
SELECT current_setting('allowed_directories'), current_setting('disabled_optimizers'),
    current_setting('enable_external_access'), current_setting('enable_progress_bar'),
    current_setting('force_compression'), current_setting('lock_configuration'), current_setting('memory_limit'),
    current_setting('preserve_insertion_order'), current_setting('temp_directory'), current_setting('threads'),
    current_setting('TimeZone')
"""
_VIEWS = "SELECT view_name, sql FROM duckdb_views() WHERE database_name = 'temp' AND NOT internal"
_LEFT = """
SELECT 'DROP TABLE temp."' || table_name || '"' FROM duckdb_tables() WHERE database_name = 'temp'
UNION ALL SELECT 'DROP SEQUENCE temp."' || sequence_name || '"' FROM duckdb_sequences() WHERE database_name = 'temp'
UNION ALL SELECT 'RESET VARIABLE ' || name FROM duckdb_variables()
UNION ALL SELECT 'DETACH ' || database_name FROM duckdb_databases()
WHERE database_name NOT IN ('memory', 'system', 'temp')
"""


class _Opened:
    """A store and what it was like when it was opened."""

    def __init__(self) -> None:
        self.store = Store.in_memory()
        self.store.plan_briefly()
        self._settings = self.store.one(_SETTINGS)
        self._views = dict(self.store.query(_VIEWS))
        self._attributes = vars(self.store).copy()

    def empty(self) -> bool:
        """Make it what it was, but for its macros; return whether that can be."""
        store = self.store
        if store not in Store._open or store.one(_SETTINGS) != self._settings:
            return False
        store.run("USE memory")
        views: dict[str, Any] = dict(store.query(_VIEWS))
        left = [f'DROP VIEW temp."{name}"' for name in views.keys() - self._views.keys()]
        store.script("; ".join([*left, *(row[0] for row in store.query(_LEFT))]))
        macros = store.macros
        vars(store).clear()
        vars(store).update(self._attributes, macros=macros)
        store.run("ATTACH ':memory:' AS store")
        store._create_schema()
        if any(views.get(name) != sql for name, sql in self._views.items()):
            store._define_vocabulary()
        return True


_idle: list[_Opened] = []


@contextmanager
def empty_store() -> Iterator[Store]:
    """An empty store in memory, whose queries are planned as those of a small store are."""
    opened = _idle.pop() if _idle else _Opened()
    is_empty = False
    try:
        yield opened.store
        with suppress(StreamauditError):
            is_empty = opened.empty()
    finally:
        if is_empty:
            _idle.append(opened)
        else:
            opened.store.close()
