"""``streamaudit ttft``."""

from typing import Annotated, Optional

import typer

from streamaudit.cli.inputs import ExportedInputs
from streamaudit.cli.options import Goodput, Grouping, Itl, Window, Writing


def command(
    *,
    slo: Annotated[
        Optional[str], typer.Option("--slo", metavar="SPAN", help="Share of calls within this target, and Apdex.")
    ] = None,
    buckets: Annotated[
        Optional[str], typer.Option("--buckets", metavar="BOUNDS", help="log, otel, or your own: 100ms,300ms,1s.")
    ] = None,
    censored: Annotated[
        bool,
        typer.Option(
            "--censored", help="Kaplan-Meier percentiles, counting the waits that a cancel or time-out ended."
        ),
    ] = False,
    goodput: Goodput = None,
    itl: Itl = False,
    grouping: Grouping,
    window: Window,
    writing: Writing,
    inputs: ExportedInputs,
) -> int:
    """Time to first token: percentiles, histogram, and what is not in them and why.

    Example: streamaudit ttft --by model --slo 800ms
    """
    from streamaudit.cli.follow_up import after_ttft, say_follow_up

    output, filters = writing.parse(grouping.top), window.filters(writing.redact)
    buckets = buckets or ("otel" if output.needs_fixed_buckets else None)
    with inputs.session() as session:
        results = {
            top: session.ttft(
                by=grouping.by,
                top=top,
                slo=slo,
                buckets=buckets,
                censored=censored,
                goodput=goodput,
                itl=itl,
                **filters,
            )
            for top in output.tops
        }
    done = output.write(results)
    say_follow_up(after_ttft, results, output, inputs, window)
    return done
