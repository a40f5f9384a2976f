"""Read the names of files in a Langfuse blob storage export: which table, and the end of the window they cover.

https://langfuse.com/docs/api-and-data-platform/features/export-to-blob-storage
"""

import re
from datetime import UTC, datetime
from pathlib import PurePath

_STAMP = re.compile(r"(?:^|/)(\d{4}-[01]\d-[0-3]\dT[0-2]\d-[0-5]\d-[0-5]\d)\.[a-z]+(?:\.gz)?$")
_ENRICHED = re.compile(r"(|.*/)observations_v2/[^/]+$")


def window_end(path: str) -> datetime | None:
    """Return the end of the window that a file covers; None without a stamp, and for traces, whose calls may belong to
    a trace that began long before."""
    stamp = _STAMP.search(path)
    if not stamp or PurePath(path).parent.name == "traces":
        return None
    try:
        return datetime.strptime(stamp[1], "%Y-%m-%dT%H-%M-%S").replace(tzinfo=UTC)
    except ValueError:  # no date of the calendar
        return None


def supersedes(path: str) -> str | None:
    """Return the ``observations/`` folder next to the folder of a file of ``observations_v2/``, which has the same
    calls and more of each."""
    table = _ENRICHED.match(path)
    return f"{table[1]}observations/" if table else None
