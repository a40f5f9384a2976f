"""``streamaudit unload``."""

from typing import Annotated

import typer

from streamaudit.cli.deletion import Deletion, Yes, describe
from streamaudit.cli.inputs import Access
from streamaudit.cli.options import DryRun


def command(
    load_id: Annotated[
        int, typer.Argument(metavar="LOAD_ID", help="Number of the load, as streamaudit coverage lists it.")
    ],
    access: Access,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> int:
    """Undo one load, as if its file had never been read.

    Example: streamaudit unload 3
    """
    from streamaudit.cli import console
    from streamaudit.errors import EXIT_OK
    from streamaudit.ingest.retention import of_load, unload
    from streamaudit.report.numbers import count

    access.speak()
    if not Deletion(of_load(load_id), f"of load {load_id}", dry_run, yes).is_wanted(access):
        return EXIT_OK
    with access.open(write=True, create=False) as store:
        removed = unload(store, load_id, access.settings.price_file())
    console.note(f"load {load_id} undone: deleted {describe(removed)}")
    if removed.evidence:
        console.note(f"  {removed.evidence:,} records of evidence are no longer joined to calls")
    if removed.beaten:
        console.note(
            f"  {count(removed.beaten, 'call')} had replaced an earlier version: ingest the earlier files again with "
            "--force to get it back"
        )
    return EXIT_OK
