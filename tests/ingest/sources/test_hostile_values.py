"""Any value in any field: the file is read, the sums agree, bad records have true line numbers, reports stand."""

import copy
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sample_traces.benchmarks import aiperf, genai_perf, guidellm, inference_perf, llmperf, sglang, vllm
from sample_traces.records import helicone, langsmith, litellm, log, openrouter
from sample_traces.sessions import claude_code, codex_count
from streamaudit.ingest.sources.registry import APP_KEYS, discover
from streamaudit.store.store import Store
from tests.sampling import keep
from tests.support import (
    Record,
    audit,
    calls,
    datadog_span,
    equation,
    ingest,
    langfuse_row,
    otel_batch,
    otel_span,
    phoenix_span,
    raw_call,
    write_lines,
)

SOURCES = discover()
FIELD = tuple[str, ...]

HOSTILE: list[Any] = [
    None, "", " ", "NaN", "Infinity", "-infinity", "epoch", "null", 0, -1, 1.5, -0.0, 1e300, -1e300, 2**63 - 1,
    -(2**63), 2**63,
    10**30, 1e11, 1e14, 1e17, 8e18, "9" * 400, True, False, [], {}, [1, "a", None], {"a": {"b": 1}}, "1e400",
    "0x10", "2026-13-45T99:99:99Z", "10000-01-01", "290000-01-01",
    "290308-12-22 (BC)", -9_223_372_022_400_000_000, -8_999_999_999_999_999_999,
    "0001-01-01T00:00:00Z", "1969-12-31 23:59:59",
    "2026-11-09T10:00:00+99:00",
    "a\0b",
    "\ud800",
    "x" * 70_000,
    "'; DROP TABLE calls; --",
    "💥",
    ":a:b::",
    [None],
    [[1]],
    [1e308, 1e308], ["NaN"],
    5_000 * "[" + 5_000 * "]", '{"a":' * 1_500 + "1" + "}" * 1_500,
    ["tenant:"], ["version"], {"": ""}, {"a.b": "c"}, "{}", '{"input":1}', 10**9 + 1, 3.3e10,
]  # fmt: skip

