"""The values of a dimension as they are stored, for a shell that completes them."""

from streamaudit.store.connection import Database
from streamaudit.store.dimensions import PLAIN

# Of calls as they were ingested: the views that apply lookups take longer to define than to ask.
_VALUES = {
    name: f"SELECT DISTINCT {name} FROM store.calls WHERE starts_with({name}, $start) ORDER BY 1 LIMIT $most"  # noqa: S608 - a fixed list
    for name in PLAIN
}


def values_beginning(store: Database, name: str, start: str, most: int) -> list[str]:
    """Return the first ``most`` values of a plain dimension that begin with a text, in order."""
    return [value for (value,) in store.query(_VALUES[name], {"start": start, "most": most})]
