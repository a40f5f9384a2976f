"""The services that get a message in their own form: a file each. What any other service of apprise gets is text.

A file has ``NAME``; ``accepts(plugin)``, whether an address that apprise understood is one of its; ``host(plugin)``,
the only part of the address that is ever shown; ``payload(plugin, letter)``, what is sent, as ``--dry-run`` prints it;
and ``send(plugin, payload, timeout_s, done)``, one attempt, which raises NotDelivered. ``done`` is kept from attempt to
attempt of one message: who has it already.
"""

from collections.abc import Mapping
from typing import Any, Protocol, cast

from streamaudit.delivery.message import Letter
from streamaudit.delivery.services import discord, mail, plain_text, slack, teams, webhook


class Kind(Protocol):
    """What a file here offers."""

    @property
    def NAME(self) -> str: ...

    def accepts(self, plugin: Any) -> bool: ...

    def host(self, plugin: Any) -> str: ...

    def payload(self, plugin: Any, letter: Letter) -> dict[str, Any]: ...

    def send(self, plugin: Any, payload: Mapping[str, Any], timeout_s: float, done: set[str]) -> None: ...


KINDS = tuple(cast(Kind, module) for module in (slack, teams, discord, mail, webhook, plain_text))
"""In the order in which an address is offered to them; the last takes all."""


def kind_of(plugin: Any) -> Kind:
    """The file that sends to this address."""
    return next(kind for kind in KINDS if kind.accepts(plugin))
