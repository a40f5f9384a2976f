"""``streamaudit forget``."""

from typing import Annotated

import typer

from streamaudit.cli.options import Access


def command(
    user: Annotated[str, typer.Option("--user", metavar="ID", help="The user id whose calls leave the store.")],
    access: Access,
) -> int:
    """Take every call of one user out of the store, with the other steps of their traces.

    Example: streamaudit forget --user u-acme-13
    """
    from streamaudit.cli import console
    from streamaudit.errors import EXIT_OK, InputError
    from streamaudit.ingest.retention import forget

    access.speak()
    with access.open(write=True, create=False) as store:
        removed = forget(store, user)
    if not removed.calls and not removed.spans:
        raise InputError("the store has no call of that user", "the id as the exports spell it, letter for letter")
    console.note(
        f"{removed.calls:,} calls and {removed.spans:,} other steps are gone; the file was written anew without them"
    )
    console.note(
        "  exports that still hold the user bring the calls back when they are ingested: delete them there too"
    )
    return EXIT_OK
