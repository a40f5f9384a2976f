"""Choose the engine of a session by its name."""

from streamaudit.errors import UsageError
from streamaudit.store.engines.protocol import Engine

DUCKDB = "duckdb"
SCHEMES = ("sc://",)
"""Beginnings of the address of a server that speaks Spark Connect."""


def connect(engine: str, folder: str, *, memory_limit: str | None = None) -> Engine:
    """Return the engine of this name over an exported folder; raises UsageError for an unknown name."""
    if engine == DUCKDB:
        from streamaudit.store.engines.duckdb_engine import DuckDBEngine

        return DuckDBEngine(folder, memory_limit)
    raise UsageError(f"--engine {engine}: expected duckdb or sc://HOST:PORT")
