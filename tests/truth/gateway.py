"""A proxy between clients and providers that remembers of every call what a gateway can see of it."""

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.truth import wire
from tests.truth.clock import now_ms
from tests.truth.words import tokenize

OnLeave = Literal["close", "wait", "drain"]
"""What happens to the provider's stream when the client leaves: it is closed; it is half closed and read until the
provider has really stopped; or it is read to its end as if nothing had happened."""


@dataclass(frozen=True, slots=True)
class Setting:
    """How the gateway treats one call."""

    port: int
    on_leave: OnLeave
    buffers: bool
    """Whether the client gets everything in one burst at the end."""


@dataclass(slots=True)
class Seen:
    """What the gateway saw of one call. Times are milliseconds since it took the request."""

    started_ms: float
    response_id: str | None = None
    first_ms: float | None = None
    """First chunk of any kind, reasoning included."""
    offsets_ms: list[float] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    """Tokens of each visible chunk that came from the provider."""
    chunks: list[str] = field(default_factory=list)
    sent_ms: list[float] = field(default_factory=list)
    """When each of those chunks was handed to the client; shorter when it left."""
    left_ms: float | None = None
    ended_ms: float = 0.0
    provider_ended: bool = False
    """Whether the provider's side was seen to end, so that ``ended_ms`` is when it did."""
    half_closed: bool = False
    opening_usage: int | None = None
    running_usage: tuple[int, int] | None = None
    """Output tokens so far, and how many of them are reasoning."""
    final_usage: tuple[int, int] | None = None
    finish_reason: str | None = None
    error_type: str | None = None
    buffered: list[str] = field(default_factory=list)

    @property
    def delivered_tokens(self) -> int:
        """Tokens in the chunks that were written to the client before it had left."""
        return sum(self.tokens[: len(self.sent_ms)])

    @property
    def text(self) -> str:
        """All visible text that came from the provider."""
        return "".join(self.chunks)


class Gateway(wire.Server):
    """The server; ``seen`` is by request id."""

    def __init__(self, settings: Mapping[str, Setting]) -> None:
        super().__init__()
        self._settings = settings
        self.seen: dict[str, Seen] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Stand between one client and its provider."""
        request = await wire.asked(reader)
        seen = self.seen[request.request_id] = Seen(now_ms())
        setting = self._settings[request.request_id]
        upstream = await wire.post(setting.port, request)
        watch = asyncio.create_task(_watch(reader, seen, setting, upstream[1]))
        wire.begin(writer)
        try:
            async for payload in wire.events(upstream[0]):
                _note(seen, payload)
                _pass_on(seen, setting, payload, writer)
            seen.provider_ended = True
        except wire.BrokenOff:
            _note_break(seen, setting)
        _hand_over(seen, writer)
        watch.cancel()
        upstream[1].close()


async def _watch(
    reader: asyncio.StreamReader, seen: Seen, setting: Setting, upstream: asyncio.StreamWriter
) -> None:  # fmt: skip
    await wire.closed(reader)
    seen.left_ms = now_ms() - seen.started_ms
    if setting.on_leave == "close":
        upstream.close()
    elif setting.on_leave == "wait":
        seen.half_closed = True
        with suppress(OSError):
            upstream.write_eof()


def _note(seen: Seen, payload: str) -> None:
    if payload == wire.DONE:
        return
    event = json.loads(payload)
    if "error" in event:
        seen.error_type = "APIError"
        return
    seen.response_id = event["id"]
    for choice in event["choices"]:
        _note_delta(seen, choice["delta"])
        seen.finish_reason = choice["finish_reason"] or seen.finish_reason
    if usage := event.get("usage"):
        _note_usage(seen, usage, final=not event["choices"])


def _note_delta(seen: Seen, delta: dict[str, Any]) -> None:
    offset_ms = now_ms() - seen.started_ms
    text = delta.get("content")
    if seen.first_ms is None and (text or delta.get("reasoning_content")):
        seen.first_ms = offset_ms
    if text:
        seen.offsets_ms.append(offset_ms)
        seen.tokens.append(len(tokenize(text)))
        seen.chunks.append(text)


def _note_usage(seen: Seen, usage: dict[str, Any], final: bool) -> None:
    if "completion_tokens_details" not in usage:
        seen.opening_usage = usage["completion_tokens"]
        return
    counted = usage["completion_tokens"], usage["completion_tokens_details"]["reasoning_tokens"]
    seen.running_usage = counted
    if final:
        seen.final_usage = counted


def _pass_on(seen: Seen, setting: Setting, payload: str, writer: asyncio.StreamWriter) -> None:
    if seen.left_ms is not None:
        return
    if setting.buffers:
        seen.buffered.append(payload)
        return
    wire.tell(writer, payload)
    _note_sent(seen)


def _note_sent(seen: Seen) -> None:
    seen.sent_ms += [now_ms() - seen.started_ms] * (len(seen.chunks) - len(seen.sent_ms))


def _note_break(seen: Seen, setting: Setting) -> None:
    if seen.left_ms is None:
        seen.error_type = seen.error_type or "APIConnectionError"
    elif setting.on_leave != "close":
        seen.provider_ended = True


def _hand_over(seen: Seen, writer: asyncio.StreamWriter) -> None:
    """Close the client's side as the provider closed its own; a buffer empties first."""
    seen.ended_ms = now_ms() - seen.started_ms
    if seen.left_ms is not None:
        writer.close()
        return
    for payload in seen.buffered:
        wire.tell(writer, payload)
    _note_sent(seen)
    if seen.error_type is None:
        wire.end(writer)
    else:
        writer.close()
