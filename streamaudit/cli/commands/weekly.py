"""``streamaudit weekly``."""

from typing import Annotated

import typer

from streamaudit.cli.inputs import ExportedInputs
from streamaudit.cli.options import By, Window, Writing
from streamaudit.cli.post import Posting, PostSubject, find_targets, post_result, post_sample


def command(
    *,
    period: Annotated[
        str, typer.Option("--period", metavar="KIND", help="The last complete day, week or month. Default: week.")
    ] = "week",
    by: By = None,
    movers: Annotated[
        int, typer.Option("--movers", metavar="N", min=1, help="Movers of each dimension, of either kind. Default: 2.")
    ] = 2,
    window: Window,
    posting: Posting,
    writing: Writing,
    inputs: ExportedInputs,
) -> int:
    """The last complete week vs the one before: a few figures, what moved most and why, broken thresholds.

    --by names where to look for movers: up to three dimensions, or else tenant,route,model.

    Example: streamaudit weekly --tz Europe/Paris
    """
    from streamaudit.cli.follow_up import after_weekly, say_follow_up

    if posting.test:
        return post_sample(posting, inputs, writing)
    from streamaudit.audits.weekly.period import choose_period
    from streamaudit.audits.weekly.report import parse_dimensions

    output, filters = writing.parse(), window.filters(writing.redact)
    if not (posting.post or posting.dry_run):
        with inputs.session() as session:
            result = session.weekly(period=period, by=by, movers=movers, **filters)
        results = dict.fromkeys(output.tops, result)  # no table of it is cut
        done = output.write(results)
        say_follow_up(after_weekly, results, output, inputs, window)
        return done
    asked = choose_period(
        period, since=window.since, until=window.until, last=window.last, week=window.week, tz=window.tz,
        now=window.now,
    )  # fmt: skip
    name = asked.name or f"{asked.since:%Y-%m-%dT%H:%MZ}/{asked.until:%Y-%m-%dT%H:%MZ}"
    what = (asked.kind, parse_dimensions(by), movers, window.tz, window.where, sorted(window.only or []),
            writing.redacted_names(), [one.describe() for one in inputs.settings.checks])  # fmt: skip
    targets = find_targets(posting, inputs)
    with inputs.session() as session:
        result = session.weekly(period=period, by=by, movers=movers, **filters)
    return post_result(posting, result, PostSubject(name, what), targets, inputs, writing)
