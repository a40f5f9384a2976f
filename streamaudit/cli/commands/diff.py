"""``streamaudit diff``."""

from dataclasses import fields
from glob import glob
from pathlib import Path
from typing import Annotated, Optional

import typer

from streamaudit.cli import completion
from streamaudit.cli.inputs import Access, ExportedInputs
from streamaudit.cli.options import Data, EngineName, Grouping, MapField, OnInsufficient, ProgressWhen, Window, Writing
from streamaudit.errors import EXIT_GATE_FAILED, EXIT_OK, UsageError


def command(
    *,
    words: Annotated[
        Optional[list[str]],
        typer.Argument(
            metavar="[BASE HEAD] [FILE]...", help="The two sides, then files instead of the store.",
            autocompletion=completion.deploys,
        ),
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
    data: Data = None,
    engine: EngineName = "duckdb",
    progress: ProgressWhen = "auto",
    map_: MapField = None,
) -> int:
    """What a deploy made worse: two deploys, windows or values compared, with a verdict for each group.

    BASE and HEAD come before any files; without them the last two deploys are compared.

    Example: streamaudit diff --by route
    """
    from streamaudit.cli import console
    from streamaudit.cli.follow_up import after_diff, say_follow_up

    output, filters = writing.parse(grouping.top, screen_groups=0), window.filters(writing.redact)
    if save_baseline is not None and (base_store is not None or base_since or base_until):
        raise UsageError("a saved baseline is a side of its own: no base window, and not read and written at once")
    alone = base_store is not None or save_baseline is not None
    names, files = split_words(words or [], 1 if alone else 2)
    given = {one.name: getattr(access, one.name) for one in fields(access)}
    inputs = ExportedInputs(**given, files=files or None, map_=map_, data=data, engine=engine, progress=progress)
    if save_baseline is not None:
        side = names[0] if names else None
        with inputs.session() as session:
            session.save_baseline(
                save_baseline, side, by=grouping.by, on=on, strata=strata, skip_first=skip_first, **filters
            )
        console.note(f"baseline saved in {save_baseline}; compare with streamaudit diff --base-store {save_baseline}")
        return EXIT_OK
    base, head = (None, *names, None)[:2] if alone else (*names, None, None)[:2]
    with inputs.session() as session:
        results = {
            top: session.diff(
                base, head, by=grouping.by, top=top, on=on, base_since=base_since, base_until=base_until,
                base_store=base_store, metric=metric, stat=stat, strata=strata, min_effect=min_effect,
                skip_first=skip_first, fail_on=fail_on, on_insufficient=on_insufficient, **filters,
            )
            for top in output.tops
        }  # fmt: skip
    done = output.write(results)
    if base_store is None:
        pairs = (("--on", on), ("--base-since", base_since), ("--base-until", base_until))
        sides = [*names, *(word for name, value in pairs if value is not None for word in (name, value))]
        compared = None if on is None and (base_since or base_until) else on or "deploy"
        say_follow_up(after_diff(sides, compared), results, output, inputs, window)
    failing = ("fail", "insufficient") if on_insufficient == "fail" else ("fail",)
    return EXIT_GATE_FAILED if any(result.verdict in failing for result in results.values()) else done


def split_words(words: list[str], sides: int) -> tuple[list[str], list[str]]:
    """Return BASE and HEAD (or only one of them, with a saved baseline), then files.

    A first word that is a file is one, and then all are. UsageError for one side of two.
    """
    if not words or _is_file(words[0]):
        return [], words
    if sides == 1:
        return words[:1], words[1:]
    if len(words) < 2 or _is_file(words[1]):
        raise UsageError(
            f"{words[0]!r} is one side and no file", "name both sides: streamaudit diff BASE HEAD [FILE]..., or none"
        )
    return words[:2], words[2:]


def _is_file(word: str) -> bool:
    return word == "-" or Path(word).exists() or bool(glob(word))
