"""One report from question to bytes: open the store late or read files into memory, ask, close, then render."""

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path
from typing import TypeVar

from streamaudit.audits.scope.scope import Scope
from streamaudit.cli import ingest_summary
from streamaudit.cli.options import Inputs, Writing, mapping
from streamaudit.cli.output import Output, tops, write
from streamaudit.errors import EXIT_OK, InputError, StreamauditError, UsageError
from streamaudit.ingest.pipeline import Ingest
from streamaudit.ingest.readers.reader import Reader, expand
from streamaudit.ingest.results import Options
from streamaudit.report.model import Report
from streamaudit.report.redact import redacted
from streamaudit.store.lookups import apply_lookups, log_unmatched, read_lookups
from streamaudit.store.store import Store

Audit = Callable[[Store, Scope], Report]
_Answer = TypeVar("_Answer")


def run_audit(audit: Audit, scope: Scope, inputs: Inputs, writing: Writing, top: int | None = None) -> int:
    """Run one audit over the store, or over files in memory, and write its report."""
    output = writing.checked(top)
    return written(computed(audit, scope, inputs, writing, tops(output)), output, writing)


def computed(
    audit: Audit, scope: Scope, inputs: Inputs, writing: Writing, wanted: Collection[int | None]
) -> dict[int | None, Report]:
    """A report for each of the wanted numbers of groups, with aliases where these are asked for; the store is closed
    again."""
    hide = writing.redacted()
    with opened(inputs) as store:
        reports = {top: asked(store, audit, replace(scope, top=top)) for top in wanted}
        if hide:
            key = store.secret()
            reports = {top: redacted(report, hide, key) for top, report in reports.items()}
    return reports


def written(reports: dict[int | None, Report], output: Output, writing: Writing) -> int:
    """Write the reports; InputError when they are empty and that was to fail."""
    write(reports, output)
    return fail_on_empty(reports, writing)


def fail_on_empty(reports: dict[int | None, Report], writing: Writing) -> int:
    """InputError when reports are empty and that was to fail."""
    if writing.fail_on_empty and any(note.code == "empty" for report in reports.values() for note in report.notes):
        raise InputError("no calls in this window")
    return EXIT_OK


def asked(store: Store, audit: Callable[[Store, Scope], _Answer], scope: Scope) -> _Answer:
    """What an audit gives; a failure that only the user's own condition can cause comes out as a UsageError."""
    try:
        return audit(store, scope)
    except StreamauditError as error:
        if scope.where and type(error) is StreamauditError:
            raise UsageError(f"--where: {scope.where!r} compares a value with another type") from None
        raise


@contextmanager
def opened(inputs: Inputs, writable: Path | None = None) -> Iterator[Store]:
    """The store to read, locked against network and files (but for one folder): the store file, or one in memory
    filled from files."""
    inputs.speak()
    lookups = read_lookups(inputs.settings.lookup_files())
    with ExitStack() as stack:
        if inputs.files:
            # The reader's folder is where large queries spill, so it outlives them.
            reader = stack.enter_context(Reader())
            store = stack.enter_context(inputs.in_memory())
            _fill(store, reader, inputs)
        else:
            store = stack.enter_context(inputs.open(write=False))
        apply_lookups(store, lookups)
        log_unmatched(store, lookups)
        store.lock_down(writable)
        yield store


def _fill(store: Store, reader: Reader, inputs: Inputs) -> None:
    mapped = mapping(inputs.map_, inputs.settings)
    job = Ingest(store, Options(mapped, prices=inputs.settings.price_file()))
    found = expand(inputs.files or [])
    results = [job.file(reader, name, ingest_summary.Progress(), sought=sought) for name, sought in found.items()]
    for outcome in results:
        if outcome.problem or outcome.rejects or outcome.emptied or outcome.is_doubtful:
            ingest_summary.result(outcome, keys=False)
    ingest_summary.absent_paths(results, mapped)
    failed = [outcome for outcome in results if outcome.problem and not outcome.passed_over]
    if failed:
        raise InputError(f"{len(failed)} of {len(results)} files could not be read, so there is no report")
    if not any(outcome.counts and outcome.counts.read > outcome.counts.rejected for outcome in results):
        raise InputError("no file held a good record, so there is no report")


@contextmanager
def sample_traces() -> Iterator[list[str]]:
    """The sample traces that come with the package, or stand in its checkout."""
    with as_file(files("streamaudit").joinpath("sample_traces")) as packed:
        folder = packed if packed.is_dir() else Path(__file__).parents[2] / "sample_traces"
        yield sorted(str(path) for path in folder.glob("*.gz"))
