"""A report that is posted: the options for it, and the way from a question to the services that get the answer.

The figures are computed and the store is closed before anything is posted; the ledger then opens it again, briefly.
What was asked for on standard output or in files is written first, so that a failed delivery costs no figure. Without
that a report is printed only when it was not delivered: a successful run from cron says one line.
"""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from streamaudit.cli.options import DryRun, Inputs, Writing
from streamaudit.config.settings import Settings
from streamaudit.errors import EXIT_OK, DeliveryError, StoreError, UsageError

if TYPE_CHECKING:
    from streamaudit.audits.scope.scope import Scope
    from streamaudit.cli.runner import Audit
    from streamaudit.delivery.message import Letter
    from streamaudit.delivery.targets import Target
    from streamaudit.report.model import Report


@dataclass(frozen=True, slots=True)
class Posting:
    """Whether a report is posted, and how."""

    post: Annotated[
        bool, typer.Option("--post", help="Send it to the addresses in $STREAMAUDIT_POST or the configuration, once.")
    ] = False
    dry_run: DryRun = False
    test: Annotated[
        bool, typer.Option("--test", help="Send a sample of made-up data, labelled as a test, to every address.")
    ] = False
    resend: Annotated[
        bool, typer.Option("--resend", help="With --post: send it even if it was sent, or may have been.")
    ] = False
    only_on_change: Annotated[
        bool,
        typer.Option(
            "--only-on-change", help="With --post: only if verdicts, movers or broken thresholds are not the last ones."
        ),
    ] = False
    report_url: Annotated[
        Optional[str],
        typer.Option("--report-url", metavar="URL", help="Where the whole report can be read; messages link to it."),
    ] = None

    def __post_init__(self) -> None:
        if (self.resend or self.only_on_change) and not self.post:
            raise UsageError(f"--{'resend' if self.resend else 'only-on-change'} goes with --post")
        if self.report_url is not None and not self.wanted:
            raise UsageError("--report-url goes with --post, --dry-run or --test")
        if self.report_url is not None and not re.fullmatch(r"https?://[!-~]+", self.report_url):
            raise UsageError("--report-url: expected an address that begins with https://")

    @property
    def wanted(self) -> bool:
        """Whether anything here was asked for."""
        return self.post or self.dry_run or self.test


@dataclass(frozen=True, slots=True)
class Question:
    """What is posted: an audit, the name of the period it is of, whatever else makes it another question, and what of
    its answer counts as news."""

    audit: "Audit"
    scope: "Scope"
    period: str
    asked: tuple[Any, ...]
    gist: Callable[["Report"], object]


def post_report(posting: Posting, question: Question, inputs: Inputs, writing: Writing) -> int:
    """Compute a report, post it and write it. UsageError for files, of which there is no ledger; StoreError when the
    store stays busy, before anything is posted; DeliveryError when a target did not get it."""
    from streamaudit.cli.output import tops, write
    from streamaudit.cli.runner import computed, fail_on_empty

    if inputs.files and not posting.dry_run:
        raise UsageError("--post is for a store: files have no ledger of what was sent", "ingest them first")
    inputs.speak()
    found = _targets(inputs)
    output = writing.checked()
    report = computed(question.audit, question.scope, inputs, writing, {None})[None]
    reports = dict.fromkeys(tops(output), report)
    letter = _letter(report, posting)
    asked_for = bool(writing.format or writing.json or writing.output)
    if asked_for:
        write(reports, output)
    if posting.dry_run:
        _print_preview(letter, found)
        return EXIT_OK
    try:
        _deliver(posting, question, letter, found, inputs)
    except (DeliveryError, StoreError):
        if not asked_for:
            write(reports, output)
        raise
    return fail_on_empty(reports, writing)


def post_sample(posting: Posting, audit: "Audit", scope: "Scope", inputs: Inputs, writing: Writing) -> int:
    """Post an audit of the sample traces, labelled as a test. DeliveryError when a target did not get it."""
    from streamaudit.cli import console
    from streamaudit.cli.runner import computed, sample_traces
    from streamaudit.delivery.deliver import send_test

    inputs.speak()
    found = _targets(inputs)
    with sample_traces() as files:
        # Fields and lookups of the configuration are about other data.
        sampled = replace(inputs, db=None, files=files, map_=None, quiet=True, verbose=0, settings=Settings())
        report = computed(audit, scope, sampled, writing, {None})[None]
    console.configure(quiet=inputs.quiet, verbose=inputs.verbose, form=inputs.log_format)
    letter = replace(_letter(report, posting), test=True)
    if posting.dry_run:
        _print_preview(letter, found)
    else:
        send_test(letter, found, inputs.settings.post)
    return EXIT_OK


def _targets(inputs: Inputs) -> "list[Target]":
    from streamaudit.delivery.targets import targets

    return targets(inputs.settings.post)


def _letter(report: "Report", posting: Posting) -> "Letter":
    from streamaudit.delivery.message import Letter
    from streamaudit.report.render._message import post

    url = posting.report_url or ""
    return Letter(post(report, url), report, url)


def _print_preview(letter: "Letter", found: "list[Target]") -> None:
    from streamaudit.delivery.deliver import preview

    print(preview(letter, found), end="")


def _deliver(
    posting: Posting, question: Question, letter: "Letter", found: "list[Target]", inputs: Inputs
) -> None:  # fmt: skip
    from streamaudit.config.units import seconds
    from streamaudit.delivery.deliver import deliver
    from streamaudit.delivery.ledger import Ledger, Subject, alone

    subject = Subject(question.period, _digest(question.asked), _digest(question.gist(letter.report)))
    ledger = Ledger(lambda least_s: inputs.open(write=True, create=False, least_wait_s=least_s), subject)
    with alone(inputs.path(), seconds("--wait", inputs.wait)):
        deliver(
            letter, found, ledger, inputs.settings.post, resend=posting.resend, only_on_change=posting.only_on_change
        )


def _digest(what: object) -> str:
    return hashlib.sha256(json.dumps(what, default=str, sort_keys=True).encode()).hexdigest()[:16]
