"""Find the service that formats and sends a message; every other service of apprise gets plain text.

A service's file has ``NAME``; ``accepts(plugin)``, whether an address parsed by apprise belongs to it;
``host(plugin)``, the only part of the address that is ever shown; ``payload(plugin, letter)``, the content that
``--dry-run`` prints; and ``send(plugin, payload, timeout_s, done)``, one attempt, which raises NotDelivered. ``done``
is kept from attempt to attempt of one message and holds the recipients who have it already.
"""

from collections.abc import Mapping
from typing import Any, Protocol, cast

from streamaudit.delivery.message import Letter
from streamaudit.delivery.services import discord, mail, plain_text, slack, teams, webhook


class Kind(Protocol):
    """Interface of a service's file."""

    @property
    def NAME(self) -> str:
        """Name of the service in messages."""
        ...

    def accepts(self, plugin: Any) -> bool:
        """Return whether an address belongs to this service."""
        ...

    def host(self, plugin: Any) -> str:
        """Return the only part of the address that is ever shown."""
        ...

    def payload(self, plugin: Any, letter: Letter) -> dict[str, Any]:
        """Return the content of a message for this service."""
        ...

    def send(self, plugin: Any, payload: Mapping[str, Any], timeout_s: float, done: set[str]) -> None:
        """Make one attempt. Raises NotDelivered."""
        ...



KINDS = tuple(cast(Kind, module) for module in (slack, teams, discord, mail, webhook, plain_text))
"""Every service, in the order in which an address is offered to them; the last accepts all."""


def kind_of(plugin: Any) -> Kind:
    """Return the service that sends to this address."""
    return next(kind for kind in KINDS if kind.accepts(plugin))
