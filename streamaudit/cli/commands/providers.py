"""``streamaudit providers``."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from streamaudit.cli.options import Writing
from streamaudit.config.settings import Settings

if TYPE_CHECKING:
    from streamaudit.report.frames import Result


Hops = Annotated[
    bool, typer.Option("--hops", help="List what servers before an application do with the abort of a client.")
]


def command(writing: Writing, settings: Settings, hops: Hops = False) -> int:
    """What each provider does when the client of a stream disconnects, who says so, and since when it is believed.

    Example: streamaudit providers
    """
    from streamaudit.report.frames import Result
    from streamaudit.report.model import NO_WINDOW, Column, Note, Report, Table
    from streamaudit.store.providers import read_providers

    output = writing.parse()
    if hops:
        return output.write_one(_list_hops(settings.hops))
    own = settings.providers
    columns = (
        Column("provider"),
        Column("on_disconnect", None, "stops, runs_on or contested"),
        Column("evidence", None, "who says so"),
        Column("as_of", None, "month it was looked up"),
        Column("source", None, "address of the statement", wide=True),
        Column("note", None, "what else is known"),
    )
    rows: list[tuple[str | None, ...]] = [
        (one.name, one.on_disconnect, one.evidence, one.as_of, one.source, one.note or None)
        for one in read_providers()
        if one.name not in own
    ]
    rows += [(name, behaviour, "your configuration", None, None, None) for name, behaviour in own.items()]
    notes = (
        Note("prior", "it only moves the bounds of a tax, never an exact figure; [providers] takes precedence"),
        Note("unlisted", "a provider that is not listed bounds nothing"),
    )
    report = Report(
        "providers",
        NO_WINDOW,
        (Table("providers", columns, tuple(sorted(rows, key=lambda row: row[0] or ""))),),
        notes=notes,
    )
    return output.write_one(Result(report))


def _list_hops(own: Mapping[str, str]) -> "Result":
    """Return the table of hops, with what the configuration states of them."""
    from streamaudit.report.frames import Result
    from streamaudit.report.model import NO_WINDOW, Column, Note, Report, Table
    from streamaudit.store.hops import read_hops

    columns = (
        Column("hop", None, "a server, or a setting of one"),
        Column("on_abort", None, "at_once, next_write or never"),
        Column("evidence", None, "who says so"),
        Column("as_of", None, "month it was looked up"),
        Column("source", None, "address of the statement", wide=True),
        Column("note", None, "what else is known"),
    )
    rows: list[tuple[str | None, ...]] = [
        (one.name, one.on_abort, one.evidence, one.as_of, one.source, one.note or None)
        for one in read_hops()
        if one.name not in own
    ]
    rows += [(name, habit, "your configuration", None, None, None) for name, habit in own.items()]
    notes = (
        Note("next_write", "next_write: an upstream that is silent runs on, and bills, until it writes again"),
        Note("blame", "streamaudit audit orphans names the hop where its log is joined; [hops] takes precedence"),
    )
    table = Table("hops", columns, tuple(sorted(rows, key=lambda row: row[0] or "")))
    return Result(Report("hops", NO_WINDOW, (table,), notes=notes))
