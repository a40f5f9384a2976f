"""Post a report: each target independently, never twice, and always with a line in the log.

``targets`` gives the addresses, ``message`` the content, ``services`` its form, ``retry`` the attempts, ``ledger`` the
record of posts. The figures are computed and the store is closed before anything here begins; this room alone imports
apprise.
"""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from streamaudit.delivery.ledger import Ledger, Standing
from streamaudit.delivery.message import Letter
from streamaudit.delivery.retry import NotDelivered, attempt_until
from streamaudit.delivery.settings import PostSettings
from streamaudit.delivery.targets import Target
from streamaudit.errors import DeliveryError, StoreError

_log = logging.getLogger(__name__)

_PATIENCE_S = 60.0
"""Least wait for the store, in seconds, once a message has been posted."""


@dataclass(slots=True)
class _Tally:
    """The result of each target, in words."""

    sent: list[str]
    passed_over: list[str]
    failed: list[str]


@dataclass(frozen=True, slots=True)
class Draft:
    """A message for one target, and the content to record for it in the ledger."""

    letter: Letter
    content: str


@dataclass(frozen=True, slots=True)
class Silence:
    """The reason, in words that follow a target's name, why it gets no message now."""

    words: str
    is_problem: bool = False


Compose = Callable[[Standing], Draft | Silence]


def deliver(
    letter: Letter, targets: Sequence[Target], ledger: Ledger, settings: PostSettings, *, resend: bool = False,
    only_on_change: bool = False,
) -> None:  # fmt: skip
    """Post to every target that has not received this subject yet, and log one line with the results.

    ``resend`` posts regardless of the ledger, ``only_on_change`` only where the last message had other verdicts, movers
    or broken thresholds. Raises StoreError before anything is posted when the store stays busy, and DeliveryError at
    the end when a delivery failed or the outcome of an interrupted run is unknown.
    """
    content = ledger.subject.content

    def compose(standing: Standing) -> Draft | Silence:
        unchanged = only_on_change and standing.last_content == content
        return Draft(letter, content) if resend or (standing.state == "new" and not unchanged) else _explain(standing)

    deliver_each(compose, targets, ledger, settings)


def deliver_each(compose: Compose, targets: Sequence[Target], ledger: Ledger, settings: PostSettings) -> None:
    """Post to every target the message that ``compose`` returns for what it has received, and log one line.

    What is recorded in the ledger as received changes only where the message was delivered. Raises as ``deliver``.
    """
    tally, begun = _Tally([], [], []), False
    for target in targets:
        made: list[Draft | Silence] = []

        def record(standing: Standing, made: list[Draft | Silence] = made) -> str | None:
            found = compose(standing)
            made.append(found)
            return found.content if isinstance(found, Draft) else None

        try:
            started = ledger.begin(target.digest, target.kind, record, _PATIENCE_S if begun else 0.0)
        except StoreError as error:
            if not begun:
                raise
            tally.failed.append(f"{target.name}: {error.message}")
            continue
        found = made[-1]
        if isinstance(found, Silence):
            (tally.failed if found.is_problem else tally.passed_over).append(f"{target.name}{found.words}")
        elif started is not None:
            begun = True
            _post(found.letter, target, ledger, settings, started, tally)
    _conclude(ledger.subject.period, tally)


def _explain(standing: Standing) -> Silence:
    if standing.state == "sent":
        return Silence(f" received it at {standing.at:%Y-%m-%d %H:%M:%S} UTC")
    if standing.state == "pending":
        return doubt(standing)
    return Silence(f" has the same message for {standing.last_period}")


def doubt(standing: Standing) -> Silence:
    """Return the reason why a message whose delivery was interrupted is not posted again."""
    at = f"{standing.unfinished_at:%Y-%m-%d %H:%M:%S} UTC"
    return Silence(f": delivery unknown: the run of {at} did not finish", is_problem=True)


def _post(
    letter: Letter, target: Target, ledger: Ledger, settings: PostSettings, started: datetime, tally: _Tally
) -> None:  # fmt: skip
    try:
        attempts, failure = send(letter, target, settings), None
    except NotDelivered as error:
        attempts, failure = error.attempts, error
    try:
        ledger.end(target.digest, started, sent=failure is None, attempts=attempts, patience_s=_PATIENCE_S)
    except StoreError as error:
        if failure is None:
            tally.failed.append(f"{target.name}: sent, but this could not be recorded: {error.message}")
            return
    if failure is None:
        tally.sent.append(f"{target.name} ({_tries(attempts)})")
    else:
        tally.failed.append(f"{target.name}: {failure.reason} ({_tries(attempts)})")


def _tries(attempts: int) -> str:
    return "1 attempt" if attempts == 1 else f"{attempts} attempts"


def send(letter: Letter, target: Target, settings: PostSettings) -> int:
    """Post to one target, retrying while that makes sense; return the number of attempts.

    Raises NotDelivered.
    """
    from streamaudit.delivery.services.registry import kind_of

    kind, done = kind_of(target.plugin), set[str]()
    payload = kind.payload(target.plugin, letter)

    def attempt(timeout_s: float) -> None:
        kind.send(target.plugin, payload, timeout_s, done)

    return attempt_until(settings, attempt)


def send_test(letter: Letter, targets: Sequence[Target], settings: PostSettings) -> None:
    """Post a sample to every target, without a ledger entry. Raises DeliveryError when a delivery failed."""
    tally = _Tally([], [], [])
    for target in targets:
        try:
            tally.sent.append(f"{target.name} ({_tries(send(letter, target, settings))})")
        except NotDelivered as error:
            tally.failed.append(f"{target.name}: {error.reason} ({_tries(error.attempts)})")
    _conclude("a test", tally)


def preview(letter: Letter, targets: Sequence[Target]) -> str:
    """Return the payload for each target as JSON; of an address only the host is shown."""
    return preview_each([(target, letter) for target in targets])


def preview_each(letters: Sequence[tuple[Target, Letter]]) -> str:
    """Return the payloads as ``preview`` does, where each target gets a message of its own."""
    from streamaudit.delivery.services.registry import kind_of

    shown: list[dict[str, Any]] = [
        {"target": target.name, "payload": kind_of(target.plugin).payload(target.plugin, letter)}
        for target, letter in letters
    ]
    return json.dumps(shown, indent=1, ensure_ascii=True, default=_describe_picture) + "\n"


def _describe_picture(content: bytes) -> str:
    """Return the size of a picture, which a preview shows in its place."""
    return f"PNG, {len(content):,} bytes"


def _conclude(period: str, tally: _Tally) -> None:
    """Log one line for completed deliveries; raise DeliveryError for the others."""
    done = [f"posted {period} to {', '.join(tally.sent)}"] if tally.sent else []
    done += [f"{period}: {one}, nothing posted" for one in tally.passed_over]
    if done:
        # Runs from cron append this line to a file, so it needs a time stamp.
        facts = {"posted": tally.sent, "passed_over": tally.passed_over}
        _log.info("; ".join(done), extra={"facts": facts, "stamped": True})
    if tally.failed:
        is_unknown = any("delivery unknown" in one for one in tally.failed)
        raise DeliveryError(
            f"not delivered: {'; '.join(tally.failed)}",
            "check whether it arrived; if not, give --resend" if is_unknown else "run it again: nothing is sent twice",
        )
