"""``streamaudit unload``."""

from typing import Annotated

import typer

from streamaudit.cli.options import Access


def command(
    load_id: Annotated[
        int, typer.Argument(metavar="LOAD_ID", help="Number of the load, as streamaudit coverage lists it.")
    ],
    access: Access,
) -> int:
    """Undo one load: its calls leave the store as if the file had never been read.

    Example: streamaudit unload 3
    """
    from streamaudit.cli import console
    from streamaudit.errors import EXIT_OK
    from streamaudit.ingest.retention import unload

    access.speak()
    with access.open(write=True, create=False) as store:
        removed = unload(store, load_id)
    console.note(f"load {load_id} undone: {removed.calls:,} calls and {removed.spans:,} other steps are gone")
    if removed.evidence:
        console.note(f"  {removed.evidence:,} records of evidence are no longer joined to calls")
    if removed.beaten:
        console.note(
            f"  {removed.beaten:,} of the calls it had read were better versions of calls stored before: ingest the "
            "earlier files again with --force to get those back"
        )
    return EXIT_OK
