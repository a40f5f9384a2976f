"""Single records of benchmark tools, made up, with marked texts that must be found nowhere."""

import json
from collections.abc import Sequence
from typing import Any

Record = dict[str, Any]

START_NS = 1_794_816_000_000_000_000


def aiperf(
    name: str, *, early: bool = False, cancelled: bool = False, ttft_ms: float = 400.0,
    gaps_ms: Sequence[float] = (250.0, 400.0, 250.0),
) -> Record:  # fmt: skip
    """One AIPerf request of 1.3 s: a first chunk and what came after it."""
    names = {"x_request_id": name, "x_correlation_id": f"trace-{name}", "conversation_id": "c", "turn_index": 0}
    end_ns = START_NS + 1_300_000_000
    gaps = {"value": list(gaps_ms), "unit": "ms"}
    sizes = {
        "input_sequence_length": {"value": 550, "unit": "tokens"},
        "output_sequence_length": {"value": 90, "unit": "tokens"},
        "reasoning_token_count": {"value": 60, "unit": "tokens"},
    }
    error = {"code": 499, "type": "RequestCancellationError", "message": "Request was cancelled after 0.5 seconds"}
    if early:
        record: Record = {"metadata": {**names, "timestamp_ns": START_NS, "credit_phase": "profiling"}}
        record["metrics"] = {
            "ttft": {"value": ttft_ms, "unit": "ms"}, "request_latency": {"value": 1300.0, "unit": "ms"},
            "inter_chunk_latency": gaps, "min_request_timestamp": {"value": START_NS, "unit": "ns"},
            "max_response_timestamp": {"value": end_ns, "unit": "ns"}, **sizes,
        }  # fmt: skip
    else:
        times = {"request_start_ns": START_NS, "request_end_ns": end_ns, "benchmark_phase": "profiling"}
        record = {"metadata": {**names, **times, "was_cancelled": cancelled, "session_num": 1}}
        record["metrics"] = {
            "time_to_first_token": {"value": ttft_ms, "unit": "ms"},
            "request_latency": {"value": 1_300_000, "unit": "us"},
            "inter_chunk_latency": gaps, **sizes,
        }  # fmt: skip
    if cancelled:
        record["metrics"] = {"error_request_count": {"value": 1, "unit": "requests"}}
        if not early:
            record["metadata"]["cancellation_time_ns"] = START_NS + 500_000_000
    record["error"] = error if cancelled else None
    return record


def llmperf(ttft_s: float, latency_s: float, error: int | str | None = None) -> Record:
    """One llmperf request; an error row writes zeros, as the tool does."""
    return {
        "error_code": error, "error_msg": "CONFIDENTIAL-PROMPT-1" if error else "",
        "inter_token_latency_s": 0.01,
        "ttft_s": 0 if error else ttft_s,
        "end_to_end_latency_s": 0 if error else latency_s,
        "request_output_throughput_token_per_s": 100.0, "number_total_tokens": 650,
        "number_output_tokens": 1 if error else 100, "number_input_tokens": 550,
    }  # fmt: skip


def vllm(name: str, /, **fields: Any) -> Record:
    """A detailed result of one request: four chunks in 1.421 s."""
    return {
        "date": "20261116-080000", "backend": "openai-chat", "endpoint_type": "openai-chat", "label": name,
        "model_id": "org/model", "request_rate": "inf", "completed": 1, "duration": 2.0,
        "mean_ttft_ms": 480.0, "input_lens": [812], "output_lens": [4],
        "ttfts": [0.48], "itls": [[0.02, 0.021, 0.9]], "latencies": [1.421], "start_times": [81234.1], "errors": [""],
        "generated_texts": ["CONFIDENTIAL-ANSWER-1"], **fields,
    }  # fmt: skip


def genai_perf(name: str, /, **fields: Any) -> Record:
    """A profile export of one request: two chunks, its usage and the end of the stream."""
    return profile_export([profiled(int(name, 36))], **fields)


def profile_export(requests: list[Record], **fields: Any) -> Record:
    """A profile export of genai-perf."""
    experiments = [{"experiment": {"mode": "concurrency", "value": 1}, "requests": requests}]
    return {"service_kind": "openai", "endpoint": "v1/chat/completions", "experiments": experiments, **fields}


def profiled(after_ns: int, heard_ms: Sequence[int] = (400, 500, 700)) -> Record:
    """One request of a profile export: when each response was heard; the last two have no words but the usage."""
    usage = {"prompt_tokens": 7, "completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 2}}
    words: list[Record] = [{"choices": [{"delta": {"content": "CONFIDENTIAL-ANSWER-1"}}]}] * (len(heard_ms) - 2)
    return {
        "timestamp": START_NS + after_ns, "response_outputs": [
            {"response": f"data: {json.dumps(one, separators=(',', ':'))}"}
            for one in (*words, {"choices": []}, {"usage": usage})],
        "response_timestamps": [START_NS + after_ns + 1_000_000 * at for at in heard_ms],
        "request_inputs": {"payload": json.dumps({"model": "m", "stream": True, "max_tokens": 50})},
    }  # fmt: skip


def guidellm(name: str, /, **lists: list[Record]) -> Record:
    """A report of one benchmark; by default one request of two seconds that succeeded."""
    requests = {"successful": [guided(name)], "incomplete": [], "errored": [], **lists}
    return {"metadata": {"version": 2}, "benchmarks": [{"config": {"backend": {"model": "m"}}, "requests": requests}]}


def guided(name: str, /, **fields: Any) -> Record:
    """One request of a GuideLLM report."""
    return {
        "request_id": name, "request_start_time": 1_794_816_000.0, "request_end_time": 1_794_816_002.0,
        "request_latency": 2.0, "time_to_first_token_ms": 300.0, "time_to_first_output_token_ms": 700.0,
        "prompt_tokens": 7, "output_tokens": 9,
        "info": {"status": "completed", "error": None}, **fields,
    }  # fmt: skip


def sglang(**fields: Any) -> Record:
    """One SGLang run of three requests with its details: two answered, one timed out; as appended to a result file."""
    return {
        "backend": "sglang", "dataset_name": "random", "request_rate": 8, "completed": 2, "mean_ttft_ms": 375.0,
        "tag": "chat", "server_info": {"model_path": "openai/gpt-oss-120b", "version": "0.5.1"},
        "input_lens": [10, 20, 30], "output_lens": [3, 5, 0], "ttfts": [0.5, 0.25, 0.0],
        "itls": [[0.1, 0.2], [0.05], []], "errors": ["", "", "Traceback (CONFIDENTIAL-ERROR)\nTimeoutError: late"],
        "generated_texts": ["CONFIDENTIAL-TEXT", "CONFIDENTIAL-TEXT", ""], **fields,
    }  # fmt: skip


def inference_perf(start_s: float = 100.0, **fields: Any) -> Record:
    """One request of inference-perf with three chunks, the last two seconds after its start."""
    asked = {"model": "openai/gpt-oss-20b", "stream": True, "max_tokens": 64, "messages": ["CONFIDENTIAL-PROMPT"]}
    return {
        "start_time": start_s, "end_time": start_s + 2, "request": json.dumps(asked), "response": "CONFIDENTIAL-ANSWER",
        "info": {
            "input_tokens": 12, "lora_adapter": "adapter-1", "labels": {"tenant": "acme"},
            "response_metrics": {
                "chunk_times": [start_s + 0.5, start_s + 1.0, start_s + 2.0], "output_tokens": 7,
                "server_usage": {"prompt_tokens": 13, "completion_tokens": 9},
            },
        },
        "error": None, **fields,
    }  # fmt: skip
