"""OpenTelemetry: what single tools write besides the conventions, all read as one file."""

import json
from datetime import datetime
from pathlib import Path

from streamaudit.store.store import Store
from tests.ingest.sources.otel import BARE, START, UNFINISHED
from tests.support import (
    Record,
    equation,
    ingest,
    otel_attributes,
    otel_batch,
    otel_span,
    stored_calls,
    write_lines,
)

COUNTED = {**BARE, "gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o"}
ASKED = {**UNFINISHED, "gen_ai.operation.name": "chat", "request_data": '{"model": "gpt-4o", "stream": true}'}
FINAL = "streaming response from {request_data[model]!r} took {duration:.2f}s"
CODER = {**BARE, "model": "claude-sonnet-4-5", "input_tokens": 700, "output_tokens": 40, "cache_read_tokens": 500,
         "cache_creation_tokens": 80, "ttft_ms": 900, "request_id": "req_1"}  # fmt: skip

TOOLS: dict[str, tuple[str, Record, Record, Record]] = {
    # case: (name of the span, attributes, fields, columns)
    "LangSmith's details are objects": (
        "ChatOpenAI",
        {**COUNTED, "gen_ai.usage.input_tokens": 45, "gen_ai.usage.output_tokens": 50,
         "gen_ai.usage.input_token_details": '{"audio": 3, "cache_read": 32}',
         "gen_ai.usage.output_token_details": '{"reasoning": 20}'},
        {},
        {"input_tokens": 45, "cached_input_tokens": 32, "audio_input_tokens": 3, "reasoning_tokens": 20},
    ),
    "Semantic Kernel's older counts are of the response": (
        "chat.completions gpt-4o",
        {**COUNTED, "gen_ai.operation.name": "chat.completions", "gen_ai.response.prompt_tokens": 16,
         "gen_ai.response.completion_tokens": 29},
        {},
        {"input_tokens": 16, "output_tokens": 29},
    ),
    "the Vercel AI SDK leaves cache writes and costs to the provider": (
        "ai.streamText.doStream",
        {**BARE, "ai.operationId": "ai.streamText.doStream", "ai.model.id": "claude-sonnet-4-5",
         "ai.usage.inputTokens": 12, "ai.usage.outputTokens": 40, "ai.usage.cachedInputTokens": 512,
         "ai.response.providerMetadata": json.dumps({
             "anthropic": {"cacheCreationInputTokens": 1733}, "gateway": {"cost": "0.0125"}})},
        {},
        {"input_tokens": 2257, "cached_input_tokens": 512, "cache_write_tokens": 1733, "cost_usd": 0.0125},
    ),
    "Google's ADK has a model's thoughts only in its answer": (
        "call_llm",
        {**BARE, "gen_ai.system": "gcp.vertex.agent", "gen_ai.request.model": "gemini-2.5-flash",
         "gen_ai.usage.input_tokens": 412, "gen_ai.usage.output_tokens": 50,
         "gcp.vertex.agent.llm_response": json.dumps({"usage_metadata": {
             "prompt_token_count": 412, "candidates_token_count": 50, "thoughts_token_count": 300,
             "total_token_count": 762}})},
        {},
        {"input_tokens": 412, "output_tokens": 350, "reasoning_tokens": 300},
    ),
    "Claude Code's counts are bare, and the input leaves out what was cached": (
        "claude_code.llm_request", CODER, {},
        {"model": "claude-sonnet-4-5", "input_tokens": 1280, "cached_input_tokens": 500, "cache_write_tokens": 80,
         "output_tokens": 40, "ttft_ms": 900.0, "response_id": "req_1", "outcome": "completed"},
    ),
    "Claude Code's failures are told by a flag": (
        "claude_code.llm_request",
        {**BARE, "model": "claude-sonnet-4-5", "success": False, "error": "Request was aborted."}, {},
        {"outcome": "cancelled"},
    ),
    "a list as Python prints it": (
        "chat", {"gen_ai.response.finish_reasons": "['length']"}, {}, {"finish_reason": "length"},
    ),
    "Logfire's request ends when its stream begins": (
        "Chat Completion with {request_data[model]!r}", {**ASKED, "logfire.span_type": "span"}, {}, {},
    ),
    "Logfire announces a span that is open": (
        "chat gpt-4o", {**UNFINISHED, "logfire.span_type": "pending_span"}, {}, {},
    ),
    "Logfire's log of a stream is the call": (
        FINAL,
        {**ASKED, "logfire.span_type": "log", "duration": 2.5, "response_data": json.dumps({"usage": {
            "prompt_tokens": 10, "completion_tokens": 20, "prompt_tokens_details": {"cached_tokens": 4}}})},
        {},
        {"input_tokens": 10, "output_tokens": 20, "cached_input_tokens": 4, "streamed": True, "outcome": "completed",
         "duration_ms": 7500.0},
    ),
    "Logfire's log of a stream that was not counted tells no end": (
        FINAL, {**ASKED, "logfire.span_type": "log", "duration": 1.0, "response_data": '{"usage": null}'}, {},
        {"outcome": "unknown", "streamed": True},
    ),
    "Logfire's request that failed has no log": (
        "Chat Completion with {request_data[model]!r}", {**ASKED, "logfire.span_type": "span"},
        {"status": {"code": 2, "message": "openai.RateLimitError: 429"}}, {"outcome": "error"},
    ),
}  # fmt: skip


