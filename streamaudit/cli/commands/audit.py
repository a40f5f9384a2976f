"""``streamaudit audit``."""

from dataclasses import replace
from typing import Annotated, Optional

import typer

from streamaudit.cli.options import By, Inputs, Window, Writing


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
    window: Window,
    writing: Writing,
    inputs: Inputs,
) -> int:
    """Find streaming failures that no dashboard shows, ranked by money and by users hurt.

    Arguments that are names of audits choose these; all others are files. Without a name every audit runs.

    Example: streamaudit audit buffering retries --last 7d
    """
    from streamaudit.audits.failures.base import discover, parse_thresholds
    from streamaudit.audits.failures.report import list_audits, run
    from streamaudit.cli.runner import run_audit

    given = inputs.files or []
    names = [one for one in given if one in discover()]
    inputs = replace(inputs, files=[one for one in given if one not in names] or None)
    limits = parse_thresholds(threshold or [])
    if list_:
        return run_audit(lambda store, scope: list_audits(store, scope, names), window.scope(by), inputs, writing)
    return run_audit(
        lambda store, scope: run(store, scope, names, limits=limits), window.scope(by), inputs, writing
    )
