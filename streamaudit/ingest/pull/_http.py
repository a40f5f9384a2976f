"""Ask one server, and only that one, over HTTP: time-outs, retries and what an answer may be.

Answers that another attempt may better are asked for again: no connection, a time-out, a body or JSON that is cut off,
429 after the time that the server names, 5xx after waits that double. All others go to the vendor, who knows what they
mean. No message holds more of an address than its host, nor anything of a header or an answer.
"""

import json
import logging
import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http.client import responses
from typing import Any
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError, InvalidHeader, ProtocolError, ReadTimeoutError
from urllib3.util import Retry

import streamaudit
from streamaudit.errors import InputError, UsageError
from streamaudit.ingest.pull.settings import PullSettings

_log = logging.getLogger(__name__)
_PIECE = 1 << 16
_MOST_BYTES = 256 << 20
_LONGEST_WAIT_S = 60.0
_MOST_REFUSALS = 50
"""Answers of 429 in a row after which a server is taken to refuse for good."""
_SLOWEST = 5
"""An answer that is still arriving after this many time-outs is given up."""
_CLOCK = timedelta(minutes=1)
_AGAIN = (408, 425, 500, 502, 503, 504)
_LOCAL = re.compile(r"localhost|127(\.\d+){3}|::1")


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is no passing failure: its status, and its JSON if it is 2xx (else what could be read)."""

    status: int
    data: Any
    text: str = ""
    """The beginning of a body that is not 2xx, to be recognised and never shown."""

    def describe(self) -> str:
        """Return what an answer is that is not the expected one."""
        if 200 <= self.status < 300:
            return "something else than a page of records"
        return f"{self.status} {responses.get(self.status, '')}".strip()


class GivenUp(InputError):
    """A request kept failing; ``status`` is that of the last answer, None without one."""

    def __init__(self, message: str, hint: str | None = None, status: int | None = None) -> None:
        super().__init__(message, hint)
        self.status = status


class _Failed(Exception):
    """An attempt failed in a way that may pass."""

    def __init__(self, reason: str, status: int | None = None, after_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.status, self.after_s = reason, status, after_s


def parse_base(text: str, variable: str) -> str:
    """Return the address of a server without a slash at its end. Raises UsageError for anything but http(s)://HOST,
    without quoting what may hold a password."""
    parts = urlsplit(text)
    try:
        parts_ok = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        parts_ok = False
    if not parts_ok or parts.username is not None or parts.query or parts.fragment or not re.fullmatch("[!-~]+", text):
        raise UsageError(f"{variable}: expected an address such as https://langfuse.example.com, without user or query")
    if parts.scheme == "http" and not _LOCAL.fullmatch(parts.hostname or ""):
        _log.warning("%s is not https: the keys travel to it unencrypted", variable)
    return text.rstrip("/")


class Client:
    """Requests to one server. ``variable`` names the setting that holds its address, for messages."""

    def __init__(
        self, base: str, variable: str, settings: PullSettings, *, headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
    ) -> None:  # fmt: skip
        self._base, self._variable, self._settings = base, variable, settings
        self.host = urlsplit(base).netloc
        self.requests = 0
        self._offset: timedelta | None = None
        self._session = requests.Session()
        self._session.headers.update({"User-Agent": f"streamaudit/{streamaudit.__version__}", **(headers or {})})
        # Without one of its own, requests would send what ~/.netrc has for the host.
        self._session.auth = auth or _no_auth

    def now(self) -> datetime:
        """Return the time by the server's clock, in UTC; by this machine's before its first answer."""
        return datetime.now(UTC) + (self._offset or timedelta())

    def ask(
        self, method: str, path: str, *, params: Mapping[str, str | int] | None = None, body: object = None,
        is_final: Callable[[int, str], bool] = lambda status, text: False,
    ) -> Answer:  # fmt: skip
        """Return the answer to a request. ``is_final`` recognises a failure that another attempt does not better.

        Raises GivenUp when it keeps failing, InputError for a redirect or a certificate that is not trusted.
        """
        settings = self._settings
        deadline = time.monotonic() + settings.give_up_after_s
        failures = refusals = 0
        while True:
            try:
                return self._attempt(method, path, params, body, is_final)
            except _Failed as failed:
                if failed.status == 429:
                    refusals += 1
                else:
                    failures += 1
                steps = max(failures, refusals)
                wait = min(settings.first_wait_s * 2 ** (steps - 1), _LONGEST_WAIT_S) * random.uniform(0.5, 1)
                wait = max(wait, failed.after_s or 0.0)
                is_late = time.monotonic() + wait > deadline
                if failures >= settings.attempts or refusals >= _MOST_REFUSALS or is_late:
                    asks = f", and asks to wait {wait:,.0f} s" if is_late and failed.after_s else ""
                    raise GivenUp(
                        f"{self.host}: {failed.reason}{asks}", "run the same command again later: it goes on from here",
                        failed.status,
                    ) from None  # fmt: skip
                _log.log(
                    logging.INFO if wait > 1 else logging.DEBUG, "  %s: %s; trying again in %.0f s",
                    self.host, failed.reason, wait,
                )  # fmt: skip
            time.sleep(wait)

    def _attempt(
        self, method: str, path: str, params: Mapping[str, str | int] | None, body: object,
        is_final: Callable[[int, str], bool],
    ) -> Answer:  # fmt: skip
        self.requests += 1
        try:
            with self._session.request(
                method, self._base + path, params=params, json=body, timeout=(10, self._settings.timeout_s),
                # Never followed: only the configured host may see the keys.
                allow_redirects=False, stream=True,
            ) as answer:  # fmt: skip
                self._note_clock(answer.headers.get("Date"))
                return self._judge(answer, is_final)
        except requests.exceptions.SSLError:
            raise InputError(
                f"{self.host}: its certificate is not trusted, or it does not use TLS",
                "REQUESTS_CA_BUNDLE names a file with your own authority",
            ) from None
        except requests.exceptions.Timeout:
            raise _Failed(f"no answer within {self._settings.timeout_s:.3g} s") from None
        except ReadTimeoutError:
            raise _Failed("the answer stopped arriving") from None
        except ProtocolError:
            raise _Failed("the answer was cut off") from None
        except requests.exceptions.ConnectionError as error:
            text = str(error)
            reason = next((say for sign, say in _NO_CONNECTION if sign in text), "no connection")
            raise _Failed(reason) from None
        except (requests.RequestException, HTTPError):
            raise _Failed("the answer cannot be read") from None
        except OSError as error:  # such as a file of certificates that does not exist
            raise InputError(
                f"{self.host} cannot be asked ({error.strerror or 'no certificates'})", "check REQUESTS_CA_BUNDLE"
            ) from None

    def _judge(self, answer: requests.Response, is_final: Callable[[int, str], bool]) -> Answer:
        status = answer.status_code
        named = f"{status} {responses.get(status, '')}".strip()
        if 300 <= status < 400:
            raise InputError(
                f"{self.host} redirects to another address ({named}), which is not followed",
                f"set ${self._variable} to the address that answers itself",
            )
        data = self._read(answer)
        if 200 <= status < 300:
            return Answer(status, _decode(data))
        text = data[:4096].decode(errors="replace")
        if status == 429:
            raise _Failed("too many requests (429)", status, _wanted_wait(answer.headers))
        if status in _AGAIN and not is_final(status, text):
            raise _Failed(f"answers {named}", status, _wanted_wait(answer.headers))
        return Answer(status, None, text)

    def _read(self, answer: requests.Response) -> bytes:
        deadline = time.monotonic() + _SLOWEST * self._settings.timeout_s
        data = bytearray()
        # Whatever has arrived, so that an answer that comes drop by drop is noticed.
        while piece := answer.raw.read1(_PIECE, decode_content=True):
            data += piece
            if time.monotonic() > deadline:
                raise _Failed(f"the answer was not complete within {_SLOWEST * self._settings.timeout_s:.3g} s")
            if len(data) > _MOST_BYTES:
                raise InputError(f"{self.host}: an answer is longer than {_MOST_BYTES >> 20} MB")
        return bytes(data)

    def _note_clock(self, date: str | None) -> None:
        """Take the server's clock from its first answer: windows end by it, whatever this machine's says."""
        if self._offset is not None or not date:
            return
        try:
            there = parsedate_to_datetime(date)
        except ValueError:
            return
        there = there if there.tzinfo else there.replace(tzinfo=UTC)
        offset = there - datetime.now(UTC)
        self._offset = offset if abs(offset) > _CLOCK else timedelta()
        if self._offset:
            fast = "behind" if offset > timedelta() else "ahead of"
            _log.warning("this machine's clock is %s %s that of %s, whose is used", _span(abs(offset)), fast, self.host)


_NO_CONNECTION = (
    ("Connection refused", "connection refused"),
    ("NameResolution", "its name is not known"),
    ("Connection reset", "the connection was reset"),
    ("Remote end closed", "the connection was closed without an answer"),
)


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _decode(data: bytes) -> Any:
    """Decode JSON as tolerantly as exports are read: half of a surrogate pair loses no record."""
    try:
        return json.loads(data.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError):
        raise _Failed("the answer is no complete JSON") from None


def _wanted_wait(headers: Mapping[str, str]) -> float | None:
    """Return how many seconds a server asks to wait: Datadog's ``X-RateLimit-Reset`` is seconds until the limit ends
    (rate limits reference), Langfuse's a text; both know ``Retry-After`` (RFC 9110, 10.2.3)."""
    after = headers.get("Retry-After")
    if after:
        try:
            return max(Retry().parse_retry_after(after), 0.0)
        except (InvalidHeader, ValueError, OverflowError):
            pass
    reset = headers.get("X-RateLimit-Reset", "")
    return float(reset) if re.fullmatch(r"\d{1,6}(\.\d+)?", reset) else None


def _span(length: timedelta) -> str:
    minutes = length.total_seconds() / 60
    return f"{minutes:,.0f} min" if minutes < 120 else f"{minutes / 60:,.0f} h"
