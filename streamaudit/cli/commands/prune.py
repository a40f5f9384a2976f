"""``streamaudit prune``."""

from typing import Annotated

import typer

from streamaudit.cli.options import Access, Tz


def command(
    before: Annotated[
        str, typer.Option("--before", metavar="TIME", help="Take out what started before this date or time.")
    ],
    access: Access,
    tz: Tz = "UTC",
) -> int:
    """Take out of the store every call that started before a date.

    Example: streamaudit prune --before 2026-08-01
    """
    from streamaudit.audits.scope.window import parse_instant
    from streamaudit.cli import console
    from streamaudit.errors import EXIT_OK
    from streamaudit.ingest.retention import prune

    instant = parse_instant("--before", before, tz)
    access.speak()
    with access.open(write=True, create=False) as store:
        removed = prune(store, instant)
        untimed = store.one("SELECT count(*) FROM store.calls WHERE start_time IS NULL")[0]
    console.note(f"{removed.calls:,} calls and {removed.spans:,} other steps from before {before} {tz} are gone")
    if untimed:
        console.note(f"  {untimed:,} calls have no start time and stay")
    return EXIT_OK
