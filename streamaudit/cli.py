"""The command line: options and their help, one function a command, no figure and no import that takes long."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from streamaudit import __version__
from streamaudit.errors import UsageError

if TYPE_CHECKING:
    from streamaudit.output import Output
    from streamaudit.scope import Scope

_EXAMPLES = """Audits streamed LLM traffic: time to first token, the cancellation tax, by tenant.

\b
  streamaudit demo                                  see it on made-up traces
  streamaudit report traces.jsonl --by tenant       straight from a file, nothing is stored
  streamaudit ingest traces.jsonl                   keep the calls in a store, then:
  streamaudit tax --by tenant --last 7d

Nothing leaves this machine, and no prompt or answer text is stored.
"""

app = typer.Typer(
    name="streamaudit",
    help=_EXAMPLES,
    invoke_without_command=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Files = Annotated[
    Optional[list[str]], typer.Argument(metavar="[FILE]...", help="Files to report on instead of the store.")
]
Db = Annotated[
    Optional[Path],
    typer.Option("--db", metavar="FILE", help="Store file. Default: $STREAMAUDIT_DB, else the XDG data folder."),
]
By = Annotated[
    Optional[str], typer.Option("--by", metavar="DIM[,DIM]", help="Group by tenant, model, route, deploy, week, ...")
]
Top = Annotated[
    Optional[int],
    typer.Option(
        "--top",
        metavar="N",
        help="Groups with a row of their own; the rest is one row. Default: 20 on a screen, all in data formats.",
    ),
]
Since = Annotated[Optional[str], typer.Option("--since", metavar="TIME", help="From this date or time on.")]
Until = Annotated[
    Optional[str], typer.Option("--until", metavar="TIME", help="Up to, not including, this date or time.")
]
Last = Annotated[Optional[str], typer.Option("--last", metavar="SPAN", help="The last 7d, 24h, 2w, ... up to now.")]
Week = Annotated[Optional[str], typer.Option("--week", metavar="WEEK", help="One ISO week, such as 2026-W47.")]
Tz = Annotated[
    str, typer.Option("--tz", metavar="ZONE", help="Time zone of dates given and of day, week, month groups.")
]
Where = Annotated[
    Optional[str],
    typer.Option("--where", metavar="SQL", help="Only calls that meet this SQL condition on their columns."),
]
Only = Annotated[
    Optional[list[str]],
    typer.Option("--only", metavar="DIM=VALUES", help="Only these values, such as tenant=acme,glob*; - is no value."),
]
Format = Annotated[
    Optional[str], typer.Option("--format", metavar="FORMAT", help="table, json, jsonl, csv or markdown.")
]
OutFile = Annotated[
    Optional[list[Path]],
    typer.Option("-o", "--output", metavar="FILE", help="Write here; the suffix chooses the format. Repeatable."),
]
Wide = Annotated[bool, typer.Option("--wide", help="All columns on a screen.")]
Color = Annotated[str, typer.Option("--color", metavar="WHEN", help="auto, always or never.")]
FailOnEmpty = Annotated[bool, typer.Option("--fail-on-empty", help="Exit 3 when no call is in the window.")]
MapField = Annotated[
    Optional[list[str]],
    typer.Option(
        "--map", metavar="FIELD=PATH", help="Where your exports keep a field, such as tenant=metadata.organizationId."
    ),
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="No narration on standard error; errors stay.")]
Wait = Annotated[str, typer.Option("--wait", metavar="SPAN", help="How long to wait for a busy store, such as 60s.")]
# fmt: on


def _version(value: bool) -> None:
    if value:
        print(f"streamaudit {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options of the program itself."""
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command()
def ingest(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH...", help="Files, globs, folders, or - for standard input.")
    ],
    db: Db = None,
    map_: MapField = None,
    source: Annotated[
        Optional[str],
        typer.Option("--source", metavar="NAME", help="Name to store the calls under. Default: the format."),
    ] = None,
    max_bad: Annotated[
        Optional[str], typer.Option("--max-bad", metavar="N|P%", help="Give up a file with more bad records than this.")
    ] = None,
    rejects: Annotated[
        Optional[Path],
        typer.Option("--rejects", metavar="FILE", help="List rejected records here as CSV: file, line, reason, bytes."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Read files again even if they are unchanged.")] = False,
    allow_empty: Annotated[
        bool, typer.Option("--allow-empty", help="Exit 0 even if no file held a good record.")
    ] = False,
    wait: Wait = "0s",
    quiet: Quiet = False,
) -> int:
    """Read exports into the store: Langfuse, Datadog, AIPerf, llmperf or raw JSON lines, plain, .gz or .zst.

    Example: streamaudit ingest exports/*.jsonl.gz --map tenant=metadata.organizationId
    """
    from streamaudit.commands import ingest_files

    return ingest_files(
        paths, store_path(db), map_ or [], source, max_bad, rejects, force=force, allow_empty=allow_empty, wait=wait,
        quiet=quiet, named=db is not None,
    )  # fmt: skip


@app.command()
def report(
    files: Files = None, by: By = None, top: Top = None, since: Since = None, until: Until = None, last: Last = None,
    week: Week = None, tz: Tz = "UTC", where: Where = None, only: Only = None, format: Format = None,
    output: OutFile = None, wide: Wide = False, color: Color = "auto", fail_on_empty: FailOnEmpty = False,
    map_: MapField = None, db: Db = None, wait: Wait = "0s", quiet: Quiet = False,
) -> int:  # fmt: skip
    """How long users wait, how often they leave, and what was paid for tokens nobody saw.

    Example: streamaudit report --by tenant --last 7d
    """
    from streamaudit.audits import report as audit
    from streamaudit.commands import Request, run_audit

    request = Request(
        _scope(by, top, since, until, last, week, tz, where, only), _output(format, output, top, wide, color)
    )
    return run_audit(request, audit.run, files, map_, _store_or_none(files, db), fail_on_empty, wait, quiet)


@app.command()
def ttft(
    files: Files = None, by: By = None,
    slo: Annotated[Optional[str], typer.Option("--slo", metavar="SPAN", help="Share of calls within this target, and Apdex.")] = None,
    buckets: Annotated[Optional[str], typer.Option("--buckets", metavar="BOUNDS", help="log, otel, or your own: 100ms,300ms,1s.")] = None,
    censored: Annotated[bool, typer.Option("--censored", help="Kaplan-Meier percentiles, counting the waits that a cancel or time-out ended.")] = False,
    top: Top = None, since: Since = None, until: Until = None, last: Last = None, week: Week = None, tz: Tz = "UTC",
    where: Where = None, only: Only = None, format: Format = None, output: OutFile = None, wide: Wide = False,
    color: Color = "auto", fail_on_empty: FailOnEmpty = False, map_: MapField = None, db: Db = None, wait: Wait = "0s",
    quiet: Quiet = False,
) -> int:  # fmt: skip
    """Time to first token: percentiles, histogram, and what is not in them and why.

    Example: streamaudit ttft --by model --slo 800ms
    """
    from streamaudit.audits import ttft as audit
    from streamaudit.commands import Request, run_audit

    slo_ms = audit.parse_duration_ms("--slo", slo) if slo else None
    bounds = audit.parse_buckets(buckets)
    request = Request(
        _scope(by, top, since, until, last, week, tz, where, only), _output(format, output, top, wide, color)
    )
    return run_audit(
        request, lambda store, scope: audit.run(store, scope, slo_ms=slo_ms, buckets_ms=bounds, censored=censored), files, map_,
        _store_or_none(files, db), fail_on_empty, wait, quiet,
    )  # fmt: skip


@app.command()
def tax(
    files: Files = None, by: By = None,
    split: Annotated[bool, typer.Option("--split", help="Show the parts: hidden, undelivered, unread.")] = False,
    top_calls: Annotated[int, typer.Option("--top-calls", metavar="N", min=0, help="List the N worst calls.")] = 0,
    top: Top = None, since: Since = None, until: Until = None, last: Last = None, week: Week = None, tz: Tz = "UTC",
    where: Where = None, only: Only = None, format: Format = None, output: OutFile = None, wide: Wide = False,
    color: Color = "auto", fail_on_empty: FailOnEmpty = False, map_: MapField = None, db: Db = None, wait: Wait = "0s",
    quiet: Quiet = False,
) -> int:  # fmt: skip
    """The cancellation tax: tokens billed minus tokens rendered, with what is exact, estimated and unknown.

    Example: streamaudit tax --by tenant --split
    """
    from streamaudit.audits import tax as audit
    from streamaudit.commands import Request, run_audit

    request = Request(
        _scope(by, top, since, until, last, week, tz, where, only), _output(format, output, top, wide, color)
    )
    return run_audit(
        request, lambda store, scope: audit.run(store, scope, split=split, top_calls=top_calls), files, map_,
        _store_or_none(files, db), fail_on_empty, wait, quiet,
    )  # fmt: skip


@app.command()
def demo(color: Color = "auto", wide: Wide = False) -> int:
    """Ingest made-up traces in three formats into memory and show the three main reports.

    Example: streamaudit demo
    """
    from streamaudit.commands import run_demo

    return run_demo(_output(None, None, None, wide, color))


def store_path(db: Path | None) -> Path:
    """The store a command uses: ``--db``, else ``$STREAMAUDIT_DB``, else the XDG data folder."""
    if db is not None:
        return db
    if os.environ.get("STREAMAUDIT_DB"):
        return Path(os.environ["STREAMAUDIT_DB"])
    data = os.environ.get("XDG_DATA_HOME")
    if data:
        return Path(data) / "streamaudit" / "audit.duckdb"
    try:
        return Path.home() / ".local" / "share" / "streamaudit" / "audit.duckdb"
    except RuntimeError:
        raise UsageError("there is no home folder to keep a store in", "name a store with --db FILE") from None


def _store_or_none(files: list[str] | None, db: Path | None) -> Path | None:
    if files and db is not None:
        raise UsageError("give files or --db, not both", "to keep the files, ingest them first")
    return None if files else store_path(db)


def _scope(
    by: str | None, top: int | None, since: str | None, until: str | None, last: str | None, week: str | None, tz: str,
    where: str | None, only: list[str] | None,
) -> "Scope":  # fmt: skip
    from streamaudit.scope import Scope, parse_by, parse_only, parse_window

    start, end = parse_window(since, until, last, week, tz)
    return Scope(parse_by(by), start, end, tz, where, parse_only(only or []), top)


def _output(format: str | None, files: list[Path] | None, top: int | None, wide: bool, color: str) -> "Output":
    from streamaudit.output import Output, check

    if color not in ("auto", "always", "never"):
        raise UsageError(f"--color {color}: auto, always or never")
    output = Output(format, tuple(files or ()), top, wide, color)
    check(output)
    return output
