"""Plant one failure for each audit, each on a route of its own: real enough to be read, small enough to be packed.

A planted route holds the failure and, where the audit compares, healthy calls next to it. Its twin is another route of
the same traffic without the failure. ``PLANTS`` has one function for each failure, which makes both and returns how
many calls ``streamaudit audit`` must find affected on the first.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sample_traces.answers import quote
from sample_traces.model import EPOCH, TENANTS, Call, Fleet, Model, instant
from sample_traces.scenarios import World

MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US

MINI = Model("gpt-4o-mini", "gpt-4o-mini-2024-07-18", "openai", 150, 75, 600, 420, 14, 0)
O4_MINI = Model("o4-mini", "o4-mini-2025-04-16", "openai", 1100, 275, 4400, 800, 9, 0)
HAIKU = Model("claude-haiku-4-5", "claude-haiku-4-5-20251001", "anthropic", 1000, 100, 5000, 560, 11, 0)
SONNET = Model("claude-sonnet-4-5", "claude-sonnet-4-5-20250929", "anthropic", 3000, 300, 15000, 900, 14, 0)
OPUS = Model("claude-opus-4-1", "claude-opus-4-1-20250805", "anthropic", 15000, 1500, 75000, 1300, 17, 0)
GEMINI_PRO = Model("gemini-2.5-pro", "gemini-2.5-pro", "google", 1250, 310, 10000, 700, 9, 0)


@dataclass(frozen=True, slots=True)
class Planted:
    """The finding that an audit must have on a route, and a route that it must leave alone."""

    audit: str
    finding: str
    route: str
    affected_calls: int
    twin: str


class Planter:
    """Adds calls to a fleet; every draw comes from one seed."""

    def __init__(self, seed: int, start: datetime, days: int) -> None:
        self.start_us = (start - EPOCH) // timedelta(microseconds=1)
        self.world = World(random.Random(seed), False, start, self.start_us, days)
        self.rng = self.world.rng
        self.calls: list[Call] = []
        self.lines: list[dict[str, object]] = []
        """Raw lines about steps that are no calls."""

    def id(self, bits: int = 64) -> str:
        """Return a new id."""
        return f"{self.rng.getrandbits(bits):0{bits // 4}x}"

    def moment(self, first_day: float = 0.0, last_day: float | None = None) -> int:
        """Draw a moment of office hours between two days of the window."""
        day = self.rng.randrange(int(first_day), int(last_day or self.world.days))
        return self.start_us + day * DAY_US + int(self.rng.uniform(7, 19) * HOUR_US)

    def session(self) -> dict[str, str]:
        """Return the dimensions of one user of one tenant in one session."""
        tenant = self.rng.choices(TENANTS[:8], [each.weight for each in TENANTS[:8]])[0].name
        user = f"u-{tenant}-{self.rng.randrange(1, 40)}"
        return {"tenant": tenant or "", "user_id": user, "session_id": f"s-{self.id(32)}"}

    def add(
        self, route: str, model: Model, start_us: int, *, tokens: int, prompt: int = 900, ttft_ms: float | None = None,
        token_ms: float | None = None, of: dict[str, str] | None = None, cached: int | None = None, reasoning: int = 0,
        **extra: object,
    ) -> Call:  # fmt: skip
        """Add one completed stream with its usage and cost; ``extra`` holds fields of raw lines alone."""
        us, spread = self.world.us, self.rng.lognormvariate
        ttft = us(ttft_ms if ttft_ms is not None else model.ttft_ms * spread(0, 0.3))
        pace = token_ms if token_ms is not None else model.token_ms * self.rng.uniform(0.85, 1.2)
        visible = tokens - reasoning
        who = of or self.session()
        call = Call(
            number=90_000 + len(self.calls), scenario="planted", call_id=self.id(), parent_id="", root_id="",
            model=model.name, provider=model.provider, response_model=model.snapshot, route=route,
            service=f"{route.split('/')[2]}-api", environment="production", deploy=self.world.deploy(start_us),
            operation="chat", start_us=start_us, ttft_us=ttft,
            ttvt_us=ttft + us(reasoning * pace) if reasoning else ttft,
            input_tokens=prompt, cached_input_tokens=cached, output_tokens=tokens, reasoning_tokens=reasoning,
            delivered_tokens=visible, rendered_tokens=visible, max_tokens=max(1024, 4096 * -(-tokens // 4096)),
            trace_id=who.get("trace_id") or self.id(128), tenant=who["tenant"], user_id=who["user_id"],
            session_id=who["session_id"],
        )  # fmt: skip
        call.duration_us = ttft + us(tokens * pace)
        call.input_cost_nano = (prompt - (cached or 0)) * model.input_nano + (cached or 0) * model.cached_nano
        call.output_cost_nano = tokens * model.output_nano
        call.extra.update(extra)
        self.calls.append(call)
        return call

    def bill(self, call: Call, model: Model, tokens: int) -> None:
        """Bill a call for other output than it was added with."""
        call.output_tokens, call.output_cost_nano = tokens, tokens * model.output_nano

    def refuse(self, call: Call) -> None:
        """Make a call one that its provider refused at once: nothing was generated, and nothing is billed."""
        call.duration_us, call.ttft_us, call.ttvt_us = self.world.us(self.rng.uniform(80, 400)), None, None
        call.http_status, call.finish_reason, call.response_model = 503, None, None
        call.input_tokens = call.output_tokens = call.reasoning_tokens = None
        call.input_cost_nano = call.output_cost_nano = None
        call.delivered_tokens = call.rendered_tokens = None

    def stage(self, kind: str, start_us: int, ms: float, trace_id: str) -> None:
        """Add a line about a stage of a voice turn."""
        self.lines.append({
            "schema": "streamaudit.attempt/1", "request_id": self.id(), "kind": kind, "trace_id": trace_id,
            "start_time": f"{instant(start_us):%Y-%m-%dT%H:%M:%S.%f}Z", "duration_ms": round(ms, 3),
        })  # fmt: skip

    def tokens(self, median: int) -> int:
        """Draw a number of tokens around a median."""
        return max(24, round(median * self.rng.lognormvariate(0, 0.3)))

    def chunks(self, call: Call, count: int, until_us: int | None = None) -> list[int]:
        """Return when ``count`` chunks of a steady stream arrive, in milliseconds after the request."""
        first, last = (call.ttft_us or 0) // 1000, (until_us or call.duration_us) // 1000 - 40
        step = (last - first) / (count - 1)
        return [round(first + place * step) for place in range(count)]


def buffered(plant: Planter, route: str, fails: bool) -> int:
    """A proxy in front of a chat widget collects each answer and hands it over in one piece."""
    for _ in range(30 if fails else 24):
        call = plant.add(route, MINI, plant.moment(), tokens=plant.tokens(240))
        sent = plant.chunks(call, 20 if fails else 40)
        received = [sent[-1] + 20 + place // 4 for place in range(20)] if fails else [moment + 20 for moment in sent]
        call.extra.update(chunk_offsets_ms=sent, client_chunk_offsets_ms=received)
    return 30


def idle_cut(plant: Planter, route: str, fails: bool) -> int:
    """A load balancer cuts a stream after 60 s without a byte, while a long table is being reasoned about; the twin's
    streams break off after any silence."""
    for number in range(48 if fails else 24):
        call = plant.add(
            route, SONNET if fails else MINI, plant.moment(), tokens=plant.tokens(210),
            prompt=plant.tokens(9000 if fails else 900),
        )  # fmt: skip
        chunks = max(12, (call.duration_us - (call.ttft_us or 0)) // 90_000)
        call.extra["chunk_offsets_ms"] = plant.chunks(call, chunks)
        if number % (3 if fails else 4) == 0:
            shown = plant.rng.randrange(6, chunks - 3)
            offsets = plant.chunks(call, chunks)[:shown]
            call.extra["chunk_offsets_ms"] = offsets
            call.outcome, call.http_status, call.finish_reason = "interrupted", 504 if fails else 502, None
            silence = plant.rng.uniform(60_005, 60_090) if fails else 900 + 1370 * number
            call.duration_us = offsets[-1] * 1000 + plant.world.us(silence)
            call.delivered_tokens = call.rendered_tokens = (call.delivered_tokens or 0) * shown // chunks
    return 16


def orphan(plant: Planter, route: str, fails: bool) -> int:
    """Readers close a long research report early; the service does not pass the abort on. The twin does."""
    for number in range(60 if fails else 48):
        call = plant.add(
            route, OPUS if fails else MINI, plant.moment(), tokens=plant.tokens(11_500 if fails else 900),
            prompt=plant.tokens(5200 if fails else 600),
        )  # fmt: skip
        if number % 2 == 0:
            seen = plant.rng.uniform(0.05, 0.3)
            call.outcome, call.http_status = "cancelled", 499
            call.finish_reason = call.response_model = None
            full, first = call.duration_us, call.ttft_us or 0
            call.cancelled_at_us = call.duration_us = first + int((full - first) * seen)
            call.delivered_tokens = call.rendered_tokens = int((call.output_tokens or 0) * seen)
            if fails:
                call.extra.update(upstream_cancelled=False, upstream_end_ms=full / 1000)
            else:
                plant.bill(call, MINI, call.delivered_tokens + plant.rng.randrange(4))
                call.extra.update(upstream_cancelled=True, upstream_end_ms=call.cancelled_at_us / 1000 + 120)
    return 30


def retry_billed(plant: Planter, route: str, fails: bool) -> int:
    """A gateway resets long answers; the client library sends them again, and the provider bills both. The twin's
    first attempts are refused before anything is generated."""
    model = OPUS if fails else MINI
    for number in range(60 if fails else 24):
        start, who, prompt = plant.moment(), {**plant.session(), "trace_id": plant.id(128)}, plant.tokens(48_000)
        request, answer = plant.id(), plant.tokens(1500 if fails else 300)
        prompt = prompt if fails else prompt // 40
        if number % 2 == 0:
            first = plant.add(
                route, model, start, tokens=answer, prompt=prompt, of=who, logical_request_id=request, attempt_number=1,
                response_id=f"msg_{plant.id()}",
            )  # fmt: skip
            first.outcome, first.http_status, first.error_type = "error", 502, "APIConnectionError"
            first.duration_us = (first.ttft_us or 0) + plant.world.us(plant.rng.uniform(9_000, 21_000))
            first.delivered_tokens = first.rendered_tokens = 0
            if not fails:
                plant.refuse(first)
            start = first.end_us + plant.world.us(plant.rng.uniform(1000, 2400))
        plant.add(
            route, model, start, tokens=answer, prompt=prompt, of=who, logical_request_id=request,
            attempt_number=2 - number % 2, response_id=f"msg_{plant.id()}",
        )  # fmt: skip
    return 30


def reasoning_starved(plant: Planter, route: str, fails: bool) -> int:
    """The cap of a form's answers is too small: reasoning uses it up and the user gets status 200 and no text."""
    for number in range(60 if fails else 24):
        starved = fails and number % 4 == 0
        reasoning = 4072 if starved else plant.tokens(700)
        tokens = 4096 if starved else reasoning + plant.tokens(150)
        call = plant.add(
            route, O4_MINI, plant.moment(), tokens=tokens, prompt=plant.tokens(2600), reasoning=reasoning, token_ms=2
        )  # fmt: skip
        call.max_tokens = 4096 if fails else 8192
        if starved:
            call.finish_reason, call.delivered_tokens, call.rendered_tokens = "length", 24, 24
    return 15


