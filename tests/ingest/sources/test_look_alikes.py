"""Files that hold no requests, or are of formats that are not read: each refusal names the way out."""

import json
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from streamaudit.store.store import Store
from tests.support import Record, ingest, store_of, stored_calls, write_lines

SPAN = {"model": "m", "usage": {"prompt_tokens": 1}}
REFUSED: dict[str, tuple[object, str, str]] = {
    "AIPerf": ({"records": {"request_latency": {"avg": 1.0, "p99": 2.0}}}, "AIPerf", "profile_export.jsonl"),
    "current AIPerf": ({"request_latency": {"unit": "ms", "avg": 1.0}}, "AIPerf", "profile_export.jsonl"),
    "llmperf": (
        {"model": "gpt-4o", "results_num_requests_started": 5, "timestamp": 1}, "llmperf", "_individual_responses.json",
    ),
    "llmperf in one object": ({"individual_responses": [{}], "summary": {}}, "llmperf", ".individual_responses[]"),
    "inference-perf": ({"load_summary": {"count": 5}, "successes": {}}, "inference-perf", "per_request: true"),
    "SGLang": ({"backend": "sglang", "completed": 2, "mean_ttft_ms": 5.0}, "SGLang", "--output-details"),
    "GuideLLM": (
        {"metadata": {}, "benchmarks": [{"metrics": {}, "requests": {"successful": [], "errored": []}}]},
        "GuideLLM", "--sample-requests",
    ),
    "Braintrust": (
        {"id": "a", "metrics": {"start": 1.0}, "span_attributes": {"type": "llm"}}, "Braintrust", "--map model=",
    ),
    "Inspect AI": ({"version": 2, "eval": {"model": "m"}, "plan": {"a": 1}, "stats": {"b": 1}}, "Inspect", "jq"),
    "DeepEval": ({"uuid": "a", "llmSpans": [{"model": "m"}]}, "DeepEval", ".llmSpans[]"),
    "promptflow": ({"line_number": 0, "run_info": {"api_calls": [{}]}}, "promptflow", ".run_info.api_calls"),
    "dd-trace": ({"meta": {}, "metrics": {}, "resource": "r", "span_id": 1}, "dd-trace", "LLM Observability"),
    "MLflow": ({"info": {"a": 1}, "data": {"spans": [1]}}, "MLflow", ".data.spans[]"),
    "CloudWatch Logs Insights": ({"@timestamp": "2026-11-01", "@message": "{}"}, "CloudWatch", "fromjson"),
    "CloudWatch's events": (
        {"events": [{"timestamp": 1, "message": "{}"}], "searchedLogStreams": []}, "CloudWatch", ".events[].message",
    ),
    "Azure Monitor's query API": (
        {"tables": [{"name": "PrimaryResult", "columns": [{"name": "id"}], "rows": [["a"]]}]},
        "Azure Monitor", "rows[]",
    ),
    "Cloud Trace": (
        {"projectId": "p", "traceId": "t", "spans": [{"spanId": "1", "labels": {"gen_ai.system": "vertex_ai"},
                                                      "startTime": "2026-11-01T00:00:00Z",
                                                      "endTime": "2026-11-01T00:00:01Z"}]},
        "Google Cloud Trace", "attributes: .labels",
    ),
    "Weave": ({"op_name": "o", "started_at": "2026-01-01", "inputs": {}}, "Weave", "--map"),
    "OpenAI's usage by day": (
        {"object": "page", "data": [{"object": "bucket", "start_time": 1, "results": [{"num_model_requests": 5}]}]},
        "usage or cost report", "one record a call",
    ),
    "Anthropic's usage by day": (
        {"data": [{"starting_at": "2026-11-01T00:00:00Z", "results": [{"uncached_input_tokens": 5}]}]},
        "usage or cost report", "one record a call",
    ),
    "results of a usage report": (
        {"input_tokens": 10, "output_tokens": 5, "model": "gpt-4o", "num_model_requests": 1}, "rows of sums", "a call",
    ),
    "ccusage": ({"daily": [{"date": "2026-11-01", "totalCost": 1}], "totals": {}}, "ccusage", "~/.claude/projects"),
    "sums by day": (
        {"date": "2026-11-01", "model": "gpt-4o", "requests": "120", "input_tokens": "1000", "output_tokens": "50"},
        "rows of sums", "a call",
    ),
    "LiteLLM's daily activity": (
        {"results": [{"date": "2026-11-01", "metrics": {"spend": 1}}], "metadata": {"total_spend": 1}},
        "LiteLLM", "/spend/logs",
    ),
    "LiteLLM's table of daily spend": (
        {"id": "a", "date": "2026-11-01", "model": "gpt-4o", "prompt_tokens": 10, "completion_tokens": 5, "spend": 0.1,
         "api_requests": 3}, "LiteLLM", "/spend/logs",
    ),
    "LiteLLM's spend by day": (
        {"startTime": "2026-11-01", "spend": 0.5, "users": {"u": 0.5}, "models": {"gpt-4o": 0.5}},
        "LiteLLM", "/spend/logs",
    ),
    "traces of calls": ({"trace": "a", "calls": [SPAN, SPAN]}, "in a list", ".calls"),
    "a list of lists": ([[{"a": 1}, {"a": 2}]], "list of lists", "jq -c '.[][]'"),
    "nothing known": ({"colour": "blue", "weight": 5}, "no known format", "streamaudit fields"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_names_the_way_out(name: str, store: Store, tmp_path: Path) -> None:
    """It says what the file is, and which option, file or command has the requests; nothing is ingested."""
    content, what, way_out = REFUSED[name]
    path = tmp_path / "export.json"
    path.write_text(json.dumps(content))
    (result,) = ingest(store, path)
    assert what in (result.problem or "")
    assert way_out in (result.hint or "")
    assert not stored_calls(store)


def test_a_usage_export_of_cursor_is_named_and_its_command_works(store: Store, tmp_path: Path) -> None:
    """Its header has blanks and brackets, which --map takes as they stand."""
    path = tmp_path / "usage.csv"
    path.write_text(
        "Date,Kind,Model,Input (w/ Cache Write),Input (w/o Cache Write),Cache Read,Output Tokens,Total Tokens,Cost\n"
        "2026-04-03T18:10:11.107Z,Included,claude-opus,1000,100,5000,200,6300,0.12\n"
        '2026-04-03T18:20:11.107Z,"Errored, No Charge",composer,0,100,0,0,100,-\n'
    )
    (result,) = ingest(store, path)
    assert "Cursor" in (result.problem or "")
    mapping = ["start=Date", "model=Model", "output_tokens=Output Tokens", "cached_tokens=Cache Read", "cost=Cost",
               "outcome=Kind"]  # fmt: skip
    with store_of(path, mapping=mapping) as mapped:
        call, failed = sorted(stored_calls(mapped).values(), key=lambda call: call["start_time"])
    assert (call["output_tokens"], call["cached_input_tokens"], call["cost_usd"]) == (200, 5000, 0.12)
    assert failed["outcome"] == "error"


def test_whatever_is_mapped_is_read(tmp_path: Path) -> None:
    """A user who says where the figures are goes before every refusal of a format that is not read."""
    record: Record = {
        "span_id": "s", "metrics": {"start": 1794816000.0, "end": 1794816002.5, "prompt_tokens": 5},
        "span_attributes": {"type": "llm"}, "metadata": {"model": "gpt-4o"},
    }  # fmt: skip
    mapping = ["id=span_id", "start=metrics.start:s", "end=metrics.end:s", "model=metadata.model",
               "input_tokens=metrics.prompt_tokens"]  # fmt: skip
    with store_of(write_lines(tmp_path / "rows.jsonl", [record]), mapping=mapping) as store:
        call = stored_calls(store)["s"]
    assert (call["model"], call["duration_ms"], call["input_tokens"]) == ("gpt-4o", 2500.0, 5)


RUN = [
    {"name": "fetch", "type": "Tool", "children": None},
    {"name": "ask", "type": "Tool", "children": [{
        "name": "create", "type": "LLM", "inputs": {"engine": "x"}, "start_time": 1794816000.5, "error": None,
        "end_time": 1794816002.0, "children": None, "output": {
            "id": "chatcmpl-1", "model": "gpt-4o-mini", "usage": {"prompt_tokens": 50, "completion_tokens": 9},
        },
    }]},
]  # fmt: skip
EVENT = {
    "event": "model", "span_id": "s", "timestamp": "2026-11-16T08:00:00Z", "completed": "2026-11-16T08:00:02Z",
    "model": "openai/gpt-4o-mini",
    "output": {"usage": {"input_tokens": 50, "output_tokens": 9, "input_tokens_cache_read": 20}},
}  # fmt: skip
ROW = {
    "span_id": "s", "metrics": {"start": 0}, "span_attributes": {"type": "llm", "name": "ChatOpenAI"},
    "metadata": {"invocation_params": {"model": "gpt-4o-mini"}},
}  # fmt: skip
COMMANDS: dict[str, tuple[object, Record]] = {
    # A clock that was not read is no instant, and an object named like a step is none.
    "diagnostic logs of Azure OpenAI": (
        {"time": "2026-11-16T08:00:00Z", "category": "RequestResponse", "operationName": "ChatCompletions_Create",
         "durationMs": 2310, "correlationId": "c-1", "resultSignature": "429",
         "properties": '{"modelName": "gpt-4o", "streamType": "Streaming"}'},
        {"call_id": "c-1", "model": "gpt-4o", "duration_ms": 2310.0, "outcome": "error", "output_tokens": None},
    ),
    "calls of W&B Weave": (
        [{"id": "c", "op_name": "openai.chat", "started_at": "2026-11-16T08:00:00Z", "exception": None,
          "ended_at": "2026-11-16T08:00:02Z", "inputs": {"model": "gpt-4o-mini"},
          "summary": {"usage": {"gpt-4o-mini": {"prompt_tokens": 50, "completion_tokens": 9}}}},
         {"id": "p", "op_name": "agent", "started_at": "2026-11-16T08:00:00Z", "inputs": {},
          "summary": {"usage": {"gpt-4o-mini": {"prompt_tokens": 50, "completion_tokens": 9}}}}],
        {"call_id": "c", "model": "gpt-4o-mini", "input_tokens": 50, "output_tokens": 9, "duration_ms": 2000.0},
    ),
    "chats of Open WebUI": (
        [{"id": "x", "chat": {"history": {"messages": {"a": {"role": "user"}, "b": {
            "id": "b", "role": "assistant", "model": "gpt-4o", "timestamp": 1794816000,
            "usage": {"prompt_tokens": 50, "completion_tokens": 9}}}}}}],
        {"call_id": "b", "model": "gpt-4o", "input_tokens": 50, "output_tokens": 9},
    ),
    "an export of LobeChat": (
        {"exportType": "all", "state": {"messages": [{"id": "m", "role": "assistant", "model": "gpt-4o",
            "createdAt": "2026-11-16T08:00:00Z", "metadata": {"totalInputTokens": 50, "totalOutputTokens": 9,
                                                              "ttft": 300}}]}},
        {"call_id": "m", "model": "gpt-4o", "input_tokens": 50, "output_tokens": 9, "ttft_ms": 300.0},
    ),
    "executions of n8n": (
        [{"id": "1", "data": {"resultData": {"runData": {"Model": [{
            "startTime": 1794816000000, "executionTime": 1500, "executionStatus": "success",
            "data": {"ai_languageModel": [[{"json": {
                "response": {"generations": [[{"generationInfo": {"model_name": "gpt-4o-mini"}}]]},
                "tokenUsage": {"promptTokens": 50, "completionTokens": 9}}}]]}}]}}}}],
        {"model": "gpt-4o-mini", "input_tokens": 50, "output_tokens": 9, "duration_ms": 1500.0,
         "outcome": "completed"},
    ),
    "rows of Braintrust": ([ROW], {"model": "gpt-4o-mini", "start_time": None, "call_id": "s"}),
    "promptflow": (
        {"line_number": 0, "run_info": {"api_calls": RUN}},
        {"input_tokens": 50, "output_tokens": 9, "duration_ms": 1500.0, "model": "gpt-4o-mini"},
    ),
    "a sample of Inspect AI": (
        {"id": 1, "epoch": 1, "events": [{"event": "state"}, EVENT]},
        {"input_tokens": 50, "cached_input_tokens": 20, "output_tokens": 9, "duration_ms": 2000.0},
    ),
    "a log of Inspect AI": (
        {"eval": {"a": 1}, "plan": {"a": 1}, "stats": {"a": 1}, "samples": [{"events": [EVENT]}]},
        {"input_tokens": 50, "cached_input_tokens": 20, "output_tokens": 9, "duration_ms": 2000.0},
    ),
}


@pytest.mark.skipif(shutil.which("jq") is None, reason="the commands need jq")
@pytest.mark.parametrize("name", COMMANDS)
def test_the_command_of_a_refusal_reads_the_calls(name: str, store: Store, tmp_path: Path) -> None:
    """jq takes the calls out, the paths behind it map them."""
    content, expected = COMMANDS[name]
    path = tmp_path / "export.json"
    path.write_text(json.dumps(content))
    (result,) = ingest(store, path)
    command, reading = (result.hint or "").replace("FILE", str(path)).split(" | streamaudit ingest - ")
    taken = subprocess.run(command, shell=True, capture_output=True, text=True, check=True).stdout
    words = shlex.split(reading)
    assert words[::2] == ["--map"] * (len(words) // 2)
    with store_of(write_lines(tmp_path / "calls.jsonl", taken.splitlines()), mapping=words[1::2]) as mapped:
        (call,) = stored_calls(mapped).values()
    assert {column: call[column] for column in expected} == expected
