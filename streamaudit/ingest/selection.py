"""Choose which of the files that were found are read, by what sources know of their paths."""

from datetime import datetime

from streamaudit.ingest.sources.registry import discover


def drop_superseded(files: dict[str, bool]) -> tuple[dict[str, bool], dict[str, str]]:
    """Return the files without those whose calls another folder holds too, and the folders that were left out.

    The folders are keyed by their path and map to the folder that supersedes them; both end in a slash.
    """
    stands_for = {
        folder: _folder_of(name)
        for source in discover().values() for name in files if (folder := source.supersedes(name)) is not None
    }  # fmt: skip
    kept = {name: sought for name, sought in files.items() if _folder_of(name) not in stands_for}
    left_out = {_folder_of(name) for name in files.keys() - kept.keys()}
    return kept, {folder: stands_for[folder] for folder in sorted(left_out)}


def window_end(path: str) -> datetime | None:
    """Return the instant, in UTC, before which every call of a file began; None where its path does not show it."""
    ends = (source.window_end(path) for source in discover().values())
    return next((end for end in ends if end is not None), None)


def _folder_of(path: str) -> str:
    return path[: path.rfind("/") + 1]
