"""Write a fleet the way Datadog's LLM span export does: pages, items on lines, or bare attributes."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, cast

from sample_traces.model import Call, Fleet, Step
from sample_traces.writers import (
    Record,
    answer_text,
    call_answer,
    dump,
    ms,
    prompt_text,
    write_lines,
    write_text,
)

APP = "shop-assistant"
StartUnit = Literal["ns", "ms"]
Span = dict[str, Any]


def write_datadog(fleet: Fleet, path: str | Path, start_unit: StartUnit = "ns", jsonl: bool = False) -> None:
    """Write one export page, or its items a line each, with the start in the unit asked for."""
    items = datadog_items(fleet, start_unit)
    if jsonl:
        write_lines(path, items)
    else:
        write_text(path, [dump(page(list(items))), "\n"])


def write_datadog_flat(fleet: Fleet, path: str | Path, start_unit: StartUnit = "ns") -> None:
    """Write the attributes alone, a line each, as the tracer's own fetch gives them."""
    write_lines(path, (item["attributes"] for item in datadog_items(fleet, start_unit)))


def write_datadog_tracer(fleet: Fleet, path: str | Path, language: Literal["python", "js"] = "python") -> None:
    """Write what a tracer sends: an array of envelopes with a span each; languages spell kind and error differently."""
    write_text(path, [dump([_envelope(_attributes(item), language) for item in datadog_items(fleet)]), "\n"])


def write_datadog_intake(fleet: Fleet, path: str | Path, size: int = 20) -> None:
    """Write bodies of the HTTP API, a line each: batches of spans that share tags."""
    spans = [_of_intake(_attributes(item)) for item in datadog_items(fleet)]
    batches = (spans[start : start + size] for start in range(0, len(spans), size))
    write_lines(path, (
        {"data": {"type": "span", "attributes": {"ml_app": APP, "tags": ["region:eu"], "spans": batch}}}
        for batch in batches
    ))  # fmt: skip


def write_datadog_ddsql(fleet: Fleet, path: str | Path) -> None:
    """Write the CSV of a DDSQL query that selects everything there is, under its own names."""
    rows = []
    for item in datadog_items(fleet):
        span = _attributes(item)
        named = {
            "@trace_id": span["trace_id"], "@span_id": span["span_id"], "parent_id": span["parent_id"],
            "@meta.span.kind": span["span_kind"], "@name": span["name"], "@status": span["status"],
            "@start_ns": span["start_ns"], "@duration": span["duration"], "@meta.model_name": span.get("model_name"),
            "@meta.model_provider": span.get("model_provider"), "@tags": dump(span["tags"]),
        }  # fmt: skip
        named |= {f"@metrics.{key}": value for key, value in span["metrics"].items()}
        rows.append(named | {f"@{key}": value for key, value in span["metadata"].items()})
    with Path(path).open("w", newline="") as out:
        table = csv.DictWriter(out, list(dict.fromkeys(key for row in rows for key in row)))
        table.writeheader()
        table.writerows(rows)


def _attributes(item: Record) -> Span:
    return cast(Span, item["attributes"])


def _envelope(span: Span, language: str) -> Span:
    error, meta = span["status"] == "error", _meta(span)
    kind = span["span_kind"]
    meta |= {"span": {"kind": kind}} if language == "python" else {"span.kind": kind}
    if error:
        name = next((tag.partition(":")[2] for tag in span["tags"] if tag.startswith("error_type:")), "Error")
        meta |= {"error": {"type": name}} if language == "python" else {"error.type": name}
    kept = ("span_id", "trace_id", "parent_id", "name", "status", "start_ns", "duration", "metrics")
    tags = [tag for tag in span["tags"] if not tag.startswith("error_type:")]
    event = {**{key: span[key] for key in kept}, "meta": meta, "tags": tags, "_dd": {"sample_rate": "1"}}
    return {"_dd.stage": "raw", "_dd.tracer_version": "4.10.4", "event_type": "span", "spans": [event]}


def _of_intake(span: Span) -> Span:
    meta = _meta(span) | {"kind": span["span_kind"]}
    meta["metadata"] |= {key: meta.pop(key) for key in ("model_name", "model_provider") if key in meta}
    kept = ("span_id", "trace_id", "parent_id", "name", "status", "start_ns", "duration", "metrics", "tags")
    return {**{key: span[key] for key in kept}, "meta": meta}


def _meta(span: Span) -> Span:
    """What a tracer keeps under ``meta``: texts as messages where they were messages."""
    named: Span = {key: span[key] for key in ("model_name", "model_provider") if key in span}
    texts = {
        side: {"messages": span[side]["messages"]} if "messages" in span[side] else span[side]
        for side in ("input", "output")
    }
    return {**named, **texts, "metadata": dict(span["metadata"])}


def page(items: list[Record]) -> Record:
    """Wrap items as the last page of an export."""
    return {
        "data": items,
        "meta": {"elapsed": 336, "page": None, "request_id": "pddv1ChZFbGVj", "status": "done"},
    }


