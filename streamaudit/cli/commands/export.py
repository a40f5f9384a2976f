"""``streamaudit export``."""

from typing import Annotated

import typer

from streamaudit.cli.options import Inputs, Window
from streamaudit.errors import EXIT_OK, InputError


def command(
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="A folder for Parquet by UTC day, or a file: .csv or .parquet.")
    ],
    window: Window,
    inputs: Inputs,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier export or file.")] = False,
    fail_on_empty: Annotated[
        bool, typer.Option("--fail-on-empty", help="Exit 3 when no call is in the window.")
    ] = False,
) -> int:
    """Write the calls as Parquet or CSV, with days, whole units and histogram buckets computed once.

    Example: streamaudit export calls-export --last 30d --only environment=production
    """
    from streamaudit.audits.export.export import stage, target_of
    from streamaudit.cli import console

    where = target_of(target, overwrite=overwrite, inputs=tuple(inputs.files or ()))
    with stage(where) as folder:
        with inputs.session(writable=folder) as session:
            done = session.export(where, folder, **window.filters())
        if fail_on_empty and not done.calls:
            raise InputError("no calls in this window")
    span = f", {done.first} .. {done.last} UTC" if done.first else ""
    console.note(f"wrote {target}: {done.calls:,} calls{span}", file=target, calls=done.calls, days=done.days)
    if done.undated:
        console.note(f"  {done.undated:,} calls have no start time: their day is NULL", undated=done.undated)
    for note in done.notes:
        console.note(f"  note: {note.message}")
    return EXIT_OK
