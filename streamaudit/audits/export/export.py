"""``export``: write the calls of a scope for other tools: Parquet by UTC day, one Parquet file, or CSV.

Files are written atomically: into a folder next to the target first, which takes the target's name once complete. Rows
are sorted by start time, then source, then call id.
"""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from streamaudit.audits.notes import coverage_notes
from streamaudit.audits.scope.scope import Scope
from streamaudit.errors import DeliveryError, StreamauditError, UsageError
from streamaudit.report import escape
from streamaudit.report.model import Note
from streamaudit.store.buckets import bounds_us, define_buckets, edges_us
from streamaudit.store.package_files import package_text
from streamaudit.store.store import Store

EDGES_FILE = "_bucket_edges.csv"
"""File in every exported folder; readers of Parquet folders skip names that begin with an underscore."""
CALLS_FILE = "calls.parquet"
UNDATED = "day=__HIVE_DEFAULT_PARTITION__"
"""Folder of calls without a start time, which engines read as a NULL day."""

_OTHER_FILES = frozenset(
    ".json .jsonl .ndjson .gz .zst .tsv .txt .xlsx .md .html .db .duckdb .sqlite .arrow .feather .orc .avro".split()
)
_ROWS = "SELECT * FROM exported"
_SORTED = " ORDER BY start_time NULLS LAST, source, call_id"
_DAY_ROWS = "SELECT * EXCLUDE (day) FROM exported"  # the folder's name is the day
_PARQUET = ") TO $path (FORMAT parquet, COMPRESSION zstd)"
_CSV_ROWS = "SELECT * FROM ("
_CSV = ") TO $path (FORMAT csv, HEADER true)"

_DAYS = "SELECT start_time::DATE, count(*) FROM scope GROUP BY ALL ORDER BY ALL"
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
    """The content of an export. ``first`` and ``last`` are UTC days, None when no call has a start time."""

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
        raise _cannot_write(target, error.strerror) from None
    try:
        yield folder
        try:
            _publish(folder, target)
        except OSError as error:
            raise _cannot_write(target, error.strerror) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_calls(store: Store, scope: Scope, target: Target, folder: Path) -> Exported:
    """Write the calls of a scope into a staging folder. Raises DeliveryError when the disk is full or refuses."""
    scope.prepare(store)
    define_buckets(store)
    days = store.query(scope.total().sql(_DAYS), scope.total().params())
    dated = [(day, calls) for day, calls in days if day is not None]
    undated = sum(calls for day, calls in days if day is None)
    try:
        if target.kind == "folder":
            written = _write_days(store, scope, folder, [day for day, _ in days])
        else:
            written = _write_file(store, scope, folder / target.path.name, target.kind)
    except StreamauditError as error:
        raise _refusal(target, error) or error from None
    except OSError as error:
        raise _cannot_write(target, error.strerror) from None
    first, last = (dated[0][0], dated[-1][0]) if dated else (None, None)
    return Exported(written, undated, len(dated), first, last, _notes(store, scope))


def _write_days(store: Store, scope: Scope, folder: Path, days: list[date | None]) -> int:
    query = "COPY (" + scope.sql(package_text("audits.export", "export.sql")) + _DAY_ROWS + _SORTED + _PARQUET
    written = 0
    for day in days or [None]:  # an empty export still has its columns
        part = folder / (UNDATED if day is None else f"day={day.isoformat()}")
        part.mkdir()
        about = {"path": str(part / CALLS_FILE), "untimed": day is None}
        written += store.run(query, {**_narrow_to_day(scope, day).params(), **about})
    with (folder / EDGES_FILE).open("w", encoding="utf-8", newline="") as file:
        file.write("bucket,low_us,high_us\n")
        for number in range(len(edges_us()) + 1):
            low, high = bounds_us(number)
            file.write(f"{number},{'' if low is None else low},{'' if high is None else high}\n")
    return written


def _write_file(store: Store, scope: Scope, path: Path, kind: str) -> int:
    about = {**scope.total().params(), "path": str(path), "untimed": None}
    rows = scope.sql(package_text("audits.export", "export.sql"))
    if kind == "parquet":
        return store.run("COPY (" + rows + _ROWS + _SORTED + _PARQUET, about)
    _define_csv(store)
    formatted = rows + package_text("audits.export", "export_csv.sql")
    return store.run("COPY (" + _CSV_ROWS + formatted + ")" + _SORTED + _CSV, about)


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


def _narrow_to_day(scope: Scope, day: date | None) -> Scope:
    """Return the same scope on one UTC day; None is all of it."""
    if day is None:
        return scope.total()
    start = datetime.combine(day, time(), UTC)
    end = start + timedelta(days=1)
    return replace(
        scope.total(),
        since=max(start, scope.since) if scope.since else start,
        until=min(end, scope.until) if scope.until else end,
    )


_STATED = ("empty", "nested", "same_response", "no_start_time")


def _notes(store: Store, scope: Scope) -> tuple[Note, ...]:
    notes = {note.code: note for note in coverage_notes(store, scope)}
    stated = tuple(notes[code] for code in _STATED if code in notes)
    left_out = notes["embeddings"].count if "embeddings" in notes else 0
    message = f"{left_out:,} embedding calls are left out; --only operation=embedding exports them"
    return (*stated, Note("embeddings", message, left_out)) if left_out else stated


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
    entries = [entry for entry in folder.iterdir() if entry.name != EDGES_FILE]
    return all(
        entry.name.startswith("day=") and entry.is_dir() and [one.name for one in entry.iterdir()] == [CALLS_FILE]
        for entry in entries
    )


def _refusal(target: Target, error: StreamauditError) -> DeliveryError | None:
    """Return the failure to write a file in our words; None for any other error."""
    text = str(error.__cause__).lower()
    reasons = ("no space left on device", "permission denied", "file too large", "read-only file system", "quota")
    if not isinstance(error.__cause__, Exception) or "offload" in text:
        return None
    reason = next((reason for reason in reasons if reason in text), None)
    return _cannot_write(target, reason) if reason else None


def _cannot_write(target: Target, reason: str | None) -> DeliveryError:
    return DeliveryError(f"cannot write {target.shown}: {(reason or 'the system refuses').lower()}")
