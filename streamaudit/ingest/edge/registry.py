"""Servers: one file each. A server says how to recognise its log, and the SQL that turns its lines into evidence; it
knows nothing of files, stores or reports.

The SQL selects from ``lines`` (``text``: a line, ``record``: the JSON object in it, NULL where it has none) and names
its output after ``COLUMNS``; what it does not name stays NULL. Every line comes out as one row.
"""

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

COLUMNS = {
    "is_line": "BOOLEAN", "request_id": "VARCHAR", "litellm_call_id": "VARCHAR", "own_id": "VARCHAR",
    "response_id": "VARCHAR", "trace_id": "VARCHAR", "status": "INTEGER", "content_type": "VARCHAR",
    "encoding": "VARCHAR", "attempts": "INTEGER", "cancelled": "BOOLEAN", "cancelled_at_ms": "DOUBLE",
    "rendered_tokens": "BIGINT", "rendered_chars": "BIGINT", "rendered_chunks": "BIGINT",
    "delivered_tokens": "BIGINT", "delivered_chars": "BIGINT", "delivered_chunks": "BIGINT",
    "delivered_bytes": "BIGINT", "ttfb_ms": "DOUBLE", "client_ttft_ms": "DOUBLE", "upstream_end_ms": "DOUBLE",
    "upstream_held_ms": "DOUBLE",
}  # fmt: skip
"""Columns of a line, with their types.

``is_line``: the text is a line of this log. Ids: ``request_id`` came with the request, ``litellm_call_id`` is LiteLLM's
for it, ``own_id`` the server's. ``cancelled``: the client left, false: it did not, NULL: the line cannot tell.
``cancelled_at_ms``: when the server noticed, after it began to read the request. ``delivered_bytes``: with whatever
framing and headers the server counts. ``ttfb_ms``: until the response began, which need not be its first token.
``upstream_end_ms``: when the upstream had ended by itself. ``upstream_held_ms``: of a stream whose client left, until
when the server kept the upstream's connection. ``attempts``: upstreams that were tried.
"""

IDS = {
    "request_id": ("litellm_call_id", "request_id", "own_id"), "response_id": ("response_id",),
    "trace_id": ("trace_id",),
}  # fmt: skip
"""The ids of a line that may be the call's id of a kind, likeliest first."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the head of a file: its text, and the JSON object in it."""

    text: str
    record: dict[str, Any] | None

    def has(self, *names: str) -> bool:
        """Return whether the object has all of these fields."""
        return self.record is not None and all(name in self.record for name in names)

    def has_any(self, *names: str) -> bool:
        """Return whether the object has one of these fields."""
        return self.record is not None and any(name in self.record for name in names)


@dataclass(frozen=True, slots=True)
class Server:
    """A server that logs what it delivered. ``version`` grows whenever the same file would give other evidence."""

    name: str
    words: str
    """The log's name in messages."""
    version: int
    recognise: Callable[[Line], bool]
    """Whether a line is one of this log and of no other."""
    sql: str
    late_chunks: int | None = None
    """Most events that it may count although its client left before reading them; None where that was not measured."""
    cut: str = ""
    """Field or flag that says that the client left; empty where none does."""


def discover() -> dict[str, Server]:
    """Return every server in this folder by name, in alphabetical order."""
    return {name: _load(name) for name in _names()}


def recognise(head: Sequence[Line]) -> Server | None:
    """Return the server whose log these lines begin; None where no line is one of a server's."""
    for line in head:
        for server in discover().values():
            if server.recognise(line):
                return server
    return None


@cache
def _names() -> list[str]:
    modules = (module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    return [name for name in modules if not name.startswith("_") and name != "registry"]


def _load(name: str) -> Server:
    server: Server = importlib.import_module(f"{__package__}.{name}").SERVER
    return server
