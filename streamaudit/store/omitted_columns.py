"""Leave columns that no call fills out of the table of calls of a store in memory.

To write a NULL for each call takes as long as to write a value, and as much memory. The views over the calls show all
columns the same.
"""

from collections.abc import Collection

from streamaudit.store.store import Store

# In the order of the table as it was created.
_COLUMNS = "SELECT column_name, column_type FROM (DESCRIBE calls_without_lookups) WHERE column_name <> 'call_row'"
_HASHES = {"id_bits": "UINTEGER", "trace_bits": "UINTEGER", "response_bits": "UINTEGER"}
# To compress random ids takes longer than to write them, and this table is not kept.
_IDS = frozenset({"call_id", "trace_id"})
_CREATE = "CREATE OR REPLACE TABLE store.calls ({columns})"
_ADD = "ALTER TABLE store.calls ADD COLUMN IF NOT EXISTS {name} {kind}"
_VIEWS = """
CREATE OR REPLACE TEMP VIEW calls_without_lookups AS SELECT {columns}, rowid AS call_row FROM store.calls;
CREATE OR REPLACE TEMP VIEW calls_with_lookups AS FROM calls_without_lookups
"""


def omit_columns(store: Store, empty: Collection[str]) -> None:
    """Create the table of calls, which has no rows yet, again without these columns."""
    shown = dict(store.query(_COLUMNS))
    kinds = {**shown, **_HASHES}
    columns = ", ".join(
        f"{name} {kind}{' USING COMPRESSION uncompressed' if name in _IDS else ''}"
        for name, kind in kinds.items() if name not in empty
    )  # fmt: skip
    store.run(_CREATE.format(columns=columns))
    _define_views(store, shown, empty)
    store.omitted = {name: kind for name, kind in kinds.items() if name in empty}


def add_omitted(store: Store) -> None:
    """Add the columns that were left out, for statements that write to them."""
    if not store.omitted:
        return
    kinds = dict(store.query(_COLUMNS))
    for name, kind in store.omitted.items():
        store.run(_ADD.format(name=name, kind=kind))
    store.omitted = {}
    _define_views(store, kinds, ())


def _define_views(store: Store, kinds: dict[str, str], empty: Collection[str]) -> None:
    shown = [f"NULL::{kind} AS {name}" if name in empty else name for name, kind in kinds.items()]
    store.script(_VIEWS.format(columns=", ".join(shown)))
