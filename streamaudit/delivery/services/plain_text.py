"""Every other service that apprise supports: title and text, sent by apprise itself.

apprise returns only whether a message was accepted. Whether to retry is up to the user: apprise's own
``?retry=3&wait=5`` in the address does that.
"""

from collections.abc import Mapping
from typing import Any

from streamaudit.delivery.message import Letter, cut, shorten
from streamaudit.delivery.retry import NotDelivered

NAME = "other"


def accepts(plugin: Any) -> bool:
    """Return True: every address is accepted."""
    return True


def host(plugin: Any) -> str:
    """Return no host: where others have a host, some services have a token."""
    return ""


def payload(plugin: Any, letter: Letter) -> dict[str, Any]:
    """Return title and text, which begins with the answer and is no longer than the service accepts."""
    most = max(int(plugin.body_maxlen) - len(letter.title) - len(letter.footer) - 40, 0)
    answer = cut("\n".join(letter.headline), most)
    sections = shorten(letter, max(most - len(answer) - 2, 0))
    return {"title": letter.title, "text": "\n\n".join(filter(None, (answer, *sections, letter.footer)))}


def send(plugin: Any, payload: Mapping[str, Any], timeout_s: float, done: set[str]) -> None:
    """Make one attempt, and those that the address asks for."""
    from apprise import Apprise, NotifyFormat

    sender = Apprise(asset=plugin.asset)
    sender.add(plugin)
    if not sender.notify(title=payload["title"], body=payload["text"], body_format=NotifyFormat.TEXT):
        raise NotDelivered("not accepted")
