"""Simulate a fleet of LLM calls whose every figure is known, from a seed.

Each call follows one scenario of `scenarios.py`; a trace is one or a few calls under a workflow or agent.
"""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from sample_traces.model import (
    AGENT_PATH,
    EMBEDDING_MODEL,
    EPOCH,
    MODELS,
    ROUTES,
    TENANTS,
    Call,
    Fleet,
    Model,
    Route,
    Step,
    StepKind,
    Tenant,
)
from sample_traces.scenarios import SCENARIOS, World, fill

MIN_OF_EACH = 3
DAY_US = 86_400_000_000
HOUR_US = 3_600_000_000
HOUR_WEIGHTS = (1, 1, 1, 1, 1, 2, 4, 7, 10, 12, 12, 11, 10, 11, 12, 12, 11, 9, 7, 5, 4, 3, 2, 1)
WEEKEND_WEIGHT = 0.4
QUIET_END_US = 900_000_000  # no trace starts later before the end: all calls start within the window


def simulate(calls: int, seed: int, start: datetime, days: int, whole_ms: bool = False) -> Fleet:
    """Simulate `calls` counted calls (embeddings included) over `days` days from `start`, an aware datetime.

    Outer spans that repeat a nested call come on top and are not `counted`. With `whole_ms` all times are
    whole milliseconds, for formats that hold no more.
    """
    if calls < 1 or days < 1:
        raise ValueError("a fleet needs at least one call and one day")
    start_us = (start - EPOCH) // (EPOCH.resolution)
    world = World(random.Random(seed), whole_ms, start, start_us // 1000 * 1000, days)
    builder = _Builder(world)
    for names in _group(world.rng, _plan(world.rng, calls)):
        builder.trace(names)
    builder.calls.sort(key=lambda call: (call.start_us, call.call_id))
    builder.steps.sort(key=lambda step: (step.start_us, step.span_id))
    return Fleet(seed, start, days, whole_ms, builder.calls, builder.steps)


def _plan(rng: random.Random, calls: int) -> list[str]:
    """Name the scenario of every call: rare ones at least MIN_OF_EACH times, the rest completed streams."""
    rare = [
        name
        for name, scenario in SCENARIOS.items()
        if scenario.share
        for _ in range(max(MIN_OF_EACH, round(scenario.share * calls)))
    ]
    rng.shuffle(rare)
    plan = rare[:calls] + ["completed_stream"] * (calls - len(rare))
    rng.shuffle(plan)
    return plan


def _group(rng: random.Random, plan: list[str]) -> Iterator[list[str]]:
    """Cut the plan into traces, mostly of one call: embeddings first, what ends a trace last."""
    position = 0
    while position < len(plan):
        size = rng.choices((1, 2, 3), (0.92, 0.04, 0.04))[0]
        while "embedding" in plan[position : position + size] and size < 2:
            size += 1
        names = plan[position : position + size]
        position += size
        ends = [name for name in names if SCENARIOS[name].ends_trace]
        for extra in ends[1:]:
            yield [extra]
        goes_on = [name for name in names if not SCENARIOS[name].ends_trace]
        yield sorted(goes_on, key=lambda name: name != "embedding") + ends[:1]


class _Builder:
    """Collects calls and steps, trace by trace."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.calls: list[Call] = []
        self.steps: list[Step] = []
        self.number = 0

    def trace(self, names: list[str]) -> None:
        """Add one trace whose calls follow the named scenarios one after another."""
        world, rng = self.world, self.world.rng
        chats = sum(name != "embedding" for name in names)
        route = ROUTES[3] if chats > 1 else rng.choices(ROUTES, [each.weight for each in ROUTES])[0]
        start_us = self._trace_start()
        first = self._blank(route, _tenant(rng, any(SCENARIOS[name].cancelled for name in names)), start_us)
        clock = start_us + world.us(rng.uniform(1, 8))
        calls: list[Call] = []
        for name in names:
            model = EMBEDDING_MODEL if name == "embedding" else _model(rng, name)
            call = replace(
                first,
                number=self._next(),
                scenario=name,
                call_id=self._id(),
                model=model.name,
                provider=model.provider,
                operation="embedding" if name == "embedding" else "chat",
                start_us=clock,
            )
            fill(call, world, model, route)
            calls.append(call)
            self.calls.append(call)
            if name == "nested":
                self.calls.append(self._outer(call))
            clock = self._follow(call, more=len(calls) < len(names))
        self._root(calls, route, start_us, clock)

    def _blank(self, route: Route, tenant: Tenant, start_us: int) -> Call:
        """Return what all calls of a trace have in common."""
        world, rng = self.world, self.world.rng
        root_id = self._id()
        return Call(
            number=0,
            scenario="",
            call_id="",
            trace_id=f"{rng.getrandbits(128):032x}",
            parent_id=root_id,
            root_id=root_id,
            model="",
            provider="",
            route=route.path,
            service=route.service,
            environment="staging" if rng.random() < 0.03 else "production",
            deploy=world.deploy(start_us),
            tenant=tenant.name,
            user_id=f"u-{tenant.name or 'guest'}-{rng.randrange(1, 40)}",
            session_id=f"s-{rng.randrange(10**8):08d}",
            operation="chat",
            start_us=start_us,
        )

    def _outer(self, inner: Call) -> Call:
        """Wrap `inner` in a framework's span that repeats its model and usage and must not be counted."""
        world, rng = self.world, self.world.rng
        lead, tail = world.us(rng.uniform(0.4, 0.9)), world.us(rng.uniform(1, 9))
        outer = replace(
            inner,
            number=self._next(),
            scenario="nested_outer",
            call_id=self._id(),
            start_us=inner.start_us - lead,
            duration_us=lead + inner.duration_us + tail,
            ttft_us=None if inner.ttft_us is None else inner.ttft_us + lead + world.us(1),
            ttvt_us=None,
            response_model=None,
            delivered_tokens=None,
            rendered_tokens=None,
            counted=False,
        )
        inner.parent_id = outer.call_id
        return outer

    def _follow(self, call: Call, more: bool) -> int:
        """Add the tool or retrieval that follows a call, if any; return when the next call may start."""
        world = self.world
        clock = call.end_us + world.us(world.rng.uniform(10, 30))
        if call.operation == "embedding":
            return self._step(call, "retrieval", "vector_search", clock, world.us(world.rng.uniform(8, 90)))
        if more:
            return self._step(call, "tool", "lookup_order", clock, world.us(world.rng.uniform(40, 900)))
        return clock

    def _step(self, call: Call, kind: StepKind, name: str, start_us: int, duration_us: int) -> int:
        step = Step(
            number=self._next(),
            span_id=self._id(),
            trace_id=call.trace_id,
            parent_id=call.root_id,
            kind=kind,
            name=name,
            start_us=start_us,
            duration_us=duration_us,
            call=call,
        )
        self.steps.append(step)
        return step.end_us + self.world.us(5)

    def _root(self, calls: list[Call], route: Route, start_us: int, end_us: int) -> None:
        """Add the handler around a trace; an agent's carries the sum of its calls' usage, as real ones do."""
        agent = route.path == AGENT_PATH
        chats = [call for call in calls if call.operation == "chat"] or calls
        self.steps.append(
            Step(
                number=self._next(),
                span_id=calls[0].root_id,
                trace_id=calls[0].trace_id,
                parent_id=None,
                kind="agent" if agent else "workflow",
                name=route.path,
                start_us=start_us,
                duration_us=end_us - start_us,
                call=chats[-1],
                input_tokens=sum(call.input_tokens or 0 for call in chats) if agent else None,
                output_tokens=sum(call.output_tokens or 0 for call in chats) if agent else None,
            )
        )

    def _trace_start(self) -> int:
        """Draw an instant: busy office hours, quiet nights and weekends."""
        world, rng = self.world, self.world.rng
        weekdays = [(world.start.weekday() + day) % 7 for day in range(world.days)]
        day = rng.choices(range(world.days), [WEEKEND_WEIGHT if each > 4 else 1 for each in weekdays])[0]
        hour = rng.choices(range(24), HOUR_WEIGHTS)[0]
        offset = day * DAY_US + hour * HOUR_US + world.us(rng.uniform(0, HOUR_US / 1000))
        return world.start_us + min(offset, world.days * DAY_US - QUIET_END_US)

    def _id(self) -> str:
        """Return 16 decimal digits, a span id in hexadecimal and in decimal: ids agree in all formats."""
        return str(self.world.rng.randrange(10**15, 10**16))

    def _next(self) -> int:
        self.number += 1
        return self.number


def _tenant(rng: random.Random, cancelled: bool) -> Tenant:
    weights = [each.weight * (each.cancel_factor if cancelled else 1) for each in TENANTS]
    return rng.choices(TENANTS, weights)[0]


def _model(rng: random.Random, scenario: str) -> Model:
    """Choose a model that can play the scenario."""
    models = [
        model
        for model in MODELS
        if (scenario != "reasoning" or model.always_reasons or model.provider == "google")
        and (scenario not in {"completed_stream", "nested"} or not model.always_reasons)
    ]
    return rng.choices(models, [model.weight for model in models])[0]