_METRICS = (
    "time_to_first_token", "ttft", "request_latency", "inter_chunk_latency", "input_sequence_length",
    "output_sequence_length", "reasoning_token_count", "error_isl", "time_to_first_output_token",
    "min_request_timestamp", "max_response_timestamp",
)  # fmt: skip
_NESTED: dict[str, dict[str, tuple[str, ...]]] = {
    "raw": {"metadata": tuple(key for keys in APP_KEYS.values() for key in keys)},
    "langfuse": {
        "metadata": tuple(key for keys in APP_KEYS.values() for key in keys),
        "usage_details": (
            "input", "output", "output_reasoning", "reasoning_tokens", "prompt_tokens", "completion_tokens",
            "candidatesTokenCount", "thoughtsTokenCount", "total", "input_cached_tokens", "input_cache_creation",
        ),
        "cost_details": ("input", "output", "total"), "model_parameters": ("max_tokens", "stream"),
        "usage": ("input", "output"),
    },
    "datadog": {
        "metadata": (*(key for keys in APP_KEYS.values() for key in keys), "ttft_ms", "latency_metrics"),
        "metrics": (
            "input_tokens", "output_tokens", "cache_read_input_tokens", "cache_write_input_tokens",
            "reasoning_output_tokens", "time_to_first_token", "timeToFirstToken", "ttft_ms", "estimated_total_cost",
            "estimated_input_cost",
            "estimated_output_cost",
            "total_cost",
            "input_cost",
            "output_cost",
            "rendered_tokens",
        ),
        "output": ("value",),
    },
    "litellm": {
        "metadata": ("usage_object", "error_information", "spend_logs_metadata", "requester_metadata", "stream"),
        "model_parameters": ("stream", "max_tokens"), "error_information": ("error_code", "error_class",
        "error_message"),
    },
    "langsmith": {"extra": ("metadata", "invocation_params"), "prompt_token_details": ("cache_read",)},
    "helicone": {"request_properties": ("tenant", "Helicone-Session-Id", "rendered_tokens"),
    "request_body": ("stream",)},
    "openrouter": {"data": ("id", "created_at", "native_tokens_completion", "total_cost", "cancelled", "streamed")},
    "vllm": {}, "genai_perf": {}, "guidellm": {},
    "datadog_logs": {"attributes": ("id", "start_time", "duration_ms", "output_tokens", "tenant", "tags", "metadata")},
    "aiperf": {
        "metadata": (
            "x_request_id", "x_correlation_id", "conversation_id", "request_start_ns", "timestamp_ns", "request_end_ns",
            "was_cancelled", "cancellation_time_ns", "turn_index",
        ),
        "metrics": _METRICS, "error": ("code", "type"),
    },
    "llmperf": {},
    "sglang": {"server_info": ("served_model_name", "model_path", "version")},
    "inference_perf": {
        "info": ("lora_adapter", "labels", "input_tokens", "output_tokens", "chunk_times", "output_token_times"),
        "info/labels": ("tenant", "tenant_id"), "error": ("error_type",),
        "info/response_metrics": ("chunk_times", "output_token_times", "output_tokens", "server_usage"),
        "info/response_metrics/server_usage": ("completion_tokens", "prompt_tokens"),
    },
    "claude_code": {
        "message": ("id", "model", "stop_reason", "role", "usage", "content"),
        "message/usage": (
            "input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "cache_creation",
            "service_tier",
        ),
    },
    "codex": {
        "payload": ("type", "id", "session_id", "model", "turn_id", "cwd", "info"),
        "payload/info": ("total_token_usage", "last_token_usage", "model"),
        **{f"payload/info/{usage}": (
            "input_tokens", "cached_input_tokens", "output_tokens", "reasoning_output_tokens", "total_tokens",
        ) for usage in ("last_token_usage", "total_token_usage")},
    },
    "phoenix": {
        "context": ("trace_id", "span_id"),
        "attributes": (
            "llm", "metadata", "llm.model_name", "llm.token_count.completion", "llm.cost.total", "tenant_id",
        ),
    },
    "otel": {
        "span": (
            "traceId", "spanId", "parentSpanId", "name", "kind", "startTimeUnixNano", "endTimeUnixNano", "attributes",
            "events", "droppedEventsCount", "status", "start_time_unix_nano", "trace_id",
        ),
        "event": ("name", "timeUnixNano", "attributes"),
        "attribute": (
            *(key for keys in APP_KEYS.values() for key in keys),
            *re.findall(r"'([a-zA-Z_]+\.[\w.]+)'", SOURCES["otel"].sql),
            "metadata",
        ),
        "resource": ("service.name", "service.version", "deployment.environment.name", "service.namespace"),
    },
}  # fmt: skip


def base(source: str, number: int) -> Record:
    """A record of a source, with a name of its own by its number."""
    name = f"r{number}"
    made: dict[str, Callable[[str], Record]] = {
        "raw": raw_call, "langfuse": langfuse_row, "datadog": datadog_span, "aiperf": aiperf,
        "datadog_logs": lambda name: {**log(), "_id": name}, "phoenix": phoenix_span,
        "litellm": litellm, "langsmith": langsmith, "helicone": helicone, "openrouter": openrouter, "vllm": vllm,
        "genai_perf": genai_perf, "guidellm": guidellm, "otel": lambda name: otel_batch(otel_span(name)),
        "sglang": lambda _: sglang(), "inference_perf": lambda _: inference_perf(100.0 + number),
        "claude_code": lambda name: claude_code(name, number % 60, 5),
        "codex": lambda _: codex_count(number % 60, 100 * number, 100),
    }  # fmt: skip
    return made[source](name) if source in made else llmperf(0.2, 1 + number / 1000)


def _fields(source: str) -> Iterator[FIELD]:
    # Columns of a table go the same way as the field each stands for.
    yield from ((name,) for name in SOURCES[source].fields if not name.startswith(("@", "metrics.")))
    for outer, names in _NESTED[source].items():
        yield from ((*outer.split("/"), name) for name in names)
    if source == "aiperf":
        yield from (("metrics", name, part) for name in _METRICS for part in ("value", "unit"))


def _with(record: Record, field: FIELD, value: Any) -> Record:
    changed = copy.deepcopy(record)
    if "resourceSpans" in record and len(field) > 1:
        _put_in_span(changed["resourceSpans"][0], field[0], field[1], value)
        return changed
    inner = changed
    for name in field[:-1]:
        if not isinstance(inner.get(name), dict):
            inner[name] = {}
        inner = inner[name]
    inner[field[-1]] = value
    return changed


