"""How a call can go: one small function per scenario fills in what happened and what the logs know of it."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sample_traces.model import SLOWED_FACTOR, SLOWED_PATH, Call, Model, Route, instant

DEPLOY_SHARES = (0.0, 0.36, 0.68)  # of the window, at which each deploy goes live
MAX_TTFT_MS = 45_000


@dataclass(frozen=True, slots=True)
class World:
    """The source of chance and the calendar of one simulation."""

    rng: random.Random
    whole_ms: bool
    start: datetime
    start_us: int
    days: int

    def us(self, ms: float) -> int:
        """Turn milliseconds into microseconds, at least one unit of the fleet's precision."""
        return max(1, round(ms)) * 1000 if self.whole_ms else max(1, round(ms * 1000))

    def tokens(self, median: float, most: int, least: int = 1) -> int:
        """Draw a number of tokens."""
        return max(least, min(most, round(self.rng.lognormvariate(0, 0.6) * median)))

    def deploy(self, at_us: int) -> str:
        """Name the deploy that was live at an instant."""
        number = sum(at_us >= self._live_us(share) for share in DEPLOY_SHARES)
        return f"{instant(self._live_us(DEPLOY_SHARES[number - 1])):%Y.%m.%d}-{number}"

    def slowed(self, at_us: int) -> bool:
        """Whether the last deploy, the slow one, was live."""
        return at_us >= self._live_us(DEPLOY_SHARES[-1])

    def _live_us(self, share: float) -> int:
        return self.start_us + timedelta(days=self.days * share) // timedelta(microseconds=1)


Scene = Callable[[Call, World, Model, Route], None]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A way for a call to go, and its share of all calls (0: what is left)."""

    share: float
    scene: Scene
    cancelled: bool = False
    ends_trace: bool = False


def fill(call: Call, world: World, model: Model, route: Route) -> None:
    """Play the call's scenario."""
    SCENARIOS[call.scenario].scene(call, world, model, route)


def _bill(call: Call, model: Model, output: int, reasoning: int) -> None:
    """Record usage and cost as the provider reported them."""
    fresh = (call.input_tokens or 0) - (call.cached_input_tokens or 0)
    call.output_tokens, call.reasoning_tokens = output, reasoning
    call.input_cost_nano = fresh * model.input_nano + (call.cached_input_tokens or 0) * model.cached_nano
    call.output_cost_nano = output * model.output_nano


def _lose_usage(call: Call) -> None:
    """Forget usage and cost: the log has none."""
    call.input_tokens = call.cached_input_tokens = call.output_tokens = call.reasoning_tokens = None
    call.input_cost_nano = call.output_cost_nano = None


def _ttft_ms(call: Call, world: World, model: Model, route: Route) -> float:
    slow = SLOWED_FACTOR if call.route == SLOWED_PATH and world.slowed(call.start_us) else 1
    return min(MAX_TTFT_MS, model.ttft_ms * route.ttft_factor * slow * world.rng.lognormvariate(0, 0.45))


def _stream(call: Call, world: World, model: Model, route: Route) -> None:
    """A stream that runs to its natural end and whose usage is known."""
    rng = world.rng
    reasons = model.always_reasons or call.scenario == "reasoning"
    reasoning = world.tokens(650, 6000, 64) if reasons else 0
    call.max_tokens = 8192 if reasons else rng.choice((1024, 1024, 2048, 4096))
    visible = world.tokens(route.answer_tokens, min(call.max_tokens, 2000), 24)
    pace = model.token_ms * rng.uniform(0.8, 1.3)
    call.ttft_us = world.us(_ttft_ms(call, world, model, route))
    call.ttvt_us = call.ttft_us + (world.us(reasoning * pace) if reasoning else 0)
    call.duration_us = call.ttvt_us + world.us(visible * pace)
    call.finish_reason = "length" if visible == call.max_tokens else "stop"
    call.response_model = model.snapshot
    call.input_tokens = world.tokens(route.prompt_tokens, 60_000, 16)
    call.cached_input_tokens = call.input_tokens // 128 * 128 // 2 if rng.random() < 0.3 else 0
    _bill(call, model, visible + reasoning, reasoning)
    call.delivered_tokens = visible
    call.rendered_tokens = visible if rng.random() < 0.85 else None


