"""``streamaudit report``."""

from pathlib import Path
from typing import Annotated, Optional

import typer

from streamaudit.cli.inputs import ExportedInputs
from streamaudit.cli.options import Goodput, Grouping, Itl, Window, Writing
from streamaudit.errors import UsageError


def command(
    grouping: Grouping,
    window: Window,
    writing: Writing,
    inputs: ExportedInputs,
    reconcile: Annotated[
        Optional[Path],
        typer.Option("--reconcile", metavar="BILL", help="Compare costs with what was billed: a FOCUS or CSV file."),
    ] = None,
    goodput: Goodput = None,
    itl: Itl = False,
    trend: Annotated[
        bool, typer.Option("--trend", help="Median TTFT of each group by day, drawn as a line; by week over months.")
    ] = False,
) -> int:
    """How long users wait, how often they leave, and what was paid for tokens that no user saw.

    Example: streamaudit report --by tenant --last 7d
    """
    from streamaudit.cli.follow_up import after_report, say_follow_up

    if reconcile is not None and (grouping.by is not None or grouping.top is not None):
        raise UsageError("--reconcile is by month and provider; --by and --top do not go with it")
    if reconcile is not None and (goodput is not None or itl or trend):
        raise UsageError("--reconcile compares costs; --goodput, --itl and --trend do not go with it")
    output, filters = writing.parse(grouping.top), window.filters(writing.redact)
    with inputs.session() as session:
        results = {
            top: session.report(by=grouping.by, top=top, goodput=goodput, itl=itl, trend=trend, **filters)
            if reconcile is None
            else session.reconcile(reconcile, **filters)
            for top in output.tops
        }
    done = output.write(results)
    if reconcile is None:
        say_follow_up(after_report, results, output, inputs, window)
    return done
