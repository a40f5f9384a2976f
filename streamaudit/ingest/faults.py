"""Keep what goes wrong with one file that file's problem: the others are read, and a bug is reported with its place."""

import re
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from streamaudit.errors import DeliveryError, InputError, StoreError, StreamauditError, UsageError
from streamaudit.ingest.readers.files import Refused
from streamaudit.ingest.readers.reader import NotRecords
from streamaudit.ingest.results import FileResult
from streamaudit.store.duckdb_errors import NO_MEMORY

_Result = TypeVar("_Result")
_PACKAGE = Path(__file__).parents[1]
_QUOTE = re.compile(r"[\"'`\n]")
_HINT = "-v shows the details to report with it; all other files are read"


def contain(shown: str, sought: bool, work: Callable[[], _Result]) -> _Result | FileResult:
    """Return what ``work`` returns, or the file with its problem where it raises an error of the file or has a bug.
    Errors of the store and of the command line are raised, since they concern every file; so is a process without
    memory, unlike a file that needs more of it than the database may use."""
    try:
        return work()
    except StoreError as error:
        if error.message != NO_MEMORY:
            raise
        return FileResult(shown, problem="reading it needs more memory than allowed", hint="--memory-limit 4GB")
    except (UsageError, DeliveryError):
        raise
    except MemoryError:
        raise StoreError(NO_MEMORY, "give the process more memory, or read fewer files at once") from None
    except (Refused, InputError) as error:
        return FileResult(
            shown, problem=str(error), hint=error.hint, passed_over=sought and isinstance(error, NotRecords)
        )
    except Exception as error:
        if isinstance(error, OSError) and error.strerror:
            return FileResult(shown, problem=f"cannot be read: {error.strerror}")
        where, details = describe_bug(error)
        return FileResult(shown, problem=f"a bug in streamaudit ({where}): not read", hint=_HINT, bug=details)


def describe_bug(error: Exception) -> tuple[str, str]:
    """Return the kind and the place of an unexpected error, and its details: the text up to its first quote, behind
    which it may hold a value, and the package's lines that led to it."""
    cause = error.__cause__ if type(error) is StreamauditError and error.__cause__ else error
    frames = [
        f"{Path(frame.filename).relative_to(_PACKAGE.parent)}:{frame.lineno} in {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(_PACKAGE)
    ]
    kind, place = type(cause).__name__, frames[-1].partition(" ")[0] if frames else "unknown place"
    text = _QUOTE.split(str(cause), maxsplit=1)[0].strip()
    return f"{kind} at {place}", "\n".join((f"{kind}: {text}", *(f"  {frame}" for frame in frames)))
