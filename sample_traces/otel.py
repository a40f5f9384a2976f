"""Write a fleet the way OpenTelemetry exporters do: OTLP JSON, a batch a line, in the names of several libraries."""

from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Literal

from sample_traces.model import Call, Fleet, Step
from sample_traces.writers import Record, answer_text, call_answer, dump, ms, prompt_text, write_lines, write_text

Library = Literal["conventions", "openllmetry", "openinference", "vercel"]
Attributes = dict[str, object]

SPANS_A_BATCH = 25
_SCOPES: dict[Library, str] = {
    "conventions": "opentelemetry.instrumentation.openai_v2",
    "openllmetry": "opentelemetry.instrumentation.openai.v1",
    "openinference": "openinference.instrumentation.openai",
    "vercel": "ai",
}


def write_otel(fleet: Fleet, path: str | Path, library: Library = "conventions") -> None:
    """Write OTLP JSON lines in lowerCamelCase with times as text, as the collector's file exporter does."""
    write_lines(path, batches(fleet, library))


def write_otel_snake(fleet: Fleet, path: str | Path) -> None:
    """Write one array of batches with the protocol's own key names, times as numbers and upper-case ids."""
    write_text(path, [dump([_snake(batch) for batch in batches(fleet)]), "\n"])


def batches(fleet: Fleet, library: Library = "conventions") -> Iterator[Record]:
    """Yield every span in order of end, batch by batch, with neighbours of one process under its resource."""
    spans: list[Call | Step] = [*fleet.calls, *fleet.steps]
    spans.sort(key=lambda each: (each.end_us, each.start_us))
    for first in range(0, len(spans), SPANS_A_BATCH):
        batch = spans[first : first + SPANS_A_BATCH]
        yield {"resourceSpans": [
            {
                "resource": {"attributes": _listed(dict(zip(_RESOURCE, process, strict=True)))},
                "scopeSpans": [
                    {"scope": {"name": _SCOPES[library]}, "spans": [_span(fleet, one, library) for one in members]}
                ],
            }
            for process, members in groupby(batch, _process)
        ]}  # fmt: skip


_RESOURCE = ("service.name", "service.version", "deployment.environment.name")


def _process(one: Call | Step) -> tuple[str, str, str]:
    owner = one if isinstance(one, Call) else one.call
    return owner.service, owner.deploy, owner.environment


def _span(fleet: Fleet, one: Call | Step, library: Library) -> Record:
    if isinstance(one, Step):
        name, kind, attributes, events, failed = _of_step(fleet, one, library)
    else:
        name, kind, failed = _name(one, library), 3, one.error_type is not None
        attributes, events = {**_of_call(fleet, one, library), **_own(one, library)}, _events(one, library)
    span_id = one.call_id if isinstance(one, Call) else one.span_id
    return {
        "traceId": one.trace_id, "spanId": span_id, "parentSpanId": one.parent_id or "", "name": name, "kind": kind,
        "startTimeUnixNano": str(one.start_us * 1000), "endTimeUnixNano": str(one.end_us * 1000),
        "attributes": _listed(attributes), "events": events, "status": {"code": 2} if failed else {},
    }  # fmt: skip


def _of_step(fleet: Fleet, step: Step, library: Library) -> tuple[str, int, Attributes, list[Record], bool]:
    if step.parent_id is None:
        return f"POST {step.name}", 2, {"http.route": step.name, "http.request.method": "POST"}, [], False
    attributes: Attributes = {
        "conventions": {"gen_ai.operation.name": "execute_tool" if step.kind == "tool" else step.kind},
        "openllmetry": {"traceloop.span.kind": "tool" if step.kind == "tool" else "task"},
        "openinference": {"openinference.span.kind": "TOOL" if step.kind == "tool" else "RETRIEVER"},
        "vercel": {"ai.operationId": "ai.toolCall"},
    }[library]  # type: ignore[assignment]
    said = {"gen_ai.tool.call.result": answer_text(fleet, step.number)}
    return step.name, 1, {**attributes, **said}, [], False