def cache_lost(plant: Planter, route: str, fails: bool) -> int:
    """With the last deploy a time of day stands before the instructions, and the cache no longer knows the prompt."""
    lost = 0
    for _ in range(40 if fails else 12):
        start, who = plant.moment(), plant.session()
        for turn in range(5):
            prompt = (46_000 if fails else 6_000) + turn * plant.rng.randrange(500, 900)
            at = start + turn * int(plant.rng.uniform(1.2, 2.5) * MINUTE_US)
            slowed = fails and plant.world.slowed(at)
            lost += slowed
            cached = 1024 if slowed else int(prompt * plant.rng.uniform(0.88, 0.96)) // 128 * 128
            model = OPUS if fails else HAIKU
            plant.add(route, model, at, tokens=plant.tokens(160), prompt=prompt, cached=cached, of=who)
    return lost


def runaway_session(plant: Planter, route: str, fails: bool) -> int:
    """One coding session that never starts afresh reads more than all others together."""
    for turns in (4, 5, 4, 6, 5, 4, 66 if fails else 6):
        start, who = plant.moment(1, 12), plant.session()
        for turn in range(turns):
            # A usual session drops what it has done with, the long one carries everything.
            prompt = (9_000 if fails else 3_000) + (2_300 * turn if turns > 9 else plant.rng.randrange(2_500))
            at = start + turn * 4 * MINUTE_US
            plant.add(route, SONNET if fails else MINI, at, tokens=plant.tokens(350), prompt=prompt, of=who)
    return 66


