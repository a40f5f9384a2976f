"""Read files into a store in memory for a report; a file that cannot be read is an error."""

from collections.abc import Sequence

from streamaudit.errors import InputError
from streamaudit.ingest.pipeline import Ingest, Progress
from streamaudit.ingest.readers.reader import Reader, expand
from streamaudit.ingest.results import FileResult, Options
from streamaudit.store.store import Store


def read_files(
    store: Store, reader: Reader, names: Sequence[str], options: Options, progress: Progress | None = None
) -> list[FileResult]:
    """Read files, globs and folders into a store, and return what became of each file."""
    return list(Ingest(store, options).files(reader, expand(list(names)), progress))


def refuse_failures(results: Sequence[FileResult], *, with_reasons: bool) -> None:
    """Raise InputError when a file could not be read or none held a good record; ``with_reasons`` for callers that have
    not shown the results."""
    failed = [one for one in results if one.problem and not one.passed_over]
    if failed:
        message = f"{len(failed)} of {len(results)} files could not be read, so there is no report"
        reasons = "; ".join(f"{one.shown}: {one.problem}" for one in failed)
        raise InputError(f"{message}: {reasons}" if with_reasons else message)
    if not any(one.counts and one.counts.read > one.counts.rejected for one in results):
        raise InputError("no file held a good record, so there is no report")
