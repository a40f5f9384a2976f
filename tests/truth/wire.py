"""As much HTTP/1.1 and as many server-sent events as an OpenAI-compatible stream needs."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

HOST = "127.0.0.1"
DONE = "[DONE]"

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class BrokenOff(Exception):
    """The stream ended before its last chunk."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asked for."""

    request_id: str
    body: dict[str, Any]


class Server:
    """A server on a port of its own. It holds on to its conversations: the loop alone would let go of one whose client
    has gone."""

    def __init__(self) -> None:
        self.port = 0
        self._talks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._greet, HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._talks.add(asyncio.ensure_future(self.serve(reader, writer)))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One conversation."""
        raise NotImplementedError

    async def close(self) -> None:
        """Close when every conversation has come to its end; raises what went wrong in one."""
        await asyncio.gather(*self._talks)
        assert self._server is not None
        self._server.close()


async def post(port: int, request: Request) -> Streams:
    """Connect and ask; the answer is still to be read."""
    reader, writer = await asyncio.open_connection(HOST, port)
    body = json.dumps(request.body).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {HOST}\r\nX-Request-Id: {request.request_id}\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    return reader, writer


async def asked(reader: asyncio.StreamReader) -> Request:
    """The request that arrives at a server."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in head.split("\r\n"))}
    body = json.loads(await reader.readexactly(int(fields["content-length"])))
    return Request(fields["x-request-id"], body)


def begin(writer: asyncio.StreamWriter) -> None:
    """Open a stream of events."""
    _send(writer, b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")


def tell(writer: asyncio.StreamWriter, payload: str) -> None:
    """Send one event, if the other side is still there."""
    event = f"data: {payload}\n\n".encode()
    _send(writer, b"%x\r\n%b\r\n" % (len(event), event))


def end(writer: asyncio.StreamWriter) -> None:
    """Say that the stream is whole, and close."""
    _send(writer, b"0\r\n\r\n")
    writer.close()


def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    if not writer.is_closing():
        writer.write(data)


async def events(reader: asyncio.StreamReader) -> AsyncIterator[str]:
    """The events of an answer as they arrive. Raises BrokenOff when the connection ends before the stream does."""
    held = b""
    try:
        await reader.readuntil(b"\r\n\r\n")
        while size := int(await reader.readline() or b"x", 16):
            held += (await reader.readexactly(size + 2))[:-2]
            *whole, held = held.split(b"\n\n")
            for event in whole:
                yield event.removeprefix(b"data: ").decode()
    except (asyncio.IncompleteReadError, ConnectionError, ValueError):
        raise BrokenOff from None


async def closed(reader: asyncio.StreamReader) -> None:
    """Wait until the other side has closed its half."""
    try:
        while await reader.read(1 << 16):
            pass
    except ConnectionError:
        pass
