"""A tiny file is read with the names alone that its text has: the store is the same as if every name were looked for,
however a name is written."""

import json
from pathlib import Path
from typing import Any

import pytest

from streamaudit.ingest import staging
from tests.reused import empty_store
from tests.sampling import keep
from tests.support import datadog_span, ingest

CALL: dict[str, Any] = {
    "request_id": "r1", "start_time": "2026-11-10T10:00:00Z", "duration_ms": 1200, "ttft_ms": 200, "model": "gpt-4o",
    "output_tokens": 50,
}  # fmt: skip
SPAN: dict[str, Any] = {
    "id": "s1", "name": "llm", "span_kind": "LLM", "parent_id": None, "context": {"trace_id": "t1", "span_id": "s1"},
    "start_time": "2026-11-10T10:00:00Z", "end_time": "2026-11-10T10:00:02Z", "status_code": "OK", "events": [],
    "attributes": {"llm": {"model_name": "gpt-4o", "token_count": {"prompt": 7, "completion": 9}},
                   "http": {"route": "/v1/chat"}, "tenant": {"id": "acme"}},
}  # fmt: skip


def _spans(*spans: dict[str, Any], scopes: str = "scopeSpans", scope: str = "gen_ai") -> str:
    """A line of OTLP with spans of one trace; each is given as its attributes."""
    return json.dumps({"resourceSpans": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "api"}}]},
        scopes: [{"scope": {"name": scope}, "spans": [{
            "traceId": "a" * 32, "spanId": f"{place:016x}", "name": "llm_node" if scope == "livekit" else "chat",
            "startTimeUnixNano": "1794816000000000000", "endTimeUnixNano": "1794816002000000000",
            "attributes": [{"key": key, "value": {"stringValue": value}} for key, value in one.items()],
        } for place, one in enumerate(spans, start=1)]}],
    }]})  # fmt: skip


PARTS = ("It is 4.", " Wait, no, it is 5.")
USAGE = {"gen_ai.request.model": "gpt-4o", "gen_ai.usage.output_tokens": "9"}
FILES: dict[str, str] = {
    "attributes": _spans({**USAGE, "gen_ai.response.time_to_first_chunk": "0.25", "tenant.id": "acme"}, {"x": "1"}),
    "older names of attributes": _spans(
        {"llm.request.model": "gpt-4o", "llm.usage.completion_tokens": "9", "llm.response.finish_reason": "stop"},
        scopes="instrumentationLibrarySpans",
    ),
    "keys of an application": _spans({**USAGE, "traceloop.association.properties.tenant_id": "a", "ls_provider": "x"}),
    "steps of a voice turn": _spans({"lk.response.ttft": "0.5", "lk.llm_metrics": '{"ttft": 0.4}'}, {"x": "1"}),
    "steps of a voice turn without their attributes": _spans({"x": "1"}, scope="livekit"),
    "spans without attributes": _spans({}),
    "an answer in parts": _spans({**USAGE, "gen_ai.operation.name": "chat", "gen_ai.output.messages": json.dumps(
        [{"role": "assistant", "parts": [{"type": "text", "content": part} for part in PARTS]}])}),
    "an answer in messages": json.dumps(datadog_span("a", meta={"span.kind": "llm", "output": {
        "messages": [{"role": "assistant", "content": part} for part in PARTS]}})),
    "own names": json.dumps({**CALL, "tenant_id": "acme", "finish_reason": "stop", "tags": ["route:/x", "deploy:3"]}),
    "an application's keys": json.dumps({**CALL, "metadata": {"tenant.id": "a", "release": "9", "outcome": "error"}}),
    "usual names": json.dumps({"model_name": "gpt-4o", "usage": {"prompt_tokens": 5, "cost": {"total": 0.1}},
                               "latency_s": 2, "ttft": 0.3, "created": 1794816000, "agent": "planner", "env": "prod",
                               "error": {"type": "TimeoutError"}, "answer": "It is 4. Wait, no, it is 5."}),
    "one name": json.dumps({"output_tokens": 5, "model": "gpt-4o"}) + '\n{"bad',
    "an escape in a name": json.dumps(CALL).replace('"model"', '"mod\\u0065l"'),
    "nested in the place of a dotted name": json.dumps({"data": [SPAN]}),
    "attributes as text": json.dumps({**SPAN, "attributes": json.dumps({"llm.model_name": "x", "metadata": "{}"})}),
    "a column for each attribute": json.dumps({
        **{key: value for key, value in SPAN.items() if key not in ("context", "attributes")},
        "context.span_id": "s1", "context.trace_id": "t1", "attributes.llm.model_name": "gpt-4o",
        "attributes.llm.token_count.completion": 9.0, "attributes.metadata": '{"tenant": "acme"}',
    }),
}  # fmt: skip


EACH_RUN = (
    "an answer in parts", "own names", "usual names", "an escape in a name", "nested in the place of a dotted name",
)  # fmt: skip


@pytest.mark.parametrize("name", keep(FILES, EACH_RUN))
def test_a_tiny_file_gives_the_store_that_it_gives_in_full(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "calls.json"
    path.write_text(FILES[name] + "\n")
    found = _read(path)
    monkeypatch.setattr(staging, "_TINY_BYTES", 0)
    assert found == _read(path)
    assert found["calls"] or found["spans"]


def _read(path: Path) -> dict[str, list[Any]]:
    with empty_store() as store:
        store.run("UPDATE store.meta SET value = 'salt' WHERE key = 'hash_salt'")
        (result,) = ingest(store, path)
        return {
            "calls": store.query("SELECT * FROM store.calls ORDER BY ALL"),
            "spans": store.query("SELECT * FROM store.spans ORDER BY ALL"),
            "rejects": store.query("SELECT * FROM store.rejects ORDER BY ALL"),
            "result": [result.counts, result.rejects, result.keys, result.problem],
        }
