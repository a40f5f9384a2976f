"""``streamaudit pull``."""

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from streamaudit.cli import completion
from streamaudit.cli.inputs import Access
from streamaudit.cli.options import DryRun, LoadedAs, MapField, ProgressWhen, Since, Tz, mapping
from streamaudit.errors import EXIT_OK, InputError, StoreError, StreamauditError, UsageError, nearest

if TYPE_CHECKING:
    from streamaudit.cli.progress import Progress
    from streamaudit.ingest.pull.registry import Server, Vendor
    from streamaudit.ingest.pull.run import Plan, Pulled
    from streamaudit.ingest.results import Coverage, Options
    from streamaudit.store.pulls import Position

_SHOWN_WINDOWS = 5


def command(
    vendor: Annotated[
        str, typer.Argument(metavar="VENDOR", help="langfuse or datadog.", autocompletion=completion.vendors)
    ],
    access: Access,
    since: Since = None,
    tz: Tz = "UTC",
    credentials: Annotated[
        Optional[Path],
        typer.Option("--credentials", metavar="FILE", help="File of NAME=value lines with the vendor's variables."),
    ] = None,
    map_: MapField = None,
    source: LoadedAs = None,
    again: Annotated[
        bool, typer.Option("--again", help="Fetch the whole window again, also what was fetched before.")
    ] = False,
    dry_run: DryRun = False,
    progress: ProgressWhen = "auto",
) -> int:
    """Fetch what is new from a vendor's API into the store, without prompts and answers.

    The keys come from the vendor's usual environment variables, or from a file. A pull goes on where the last one
    stopped; the first fetches 15 days.

    Example: streamaudit pull langfuse --since 7d
    """
    from streamaudit.audits.scope.window import parse_window
    from streamaudit.cli.options import check_source_name
    from streamaudit.cli.progress import Progress
    from streamaudit.ingest.pull import registry
    from streamaudit.ingest.results import Options

    found = registry.find(vendor)
    if found is None:
        close = nearest(vendor, registry.names())
        raise UsageError(
            f"no vendor {vendor}", f"did you mean {close}?" if close else "known: " + ", ".join(registry.names())
        )
    check_source_name(source)
    start, _ = parse_window(since, None, None, None, tz)
    if start is not None and start >= datetime.now(UTC):
        raise UsageError(f"--since {since} is in the future")
    options = Options(mapping(map_, access.settings), source, prices=access.settings.price_file())
    access.speak()
    show = Progress(progress)  # fails before anything is asked
    server = _connect(found, credentials, options, access, dry_run=dry_run)
    if dry_run:
        return _preview(found, server, options, start, access, again=again)
    return _pull(found, server, options, start, access, show, again=again)


def _connect(
    vendor: "Vendor", file: Path | None, options: "Options", access: Access, *, dry_run: bool
) -> "Server":  # fmt: skip
    """Check the keys with the vendor. Where they are missing or refused, later summaries say so."""
    from streamaudit.ingest.pull.settings import PullSettings, read_credentials
    from streamaudit.store.pulls import note_failure

    settings = access.settings.pull or PullSettings()
    try:
        keys = read_credentials(vendor.variables, file or settings.credentials)
        return vendor.connect(keys, settings, _needed_metadata(options))
    except StreamauditError as failure:
        if access.path().exists() and not dry_run:
            with suppress(StoreError), access.open(write=True, create=False) as store:
                note_failure(store, options.source_name or vendor.name, failure.message)
        raise


def _needed_metadata(options: "Options") -> list[str]:
    """Return the keys of metadata that a mapping reads, as written and their first part, in order."""
    paths = [path.removeprefix("metadata.") for paths in options.mapping.paths.values() for path in paths
             if path.startswith("metadata.")]  # fmt: skip
    return sorted({key for path in paths for key in (path, path.partition(".")[0])})


def _plan(
    vendor: "Vendor", server: "Server", options: "Options", position: "Position", since: datetime | None, *, again: bool
) -> "Plan":
    from streamaudit.ingest.pull.run import plan
    from streamaudit.ingest.sources import registry

    source = registry.find(vendor.name)
    assert source is not None, "a vendor has a source of its name"
    return plan(position, server, since, digest=source.digest(source.mapping(options.mapping)), again=again)


