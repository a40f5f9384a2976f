"""``streamaudit prune``."""

from typing import Annotated

import typer

from streamaudit.options import Access, Tz


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
    from streamaudit import log
    from streamaudit.errors import EXIT_OK
    from streamaudit.keeping import prune
    from streamaudit.scope import parse_instant

    instant = parse_instant("--before", before, tz)
    access.speak()
    with access.open(write=True, create=False) as store:
        removed = prune(store, instant)
        untimed = store.one("SELECT count(*) FROM store.calls WHERE start_time IS NULL")[0]
    log.note(f"{removed.calls:,} calls and {removed.spans:,} other steps from before {before} {tz} are gone")
    if untimed:
        log.note(f"  {untimed:,} calls have no start time and stay")
    return EXIT_OK
