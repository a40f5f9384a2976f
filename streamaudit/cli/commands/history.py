"""``streamaudit history``."""

from typing import Annotated

import typer

from streamaudit.cli.inputs import ExportedInputs
from streamaudit.cli.options import By, Window, Writing


def command(
    *,
    by: By = "deploy",
    findings: Annotated[
        bool, typer.Option("--findings", help="Count the findings of the audits by period, and list them.")
    ] = False,
    window: Window,
    writing: Writing,
    inputs: ExportedInputs,
) -> int:
    """The figures deploy by deploy or week by week, with the points where they changed for good.

    --by is deploy, day, week or month.

    Example: streamaudit history --by day
    """
    from streamaudit.cli.follow_up import after_history, say_follow_up

    output, filters = writing.parse(), window.filters(writing.redact)
    with inputs.session() as session:
        results = {
            top: session.history(by=by or "deploy", top=top, findings=findings, **filters) for top in output.tops
        }
    done = output.write(results)
    say_follow_up(after_history, results, output, inputs, window)
    return done
