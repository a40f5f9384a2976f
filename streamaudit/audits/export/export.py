"""``export``: write the calls of a scope for other tools: Parquet by UTC day, one Parquet file, or CSV.

Files are written atomically: into a folder next to the target first, which takes the target's name once complete. Rows
are sorted by start time, then source, then call id.
"""

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from streamaudit.audits.export.tables import EDGES_FILE, write_tables
from streamaudit.audits.notes import coverage_notes
from streamaudit.audits.scope.scope import Scope
from streamaudit.errors import DeliveryError, StreamauditError, UsageError
from streamaudit.report import escape
from streamaudit.report.model import Note
from streamaudit.store.buckets import define_buckets
from streamaudit.store.export_layout import META, SESSION_BINS
from streamaudit.store.package_files import package_text
from streamaudit.store.store import FOR_DIVERSITY, Store

CALLS_FILE = "calls.parquet"
_CALLS_FILES = re.compile(r"calls\d*\.parquet")
"""A day of more calls than are written at a time may have several files."""
UNDATED = "day=__HIVE_DEFAULT_PARTITION__"
"""Folder of calls without a start time, which engines read as a NULL day."""

_OTHER_FILES = frozenset(
    ".json .jsonl .ndjson .gz .zst .tsv .txt .xlsx .md .html .db .duckdb .sqlite .arrow .feather .orc .avro".split()
)
_ROWS = "SELECT * FROM exported"
_SORTED = " ORDER BY start_time NULLS LAST, source, call_id"
_PARQUET = ") TO $path (FORMAT parquet, COMPRESSION zstd)"
_BY_DAY = ") TO $path (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (day), FILENAME_PATTERN 'calls')"
_UNDATED_ROWS = "SELECT * EXCLUDE (day) FROM exported"  # the folder's name is the day
_CSV_ROWS = "SELECT * FROM ("
_CSV = ") TO $path (FORMAT csv, HEADER true)"

_DAYS = "SELECT start_time::DATE, count(*) FROM scope GROUP BY ALL ORDER BY ALL"
ORDINAL = """
CREATE OR REPLACE TEMP MACRO ordinal(x) AS lpad((greatest(coalesce(x, -1), -1) + 1)::VARCHAR, 19, '0')
"""
_CSV_MACROS = """
CREATE OR REPLACE TEMP MACRO csv_time(t) AS strftime(t, '%Y-%m-%dT%H:%M:%S.%fZ');
CREATE OR REPLACE TEMP MACRO csv_visible(x) AS CASE WHEN regexp_matches(x, getvariable('csv_hostile'))
    THEN array_to_string(list_transform(string_split(x, ''), lambda c: coalesce(getvariable('csv_names')[c], c)), '')
    ELSE x END;
CREATE OR REPLACE TEMP MACRO csv_cell(x) AS
    regexp_replace(regexp_replace(regexp_replace(csv_visible(x),
        getvariable('csv_formula'), '\\1''\\2', 'g'), getvariable('csv_leading'), '''\\1'),
        getvariable('csv_command'), '\\1''\\2', 'gi');
"""


@dataclass(frozen=True, slots=True)
class Target:
    """The destination of an export: ``kind`` is folder, parquet or csv; ``shown`` is the name as given."""

    path: Path
    kind: str
    shown: str


@dataclass(frozen=True, slots=True)
class Exported:
    """The content of an export: the calls that a report counts, without a start time, and on how many days.

    ``first`` and ``last`` are UTC days, None when no such call has a start time.
    """

    calls: int
    undated: int
    days: int
    first: date | None
    last: date | None
    notes: tuple[Note, ...]


