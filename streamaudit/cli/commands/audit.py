"""``streamaudit audit``."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Optional

import typer

from streamaudit.cli.inputs import Access, Inputs
from streamaudit.cli.options import By, Window, Writing
from streamaudit.errors import EXIT_GATE_FAILED, UsageError, nearest


@dataclass(frozen=True, slots=True)
class NamesAndInputs(Inputs):
    """Inputs whose files may be names of audits, so that it is not yet known whether a store is used."""

    def __post_init__(self) -> None:
        Access.__post_init__(self)

    def split(self, names: list[str]) -> Inputs:
        """Return the inputs without the names; UsageError for files together with a store."""
        given = {one.name: getattr(self, one.name) for one in fields(Inputs)}
        return Inputs(**{**given, "files": [one for one in self.files or [] if one not in names] or None})


def command(
    *,
    by: By = None,
    list_: Annotated[
        bool, typer.Option("--list", help="What each audit finds and needs, and whether this data has it.")
    ] = False,
    threshold: Annotated[
        Optional[list[str]],
        typer.Option("--threshold", metavar="AUDIT.NAME=VALUE", help="Decide by another number; --list shows all."),
    ] = None,
    fail_on: Annotated[
        Optional[list[str]],
        typer.Option(
            "--fail-on", metavar="FINDING[:SEVERITY]", help="Exit 1 on this finding, or any, from a severity on."
        ),
    ] = None,
    window: Window,
    writing: Writing,
    inputs: NamesAndInputs,
) -> int:
    """Find streaming failures that no dashboard shows, ranked by money and by users hurt.

    Arguments that are names of audits choose these; all others are files. Without a name every audit runs.

    Example: streamaudit audit buffering retries --last 7d
    """
    from streamaudit.audits.failures.base import discover
    from streamaudit.cli.follow_up import after_audit, say_follow_up

    given = inputs.files or []
    names = [one for one in given if one in discover()]
    for one in given:
        if one not in names and "." not in one and not Path(one).exists() and (close := nearest(one, list(discover()))):
            known = "audits: " + ", ".join(discover())
            raise UsageError(f"{one} is no audit and no file, did you mean {close}?", known)
    output, filters = writing.parse(), window.filters(writing.redact)
    with inputs.split(names).session() as session:
        if list_:
            result = session.list_audits(*names, **filters)
        else:
            result = session.audit(
                *names, by=by, thresholds=threshold or (), fail_on=fail_on or (), timelines=output.has_page, **filters
            )
    done = output.write(dict.fromkeys(output.tops, result))
    if not list_:
        say_follow_up(after_audit, {None: result}, output, inputs.split(names), window)
    return EXIT_GATE_FAILED if result.verdict == "fail" else done
