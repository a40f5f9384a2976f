"""Choose the engine of a session by its name."""

from streamaudit.errors import UsageError
from streamaudit.store.engines.protocol import Engine, OnTasks

DUCKDB = "duckdb"
SCHEME = "sc://"
"""Beginning of the address of a server that speaks Spark Connect."""


def connect(
    engine: str, folder: str, *, memory_limit: str | None = None, wait_s: float = 0.0, on_tasks: OnTasks | None = None
) -> Engine:
    """Return the engine of this name over an exported folder; raises UsageError for an unknown name.

    ``wait_s`` lengthens the wait for a server's workers, and ``on_tasks`` shows its progress.
    """
    if engine == DUCKDB:
        from streamaudit.store.engines.duckdb_engine import DuckDBEngine

        return DuckDBEngine(folder, memory_limit)
    if engine.startswith(SCHEME):
        from streamaudit.store.engines.spark_engine import SparkEngine

        return SparkEngine(engine, folder, wait_s=wait_s, on_tasks=on_tasks)
    raise UsageError(f"--engine {engine.partition(';')[0]}: expected duckdb or sc://HOST:PORT")
