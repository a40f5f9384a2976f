"""A model server on loopback: streams over server-sent events or a WebSocket, and its own account of each request.

A generation belongs to its idempotency key, if the request has one: a second request with the same key reads the same
generation, and the tokens are billed once.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, fields
from typing import Self

from aiohttp import WSCloseCode, web


@dataclass(frozen=True, slots=True)
class Answer:
    """A stream as a request orders it; every event carries a token. Times are milliseconds."""

    events: int = 40
    first_ms: float = 200.0
    gap_ms: float = 30.0
    quiet_after: int = 0
    """The number of events after which the stream falls silent once; 0 is never."""
    quiet_ms: float = 0.0
    ping_ms: float = 0.0
    """Comments or ping frames in this rhythm while it is silent; 0 is none."""
    pause_every: int = 0
    """A pause of ``pause_ms`` after so many events again and again, so that the pace varies; 0 is none."""
    pause_ms: float = 0.0
    chars: int = 8
    """Characters of each event's text."""
    is_stubborn: bool = False
    """Whether the server goes on generating when its client leaves."""

    def query(self) -> dict[str, str]:
        """The parameters of its request."""
        return {one.name: str(float(getattr(self, one.name))) for one in fields(self)}

    @classmethod
    def of(cls, request: web.Request) -> Self:
        """Read the parameters of a request."""
        given = request.query
        kinds = {"int": int, "float": float, "bool": bool}
        read = {one.name: kinds[str(getattr(one.type, "__name__", one.type))] for one in fields(cls)}
        return cls(**{name: kind(float(given[name])) for name, kind in read.items()})


@dataclass(slots=True)
class Account:
    """What the server knows of one request. Times are milliseconds since it arrived."""

    response_id: str
    generation: "Generation"
    offsets_ms: list[float] = field(default_factory=list)
    """When each event was written to the socket."""
    ended_ms: float = 0.0
    is_whole: bool = False
    closed: asyncio.Event = field(default_factory=asyncio.Event)


class Generation:
    """Tokens that come in the rhythm of an answer, whether or not anyone reads them."""

    def __init__(self, response_id: str, answer: Answer) -> None:
        self.response_id, self.answer, self.tokens = response_id, answer, 0
        self._changed = asyncio.Condition()
        self._task = asyncio.ensure_future(self._run())

    async def over(self) -> None:
        """Wait until the last token is there, or generation was stopped."""
        await asyncio.wait([self._task])

    def stop(self) -> None:
        """Stop generating, unless the answer is one that nothing stops."""
        if not self.answer.is_stubborn:
            self._task.cancel()

    async def _run(self) -> None:
        answer = self.answer
        for number in range(answer.events):
            wait = answer.first_ms if number == 0 else answer.gap_ms
            if number and number == answer.quiet_after:
                wait = answer.quiet_ms
            elif number and answer.pause_every and number % answer.pause_every == 0:
                wait = answer.pause_ms
            await asyncio.sleep(wait / 1000)
            async with self._changed:
                self.tokens += 1
                self._changed.notify_all()

    async def read(self) -> AsyncIterator[bool]:
        """Yield True for each token, from the first on, and False where a ping is due."""
        taken, patience = 0, self.answer.ping_ms / 1000 or None
        while taken < self.answer.events:
            try:
                async with asyncio.timeout(patience), self._changed:
                    while self.tokens <= taken:
                        await self._changed.wait()
            except TimeoutError:
                yield False
                continue
            taken += 1
            yield True


class Upstream:
    """The server; ``accounts`` are by request id, and ``generations`` in the order of their beginning."""

    def __init__(self) -> None:
        self.port = 0
        self.accounts: dict[str, Account] = {}
        self.generations: list[Generation] = []
        self._by_key: dict[str, Generation] = {}
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        """Listen on a free port."""
        app = web.Application()
        app.router.add_get("/{where:.*}", self._serve)
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = site.port
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        answer, key = Answer.of(request), request.headers.get("Idempotency-Key")
        generation = self._by_key.get(key) if key else None
        if generation is None:
            generation = Generation(f"resp-{len(self.generations)}", answer)
            self.generations.append(generation)
            if key:
                self._by_key[key] = generation
        account = Account(generation.response_id, generation)
        self.accounts[request.headers["X-Request-Id"]] = account
        started = time.monotonic()
        send = self._over_websocket if "upgrade" in request.headers.get("Connection", "").lower() else self._over_sse
        try:
            return await send(request, account, started)
        except ConnectionError:
            return web.Response()  # nobody is there to read it
        finally:
            account.ended_ms = _ms_since(started)
            account.closed.set()
            if not account.is_whole:
                generation.stop()

    async def _over_sse(self, request: web.Request, account: Account, started: float) -> web.StreamResponse:
        response = web.StreamResponse(headers={
            "Content-Type": "text/event-stream", "Cache-Control": "no-cache", "X-Response-Id": account.response_id,
        })  # fmt: skip
        await response.prepare(request)
        async for is_token in account.generation.read():
            await response.write(f"data: {token(account)}\n\n".encode() if is_token else b": ping\n\n")
            account.offsets_ms += [_ms_since(started)] * is_token
        await response.write(f"data: {closing(account)}\n\ndata: [DONE]\n\n".encode())
        account.is_whole = True
        await response.write_eof()
        return response

    async def _over_websocket(self, request: web.Request, account: Account, started: float) -> web.StreamResponse:
        socket = web.WebSocketResponse(autoping=True)
        await socket.prepare(request)
        async for is_token in account.generation.read():
            if is_token:
                await socket.send_str(token(account))
                account.offsets_ms.append(_ms_since(started))
            else:
                await socket.ping()
        await socket.send_str(closing(account))
        account.is_whole = True
        await socket.close(code=WSCloseCode.OK)
        return socket


def token(account: Account) -> str:
    """An event with one token."""
    text = "x" * account.generation.answer.chars
    return json.dumps({"id": account.response_id, "choices": [{"delta": {"content": text}, "finish_reason": None}]})


def closing(account: Account) -> str:
    """The event that ends a stream: the reason and the usage."""
    answer = account.generation.answer
    return json.dumps({
        "id": account.response_id, "choices": [{"delta": {}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 20, "completion_tokens": answer.events},
    })  # fmt: skip


def _ms_since(started: float) -> float:
    return (time.monotonic() - started) * 1000