def _name(call: Call, library: Library) -> str:
    if library == "vercel" and call.operation == "embedding":
        return "ai.embed.doEmbed"
    if library == "vercel":
        return "ai.streamText.doStream" if call.streamed else "ai.generateText.doGenerate"
    return f"{'chat' if call.operation == 'chat' else 'embeddings'} {call.model}"


def _of_call(fleet: Fleet, call: Call, library: Library) -> Attributes:
    """What a library records of a call, under its names; unknown values are absent."""
    values = _NAMES[library](fleet, call)
    return {name: value for name, value in values.items() if value is not None and value != ""}


def _conventions(fleet: Fleet, call: Call) -> Attributes:
    prompt, answer = prompt_text(fleet, call.number), call_answer(fleet, call)
    return {
        "gen_ai.operation.name": "chat" if call.operation == "chat" else "embeddings",
        "gen_ai.provider.name": call.provider,
        "gen_ai.request.model": call.model,
        "gen_ai.request.stream": call.streamed,
        "gen_ai.request.max_tokens": call.max_tokens,
        "gen_ai.response.model": call.response_model,
        "gen_ai.response.finish_reasons": [call.finish_reason] if call.finish_reason else None,
        "gen_ai.response.time_to_first_chunk": None if call.ttft_us is None else call.ttft_us / 1e6,
        "gen_ai.usage.input_tokens": call.input_tokens,
        "gen_ai.usage.cache_read.input_tokens": call.cached_input_tokens,
        "gen_ai.usage.output_tokens": call.output_tokens,
        "gen_ai.usage.reasoning.output_tokens": call.reasoning_tokens,
        "gen_ai.conversation.id": call.session_id,
        "gen_ai.input.messages": dump([{"role": "user", "parts": [{"type": "text", "content": prompt}]}]),
        "gen_ai.output.messages": answer and dump([{"role": "assistant", "parts": [{"content": answer}]}]),
        "user.id": call.user_id,
    }


def _openllmetry(fleet: Fleet, call: Call) -> Attributes:
    return {
        "llm.request.type": "chat" if call.operation == "chat" else "embedding",
        "gen_ai.system": call.provider.capitalize(),
        "gen_ai.request.model": call.model,
        "llm.is_streaming": call.streamed,
        "gen_ai.request.max_tokens": call.max_tokens,
        "gen_ai.response.model": call.response_model,
        "gen_ai.completion.0.finish_reason": call.finish_reason,
        "gen_ai.response.time_to_first_token": None if call.ttft_us is None else call.ttft_us / 1e6,
        "gen_ai.usage.prompt_tokens": call.input_tokens,
        "gen_ai.usage.cache_read_input_tokens": call.cached_input_tokens,
        "gen_ai.usage.completion_tokens": call.output_tokens,
        "llm.usage.reasoning_tokens": call.reasoning_tokens,
        "gen_ai.prompt.0.content": prompt_text(fleet, call.number),
        "gen_ai.completion.0.content": call_answer(fleet, call),
        "traceloop.association.properties.session_id": call.session_id,
        "traceloop.association.properties.user_id": call.user_id,
    }


def openinference(fleet: Fleet, call: Call) -> Attributes:
    """What OpenInference records: attributes alone, as Phoenix shows them too."""
    settings: Record = {"model": call.model, "stream": call.streamed, "max_tokens": call.max_tokens}
    return {
        "openinference.span.kind": "LLM" if call.operation == "chat" else "EMBEDDING",
        "llm.provider": call.provider,
        "llm.model_name": call.logged_model,
        "llm.invocation_parameters": dump({name: value for name, value in settings.items() if value is not None}),
        "llm.finish_reason": call.finish_reason,
        "llm.token_count.prompt": call.input_tokens,
        "llm.token_count.prompt_details.cache_read": call.cached_input_tokens,
        "llm.token_count.completion": call.output_tokens,
        "llm.token_count.completion_details.reasoning": call.reasoning_tokens,
        "input.value": prompt_text(fleet, call.number),
        "llm.output_messages.0.message.content": call_answer(fleet, call),
        "session.id": call.session_id,
        "user.id": call.user_id,
    }


