"""``streamaudit prune``."""

from typing import Annotated

import typer

from streamaudit.cli.deletion import Deletion, Yes, describe
from streamaudit.cli.inputs import Access
from streamaudit.cli.options import DryRun, Tz


def command(
    before: Annotated[
        str, typer.Option("--before", metavar="TIME", help="Delete what started before this date or time.")
    ],
    access: Access,
    tz: Tz = "UTC",
    dry_run: DryRun = False,
    yes: Yes = False,
) -> int:
    """Delete calls that started before a date.

    Example: streamaudit prune --before 2026-08-01
    """
    from streamaudit.audits.scope.window import parse_instant
    from streamaudit.cli import console
    from streamaudit.errors import EXIT_OK
    from streamaudit.ingest.retention import prune, started_before
    from streamaudit.report.numbers import count

    instant = parse_instant("--before", before, tz)
    access.speak()
    which = f"that started before {before} {tz}"
    if not Deletion(started_before(instant), which, dry_run, yes).is_wanted(access):
        return EXIT_OK
    with access.open(write=True, create=False) as store:
        removed = prune(store, instant, access.settings.price_file())
        untimed = store.one("SELECT count(*) FROM store.calls WHERE start_time IS NULL")[0]
    console.note(f"deleted {describe(removed)} {which}")
    if untimed:
        console.note(f"  {count(untimed, 'call')} without a start time stay")
    return EXIT_OK
