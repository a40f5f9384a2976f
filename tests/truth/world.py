"""The whole world: every call of a seeded plan through real sockets, the truth about each, and the logs it left."""

import asyncio
import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.truth import records, wire
from tests.truth.client import Manner, Screen, ask
from tests.truth.clock import run, sleep_ms
from tests.truth.gateway import Gateway, Seen, Setting
from tests.truth.provider import Account, House, Provider
from tests.truth.records import Level, Record

HOUSES = (
    House("vllm", "llama-house", stops=True),
    House("deepinfra", "qwen-house", stops=True, reasoning="streamed"),
    House("bedrock", "nova-house", stops=False),
    House("google", "gemma-house", stops=False, reasoning="secret"),
    House("openai", "oss-house", stops=None),
    House("anthropic", "claude-house", stops=None, placeholder=True),
)
EVERY_MS = 40.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What is settled of a call before it happens."""

    request_id: str
    tenant: str
    house: House
    seed: int
    cap: int
    setting: Setting
    manner: Manner
    level: Level


@dataclass(frozen=True, slots=True)
class Call:
    """The truth about one call, by each party's own count, and the gateway's records of it."""

    plan: Plan
    account: Account
    seen: Seen
    screen: Screen
    line: Record
    row: Record

    @property
    def request_id(self) -> str:
        """The key of everything."""
        return self.plan.request_id

    @property
    def billed(self) -> int:
        """Output tokens that the provider billed."""
        assert self.account.billed is not None
        return self.account.billed

    @property
    def tax(self) -> int:
        """Billed and never painted."""
        return self.billed - self.screen.painted

    @property
    def ended_early(self) -> bool:
        """Whether the client left, or the provider broke off, before the gateway had handed everything over."""
        return self.seen.left_ms is not None or self.seen.error_type is not None


@dataclass(frozen=True, slots=True)
class Logs:
    """The files that the world leaves behind."""

    raw: Path
    langfuse: Path
    clients: Path
    invoice: Path


WHOLE = 900
"""So many calls are the whole world, of which every kind of call is a known part."""


def share(calls: list[Call], count: int) -> int:
    """As many of these calls as ``count`` are of the whole world, at least one."""
    return max(count * len(calls) // WHOLE, 1)


def happen(calls: int, seed: int) -> list[Call]:
    """Let so many calls happen."""
    return run(_happen(calls, seed))


def write_logs(folder: Path, calls: list[Call]) -> Logs:
    """The gateway's log in both forms, that of every second client, and the invoice lines of two calls in five."""
    rng = random.Random(0)
    raw, langfuse = folder / "gateway.jsonl", folder / "observations.jsonl"
    raw.write_text("".join(json.dumps(call.line) + "\n" for call in calls))
    langfuse.write_text("".join(json.dumps(call.row) + "\n" for call in calls))
    reporting = [(call.request_id, call.screen) for call in calls if rng.random() < 0.5]
    invoiced = [(call.account.response_id, call.billed) for call in calls if rng.random() < 0.4]
    return Logs(
        raw, langfuse, records.client_log(folder / "clients.csv", reporting),
        records.invoice(folder / "invoice.csv", invoiced),
    )  # fmt: skip


async def _happen(count: int, seed: int) -> list[Call]:
    failures: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(str(context)))
    providers = {house.name: Provider(house) for house in HOUSES}
    for provider in providers.values():
        await provider.open()
    ports = {name: provider.port for name, provider in providers.items()}
    plans = [_plan(random.Random(f"{seed}-{number}"), number, ports) for number in range(count)]
    gateway = Gateway({plan.request_id: plan.setting for plan in plans})
    await gateway.open()
    screens = await asyncio.gather(*(_one(number, plan, gateway.port) for number, plan in enumerate(plans)))
    for server in (gateway, *providers.values()):
        await server.close()
    assert not failures, "\n".join(failures[:8])
    return [
        _call(plan, providers[plan.house.name].accounts[plan.request_id], gateway.seen[plan.request_id], screen)
        for plan, screen in zip(plans, screens, strict=True)
    ]


async def _one(number: int, plan: Plan, port: int) -> Screen:
    await sleep_ms(number * EVERY_MS)
    body: Record = {
        "model": plan.house.model, "stream": True, "stream_options": {"include_usage": True}, "seed": plan.seed,
        "max_tokens": plan.cap, "messages": [{"role": "user", "content": "How do I rotate a key?"}],
    }  # fmt: skip
    return await ask(port, wire.Request(plan.request_id, body), plan.manner)


def _call(plan: Plan, account: Account, seen: Seen, screen: Screen) -> Call:
    line = records.raw_line(plan.request_id, plan.tenant, plan.house, plan.cap, seen, screen, plan.level)
    return Call(plan, account, seen, screen, line, records.langfuse_row(line, seen))


def _plan(rng: random.Random, number: int, ports: dict[str, int]) -> Plan:
    house = rng.choice(HOUSES)
    setting = Setting(ports[house.name], rng.choice(("close", "close", "wait", "drain", "drain")), rng.random() < 0.1)
    manner = _manner(rng)
    return Plan(
        f"{number:016x}", rng.choice(("acme", "globex", "initech")), house, rng.randrange(1 << 30),
        rng.choice((60, 256, 256, 400, 800)), setting, manner,
        records.choose(rng, house, setting.on_leave, manner.paints),
    )  # fmt: skip


def _manner(rng: random.Random) -> Manner:
    fate = rng.random()
    paints: Literal["tokens", "chunks"] = rng.choice(("tokens", "tokens", "chunks"))
    token_ms, lag_ms = rng.uniform(2, 45), rng.uniform(2, 80)
    if fate < 0.12:
        return Manner("after_ms", rng.uniform(20, 1200), paints, token_ms, lag_ms)
    if fate < 0.52:
        return Manner("after_ms", rng.uniform(300, 4000), paints, token_ms, lag_ms)
    if fate < 0.70:
        return Manner("after_tokens", rng.randint(1, 50), paints, token_ms, lag_ms)
    if fate < 0.77:
        return Manner("when_quiet", 400.0, paints, token_ms, lag_ms)
    if fate < 0.83:
        return Manner("when_finished", rng.uniform(0, 40), paints, token_ms, lag_ms)
    return Manner("never", 0.0, paints, token_ms, lag_ms)