def _put_in_span(batch: Record, place: str, name: str, value: Any) -> None:
    span = batch["scopeSpans"][0]["spans"][0]
    if place == "span":
        span[name] = value
    elif place == "event":
        span["events"] = [{"name": "llm.content.completion.chunk", "timeUnixNano": "1794816001000000000", name: value}]
    else:
        attributes = span["attributes"] if place == "attribute" else batch["resource"]["attributes"]
        attributes[:] = [{"key": name, "value": {"stringValue": value}}, *attributes]


def _size(record: Record) -> int:
    """A batch with several elements is as many, and so is a run with several requests; every other record is one."""
    measured = record.get("ttfts")
    if isinstance(measured, list):
        return max(len(measured), 1)
    elements = record.get("resourceSpans") or record.get("resource_spans")
    return len(elements) if isinstance(elements, list) and elements else 1


EACH_RUN = ("raw", "langfuse", "datadog", "otel", "phoenix", "codex")
"""Sources of each run: those of most fields, and sessions. Every source reads junk in ``test_contracts.py``."""


def _changes(source: str, step: int) -> Iterator[tuple[FIELD, Any]]:
    """Of each field every ``step``-th value, by turns, so that each value meets some field."""
    for place, field in enumerate(_fields(source)):
        for value in HOSTILE[place % step :: step]:
            yield field, value


@pytest.mark.parametrize(
    ("source", "step"),
    [*((source, 20) for source in EACH_RUN), *(pytest.param(name, 1, marks=pytest.mark.proof) for name in SOURCES)],
)
def test_no_value_in_any_field_breaks_a_file_or_a_report(
    source: str, step: int, store: Store, tmp_path: Path
) -> None:
    """Many records with one impossible value each: none stops the others, and every sum agrees."""
    numbered = enumerate(_changes(source, step), start=2)
    records = [base(source, 1), *(_with(base(source, number), *change) for number, change in numbered)]
    (result,) = ingest(store, write_lines(tmp_path / "hostile.jsonl", records))
    read, *_, rejected, _ = equation(result)
    assert read == sum(_size(record) for record in records)
    lines = [reject.line for reject in result.rejects]
    assert len(lines) == rejected
    # A line that holds several requests may lose each of them.
    assert all(count <= _size(records[line - 1]) for line, count in Counter(lines).items() if line is not None)
    assert set(lines) <= set(range(2, len(records) + 1))
    assert lines == sorted(lines, key=lambda line: line or 0)
    assert not {reject.reason for reject in result.rejects} & {"unreadable", "malformed JSON"}
    for name in ("report", "tax") if step == 1 else ("tax",):
        tables = audit(store, name, "tenant,route,deploy,model")
        assert tables["total"][0]["calls"] == sum(row["calls"] for row in tables["by_tenant_route_deploy_model"])
    for call in calls(store).values():
        assert call["tax_class"] != "exact" or 0 <= call["tax_best"] <= 10**9
        assert call["cost_usd"] is None or call["cost_usd"] >= 0


def test_no_usage_inside_a_log_of_ones_own_breaks_its_file(store: Store, tmp_path: Path) -> None:
    """The usual names inside ``usage``, as a provider writes them, with one impossible value each."""
    usage = {"input_tokens": 50, "output_tokens": 5, "cache_read_input_tokens": 10, "cache_creation_input_tokens": 10}
    log = {"ts": "2026-11-16T08:00:00Z", "model": "m"}
    changes = [(name, value) for place, name in enumerate(usage) for value in HOSTILE[place::4]]
    records = [{**log, "id": str(n), "usage": {**usage, name: value}} for n, (name, value) in enumerate(changes)]
    (result,) = ingest(store, write_lines(tmp_path / "log.jsonl", [{**log, "id": "good", "usage": usage}, *records]))
    assert equation(result)[0] == 1 + len(records)
    assert calls(store)["good"]["input_tokens"] == 70


