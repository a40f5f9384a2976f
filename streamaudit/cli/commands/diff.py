"""``streamaudit diff``."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from streamaudit.cli.options import Access, Grouping, MapField, OnInsufficient, Window, Writing

if TYPE_CHECKING:
    from streamaudit.audits.scope.scope import Scope
    from streamaudit.report.model import Report
    from streamaudit.store.store import Store


def command(
    *,
    words: Annotated[
        Optional[list[str]],
        typer.Argument(metavar="[BASE HEAD] [FILE]...", help="The two sides, then files in place of the store."),
    ] = None,
    on: Annotated[
        Optional[str],
        typer.Option(
            "--on",
            metavar="DIM",
            help="Compare two values of this dimension. Default: deploy.",
        ),
    ] = None,
    base_since: Annotated[
        Optional[str], typer.Option("--base-since", metavar="TIME", help="The base is the calls from this time on.")
    ] = None,
    base_until: Annotated[
        Optional[str], typer.Option("--base-until", metavar="TIME", help="Up to, not including, this time.")
    ] = None,
    metric: Annotated[
        Optional[str],
        typer.Option(
            "--metric",
            metavar="NAME[,NAME]",
            help="ttft, ttvt, duration, tpot, cancel_rate, error_rate, tax_rate. Default: all.",
        ),
    ] = None,
    stat: Annotated[
        Optional[str], typer.Option("--stat", metavar="P[,P]", help="p50, p90, p95, p99. Default: all.")
    ] = None,
    strata: Annotated[
        Optional[str],
        typer.Option(
            "--strata",
            metavar="DIM[,DIM]",
            help="Compare at the base's mix of these, or none. Default: model,route,tenant.",
        ),
    ] = None,
    min_effect: Annotated[
        Optional[str],
        typer.Option(
            "--min-effect",
            metavar="SHARE",
            help="The smallest change that matters, such as 10%. Default: 5%.",
        ),
    ] = None,
    skip_first: Annotated[
        Optional[str],
        typer.Option(
            "--skip-first",
            metavar="SPAN",
            help="Leave out the first 10m, say, of either side: cold starts.",
        ),
    ] = None,
    fail_on: Annotated[
        Optional[str],
        typer.Option(
            "--fail-on",
            metavar="WHAT[,WHAT]",
            help="Exit 1 on a regression, or on one of these metrics.",
        ),
    ] = None,
    on_insufficient: OnInsufficient = "warn",
    save_baseline: Annotated[
        Optional[Path],
        typer.Option("--save-baseline", metavar="FILE", help="Write one side's counts to a file, for later."),
    ] = None,
    base_store: Annotated[
        Optional[Path],
        typer.Option("--base-store", metavar="FILE", help="The base is what --save-baseline wrote."),
    ] = None,
    grouping: Grouping,
    window: Window,
    writing: Writing,
    access: Access,
    map_: MapField = None,
) -> int:
    """What a deploy made worse: two deploys, windows or values compared, with a verdict for each group.

    BASE and HEAD come before any files; without them the last two deploys are compared.

    Example: streamaudit diff --by route
    """
    from dataclasses import replace

    from streamaudit.audits.diff import report as diffs
    from streamaudit.audits.notes import diverse_note
    from streamaudit.cli import console
    from streamaudit.cli.diff_request import Gate, asked_for
    from streamaudit.cli.runner import asked, opened, run_audit
    from streamaudit.errors import EXIT_GATE_FAILED, EXIT_OK

    gate = Gate.parse(fail_on, on_insufficient)
    request = asked_for(
        words or [], access, map_, window, on=on, base_since=base_since, base_until=base_until, metric=metric,
        stat=stat, strata=strata, min_effect=min_effect, skip_first=skip_first, base_store=base_store,
        save_baseline=save_baseline,
    )  # fmt: skip
    if save_baseline is not None:
        with opened(request.inputs) as store:
            asked(store, partial(diffs.save_base, ask=request.ask, path=save_baseline), request.scope(grouping.by))
        console.note(f"baseline saved in {save_baseline}; compare with streamaudit diff --base-store {save_baseline}")
        return EXIT_OK
    failed: list[bool] = []

    def audit(store: "Store", scope: "Scope") -> "Report":
        ask = request.resolved(store, scope)
        base = request.baseline
        found = gate.judged(diffs.run_against(store, scope, ask, base) if base else diffs.run(store, scope, ask))
        failed.append(gate.fails(found))
        return replace(found, notes=(*found.notes, *diverse_note(store, scope)))

    run_audit(audit, request.scope(grouping.by), request.inputs, writing, grouping.top)
    return EXIT_GATE_FAILED if any(failed) else EXIT_OK
