"""Vendors whose API can be pulled: one file each. A vendor says which variables hold its address and keys, and opens a
``Server``, which yields the pages of a window.

The records of a page are those of the vendor's export, so that the source of the same name reads them. A vendor takes
texts of prompts and answers out of them before anything else happens to a record.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from streamaudit.ingest.pull.settings import Credentials, PullSettings
from streamaudit.store.pulls import Interval

_SHARED = ("combine", "registry", "run", "settings")


@dataclass(frozen=True, slots=True)
class Page:
    """Records of one answer, without text of prompts and answers.

    ``reached`` is the instant after which every record of the window has come with this page, where a server sorts by
    start from the last to the first; None where it does not say.
    """

    records: Sequence[Any]
    reached: datetime | None = None


class TooMuch(Exception):
    """A server cannot answer for a window, or not in pages of this size: ``reason`` is in our words."""

    def __init__(self, reason: str, *, by_size: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.by_size = reason, by_size


class Server(Protocol):
    """A vendor's server, with an account on it."""

    @property
    def address(self) -> str:
        """Where the records come from, as loads of the store name it; it holds no secret."""
        ...

    @property
    def step(self) -> timedelta:
        """Longest window to ask for at once."""
        ...

    def now(self) -> datetime:
        """Return the time by the server's clock."""
        ...

    def describe(self) -> Iterator[str]:
        """Yield what is fetched, and how, in sentences."""
        ...

    def pages(self, window: Interval) -> Iterator[Page]:
        """Yield the pages of a window. Raises TooMuch when it has to be split, InputError when it cannot be read."""
        ...

    def shrink(self) -> bool:
        """Ask for smaller pages from now on; False when they are as small as they get."""
        ...

    def requests(self) -> int:
        """Return the number of requests so far."""
        ...


@dataclass(frozen=True, slots=True)
class Vendor:
    """A vendor. ``variables`` hold its address and its keys; ``connect`` checks the keys and raises InputError when
    they are refused. Its last argument holds the keys of metadata that are needed in full."""

    name: str
    title: str
    variables: tuple[str, ...]
    connect: Callable[[Credentials, PullSettings, Sequence[str]], Server]
    keeps: timedelta | None = None
    """Time for which the vendor keeps records unless a contract says otherwise; None when it does not delete them."""


@cache
def names() -> list[str]:
    """Return the names of all vendors, which are those of their sources, in alphabetical order."""
    modules = (module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    return [name for name in modules if not name.startswith("_") and name not in _SHARED]


def find(name: str) -> Vendor | None:
    """Return a vendor; None when there is none of that name."""
    if name not in names():
        return None
    vendor: Vendor = importlib.import_module(f"{__package__}.{name}").VENDOR
    return vendor
