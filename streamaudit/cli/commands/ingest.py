"""``streamaudit ingest``."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from streamaudit.cli.inputs import Access
from streamaudit.cli.options import DryRun, LoadedAs, MapField, ProgressWhen, Since, check_source_name, mapping
from streamaudit.errors import EXIT_OK, DeliveryError, InputError, UsageError
from streamaudit.report.numbers import count

if TYPE_CHECKING:
    from streamaudit.ingest.merge import Counts
    from streamaudit.ingest.readers.container import Reject
    from streamaudit.ingest.results import FileResult, Options
    from streamaudit.ingest.shard import Shard

_PATIENCE_S = 60.0
"""Seconds to wait for a store that another process holds while paths are followed."""


def command(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH...", help="Files, globs, folders, or - for standard input.")
    ],
    access: Access,
    map_: MapField = None,
    source: LoadedAs = None,
    max_bad: Annotated[
        Optional[str], typer.Option("--max-bad", metavar="N|P%", help="Refuse a file with more bad records than this.")
    ] = None,
    rejects: Annotated[
        Optional[Path],
        typer.Option("--rejects", metavar="FILE", help="List rejected records here as CSV: file, line, reason, bytes."),
    ] = None,
    sample_rate: Annotated[
        Optional[float],
        typer.Option("--sample-rate", metavar="SHARE", help="Share of the calls the exporter kept, such as 0.1."),
    ] = None,
    evidence: Annotated[
        bool,
        typer.Option("--evidence", help="The files are other logs of the calls: join them by the id of --on."),
    ] = False,
    on: Annotated[
        Optional[str],
        typer.Option(
            "--on", metavar="ID", help="With --evidence: request_id, response_id or trace_id. Default: what it has."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Read files again even if they are unchanged.")] = False,
    dry_run: DryRun = False,
    allow_empty: Annotated[
        bool, typer.Option("--allow-empty", help="Exit 0 even if no file held a good record.")
    ] = False,
    progress: ProgressWhen = "auto",
    since: Since = None,
    shard: Annotated[
        Optional[str],
        typer.Option("--shard", metavar="I/N", help="Read only this share of the files: machine I of N."),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Keep reading new data in these paths until Ctrl-C.")
    ] = False,
    every: Annotated[
        str, typer.Option("--every", metavar="SPAN", help="With --watch: how often to look. Default: 5s.")
    ] = "5s",
) -> int:
    """Read exports into the store.

    Langfuse, Datadog, OpenTelemetry, Phoenix, AIPerf, llmperf or raw JSON lines, plain, .gz or .zst.

    Example: streamaudit ingest exports/*.jsonl.gz --map tenant=metadata.organizationId
    """
    from dataclasses import replace

    from streamaudit.cli import console, ingest_summary
    from streamaudit.cli.progress import Progress
    from streamaudit.ingest.evidence import suggest_evidence
    from streamaudit.ingest.pipeline import Ingest
    from streamaudit.ingest.readers.reader import Reader, expand
    from streamaudit.ingest.readers.remote import is_remote
    from streamaudit.ingest.results import Options, measure_coverage
    from streamaudit.ingest.shard import parse_shard
    from streamaudit.store.lookups import apply_lookups, keep_lookups, log_unmatched, read_lookups
    from streamaudit.store.views.keep import keep_taxes

    share_of = parse_shard(shard, paths) if shard is not None else None
    if on and not evidence:
        raise UsageError("--on needs --evidence", "streamaudit ingest rendered.csv --evidence --on request_id")
    if evidence:
        calls_only = {"--map": map_, "--source": source, "--max-bad": max_bad, "--rejects": rejects,
                      "--sample-rate": sample_rate, "--dry-run": dry_run}  # fmt: skip
        for flag, value in calls_only.items():
            if value:
                raise UsageError(f"{flag} cannot be combined with --evidence")
        return _join(paths, on, share_of, access)
    most, share = _max_bad(max_bad)
    check_source_name(source)
    if sample_rate is not None and not 0 < sample_rate <= 1:
        raise UsageError(f"--sample-rate {sample_rate}: expected a share above 0 and up to 1, such as 0.1")
    options = Options(
        mapping(map_, access.settings), source, force, share, most, sample_rate, access.settings.price_file()
    )
    access.speak()
    if watch:
        if dry_run or rejects is not None or since or any(path == "-" or is_remote(path) for path in paths):
            raise UsageError("--watch takes files and folders, and no --dry-run, --since or --rejects")
        return _watch(paths, every, options, share_of, access)
    show = Progress(progress)
    lookups = read_lookups(access.settings.lookup_files())
    files = _take_shard(_select_files(expand(paths), since), share_of)
    path = access.path()
    there = path.exists()
    with (
        _reject_list(rejects) as list_reject,  # fails before anything is read
        access.open_scratch() if dry_run else access.open(write=True) as store,
    ):
        results = []
        with Reader() as reader:
            job = Ingest(store, replace(options, list_reject=list_reject))
            for loaded in job.files(reader, files, show):
                outcome = suggest_evidence(loaded)
                ingest_summary.log_result(outcome)
                results.append(replace(outcome, rejects=()))
        keep_lookups(store, lookups)
        apply_lookups(store, lookups)
        log_unmatched(store, lookups)
        loads = [outcome.load_id for outcome in results if outcome.load_id is not None]
        found = None if console.quiet() else measure_coverage(store, loads)
        if not dry_run:
            keep_taxes(store)
    if files and (any(outcome.counts for outcome in results) or not any(outcome.problem for outcome in results)):
        ingest_summary.log_equation(results, dry_run=dry_run)
    ingest_summary.log_absent_paths(results, options.mapping)
    if found:
        ingest_summary.log_coverage(found)
    if dry_run:
        compared = f"compared with {path}" if there else f"there is no store at {path} yet"
        console.note(f"  dry run      nothing was stored; {compared}")
    else:
        console.note(f"  store        {path}")
        console.note("  private      nothing left this machine; no prompt or answer text is stored")
        if loads:
            console.note("next: streamaudit report --by tenant" + access.named_store())
    return _exit_code(results, allow_empty or not files)


def _take_shard(files: dict[str, bool], shard: "Shard | None") -> dict[str, bool]:
    """Return the files of a shard, and log how many they are; all of them without one."""
    from streamaudit.cli import console

    if shard is None:
        return files
    chosen = shard.choose(files)
    console.note(f"shard {shard.number:,} of {shard.of:,}: {len(chosen):,} of {count(len(files), 'file')}")
    return {name: sought for name, sought in files.items() if name in chosen}


def _select_files(files: dict[str, bool], since: str | None) -> dict[str, bool]:
    """Return the files to read, and log how many are left out.

    Left out are files that repeat another by its folder, and those whose name says that they end before ``since``.
    """
    from streamaudit.audits.scope.window import parse_window
    from streamaudit.cli import console
    from streamaudit.ingest.selection import drop_superseded, window_end

    kept, left_out = drop_superseded(files)
    if left_out:
        folder, better = (PurePath(path).name for path in next(iter(left_out.items())))
        dropped = len(files) - len(kept)
        console.note(f"skipped {count(dropped, 'file')} of {folder}/: {better}/ has the same calls")
    files = kept
    if since is None:
        return files
    start, _ = parse_window(since, None, None, None, "UTC")
    kept = {
        name: sought
        for name, sought in files.items()
        if (end := window_end(name)) is None or start is None or end > start
    }
    if len(kept) < len(files):
        console.note(f"skipped {len(files) - len(kept):,} of {len(files):,} files, which end before --since {since}")
    if not kept:
        raise InputError(f"every file ends before --since {since}")
    return kept


def _watch(paths: list[str], every: str, options: "Options", shard: "Shard | None", access: Access) -> int:
    """Read new data at every interval until a signal ends the process with exit code 0.

    The store is held only while something is read.
    """
    from streamaudit.cli import console, ingest_summary
    from streamaudit.config.units import parse_seconds
    from streamaudit.errors import StoreError, Terminated
    from streamaudit.ingest.pipeline import Ingest
    from streamaudit.ingest.readers.reader import Reader
    from streamaudit.ingest.watch import Watch
    from streamaudit.store.lookups import apply_lookups, keep_lookups, read_lookups
    from streamaudit.store.views.keep import keep_taxes

    every_s = max(parse_seconds("--every", every), 0.1)
    lookups = read_lookups(access.settings.lookup_files())
    counts: list[Counts] = []
    which = f", shard {shard.number:,} of {shard.of:,}," if shard else ""
    console.note(f"watching {', '.join(paths)}{which} every {every_s:g} s; stop with Ctrl-C")
    console.note(f"  store        {access.path()}")
    try:
        watch = Watch(paths, every_s, shard)
        for files in watch.poll():
            try:
                with access.open(write=True, least_wait_s=_PATIENCE_S) as store, Reader() as reader:
                    job = Ingest(store, options)
                    results = list(job.files(reader, files))
                    keep_lookups(store, lookups)
                    apply_lookups(store, lookups)
                    keep_taxes(store, whole=False)
            except StoreError as error:
                if not counts:
                    raise
                console.say(f"{error.message}; trying again in {every_s:g} s", level="warning")
                watch.retry(files)
                continue
            for outcome in results:
                if outcome.problem or outcome.counts:
                    ingest_summary.log_result(outcome, keys=False)
            read = [outcome.counts for outcome in results if outcome.counts]
            counts += read
            if read:
                total = ingest_summary.add(read)
                console.note(f"  new {total.new:,}, repeated {total.repeated:,}, rejected {total.rejected:,}")
    except (KeyboardInterrupt, Terminated):
        total = ingest_summary.add(counts)
        read_so_far = f"{count(total.new, 'new call')} from {count(len(counts), 'file')}"
        console.note(f"stopped: {read_so_far}; unfinished files are read next time")
    return EXIT_OK


def _join(paths: list[str], on: str | None, shard: "Shard | None", access: Access) -> int:
    """Store evidence from other logs and log how much of it belongs to stored calls."""
    from streamaudit.cli import console, ingest_summary
    from streamaudit.ingest.evidence import join, parse_on
    from streamaudit.ingest.readers.reader import Reader, expand
    from streamaudit.store.lookups import apply_lookups, read_lookups
    from streamaudit.store.views.keep import keep_taxes

    kind = parse_on(on)
    access.speak()
    lookups = read_lookups(access.settings.lookup_files())
    files = _take_shard(expand(paths, logs=True), shard)
    with access.open(write=True) as store, Reader() as reader:
        results = [join(store, reader, name, kind) for name in files]
        apply_lookups(store, lookups)
        keep_taxes(store)
    for found in results:
        ingest_summary.log_evidence(found)
    console.note(f"  store        {access.path()}")
    return InputError.exit_code if any(found.problem for found in results) else EXIT_OK


def _exit_code(results: "list[FileResult]", allow_empty: bool) -> int:
    from streamaudit.cli import console, ingest_summary

    if any(outcome.problem and not outcome.empty and not outcome.passed_over for outcome in results):
        return InputError.exit_code
    counted = ingest_summary.add([outcome.counts for outcome in results if outcome.counts])
    good = counted.new + counted.repeated + counted.replaced + counted.not_calls
    if good or allow_empty or any(outcome.unchanged for outcome in results):
        return EXIT_OK
    console.problem("no file held a good record")
    return InputError.exit_code


def _max_bad(text: str | None) -> tuple[int | None, float | None]:
    import re

    if text is None:
        return None, None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(%)?", text.strip())
    if not match or (not match[2] and "." in match[1]) or (match[2] and float(match[1]) > 100):
        raise UsageError(f"--max-bad {text}: expected a number of records or a share up to 100%, such as 1%")
    return (None, float(match[1]) / 100) if match[2] else (int(match[1]), None)


@contextmanager
def _reject_list(path: Path | None) -> "Iterator[Callable[[str, Reject], None] | None]":
    """Open the file that lists every reject, and yield the function that writes one; None without a file."""
    if path is None:
        yield None
        return
    import csv

    from streamaudit.store.plain_files import open_to_write

    try:
        file = open(path, "w", encoding="utf-8", errors="backslashreplace", newline="", opener=open_to_write)
    except OSError as error:
        raise DeliveryError(f"cannot write {path}: {error.strerror}") from None
    table = csv.writer(file, lineterminator="\n")

    def write(*cells: object) -> None:
        try:
            table.writerow(cells)
        except OSError as error:
            raise DeliveryError(f"cannot write {path}: {error.strerror}") from None

    write("file", "line", "record", "reason", "bytes")
    try:
        yield lambda shown, one: write(shown, one.line, one.record, one.reason, one.bytes)
    finally:
        try:
            file.close()
        except OSError as error:
            raise DeliveryError(f"cannot write {path}: {error.strerror}") from None
