"""Ask before calls are deleted: show how many, and wait for a yes where a person can give one."""

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from streamaudit.cli import console
from streamaudit.cli.inputs import Access
from streamaudit.report.numbers import count

if TYPE_CHECKING:
    from streamaudit.ingest.retention import Removed, Selection

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Delete without asking.")]


@dataclass(frozen=True, slots=True)
class Deletion:
    """A selection to delete; ``which`` completes the sentence ``1,306 calls and 40 other steps …``."""

    selection: "Selection"
    which: str
    dry_run: bool
    yes: bool

    def is_wanted(self, access: Access) -> bool:
        """Show the counts and return whether to go on. Only a terminal is asked: a job runs as it is written.

        The store is not locked while a person thinks.
        """
        if not self.dry_run and (self.yes or not _is_attended()):
            return True
        from streamaudit.ingest.retention import count_selected

        with access.open(write=False) as store:
            counts = f"{describe(count_selected(store, self.selection))} {self.which}"
        if self.dry_run:
            console.note(f"would delete {counts}; nothing was deleted")
            return False
        if typer.confirm(f"Delete {counts}?", err=True):
            return True
        console.note("nothing was deleted")
        return False


def describe(removed: "Removed") -> str:
    """Return how many calls and steps, in words."""
    return f"{count(removed.calls, 'call')} and {count(removed.spans, 'other step')}"


def _is_attended() -> bool:
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
