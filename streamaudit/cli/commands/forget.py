"""``streamaudit forget``."""

from typing import Annotated

import typer

from streamaudit.cli.deletion import Deletion, Yes, describe
from streamaudit.cli.inputs import Access
from streamaudit.cli.options import DryRun


def command(
    user: Annotated[str, typer.Option("--user", metavar="ID", help="The user whose calls are deleted.")],
    access: Access,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> int:
    """Delete the calls of one user, with the other steps of their traces.

    Example: streamaudit forget --user u-acme-13
    """
    from streamaudit.cli import console
    from streamaudit.errors import EXIT_OK, InputError
    from streamaudit.ingest.retention import forget, of_user

    access.speak()
    if not Deletion(of_user(user), "of that user", dry_run, yes).is_wanted(access):
        return EXIT_OK
    with access.open(write=True, create=False) as store:
        removed = forget(store, user, access.settings.price_file())
    if not removed.calls and not removed.spans:
        raise InputError("the store has no call of that user", "give the id exactly as the exports spell it")
    console.note(
        f"deleted {describe(removed)}, and rewrote the file without them"
    )
    console.note(
        "  exports that still contain the user bring the calls back at the next ingest: delete them there too"
    )
    return EXIT_OK
