"""Post a report: each target independently, never twice, and always with a line in the log.

``targets`` gives the addresses, ``message`` the content, ``services`` its form, ``retry`` the attempts, ``ledger`` the
record of posts. The figures are computed and the store is closed before anything here begins; this room alone imports
apprise.
"""

import json
import logging
from collections.abc import Sequence
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


def deliver(
    letter: Letter, targets: Sequence[Target], ledger: Ledger, settings: PostSettings, *, resend: bool = False,
    only_on_change: bool = False,
) -> None:  # fmt: skip
    """Post to every target that has not received this subject yet, and log one line with the results.

    ``resend`` posts regardless of the ledger, ``only_on_change`` only where the last message had other verdicts, movers
    or broken thresholds. Raises StoreError before anything is posted when the store stays busy, and DeliveryError at
    the end when a delivery failed or the outcome of an interrupted run is unknown.
    """
    subject, tally = ledger.subject, _Tally([], [], [])

    def allowed(standing: Standing) -> bool:
        unchanged = only_on_change and standing.last_content == subject.content
        return resend or (standing.state == "new" and not unchanged)

    begun = False
    for target in targets:
        try:
            standing, started = ledger.begin(target.digest, target.kind, allowed, _PATIENCE_S if begun else 0.0)
        except StoreError as error:
            if not begun:
                raise
            tally.failed.append(f"{target.name}: {error.message}")
            continue
        if started is None:
            _pass_over(target, standing, tally)
            continue
        begun = True
        _post(letter, target, ledger, settings, started, tally)
    _conclude(subject.period, tally)


def _pass_over(target: Target, standing: Standing, tally: _Tally) -> None:
    at = f"{standing.at:%Y-%m-%d %H:%M:%S} UTC" if standing.at else ""
    if standing.state == "sent":
        tally.passed_over.append(f"{target.name} received it at {at}")
    elif standing.state == "pending":
        tally.failed.append(f"{target.name}: delivery unknown: the run of {at} did not finish")
    else:
        tally.passed_over.append(f"{target.name} has the same message for {standing.last_period}")


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
    from streamaudit.delivery.services.registry import kind_of

    shown: list[dict[str, Any]] = [
        {"target": target.name, "payload": kind_of(target.plugin).payload(target.plugin, letter)} for target in targets
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
