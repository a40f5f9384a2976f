"""Options that several commands share, spelled the same everywhere, and how they become a scope, an output and a store.

A command takes a group of them as one parameter: ``expanded`` turns a parameter annotated with ``Inputs``, ``Window`` or
``Writing`` into that group's options. A parameter or a field of a group annotated with ``Settings`` is no option: it is
filled with the configuration in force. Nothing here takes long to import.
"""

import inspect
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional, get_type_hints

import typer

from streamaudit.cli import completion
from streamaudit.config.settings import Settings
from streamaudit.errors import UsageError
from streamaudit.store.dimensions import DIMENSIONS

if TYPE_CHECKING:
    from dataclasses import Field

    from streamaudit.audits.scope.scope import Scope
    from streamaudit.cli.output import Output
    from streamaudit.ingest.mapping import Mapping
    from streamaudit.store.store import Store

Db = Annotated[
    Optional[Path],
    typer.Option("--db", metavar="FILE", help="Store file. Default: $STREAMAUDIT_DB, else the XDG data folder."),
]
MapField = Annotated[
    Optional[list[str]],
    typer.Option(
        "--map", metavar="FIELD=PATH", help="Where your exports keep a field, such as tenant=metadata.organizationId."
    ),
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="No narration on standard error; errors stay.")]
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
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done; keep nothing and send nothing.")]
Verbose = Annotated[
    int, typer.Option("-v", "--verbose", count=True, help="Say which configuration and store are used.")
]
LogFormat = Annotated[
    str, typer.Option("--log-format", metavar="FORM", help="text, or json: one object a line on standard error.")
]
ProgressWhen = Annotated[
    str, typer.Option("--progress", metavar="WHEN", help="auto, on or off. Off a terminal a line every 30 s.")
]
Wide = Annotated[bool, typer.Option("--wide", help="All columns on a screen.")]
Color = Annotated[
    str,
    typer.Option(
        "--color", metavar="WHEN", envvar="STREAMAUDIT_COLOR", show_envvar=False, help="auto, always or never."
    ),
]
Since = Annotated[Optional[str], typer.Option("--since", metavar="TIME", help="From this date or time on.")]
Until = Annotated[
    Optional[str], typer.Option("--until", metavar="TIME", help="Up to, not including, this date or time.")
]
Last = Annotated[Optional[str], typer.Option("--last", metavar="SPAN", help="The last 7d, 24h, 2w, ... up to now.")]
Week = Annotated[
    Optional[str],
    typer.Option("--week", metavar="WEEK", help="One ISO week, such as 2026-W47; last is the last whole one."),
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
        help="Only these values, such as tenant=acme,glob*; - is no value.",
        autocompletion=completion.values,
    ),
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
        "--on-insufficient", metavar="WHAT", help="When data is too little for a verdict: pass, warn or fail."
    ),
]
Top = Annotated[
    Optional[int],
    typer.Option(
        "--top",
        metavar="N",
        help="Groups with a row of their own; the rest is one row. Default: 20 on a screen, all in data formats.",
    ),
]


def parse_on_insufficient(text: str) -> str:
    """What too little data counts as. UsageError for another word."""
    if text not in ("pass", "warn", "fail"):
        raise UsageError(f"--on-insufficient {text}: pass, warn or fail")
    return text


def expanded(command: Callable[..., int]) -> Callable[..., int]:
    """Return the command with every group of options spelled out, and the configuration passed to what asks for it."""
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {}
    configured: list[str] = []
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        kind = hints[name]
        if kind is Settings:
            configured.append(name)
        elif is_dataclass(kind):
            groups[name] = kind
            options = get_type_hints(kind, include_extras=True)
            parameters += [
                parameter.replace(
                    name=one.name, annotation=options[one.name], kind=inspect.Parameter.KEYWORD_ONLY,
                    default=inspect.Parameter.empty if one.default is MISSING else one.default,
                )
                for one in _options_of(kind)
            ]  # fmt: skip
        else:
            parameters.append(parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY))

    # A command that takes the context itself gets it under its own name for it.
    own = next((one.name for one in parameters if one.annotation is typer.Context), None)
    if own is None:
        parameters.append(
            inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
        )  # fmt: skip

    def run(**values: Any) -> int:
        settings = (values[own] if own else values.pop("context")).obj
        made: dict[str, Any] = dict.fromkeys(configured, settings)
        for name, kind in groups.items():
            given = {one.name: values.pop(one.name) for one in _options_of(kind)}
            if len(given) < len(fields(kind)):
                given["settings"] = settings
            made[name] = kind(**given)
        return command(**made, **values)

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _options_of(group: Any) -> "list[Field[Any]]":
    return [one for one in fields(group) if one.name != "settings"]


