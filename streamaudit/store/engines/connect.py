"""Choose the engine of a session by its name."""

from streamaudit.errors import UsageError
from streamaudit.store.engines.protocol import Engine

DUCKDB = "duckdb"
SCHEME = "sc://"
"""Beginning of the address of a server that speaks Spark Connect."""


def connect(engine: str, folder: str, *, memory_limit: str | None = None) -> Engine:
    """Return the engine of this name over an exported folder; raises UsageError for an unknown name."""
    if engine == DUCKDB:
        from streamaudit.store.engines.duckdb_engine import DuckDBEngine

        return DuckDBEngine(folder, memory_limit)
    if engine.startswith(SCHEME):
        from streamaudit.store.engines.spark_engine import SparkEngine

        return SparkEngine(engine, folder)
    raise UsageError(f"--engine {engine.partition(';')[0]}: expected duckdb or sc://HOST:PORT")
