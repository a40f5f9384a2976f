"""Any webhook that takes JSON: the message as text, and the whole report as data."""

from collections.abc import Mapping
from typing import Any

from apprise.plugins.custom_json import NotifyJSON

from streamaudit.delivery._http import Request
from streamaudit.delivery._http import send as _send
from streamaudit.delivery.message import Letter

NAME = "json"
SCHEMA = "streamaudit.post/1"


def accepts(plugin: Any) -> bool:
    """Return whether this is ``json://`` or ``jsons://``."""
    return isinstance(plugin, NotifyJSON)


def host(plugin: Any) -> str:
    """Return host and port."""
    return f"{plugin.host}:{plugin.port}" if plugin.port else str(plugin.host)


def payload(plugin: Any, letter: Letter) -> dict[str, Any]:
    """Return the message as ``text`` and the ``--format json`` document as ``report``."""
    whole = {
        "schema": SCHEMA, "title": letter.title, "text": letter.text, "failed": letter.post.failed,
        "test": letter.test, "report_url": letter.link or None, "report": letter.data(),
    }  # fmt: skip
    return {**plugin.payload_extras, **whole}


def send(plugin: Any, payload: Mapping[str, Any], timeout_s: float, done: set[str]) -> None:
    """Make one attempt, with the headers, parameters and user that the address names."""
    scheme, path = "https" if plugin.secure else "http", plugin.fullpath
    auth = (plugin.user, plugin.password or "") if plugin.user else None
    request = Request(f"{scheme}://{host(plugin)}{path}", plugin.method, plugin.params, plugin.headers, auth)
    _send(plugin, request, payload, timeout_s)