def _non_stream(call: Call, world: World, model: Model, route: Route) -> None:
    """One answer in one piece: no first token to time."""
    _stream(call, world, model, route)
    call.streamed = False
    call.ttft_us = call.ttvt_us = None


def _no_usage(call: Call, world: World, model: Model, route: Route) -> None:
    """A completed stream whose usage chunk nobody asked for."""
    _stream(call, world, model, route)
    _lose_usage(call)


def _cache_hit(call: Call, world: World, model: Model, route: Route) -> None:
    """Answered from the application's cache: tokens logged, nothing billed, TTFT meaningless."""
    _stream(call, world, model, route)
    call.cache_hit = True
    call.ttft_us = call.ttvt_us = world.us(world.rng.uniform(1, 9))
    call.duration_us = call.ttft_us + world.us(world.rng.uniform(2, 20))
    call.input_cost_nano = call.output_cost_nano = 0


def _embedding(call: Call, world: World, model: Model, route: Route) -> None:
    """A vector for a query."""
    call.streamed = False
    call.duration_us = world.us(world.rng.uniform(30, 240))
    call.response_model = model.snapshot
    call.finish_reason = None
    call.input_tokens, call.cached_input_tokens = world.tokens(route.prompt_tokens / 20, 8000, 4), 0
    _bill(call, model, 0, 0)


def _abort(call: Call) -> None:
    """The user left: only the requested model name is known, and no finish reason came."""
    call.outcome, call.http_status = "cancelled", 499
    call.finish_reason = call.response_model = None


def _before_first(call: Call, world: World, model: Model, route: Route) -> None:
    """Left while waiting, usage never came."""
    _stream(call, world, model, route)
    _abort(call)
    ttft = call.ttft_us or 0
    call.cancelled_at_us = world.us(ttft / 1000 * world.rng.uniform(0.3, 0.9))
    call.duration_us = call.cancelled_at_us + world.us(world.rng.uniform(2, 40))
    call.ttft_us = call.ttvt_us = None
    call.delivered_tokens = call.rendered_tokens = 0
    _lose_usage(call)


def _before_first_billed(call: Call, world: World, model: Model, route: Route) -> None:
    """Left while waiting, but the provider ran on and billed the whole answer."""
    _stream(call, world, model, route)
    _abort(call)
    call.cancelled_at_us = world.us((call.ttft_us or 0) / 1000 * world.rng.uniform(0.3, 0.9))
    call.ttft_us = call.ttvt_us = None
    call.delivered_tokens = call.rendered_tokens = 0


def _before_first_clock(call: Call, world: World, model: Model, route: Route) -> None:
    """Left while waiting, by the clock alone: the gateway saw the first chunk after the user had gone."""
    _stream(call, world, model, route)
    _abort(call)
    call.cancelled_at_us = world.us((call.ttft_us or 0) / 1000 * world.rng.uniform(0.3, 0.9))
    call.delivered_tokens = call.rendered_tokens = None


def _mid_stream(call: Call, world: World, model: Model, route: Route) -> None:
    """Left while reading, with billed, delivered and rendered tokens all known."""
    rng = world.rng
    _stream(call, world, model, route)
    _abort(call)
    seen = rng.uniform(0.08, 0.9)
    first, visible = call.ttvt_us or 0, call.delivered_tokens or 0
    call.cancelled_at_us = first + world.us((call.duration_us - first) / 1000 * seen)
    delivered = min(visible, max(1, int(visible * seen)) + rng.randrange(0, 12))
    call.delivered_tokens = delivered
    call.rendered_tokens = max(0, delivered - rng.randrange(0, 25))
    if not model.runs_on_after_cancel:
        reasoning = call.reasoning_tokens or 0
        call.duration_us = call.cancelled_at_us + world.us(rng.uniform(3, 80))
        _bill(call, model, min(visible, delivered + rng.randrange(0, 40)) + reasoning, reasoning)


def _mid_estimated(call: Call, world: World, model: Model, route: Route) -> None:
    """Left while reading; what was shown is unknown, what was sent is not."""
    _mid_stream(call, world, model, route)
    call.rendered_tokens = None


