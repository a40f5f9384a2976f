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
    finished: asyncio.Event = field(default_factory=asyncio.Event)
    enough: asyncio.Event = field(default_factory=asyncio.Event)
    to_paint: asyncio.Queue[tuple[float, str] | None] = field(default_factory=asyncio.Queue)


async def ask(port: int, request: wire.Request, manner: Manner) -> Screen:
    """One call from its request to the end of its user's patience."""
    screen, started_ms = Screen(), now_ms()
    reader, writer = await wire.post(port, request)
    reading = asyncio.create_task(_read(reader, screen))
    painting = asyncio.create_task(_paint(screen, manner))
    leaving = asyncio.create_task(_leave(screen, manner))
    await asyncio.wait((painting, leaving), return_when=asyncio.FIRST_COMPLETED)
    if not painting.done():
        screen.left_ms = now_ms() - started_ms
        painting.cancel()
        await sleep_ms(manner.lag_ms)
    leaving.cancel()
    writer.transport.abort()
    await asyncio.wait((reading, painting, leaving))
    return screen


async def _read(reader: asyncio.StreamReader, screen: Screen) -> None:
    try:
        async for payload in wire.events(reader):
            _take(screen, payload)
    except wire.BrokenOff:
        pass
    screen.to_paint.put_nowait(None)


def _take(screen: Screen, payload: str) -> None:
    if payload == wire.DONE:
        return
    for choice in json.loads(payload).get("choices", ()):
        if text := choice["delta"].get("content"):
            screen.delivered += len(tokenize(text))
            screen.to_paint.put_nowait((now_ms(), text))
        if choice["finish_reason"]:
            screen.finished.set()


async def _paint(screen: Screen, manner: Manner) -> None:
    while (arrived := await screen.to_paint.get()) is not None:
        at_ms, text = arrived
        await sleep_ms(at_ms + manner.lag_ms - now_ms())
        pieces = tokenize(text)
        if manner.paints == "chunks":
            _show(screen, manner, len(pieces), len(text))
        else:
            for piece in pieces:
                await sleep_ms(manner.token_ms)
                _show(screen, manner, 1, len(piece))
        screen.painted_chunks += 1


def _show(screen: Screen, manner: Manner, tokens: int, chars: int) -> None:
    screen.painted += tokens
    screen.painted_chars += chars
    if manner.leaves == "after_tokens" and screen.painted >= manner.when:
        screen.enough.set()


async def _leave(screen: Screen, manner: Manner) -> None:
    if manner.leaves == "after_ms":
        await sleep_ms(manner.when)
    elif manner.leaves == "after_tokens":
        await screen.enough.wait()
    elif manner.leaves == "when_quiet":
        before = 0
        while screen.painted == 0 or screen.painted > before:
            before = screen.painted
            await sleep_ms(manner.when)
    elif manner.leaves == "when_finished":
        await screen.finished.wait()
        await sleep_ms(manner.when)
    else:
        await asyncio.Event().wait()
