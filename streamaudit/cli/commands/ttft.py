"""``streamaudit ttft``."""

from typing import Annotated, Optional

import typer

from streamaudit.cli.options import Grouping, Inputs, Window, Writing


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
    grouping: Grouping,
    window: Window,
    writing: Writing,
    inputs: Inputs,
) -> int:
    """Time to first token: percentiles, histogram, and what is not in them and why.

    Example: streamaudit ttft --by model --slo 800ms
    """
    from streamaudit.audits import ttft
    from streamaudit.cli.runner import run_audit

    slo_ms = ttft.parse_duration_ms("--slo", slo) if slo else None
    bounds = ttft.parse_buckets(buckets)
    return run_audit(
        lambda store, scope: ttft.run(store, scope, slo_ms=slo_ms, buckets_ms=bounds, censored=censored),
        window.scope(grouping.by), inputs, writing, grouping.top,
    )  # fmt: skip
