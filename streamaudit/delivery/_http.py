"""Send one HTTP request of a delivery and classify the response.

apprise parses the addresses, and these requests use the client that it brings: its own ``send`` returns only success or
failure, while deciding whether and when to retry needs the status and ``Retry-After``.
"""

import json
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import responses
from typing import Any

import requests
from urllib3.exceptions import InsecureRequestWarning

from streamaudit.delivery.retry import NotDelivered, parse_retry_after

_TOO_MANY, _SERVER = 429, 500
_WORD = re.compile(rb"[a-z_]{2,40}")


@dataclass(frozen=True, slots=True)
class Request:
    """A request; everything in it except the host may be secret."""

    url: str
    method: str = "POST"
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    auth: tuple[str, str] | None = None


def send(plugin: Any, request: Request, payload: Mapping[str, Any], timeout_s: float) -> None:
    """Send the request once. Raises NotDelivered unless the status is 2xx, with a reason without an address."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InsecureRequestWarning)  # verify=no is the user's choice
            with requests.request(
                request.method, request.url, params=request.params, auth=request.auth, verify=plugin.verify_certificate,
                headers={"User-Agent": plugin.app_id, "Content-Type": "application/json", **request.headers},
                data=json.dumps(payload, ensure_ascii=False).encode(), timeout=timeout_s,
                # Redirects are never followed: only the configured address may receive the report.
                allow_redirects=False, stream=True,
            ) as answer:  # fmt: skip
                _judge(answer)
    except requests.exceptions.SSLError:
        raise NotDelivered("its certificate is not trusted, or it does not use TLS") from None
    except requests.exceptions.Timeout:
        raise NotDelivered(f"no answer within {timeout_s:.3g} s", again=True) from None
    except requests.exceptions.ConnectionError as error:
        refused = "Connection refused" in str(error)
        raise NotDelivered("connection refused" if refused else "no connection", again=True) from None
    except requests.RequestException:
        raise NotDelivered("its address cannot be used") from None


def _judge(answer: requests.Response) -> None:
    status = answer.status_code
    if 200 <= status < 300:
        return
    reason = f"{status} {responses.get(status, '')}".strip()
    if 300 <= status < 400:
        raise NotDelivered(f"{reason}: it redirects to another address, which is not followed")
    # Slack answers with one word, such as no_service; anything longer may quote the message.
    first = answer.raw.read(41, decode_content=True) if status < _SERVER else b""
    word = f", {first.strip().decode()}" if _WORD.fullmatch(first.strip()) else ""
    raise NotDelivered(
        reason + word, again=status == _TOO_MANY or status >= _SERVER,
        after_s=parse_retry_after(answer.headers.get("Retry-After")),
    )  # fmt: skip