IMPOSSIBLE = {
    "negative token count": ("input_tokens", "output_tokens", "reasoning_tokens", "rendered_tokens", "delivered_tokens",
                             "cached_input_tokens", "cache_write_tokens"),
    "token count out of range": ("input_tokens", "output_tokens", "reasoning_tokens", "rendered_tokens"),
    "negative cost": ("cost_usd", "input_cost_usd", "output_cost_usd"),
}  # fmt: skip


def test_an_impossible_number_rejects_its_record_with_that_reason(store: Store, tmp_path: Path) -> None:
    """Negative tokens or dollars and a trillion tokens are no measurements, so the record is not used."""
    cases = [(reason, field) for reason, fields in IMPOSSIBLE.items() for field in fields]
    value = {"token count out of range": 10**12}
    records = [raw_call(f"{reason}-{field}", **{field: value.get(reason, -5)}) for reason, field in cases]
    (result,) = ingest(store, write_lines(tmp_path / "calls.jsonl", [*records, raw_call("good")]))
    assert [(reject.line, reject.reason) for reject in result.rejects] == [
        (line, reason) for line, (reason, _) in enumerate(cases, start=1)
    ]
    assert set(calls(store)) == {"good"}


SKEWED: dict[str, Record] = {
    "raw": raw_call("a", start_time="2026-11-20T10:00:00Z", end_time="2026-11-20T09:56:00Z", duration_ms=None),
    "raw, its own duration": raw_call("a", duration_ms=-5),
    "langfuse": langfuse_row("a", start_time="2026-11-20 10:00:00.5", end_time="2026-11-20 09:56:00"),
    "datadog": datadog_span("a", duration=-1000),
    "otel": otel_batch(otel_span("a", {
        "gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 7}, endTimeUnixNano="1794815000000000000")),
    "phoenix": phoenix_span("a", {"llm.token_count.completion": 7}, end_time="2026-11-01T00:00:00+00:00"),
    "langsmith": {
        "id": "a", "dotted_order": "x", "run_type": "llm", "start_time": "2026-11-20T10:00:00",
        "end_time": "2026-11-20T09:59:00", "status": "success", "completion_tokens": 7,
    },
}  # fmt: skip


@pytest.mark.parametrize("form", keep(SKEWED, ["raw", "raw, its own duration", "datadog", "otel"]))
def test_an_end_before_the_start_costs_end_and_duration_only(form: str, store: Store, tmp_path: Path) -> None:
    """Two clocks: start, tokens and outcome stay, and the file says how many calls there are of it."""
    (result,) = ingest(store, write_lines(tmp_path / "calls.jsonl", [SKEWED[form]]))
    assert (result.rejects, result.ends_before_start) == ((), 1)
    (call,) = calls(store).values()
    assert (call["end_time"], call["duration_ms"], call["outcome"]) == (None, None, "completed")
    assert call["start_time"] is not None
    assert call["output_tokens"] > 0


UNNAMED: dict[str, Record] = {
    "langfuse": langfuse_row("a", usage_details={"input": 5, "output": 845, "total": 2023}),
    "langfuse, of a provider": langfuse_row(
        "a", usage_details={"promptTokenCount": 5, "candidatesTokenCount": 845, "totalTokenCount": 2023, "total": 2873}
    ),
    "litellm": litellm("a", prompt_tokens=5, completion_tokens=845, total_tokens=2023),
    "helicone": helicone("a", prompt_tokens=5, completion_tokens=845, total_tokens=2023),
}


WHOLE = [
    langfuse_row("whole"),
    langfuse_row("rounded", usage_details={"input": 5, "output": 845, "total": 851}),
    langfuse_row("half", usage_details={"input": 5, "total": 851}),
]


@pytest.mark.parametrize("form", UNNAMED)
def test_a_total_above_its_parts_is_said(form: str, store: Store, tmp_path: Path) -> None:
    """Tokens of neither side are in no figure, and the file says how many there are. A token more or less is rounding,
    and a side that is not known is no evidence."""
    beside = WHOLE if form == "langfuse" else []
    (result,) = ingest(store, write_lines(tmp_path / "calls.jsonl", [UNNAMED[form], *beside]))
    assert (result.doubts.with_unexplained, result.doubts.unexplained_tokens) == (1, 1173)
    call = calls(store)["a"]
    assert (call["input_tokens"], call["output_tokens"]) == (5, 845)
