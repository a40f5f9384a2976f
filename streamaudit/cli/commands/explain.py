"""``streamaudit explain``."""

from typing import Annotated, Optional

import typer

from streamaudit.cli.inputs import Inputs
from streamaudit.cli.options import Writing


def command(
    call_id: Annotated[
        str, typer.Argument(metavar="CALL_ID", help="Id of a call, the beginning of it, or of its response or trace.")
    ],
    *,
    source: Annotated[
        Optional[str],
        typer.Option("--source", metavar="NAME", help="Name the calls are stored under. Default: the format."),
    ] = None,
    writing: Writing,
    inputs: Inputs,
) -> int:
    """One call: its timeline, every figure with its rule and the field it came from, and the steps around it.

    Example: streamaudit explain r-1002 traces.jsonl
    """
    output = writing.parse()
    with inputs.session() as session:
        result = session.explain(call_id, source=source, redact=writing.redact)
    return output.write_one(result)