def target_of(name: str, *, overwrite: bool, inputs: tuple[str, ...] = ()) -> Target:
    """Return the target of a name; UsageError when an export must not be written there."""
    suffix = Path(name).suffix.lower()
    path = Path(os.path.realpath(name))
    kind = {".csv": "csv", ".parquet": "parquet"}.get(suffix, "folder")
    target = Target(path, kind, name)
    if name in ("", "-") or suffix in _OTHER_FILES:
        raise UsageError(f"export {name}: expected a folder, or a file ending in .csv or .parquet")
    if any(os.path.realpath(one) == str(path) for one in inputs):
        raise UsageError(f"export {name}: that is one of the files to read")
    if not path.exists():
        return target
    if path.is_dir() and kind != "folder":
        raise UsageError(f"export {name}: that is a folder")
    if not path.is_dir() and (kind == "folder" or not path.is_file()):
        raise UsageError(f"export {name}: that is a file", "name a folder, or a file ending in .csv or .parquet")
    if _is_empty(path):
        return target
    if not overwrite:
        raise UsageError(f"export {name}: there is something already", "--overwrite replaces it; or name another")
    if kind == "folder" and not _is_export(path):
        raise UsageError(f"export {name}: the folder holds more than an export, so it is not replaced")
    return target


@contextmanager
def stage(target: Target) -> Iterator[Path]:
    """Yield a folder next to the target to write into, and publish it when the block succeeds.

    It is removed when the block fails. Raises DeliveryError when it cannot be written.
    """
    folder = target.path.with_name(f".{target.path.name}.{secrets.token_hex(4)}")
    try:
        os.fsencode(folder).decode()
        folder.mkdir()
    except UnicodeDecodeError:
        raise UsageError("export: the name of the target is not UTF-8") from None
    except OSError as error:
        raise cannot_write(target, error.strerror) from None
    try:
        yield folder
        try:
            _publish(folder, target)
        except OSError as error:
            raise cannot_write(target, error.strerror) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_calls(store: Store, scope: Scope, target: Target, folder: Path) -> Exported:
    """Write the calls of a scope into a staging folder. Raises DeliveryError when the disk is full or refuses."""
    scope.prepare(store)
    define_buckets(store)
    store.run(ORDINAL)
    days = store.query(scope.total().sql(_DAYS), scope.total().params())
    calls = sum(number for _, number in days)
    dated = [day for day, _ in days if day is not None]
    undated = sum(number for day, number in days if day is None)
    try:
        if target.kind == "folder":
            _write_days(store, scope, folder)
            write_tables(store, scope, folder)
        else:
            _write_file(store, scope, folder / target.path.name, target.kind)
    except StreamauditError as error:
        raise refusal(target, error) or error from None
    except OSError as error:
        raise cannot_write(target, error.strerror) from None
    first, last = (dated[0], dated[-1]) if dated else (None, None)
    return Exported(calls, undated, len(dated), first, last, _notes(store, scope, target.kind))


def _write_days(store: Store, scope: Scope, folder: Path) -> None:
    """Write every call in the window, also those that a report only counts in a note, which have ``counted`` 0."""
    rows = "COPY (" + scope.sql(package_text("audits.export", "export.sql"))
    days = folder / "days"  # the folder itself is not in what the connection may write to, only its content
    everything = {**params_of(scope, days), "uncounted": True, "embeddings": True}
    written = store.run(rows + _ROWS + _SORTED + _BY_DAY, everything)
    for first in days.glob("*/calls0.parquet"):
        first.rename(first.with_name(CALLS_FILE))
    for day in days.glob("*"):
        day.rename(folder / day.name)
    days.rmdir()
    if not written:  # an empty export still has its columns
        (folder / UNDATED).mkdir()
        none = {**everything, "path": str(folder / UNDATED / CALLS_FILE)}
        store.run(rows + _UNDATED_ROWS + _PARQUET, none)


def _write_file(store: Store, scope: Scope, path: Path, kind: str) -> None:
    rows = scope.sql(package_text("audits.export", "export.sql"))
    if kind == "parquet":
        store.run("COPY (" + rows + _ROWS + _SORTED + _PARQUET, params_of(scope, path))
        return
    _define_csv(store)
    formatted = rows + package_text("audits.export", "export_csv.sql")
    store.run("COPY (" + _CSV_ROWS + formatted + ")" + _SORTED + _CSV, params_of(scope, path))


def params_of(scope: Scope, path: Path) -> dict[str, Any]:
    """Return the parameters of export.sql, and the file or folder to write to."""
    found = scope.total().params()
    return {
        **found, "with_embeddings": found["embeddings"], "diversity": FOR_DIVERSITY, "path": str(path),
        "session_mask": SESSION_BINS - 1,
    }  # fmt: skip


