"""``streamaudit export``."""

from typing import Annotated

import typer

from streamaudit.cli.inputs import Inputs
from streamaudit.cli.options import Window
from streamaudit.errors import EXIT_OK, InputError, UsageError


def command(
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="A folder for Parquet by UTC day, or a file: .csv or .parquet.")
    ],
    window: Window,
    inputs: Inputs,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier export or file.")] = False,
    compact: Annotated[
        bool, typer.Option("--compact", help="Of a folder that several exports feed: keep one record of each call.")
    ] = False,
    fail_on_empty: Annotated[
        bool, typer.Option("--fail-on-empty", help="Exit 3 when no call is in the window.")
    ] = False,
) -> int:
    """Write the calls as Parquet or CSV, with days, whole units and histogram buckets computed once.

    Example: streamaudit export calls-export --last 30d --only environment=production
    """
    from streamaudit.audits.export.export import stage, target_of
    from streamaudit.cli import console

    if compact:
        return _compact(target, window, inputs)
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


def _compact(target: str, window: Window, inputs: Inputs) -> int:
    """Keep the best record of each call in an exported folder, and log how many were left out."""
    from streamaudit.audits.export.compact import compact
    from streamaudit.cli import console
    from streamaudit.report.numbers import count

    filtered = window.since or window.until or window.last or window.week or window.where or window.only
    if inputs.files or inputs.db is not None or filtered:
        raise UsageError("--compact reads the folder itself: leave out files, --db and filters")
    inputs.speak()
    with inputs.in_memory() as store:
        done = compact(store, target)
    console.note(
        f"compacted {target}: {count(done.calls, 'call')}, {count(done.dropped, 'other record')} of them left out, "
        f"{done.rewritten:,} of {count(done.days, 'day')} written again",
        file=target, calls=done.calls, dropped=done.dropped,
    )  # fmt: skip
    return EXIT_OK
