"""``streamaudit report``."""

from pathlib import Path
from typing import Annotated, Optional

import typer

from streamaudit.cli.options import Grouping, Inputs, Window, Writing
from streamaudit.errors import UsageError


def command(
    grouping: Grouping,
    window: Window,
    writing: Writing,
    inputs: Inputs,
    reconcile: Annotated[
        Optional[Path],
        typer.Option("--reconcile", metavar="INVOICE.CSV", help="Compare costs by month and provider with an invoice."),
    ] = None,
) -> int:
    """How long users wait, how often they leave, and what was paid for tokens nobody saw.

    Example: streamaudit report --by tenant --last 7d
    """
    from streamaudit.audits import overview
    from streamaudit.cli.runner import run_audit

    if reconcile is None:
        return run_audit(overview.run, window.scope(grouping.by), inputs, writing, grouping.top)
    from streamaudit.audits.invoice import read_invoice
    from streamaudit.audits.reconcile import run

    if grouping.by is not None or grouping.top is not None:
        raise UsageError("--reconcile is by month and provider; --by and --top do not go with it")
    invoice = read_invoice(reconcile)
    return run_audit(lambda store, scope: run(store, scope, invoice), window.scope(), inputs, writing)
