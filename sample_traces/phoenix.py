"""Write a fleet the way Arize Phoenix gives spans: a page of its REST API, items a line each, or a dataframe's rows."""

from collections.abc import Iterator
from pathlib import Path

from sample_traces.model import Call, Fleet, Step, instant
from sample_traces.otel import openinference, own_attributes
from sample_traces.writers import Record, answer_text, dump, write_lines, write_text

_KINDS = {"workflow": "CHAIN", "agent": "AGENT", "tool": "TOOL", "retrieval": "RETRIEVER"}


def write_phoenix(fleet: Fleet, path: str | Path) -> None:
    """Write one page of the REST API."""
    write_text(path, [dump({"data": list(items(fleet)), "next_cursor": None}), "\n"])


def write_phoenix_frame(fleet: Fleet, path: str | Path) -> None:
    """Write the rows of a spans dataframe as JSON lines: ids and attributes are columns of their own."""
    write_lines(path, (_row(item) for item in items(fleet)))


def items(fleet: Fleet) -> Iterator[Record]:
    """Yield every span, the latest first."""
    spans: list[Call | Step] = [*fleet.calls, *fleet.steps]
    for one in sorted(spans, key=lambda each: each.start_us, reverse=True):
        yield _of_call(fleet, one) if isinstance(one, Call) else _of_step(fleet, one)


def _of_call(fleet: Fleet, call: Call) -> Record:
    attributes = openinference(fleet, call)
    kind = attributes.pop("openinference.span.kind")
    own = own_attributes(call) | {"route": call.route, "release": call.deploy}
    for name in [name for name in own if name.startswith("llm.cost.")]:
        attributes[name] = own.pop(name)
    attributes["metadata"] = dump(own)
    known = {name: value for name, value in attributes.items() if value is not None and value != ""}
    events = [] if call.ttft_us is None else [_event("First Token Stream Event", call.start_us + call.ttft_us, {})]
    if call.error_type:
        told: Record = {"exception.type": call.error_type, "exception.message": answer_text(fleet, call.number)}
        events.append(_event("exception", call.end_us, told))
    return _item(call, "ChatCompletion", str(kind), known, events, "ERROR" if call.error_type else "OK")


def _of_step(fleet: Fleet, step: Step) -> Record:
    return _item(step, step.name, _KINDS[step.kind], {"output.value": answer_text(fleet, step.number)}, [], "UNSET")


def _item(one: Call | Step, name: str, kind: str, attributes: Record, events: list[Record], status: str) -> Record:
    span_id = one.call_id if isinstance(one, Call) else one.span_id
    return {
        "id": f"U3Bhbjo{span_id}", "name": name, "context": {"trace_id": one.trace_id, "span_id": span_id},
        "span_kind": kind, "parent_id": one.parent_id, "start_time": _iso(one.start_us), "end_time": _iso(one.end_us),
        "status_code": status, "status_message": "", "attributes": attributes, "events": events,
    }  # fmt: skip


def _event(name: str, at_us: int, attributes: Record) -> Record:
    return {"name": name, "timestamp": _iso(at_us), "attributes": attributes}


def _iso(us: int) -> str:
    return instant(us).isoformat()


def _row(item: Record) -> Record:
    context, attributes = item["context"], item["attributes"]
    assert isinstance(context, dict) and isinstance(attributes, dict)
    kept = {name: value for name, value in item.items() if name not in ("id", "context", "attributes")}
    ids = {f"context.{name}": value for name, value in context.items()}
    return {**kept, **ids, **{f"attributes.{name}": value for name, value in attributes.items()}}
