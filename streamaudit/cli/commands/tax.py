"""``streamaudit tax``."""

from typing import Annotated

import typer

from streamaudit.cli.inputs import ExportedInputs
from streamaudit.cli.options import Grouping, Window, Writing


def command(
    *,
    split: Annotated[bool, typer.Option("--split", help="Show the parts: hidden, undelivered, unread.")] = False,
    top_calls: Annotated[int, typer.Option("--top-calls", metavar="N", min=0, help="List the N worst calls.")] = 0,
    if_stopped: Annotated[
        bool,
        typer.Option(
            "--if-stopped", help="What stopping every provider at the cancel would save, by provider and route."
        ),
    ] = False,
    grouping: Grouping,
    window: Window,
    writing: Writing,
    inputs: ExportedInputs,
) -> int:
    """The cancellation tax: tokens billed minus tokens rendered, with what is exact, estimated and unknown.

    Example: streamaudit tax --by tenant --split
    """
    from streamaudit.cli.follow_up import after_tax, say_follow_up

    output, filters = writing.parse(grouping.top), window.filters(writing.redact)
    with inputs.session() as session:
        results = {
            top: session.tax(
                by=grouping.by, top=top, split=split, top_calls=top_calls, if_stopped=if_stopped, **filters
            )
            for top in output.tops
        }  # fmt: skip
    done = output.write(results)
    say_follow_up(after_tax, results, output, inputs, window)
    return done