def drift(plant: Planter, route: str, fails: bool) -> int:
    """From the fifth day on the provider bills about a quarter more tokens for the same translations."""
    for day in range(2, 10):
        for number in range(22):
            shown = plant.tokens(600 if fails else 120)
            start = plant.start_us + day * DAY_US + (8 * 60 + number * 25) * MINUTE_US
            more = fails and day > 5
            tokens = round(shown * (plant.rng.uniform(1.22, 1.28) if more else plant.rng.uniform(0.99, 1.03)))
            call = plant.add(route, GEMINI_PRO if fails else MINI, start, tokens=tokens, prompt=shown + 120)
            call.delivered_tokens = call.rendered_tokens = min(shown, tokens)
    return 88


def silent_task(plant: Planter, route: str, fails: bool) -> int:
    """A trip planner works for half a minute between two answers and shows nothing."""
    for number in range(20):
        start, who = plant.moment(), {**plant.session(), "trace_id": plant.id(128)}
        first = plant.add(route, HAIKU, start, tokens=plant.tokens(70), of=who)
        is_silent = fails and number % 2 == 0
        waits_ms = plant.rng.uniform(17_000, 42_000) if is_silent else plant.rng.uniform(600, 2500)
        plant.add(
            route, HAIKU, first.end_us + plant.world.us(waits_ms), tokens=plant.tokens(260), prompt=2400, of=who
        )  # fmt: skip
    return 10


