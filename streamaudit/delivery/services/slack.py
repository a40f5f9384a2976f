"""Slack's incoming webhooks: blocks of plain text, plus the text of the notification.

The limits are Slack's own: 150 characters in a header, 3,000 in a text (docs.slack.dev, block reference), and about
13,000 in all blocks of a message (slackapi/bolt-js#2509). Texts are ``plain_text``, in which Slack looks for no markup,
mention or link; only the user's own report address is a link.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from apprise.plugins.slack import NotifySlack, SlackMode

from streamaudit.delivery._http import Request
from streamaudit.delivery._http import send as _send
from streamaudit.delivery.message import Letter, cut, shorten

NAME = "slack"
MOST_BLOCKS, MOST_HEADER, MOST_TEXT, MOST_IN_ALL = 12, 150, 3000, 7000
MOST_SENTENCE, MOST_ANSWER = 700, 1500
_MOST_FALLBACK = 1500


def accepts(plugin: Any) -> bool:
    """Return whether this is a webhook with at most one channel; bots and workflows take no blocks and get text."""
    return (
        isinstance(plugin, NotifySlack)
        and plugin.mode in (SlackMode.WEBHOOK, SlackMode.WEBHOOK_GOV)
        and len(plugin.channels) == 1
    )


def host(plugin: Any) -> str:
    """Return the host, such as hooks.slack.com."""
    return urlsplit(_base(plugin)).netloc


def _base(plugin: Any) -> str:
    return str(plugin.webhook_gov_url if plugin.mode == SlackMode.WEBHOOK_GOV else plugin.webhook_url)


def payload(plugin: Any, letter: Letter) -> dict[str, Any]:
    """Return the answer, title, sections and footer; the first sentence is the header where it fits one."""
    sections = shorten(letter, MOST_IN_ALL)[: MOST_BLOCKS - 4]
    answer = [cut(one, MOST_SENTENCE) for one in letter.headline]
    blocks: list[dict[str, Any]] = []
    if answer and len(answer[0]) <= MOST_HEADER:
        blocks.append({"type": "header", "text": _plain(answer.pop(0))})
    if answer:
        blocks.append({"type": "section", "text": _plain(cut("\n".join(answer), MOST_ANSWER))})
    if blocks:
        blocks.append({"type": "context", "elements": [_plain(cut(letter.title, MOST_HEADER))]})
    else:
        blocks.append({"type": "header", "text": _plain(cut(letter.title, MOST_HEADER))})
    blocks += [{"type": "section", "text": _plain(cut(section, MOST_TEXT))} for section in sections]
    if footer := letter.footer:
        blocks.append({"type": "context", "elements": [_footer(footer, letter.link)]})
    whole: dict[str, Any] = {
        "text": cut("\n".join((*letter.headline, letter.title, *sections[:1])), _MOST_FALLBACK), "blocks": blocks,
        "unfurl_links": False, "unfurl_media": False,
    }  # fmt: skip
    named = {"channel": plugin.channels[0], "username": plugin.user}
    return whole | {key: value for key, value in named.items() if value}


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}


def _footer(text: str, link: str) -> dict[str, Any]:
    if link and len(text) + 2 <= MOST_TEXT and "|" not in link:
        return {"type": "mrkdwn", "text": text.replace(link, f"<{link}>"), "verbatim": True}
    return _plain(cut(text, MOST_TEXT))


def send(plugin: Any, payload: Mapping[str, Any], timeout_s: float, done: set[str]) -> None:
    """Make one attempt."""
    address = "/".join((_base(plugin), plugin.token_a, plugin.token_b, plugin.token_c))
    _send(plugin, Request(address), payload, timeout_s)
