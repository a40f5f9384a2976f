"""Read target addresses in apprise's syntax from the environment or from files; they are secrets.

``$STREAMAUDIT_POST`` holds addresses, separated by spaces or commas. Otherwise ``[post] targets`` of the configuration
names environment variables (``$NAME``) or files that hold them. Of an address only the kind, the host and a short hash
are ever printed.
"""

import hashlib
import logging
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamaudit.delivery.settings import PostSettings
from streamaudit.errors import UsageError
from streamaudit.store.plain_files import read_text

VARIABLE = "STREAMAUDIT_POST"
HELP = "such as https://hooks.slack.com/services/... or jsons://host/path; docs/commands/weekly.md lists more"

# An address may contain a comma; one that separates two addresses is followed by a scheme.
_BETWEEN = re.compile(r"\s+|,+(?=\s|$|[a-z][a-z0-9+.-]*://)", re.IGNORECASE)
_PASSWORD = re.compile(r"(?<=://)([^/@:]*):[^/@]*(?=@)|(?<=[?&])pass(?:word)?=[^&]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Target:
    """An address.

    ``digest`` identifies it in the ledger; changing its password does not change the digest.
    """

    kind: str
    host: str
    digest: str
    plugin: Any
    """apprise's plugin for the address."""

    @property
    def name(self) -> str:
        """Its name in every message: ``slack hooks.slack.com #3f2a91``."""
        return " ".join(filter(None, (self.kind, self.host, f"#{self.digest[:6]}")))


def targets(settings: PostSettings) -> list[Target]:
    """Return all configured targets without repeats. Raises UsageError for none, or for an invalid one."""
    found: dict[str, Target] = {}
    for address, origin in addresses(settings):
        one = parse(address, origin)
        found.setdefault(one.digest, one)
    if not found:
        raise UsageError("there is no address to post to", f"put an address into ${VARIABLE}, {HELP}")
    return list(found.values())


def addresses(settings: PostSettings) -> Iterator[tuple[str, str]]:
    """Yield the addresses with their origin.

    Raises UsageError for a variable that is not set or a file that cannot be read.
    """
    if os.environ.get(VARIABLE, "").strip():
        yield from _split(os.environ[VARIABLE], f"${VARIABLE}")
        return
    for place in settings.targets:
        if isinstance(place, Path):
            yield from _split(_read(place), str(place))
        elif os.environ.get(place, "").strip():
            yield from _split(os.environ[place], f"${place}")
        else:
            raise UsageError(f"{settings.origin}: post.targets: ${place} is not set")


def _split(text: str, origin: str) -> Iterator[tuple[str, str]]:
    for address in filter(None, _BETWEEN.split(text)):
        yield address, origin


def _read(path: Path) -> str:
    text = read_text(path)
    kept = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    if not kept.strip():
        raise UsageError(f"{path} holds no address", HELP)
    return kept


def parse(address: str, origin: str) -> Target:
    """Parse an address with apprise. Raises UsageError that names its origin and never the address."""
    # apprise logs the whole address with its error, which would show the secret.
    logger = logging.getLogger("apprise")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    from apprise import Apprise, AppriseAsset

    from streamaudit.delivery.services.registry import kind_of

    asset = AppriseAsset(
        app_id="streamaudit", app_desc="streamaudit", app_url="", image_url_mask="", image_url_logo="",
        secure_logging=True, allow_templates=False, async_mode=False,
    )  # fmt: skip
    plugin = Apprise.instantiate(address, asset=asset)
    if plugin is None:
        raise UsageError(f"cannot understand an address in {origin}", HELP)
    kind = kind_of(plugin)
    name = kind.NAME if kind.NAME != "other" else str(plugin.service_name).lower()
    digest = hashlib.sha256(_PASSWORD.sub(r"\1", address).encode()).hexdigest()[:16]
    return Target(name, kind.host(plugin), digest, plugin)
