"""Microsoft Teams, through a workflow that takes an Adaptive Card.

The text is in text runs, which interpret neither Markdown nor mentions (adaptivecards.io, TextRun); text blocks
interpret both. A message may have 28 KB (learn.microsoft.com, Teams webhooks).
"""

import json
from collections.abc import Mapping
from typing import Any

from apprise.plugins.workflows import NotifyWorkflows

from streamaudit.delivery._http import Request
from streamaudit.delivery._http import send as _send
from streamaudit.delivery.message import Letter, cut, shorten

NAME = "teams"
MOST_IN_ALL, MOST_BYTES = 6000, 27_000
_MOST_LINE, _MOST_LINES, _MOST_SENTENCES = 300, 20, 6
_LEAST = 100


def accepts(plugin: Any) -> bool:
    """Return whether this is a workflow's address."""
    return isinstance(plugin, NotifyWorkflows)


def host(plugin: Any) -> str:
    """Return the host, such as prod-1.westeurope.logic.azure.com."""
    return f"{plugin.host}:{plugin.port}" if plugin.port else str(plugin.host)


def payload(plugin: Any, letter: Letter) -> dict[str, Any]:
    """Return a card with the answer, the title, a container per section, and a button for the report's address.

    Its texts are shortened until the message has a size that Teams takes.
    """
    most = MOST_IN_ALL
    while True:
        whole = _message(letter, most)
        if len(json.dumps(whole).encode()) <= MOST_BYTES or most < _LEAST:
            return whole
        most = most * 3 // 4


def _message(letter: Letter, most: int) -> dict[str, Any]:
    answer = [cut(one, most // 4) for one in letter.headline[:_MOST_SENTENCES]]
    body: list[dict[str, Any]] = [
        _line(one, weight="Bolder", size="Large") if at == 0 else _line(one) for at, one in enumerate(answer)
    ]
    title = cut(letter.title, _MOST_LINE)
    body.append(_line(title, isSubtle=True) if body else _line(title, weight="Bolder", size="Large"))
    for section in shorten(letter, most):
        first, *rest = section.split("\n")[:_MOST_LINES]
        lines = [_line(first, weight="Bolder") if first.endswith(":") else _line(first), *map(_line, rest)]
        body.append({"type": "Container", "separator": True, "items": lines})
    if letter.footer:
        body.append(_line(cut(letter.footer, _MOST_LINE), isSubtle=True, size="Small"))
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4",
        "msteams": {"width": "full"}, "body": body,
    }  # fmt: skip
    if letter.report_url:
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Open the report", "url": letter.report_url}]
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _line(text: str, **style: Any) -> dict[str, Any]:
    return {"type": "RichTextBlock", "spacing": "Small", "inlines": [{"type": "TextRun", "text": text, **style}]}


def send(plugin: Any, payload: Mapping[str, Any], timeout_s: float, done: set[str]) -> None:
    """Make one attempt, to the workflow's address reassembled from its parts."""
    path = "/powerautomate/automations/direct" if plugin.power_automate else ""
    if path and plugin.routing_id:
        path += f"/cu/{plugin.routing_id}"
    address = f"https://{host(plugin)}{path}/workflows/{plugin.workflow}/triggers/manual/paths/invoke"
    params = {
        "api-version": plugin.api_version, "sp": "/triggers/manual/run", "sv": "1.0", "sig": plugin.signature,
    }  # fmt: skip
    _send(plugin, Request(address, params=params), payload, timeout_s)
