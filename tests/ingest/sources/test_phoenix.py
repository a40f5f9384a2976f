"""Arize Phoenix: the shapes of a span, what its attributes and metadata say, and how it ended."""

import json
from pathlib import Path

import pytest

from streamaudit.store.store import Store
from tests.support import Record, equation, ingest, phoenix_span, rows_of, store_of, stored_calls, write_lines

SAID = {
    "llm.model_name": "gpt-4o-2024-08-06", "llm.token_count.completion_details.reasoning": 7,
    "llm.token_count.prompt_details.cache_read": 8, "llm.token_count.prompt_details.cache_write": 9,
    "llm.invocation_parameters": '{"model": "gpt-4o", "stream": true}', "llm.cost.total": 0.5, "session.id": "s",
    "user.id": "u",
    "metadata": '{"tenant": "acme", "release": "7", "route": "/chat", "rendered_tokens": 12, "http_status": 200}',
}  # fmt: skip
WANTED = {
    "model": "gpt-4o", "provider": "openai", "streamed": True, "ttft_ms": 480.0, "duration_ms": 5000.0,
    "input_tokens": 50, "output_tokens": 100, "reasoning_tokens": 7, "cost_usd": 0.5, "session_id": "s", "user_id": "u",
    "cached_input_tokens": 8, "cache_write_tokens": 9,
    "tenant": "acme", "deploy": "7", "route": "/chat", "rendered_tokens": 12, "outcome": "completed",
}  # fmt: skip
FIRST = [{"name": "First Token Stream Event", "timestamp": "2026-11-16T08:00:00.480000+00:00", "attributes": {}}]


def _nested(flat: Record) -> Record:
    """The same attributes as objects in objects."""
    whole: Record = {}
    for name, value in flat.items():
        inner = whole
        *above, last = name.split(".")
        for part in above:
            inner = inner.setdefault(part, {})
        inner[last] = json.loads(value) if name == "metadata" else value
    return whole


def _row(span: Record) -> Record:
    """The same as a row of a dataframe, with times in milliseconds and counts as floats, as pandas writes them."""
    columns = {
        f"attributes.{name}": float(value) if isinstance(value, int) else value
        for name, value in span["attributes"].items()
    }
    ids = {f"context.{name}": value for name, value in span["context"].items()}
    kept = {key: value for key, value in span.items() if key not in ("id", "context", "attributes")}
    return {**kept, **ids, **columns, "start_time": 1794816000000, "end_time": 1794816005000}


