"""What the commands do, behind the options: open the store late, close it before anything is rendered."""

import csv
import re
import shlex
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib.resources import as_file, files
from pathlib import Path

from streamaudit import narrate
from streamaudit.errors import EXIT_OK, InputError, StreamauditError, UsageError
from streamaudit.ingest import FileResult, Ingest, Options, coverage
from streamaudit.mapping import parse_mapping
from streamaudit.output import Output, tops, write
from streamaudit.reader import Reader, expand
from streamaudit.report import Report
from streamaudit.scope import Scope
from streamaudit.store import Store

Audit = Callable[[Store, Scope], Report]


@dataclass(frozen=True, slots=True)
class Request:
    """One report: what it covers and where it goes."""

    scope: Scope
    output: Output


def ingest_files(
    paths: list[str], path: Path, assignments: list[str], source: str | None, max_bad: str | None,
    rejects: Path | None, *, force: bool, allow_empty: bool, wait: str, quiet: bool, named: bool,
) -> int:  # fmt: skip
    """Ingest into the store file, narrate on standard error, and return the exit code.

    ``named`` says that the user named the store, so that the next command must name it too.
    """
    count, share = _max_bad(max_bad)
    if source is not None and not re.fullmatch(r"[A-Za-z0-9_.:-]{1,64}", source):
        raise UsageError(f"--source {source}: letters, digits, . _ : and -, up to 64 of them")
    options = Options(parse_mapping(assignments), source, force, share, count)
    wait_s = seconds("--wait", wait)
    names = expand(paths)
    if rejects is not None:
        _write_rejects(rejects, [])  # fails before anything is read, not after
    results, loads = [], []
    with Store.open(path, write=True, wait_s=wait_s, on_wait=None if quiet else narrate.say) as store:
        with Reader() as reader:
            job = Ingest(store, options)
            for name in names:
                outcome = job.file(reader, name, None if quiet else narrate.progress)
                results.append(outcome)
                if not quiet or outcome.problem:
                    narrate.result(outcome)
        loads = [outcome.load_id for outcome in results if outcome.load_id is not None]
        found = coverage(store, loads)
    if rejects is not None:
        _write_rejects(rejects, results)
    if not quiet:
        narrate.equation(results)
        narrate.coverage(found)
        narrate.say(f"  store        {path}")
        if loads:
            narrate.say("next: streamaudit report --by tenant" + (f" --db {shlex.quote(str(path))}" if named else ""))
    return _ingest_exit(results, allow_empty)


def _ingest_exit(results: list[FileResult], allow_empty: bool) -> int:
    failed = [outcome for outcome in results if outcome.problem and not _is_empty(outcome)]
    if failed:
        return InputError.exit_code
    counted = narrate.add([outcome.counts for outcome in results if outcome.counts])
    good = counted.new + counted.repeated + counted.replaced + counted.not_calls
    if good or allow_empty or any(outcome.unchanged for outcome in results):
        return EXIT_OK
    narrate.say("error: no file held a good record")
    return InputError.exit_code


def _is_empty(outcome: FileResult) -> bool:
    return outcome.problem == "empty file"


def run_audit(
    request: Request, audit: Audit, names: list[str] | None, assignments: list[str] | None, path: Path | None,
    fail_on_empty: bool, wait: str, quiet: bool,
) -> int:  # fmt: skip
    """Run one audit over the store, or over files in memory, and write its report."""
    wait_s = seconds("--wait", wait)
    with ExitStack() as stack:
        if names:
            # The reader's folder is where large queries spill, so it outlives them.
            reader = stack.enter_context(Reader())
            store = stack.enter_context(Store.in_memory())
            _ingest_for_report(store, reader, names, assignments or [], quiet)
        else:
            if assignments:
                raise UsageError("--map is for files; the store's calls were mapped when they were ingested")
            assert path is not None
            on_wait = None if quiet else narrate.say
            store = stack.enter_context(Store.open(path, write=False, wait_s=wait_s, on_wait=on_wait))
        store.lock_down()
        try:
            reports = {top: audit(store, replace(request.scope, top=top)) for top in tops(request.output)}
        except StreamauditError as error:
            if request.scope.where and type(error) is StreamauditError:
                raise UsageError(f"--where: {request.scope.where!r} compares a value with another type") from None
            raise
    write(reports, request.output)
    if fail_on_empty and any(note.code == "empty" for report in reports.values() for note in report.notes):
        raise InputError("no calls in this window")
    return EXIT_OK


def _ingest_for_report(store: Store, reader: Reader, names: list[str], assignments: list[str], quiet: bool) -> None:
    job = Ingest(store, Options(parse_mapping(assignments)))
    results = [job.file(reader, name, None if quiet else narrate.progress) for name in expand(names)]
    for outcome in results:
        if outcome.problem or (outcome.rejects and not quiet):
            narrate.result(replace(outcome, keys={}))
    failed = [outcome for outcome in results if outcome.problem]
    if failed:
        raise InputError(f"{len(failed)} of {len(results)} files could not be read, so there is no report")
    if not any(outcome.counts and outcome.counts.read > outcome.counts.rejected for outcome in results):
        raise InputError("no file held a good record, so there is no report")


def run_demo(output: Output) -> int:
    """The main job on the sample traces that come with the package, in memory."""
    from streamaudit.audits import report, tax, ttft

    with ExitStack() as stack:
        folder = stack.enter_context(as_file(files("streamaudit").joinpath("sample_traces")))
        if not folder.is_dir():
            folder = Path(__file__).parent.parent / "sample_traces"
        names = sorted(str(path) for path in folder.glob("*.gz"))
        store = stack.enter_context(Store.in_memory())
        reader = stack.enter_context(Reader())
        job = Ingest(store, Options())
        results = [job.file(reader, name) for name in names]
        for outcome in results:
            narrate.result(replace(outcome, shown=Path(outcome.shown).name))
        narrate.equation(results)
        narrate.coverage(coverage(store, [outcome.load_id for outcome in results if outcome.load_id is not None]))
        narrate.say("these traces are made up; now try: streamaudit report YOUR-EXPORT.jsonl --by tenant")
        narrate.say()
        by_tenant = Scope(by=("tenant",))
        for audit, scope in ((report.run, by_tenant), (ttft.run, Scope(by=("model",))), (tax.run, by_tenant)):
            write({top: audit(store, replace(scope, top=top)) for top in tops(output)}, output)
            sys.stdout.write("\n")
    return EXIT_OK


def seconds(flag: str, text: str) -> float:
    """``60s``, ``5m`` or ``1h`` in seconds; a bare number is seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|m|h)?", text.strip())
    if not match:
        raise UsageError(f"{flag} {text}: expected a duration such as 60s or 5m")
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600, None: 1}[match[2]]


def _max_bad(text: str | None) -> tuple[int | None, float | None]:
    if text is None:
        return None, None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(%)?", text.strip())
    if not match or (not match[2] and "." in match[1]):
        raise UsageError(f"--max-bad {text}: expected a number of records or a share such as 1%")
    return (None, float(match[1]) / 100) if match[2] else (int(match[1]), None)


def _write_rejects(path: Path, results: list[FileResult]) -> None:
    try:
        stream = path.open("w", encoding="utf-8", errors="backslashreplace", newline="")
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from None
    with stream as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("file", "line", "record", "reason", "bytes"))
        for outcome in results:
            for reject in outcome.rejects:
                table.writerow((outcome.shown, reject.line, reject.record, reject.reason, reject.bytes))
