"""``export --compact``: make one export of a folder into which several have put their files.

Of the records of one call the one with the latest ``winner`` is kept, and every day becomes one file. Nested calls,
responses of two sources and values from other steps are as the exports have them: only a merge of the stores decides
them again.
"""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from streamaudit.audits.export.export import CALLS_FILE, UNDATED, Target, cannot_write, refusal, stage
from streamaudit.audits.export.tables import EDGES_FILE
from streamaudit.errors import InputError, StreamauditError, UsageError
from streamaudit.store.export_layout import ABOUT, EXPORT_SCHEMA, LOADS, META, PROVIDERS, TEXTS
from streamaudit.store.store import Store
from streamaudit.store.views.valuation import LEARNED

_SET = "SET VARIABLE files = $files::VARCHAR[]"
_CALLS = """
CREATE OR REPLACE TEMP VIEW exported_calls AS
FROM read_parquet(getvariable('files'), filename = true, file_row_number = true, union_by_name = true,
    hive_partitioning = false)
"""
# Of records that are equal, the one in the file whose name comes last: that of a later export, if names have dates.
_BEATEN = """
CREATE OR REPLACE TEMP TABLE beaten AS
WITH repeated AS (SELECT source, call_id FROM exported_calls GROUP BY ALL HAVING count(*) > 1)
SELECT filename, file_row_number
FROM (SELECT source, call_id, winner, filename, file_row_number FROM exported_calls) SEMI JOIN repeated
    USING (source, call_id)
QUALIFY row_number() OVER (
    PARTITION BY source, call_id ORDER BY winner DESC, parse_filename(filename) DESC, filename DESC, file_row_number
) > 1
"""
_WITH_BEATEN = "SELECT DISTINCT filename FROM beaten"
_KEPT = "SELECT count(*) FROM exported_calls ANTI JOIN beaten USING (filename, file_row_number)"
_COPY_DAY = """
COPY (
    SELECT * EXCLUDE (filename, file_row_number) FROM exported_calls ANTI JOIN beaten USING (filename, file_row_number)
    ORDER BY start_time NULLS LAST, source, call_id
) TO $path (FORMAT parquet, COMPRESSION zstd)
"""
_LEARNABLE = "CREATE OR REPLACE TEMP VIEW refreshed_calls AS FROM exported_calls"
_COPY = "COPY ({rows}) TO $path (FORMAT parquet, COMPRESSION zstd)"
_TABLES = {
    ABOUT: """
SELECT
    max(export_schema) AS export_schema, max(store_schema) AS store_schema, max(tool_version) AS tool_version,
    string_agg(DISTINCT prices, ', ' ORDER BY prices) AS prices,
    string_agg(DISTINCT filters, ' or ' ORDER BY filters) AS filters,
    CASE WHEN count(since_us) = count(*) THEN min(since_us) END AS since_us,
    CASE WHEN count(until_us) = count(*) THEN max(until_us) END AS until_us,
    (SELECT count(*) FROM exported_calls) AS stored_calls
FROM read_parquet(getvariable('tables'), union_by_name = true)
""",
    TEXTS: LEARNED.format(condition="true") + " ORDER BY model",
    PROVIDERS: """
FROM read_parquet(getvariable('tables'), union_by_name = true)
QUALIFY row_number() OVER (PARTITION BY provider ORDER BY as_of DESC NULLS LAST, origin, on_disconnect) = 1
ORDER BY ALL
""",
}
"""The tables of a folder, of those of several exports; lengths of texts are learned again from all calls. Those of
loads stay as they are: the next export of a machine replaces its own."""
_SCHEMAS = """
SELECT min(export_schema), max(export_schema) FROM read_parquet($files, union_by_name = true)
"""


@dataclass(frozen=True, slots=True)
class Compacted:
    """The result: calls kept, records of them left out, days, and how many of these were written again."""

    calls: int
    dropped: int
    days: int
    rewritten: int


@dataclass(frozen=True, slots=True)
class _Folder:
    """An exported folder: its files of calls by day, and when they were written."""

    path: Path
    days: dict[str, list[Path]]
    stamps: tuple[tuple[str, int, int], ...]


