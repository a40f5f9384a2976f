"""Find the files that are named by paths, globs and folders."""

import glob
import re
from pathlib import Path

from streamaudit.errors import InputError
from streamaudit.ingest.readers import remote

SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
PACKED = (".gz", ".zst")
_LOG = re.compile(r"^[^.].*(\.log|_log|access)([-.]\d[\d-]*)?(\.gz|\.zst)?$")


def expand(paths: list[str], *, logs: bool = False) -> dict[str, bool]:
    """Return every file named by paths, globs and folders, in a stable order and each once; ``-`` is standard input.
    The value is whether the file was only found, in a folder or by a glob, and not named.

    A folder stands for the files below it whose names end in SUFFIXES, compressed or not; with ``logs`` also for those
    that are named as logs are, rotated or not. Raises InputError for a path that does not exist or matches nothing.
    """
    found: dict[str, bool] = {}
    for text in paths:
        for name in _expand_one(text, logs):
            found[name] = found.get(name, True) and name != text
    return found


def _expand_one(text: str, logs: bool) -> list[str]:
    if text == "-":
        return ["-"]
    if remote.is_remote(text):
        names = [name for name in remote.list_objects(text) if name == text or _is_record_name(Path(name), Path(text))]
        if not names:
            raise InputError(
                f"no file of records ({', '.join(SUFFIXES)}; plain, .gz or .zst) at {remote.mask_address(text)}"
            )
        return names
    path = Path(text)
    if path.is_dir():
        names = sorted(
            str(file)
            for file in path.rglob("*")
            if file.is_file() and (_is_record_name(file, path) or (logs and _LOG.search(file.name.lower())))
        )
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
