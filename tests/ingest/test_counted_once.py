"""Counted once: nested steps of one call, and one response exported by two sources, in whatever order they come."""

from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from tests.support import (
    Record,
    calls,
    datadog_span,
    langfuse_row,
    notes,
    raw_call,
    rows_of,
    store_of,
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
    "datadog: a wrapper without a model": ([span("outer", model_name=""), span("inner", "outer")], {"inner"}),
    "datadog: a broken call, wrapped": (
        [span("outer", metrics={}, status="error"), span("inner", "outer", metrics={}, status="error")], {"inner"},
    ),
    "datadog: another model behind a tool": (
        [span("outer"), span("tool", "outer", span_kind="tool"), span("inner", "tool", model_name="")],
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
    """Every case in a trace of its own, all in one store; parent and child may come in different files."""
    own = {name: case for name, case in CASES.items() if name.startswith(family)}
    renamed: list[list[Record]] = []
    expected: dict[str, bool] = {}
    keys = ("id", "parent_observation_id") if family == "langfuse" else ("span_id", "parent_id")
    for number, (records, counting) in enumerate(own.values()):
        named: list[Record] = []
        for record in records:
            changed = {**record, "trace_id": f"{number}-{record['trace_id']}"}
            for key in keys:
                changed[key] = f"{number}-{record[key]}" if record[key] not in ("", "undefined") else record[key]
            named.append(changed)
            if record.get("type", "GENERATION") in ("GENERATION", "EMBEDDING") and record["name"] not in STEPS \
                    and record.get("span_kind") != "tool":
                expected[changed[keys[0]]] = record[keys[0]] in counting
        renamed.append(named)
    most = max(map(len, renamed))
    for number, turn in enumerate([[0, 1, 2], [2, 1, 0]]):
        files = [[named[place] for named in renamed if place < len(named)] for place in turn[:most]]
        paths = [write_lines(tmp_path / f"{number}-{place}.jsonl", records) for place, records in enumerate(files)]
        with store_of(*paths) as store:
            found = {name: call["counted"] for name, call in calls(store).items()}
            assert found == expected, turn
            nested = sum(not counts for counts in expected.values())
            assert notes(store, "report")["nested"] == nested
            reasons = [call["uncounted_reason"] for call in calls(store).values()]
            assert reasons.count("nested") == nested


def test_a_response_in_two_sources_is_counted_once_whichever_came_first(tmp_path: Path) -> None:
    """The source that knows the usage keeps it, and a note says how many there were."""
    gateway = write_lines(tmp_path / "gateway.jsonl", [
        raw_call("g1", response_id="r1", output_tokens=None), raw_call("g2", response_id="r2"),
        raw_call("g3", response_id="r3", usage_source="estimated", output_tokens=999), raw_call("g4"),
    ])  # fmt: skip
    traced = write_lines(tmp_path / "traced.jsonl", [
        langfuse_row(f"l{n}", metadata={"response_id": f"r{n}", "usage_source": "provider_final"}) for n in (1, 2, 3, 5)
    ])  # fmt: skip
    for order in permutations([gateway, traced]):
        with store_of(*order) as store:
            kept = {name for name, call in calls(store).items() if call["counted"]}
            # r2 is known equally well in both: the first source by name keeps it.
            assert kept == {"l1", "l2", "l3", "g4", "l5"}
            assert total(store, "report")["calls"] == 5
            assert total(store, "report")["output_tokens"] == 500
            assert notes(store, "report")["same_response"] == 3


def test_a_response_seen_twice_in_one_source_is_two_calls(tmp_path: Path) -> None:
    """Only two sources can export one call twice under different ids."""
    records = [raw_call("a", response_id="r"), raw_call("b", response_id="r")]
    with store_of(write_lines(tmp_path / "calls.jsonl", records)) as store:
        assert all(call["counted"] for call in calls(store).values())


def test_a_nested_step_does_not_keep_the_response_that_it_repeats(tmp_path: Path) -> None:
    """Found nested later, it gives the response back to the other source: whatever the order the same calls count."""
    paths = [
        write_lines(tmp_path / "outer.jsonl", [row("outer", metadata={"response_id": "r"})]),
        write_lines(tmp_path / "inner.jsonl", [row("inner", "outer")]),
        write_lines(tmp_path / "gateway.jsonl", [raw_call("gateway", response_id="r")]),
    ]
    seen = set()
    for order in (paths, paths[::-1], [paths[0], paths[2], paths[1]]):
        with store_of(*order) as store:
            seen.add(tuple((name, call["uncounted_reason"]) for name, call in sorted(calls(store).items())))
    assert seen == {(("gateway", None), ("inner", None), ("outer", "nested"))}


def test_embeddings_are_stored_and_appear_only_by_operation(tmp_path: Path) -> None:
    """Everywhere else they are left out, and a note counts them."""
    records = [langfuse_row("chat"), langfuse_row("vector", type="EMBEDDING")]
    raw = [raw_call("embed", operation="embeddings"), raw_call("talk")]
    with store_of(write_lines(tmp_path / "1.jsonl", records), write_lines(tmp_path / "2.jsonl", raw)) as store:
        for name in ("report", "ttft", "tax"):
            assert total(store, name)["calls"] == 2
            assert notes(store, name)["embeddings"] == 2
            assert total(store, name, by="operation")["calls"] == 4
            assert "embeddings" not in notes(store, name, by=("operation",))
        assert {one["call_id"] for one in rows_of(store, "store.calls")} == {"chat", "vector", "embed", "talk"}
