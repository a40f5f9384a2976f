"""Post a report: its options, and the path from a query to the services that receive the answer.

The figures are computed and the store is closed before anything is posted; the ledger then opens it again, briefly.
Output to standard output or files is written first, so that a failed delivery loses no figure. Without such output a
report is printed only when it was not delivered: a successful run from cron prints one line.
"""

import hashlib
import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from streamaudit.cli.inputs import ExportedInputs, Inputs
from streamaudit.cli.options import DryRun, Writing
from streamaudit.config.settings import Settings
from streamaudit.errors import EXIT_OK, DeliveryError, StoreError, UsageError

if TYPE_CHECKING:
    from streamaudit.delivery.ledger import Ledger, Subject
    from streamaudit.delivery.message import Letter
    from streamaudit.delivery.targets import Target
    from streamaudit.report.frames import Result
    from streamaudit.report.model import Report


Post = Annotated[
    bool, typer.Option("--post", help="Send it to the addresses in $STREAMAUDIT_POST or the configuration, once.")
]
Resend = Annotated[
    bool, typer.Option("--resend", help="With --post: send it even if it was sent, or may have been.")
]
ReportUrl = Annotated[
    Optional[str],
    typer.Option("--report-url", metavar="URL", help="Where the whole report can be read; messages link to it."),
]


@dataclass(frozen=True, slots=True)
class Posting:
    """Options for posting a report."""

    post: Post = False
    dry_run: DryRun = False
    test: Annotated[
        bool, typer.Option("--test", help="Send a sample of synthetic data, labelled as a test, to every address.")
    ] = False
    resend: Resend = False
    only_on_change: Annotated[
        bool,
        typer.Option(
            "--only-on-change", help="With --post: only if verdicts, movers or broken thresholds have changed."
        ),
    ] = False
    report_url: ReportUrl = None

    def __post_init__(self) -> None:
        if (self.resend or self.only_on_change) and not self.post:
            raise UsageError(f"--{'resend' if self.resend else 'only-on-change'} goes with --post")
        _check_url(self.report_url, self.wanted, "--post, --dry-run or --test")

    @property
    def wanted(self) -> bool:
        """Whether any posting option is set."""
        return self.post or self.dry_run or self.test


@dataclass(frozen=True, slots=True)
class NewsPosting:
    """Options for posting the changes since the last post."""

    post: Post = False
    dry_run: DryRun = False
    resend: Resend = False
    report_url: ReportUrl = None

    def __post_init__(self) -> None:
        if self.resend and not self.post:
            raise UsageError("--resend goes with --post")
        _check_url(self.report_url, self.wanted, "--post or --dry-run")

    @property
    def wanted(self) -> bool:
        """Whether anything is to be sent or shown."""
        return self.post or self.dry_run


def _check_url(url: str | None, wanted: bool, options: str) -> None:
    if url is not None and not wanted:
        raise UsageError(f"--report-url goes with {options}")
    if url is not None and not re.fullmatch(r"https?://[!-~]+", url):
        raise UsageError("--report-url: expected an address that begins with https://")


@dataclass(frozen=True, slots=True)
class PostSubject:
    """The name of the period to post, and the options that distinguish it from other posts of that period."""

    period: str
    what: tuple[Any, ...]


def find_targets(posting: Posting | NewsPosting, inputs: Inputs) -> "list[Target]":
    """Return the targets, before any figure is computed. Raises UsageError for files, which have no ledger.

    A preview needs none.
    """
    from streamaudit.delivery.targets import addresses, targets

    if inputs.files and not posting.dry_run and not (isinstance(posting, Posting) and posting.test):
        raise UsageError("--post needs a store: files have no record of what was sent", "ingest the files first")
    inputs.speak()
    if posting.dry_run and not list(addresses(inputs.settings.post)):
        return []
    return targets(inputs.settings.post)