def _vercel(fleet: Fleet, call: Call) -> Attributes:
    return {
        "ai.operationId": _name(call, "vercel"),
        "ai.model.provider": f"{call.provider}.chat",
        "ai.model.id": call.model,
        "ai.settings.maxOutputTokens": call.max_tokens,
        "ai.response.model": call.response_model,
        "ai.response.finishReason": call.finish_reason,
        "ai.response.msToFirstChunk": ms(call.ttft_us),
        "ai.usage.inputTokens": call.input_tokens,
        "ai.usage.cachedInputTokens": call.cached_input_tokens,
        "ai.usage.outputTokens": call.output_tokens,
        "ai.usage.reasoningTokens": call.reasoning_tokens,
        "ai.prompt.messages": dump([{"role": "user", "content": prompt_text(fleet, call.number)}]),
        "ai.response.text": call_answer(fleet, call),
        "ai.telemetry.metadata.userId": call.user_id,
        "ai.telemetry.metadata.sessionId": call.session_id,
    }


_NAMES: dict[Library, Callable[[Fleet, Call], Attributes]] = {
    "conventions": _conventions, "openllmetry": _openllmetry, "openinference": openinference, "vercel": _vercel,
}  # fmt: skip


def own_attributes(call: Call) -> Attributes:
    """What the application itself records beside the library."""
    values: Attributes = {
        "tenant_id": call.tenant,
        "cancelled": True if call.outcome == "cancelled" else None,
        "cancelled_at_ms": ms(call.cancelled_at_us),
        "http.response.status_code": call.http_status,
        "cache_hit": call.cache_hit,
        "time_to_first_output_token_ms": ms(call.ttvt_us),
        "rendered_tokens": call.rendered_tokens,
        "delivered_tokens": call.delivered_tokens,
        "llm.cost.prompt": call.input_cost_usd,
        "llm.cost.completion": call.output_cost_usd,
        "llm.cost.total": call.cost_usd,
    }
    return {name: value for name, value in values.items() if value is not None}


def _own(call: Call, library: Library) -> Attributes:
    prefix = {"vercel": "ai.telemetry.metadata.", "openllmetry": "traceloop.association.properties."}.get(library, "")
    named = {name if "." in name else prefix + name: value for name, value in own_attributes(call).items()}
    return named if call.error_type is None else {**named, "error.type": call.error_type}


def _events(call: Call, library: Library) -> list[Record]:
    if library != "openinference" or call.ttft_us is None:
        return []
    at = (call.start_us + call.ttft_us) * 1000
    return [{"name": "First Token Stream Event", "timeUnixNano": str(at)}]


def _listed(attributes: Attributes) -> list[Record]:
    return [{"key": name, "value": _value(value)} for name, value in attributes.items()]


def _value(value: object) -> Record:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_value(item) for item in value]}}
    return {"stringValue": str(value)}


def _snake(value: object) -> object:
    """The same in the protocol's own key names."""
    if isinstance(value, list):
        return [_snake(item) for item in value]
    if not isinstance(value, dict):
        return value
    changed: Record = {}
    for name, inner in value.items():
        spelled = "".join(f"_{sign.lower()}" if sign.isupper() else sign for sign in name)
        if spelled.endswith("_unix_nano") or spelled == "int_value":
            changed[spelled] = int(str(inner))
        elif spelled.endswith("_id"):
            changed[spelled] = str(inner).upper()
        else:
            changed[spelled] = _snake(inner)
    return changed
