"""``streamaudit merge``."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from streamaudit.cli.inputs import Access
from streamaudit.errors import EXIT_OK, StreamauditError, UsageError

if TYPE_CHECKING:
    from streamaudit.ingest.stores import Merged


def command(
    stores: Annotated[list[Path], typer.Argument(metavar="STORE...", help="Stores to merge; they stay as they are.")],
    access: Access,
    into: Annotated[
        Optional[Path],
        typer.Option("--into", metavar="FILE", help="Store that gets their calls, made if need be. Default: --db."),
    ] = None,
) -> int:
    """Make one store of many, as if it had read all of their files.

    Each call counts once, and merging a store again adds only what is new in it.

    Example: streamaudit merge shard-*.duckdb --into all.duckdb
    """
    from streamaudit.cli import console
    from streamaudit.ingest.stores import merge_store
    from streamaudit.store.lookups import keep_lookups, read_lookups
    from streamaudit.store.views.keep import keep_taxes

    if into is not None:
        if access.db is not None:
            raise UsageError("give --into or --db, not both")
        access = replace(access, db=into)
    access.speak()
    lookups = read_lookups(access.settings.lookup_files())
    with access.open(write=True) as store:
        keep_lookups(store, lookups)
        try:
            for path in dict.fromkeys(stores):
                _log(path, merge_store(store, path, access.settings.price_file()))
        except StreamauditError:
            keep_taxes(store)  # of the stores before
            raise
        keep_taxes(store)
    console.note(f"  store        {access.path()}")
    console.note(f"next: streamaudit report --by tenant{access.named_store()}")
    return EXIT_OK


def _log(path: Path, merged: "Merged") -> None:
    """Log what became of one store."""
    from streamaudit.cli import console
    from streamaudit.report.numbers import count

    loads = f"{count(merged.new_loads, 'new load')}, {merged.grown_loads:,} grown, {merged.known_loads:,} known"
    console.note(f"{path}: {loads}", file=str(path))
    rows = (
        ("calls", merged.calls, ""), ("= new", merged.new, ""),
        ("+ repeated", merged.repeated, "already stored in an equal or better version"),
        ("+ replaced", merged.replaced, "already stored, now better"),
        ("other steps", merged.spans, ""), ("evidence", merged.evidence, "records of other logs"),
    )  # fmt: skip
    width = max(len(f"{number:,}") for _, number, _ in rows)
    for label, number, meaning in rows:
        if number or label not in ("other steps", "evidence"):
            console.note(f"  {label:<12} {number:>{width},}" + (f"  {meaning}" if meaning and number else ""))
    if merged.other_salt:
        console.say(
            "  its inputs are hashed with another secret: an input that two stores have is not recognised as the same; "
            "ingests that are given one STREAMAUDIT_SECRET share it",
            level="warning", file=str(path),
        )  # fmt: skip
    if merged.other_lookups:
        console.say(
            f"  {count(merged.other_lookups, 'lookup')} not taken over: the store looks that dimension up otherwise",
            level="warning", file=str(path),
        )  # fmt: skip
