"""Counted once: nested steps of one call, and one response exported by two sources, in whatever order they come."""

from pathlib import Path
from typing import Any

import pytest

from sample_traces.records import litellm, spend_row
from streamaudit.audits.scope.scope import Scope
from tests.support import (
    AUDITS,
    Record,
    datadog_span,
    ingest,
    langfuse_row,
    notes,
    otel_batch,
    otel_span,
    raw_call,
    rows_of,
    store_of,
    stored_calls,
    total,
    write_lines,
)

TRACE = {"trace_id": "t"}
# Generations by their type that are steps around a call.
STEPS = ("POST /v1/messages", "ai.streamText")


def row(id_: str, /, parent: str = "", output: int | None = 100, **fields: Any) -> Record:
    """A generation in the common trace, inside ``parent``."""
    usage = {} if output is None else {"input": 50, "output": output}
    return langfuse_row(id_, **TRACE, parent_observation_id=parent, usage_details=usage, **fields)


def span(name: str, parent: str = "undefined", **fields: Any) -> Record:
    """An llm span in the common trace, inside ``parent``."""
    return datadog_span(name, **TRACE, parent_id=parent, **fields)


# (steps of one trace, the calls that count)
CASES: dict[str, tuple[list[Record], set[str]]] = {
    "langfuse: a wrapper repeats the usage inside": ([row("outer"), row("inner", "outer")], {"inner"}),
    "langfuse: a wrapper sums two steps inside": (
        [row("outer", output=150), row("one", "outer", 100), row("two", "outer", 50)], {"one", "two"},
    ),
    "langfuse: an outer step with less usage is a call of its own": (
        [row("outer", output=99), row("inner", "outer")], {"outer", "inner"},
    ),
    "langfuse: an outer step without usage": ([row("outer", output=None), row("inner", "outer")], {"inner"}),
    "langfuse: a broken call, wrapped": ([row("outer", output=None), row("inner", "outer", None)], {"inner"}),
    "langfuse: a wrapper without a model around a broken call": (
        [row("outer", output=None, provided_model_name=""), row("inner", "outer", None)], {"inner"},
    ),
    "langfuse: another model behind a tool": (
        [row("outer", output=500), langfuse_row("tool", **TRACE, type="TOOL", parent_observation_id="outer"),
         row("inner", "tool", provided_model_name="o4-mini")], {"outer", "inner"},
    ),
    "langfuse: another model behind a tool, neither with usage": (
        [row("outer", output=None), langfuse_row("tool", **TRACE, type="TOOL", parent_observation_id="outer"),
         row("inner", "tool", None, provided_model_name="o4-mini")], {"outer", "inner"},
    ),
    "langfuse: a request of no model and no usage around two calls": (
        [row("outer", output=None, provided_model_name="", name="proxy"), row("one", "outer"), row("two", "outer")],
        {"one", "two"},
    ),
    "langfuse: a request of no model and no usage, alone": (
        [row("outer", output=None, provided_model_name="", name="proxy")], {"outer"},
    ),
    "langfuse: the HTTP request around a call": (
        [row("outer", output=None, provided_model_name="", name="POST /v1/messages"), row("inner", "outer", None)],
        {"inner"},
    ),
    "langfuse: Vercel's outer step with less usage than its steps": (
        [row("outer", output=9, name="ai.streamText"), row("one", "outer", name="ai.streamText.doStream"),
         row("two", "outer", name="ai.streamText.doStream")], {"one", "two"},
    ),
    "langfuse: an agent with the usage of its last call": (
        [row("outer", output=50, name="invoke_agent clerk"), row("one", "outer"), row("two", "outer", 50)],
        {"one", "two"},
    ),
    "langfuse: an agent by its type, with the usage of a session": (
        [row("outer", output=900, type="AGENT"),
         langfuse_row("tool", **TRACE, type="TOOL", parent_observation_id="outer"),
         row("one", "outer"), row("two", "tool", 50)], {"one", "two"},
    ),
    "langfuse: usage of a span beside a call, maybe of the same": (
        [row("span", type="SPAN"), row("call")], {"call"},
    ),
    "langfuse: another model asked by a tool": (
        [row("outer", output=300), langfuse_row("tool", **TRACE, type="TOOL", parent_observation_id="outer"),
         row("inner", "tool", provided_model_name="o4-mini")], {"outer", "inner"},
    ),
    "langfuse: the same model repeated below a tool": (
        [row("outer", output=300), langfuse_row("tool", **TRACE, type="TOOL", parent_observation_id="outer"),
         row("inner", "tool")], {"inner"},
    ),
    "langfuse: another model with no tool between": (
        [row("outer", output=300), row("inner", "outer", provided_model_name="o4-mini")], {"inner"},
    ),
    "langfuse: three wrappers of one call": (
        [row("outer"), row("middle", "outer"), row("inner", "middle")], {"inner"},
    ),
    "langfuse: a wrapper around a step without usage": (
        [row("outer"), row("inner", "outer", None)], {"inner"},
    ),
    "langfuse: another model without usage inside is another call": (
        [row("outer"), row("inner", "outer", None, provided_model_name="o4-mini")], {"outer", "inner"},
    ),
    "langfuse: a wrapper around a wrapper of a step without usage": (
        [row("outer"), row("middle", "outer"), row("inner", "middle", None)], {"inner"},
    ),
    "langfuse: a span between": (
        [row("outer"), langfuse_row("step", **TRACE, type="SPAN", parent_observation_id="outer"), row("inner", "step")],
        {"inner"},
    ),
    "langfuse: a parent in another trace": (
        [row("outer"), langfuse_row("inner", trace_id="elsewhere", parent_observation_id="outer")], {"outer", "inner"},
    ),
    "langfuse: a step that is its own parent": ([row("self", "self")], {"self"}),
    "langfuse: a circle of parents around a call": (
        [langfuse_row("a", **TRACE, type="SPAN", parent_observation_id="b"),
         langfuse_row("b", **TRACE, type="SPAN", parent_observation_id="a"), row("call", "a")], {"call"},
    ),
    "langfuse: an embedding inside": ([row("outer"), row("inner", "outer", type="EMBEDDING")], {"outer", "inner"}),
    "datadog: a framework's span of the same model": ([span("outer"), span("inner", "outer")], {"inner"}),
    "datadog: a dated model is the same model": (
        [span("outer", model_name="gpt-4o"), span("inner", "outer", model_name="gpt-4o-2024-08-06")], {"inner"},
    ),
    "datadog: another model is another call": (
        [span("outer", model_name="gpt-4o"), span("inner", "outer", model_name="o4-mini")], {"outer", "inner"},
    ),
    "datadog: the name of a region's profile of a model": (
        [span("outer", model_name="us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
         span("inner", "outer", model_name="anthropic.claude-sonnet-4-5-20250929-v1:0")],
        {"inner"},
    ),
    "datadog: the name that a framework puts a provider before": (
        [span("outer", model_name="openai:gpt-4o-mini"), span("inner", "outer")], {"inner"},
    ),
    "datadog: a deployment's own name, with the usage of the model inside": (
        [span("outer", model_name="acme-chat-eu"), span("inner", "outer")], {"inner"},
    ),
    "datadog: a deployment's own name, with other usage": (
        [span("outer", model_name="acme-chat-eu", metrics={"input_tokens": 400, "output_tokens": 20}),
         span("inner", "outer")],
        {"outer", "inner"},
    ),
    "datadog: the latest of a model is the same model": (
        [span("outer", model_name="claude-3-7-sonnet-latest", metrics={}),
         span("inner", "outer", model_name="claude-3-7-sonnet-20250219")],
        {"inner"},
    ),
    "datadog: a wrapper without a model": ([span("outer", model_name=""), span("inner", "outer")], {"inner"}),
    "datadog: a broken call, wrapped": (
        [span("outer", metrics={}, status="error"), span("inner", "outer", metrics={}, status="error")], {"inner"},
    ),
    "datadog: another model behind a tool": (
        [span("outer"), span("tool", "outer", span_kind="tool"), span("inner", "tool", model_name="")],
        {"outer", "inner"},
    ),
    "datadog: a longer answer of the same model behind a tool": (
        [span("outer", metrics={"input_tokens": 400, "output_tokens": 20}), span("tool", "outer", span_kind="tool"),
         span("inner", "tool")],
        {"outer", "inner"},
    ),
    "datadog: a step that began after the outer one ended": (
        [span("outer", duration=1e9), span("inner", "outer", start_ns=1_794_816_009_000_000_000)], {"outer", "inner"},
    ),
    "datadog: two attempts side by side": ([span("one"), span("two")], {"one", "two"}),
    "datadog: two attempts in one wrapper": (
        [span("outer"), span("one", "outer"), span("two", "outer")], {"one", "two"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("family", ["langfuse", "datadog"])
def test_nested_steps_of_one_call_are_counted_once_in_every_order_of_files(family: str, tmp_path: Path) -> None:
    """Every case in two traces of its own, all in one store; parent and child come in different files, in one trace in
    the order of the case and in the other backwards."""
    own = {name: case for name, case in CASES.items() if name.startswith(family)}
    renamed: list[list[Record]] = []
    expected: dict[str, bool] = {}
    keys = ("id", "parent_observation_id") if family == "langfuse" else ("span_id", "parent_id")
    for number, (records, counting) in enumerate([*own.values(), *own.values()]):
        named: list[Record] = []
        for record in records:
            changed = {**record, "trace_id": f"{number}-{record['trace_id']}"}
            for key in keys:
                changed[key] = f"{number}-{record[key]}" if record[key] not in ("", "undefined") else record[key]
            named.append(changed)
            is_call = record.get("type", "GENERATION") in ("GENERATION", "EMBEDDING")
            if is_call and record["name"] not in STEPS and record.get("span_kind") != "tool":
                expected[changed[keys[0]]] = record[keys[0]] in counting
        renamed.append(named if number < len(own) else named[::-1])
    files = [[named[place] for named in renamed if place < len(named)] for place in range(max(map(len, renamed)))]
    paths = [write_lines(tmp_path / f"{place}.jsonl", records) for place, records in enumerate(files)]
    with store_of(*paths) as store:
        stored = stored_calls(store)
        assert {name: call["counted"] for name, call in stored.items()} == expected
        nested = sum(not counts for counts in expected.values())
        assert notes(store, "report")["nested"] == nested
        assert [call["uncounted_reason"] for call in stored.values()].count("nested") == nested


def test_a_response_in_two_sources_is_counted_once_whichever_came_first(tmp_path: Path) -> None:
    """The source that knows the usage keeps it, and a note says how many there were."""
    first, last = ([
        raw_call(f"{when}-g1", response_id=f"{when}-r1", output_tokens=None),
        raw_call(f"{when}-g2", response_id=f"{when}-r2"), raw_call(f"{when}-g4"),
        raw_call(f"{when}-g3", response_id=f"{when}-r3", usage_source="estimated", output_tokens=999),
    ] for when in ("first", "last"))  # fmt: skip
    traced = [
        langfuse_row(f"{when}-l{n}", metadata={"response_id": f"{when}-r{n}", "usage_source": "provider_final"})
        for when in ("first", "last") for n in (1, 2, 3, 5)
    ]  # fmt: skip
    files = {"first": first, "traced": traced, "last": last}
    with store_of(*(write_lines(tmp_path / f"{name}.jsonl", records) for name, records in files.items())) as store:
        kept = {name for name, call in stored_calls(store).items() if call["counted"]}
        # r2 is known equally well in both: the first source by name keeps it.
        assert kept == {f"{when}-{name}" for when in ("first", "last") for name in ("l1", "l2", "l3", "g4", "l5")}
        report = AUDITS["report"].run(store, Scope())
    found = next(report.tables[0].records())
    assert (found["calls"], found["output_tokens"]) == (10, 1000)
    assert {note.code: note.count for note in report.notes}["same_response"] == 6


def test_a_response_seen_twice_in_one_source_is_two_calls(tmp_path: Path) -> None:
    """Only two sources can export one call twice under different ids."""
    records = [raw_call("a", response_id="r"), raw_call("b", response_id="r")]
    with store_of(write_lines(tmp_path / "calls.jsonl", records)) as store:
        assert all(call["counted"] for call in stored_calls(store).values())


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_call_in_litellms_payloads_and_in_its_spend_log_is_one(tmp_path: Path, order: tuple[int, int]) -> None:
    """A row of the log is known by the response, a payload by the proxy's id; a third tool may have the call too."""
    payloads = [litellm("call-1", id="chatcmpl-1"), litellm("call-2", id="chatcmpl-2")]
    files = [
        write_lines(tmp_path / "payload.jsonl", payloads),
        write_lines(tmp_path / "spend.jsonl", [spend_row("chatcmpl-1"), spend_row("chatcmpl-3")]),
    ]
    other = [langfuse_row(f"l{n}", metadata={"response_id": f"chatcmpl-{n}"}) for n in (1, 3)]
    with store_of(*(files[place] for place in order)) as store:
        assert total(store, "report")["calls"] == 3
        ingest(store, write_lines(tmp_path / "langfuse.jsonl", other))
        assert total(store, "report")["calls"] == 3


def test_a_nested_step_does_not_keep_the_response_that_it_repeats(tmp_path: Path) -> None:
    """Found nested later, it gives the response back to the other source: whatever the order the same calls count.
    The first trace arrives as outer, inner, gateway; the second backwards; of the third the inner step comes last."""

    def outer(at: int) -> Record:
        return {**row(f"outer-{at}", metadata={"response_id": f"r{at}"}), "trace_id": f"t{at}"}

    inner = [{**row(f"inner-{at}", f"outer-{at}"), "trace_id": f"t{at}"} for at in (1, 2, 3)]
    gateway = {at: raw_call(f"gateway-{at}", response_id=f"r{at}") for at in (1, 2, 3)}
    files = [[outer(1), outer(3)], [gateway[2], gateway[3]], inner, [gateway[1]], [outer(2)]]
    with store_of(*(write_lines(tmp_path / f"{place}.jsonl", file) for place, file in enumerate(files))) as store:
        found = {name: call["uncounted_reason"] for name, call in stored_calls(store).items()}
    assert found == {
        f"{name}-{at}": reason for at in (1, 2, 3)
        for name, reason in (("gateway", None), ("inner", None), ("outer", "nested"))
    }  # fmt: skip


def test_embeddings_are_stored_and_appear_only_by_operation(tmp_path: Path) -> None:
    """Everywhere else they are left out, and a note counts them."""
    records = [langfuse_row("chat"), langfuse_row("vector", type="EMBEDDING")]
    raw = [raw_call("embed", operation="embeddings"), raw_call("talk")]
    with store_of(write_lines(tmp_path / "1.jsonl", records), write_lines(tmp_path / "2.jsonl", raw)) as store:
        for name in ("report", "ttft", "tax"):
            plain, by_operation = (AUDITS[name].run(store, Scope(by=by)) for by in ((), ("operation",)))
            for report, calls, left_out in ((plain, 2, 2), (by_operation, 4, None)):
                (found,) = next(table for table in report.tables if table.name == "total").records()
                assert found["calls"] == calls
                assert {note.code: note.count for note in report.notes}.get("embeddings") == left_out
        assert {one["call_id"] for one in rows_of(store, "store.calls")} == {"chat", "vector", "embed", "talk"}


def test_a_gateways_name_for_a_group_of_models_is_the_model_that_answered(tmp_path: Path) -> None:
    """The gateway's span has the group that was asked for, and the model; its client's span has only the model."""
    trace = {"traceId": f"{7:032x}"}
    outer = otel_span("outer", {"gen_ai.request.model": "fast", "gen_ai.response.model": "gpt-4o-mini"}, **trace)
    inner = otel_span("inner", **trace, parentSpanId=outer["spanId"])
    with store_of(write_lines(tmp_path / "spans.jsonl", [otel_batch(outer, inner)])) as store:
        assert {call["model"]: call["counted"] for call in stored_calls(store).values()} == {
            "fast": False, "gpt-4o-mini": True,
        }  # fmt: skip
