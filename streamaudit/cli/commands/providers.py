"""``streamaudit providers``."""

from streamaudit.cli.options import Writing
from streamaudit.config.settings import Settings


def command(writing: Writing, settings: Settings) -> int:
    """What each provider does when the client of a stream disconnects, who says so, and since when it is believed.

    Example: streamaudit providers
    """
    from streamaudit.report.frames import Result
    from streamaudit.report.model import NO_WINDOW, Column, Note, Report, Table
    from streamaudit.store.providers import read_providers

    output = writing.parse()
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
