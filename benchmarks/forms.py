"""A file of each form that a source reads, of about the same size: made-up traffic, the same bytes every time.

``python benchmarks/forms.py NAME FOLDER MEGABYTES`` writes one and prints how many calls it holds.
"""

import csv
import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import sample_traces as traces
from sample_traces.benchmarks import (
    aiperf,
    guided,
    guidellm,
    inference_perf,
    llmperf,
    profile_export,
    profiled,
    sglang,
    vllm,
)
from sample_traces.records import log, openrouter
from sample_traces.sessions import claude_code, codex_count, codex_session

Write = Callable[[Path, int], object]
Record = dict[str, Any]

_START = datetime(2026, 11, 9, tzinfo=UTC)
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
    return openrouter(
        f"gen-{number}", cancelled=number % 16 == 0, latency=442 + number % 500, generation_time=457 + number % 900,
        external_user=f"u{number % 40}",
    )


def _log(number: int) -> Record:
    return log(f"log-{number}", ttft_ms=400 + number % 700, tenant=f"t{number % 40}")


def _aiperf(number: int) -> Record:
    return aiperf(f"r{number}", ttft_ms=400.0 + number % 300, gaps_ms=[25.5] * 30)


def _llmperf(number: int) -> Record:
    return llmperf(0.2 + number / 1e6, 2.0)


def _vllm(path: Path, calls: int) -> None:
    """Its times are differences of a clock, with all the digits that a float has."""
    chance = Random(7)
    run = vllm(
        "run", completed=calls, input_lens=[812] * calls, output_lens=[_VLLM_TOKENS] * calls,
        ttfts=[chance.uniform(0.3, 0.9) for _ in range(calls)],
        itls=[[chance.uniform(0.018, 0.023) for _ in range(_VLLM_TOKENS - 1)] for _ in range(calls)],
        latencies=[1.421] * calls, errors=[""] * calls, generated_texts=["an answer"] * calls,
        start_times=[81234.1 + number / 1e3 for number in range(calls)],
    )  # fmt: skip
    path.write_text(json.dumps(run))


def _sglang(path: Path, calls: int) -> None:
    """A run of many requests, its times as of a clock."""
    chance = Random(7)
    gaps = [[chance.uniform(0.018, 0.023) for _ in range(_VLLM_TOKENS - 1)] for _ in range(calls)]
    run = sglang(
        completed=calls, input_lens=[812] * calls, output_lens=[_VLLM_TOKENS] * calls, itls=gaps,
        ttfts=[chance.uniform(0.3, 0.9) for _ in range(calls)], errors=[""] * calls,
        generated_texts=["an answer"] * calls,
    )  # fmt: skip
    path.write_text(json.dumps(run) + "\n")


def _inference_perf(number: int) -> Record:
    return inference_perf(1_794_816_000.0 + number)


def _at(second: int) -> str:
    return (_START + timedelta(seconds=second)).isoformat()


def _claude_code(number: int) -> Record:
    return claude_code(f"m{number}", 0, 40 + number % 900, timestamp=_at(number))


def _codex(path: Path, calls: int) -> None:
    """One long session, each count that of a call of its own."""
    counts = ({**codex_count(0, 100 * number, 100), "timestamp": _at(number)} for number in range(1, calls + 1))
    path.write_text("".join(json.dumps(line) + "\n" for line in (*codex_session(), *counts)))


def _genai_perf(number: int) -> Record:
    return profiled(number * 1_000_000, range(400, 421))


def _guidellm(number: int) -> Record:
    return guided(
        f"r{number}", request_start_time=1_794_816_000.0 + number, request_end_time=1_794_816_002.0 + number
    )


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
    "genai-perf profile": _document(profile_export, _genai_perf),
    "GuideLLM report": _document(lambda requests: guidellm("", successful=requests), _guidellm),
    "SGLang details": _sglang,
    "inference-perf requests": _document(lambda records: records, _inference_perf),
    "Claude Code sessions": _lines(_claude_code),
    "Codex sessions": _codex,
}  # fmt: skip


def write_form(name: str, folder: Path, megabytes: float) -> tuple[Path, int]:
    """A file of a form that is about so large, and how many calls it was made of."""
    path = folder / "form.data"
    FORMS[name](path, _TRIED)
    calls = max(_TRIED, round(_TRIED * megabytes * 1e6 / path.stat().st_size))
    if calls > _TRIED:
        FORMS[name](path, calls)
    return path, calls


if __name__ == "__main__":
    print(write_form(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]))[1])
