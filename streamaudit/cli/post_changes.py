"""Post the changes of the thresholds since the last post, to each target those since its own last message."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from streamaudit.cli.inputs import Inputs
from streamaudit.cli.options import Window, Writing
from streamaudit.cli.post import NewsPosting, exported_folder, make_digest, make_letter, open_ledger, print_text

if TYPE_CHECKING:
    from streamaudit.delivery.deliver import Compose, Draft, Silence
    from streamaudit.delivery.ledger import Standing, Subject
    from streamaudit.delivery.targets import Target
    from streamaudit.report.frames import Result

NAME = "thresholds"
"""Name of these posts in the ledger and in messages; they have no period of their own."""


def post_changes(
    posting: NewsPosting, whole: "Result", render: Callable[[], None], found: "list[Target]", inputs: Inputs,
    window: Window, writing: Writing, on_insufficient: str,
) -> None:  # fmt: skip
    """Post to each target what is new or resolved since its last message, or preview it.

    ``whole`` has every row; ``render`` writes the report, which is printed where it was not delivered. Raises
    StoreError when the store stays busy, before anything is posted; DeliveryError when a delivery failed.
    """
    from streamaudit.config.units import parse_seconds
    from streamaudit.delivery.deliver import deliver_each
    from streamaudit.delivery.ledger import Subject, lock_folder
    from streamaudit.errors import DeliveryError, StoreError

    what = (*_question(window, writing, on_insufficient), *exported_folder(inputs))
    subject = Subject(NAME, make_digest(what))
    compose, asked_for = _composer(whole, posting), bool(writing.format or writing.json or writing.output)
    if asked_for or writing.open_:
        render()
    if posting.dry_run:
        _preview(compose, subject, found, inputs)
        return
    ledger = open_ledger(inputs, subject)
    try:
        with lock_folder(inputs.path(), parse_seconds("--wait", inputs.wait)):
            deliver_each(compose, found, ledger, inputs.settings.post)
    except (DeliveryError, StoreError):
        if not (asked_for or writing.open_):
            render()
        raise


def _question(window: Window, writing: Writing, on_insufficient: str) -> tuple[Any, ...]:
    """Return the options that distinguish one line of a crontab from another.

    Dates are not among them: they are of another day in each run. Nor are the thresholds: each has a state of its own.
    """
    spans = [(one and not re.match(r"\d{4}", one) and one) or bool(one) for one in (window.since, window.until)]
    return ("check", spans, window.last, bool(window.week), window.tz, window.where, sorted(window.only or []),
            writing.redacted_names(), on_insufficient)  # fmt: skip


def _composer(whole: "Result", posting: NewsPosting) -> "Compose":
    from streamaudit.audits.check import changes
    from streamaudit.delivery.deliver import Draft, Silence, doubt

    def compose(standing: "Standing") -> "Draft | Silence":
        news = changes.compare(
            whole.report, standing.last_content, maybe=standing.unfinished_content, repeat=posting.resend
        )
        if not news:
            since = f" since {standing.at:%Y-%m-%d %H:%M:%S} UTC" if standing.state == "sent" else ""
            return Silence(f": {changes.describe_quiet(news, since)}")
        # What has changed since an interrupted run is sent, even if it repeats a part: an alert must not get stuck.
        if standing.unfinished_content == news.state and not posting.resend:
            return doubt(standing)
        return Draft(make_letter(changes.report(whole.report, news), posting.report_url), news.state)

    return compose


def _preview(compose: "Compose", subject: "Subject", found: "list[Target]", inputs: Inputs) -> None:
    """Print what would be sent, and on standard error where nothing would be."""
    from streamaudit.cli import console
    from streamaudit.delivery.deliver import Draft, preview_each
    from streamaudit.delivery.ledger import Ledger, Standing

    unknown = Standing("new", None, None, None)
    if inputs.files or not found or (exported_folder(inputs) and not inputs.path().exists()):
        standings = {target.digest: unknown for target in found}
    else:
        ledger = Ledger(lambda least_s: inputs.open(write=False, least_wait_s=least_s), subject)
        with inputs.open(write=False) as store:
            standings = {target.digest: ledger.standing(store, target.digest) for target in found}
    if not found:
        made = compose(unknown)
        if isinstance(made, Draft):
            print_text(made.letter)
        else:
            console.note(f"{NAME}{made.words}, nothing to post")
        return
    drafts = [(target, compose(standings[target.digest])) for target in found]
    letters = [(target, made.letter) for target, made in drafts if isinstance(made, Draft)]
    print(preview_each(letters), end="")
    for target, made in drafts:
        if not isinstance(made, Draft):
            console.note(f"{NAME}: {target.name}{made.words}, nothing to post")