@dataclass(frozen=True, slots=True)
class Access:
    """Which store, how long to wait for it, and how much to say."""

    db: Db = None
    wait: Wait = "0s"
    memory_limit: MemoryLimit = "1GB"
    quiet: Quiet = False
    verbose: Verbose = 0
    log_format: LogFormat = "text"
    settings: Settings = field(default_factory=Settings)

    def __post_init__(self) -> None:
        from streamaudit.config.units import memory, seconds

        seconds("--wait", self.wait)
        memory("--memory-limit", self.memory_limit)

    def path(self) -> Path:
        """The store file: ``--db``, else ``$STREAMAUDIT_DB``, else the configuration's, else the XDG data folder."""
        return self.settings.store_path(self.db)[0]

    def origin(self) -> str:
        """Which of these named the store file."""
        return self.settings.store_path(self.db)[1]

    def speak(self) -> None:
        """Say things the way these options ask for, beginning with where everything is."""
        from streamaudit.cli import console

        console.configure(quiet=self.quiet, verbose=self.verbose, form=self.log_format)
        console.detail(f"configuration {self.settings.path or 'none'}")

    def open(self, *, write: bool, create: bool = True, least_wait_s: float = 0.0) -> "Store":
        """The store file, opened; a missing one is created when writing, unless ``create`` says no. It is waited for as
        long as ``--wait`` says, and at least for ``least_wait_s``."""
        from streamaudit.cli import console
        from streamaudit.config.units import memory, seconds
        from streamaudit.store.store import Store

        console.detail(f"store {self.path()}")
        return Store.open(
            self.path(), write=write, create=create, wait_s=max(seconds("--wait", self.wait), least_wait_s),
            on_wait=console.note, memory_limit=memory("--memory-limit", self.memory_limit),
            providers=self.settings.provider_overrides(),
        )  # fmt: skip

    def in_memory(self) -> "Store":
        """An empty store that vanishes with the process."""
        from streamaudit.config.units import memory
        from streamaudit.store.store import Store

        return Store.in_memory(
            memory_limit=memory("--memory-limit", self.memory_limit), providers=self.settings.provider_overrides()
        )


@dataclass(frozen=True, slots=True)
class Inputs(Access):
    """A store, or files in place of one."""

    files: Annotated[
        Optional[list[str]], typer.Argument(metavar="[FILE]...", help="Files to report on instead of the store.")
    ] = None
    map_: MapField = None

    def __post_init__(self) -> None:
        Access.__post_init__(self)
        if self.files and self.db is not None:
            raise UsageError("give files or --db, not both", "to keep the files, ingest them first")
        if self.map_ and not self.files:
            raise UsageError("--map is for files; the store's calls were mapped when they were ingested")


@dataclass(frozen=True, slots=True)
class Window:
    """Which calls a command is about."""

    since: Since = None
    until: Until = None
    last: Last = None
    week: Week = None
    tz: Tz = "UTC"
    where: Where = None
    only: Only = None
    settings: Settings = field(default_factory=Settings)

    def scope(self, by: str | None = None) -> "Scope":
        """The scope these options ask for; UsageError for what cannot be."""
        from streamaudit.audits.scope.scope import Scope, parse_by, parse_only
        from streamaudit.audits.scope.window import parse_window

        if by is not None and not by.replace(",", "").strip():
            raise UsageError("--by is empty", "dimensions: " + ", ".join(DIMENSIONS))
        start, end = parse_window(self.since, self.until, self.last, self.week, self.tz)
        groups = self.settings.groups
        return Scope(parse_by(by, groups), start, end, self.tz, self.where, parse_only(self.only or []), groups=groups)


@dataclass(frozen=True, slots=True)
class Grouping:
    """How calls are grouped."""

    by: By = None
    top: Top = None


@dataclass(frozen=True, slots=True)
class Writing:
    """Where a report goes and how it looks."""

    format: Annotated[
        Optional[str],
        typer.Option(
            "--format", metavar="FORMAT", help="table, json, jsonl, csv, markdown, html, png, svg, junit or github."
        ),
    ] = None
    json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False
    output: Annotated[
        Optional[list[Path]],
        typer.Option("-o", "--output", metavar="FILE", help="Write here; the suffix chooses the format. Repeatable."),
    ] = None
    wide: Wide = False
    color: Color = "auto"
    redact: Annotated[
        Optional[str],
        typer.Option("--redact", metavar="DIM[,DIM]", help="Show stable aliases instead of these dimensions' values."),
    ] = None
    fail_on_empty: Annotated[bool, typer.Option("--fail-on-empty", help="Exit 3 when no call is in the window.")] = (
        False
    )

    def checked(self, top: int | None = None) -> "Output":
        """The output these options ask for; UsageError for an unknown format, suffix or colour choice."""
        from streamaudit.cli.output import Output, check

        if self.color not in ("auto", "always", "never"):
            raise UsageError(f"--color {self.color}: auto, always or never")
        if self.json and self.format not in (None, "json"):
            raise UsageError(f"--json and --format {self.format} ask for two formats")
        chosen = "json" if self.json else self.format
        output = Output(chosen, tuple(self.output or ()), top, self.wide, self.color)
        check(output)
        return output

    def redacted(self) -> tuple[str, ...]:
        """The dimensions to show aliases for."""
        from streamaudit.audits.scope.scope import parse_by

        return parse_by(self.redact, flag="--redact") if self.redact else ()


def mapping(assignments: list[str] | None, settings: Settings) -> "Mapping":
    """``--map`` over the ``[fields]`` of the configuration."""
    from streamaudit.ingest.mapping import Mapping, parse_mapping

    return Mapping({**settings.fields, **parse_mapping(assignments or []).paths})
