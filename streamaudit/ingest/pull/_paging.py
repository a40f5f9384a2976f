"""Paging for the servers of all vendors: a client, page sizes, answers that are too large, pages that repeat."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from streamaudit.ingest.pull._http import Answer, Client
from streamaudit.ingest.pull.registry import TooMuch

SMALLEST = 10
"""Records of the smallest page that is asked for."""
_REPEATS = 3
_TOO_MUCH = {413: "an answer would be too large (413)", 422: "the search takes the server too long (422)"}


class PagedServer:
    """The part of a ``registry.Server`` that is the same for every vendor; ``size`` is the number of records to ask for
    at once."""

    def __init__(self, client: Client, size: int) -> None:
        self._client, self._size = client, size

    def now(self) -> datetime:
        """Return the time by the server's clock, in UTC."""
        return self._client.now()

    def requests(self) -> int:
        """Return the number of requests so far."""
        return self._client.requests

    def shrink(self) -> bool:
        """Ask for half as many records at once; False when they are as few as they get."""
        if self._size <= SMALLEST:
            return False
        self._size = max(self._size // 2, SMALLEST)
        return True


def refuse_too_much(answer: Answer) -> None:
    """Raise TooMuch for an answer that a smaller window or page betters."""
    if answer.status in _TOO_MUCH:
        raise TooMuch(_TOO_MUCH[answer.status], by_size=answer.status == 413)


class Circle:
    """Notices a server that answers with the same pages for ever."""

    def __init__(self) -> None:
        self._seen: set[object] = set()
        self._last: Sequence[Any] = ()
        self._repeats = 0

    def check(self, cursor: object, records: Sequence[Any]) -> None:
        """Raise TooMuch when a page points to one that came already, or has the records of those before it."""
        self._repeats = self._repeats + 1 if records == self._last else 0
        if cursor in self._seen or self._repeats >= _REPEATS:
            raise TooMuch("it repeats a page")
        self._seen.add(cursor)
        self._last = records
