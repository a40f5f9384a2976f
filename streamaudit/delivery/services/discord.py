"""Discord's webhooks: the answer as the message, the rest as one embed; nothing in them is a mention.

Limits: 2,000 characters in a message; of an embed 256 in its title, 4,096 in its description, 2,048 in its footer,
6,000 in all (discord.com/developers, message resource). Texts are Markdown, so what it would take for markup has a
backslash.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from apprise.plugins.discord import NotifyDiscord

from streamaudit.delivery._http import Request
from streamaudit.delivery._http import send as _send
from streamaudit.delivery.message import Letter, cut, shorten

NAME = "discord"
MOST_MESSAGE, MOST_TITLE, MOST_TEXT, MOST_FOOTER = 2000, 256, 4096, 1000
_MARKUP = re.compile(r"([\\*_~`|\[\]()]|(?m:^[#>-])|(?m:^\d+(?=\.)))")
_RED, _GREY = 0xB3261E, 0x607D8B


def accepts(plugin: Any) -> bool:
    """Return whether this is a webhook's address."""
    return isinstance(plugin, NotifyDiscord)


def host(plugin: Any) -> str:
    """Return discord.com."""
    return urlsplit(str(plugin.notify_url)).netloc


def payload(plugin: Any, letter: Letter) -> dict[str, Any]:
    """Return the answer with one embed below it."""
    sections = shorten(letter, MOST_TEXT // 2)  # at most every character gets a backslash
    embed: dict[str, Any] = {
        "title": cut(_escape(letter.title), MOST_TITLE), "color": _RED if letter.post.failed else _GREY,
        "description": "\n\n".join(_escape(section) for section in sections)[:MOST_TEXT],
    }  # fmt: skip
    if letter.footer:
        embed["footer"] = {"text": cut(letter.footer, MOST_FOOTER)}
    if letter.report_url:
        embed["url"] = letter.report_url
    answer = cut(_escape("\n".join(letter.headline)), MOST_MESSAGE)
    whole: dict[str, Any] = {
        **({"content": answer} if answer else {}), "embeds": [embed], "allowed_mentions": {"parse": []}
    }  # fmt: skip
    return whole | ({"username": plugin.user} if plugin.user else {})


def _escape(text: str) -> str:
    return _MARKUP.sub(lambda match: f"\\{match[1]}" if not match[1].isdigit() else f"{match[1]}\\", text)


def send(plugin: Any, payload: Mapping[str, Any], timeout_s: float, done: set[str]) -> None:
    """Make one attempt."""
    address = "/".join((str(plugin.notify_url), plugin.webhook_id, plugin.webhook_token))
    params = {"thread_id": plugin.thread_id} if plugin.thread_id else {}
    _send(plugin, Request(address, params=params), payload, timeout_s)
