"""A client that reads a stream, paints it at its own pace and may leave at any moment."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Literal

from tests.truth import wire
from tests.truth.clock import now_ms, sleep_ms
from tests.truth.words import tokenize


@dataclass(frozen=True, slots=True)
class Manner:
    """How a client behaves. It leaves after a time, after so many painted tokens, when nothing new has come for so many
    milliseconds, so long after it reads that the answer is finished, or never."""

    leaves: Literal["after_ms", "after_tokens", "when_quiet", "when_finished", "never"]
    when: float
    paints: Literal["tokens", "chunks"]
    """A typewriter, or each chunk as it comes."""
    token_ms: float
    lag_ms: float
    """How long a chunk takes to the screen, and the news that the user has left to the socket."""


@dataclass(slots=True)
class Screen:
    """What one client saw and when it left. Times are milliseconds since it asked."""

    delivered: int = 0
    """Visible tokens that arrived at its socket."""
    painted: int = 0
    painted_chars: int = 0
    painted_chunks: int = 0
    left_ms: float | None = None


@dataclass(slots=True)
class _Client:
    """The screen while it is being watched, and what its tasks wait for."""

    screen: Screen = field(default_factory=Screen)
    finished: asyncio.Event = field(default_factory=asyncio.Event)
    enough: asyncio.Event = field(default_factory=asyncio.Event)
    to_paint: asyncio.Queue[tuple[float, str] | None] = field(default_factory=asyncio.Queue)


async def ask(port: int, request: wire.Request, manner: Manner) -> Screen:
    """One call from its request to the end of its user's patience."""
    client, started_ms = _Client(), now_ms()
    reader, writer = await wire.post(port, request)
    reading = asyncio.create_task(_read(reader, client))
    painting = asyncio.create_task(_paint(client, manner))
    leaving = asyncio.create_task(_leave(client, manner))
    await asyncio.wait((painting, leaving), return_when=asyncio.FIRST_COMPLETED)
    if not painting.done():
        client.screen.left_ms = now_ms() - started_ms
        painting.cancel()
        await sleep_ms(manner.lag_ms)
    leaving.cancel()
    writer.transport.abort()
    await asyncio.wait((reading, painting, leaving))
    return client.screen


async def _read(reader: asyncio.StreamReader, client: _Client) -> None:
    try:
        async for payload in wire.events(reader):
            _take(client, payload)
    except wire.BrokenOff:
        pass
    client.to_paint.put_nowait(None)


def _take(client: _Client, payload: str) -> None:
    if payload == wire.DONE:
        return
    for choice in json.loads(payload).get("choices", ()):
        if text := choice["delta"].get("content"):
            client.screen.delivered += len(tokenize(text))
            client.to_paint.put_nowait((now_ms(), text))
        if choice["finish_reason"]:
            client.finished.set()


async def _paint(client: _Client, manner: Manner) -> None:
    while (arrived := await client.to_paint.get()) is not None:
        at_ms, text = arrived
        await sleep_ms(at_ms + manner.lag_ms - now_ms())
        pieces = tokenize(text)
        if manner.paints == "chunks":
            _show(client, manner, len(pieces), len(text))
        else:
            for piece in pieces:
                await sleep_ms(manner.token_ms)
                _show(client, manner, 1, len(piece))
        client.screen.painted_chunks += 1


def _show(client: _Client, manner: Manner, tokens: int, chars: int) -> None:
    client.screen.painted += tokens
    client.screen.painted_chars += chars
    if manner.leaves == "after_tokens" and client.screen.painted >= manner.when:
        client.enough.set()


async def _leave(client: _Client, manner: Manner) -> None:
    if manner.leaves == "after_ms":
        await sleep_ms(manner.when)
    elif manner.leaves == "after_tokens":
        await client.enough.wait()
    elif manner.leaves == "when_quiet":
        before = 0
        while client.screen.painted == 0 or client.screen.painted > before:
            before = client.screen.painted
            await sleep_ms(manner.when)
    elif manner.leaves == "when_finished":
        await client.finished.wait()
        await sleep_ms(manner.when)
    else:
        await asyncio.Event().wait()