SPAN = phoenix_span("a", SAID, events=FIRST)
SHAPES: dict[str, Record] = {
    "REST API": SPAN,
    "nested": {**SPAN, "attributes": _nested(SPAN["attributes"])},
    "packed as text": {**SPAN, "attributes": json.dumps(SPAN["attributes"]), "events": json.dumps(FIRST)},
    "a dataframe's row": _row(SPAN),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_says_the_same(shape: str, store: Store, tmp_path: Path) -> None:
    """Flat keys, objects, text and columns."""
    (result,) = ingest(store, write_lines(tmp_path / "spans.jsonl", [SHAPES[shape]]))
    assert result.source is not None and (result.source.name, equation(result)[:2]) == ("phoenix", (1, 1))
    (call,) = stored_calls(store).values()
    assert {column: call[column] for column in WANTED} == WANTED


def test_pages_and_their_items_are_the_same_calls(store: Store, tmp_path: Path) -> None:
    """A page of the REST API, then its items a line each: nothing new."""
    items = [phoenix_span(name) for name in "abc"]
    (tmp_path / "page.json").write_text(json.dumps({"data": items, "next_cursor": None}))
    page, lines = ingest(store, tmp_path / "page.json", write_lines(tmp_path / "lines.jsonl", items))
    assert (equation(page)[1], equation(lines)[1:3]) == (3, (0, 3))


def test_only_llm_spans_are_calls_and_the_root_names_their_route(store: Store, tmp_path: Path) -> None:
    """Chains and agents carry summed tokens; an embedding stands apart; attributes tell what no kind was set for."""
    spans = [
        phoenix_span("unset", {"gen_ai.operation.name": "chat"}, parent_id="agent", span_kind="UNKNOWN"),
        phoenix_span("root", parent_id=None, name="support", span_kind="CHAIN"),
        phoenix_span("agent", parent_id="root", span_kind="AGENT"),
        phoenix_span("call", parent_id="agent"), phoenix_span("vector", parent_id="agent", span_kind="EMBEDDING"),
    ]  # fmt: skip
    for span in spans:
        span["context"]["trace_id"] = "t"
    ingest(store, write_lines(tmp_path / "spans.jsonl", spans))
    found = {call["call_id"]: (call["operation"], call["route"]) for call in stored_calls(store).values()}
    chat = ("chat", "support")
    assert found == {"t-call": chat, "t-unset": chat, "t-vector": ("embedding", "support")}
    assert len(rows_of(store, "store.spans")) == 2


def test_a_step_is_of_its_kind_in_every_shape(store: Store, tmp_path: Path) -> None:
    """A row of a dataframe has a column for every attribute, those of voice turns among them."""
    tool = phoenix_span("a", {"tool.name": "search", "llm.model_name": None, "metadata": "{}"}, span_kind="TOOL")
    shapes = [tool, {**tool, "attributes": _nested({"llm.system": "", **tool["attributes"]})}, _row(tool)]
    spans = [_renamed(shape, f"s{place}") for place, shape in enumerate(shapes)]
    ingest(store, write_lines(tmp_path / "spans.jsonl", spans))
    assert [row["kind"] for row in rows_of(store, "store.spans")] == ["tool"] * 3


def _renamed(span: Record, name: str) -> Record:
    if "context" in span:
        return {**span, "context": {**span["context"], "span_id": name}}
    return {**span, "context.span_id": name}


ENDS: dict[str, tuple[Record, Record]] = {
    "an exception that names a cancel": (
        {"status_code": "ERROR", "events": [{"name": "exception", "attributes": {"exception.type": "CancelledError"}}]},
        {"outcome": "cancelled", "error_type": "CancelledError"},
    ),
    "an error": ({"status_code": "ERROR", "status_message": "RateLimitError: slow down"},
                 {"outcome": "error", "error_type": "RateLimitError"}),
    "a status that is unset": ({"status_code": "UNSET"}, {"outcome": "unknown", "output_tokens": None}),
    "a stream read to its end, without usage": (
        {"events": FIRST}, {"outcome": "completed", "cancel_evidence": "app_outcome", "output_tokens": None},
    ),
    "a stream that nobody says was read to its end": (
        {"events": FIRST, "status_code": "UNSET"},
        {"outcome": "interrupted", "cancel_evidence": "unterminated", "ttft_ms": 480.0},
    ),
    "a span left open": ({"end_time": None}, {"outcome": "unknown", "duration_ms": None}),
}  # fmt: skip


def test_how_a_span_ended(tmp_path: Path) -> None:
    """By its status, its exception, or not at all; nothing is a cancel that only lacks usage."""
    bare: Record = {"llm.finish_reason": ..., "llm.token_count.completion": ...}
    spans = [phoenix_span(end, bare, **fields) for end, (fields, _) in ENDS.items()]
    with store_of(write_lines(tmp_path / "spans.jsonl", spans)) as store:
        found = stored_calls(store)
    for end, (_, wanted) in ENDS.items():
        call = found[f"trace-{end}-{end}"]
        assert {column: call[column] for column in wanted} == wanted, end


def test_annotations_are_refused_with_advice(store: Store, tmp_path: Path) -> None:
    """Ratings are no calls."""
    record = {"span_id": "a", "annotator_kind": "LLM", "result": {"label": "good"}}
    (result,) = ingest(store, write_lines(tmp_path / "ratings.jsonl", [record]))
    assert result.problem is not None and "annotations" in result.problem and result.hint is not None
