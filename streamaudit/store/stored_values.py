"""The values of a dimension as they are stored, for a shell that completes them: all of it serves a quick start."""

import threading
from pathlib import Path

# Of DuckDB only what a query needs: importing the rest of its package takes longer than all that is done here.
import _duckdb as duckdb

from streamaudit.store.dimensions import PLAIN

# Of calls as they were ingested: the views that apply lookups take longer to define than to ask.
_VALUES = {
    name: f"SELECT DISTINCT {name} FROM calls WHERE starts_with({name}, $start) ORDER BY 1 LIMIT $most"  # noqa: S608 - a fixed list
    for name in PLAIN
}


def values_beginning(path: Path, name: str, start: str, *, most: int, seconds: float) -> list[str]:
    """Return the first ``most`` values of a plain dimension that begin with a text, in order.

    There are none without a store file, nor when it takes longer than ``seconds``, another process writes to the file,
    or it is no store of this version; it is never upgraded.
    """
    if not path.is_file():
        return []
    try:
        # An absolute path is never taken for the name of a service, such as md:.
        connection = duckdb.connect(path.resolve(), read_only=True, config={"autoinstall_known_extensions": "false"})
    except duckdb.Error:
        return []
    ended = threading.Event()

    def stop() -> None:
        # Until the query ends: one that is only being planned forgets an interrupt.
        while not ended.wait(0.02):
            connection.interrupt()

    timer = threading.Timer(seconds, stop)
    timer.daemon = True
    timer.start()
    try:
        return [value for (value,) in connection.execute(_VALUES[name], {"start": start, "most": most}).fetchall()]
    except duckdb.Error:
        return []
    finally:
        timer.cancel()
        ended.set()
        connection.close()
