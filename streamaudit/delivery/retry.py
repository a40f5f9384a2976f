"""Decide when to retry, and for how long."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from streamaudit.delivery.settings import PostSettings

_LONGEST_S = 30.0
_SHORTEST_TIMEOUT_S = 0.05


@dataclass
class NotDelivered(Exception):
    """An attempt failed.

    ``reason`` is in our words and holds no secret; ``again`` says that another attempt may succeed, ``after_s`` how
    many seconds the other side asks to wait first.
    """

    reason: str
    again: bool = False
    after_s: float | None = None
    attempts: int = 1


def attempt_until(settings: PostSettings, attempt: Callable[[float], None]) -> int:
    """Call ``attempt`` with its time-out in seconds until it succeeds; return the number of attempts.

    The waits double from ``first_wait_s`` on, each shortened by a random amount of up to half so that many clients do
    not return at the same moment, and are never shorter than the other side asked for. Raises NotDelivered when an
    attempt says that a retry is no use, after ``attempts`` of them, or when the next would begin after
    ``give_up_after_s``.
    """
    deadline = time.monotonic() + settings.give_up_after_s
    for number in range(1, settings.attempts + 1):
        try:
            attempt(max(min(settings.timeout_s, deadline - time.monotonic()), _SHORTEST_TIMEOUT_S))
            return number
        except NotDelivered as failure:
            failure.attempts = number
            if not failure.again or number == settings.attempts:
                raise
            wait = min(settings.first_wait_s * 2 ** (number - 1), _LONGEST_S) * random.uniform(0.5, 1)
            if failure.after_s is not None and failure.after_s > wait:
                wait = failure.after_s
            if time.monotonic() + wait >= deadline:
                raise
        time.sleep(wait)
    raise AssertionError("the last attempt returns or raises")


def parse_retry_after(header: str | None) -> float | None:
    """Return the seconds that a ``Retry-After`` asks for, given as seconds or a date (RFC 9110, 10.2.3).

    None without a readable one.
    """
    if not header:
        return None
    try:
        return max(float(header), 0.0)
    except ValueError:
        pass
    try:
        when = parsedate_to_datetime(header)
    except ValueError:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max((when - datetime.now(UTC)).total_seconds(), 0.0)
