"""An OpenAI-compatible server of streamed chat completions that counts every token it generates and what it bills."""

import asyncio
import json
import random
from dataclasses import dataclass
from typing import Any

from tests.truth import wire
from tests.truth.clock import now_ms, sleep_ms
from tests.truth.words import write


@dataclass(frozen=True, slots=True)
class House:
    """How a provider behaves. ``stops`` is None where nobody can say: some of its calls stop, some run on. Reasoning
    is none, streamed (in deltas of its own) or secret (silence before the answer)."""

    name: str
    model: str
    stops: bool | None
    reasoning: str = "none"
    placeholder: bool = False
    """Whether the first event carries a usage that means nothing yet."""


@dataclass(slots=True)
class Account:
    """What one call generated so far, and what was billed for it once it ended."""

    response_id: str
    stops: bool
    hidden: int = 0
    visible: int = 0
    billed: int | None = None
    failed: bool = False


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the provider does with a call if nobody stops it."""

    first_ms: float
    pace_ms: float
    hidden: int
    pieces: list[str]
    chunk_most: int
    breaks_after: int | None
    breaks_silently: bool
    finish_reason: str
    closing_ms: float
    stop_ms: float
    """How long it takes to notice that the client has gone."""


class Provider(wire.Server):
    """The server; ``accounts`` are by request id."""

    def __init__(self, house: House) -> None:
        super().__init__()
        self.house = house
        self.accounts: dict[str, Account] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request, and keep its account."""
        request = await wire.asked(reader)
        rng = random.Random(request.body["seed"])
        stops = self.house.stops if self.house.stops is not None else rng.random() < 0.5
        account = Account(f"chatcmpl-{rng.randrange(16**12):012x}", stops)
        self.accounts[request.request_id] = account
        await _Call(self.house, account, _plan(rng, self.house, request.body["max_tokens"]), writer).run(reader)


def _plan(rng: random.Random, house: House, cap: int) -> _Answer:
    reasons = house.reasoning != "none" and rng.random() < 0.6
    hidden = min(rng.randint(10, 150), cap - 1) if reasons else 0
    visible = min(round(rng.lognormvariate(4.7, 0.8)) + 3, 400, cap - hidden)
    breaks = rng.random() < 0.06
    return _Answer(
        first_ms=rng.uniform(150, 1500), pace_ms=rng.uniform(14, 45), hidden=hidden, pieces=write(rng, visible),
        chunk_most=rng.choice((1, 2, 4, 6)), breaks_after=rng.randint(0, visible) if breaks else None,
        breaks_silently=rng.random() < 0.5, finish_reason="length" if visible == cap - hidden else "stop",
        closing_ms=rng.choice((rng.uniform(0, 30), rng.uniform(300, 1200))), stop_ms=rng.uniform(20, 1500),
    )  # fmt: skip


class _Call:
    def __init__(self, house: House, account: Account, plan: _Answer, writer: asyncio.StreamWriter) -> None:
        self._house, self._account, self._plan, self._writer = house, account, plan, writer
        self._rng = random.Random(account.response_id)
        self._gone_at_ms: float | None = None

    async def run(self, reader: asyncio.StreamReader) -> None:
        watch = asyncio.create_task(self._watch(reader))
        wire.begin(self._writer)
        whole = await self._generate()
        self._account.billed = self._account.hidden + self._account.visible
        if whole:
            await self._close_well()
        elif self._account.failed and not self._plan.breaks_silently:
            self._tell({"error": {"code": 500, "message": "the engine failed"}})
        watch.cancel()
        if self._account.failed and self._plan.breaks_silently:
            self._writer.transport.abort()
        elif whole:
            wire.end(self._writer)
        else:
            self._writer.close()

    async def _watch(self, reader: asyncio.StreamReader) -> None:
        await wire.closed(reader)
        self._gone_at_ms = now_ms()

    async def _generate(self) -> bool:
        """Whether the answer came to its natural end."""
        plan, account = self._plan, self._account
        await sleep_ms(plan.first_ms)
        self._delta({"role": "assistant", "content": ""}, first=True)
        while account.hidden < plan.hidden:
            if not await self._step(count := self._count(plan.hidden - account.hidden)):
                return False
            account.hidden += count
            if self._house.reasoning == "streamed":
                self._delta({"reasoning_content": "hm " * count})
        while account.visible < len(plan.pieces):
            if plan.breaks_after is not None and account.visible >= plan.breaks_after:
                account.failed = True
                return False
            if not await self._step(count := self._count(len(plan.pieces) - account.visible)):
                return False
            text = "".join(plan.pieces[account.visible : account.visible + count])
            account.visible += count
            self._delta({"content": text})
        return True

    def _count(self, left: int) -> int:
        return min(self._rng.randint(1, self._plan.chunk_most), left)

    async def _step(self, count: int) -> bool:
        """Generate the tokens of one chunk; False when the provider noticed in time that nobody listens."""
        if self._has_noticed():
            return False
        await sleep_ms(count * self._plan.pace_ms * self._rng.uniform(0.8, 1.25))
        return True

    def _has_noticed(self) -> bool:
        gone = self._gone_at_ms
        return self._account.stops and gone is not None and now_ms() >= gone + self._plan.stop_ms

    async def _close_well(self) -> None:
        await sleep_ms(self._plan.closing_ms)
        self._delta({}, finish_reason=self._plan.finish_reason)
        self._tell({"choices": [], "usage": self._usage()})
        self._send(wire.DONE)

    def _delta(self, delta: dict[str, Any], first: bool = False, finish_reason: str | None = None) -> None:
        event: dict[str, Any] = {"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}
        if first and self._house.placeholder:
            event["usage"] = {"completion_tokens": self._rng.randint(1, 4)}
        elif not first and finish_reason is None:
            event["usage"] = self._usage()
        self._tell(event)

    def _usage(self) -> dict[str, Any]:
        hidden = self._account.hidden
        return {
            "prompt_tokens": 12, "completion_tokens": hidden + self._account.visible,
            "completion_tokens_details": {"reasoning_tokens": hidden},
        }  # fmt: skip

    def _tell(self, event: dict[str, Any]) -> None:
        self._send(json.dumps({"id": self._account.response_id, "object": "chat.completion.chunk", **event}))

    def _send(self, payload: str) -> None:
        wire.tell(self._writer, payload)
