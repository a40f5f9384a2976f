"""A file of each form that a source reads, of about the same size: made-up traffic, the same bytes every time.

``python benchmarks/forms.py NAME FOLDER MEGABYTES`` writes one and prints how many calls it holds.
"""

import csv
import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import sample_traces as traces

Write = Callable[[Path, int], object]
Record = dict[str, Any]

_START = datetime(2026, 11, 9, tzinfo=UTC)
_START_NS = 1_794_816_000_000_000_000
_VLLM_TOKENS = 128
"""Of each answer: what its random data set asks for unless told otherwise."""
_TRIED = 400
"""Calls that are written first, to see how large one is."""


def _fleet(write: Callable[[traces.Fleet, Path], None]) -> Write:
    return lambda path, calls: write(traces.simulate(calls, 7, _START, 7, whole_ms=True), path)


def _lines(record: Callable[[int], Record]) -> Write:
    return lambda path, calls: path.write_text("".join(json.dumps(record(number)) + "\n" for number in range(calls)))


def _document(whole: Callable[[list[Record]], object], record: Callable[[int], Record]) -> Write:
    return lambda path, calls: path.write_text(json.dumps(whole([record(number) for number in range(calls)])))


def _openrouter(number: int) -> Record:
    return {"data": {
        "id": f"gen-{number}", "upstream_id": f"up-{number}", "created_at": "2026-11-16T08:00:00.000000+00:00",
        "model": "vendor/large", "provider_name": "Host", "streamed": True, "cancelled": number % 16 == 0,
        "finish_reason": "stop", "native_finish_reason": "stop", "latency": 442 + number % 500,
        "generation_time": 457 + number % 900, "tokens_prompt": 40, "tokens_completion": 90, "native_tokens_prompt": 50,
        "native_tokens_completion": 100, "native_tokens_reasoning": 20, "native_tokens_cached": 0, "total_cost": 0.003,
        "external_user": f"u{number % 40}",
    }}  # fmt: skip


def _log(number: int) -> Record:
    return {
        "_id": f"log-{number}", "date": "2026-11-16T08:00:10.000Z", "service": "shop", "message": "llm_call",
        "tags": ["env:prod", "version:9"], "attributes": {
            "model": "gpt-4o-mini", "ttft_ms": 400 + number % 700, "duration_ms": 6412, "output_tokens": 288,
            "tenant": f"t{number % 40}",
        },
    }  # fmt: skip


def _aiperf(number: int) -> Record:
    sizes = {"input_sequence_length": 550, "output_sequence_length": 90, "reasoning_token_count": 60}
    return {
        "metadata": {
            "x_request_id": f"r{number}", "x_correlation_id": f"t{number}", "conversation_id": "c", "turn_index": 0,
            "request_start_ns": _START_NS + number, "request_end_ns": _START_NS + number + 1_300_000_000,
            "benchmark_phase": "profiling", "was_cancelled": False, "session_num": number,
        },
        "metrics": {
            "time_to_first_token": {"value": 400.0 + number % 300, "unit": "ms"},
            "request_latency": {"value": 1300.0, "unit": "ms"},
            "inter_chunk_latency": {"value": [25.5] * 30, "unit": "ms"},
            **{name: {"value": size, "unit": "tokens"} for name, size in sizes.items()},
        },
        "error": None,
    }  # fmt: skip


def _llmperf(number: int) -> Record:
    return {
        "error_code": None, "error_msg": "", "inter_token_latency_s": 0.01, "ttft_s": 0.2 + number / 1e6,
        "end_to_end_latency_s": 2.0, "request_output_throughput_token_per_s": 100.0, "number_total_tokens": 650,
        "number_output_tokens": 100, "number_input_tokens": 550,
    }  # fmt: skip


def _vllm(path: Path, calls: int) -> None:
    """Its times are differences of a clock, with all the digits that a float has."""
    chance = Random(7)
    gaps = [[chance.uniform(0.018, 0.023) for _ in range(_VLLM_TOKENS - 1)] for _ in range(calls)]
    run = {
        "date": "20261116-080000", "backend": "openai-chat", "endpoint_type": "openai-chat", "model_id": "org/model",
        "completed": calls, "duration": 20.0, "mean_ttft_ms": 480.0, "input_lens": [812] * calls,
        "output_lens": [_VLLM_TOKENS] * calls, "ttfts": [chance.uniform(0.3, 0.9) for _ in range(calls)],
        "itls": gaps, "latencies": [1.421] * calls, "errors": [""] * calls,
        "start_times": [81234.1 + number / 1e3 for number in range(calls)], "generated_texts": ["an answer"] * calls,
    }  # fmt: skip
    path.write_text(json.dumps(run))


