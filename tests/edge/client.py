"""A client that reads a stream and writes one raw JSON line of what it saw: when each chunk came, and how it ended."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime

import aiohttp

from tests.edge.upstream import Answer
from tests.support import Record

MODEL = "gpt-4o-mini"


@dataclass(frozen=True, slots=True)
class Visit:
    """One request, where it goes and how its client behaves."""

    request_id: str
    url: str
    answer: Answer = field(default_factory=Answer)
    route: str = "/chat"
    leaves_after: int | None = None
    """The number of chunks after which the client closes the connection."""
    stays_ms: float = 0
    """How long it waits after the last of these before it leaves."""
    patience_ms: float | None = None
    """How long it waits for the next bytes before it gives up."""
    headers: dict[str, str] = field(default_factory=dict)
    facts: Record = field(default_factory=dict)
    """What the application knows of the request and writes with it, such as its tenant."""


@dataclass(slots=True)
class Seen:
    """What a client saw. Times are milliseconds since it asked."""

    offsets_ms: list[float] = field(default_factory=list)
    response_id: str | None = None
    usage: Record | None = None
    finish_reason: str | None = None

    def take(self, payload: str, at_ms: float) -> None:
        """Note one event."""
        if payload == "[DONE]":
            return
        event = json.loads(payload)
        self.response_id = event["id"]
        choice = event["choices"][0]
        if choice["delta"]:
            self.offsets_ms.append(round(at_ms, 3))
        self.finish_reason = choice["finish_reason"] or self.finish_reason
        self.usage = event.get("usage") or self.usage


async def ask(session: aiohttp.ClientSession, visit: Visit) -> Record:
    """Make one request and return its line."""
    seen, started, started_at = Seen(), time.monotonic(), datetime.now(UTC)
    is_socket = visit.url.startswith("ws")
    outcome, cancelled_at_ms = "interrupted", None
    read = _over_websocket if is_socket else _over_sse
    try:
        async with aclosing(read(session, visit, seen, started)) as arrivals:
            async for _ in arrivals:
                if visit.leaves_after is not None and len(seen.offsets_ms) >= visit.leaves_after:
                    await asyncio.sleep(visit.stays_ms / 1000)
                    outcome, cancelled_at_ms = "cancelled", _ms_since(started)
                    break
    except TimeoutError:
        outcome = "timeout"
    except (aiohttp.ClientError, ConnectionError):
        pass
    if seen.finish_reason and outcome == "interrupted":
        outcome = "completed"
    usage = seen.usage or {}
    line = {
        "request_id": visit.request_id, "response_id": seen.response_id, "start_time": started_at.isoformat(),
        "duration_ms": round(_ms_since(started), 3), "ttft_ms": seen.offsets_ms[0] if seen.offsets_ms else None,
        "stream": True, "transport": "websocket" if is_socket else "sse", "request_model": MODEL, "provider": "openai",
        "route": visit.route, "outcome": outcome, "finish_reason": seen.finish_reason,
        "cancelled_at_ms": cancelled_at_ms and round(cancelled_at_ms, 3), "client_chunk_offsets_ms": seen.offsets_ms,
        "input_tokens": usage.get("prompt_tokens"), "output_tokens": usage.get("completion_tokens"), **visit.facts,
    }  # fmt: skip
    return {name: value for name, value in line.items() if value not in (None, [])}


async def _over_sse(
    session: aiohttp.ClientSession, visit: Visit, seen: Seen, started: float
) -> AsyncGenerator[None, None]:  # fmt: skip
    """Yield after each read; all events of one read have arrived together."""
    headers = {"X-Request-Id": visit.request_id, **visit.headers}
    timeout = aiohttp.ClientTimeout(total=None, sock_read=visit.patience_ms and visit.patience_ms / 1000)
    params, held = visit.answer.query(), b""
    async with session.get(visit.url, params=params, headers=headers, ssl=False, timeout=timeout) as response:
        seen.response_id = response.headers.get("X-Response-Id")
        async for data in response.content.iter_any():
            at_ms = _ms_since(started)
            *events, held = (held + data).split(b"\n\n")
            for event in events:
                if event.startswith(b"data: "):
                    seen.take(event.removeprefix(b"data: ").decode(), at_ms)
            yield


async def _over_websocket(
    session: aiohttp.ClientSession, visit: Visit, seen: Seen, started: float
) -> AsyncGenerator[None, None]:  # fmt: skip
    params, headers = visit.answer.query(), {"X-Request-Id": visit.request_id, **visit.headers}
    async with session.ws_connect(visit.url, params=params, headers=headers) as socket:
        async for message in socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                seen.take(message.data, _ms_since(started))
            yield


def _ms_since(started: float) -> float:
    return (time.monotonic() - started) * 1000
