"""``streamaudit weekly``."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from streamaudit.cli.options import By, Inputs, Window, Writing
from streamaudit.cli.post import Posting, Question, post_report, post_sample

if TYPE_CHECKING:
    from streamaudit.audits.scope.scope import Scope
    from streamaudit.report.model import Report
    from streamaudit.store.store import Store


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
    inputs: Inputs,
) -> int:
    """The last complete week beside the one before: a few figures, what moved most and why, broken thresholds.

    --by names where to look for movers: up to three dimensions, or else tenant,route,model.

    Example: streamaudit weekly --tz Europe/Paris
    """
    from streamaudit.audits.check import evaluate
    from streamaudit.audits.weekly import report
    from streamaudit.audits.weekly.fingerprint import gist
    from streamaudit.audits.weekly.period import chosen
    from streamaudit.cli.runner import run_audit
    from streamaudit.report.redact import alias

    if posting.test:
        sample = chosen("week", week=report.SAMPLE_WEEK)
        return post_sample(
            posting, lambda store, scope: report.run(store, scope, sample), Window().scope(), inputs, writing
        )

    asked = chosen(
        period, since=window.since, until=window.until, last=window.last, week=window.week, tz=window.tz
    )  # fmt: skip
    dimensions = report.parse_dimensions(by)
    checks = inputs.settings.checks
    hide = writing.redacted()

    def audit(store: "Store", scope: "Scope") -> "Report":
        checked = None
        if checks:
            key = store.secret() if hide else ""

            def hidden(name: str, value: str) -> str:
                return str(alias(name, value, key)) if name in hide or name.startswith("group:") else value

            windowed = replace(scope, by=(), since=asked.since, until=asked.until)
            before = (asked.before, asked.since)
            found = evaluate.run(store, windowed, checks, before=before)
            checked = report.Checked(found, hidden if hide else None)
        return report.run(store, scope, asked, movers=movers, checked=checked)

    scope = replace(window.scope(), by=dimensions, since=None, until=None)
    if not (posting.post or posting.dry_run):
        return run_audit(audit, scope, inputs, writing)
    name = asked.name or f"{asked.since:%Y-%m-%dT%H:%MZ}/{asked.until:%Y-%m-%dT%H:%MZ}"
    what = (asked.kind, dimensions, movers, window.tz, window.where, sorted(window.only or []), hide,
            [one.describe() for one in checks])  # fmt: skip
    return post_report(posting, Question(audit, scope, name, what, gist), inputs, writing)
