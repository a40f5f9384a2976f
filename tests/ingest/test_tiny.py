"""A file is read with the names alone that its text has: the store is the same as if every name were looked for,
however a name is written, and of a larger file too."""

import gzip
import json
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from streamaudit.ingest import staging
from streamaudit.ingest.occurring import _PIECE_BYTES, words_of
from tests.reused import empty_store
from tests.sampling import keep
from tests.support import datadog_span, ingest, langfuse_row

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
    "an observation": json.dumps(langfuse_row("g1", model="gpt-4o", usage_details={"input": 5, "output": 7})),
    "an observation of a voice turn": json.dumps(langfuse_row("g1", type="SPAN", name="tts_node", metadata={
        "attributes": {"lk.response.ttfb": "0.2"}, "scope": {"name": "livekit-agents"}})),
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
    "an observation of a voice turn", "an answer in parts", "own names", "usual names", "an escape in a name",
    "nested in the place of a dotted name",
)  # fmt: skip


@pytest.mark.parametrize("name", keep(FILES, EACH_RUN))
def test_a_tiny_file_gives_the_store_that_it_gives_in_full(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "calls.json"
    path.write_text(FILES[name] + "\n")
    found = _read(path)
    monkeypatch.setattr(staging, "_TINY_BYTES", 0)
    monkeypatch.setattr(staging, "find_words", lambda file: None)
    assert found == _read(path)
    assert found["calls"] or found["spans"]


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_name_that_turns_up_late_in_a_larger_file_is_read(suffix: str, tmp_path: Path) -> None:
    calls = [{"model": "gpt-4o", "output_tokens": 5, "padding": "x" * 1000, "n": n} for n in range(200)]
    late = {"model": "gpt-4o", "usage": {"completion_tokens": 7}, "latency_s": 2, "created": 1794816000}
    data = "".join(f"{json.dumps(call)}\n" for call in [*calls, late]).encode()
    path = tmp_path / f"calls.jsonl{suffix}"
    path.write_bytes(gzip.compress(data) if suffix else data)
    with empty_store() as store:
        ingest(store, path)
        found = store.query("SELECT output_tokens, duration_ms, count(*) FROM store.calls GROUP BY ALL ORDER BY ALL")
        assert found == [(5, None, 200), (7, 2000.0, 1)]


@pytest.mark.parametrize("text, occurs", [
    ('{"a.tenant_id": 1}', True), ('{"x": "{\\"tenant_id\\": 1}"}', True), ("tenant_id: 1", True),
    ('{"x": "\\ntenant_id: 1"}', True), ('{"x": "\\\\ntenant_id"}', True), ('{"my_tenant_id": 1}', False),
    ('{"x": "\\u2028tenant_id: 1"}', True),
    ('{"tenant": {"id": 1}}', False), ('{"tenant_ids": 1}', False), ('{"x": "\\ud83d", "tenant": 1}', False),
])  # fmt: skip
def test_a_name_occurs_as_a_word_of_its_own(text: str, occurs: bool) -> None:
    words = words_of(BytesIO(text.encode()))
    assert words is not None
    assert words("tenant_id") is occurs


def test_a_word_between_two_pieces_is_whole() -> None:
    for padding in range(_PIECE_BYTES - 14, _PIECE_BYTES + 1):
        words = words_of(BytesIO(b'"' + b"x" * padding + b'", "tenant_id": 1'))
        assert words is not None
        assert words("tenant_id")
        assert not words("tenant")


def test_a_dotted_name_occurs_in_parts_and_a_beginning_in_longer_words() -> None:
    words = words_of(BytesIO(b'{"http": {"route": 1}, "livekit_agents": 2}'))
    assert words is not None
    assert [words("http.route"), words("http.url"), words("livekit*"), words("livekit")] == [True, False, True, False]


@pytest.mark.parametrize("text", ['{"mod\\u0065l": 1}', '{"a": 1, "\\u005Fid": 2}', '{"a\0": 1}'])
def test_a_text_that_may_hide_a_name_is_not_asked(text: str) -> None:
    assert words_of(BytesIO(text.encode())) is None


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
