"""``streamaudit sql``."""

from typing import Annotated, Optional

import typer

from streamaudit.cli.inputs import Inputs
from streamaudit.cli.options import Writing
from streamaudit.errors import UsageError

SCREEN_ROWS = 100


def command(
    statement: Annotated[str, typer.Argument(metavar="SELECT", help="One SELECT, in quotes.")],
    inputs: Inputs,
    writing: Writing,
    limit: Annotated[
        Optional[int],
        typer.Option("--limit", metavar="N", min=1, help="Rows shown. Default: 100 on a screen, all in data formats."),
    ] = None,
    timeout: Annotated[
        str, typer.Option("--timeout", metavar="SPAN", help="Stop a statement that runs longer, such as 10m.")
    ] = "60s",
) -> int:
    """Ask the store in SQL: read-only, over the tables calls, spans, loads and rejects.

    Example: streamaudit sql "SELECT tenant, sum(cost_usd) AS cost_usd FROM calls WHERE counted GROUP BY ALL"
    """
    if writing.redact:
        raise UsageError("--redact does not work with sql", "leave out the columns that must not be shown")
    from streamaudit.config.units import parse_seconds

    timeout_s = parse_seconds("--timeout", timeout)
    output = writing.parse(limit)
    with inputs.session() as session:
        if output.is_stream:
            return output.stream(session.sql_in_pieces(statement, timeout_s=timeout_s))
        results = {
            top: session.sql(
                statement, limit=limit or (SCREEN_ROWS if top is not None else None), columnar=output.is_columnar,
                timeout_s=timeout_s,
            )
            for top in output.tops
        }
    return output.write(results)
