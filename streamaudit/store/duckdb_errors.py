"""Translate the database's failures into messages for people. Its own texts may quote values, so they are searched and
never shown."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from streamaudit.errors import StoreError, StreamauditError

NO_SPACE = "no space left on the device"
NO_MEMORY = "not enough memory for this query"
_LOCK_PID = re.compile(r"\(PID (\d+)\)")


class ReadFailure(Exception):
    """A failure of DuckDB to read an input file; ``kind`` classifies it and never quotes content."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


def lock_holder(error: Exception) -> str | None:
    """Return the process that holds the file, if that is why it could not be opened; else None."""
    text = str(error)
    if "Could not set lock" not in text:
        return None
    match = _LOCK_PID.search(text)
    return f"another process (PID {match[1]})" if match else "another process"


def store_error(error: Exception, path: Path | None) -> StreamauditError:
    """Return the error that the user is shown."""
    text = str(error)
    reasons: Sequence[tuple[str, str, str | None]] = (
        ("No space left", NO_SPACE, "free some space and run the same command again"),
        ("Disk quota exceeded", "the disk quota is used up", "free some space and run the same command again"),
        ("File too large", "a file may not grow further: a limit of its size is reached", "ulimit -f shows the limit"),
        ("Input/output error", "a disk reports an input/output error", "check it, or use --db to name another file"),
        ("failed to offload", "no space left for temporary data", "free some space in the temporary folder"),
        ("Permission denied", f"no permission to open store {path}", "use --db to name another file"),
        ("Read-only file system", f"no permission to write store {path}", "use --db to name another file"),
        ("Is a directory", f"store {path} is a folder", "use --db to name a file"),
        ("storage version", f"store {path} was written by a newer DuckDB", "pip install --upgrade streamaudit"),
        ("not a valid DuckDB database", f"{path} is not a streamaudit store", "use --db to name another file"),
        ("Could not read enough bytes", f"store {path} is damaged", "restore it, or ingest the exports again"),
        ("Corrupt database", f"store {path} is damaged", "restore it, or ingest the exports again"),
        ("Out of Memory", NO_MEMORY, "--memory-limit 4GB, or --since and --where"),
        ("not enough memory", NO_MEMORY, "give the process more memory, or use --since and --where"),
        ("bad_alloc", NO_MEMORY, "give the process more memory, or use --since and --where"),
    )
    for sign, message, hint in reasons:
        if sign.lower() in text.lower():
            return StoreError(message, hint)
    return StreamauditError(f"the database refused a query ({type(error).__name__})")


READ_SIGNS = (
    ("streamaudit: a record has more than the sample", "surplus"),
    ("maximum_object_size", "object_too_large"),
    ("GZIP", "gzip_truncated"),
    ("Failed to decode gzip", "gzip_damaged"),
    ("zstd", "zstd_damaged"),
    ("Data corruption detected", "zstd_damaged"),
    ("No files found", "missing"),
    ("Malformed JSON", "malformed"),
    ("Invalid Input Error", "malformed"),
)
"""Signs in a failure to read an input file, and the kind of failure each stands for."""


@contextmanager
def translate_read_failures() -> Iterator[None]:
    """Raise a failure to read an input file inside this block as ReadFailure."""
    try:
        yield
    except StreamauditError as error:
        text = str(error.__cause__ or "")
        for sign, kind in READ_SIGNS:
            if sign.lower() in text.lower() and not isinstance(error, StoreError):
                raise ReadFailure(kind) from None
        raise