def post_result(
    posting: Posting, result: "Result", asked: PostSubject, found: "list[Target]", inputs: Inputs, writing: Writing
) -> int:  # fmt: skip
    """Post a summary and write it.

    Raises StoreError when the store stays busy, before anything is posted; DeliveryError when a delivery failed.
    """
    output, letter = writing.parse(), make_letter(result.report, posting.report_url)
    results = dict.fromkeys(output.tops, result)
    asked_for = bool(writing.format or writing.json or writing.output or writing.open_)
    if asked_for:
        output.render(results)
    if posting.dry_run:
        _print_preview(letter, found)
        return EXIT_OK
    try:
        _deliver(posting, asked, letter, found, inputs)
    except (DeliveryError, StoreError):
        if not asked_for:
            output.render(results)
        raise
    return output.exit_code(results)


def post_sample(posting: Posting, inputs: Inputs, writing: Writing) -> int:
    """Post a summary of the sample traces, labelled as a test. Raises DeliveryError when a delivery failed."""
    from streamaudit.api import Session
    from streamaudit.audits.weekly.report import SAMPLE_WEEK
    from streamaudit.cli.samples import sample_traces
    from streamaudit.config.units import parse_memory
    from streamaudit.delivery.deliver import send_test

    found, limit = find_targets(posting, inputs), parse_memory("--memory-limit", inputs.memory_limit)
    # Fields and lookups of the configuration do not fit the sample traces.
    with sample_traces() as files, Session(Settings(), files=files, memory_limit=limit) as session:
        result = session.weekly(week=SAMPLE_WEEK, redact=writing.redact)
    letter = replace(make_letter(result.report, posting.report_url), test=True)
    if posting.dry_run:
        _print_preview(letter, found)
    else:
        send_test(letter, found, inputs.settings.post)
    return EXIT_OK


def make_letter(report: "Report", report_url: str | None) -> "Letter":
    """Return a report as a message that links to the address."""
    from streamaudit.delivery.message import Letter
    from streamaudit.report.render._message import post

    url = report_url or ""
    return Letter(post(report, url), report, url)


def _print_preview(letter: "Letter", found: "list[Target]") -> None:
    from streamaudit.delivery.deliver import preview

    if found:
        print(preview(letter, found), end="")
    else:
        print_text(letter)


def print_text(letter: "Letter") -> None:
    """Print a message as text, as there is no address whose form it could have."""
    from streamaudit.cli import console
    from streamaudit.delivery.targets import VARIABLE

    print(letter.preview, end="")
    console.note(f"no address is configured, so this is the text alone; with one in ${VARIABLE} you see what it gets")


def _deliver(
    posting: Posting, asked: PostSubject, letter: "Letter", found: "list[Target]", inputs: Inputs
) -> None:  # fmt: skip
    from streamaudit.audits.weekly.fingerprint import compared_rows
    from streamaudit.config.units import parse_seconds
    from streamaudit.delivery.deliver import deliver
    from streamaudit.delivery.ledger import Subject, lock_folder

    what = (*asked.what, *exported_folder(inputs))
    subject = Subject(asked.period, make_digest(what), make_digest(compared_rows(letter.report)))
    ledger = open_ledger(inputs, subject)
    with lock_folder(inputs.path(), parse_seconds("--wait", inputs.wait)):
        deliver(
            letter, found, ledger, inputs.settings.post, resend=posting.resend, only_on_change=posting.only_on_change
        )


def exported_folder(inputs: Inputs) -> tuple[str, ...]:
    """Return the exported folder that is asked instead of a store, if there is one."""
    return (inputs.data,) if isinstance(inputs, ExportedInputs) and inputs.data is not None else ()


def open_ledger(inputs: Inputs, subject: "Subject") -> "Ledger":
    """Return the record of posts in the store, which is created where calls come from an export and there is none."""
    from streamaudit.delivery.ledger import Ledger

    creates = bool(exported_folder(inputs))
    if creates and not inputs.path().exists():
        inputs.open(write=True).close()
    return Ledger(lambda least_s: inputs.open(write=True, create=creates, least_wait_s=least_s), subject)


def make_digest(what: object) -> str:
    """Return a hash of a value made of texts, numbers and lists."""
    return hashlib.sha256(json.dumps(what, default=str, sort_keys=True).encode()).hexdigest()[:16]