def test_what_single_tools_write_is_read(store: Store, tmp_path: Path) -> None:
    """Counts inside objects, under names of their own, and calls that two records describe."""
    spans = [
        otel_span(f"t{number}", attributes, name=name, **fields)
        for number, (name, attributes, fields, _) in enumerate(TOOLS.values())
    ]
    (result,) = ingest(store, write_lines(tmp_path / "spans.jsonl", [otel_batch(*spans)]))
    assert result.problem is None
    found = {call["trace_id"]: call for call in stored_calls(store).values()}
    for (case, (*_, wanted)), span in zip(TOOLS.items(), spans, strict=True):
        call = found.get(span["traceId"])
        assert (call is not None) == bool(wanted), case
        assert {column: call[column] for column in wanted} == wanted if call else True, case


def test_anthropics_sdk_leaves_the_status_of_a_stream_unset_that_was_closed_early(store: Store, tmp_path: Path) -> None:
    """One that was read to its end is OK."""
    spans = [
        otel_span(name, UNFINISHED, name=name, status={"code": code}) for name, code in (("left", 0), ("read", 1))
    ]
    ingest(store, write_lines(tmp_path / "spans.jsonl", [otel_batch(*spans, scope="com.anthropic.sdk.python")]))
    found = {call["name"]: call["outcome"] for call in stored_calls(store).values()}
    assert found == {"left": "cancelled", "read": "unknown"}


def log(name: str, ms: int, attributes: Record) -> Record:
    """An event of a coding agent, that long after the hour."""
    body, _, event = name.rpartition(".")
    given = {"event.name": event if body == "claude_code" else name, **attributes}
    at = str(START + ms * 1_000_000)
    return {"timeUnixNano": at, "body": {"stringValue": name}, "attributes": otel_attributes(given)}


def test_logs_of_coding_agents_are_calls(store: Store, tmp_path: Path) -> None:
    """One for each request; Claude Code's span of a request has the same id, and is the same call."""
    usage = {"input_token_count": "900", "output_token_count": 50, "cached_token_count": 300}
    logs = [
        log("claude_code.user_prompt", 0, {"prompt": "a secret"}),
        log("claude_code.api_request", 4000, {
            **{key: value for key, value in CODER.items() if value is not ...}, "cost_usd": "0.01",
            "duration_ms": "3000"}),
        log("claude_code.api_error", 5000, {
            "model": "claude-sonnet-4-5", "error": "Request was aborted.", "duration_ms": 500}),
        log("gemini_cli.api_response", 6000, {
            **usage, "model": "gemini-2.5-pro", "thoughts_token_count": 70, "total_token_count": 1020,
            "duration_ms": 1000}),
        log("codex.sse_event", 7000, {"event.kind": "response.created", "model": "gpt-5.1-codex"}),
        log("codex.sse_event", 8000, {
            **usage, "event.kind": "response.completed", "model": "gpt-5.1-codex", "reasoning_token_count": 30}),
    ]  # fmt: skip
    batch = {"resourceLogs": [{"scopeLogs": [{"logRecords": logs}]}]}
    span = otel_batch(otel_span("a", CODER, name="claude_code.llm_request"))
    (logged, _) = ingest(
        store, write_lines(tmp_path / "logs.jsonl", [batch]), write_lines(tmp_path / "spans.jsonl", [span])
    )
    assert equation(logged) == (6, 4, 0, 0, 0, 2)
    names = ("model", "input_tokens", "output_tokens", "reasoning_tokens", "outcome", "duration_ms")
    found = sorted((tuple(call[name] for name in names) for call in stored_calls(store).values()), key=str)
    assert found == [
        ("claude-sonnet-4-5", 1280, 40, None, "completed", 3000.0),
        ("claude-sonnet-4-5", None, None, None, "cancelled", 500.0),
        ("gemini-2.5-pro", 900, 120, 70, "completed", 1000.0),
        ("gpt-5.1-codex", 900, 50, 30, "completed", None),
    ]