def _genai_perf(number: int) -> Record:
    start_ns = _START_NS + number * 1_000_000
    said = [*({"choices": [{"delta": {"content": "word"}}]} for _ in range(20)), {"choices": []}]
    return {
        "timestamp": start_ns,
        "response_outputs": [{"response": f"data: {json.dumps(one)}"} for one in said],
        "response_timestamps": [start_ns + 1_000_000 * (400 + at) for at in range(21)],
        "request_inputs": {"payload": json.dumps({"model": "m", "stream": True, "max_tokens": 50})},
    }


def _guidellm(number: int) -> Record:
    return {
        "request_id": f"r{number}", "request_start_time": 1_794_816_000.0 + number, "request_latency": 2.0,
        "request_end_time": 1_794_816_002.0 + number, "time_to_first_token_ms": 300.0, "prompt_tokens": 7,
        "output_tokens": 9, "info": {"status": "completed", "error": None},
    }  # fmt: skip


def _csv_of_observations(path: Path, calls: int) -> None:
    """The columns of a bucket export in Langfuse's CSV: nested values as JSON text."""
    lines = path.with_suffix(".lines")
    traces.write_langfuse_v2(traces.simulate(calls, 7, _START, 7, whole_ms=True), lines)
    with lines.open() as rows, path.open("w", newline="") as out:
        records: Iterator[Record] = map(json.loads, rows)
        first = next(records)
        table = csv.DictWriter(out, list(first), extrasaction="ignore", quoting=csv.QUOTE_ALL)
        table.writeheader()
        for record in (first, *records):
            table.writerow({
                name: json.dumps(value) if isinstance(value, dict | list) else value for name, value in record.items()
            })  # fmt: skip
    lines.unlink()


FORMS: dict[str, Write] = {
    "raw lines": _fleet(traces.write_raw),
    "Langfuse bucket lines": _fleet(traces.write_langfuse_v2),
    "Langfuse UI export": _fleet(traces.write_langfuse_ui_observations),
    "Langfuse CSV": _csv_of_observations,
    "Langfuse API pages": _fleet(traces.write_langfuse_rest_v2),
    "Datadog export pages": _fleet(traces.write_datadog),
    "Datadog bare attributes": _fleet(traces.write_datadog_flat),
    "Datadog tracer batches": _fleet(traces.write_datadog_tracer),
    "Datadog DDSQL CSV": _fleet(traces.write_datadog_ddsql),
    "Datadog logs": _lines(_log),
    "OTLP JSON lines": _fleet(traces.write_otel),
    "Phoenix spans": _fleet(traces.write_phoenix),
    "LiteLLM payloads": _fleet(traces.write_litellm),
    "LiteLLM spend rows": _fleet(traces.write_litellm_rows),
    "LangSmith runs": _fleet(traces.write_langsmith),
    "Helicone requests": _fleet(traces.write_helicone),
    "OpenRouter generations": _lines(_openrouter),
    "AIPerf records": _lines(_aiperf),
    "llmperf results": _document(lambda records: records, _llmperf),
    "vLLM detailed result": _vllm,
    "genai-perf profile": _document(
        lambda records: {"service_kind": "openai", "endpoint": "v1/chat/completions", "experiments": [
            {"experiment": {"mode": "concurrency", "value": 1}, "requests": records}]}, _genai_perf,
    ),
    "GuideLLM report": _document(
        lambda records: {"metadata": {"version": 2}, "benchmarks": [
            {"config": {"backend": {"model": "m"}}, "requests": {"successful": records, "incomplete": [],
             "errored": []}}]}, _guidellm,
    ),
}  # fmt: skip


def write_form(name: str, folder: Path, megabytes: float) -> tuple[Path, int]:
    """A file of a form that is about so large, and how many calls it was made of."""
    path = folder / "form.data"
    FORMS[name](path, _TRIED)
    calls = max(_TRIED, round(_TRIED * megabytes * 1e6 / path.stat().st_size))
    FORMS[name](path, calls)
    return path, calls


if __name__ == "__main__":
    print(write_form(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]))[1])