def compact(store: Store, name: str) -> Compacted:
    """Compact an exported folder in place, all of it or nothing; ``store`` is one in memory.

    Raises UsageError for what is no export, InputError for one of another version, or that changes meanwhile,
    DeliveryError when it cannot be written.
    """
    target = Target(Path(os.path.realpath(name)), "folder", name)
    folder = _survey(target)
    _check_version(store, target)
    every = [str(file) for files in folder.days.values() for file in files]
    store.run(_SET, {"files": every})
    store.run(_CALLS)
    store.run(_BEATEN)
    calls, dropped = store.one(_KEPT)[0], store.one("SELECT count(*) FROM beaten")[0]
    changed = {row[0] for row in store.query(_WITH_BEATEN)}
    again = [
        day for day, files in folder.days.items() if len(files) > 1 or any(str(file) in changed for file in files)
    ]
    if again or any(len(_tables(target, name)) > 1 for name in _TABLES):
        with stage(target) as made:
            try:
                _write(store, folder, again, made)
            except StreamauditError as error:
                raise refusal(target, error) or error from None
            except OSError as error:
                raise cannot_write(target, error.strerror) from None
            if _survey(target).stamps != folder.stamps:
                raise InputError(f"{name} was written to meanwhile, so it stays as it is", "run the same command again")
    return Compacted(calls, dropped, len(folder.days), len(again))


def _survey(target: Target) -> _Folder:
    """Find the files of an export. Raises UsageError for a folder that holds anything else."""
    path = target.path
    if not path.is_dir():
        raise UsageError(f"export {target.shown}: there is no folder to compact")
    days: dict[str, list[Path]] = {}
    found = []
    for entry in sorted(path.iterdir()):
        files = sorted(entry.rglob("*") if entry.is_dir() else [entry])
        if entry.name.startswith("day=") and all(file.suffix == ".parquet" for file in files):
            days[entry.name] = files
        elif entry.name not in (META, EDGES_FILE):
            raise UsageError(f"export {target.shown}: the folder holds more than exports, so it is not compacted")
        found += files
    if not days or not _tables(target, ABOUT):
        raise UsageError(f"export {target.shown}: the folder holds no export", "streamaudit export FOLDER writes one")
    facts = [(str(file), file.stat()) for file in found]
    return _Folder(path, days, tuple((name, fact.st_size, fact.st_mtime_ns) for name, fact in facts))


def _check_version(store: Store, target: Target) -> None:
    least, most = store.one(_SCHEMAS, {"files": _tables(target, ABOUT)})
    if (least, most) != (EXPORT_SCHEMA, EXPORT_SCHEMA):
        other = least if least != EXPORT_SCHEMA else most
        raise InputError(
            f"{target.shown} holds an export of version {other}; this streamaudit writes {EXPORT_SCHEMA}",
            "export the store again: streamaudit export FOLDER --overwrite",
        )


def _tables(target: Target, name: str) -> list[str]:
    return sorted(map(str, (target.path / name).glob("*.parquet")))


def _write(store: Store, folder: _Folder, again: Sequence[str], made: Path) -> None:
    """Write the compacted folder: days with anything to decide are written, all others linked."""
    files = []
    for day, parts in folder.days.items():
        (made / day).mkdir()
        path = made / day / CALLS_FILE
        if day not in again:
            _link(parts[0], path)
        else:
            store.run(_SET, {"files": [str(part) for part in parts]})
            if not store.run(_COPY_DAY, {"path": str(path)}) and day != UNDATED:
                shutil.rmtree(made / day)
                continue
        files.append(str(path))
    shutil.copyfile(folder.path / EDGES_FILE, made / EDGES_FILE)
    store.run(_SET, {"files": files})
    store.run(_LEARNABLE)
    shutil.copytree(folder.path / LOADS, made / LOADS)
    for name, rows in _TABLES.items():
        path = made / name / f"{Path(name).name}.parquet"
        path.parent.mkdir(parents=True)
        tables = sorted(map(str, (folder.path / name).glob("*.parquet")))
        store.run("SET VARIABLE tables = $files::VARCHAR[]", {"files": tables})
        store.run(_COPY.format(rows=rows), {"path": str(path)})


def _link(file: Path, path: Path) -> None:
    try:
        os.link(file, path)
    except OSError:  # a file system without links
        shutil.copy2(file, path)
