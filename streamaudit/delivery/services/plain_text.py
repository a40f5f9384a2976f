"""Every other service that apprise knows: title and text, sent by apprise itself.

It says only whether a message was taken. Whether another attempt makes sense is for whoever wrote the address to say:
apprise's own ``?retry=3&wait=5`` in it does that.
"""

from collections.abc import Mapping
from typing import Any

from streamaudit.delivery.message import Letter, shortened
from streamaudit.delivery.retry import NotDelivered

NAME = "other"


def accepts(plugin: Any) -> bool:
    """All."""
    return True


def host(plugin: Any) -> str:
    """Not shown: where others have a host, some services have a token."""
    return ""


def payload(plugin: Any, letter: Letter) -> dict[str, Any]:
    """Title and text, no longer than the service takes."""
    room = max(int(plugin.body_maxlen) - len(letter.title) - len(letter.footer) - 40, 0)
    return {"title": letter.title, "text": "\n\n".join((*shortened(letter, room), letter.footer))}


def send(plugin: Any, payload: Mapping[str, Any], timeout_s: float, done: set[str]) -> None:
    """One attempt, and those that the address asks for."""
    from apprise import Apprise, NotifyFormat

    sender = Apprise(asset=plugin.asset)
    sender.add(plugin)
    if not sender.notify(title=payload["title"], body=payload["text"], body_format=NotifyFormat.TEXT):
        raise NotDelivered("not accepted")
