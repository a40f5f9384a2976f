"""Options shared by several commands, and their conversion to a scope and an output.

A command takes a group of them (``Window``, ``Grouping``, ``Writing``) as one parameter; ``option_groups`` turns it into
the group's options. Nothing here takes long to import.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from streamaudit.cli import completion
from streamaudit.config.settings import Settings
from streamaudit.errors import UsageError

if TYPE_CHECKING:
    from streamaudit.audits.scope.filters import Filters
    from streamaudit.cli.output import Output
    from streamaudit.ingest.mapping import Mapping

Db = Annotated[
    Optional[Path],
    typer.Option("--db", metavar="FILE", help="Store file. Default: $STREAMAUDIT_DB, else the XDG data folder."),
]
Data = Annotated[
    Optional[str],
    typer.Option("--data", metavar="FOLDER", help="Answer from a folder that export wrote, instead of the store."),
]
EngineName = Annotated[
    str,
    typer.Option(
        "--engine", metavar="NAME", envvar="STREAMAUDIT_ENGINE", show_envvar=False,
        help="What answers --data: duckdb, or a Spark server such as sc://spark:15002.",
    ),
]
MapField = Annotated[
    Optional[list[str]],
    typer.Option(
        "--map", metavar="FIELD=PATH", help="Where your exports keep a field, such as tenant=metadata.organizationId."
    ),
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print only errors on standard error.")]
Wait = Annotated[
    str,
    typer.Option(
        "--wait",
        metavar="SPAN",
        envvar="STREAMAUDIT_WAIT",
        show_envvar=False,
        help="How long to wait for a busy store, such as 60s.",
    ),
]
MemoryLimit = Annotated[
    str,
    typer.Option(
        "--memory-limit",
        metavar="SIZE",
        envvar="STREAMAUDIT_MEMORY_LIMIT",
        show_envvar=False,
        help="Memory the database may use, such as 2GB.",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done; store and send nothing.")]
Verbose = Annotated[
    int, typer.Option("-v", "--verbose", count=True, help="Print which configuration and store are used.")
]
LogFormat = Annotated[
    str, typer.Option("--log-format", metavar="FORM", help="text, or json: one object per line on standard error.")
]
LoadedAs = Annotated[
    Optional[str],
    typer.Option("--source", metavar="NAME", help="Name the calls are stored under. Default: the format."),
]
ProgressWhen = Annotated[
    str, typer.Option("--progress", metavar="WHEN", help="auto, on or off: progress of long files, of a Spark server.")
]
Open = Annotated[bool, typer.Option("--open", help="Show the page in the browser; without -o it is a temporary file.")]
Wide = Annotated[bool, typer.Option("--wide", help="All columns on a screen.")]
Color = Annotated[
    str,
    typer.Option(
        "--color", metavar="WHEN", envvar="STREAMAUDIT_COLOR", show_envvar=False, help="auto, always or never."
    ),
]
Since = Annotated[Optional[str], typer.Option("--since", metavar="TIME", help="From this date or time, or 7d, 24h, ... ago; yesterday and today work too.")]
Until = Annotated[
    Optional[str], typer.Option("--until", metavar="TIME", help="Up to, not including, this date or time.")
]
Last = Annotated[Optional[str], typer.Option("--last", metavar="SPAN", help="The last 7d, 24h, 2w, ... up to now.")]
Week = Annotated[
    Optional[str],
    typer.Option("--week", metavar="WEEK", help="One ISO week, such as 2026-W47; last is the last complete one."),
]
Tz = Annotated[
    str,
    typer.Option(
        "--tz",
        metavar="ZONE",
        envvar="STREAMAUDIT_TZ",
        show_envvar=False,
        help="Time zone of dates given and of day, week, month groups.",
    ),
]
Where = Annotated[
    Optional[str],
    typer.Option("--where", metavar="SQL", help="Only calls that meet this SQL condition on their columns."),
]
Only = Annotated[
    Optional[list[str]],
    typer.Option(
        "--only",
        metavar="DIM=VALUES",
        help="Only these values, such as tenant=acme,glob*; - means no value.",
        autocompletion=completion.values,
    ),
]
Redact = Annotated[
    Optional[str],
    typer.Option("--redact", metavar="DIM[,DIM]", help="Show stable aliases instead of these dimensions' values."),
]
By = Annotated[
    Optional[str],
    typer.Option(
        "--by",
        metavar="DIM[,DIM]",
        help="Group by tenant, model, route, deploy, week, group:tenant, ...",
        autocompletion=completion.dimensions,
    ),
]
OnInsufficient = Annotated[
    str,
    typer.Option(
        "--on-insufficient", metavar="WHAT", help="Without enough data for a verdict: pass, warn or fail."
    ),
]
Top = Annotated[
    Optional[int],
    typer.Option(
        "--top",
        metavar="N",
        help="Groups with a row of their own; the others share one. Default: 20 on a screen, all in data formats.",
    ),
]

Goodput = Annotated[
    Optional[str],
    typer.Option(
        "--goodput",
        metavar="TARGETS",
        help="Share of streamed calls within all these targets: ttft=2s,tpot=200ms,ttvt=3s,e2e=30s, or mlperf-llama2-70b, ...",
    ),
]
Itl = Annotated[
    bool, typer.Option("--itl", help="Latencies between chunks, server and client side; reads every chunk time.")
]


@dataclass(frozen=True, slots=True)
class Window:
    """Options that select calls."""

    since: Since = None
    until: Until = None
    last: Last = None
    week: Week = None
    tz: Tz = "UTC"
    where: Where = None
    only: Only = None
    now: datetime = field(init=False, default_factory=lambda: datetime.now(UTC))
    """End of ``--last``, the same for every report of a command."""

    def filters(self, redact: str | None = None) -> "Filters":
        """Return these options as the keywords of a query."""
        return {
            "since": self.since, "until": self.until, "last": self.last, "week": self.week, "tz": self.tz,
            "where": self.where, "only": self.only, "redact": redact, "now": self.now,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Grouping:
    """Options that group calls."""

    by: By = None
    top: Top = None


@dataclass(frozen=True, slots=True)
class Writing:
    """Options for the destination and the format of a report."""

    format: Annotated[
        Optional[str],
        typer.Option(
            "--format", metavar="FORMAT",
            help="table, json, jsonl, csv, parquet, arrow, markdown, html, png, svg, junit, github or prometheus.",
        ),
    ] = None
    json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False
    output: Annotated[
        Optional[list[Path]],
        typer.Option("-o", "--output", metavar="FILE", help="Write here; the suffix chooses the format. Repeatable."),
    ] = None
    open_: Open = False
    wide: Wide = False
    color: Color = "auto"
    redact: Redact = None
    fail_on_empty: Annotated[bool, typer.Option("--fail-on-empty", help="Exit 3 when no call is in the window.")] = (
        False
    )

    def parse(self, top: int | None = None, screen_groups: int = 20) -> "Output":
        """Return the output of these options; UsageError for an unknown format, suffix or colour choice."""
        from streamaudit.cli.output import Output

        if self.color not in ("auto", "always", "never"):
            raise UsageError(f"--color {self.color}: expected auto, always or never")
        if self.json and self.format not in (None, "json"):
            raise UsageError(f"--json and --format {self.format} ask for two formats")
        chosen = "json" if self.json else self.format
        output = Output(
            chosen, tuple(self.output or ()), top, self.wide, self.color, self.fail_on_empty, screen_groups, self.open_,
            bool(self.redact),
        )  # fmt: skip
        output.check()
        return output

    def redacted_names(self) -> tuple[str, ...]:
        """Return the dimensions to show aliases for."""
        from streamaudit.audits.scope.filters import redacted_names

        return redacted_names({"redact": self.redact})


def mapping(assignments: list[str] | None, settings: Settings) -> "Mapping":
    """Return ``--map`` over the ``[fields]`` of the configuration."""
    from streamaudit.ingest.mapping import Mapping, parse_mapping

    return Mapping({**settings.fields, **parse_mapping(assignments or []).paths})


def check_source_name(name: str | None) -> None:
    """Raise UsageError for a ``--source`` that is no plain name."""
    import re

    if name is not None and not re.fullmatch(r"[A-Za-z0-9_.:-]{1,64}", name):
        raise UsageError(f"--source {name}: expected up to 64 letters, digits and . _ : -")
