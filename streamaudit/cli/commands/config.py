"""``streamaudit config``."""

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from streamaudit.cli.inputs import Access
from streamaudit.cli.option_groups import expand_groups
from streamaudit.cli.options import Writing
from streamaudit.config.loader import TABLES, TRY_TIMES
from streamaudit.config.settings import OPTIONS, Settings
from streamaudit.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamaudit.report.model import Note

app = typer.Typer(
    help="What is configured, and where each value came from.\n\nExample: streamaudit config show",
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
)


def show(context: typer.Context, access: Access, writing: Writing) -> int:
    """Every setting in force with where it came from: option, environment, file and line, or default.

    Example: streamaudit config show
    """
    from streamaudit.report.escape import without_credentials
    from streamaudit.report.frames import Result
    from streamaudit.report.model import NO_WINDOW, Column, Report, Table

    access.speak()
    output = writing.parse()
    columns = (
        Column("setting"),
        Column("value"),
        Column("from", None, "option, environment, file and line, or default"),
    )
    # An address may be where a file is expected.
    rows = ((name, value and without_credentials(value), origin) for name, value, origin in
            _rows(context, access, writing))  # fmt: skip
    notes = (replace(one, message=without_credentials(one.message)) for one in _missing(access.settings))
    table = Table("settings", columns, tuple(rows))
    report = Report("configuration", NO_WINDOW, (table,), notes=tuple(notes))
    return output.write_one(Result(report))


def _rows(context: typer.Context, access: Access, writing: Writing) -> "list[tuple[str, str | None, str]]":
    settings = access.settings
    given = {"wait": access.wait, "memory_limit": access.memory_limit, "color": writing.color}
    rows: list[tuple[str, str | None, str]] = [
        ("configuration", str(settings.path) if settings.path else None, "found" if settings.path else "no file"),
        ("db", str(access.path()), access.origin()),
    ]
    for name, default in OPTIONS.items():
        source = context.get_parameter_source(name)
        value = given.get(name, settings.options.get(name, default))
        origin = {"COMMANDLINE": f"--{name.replace('_', '-')}", "ENVIRONMENT": f"$STREAMAUDIT_{name.upper()}"}.get(
            source.name if source else "", settings.origin(name) if name in settings.options else "default"
        )
        if name == "tz" and os.environ.get("STREAMAUDIT_TZ"):  # an option of other commands only
            value, origin = os.environ["STREAMAUDIT_TZ"], "$STREAMAUDIT_TZ"
        rows.append((name, None if value is None else str(value), origin))
    prices, delay = settings.prices, "default" if settings.stop_delay_ms is None else settings.origin("stop_delay")
    rows.append(("prices", str(prices) if prices else None, settings.origin("prices") if prices else "default"))
    rows.append(("stop_delay", f"{settings.provider_overrides().stop_delay_ms / 1000:g}s", delay))
    for column, paths in settings.fields.items():
        rows.append((f"fields.{column}", " or ".join(paths), settings.origin(f"fields.{column}")))
    for name, path in settings.lookup.items():
        rows.append((f"lookup.{name}", str(path), settings.origin(f"lookup.{name}")))
    for group, members in settings.groups.items():
        for dimension, patterns in members.items():
            place = f"groups.{group}.{dimension}"
            rows.append((place, ", ".join(patterns), settings.origin(place)))
    for name, behaviour in settings.providers.items():
        rows.append((f"providers.{name}", behaviour, settings.origin(f"providers.{name}")))
    for name, habit in settings.hops.items():
        rows.append((f"hops.{name}", habit, settings.origin(f"hops.{name}")))
    for name, address in settings.links.items():
        rows.append((f"links.{name}", address, settings.origin(f"links.{name}")))
    rows += [*_post_rows(settings), *_pull_rows(settings)]
    rows += [(f"check.{number}", check.describe(), check.origin) for number, check in enumerate(settings.checks, 1)]
    rows += [(f"suppress.{number}", one.describe(), one.origin) for number, one in enumerate(settings.suppressions, 1)]
    shown = {name.partition(".")[0] for name, *_ in rows}
    rows += [(name, None, "default") for name in TABLES if name not in shown and name != "thresholds"]
    return rows


def _post_rows(settings: Settings) -> "Iterator[tuple[str, str | None, str]]":
    """Yield the targets of summaries; of an address only the parts that a log may show."""
    from streamaudit.delivery.targets import VARIABLE, addresses, parse

    if os.environ.get(VARIABLE, "").strip() or settings.post.targets:
        try:
            for address, origin in addresses(settings.post):
                yield "post.targets", parse(address, origin).name, origin
        except UsageError as error:
            yield "post.targets", f"not usable: {error.message}", settings.origin("post.targets")
    yield from _patience_rows(settings, "post", settings.post)


def _pull_rows(settings: Settings) -> "Iterator[tuple[str, str | None, str]]":
    """Yield where the keys of a pull are; never what they are."""
    if settings.pull is not None:
        if settings.pull.credentials is not None:
            yield "pull.credentials", str(settings.pull.credentials), settings.origin("pull.credentials")
        yield from _patience_rows(settings, "pull", settings.pull)


def _patience_rows(settings: Settings, table: str, patience: object) -> "Iterator[tuple[str, str | None, str]]":
    for name in ("attempts", *TRY_TIMES):
        if f"{table}.{name}" in settings.lines:
            value = getattr(patience, name if name == "attempts" else f"{name}_s")
            shown = f"{value:g}" + ("" if name == "attempts" else "s")
            yield f"{table}.{name}", shown, settings.origin(f"{table}.{name}")


def _missing(settings: Settings) -> "Iterator[Note]":
    """Yield a note for each file that the configuration names and that does not exist."""
    from streamaudit.report.model import Note

    named = {"prices": settings.prices, **{f"lookup.{name}": path for name, path in settings.lookup.items()}}
    if settings.pull is not None:
        named["pull.credentials"] = settings.pull.credentials
    for name, path in named.items():
        if path is not None and not path.is_file():
            yield Note("missing_file", f"{name}: no file {path} ({settings.origin(name)})")


app.command("show")(expand_groups(show))