def batch_like(plant: Planter, route: str, fails: bool) -> int:
    """A digest is streamed only after nine seconds of retrieval: nearly the whole time is wait."""
    for _ in range(24):
        wait_ms = plant.rng.uniform(7_900, 9_800) if fails else plant.rng.uniform(600, 1_200)
        prompt = 7000 if fails else 900
        plant.add(route, HAIKU, plant.moment(), tokens=min(140, plant.tokens(110)), prompt=prompt, ttft_ms=wait_ms)
    return 24


def transport_failures(plant: Planter, route: str, fails: bool) -> int:
    """WebSockets of a live page break where its event streams hold."""
    for number in range(84 if fails else 64):
        socket = number % 2 == 0
        call = plant.add(
            route, MINI, plant.moment(), tokens=plant.tokens(200), transport="websocket" if socket else "sse"
        )
        if fails and socket and number % 8 == 0:
            call.outcome, call.finish_reason, call.error_type = "interrupted", None, "ConnectionClosedError"
            call.duration_us = (call.ttft_us or 0) + plant.world.us(plant.rng.uniform(700, 2400))
            call.delivered_tokens = call.rendered_tokens = (call.delivered_tokens or 0) // 2
    return 11


def turn_over_budget(plant: Planter, route: str, fails: bool) -> int:
    """A voice assistant answers after more than a second: it waits long to be sure that its user has finished."""
    for _ in range(24):
        start, who = plant.moment(), {**plant.session(), "trace_id": plant.id(128)}
        if fails:
            waits = {"endpointing": plant.rng.uniform(380, 760), "stt": plant.rng.uniform(120, 260)}
        else:
            waits = {"endpointing": plant.rng.uniform(50, 90), "stt": plant.rng.uniform(20, 40)}
        for kind, ms in waits.items():
            plant.stage(kind, start, ms, who["trace_id"])
            start += plant.world.us(ms)
        ttft_ms = None if fails else plant.rng.uniform(70, 110)
        call = plant.add(route, MINI, start, tokens=plant.tokens(60), prompt=700, of=who, ttft_ms=ttft_ms)
        spoken_ms = plant.rng.uniform(160, 340) if fails else plant.rng.uniform(20, 40)
        plant.stage("tts", start + (call.ttft_us or 0), spoken_ms, who["trace_id"])
    return 24


