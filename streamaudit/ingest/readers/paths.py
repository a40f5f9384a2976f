"""Which files are meant by paths, globs and folders."""

import glob
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from streamaudit.errors import InputError
from streamaudit.ingest.readers import remote

SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
PACKED = (".gz", ".zst")


def expand(paths: list[str]) -> dict[str, bool]:
    """Every file named by paths, globs and folders, in a stable order and each once; ``-`` is standard input. The value
    says whether the file was only found, in a folder or by a glob, and not named.

    A folder stands for the files below it whose names end in SUFFIXES, packed or not.
    Raises InputError for a path that does not exist or matches nothing.
    """
    found: dict[str, bool] = {}
    for text in paths:
        for name in _expand_one(text):
            found[name] = found.get(name, True) and name != text
    return found


def without_twins(files: dict[str, bool]) -> tuple[dict[str, bool], int]:
    """The files without those of a Langfuse bucket's ``observations/`` where ``observations_v2/`` is beside it: both
    hold the same calls, the latter more of each. Also how many were left out."""
    enriched = {match[1] for name in files if (match := _TABLE.match(name)) and match[2] == "observations_v2"}
    kept = {
        name: sought for name, sought in files.items()
        if not ((match := _TABLE.match(name)) and match[2] == "observations" and match[1] in enriched)
    }  # fmt: skip
    return kept, len(files) - len(kept)


_TABLE = re.compile(r"(|.*/)(observations|observations_v2)/[^/]+$")


def until(name: str) -> datetime | None:
    """The instant up to which a file reaches by its name, in UTC: the stamp of a Langfuse bucket export, which is its
    window's end, or the hour of a Datadog log archive. None where a name says nothing."""
    stamped = _LANGFUSE.search(name)
    if Path(name).parent.name == "traces":
        return None  # a call may belong to a trace that began long before
    if stamped:
        return datetime.strptime(stamped[1], "%Y-%m-%dT%H-%M-%S").replace(tzinfo=UTC)
    hour = _DATADOG.search(name)
    if hour:
        return datetime.strptime(hour[1] + hour[2], "%Y%m%d%H").replace(tzinfo=UTC) + timedelta(hours=1)
    return None


_LANGFUSE = re.compile(r"(?:^|/)(\d{4}-[01]\d-[0-3]\dT[0-2]\d-[0-5]\d-[0-5]\d)\.[a-z]+(?:\.gz)?$")
_DATADOG = re.compile(r"(?:^|/)dt=(20\d\d[01]\d[0-3]\d)/hour=([01]\d|2[0-3])/")


def _expand_one(text: str) -> list[str]:
    if text == "-":
        return ["-"]
    if remote.is_remote(text):
        names = [name for name in remote.listed(text) if name == text or _is_record_name(Path(name), Path(text))]
        if not names:
            raise InputError(f"no file of records ({', '.join(SUFFIXES)}; plain, .gz or .zst) at {remote.masked(text)}")
        return names
    path = Path(text)
    if path.is_dir():
        names = sorted(str(file) for file in path.rglob("*") if file.is_file() and _is_record_name(file, path))
        if not names:
            raise InputError(f"no file of records ({', '.join(SUFFIXES)}; plain, .gz or .zst) in folder {text}")
        return names
    if path.exists():
        return [text]
    if any(sign in text for sign in "*?["):
        names = sorted(name for name in glob.glob(text, recursive=True) if Path(name).is_file())
        if names:
            return names
        raise InputError(f"nothing matches {text}")
    raise InputError(f"no such file: {text}", f"looked in {Path.cwd()}" if not path.is_absolute() else None)


def _is_record_name(path: Path, root: Path) -> bool:
    below = path.relative_to(root).parts if path.is_relative_to(root) else path.parts[-1:]
    hidden = any(part.startswith(".") for part in below)
    name = path.name.lower()
    for packed in PACKED:
        name = name.removesuffix(packed)
    return name.endswith(SUFFIXES) and not hidden