def _mid_no_usage(call: Call, world: World, model: Model, route: Route) -> None:
    """Left while reading; what was billed is unknown, so the tax is too."""
    _mid_stream(call, world, model, route)
    _lose_usage(call)
    if world.rng.random() < 0.5:
        call.rendered_tokens = None


def _mid_no_evidence(call: Call, world: World, model: Model, route: Route) -> None:
    """Left while reading; the bill is known, but neither what was sent or shown nor when the user left."""
    _mid_stream(call, world, model, route)
    call.delivered_tokens = call.rendered_tokens = call.cancelled_at_us = None


def _rendered_exceeds(call: Call, world: World, model: Model, route: Route) -> None:
    """Left while reading; the page counts tokens with another tokenizer and sees more than were billed."""
    _mid_stream(call, world, model, route)
    call.rendered_tokens = (call.output_tokens or 0) + world.rng.randrange(3, 40)
    call.delivered_tokens = None


def _timeout(limit_s: int) -> Scene:
    """A stream cut by a limit of `limit_s` seconds; every other one still has its usage."""

    def scene(call: Call, world: World, model: Model, route: Route) -> None:
        _stream(call, world, model, route)
        call.outcome, call.http_status, call.error_type = "timeout", 504, "ReadTimeout"
        call.finish_reason = call.response_model = None
        call.duration_us = world.us(limit_s * 1000 + world.rng.uniform(1, 20))
        call.delivered_tokens = (call.delivered_tokens or 0) // 2
        call.rendered_tokens = call.delivered_tokens
        if call.number % 2:
            _lose_usage(call)

    return scene


def _refused(status: int, error_type: str) -> Scene:
    """A request the provider answered with an error and no chunk."""

    def scene(call: Call, world: World, model: Model, route: Route) -> None:
        _stream(call, world, model, route)
        call.outcome, call.http_status, call.error_type = "error", status, error_type
        call.finish_reason = call.response_model = None
        call.duration_us = world.us(world.rng.uniform(40, 1500))
        call.ttft_us = call.ttvt_us = call.delivered_tokens = call.rendered_tokens = None
        _lose_usage(call)

    return scene


def _error_mid_stream(call: Call, world: World, model: Model, route: Route) -> None:
    """Status 200, some chunks, then an error event."""
    _stream(call, world, model, route)
    call.outcome, call.error_type = "error", "APIError"
    call.finish_reason = call.response_model = None
    first = call.ttvt_us or 0
    call.duration_us = first + world.us((call.duration_us - first) / 1000 * world.rng.uniform(0.2, 0.9))
    call.delivered_tokens = max(1, (call.delivered_tokens or 0) // 3)
    call.rendered_tokens = call.delivered_tokens
    _lose_usage(call)


SCENARIOS: dict[str, Scenario] = {
    "completed_stream": Scenario(0, _stream),
    "reasoning": Scenario(0.08, _stream),
    "non_stream": Scenario(0.10, _non_stream),
    "completed_no_usage": Scenario(0.008, _no_usage),
    "nested": Scenario(0.02, _stream),
    "cache_hit": Scenario(0.03, _cache_hit),
    "embedding": Scenario(0.05, _embedding),
    "cancelled_before_first": Scenario(0.006, _before_first, True, True),
    "cancelled_before_first_billed": Scenario(0.006, _before_first_billed, True, True),
    "cancelled_before_first_clock": Scenario(0.004, _before_first_clock, True, True),
    "cancelled_exact": Scenario(0.028, _mid_stream, True, True),
    "cancelled_estimated": Scenario(0.012, _mid_estimated, True, True),
    "cancelled_no_usage": Scenario(0.007, _mid_no_usage, True, True),
    "cancelled_no_evidence": Scenario(0.004, _mid_no_evidence, True, True),
    "cancelled_rendered_exceeds": Scenario(0.002, _rendered_exceeds, True, True),
    "timeout_60s": Scenario(0.004, _timeout(60), False, True),
    "timeout_300s": Scenario(0.003, _timeout(300), False, True),
    "error_429": Scenario(0.006, _refused(429, "RateLimitError"), False, True),
    "error_500": Scenario(0.004, _refused(500, "InternalServerError"), False, True),
    "error_mid_stream": Scenario(0.004, _error_mid_stream, False, True),
}