def _define_csv(store: Store) -> None:
    """Define the CSV renderer's own rules for texts as macros: control characters named, formulas quoted."""
    hostile = escape.csv_signs()
    names = {"signs": hostile, "names": [escape.csv(f"a{sign}")[1:] for sign in hostile]}
    store.query("SET VARIABLE csv_names = map($signs::VARCHAR[], $names::VARCHAR[])", names)
    store.query("SET VARIABLE csv_hostile = $pattern", {"pattern": "[" + "".join(_ranges(hostile)) + "]"})
    store.query("SET VARIABLE csv_formula = $pattern", {"pattern": escape.CSV_FORMULA})
    store.query("SET VARIABLE csv_leading = $pattern", {"pattern": escape.CSV_LEADING})
    store.query("SET VARIABLE csv_command = $pattern", {"pattern": escape.COMMAND})
    store.script(_CSV_MACROS)


def _ranges(signs: list[str]) -> Iterator[str]:
    """Yield characters, sorted by code, as parts of a regular expression's class: neighbours as one range."""
    codes = [ord(sign) for sign in signs]
    first = 0
    for place, code in enumerate(codes):
        if place + 1 == len(codes) or codes[place + 1] != code + 1:
            yield f"\\x{{{codes[first]:x}}}-\\x{{{code:x}}}"
            first = place + 1


_STATED = ("empty", "nested", "same_response", "no_start_time")


def _notes(store: Store, scope: Scope, kind: str) -> tuple[Note, ...]:
    notes = {note.code: note for note in coverage_notes(store, scope)}
    stated = tuple(notes[code] for code in _STATED if code in notes)
    left_out = notes["embeddings"].count if "embeddings" in notes else 0
    if not left_out:
        return stated
    message = f"{left_out:,} embedding calls " + (
        "have counted = 0, as no report sums them" if kind == "folder"
        else "are left out; --only operation=embedding exports them"
    )  # fmt: skip
    return (*stated, Note("embeddings", message, left_out))


def _publish(folder: Path, target: Target) -> None:
    made = folder if target.kind == "folder" else folder / target.path.name
    if target.path.exists():
        shutil.copymode(target.path, made)  # keep the permissions of the replaced file
    if target.kind != "folder":
        os.replace(made, target.path)
        return
    if not target.path.exists() or _is_empty(target.path):
        os.replace(folder, target.path)
        return
    old = folder.with_name(folder.name + ".old")
    os.replace(target.path, old)
    try:
        os.replace(folder, target.path)
    except BaseException:
        os.replace(old, target.path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _is_empty(path: Path) -> bool:
    return not any(path.iterdir()) if path.is_dir() else path.stat().st_size == 0


def _is_export(folder: Path) -> bool:
    """Return whether a folder holds only files that an export writes: only such a folder may be removed."""
    return all(_is_of_export(entry) for entry in folder.iterdir() if entry.name != EDGES_FILE)


def _is_of_export(entry: Path) -> bool:
    if not entry.is_dir():
        return False
    if entry.name == META:
        return all(one.is_file() and one.suffix == ".parquet" for part in entry.iterdir() for one in _files(part))
    return entry.name.startswith("day=") and all(_CALLS_FILES.fullmatch(one.name) for one in entry.iterdir())


def _files(part: Path) -> Iterator[Path]:
    return part.iterdir() if part.is_dir() else iter((part,))


def refusal(target: Target, error: StreamauditError) -> DeliveryError | None:
    """Return the failure to write a file in our words; None for any other error."""
    text = str(error.__cause__).lower()
    reasons = ("no space left on device", "permission denied", "file too large", "read-only file system", "quota")
    if not isinstance(error.__cause__, Exception) or "offload" in text:
        return None
    reason = next((reason for reason in reasons if reason in text), None)
    return cannot_write(target, reason) if reason else None


def cannot_write(target: Target, reason: str | None) -> DeliveryError:
    """Return the failure to write a target, with its reason."""
    return DeliveryError(f"cannot write {target.shown}: {(reason or 'the system refuses').lower()}")
