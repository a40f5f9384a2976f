"""What a Langfuse project holds of a fleet: a neutral `Observation` for every call and step.

Langfuse has no stream flag and no cancellation: those go into metadata, where an application would put them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sample_traces.model import Call, Fleet, Step
from sample_traces.writers import answer_text, call_answer, dump, ms, prompt_text

JUDGE_ENVIRONMENT = "langfuse-llm-as-a-judge"
JUDGES = 2
STEP_TYPES = {"workflow": "SPAN", "agent": "AGENT", "tool": "TOOL", "retrieval": "RETRIEVER"}
STATUS_MESSAGES = {
    "ReadTimeout": "ReadTimeout: The read operation timed out",
    "RateLimitError": "RateLimitError: Error code: 429 - rate limit reached for requests",
    "InternalServerError": "InternalServerError: Error code: 500 - the server had an error",
    "APIError": "APIError: The server had an error while processing the stream",
}

Metadata = dict[str, str | int | float | bool]


@dataclass(frozen=True, slots=True)
class Observation:
    """A call, a step or one of Langfuse's own calls, in no shape yet. Instants in microseconds since 1970."""

    id: str
    trace_id: str
    parent: str | None
    type: str
    name: str
    start_us: int
    end_us: int
    first_us: int | None
    level: str
    status_message: str
    release: str
    environment: str
    user: str
    session: str
    trace_name: str
    model: str
    parameters: dict[str, int]
    usage: dict[str, int]
    cost: dict[str, float]
    metadata: Metadata
    input: str
    output: str


def observations(fleet: Fleet) -> Iterator[Observation]:
    """Yield steps and calls in order of start, then a few calls of Langfuse's own judge."""
    found = [_of_call(fleet, call) for call in fleet.calls] + [_of_step(fleet, step) for step in fleet.steps]
    yield from sorted(found, key=lambda each: (each.start_us, each.id))
    judged = [call for call in fleet.calls if call.scenario == "completed_stream"][:JUDGES]
    yield from (_judge(fleet, call) for call in judged)


def _of_call(fleet: Fleet, call: Call) -> Observation:
    outer = call.scenario == "nested_outer"
    return Observation(
        id=call.call_id,
        trace_id=call.trace_id,
        parent=call.parent_id,
        type="EMBEDDING" if call.operation == "embedding" else "GENERATION",
        name="embed-query" if call.operation == "embedding" else "ChatOpenAI" if outer else "answer",
        start_us=call.start_us,
        end_us=call.end_us,
        first_us=None if call.ttft_us is None else call.start_us + call.ttft_us,
        level="ERROR" if call.error_type else "DEFAULT",
        status_message=STATUS_MESSAGES[call.error_type] if call.error_type else "",
        release=call.deploy,
        environment=call.environment,
        user=call.user_id,
        session=call.session_id,
        trace_name=call.route,
        model=call.logged_model,
        parameters={"max_tokens": call.max_tokens} if call.max_tokens else {},
        usage=_usage(call),
        cost=_cost(call),
        metadata=_metadata(call),
        input=dump([{"role": "user", "content": prompt_text(fleet, call.number)}]),
        output=call_answer(fleet, call),
    )


def _usage(call: Call) -> dict[str, int]:
    """Exclusive buckets and their total; empty when the log has no usage."""
    if call.input_tokens is None or call.output_tokens is None:
        return {}
    cached, reasoning = call.cached_input_tokens or 0, call.reasoning_tokens or 0
    return {
        "input": call.input_tokens - cached,
        "input_cached_tokens": cached,
        "output": call.output_tokens - reasoning,
        "output_reasoning_tokens": reasoning,
        "total": call.input_tokens + call.output_tokens,
    }


def _cost(call: Call) -> dict[str, float]:
    """Dollars by side and their total; empty when unknown."""
    if call.input_cost_usd is None or call.output_cost_usd is None or call.cost_usd is None:
        return {}
    return {"input": call.input_cost_usd, "output": call.output_cost_usd, "total": call.cost_usd}


def _metadata(call: Call) -> Metadata:
    values: dict[str, str | int | float | bool | None] = {
        "tenant": call.tenant,
        "route": call.route,
        "provider": call.provider,
        "resourceAttributes.service.name": call.service,
        "stream": call.streamed,
        "rendered_tokens": call.rendered_tokens,
        "streamed_output_tokens": call.delivered_tokens,
        "time_to_first_output_token_ms": ms(call.ttvt_us),
        "cancelled": True if call.outcome == "cancelled" else None,
        "cancelled_at_ms": ms(call.cancelled_at_us),
        "finish_reason": call.finish_reason,
        "http_status": call.http_status,
        "cache_hit": call.cache_hit,
    }
    return {name: value for name, value in values.items() if value is not None}


def _of_step(fleet: Fleet, step: Step) -> Observation:
    call = step.call
    owner: Metadata = {"tenant": call.tenant} if call.tenant else {}
    usage: dict[str, int] = {}
    if step.input_tokens is not None and step.output_tokens is not None:
        both = step.input_tokens + step.output_tokens
        usage = {"input": step.input_tokens, "output": step.output_tokens, "total": both}
    return Observation(
        id=step.span_id,
        trace_id=step.trace_id,
        parent=step.parent_id,
        type=STEP_TYPES[step.kind],
        name=step.name,
        start_us=step.start_us,
        end_us=step.end_us,
        first_us=None,
        level="DEFAULT",
        status_message="",
        release=call.deploy,
        environment=call.environment,
        user=call.user_id,
        session=call.session_id,
        trace_name=call.route,
        model="",
        parameters={},
        usage=usage,
        cost={},
        metadata={"route": call.route, "resourceAttributes.service.name": call.service, **owner},
        input=prompt_text(fleet, step.number),
        output=answer_text(fleet, step.number),
    )


def _judge(fleet: Fleet, call: Call) -> Observation:
    """A generation of Langfuse's own evaluator about a call: a real model call, but not the fleet's."""
    number = 1_000_000 + call.number
    return Observation(
        id=f"{int(call.call_id) ^ 0xFFFF:016d}"[-16:],
        trace_id=call.trace_id[::-1],
        parent=None,
        type="GENERATION",
        name="llm-as-a-judge",
        start_us=call.end_us + 60_000_000,
        end_us=call.end_us + 62_000_000,
        first_us=None,
        level="DEFAULT",
        status_message="",
        release="",
        environment=JUDGE_ENVIRONMENT,
        user="",
        session="",
        trace_name="Execute evaluator",
        model="gpt-4o-mini-2024-07-18",
        parameters={},
        usage={"input": 900, "output": 60, "total": 960},
        cost={"input": 0.000135, "output": 0.000036, "total": 0.000171},
        metadata={"tenant": call.tenant} if call.tenant else {},
        input=prompt_text(fleet, number),
        output=answer_text(fleet, number),
    )
