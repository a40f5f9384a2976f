"""DuckDB in this process over the Parquet files of an exported folder."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamaudit.errors import InputError
from streamaudit.store.connection import Database
from streamaudit.store.engines.protocol import MOST_CELLS, MOST_ROWS, Params, Rows, bind, plain_arrays, plain_rows
from streamaudit.store.export_layout import CALLS

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CALLS = "CREATE TEMP VIEW calls AS FROM read_parquet({path}, hive_partitioning = true)"
_TABLE = "FROM read_parquet($path)"


class DuckDBEngine:
    """Answers over a folder on this machine."""

    name = "DuckDB"

    def __init__(self, folder: str, memory_limit: str | None = None, zone: str = "UTC") -> None:
        """Open a folder; raises InputError where it holds no calls.

        ``zone`` is the session's time zone, on which no answer depends.
        """
        path = Path(folder)
        if not path.is_dir():
            raise InputError(f"--data {folder}: no such folder", "streamaudit export FOLDER writes one")
        if not any(path.glob(CALLS)):
            raise InputError(
                f"--data {folder}: there are no exported calls in it", "streamaudit export FOLDER writes such a folder"
            )
        self._folder, self._database = path, Database(None, memory_limit)
        quoted = "'" + str(path / CALLS).replace("'", "''") + "'"
        self._database.run(_CALLS.format(path=quoted))
        self._database.run("SET TimeZone = $zone", {"zone": zone})

    def rows(self, text: str, params: Params | None = None) -> Rows:
        """Return the rows of a text, as ``Engine.rows``."""
        bound, values = bind(text, params)
        return plain_rows(self._database.first_rows(bound, values, MOST_ROWS + 1))

    def arrays(self, text: str, params: Params | None = None) -> "dict[str, NDArray[Any]]":
        """Return the columns of a text as arrays, as ``Engine.arrays``."""
        bound, values = bind(text, params)
        return plain_arrays(self._database.arrays(f"{bound}\nLIMIT {MOST_CELLS + 1}", values))

    def table(self, name: str) -> list[dict[str, Any]]:
        """Return the rows of a table about the export, as ``Engine.table``."""
        files = self._folder / name
        if not files.is_dir():
            return []
        return self._database.records(_TABLE, {"path": str(files / "*.parquet")})

    def close(self) -> None:
        """Release the files; safe to call twice."""
        self._database.close()