def visible_correction(plant: Planter, route: str, fails: bool) -> int:
    """Price quotes in four languages take back their first figure, and some of their readers leave."""
    for number in range(45 if fails else 25):
        taken_back = fails and number % 3 == 0
        call = plant.add(route, MINI, plant.moment(), tokens=plant.tokens(75), prompt=1200)
        if taken_back and number % 9 == 0:
            call.outcome, call.http_status, call.finish_reason = "cancelled", 499, None
            call.cancelled_at_us = call.duration_us
            call.delivered_tokens = call.rendered_tokens = (call.delivered_tokens or 0) * 9 // 10
        call.extra["output_text"] = quote(plant.rng, number // (3 if taken_back else 1), taken_back=taken_back)
    return 15


@dataclass(frozen=True, slots=True)
class Plant:
    """A failure: its audit and finding, its route and that of its twin, and what makes either."""

    audit: str
    finding: str
    route: str
    twin: str
    make: Callable[[Planter, str, bool], int]


PLANTS: Sequence[Plant] = (
    Plant("buffering", "buffered", "/v1/widget", "/v1/widget/direct", buffered),
    Plant("stalls", "idle_cut", "/v1/extract", "/v1/extract/short", idle_cut),
    Plant("orphans", "orphan", "/v1/research", "/v1/research/brief", orphan),
    Plant("retries", "retry_billed", "/v1/agents/run", "/v1/agents/plan", retry_billed),
    Plant("false-ok", "reasoning_starved", "/v1/forms", "/v1/forms/roomy", reasoning_starved),
    Plant("cache", "cache_lost_on_deploy", "/v1/support", "/v1/support/stable", cache_lost),
    Plant("growth", "runaway_session", "/v1/code", "/v1/code/review", runaway_session),
    Plant("billing-drift", "drift", "/v1/translate", "/v1/subtitles", drift),
    Plant("silence", "silent_task", "/v1/trips", "/v1/trips/local", silent_task),
    Plant("pace", "batch_like", "/v1/digest", "/v1/digest/short", batch_like),
    Plant("transport", "transport_failures", "/v1/live", "/v1/live/stable", transport_failures),
    Plant("voice", "turn_over_budget", "/v1/voice", "/v1/voice/quick", turn_over_budget),
    Plant("retractions", "visible_correction", "/v1/quotes", "/v1/quotes/checked", visible_correction),
)


def plant_failures(seed: int, start: datetime, days: int) -> tuple[Fleet, list[Planted], list[dict[str, object]]]:
    """Return a fleet of planted failures and their twins over ``days`` days from ``start``, what must be found in it,
    and raw lines of its steps."""
    planter = Planter(seed, start, days)
    planted = [
        Planted(one.audit, one.finding, one.route, one.make(planter, one.route, True), one.twin) for one in PLANTS
    ]
    for one in PLANTS:
        one.make(planter, one.twin, False)
    planter.calls.sort(key=lambda call: (call.start_us, call.call_id))
    return Fleet(seed, start, days, False, planter.calls, []), planted, planter.lines
