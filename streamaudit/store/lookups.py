"""``[lookup]`` of the configuration: fill a dimension from the value of another column, such as the tenant from a user
id.

A lookup is a CSV file with a header and two columns: the first is named after the column whose value is looked up, the
second holds the value of the dimension. Calls without an entry keep the value they have. It is applied when calls are
read, so that an edited file takes effect at once; ``ingest`` keeps a copy in the store for commands that run without
the configuration.
"""

import csv
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from streamaudit.errors import UsageError, nearest
from streamaudit.store.dimensions import LOOKED_UP
from streamaudit.store.plain_files import is_lonely_pipe
from streamaudit.store.store import Store

_log = logging.getLogger(__name__)

KEY_COLUMNS = (
    "user_id", "session_id", "tenant", "service", "environment", "route", "deploy", "region", "model", "provider",
    "source", "name",
)  # fmt: skip
_KEY = "CASE $column " + " ".join(f"WHEN '{name}' THEN calls.{name}" for name in KEY_COLUMNS) + " END"
_ANY_MATCH = (
    "SELECT EXISTS (FROM calls_without_lookups AS calls "  # noqa: S608 - names of this module
    "SEMI JOIN (SELECT key FROM lookups WHERE field = $field) AS entries ON key = " + _KEY + ")"
)  # fmt: skip
_ROUTES = "SELECT coalesce(bit_xor(hash(key_column, key, value)), 0) FROM lookups WHERE field = 'route'"
_VIEW = """
CREATE OR REPLACE TEMP VIEW calls_with_lookups AS
SELECT calls.* REPLACE ({values})
FROM calls_without_lookups AS calls
{joins}
"""
_VALUE = "coalesce({field}_of.value, calls.{field}) AS {field}"
_JOIN = """
LEFT JOIN (SELECT key, value FROM lookups WHERE field = '{field}' AND key_column = '{column}') AS {field}_of
    ON {field}_of.key = calls.{column}
"""


@dataclass(frozen=True, slots=True)
class LookupFile:
    """A CSV file that fills ``field``. ``origin`` is where the configuration names it, as ``FILE:LINE``."""

    field: str
    path: Path
    origin: str


@dataclass(frozen=True, slots=True)
class Lookup:
    """The content of a lookup that fills ``field``: the values of ``key_column`` and the value of the dimension for
    each."""

    field: str
    key_column: str
    values: dict[str, str]


def read_lookups(files: Sequence[LookupFile]) -> list[Lookup]:
    """Read the files of ``[lookup]``. Raises UsageError with file and line for a file that cannot be used."""
    return [_read(file) for file in files]


def apply_lookups(store: Store, lookups: list[Lookup]) -> None:
    """Let the views of this connection look dimensions up; without ``lookups``, by the copy in the store."""
    store.run("CREATE OR REPLACE TEMP TABLE lookups (field VARCHAR, key_column VARCHAR, key VARCHAR, value VARCHAR)")
    if lookups:
        for lookup in lookups:
            _insert(store, "INSERT INTO lookups", lookup)
    else:
        store.run("INSERT INTO lookups SELECT field, key_column, key, value FROM store.lookups")
    store.looked_up_routes = int(store.one(_ROUTES)[0])
    found = dict(store.query("SELECT DISTINCT field, key_column FROM lookups ORDER BY ALL"))
    # Names read from the store become part of SQL only if the fixed lists have them.
    columns = {field: column for field, column in found.items() if field in LOOKED_UP and column in KEY_COLUMNS}
    if not columns:
        return
    values = ", ".join(_VALUE.format(field=field) for field in columns)
    joins = "".join(_JOIN.format(field=field, column=column) for field, column in columns.items())
    store.run(_VIEW.format(values=values, joins=joins))
    store.stale = True


def log_unmatched(store: Store, lookups: list[Lookup]) -> None:
    """Log each lookup of the configuration whose keys match no call."""
    if not lookups or not store.one("SELECT EXISTS (FROM store.calls)")[0]:
        return
    for lookup in lookups:
        if not store.one(_ANY_MATCH, {"field": lookup.field, "column": lookup.key_column})[0]:
            _log.info(f"lookup.{lookup.field}: no call has a {lookup.key_column} from the file, so nothing was filled")


def keep_lookups(store: Store, lookups: list[Lookup]) -> None:
    """Copy the lookups of the configuration into the store; without any, its present copy stays."""
    if not lookups:
        return
    with store.transaction(changes_calls=False):
        store.run("DELETE FROM store.lookups")
        for lookup in lookups:
            _insert(store, "INSERT INTO store.lookups", lookup)


def _insert(store: Store, into: str, lookup: Lookup) -> None:
    store.run(
        into + " SELECT $field, $column, unnest($keys::VARCHAR[]), unnest($values::VARCHAR[])",
        {
            "field": lookup.field, "column": lookup.key_column, "keys": list(lookup.values),
            "values": list(lookup.values.values()),
        },
    )  # fmt: skip


def _read(file: LookupFile) -> Lookup:
    field, path, where = file.field, file.path, file.origin
    try:
        if is_lonely_pipe(path):
            raise UsageError(f"{path} is a pipe, not a file")
        with path.open(encoding="utf-8-sig", newline="") as text:
            rows = [(number, row) for number, row in enumerate(csv.reader(text), start=1) if any(row)]
    except OSError as error:
        raise UsageError(f"{where}: lookup.{field}: cannot read {path}: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error):
        raise UsageError(f"{where}: lookup.{field}: {path} is not a CSV file of UTF-8 text") from None
    header = [cell.strip() for cell in rows[0][1]] if rows else []
    if len(header) != 2 or header[0] not in KEY_COLUMNS:
        close = nearest(header[0], list(KEY_COLUMNS)) if header else None
        raise UsageError(
            f"{path}:1: expected a header of two columns, the first the column to look up, such as user_id,{field}"
            + (f"; did you mean {close}?" if close and close != header[0] else ""),
            "columns: " + ", ".join(KEY_COLUMNS),
        )
    values: dict[str, str] = {}
    for number, row in rows[1:]:
        cells = [cell.strip() for cell in row]
        if len(cells) != 2 or not all(cells):
            raise UsageError(f"{path}:{number}: expected two values, the {header[0]} and its {field}")
        if values.setdefault(cells[0], cells[1]) != cells[1]:
            raise UsageError(f"{path}:{number}: this {header[0]} has another {field} on an earlier line")
    return Lookup(field, header[0], values)