def _announce(vendor: "Vendor", server: "Server", asked: "Plan") -> None:
    from streamaudit.cli import console

    console.note(f"{vendor.name}: {server.address}", account=server.address)
    if asked.windows:
        days = sum(((until - since) for since, until in asked.windows), start=asked.now - asked.now)
        console.note(
            f"  window       {asked.windows[0][0]:%Y-%m-%d %H:%M} .. {asked.windows[-1][1]:%Y-%m-%d %H:%M} UTC"
            f"{_gaps(asked)}, {days.total_seconds() / 86400:,.1f} days to fetch"
        )
    if vendor.keeps is not None and asked.windows and asked.windows[0][0] < asked.now - vendor.keeps:
        console.say(
            f"  {vendor.title} keeps spans for {vendor.keeps.days} days unless your contract says otherwise: "
            "older ones may be missing", level="warning",
        )  # fmt: skip


def _gaps(asked: "Plan") -> str:
    gaps = sum(a[1] != b[0] for a, b in zip(asked.windows, asked.windows[1:], strict=False))
    return " with what lies between already fetched" if gaps else ""


def _preview(
    vendor: "Vendor", server: "Server", options: "Options", since: datetime | None, access: Access, *, again: bool
) -> int:
    """Say what would be fetched; ask the server for nothing but its version and a single record."""
    from streamaudit.cli import console
    from streamaudit.store.pulls import Position, read_position

    position = Position(options.source_name or vendor.name, server.address)
    if access.path().exists():
        with access.open(write=False) as store:
            position = read_position(store, position.source, position.account)
    asked = _plan(vendor, server, options, position, since, again=again)
    _announce(vendor, server, asked)
    for text in server.describe():
        console.note(f"  {text}")
    if position.until is not None:
        console.note(f"  fetched      until {position.until:%Y-%m-%d %H:%M} UTC; the last day is fetched once more")
    requested = len(asked.windows)
    console.note(f"  dry run      nothing was fetched or stored; at least {requested:,} "
                 f"{'request' if requested == 1 else 'requests'}")  # fmt: skip
    return EXIT_OK


def _pull(
    vendor: "Vendor", server: "Server", options: "Options", since: datetime | None, access: Access, show: "Progress",
    *, again: bool,
) -> int:  # fmt: skip
    from streamaudit.cli import console
    from streamaudit.ingest.pull._spool import Spool
    from streamaudit.ingest.pull.run import Pull
    from streamaudit.ingest.results import measure_coverage
    from streamaudit.store.lookups import apply_lookups, keep_lookups, log_unmatched, read_lookups
    from streamaudit.store.pulls import read_position
    from streamaudit.store.views.keep import keep_taxes

    lookups = read_lookups(access.settings.lookup_files())
    with access.open(write=True) as store, Spool(server.address) as spool:
        position = read_position(store, options.source_name or vendor.name, server.address)
        asked = _plan(vendor, server, options, position, since, again=again)
        _announce(vendor, server, asked)
        done = Pull(store, spool, server, options).run(asked, show.of_pull(vendor.name))
        if done.failure is not None:
            show.clear()
        keep_lookups(store, lookups)
        apply_lookups(store, lookups)
        log_unmatched(store, lookups)
        found = measure_coverage(store, [one.load_id for one in done.parts if one.load_id is not None])
        keep_taxes(store)
    _summarise(server, done, found, access)
    if done.failure is not None:
        console.problem(done.failure.message, done.failure.hint)
        return InputError.exit_code
    console.note("next: streamaudit report --by tenant" + access.named_store())
    return EXIT_OK


def _summarise(server: "Server", done: "Pulled", found: "Coverage", access: Access) -> None:
    from streamaudit.cli import console, ingest_summary

    for number, part in enumerate(done.parts):
        if number == 0 or part.problem or part.rejects or part.is_doubtful or part.emptied:
            ingest_summary.log_result(part, keys=number == 0)
    ingest_summary.log_equation(done.parts)
    ingest_summary.log_coverage(found)
    console.note(f"  requests     {server.requests():,}" + (
        f", after {done.splits:,} windows that were too large for the server" if done.splits else ""))  # fmt: skip
    if done.until is not None:
        console.note(f"  data until   {done.until:%Y-%m-%d %H:%M} UTC", data_until=done.until.isoformat())
    console.note(f"  store        {access.path()}")
    for text in list(server.describe())[1:]:
        console.note(f"  private      {text}")
