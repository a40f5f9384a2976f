"""Choose which fields of a large file of lines are read, and which columns of the staging table are written, by a
sample of its records.

A record may have a hundred fields and has about twenty; the others are NULL in each record, and reading, computing and
writing them takes as long as the rest. They are constants instead. Nothing is lost: a record that has one of them after
all stops the statement (``surplus``), and the file is read again in full.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamaudit.ingest.readers.container import InputFile
from streamaudit.ingest.readers.files import read_start
from streamaudit.ingest.readers.temporary import write_temporary
from streamaudit.ingest.sources.registry import Source
from streamaudit.store.store import Store

SURPLUS = "surplus"
"""Kind of the ReadFailure that a record with more than the sample raises."""

_HEAD_BYTES = 1 << 20
_PIECES = 7
_PIECE_BYTES = 1 << 17
_ALWAYS = frozenset({"kind", "reason", "call_id", "trace_id", "start_time", "record_hash"})
"""Columns that are staged whatever the sample has."""

_FIELDS_FILLED = "SELECT bool_or(COLUMNS(* EXCLUDE (line, record)) IS NOT NULL) FROM ({read})"
_COLUMNS_FILLED = "WITH records AS ({read}) SELECT bool_or(COLUMNS(*) IS NOT NULL) FROM ({judged})"
_STAGED = "SELECT column_name, column_type FROM (DESCRIBE scratch.records)"
_TABLE = "CREATE OR REPLACE TABLE scratch.filled ({columns})"
_VIEW = "CREATE OR REPLACE VIEW scratch.staged AS SELECT {columns}, rowid AS staged_row FROM scratch.filled"
_READ = "SELECT CASE WHEN {absent} THEN 1::BIGINT END AS line, record, {fields} FROM ({read})"
_STAGE = """
INSERT INTO scratch.filled BY NAME
WITH records AS ({read})
SELECT {columns} FROM (
    SELECT *, hash(*COLUMNS(* EXCLUDE (line, input_hash, misfits))) AS record_hash,
        CASE WHEN {surplus} THEN error('streamaudit: a record has more than the sample') ELSE {reason} END AS reason
    FROM ({judged})
)
"""


@dataclass(frozen=True, slots=True)
class Narrow:
    """The fields that the sample of a file has.

    ``read`` is the SELECT of its records with every other field as a constant NULL; a value in its ``line`` marks a
    record that has another one. ``filled`` and ``empty`` are the columns that come of it.
    """

    read: str
    filled: tuple[str, ...]
    empty: tuple[str, ...]

    def statement(self, judged: str, reason: str) -> str:
        """Return the statement that fills ``scratch.filled`` from the whole file."""
        surplus = " OR ".join(f"{column} IS NOT NULL" for column in self.empty) or "false"
        columns = ", ".join(self.filled)
        return _STAGE.format(read=self.read, columns=columns, surplus=surplus, reason=reason, judged=judged)


def take_sample(
    store: Store, file: InputFile, source: Source, read: str, judged: str, bound: dict[str, Any], folder: Path
) -> Narrow | None:
    """Return what a sample of a file of lines has; None when it has no record. ``read`` is the SELECT of the records,
    with ``$files`` among its parameters ``bound``, and ``judged`` the one over ``records``."""
    with _write_sample(file, folder) as path:
        about = {**bound, "files": [str(path)], "compression": "none"}
        if source.is_record_a_row and read == file.container.fields:
            found = store.records(_FIELDS_FILLED.format(read=read), about)[0]
            read = _narrow_read(read, source.fields, {name for name, filled in found.items() if filled})
        columns = store.records(_COLUMNS_FILLED.format(read=read, judged=judged), about)[0]
    if columns["kind"] is None:
        return None
    known = _ALWAYS | {name for name, filled in columns.items() if filled}
    produced = {*columns, "record_hash", "reason"}
    filled = tuple(name for name in produced if name in known)
    return Narrow(read, filled, tuple(name for name in columns if name not in known))


def create_narrow_tables(store: Store, narrow: Narrow) -> None:
    """Create ``scratch.filled`` for the filled columns, and ``scratch.staged`` as a view of it with all columns."""
    kinds = store.query(_STAGED)
    columns = ", ".join(f"{name} {kind}" for name, kind in kinds if name in narrow.filled)
    store.run(_TABLE.format(columns=columns))
    shown = ", ".join(name if name in narrow.filled else f"NULL::{kind} AS {name}" for name, kind in kinds)
    store.run(_VIEW.format(columns=shown))


def _narrow_read(read: str, fields: dict[str, str], present: set[str]) -> str:
    absent = " OR ".join(f'"{name}" IS NOT NULL' for name in fields if name not in present) or "false"
    shown = ", ".join(f'"{name}"' if name in present else f'NULL::{kind} AS "{name}"' for name, kind in fields.items())
    return _READ.format(absent=absent, fields=shown, read=read)


@contextmanager
def _write_sample(file: InputFile, folder: Path) -> Iterator[Path]:
    """Write the first records of a file, and of a plain one some from further on, to a file of their own."""
    path = folder / "sample.json"
    try:
        with write_temporary(path) as out:
            out.write(_whole_lines(read_start(file.path, file.compression, _HEAD_BYTES), begins=True))
            if file.compression == "none":
                with file.path.open("rb") as stream:
                    for number in range(1, _PIECES + 1):
                        stream.seek(number * file.size // (_PIECES + 1))
                        out.write(_whole_lines(stream.read(_PIECE_BYTES), begins=False))
        yield path
    finally:
        path.unlink(missing_ok=True)


def _whole_lines(data: bytes, *, begins: bool) -> bytes:
    """Return the lines of a piece of a file that have both ends in it."""
    start = 0 if begins else data.find(b"\n") + 1
    return data[start : data.rfind(b"\n") + 1]