def test_rows_of_azure_monitor_are_spans(store: Store, tmp_path: Path) -> None:
    """In Application Insights, as the portal writes them, and in a workspace; other rows are no calls."""
    attributes = {
        "gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": "10",
        "gen_ai.usage.output_tokens": "20",
    }  # fmt: skip
    insights = {
        "timestamp [UTC]": "3/10/2026, 2:05:21.500 PM", "id": "00f067aa0ba902b7", "name": "chat gpt-4o",
        "itemType": "dependency", "duration": 1500.5, "success": "False", "resultCode": "Request was aborted.",
        "operation_Id": "a" * 32, "operation_ParentId": "a" * 32, "cloud_RoleName": "shop",
        "customDimensions": json.dumps(attributes),
    }  # fmt: skip
    workspace = {
        "TimeGenerated": "2026-03-10T14:05:21.5Z", "Id": "00f067aa0ba902b8", "Name": "chat gpt-4o",
        "Type": "AppDependencies", "DurationMs": 1500.5, "Success": True, "ResultCode": "0", "OperationId": "b" * 32,
        "ParentId": "1" * 16, "AppRoleName": "shop", "Properties": attributes,
    }  # fmt: skip
    rows = [[insights, {**insights, "itemType": "trace", "id": None}], [workspace]]
    results = ingest(store, *(write_lines(tmp_path / f"{place}.jsonl", lines) for place, lines in enumerate(rows)))
    assert [equation(result) for result in results] == [(2, 1, 0, 0, 0, 1), (1, 1, 0, 0, 0, 0)]
    names = ("outcome", "duration_ms", "output_tokens", "service", "start_time")
    when = datetime(2026, 3, 10, 14, 5, 21, 500000)
    assert sorted(tuple(call[name] for name in names) for call in stored_calls(store).values()) == [
        ("cancelled", 1500.5, 20, "shop", when), ("completed", 1500.5, 20, "shop", when),
    ]  # fmt: skip


def test_javascripts_own_objects_are_spans(store: Store, tmp_path: Path) -> None:
    """As exporters write them that save the SDK's objects: GitHub Copilot's file, and the console's objects as JSON. Of
    Copilot's events only that of a call is one, the same as its span."""
    given: Record = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-5", "gen_ai.usage.output_tokens": 20}
    when = {"startTime": [1_773_151_521, 500_000_000], "endTime": [1_773_151_524, 0]}
    ids = {"traceId": "a" * 32, "spanId": "00f067aa0ba902b7"}
    lines: list[Record] = [
        {"type": "span", **ids, "name": "chat gpt-5", "kind": 2, **when, "status": {"code": 1},
         "attributes": {**given, "copilot_chat.time_to_first_token": 640}},
        *({"hrTime": when["endTime"], "spanContext": ids, "_body": "text", "attributes": given | {"event.name": event}}
          for event in ("copilot_chat.agent.turn", "gen_ai.client.inference.operation.details")),
        {"_spanContext": {**ids, "spanId": "00f067aa0ba902b8"}, "name": "chat gpt-5", **when, "attributes": given},
        {"traceId": "a" * 32, "id": "00f067aa0ba902b9", "parentSpanContext": {"spanId": "00f067aa0ba902b0"},
         "instrumentationScope": {"name": "ai"}, "name": "chat gpt-5", "timestamp": 1_773_151_521_500_000,
         "duration": 2_500_000, "attributes": given},
    ]  # fmt: skip
    (result,) = ingest(store, write_lines(tmp_path / "spans.jsonl", lines))
    assert equation(result) == (5, 3, 1, 0, 0, 1)
    start = datetime(2026, 3, 10, 14, 5, 21, 500000)
    found = stored_calls(store).values()
    assert [(call["start_time"], call["duration_ms"]) for call in found] == [(start, 2500.0)] * 3
    assert sorted(str(call["ttft_ms"]) for call in found) == ["640.0", "None", "None"]