def datadog_items(fleet: Fleet, start_unit: StartUnit = "ns") -> Iterator[Record]:
    """Yield every span as an item, in order of start."""
    spans: list[Call | Step] = [*fleet.calls, *fleet.steps]
    for span in sorted(spans, key=lambda each: each.start_us):
        attributes = _of_call(fleet, span) if isinstance(span, Call) else _of_step(fleet, span)
        attributes["start_ns"] = span.start_us * 1000 if start_unit == "ns" else span.start_us // 1000
        yield {"id": attributes["span_id"], "type": "span", "attributes": attributes}


def _of_call(fleet: Fleet, call: Call) -> Record:
    prompt, answer = prompt_text(fleet, call.number), call_answer(fleet, call)
    return {
        "duration": float(call.duration_us * 1000),
        "input": {"messages": [{"role": "user", "content": prompt}], "value": prompt},
        "output": {"messages": [{"role": "assistant", "content": answer}], "value": answer},
        "metadata": _metadata(call),
        "metrics": _metrics(call),
        "ml_app": APP,
        "model_name": call.logged_model,
        "model_provider": call.provider,
        "name": _name(call),
        "parent_id": call.parent_id,
        "span_id": call.call_id,
        "span_kind": "embedding" if call.operation == "embedding" else "llm",
        "status": "error" if call.error_type else "ok",
        "tags": _tags(call, call.error_type),
        "trace_id": call.trace_id,
    }


def _name(call: Call) -> str:
    if call.operation == "embedding":
        return "OpenAI.createEmbedding"
    if call.scenario == "nested_outer":
        return "langchain_openai.chat_models.base.ChatOpenAI"
    return "litellm_llm_call" if _by_litellm(call) else "OpenAI.createChatCompletion"


def _by_litellm(call: Call) -> bool:
    """Half the calls that did not stream went through a gateway that logs their duration as TTFT."""
    return call.operation == "chat" and not call.streamed and call.number % 2 == 0


def _metadata(call: Call) -> Record:
    values: Record = {
        "stream": call.streamed,
        "max_tokens": call.max_tokens,
        "cancelled": True if call.outcome == "cancelled" else None,
        "cancelled_at_ms": ms(call.cancelled_at_us),
        "finish_reason": call.finish_reason,
        "http_status": call.http_status,
        "cache_hit": call.cache_hit,
    }
    return {name: value for name, value in values.items() if value is not None}


def _metrics(call: Call) -> Record:
    """Tokens as floats, TTFT in seconds, costs in nanodollars; unknown values are absent."""
    ttft_us = call.duration_us if _by_litellm(call) else call.ttft_us
    fresh = total = None
    if call.input_tokens is not None and call.output_tokens is not None:
        fresh = call.input_tokens - (call.cached_input_tokens or 0)
        total = call.input_tokens + call.output_tokens
    tokens = {
        "input_tokens": call.input_tokens,
        "output_tokens": call.output_tokens,
        "total_tokens": total,
        "cache_read_input_tokens": call.cached_input_tokens,
        "non_cached_input_tokens": fresh,
        "reasoning_output_tokens": call.reasoning_tokens,
        "rendered_tokens": call.rendered_tokens,
        "streamed_output_tokens": call.delivered_tokens,
    }
    values: Record = {name: float(value) for name, value in tokens.items() if value is not None}
    if ttft_us is not None:
        values["time_to_first_token"] = ttft_us / 1e6
    if call.ttvt_us is not None:
        values["time_to_first_output_token_ms"] = ms(call.ttvt_us)
    if call.cost_nano is not None:
        values["estimated_input_cost"] = call.input_cost_nano
        values["estimated_output_cost"] = call.output_cost_nano
        values["estimated_total_cost"] = call.cost_nano
    return values


def _of_step(fleet: Fleet, step: Step) -> Record:
    metrics: Record = {}
    if step.input_tokens is not None and step.output_tokens is not None:
        metrics = {"input_tokens": float(step.input_tokens), "output_tokens": float(step.output_tokens)}
    return {
        "duration": float(step.duration_us * 1000),
        "input": {"value": prompt_text(fleet, step.number)},
        "output": {"value": answer_text(fleet, step.number)},
        "metadata": {},
        "metrics": metrics,
        "ml_app": APP,
        "name": step.name,
        "parent_id": step.parent_id or "undefined",
        "span_id": step.span_id,
        "span_kind": step.kind,
        "status": "ok",
        "tags": _tags(step.call, None),
        "trace_id": step.trace_id,
    }


def _tags(call: Call, error_type: str | None) -> list[str]:
    """Tags as the backend stores them: sorted, lower case, a key repeated."""
    tags = [
        f"agent_service:{APP}",
        "ddtrace.version:4.10.4",
        f"env:{call.environment}",
        f"error:{int(error_type is not None)}",
        "language:python",
        f"ml_app:{APP}",
        f"route:{call.route}",
        f"service:{call.service}",
        f"session_id:{call.session_id}",
        "source:integration",
        "source:llm-observability",
        f"user_id:{call.user_id}",
        f"version:{call.deploy}",
    ]
    if error_type:
        tags.append(f"error_type:{error_type}")
    if call.tenant:
        tags.append(f"tenant_id:{call.tenant}")
    return sorted(tag.lower() for tag in tags)
