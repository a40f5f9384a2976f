"""Logs of gateways and servers that are one call a line under names of their own, and answers of providers whose names
mean something else in other logs: the paths of their figures, with the units that their documentation gives
(developers.cloudflare.com, AI Gateway logs; developer.konghq.com, AI audit log; portkey.ai, logs export, whose costs
are cents; maximhq/bifrost, framework/logstore; tensorzero/tensorzero, ``ModelInference``; ollama's API reference, whose
durations are nanoseconds and whose time is the end's; sglang's meta_info, in seconds; llama.cpp's server; Dify's
message_end, whose latency is seconds).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streamaudit.ingest.sources._raw_names import Names
from streamaudit.ingest.sources._raw_usage import at
from streamaudit.ingest.sources.registry import Record


@dataclass(frozen=True, slots=True)
class _Gateway:
    is_one: Callable[[Record], bool]
    paths: Names


def _kong(plugin: str) -> _Gateway:
    logged = f"ai.{plugin}"
    return _Gateway(
        lambda record: at(record, f"{logged}.usage") is not None and "latencies" in record,
        {
            "call_id": ("request.id",), "start_time": ("started_at",), "duration_ms": ("latencies.request:ms",),
            "model": (f"{logged}.meta.request_model",), "response_model": (f"{logged}.meta.response_model",),
            "provider": (f"{logged}.meta.provider_name",), "input_tokens": (f"{logged}.usage.prompt_tokens",),
            "output_tokens": (f"{logged}.usage.completion_tokens",), "cost_usd": (f"{logged}.usage.cost",),
            "ttft_ms": (f"{logged}.usage.time_to_first_token:ms",), "http_status": ("response.status",),
            "route": ("request.uri",), "cache_hit": (f"{logged}.cache.cache_status",),
        },
    )  # fmt: skip


def _ollama(around: str) -> _Gateway:
    return _Gateway(
        lambda record: at(record, f"{around}total_duration") is not None and at(record, f"{around}done") is not None,
        {"duration_ms": (f"{around}total_duration:ns",), "end_time": (f"{around}created_at",)},
    )


def _sglang(around: str, call_id: str) -> _Gateway:
    meta = f"{around}meta_info"
    return _Gateway(
        lambda record: at(record, f"{meta}.completion_tokens") is not None,
        {
            "call_id": (call_id,), "input_tokens": (f"{meta}.prompt_tokens",),
            "output_tokens": (f"{meta}.completion_tokens",), "cached_input_tokens": (f"{meta}.cached_tokens",),
            "duration_ms": (f"{meta}.e2e_latency:s",), "finish_reason": (f"{meta}.finish_reason.type",),
            "model": (f"{around}model",),
        },
    )  # fmt: skip


def _dify(currency: str) -> _Gateway:
    usage = "metadata.usage"
    costs: Names = {
        "cost_usd": (f"{usage}.total_price",), "input_cost_usd": (f"{usage}.prompt_price",),
        "output_cost_usd": (f"{usage}.completion_price",),
    }  # fmt: skip
    return _Gateway(
        lambda record: at(record, f"{usage}.total_price") is not None
        and (at(record, f"{usage}.currency") in ("USD", None)) == (currency == "USD"),
        {
            "call_id": ("message_id",), "duration_ms": (f"{usage}.latency:s",),
            "ttft_ms": (f"{usage}.time_to_first_token:s",), **(costs if currency == "USD" else {}),
        },
    )  # fmt: skip


def _is_answer(record: Record) -> bool:
    """Whether a record is an answer of a provider itself, whose id is no other's."""
    return record.get("object") in ("chat.completion", "chat.completion.chunk", "response", "text_completion") or (
        record.get("type") == "message" and "usage" in record
    )


_KNOWN = (
    _Gateway(
        lambda record: {"req_units", "res_units", "ai_model"} <= record.keys(),
        {
            "call_id": ("id",), "logical_request_id": ("trace_id",), "start_time": ("created_at",),
            "duration_ms": ("response_time:ms",), "model": ("ai_model",), "provider": ("ai_org",),
            "input_tokens": ("req_units",), "output_tokens": ("res_units",), "cost_usd": ("cost:cents",),
            "http_status": ("response_status_code",), "cache_hit": ("cache_status",),
        },
    ),
    _Gateway(
        lambda record: {"tokens_in", "tokens_out", "cached", "duration", "response_content_type"} <= record.keys(),
        {
            "duration_ms": ("duration:ms",), "route": ("path",), "input_tokens": ("tokens_in",),
            "output_tokens": ("tokens_out",), "cost_usd": ("cost",),
        },
    ),
    # Bifrost.
    _Gateway(
        lambda record: {"latency", "fallback_index", "provider"} <= record.keys(),
        {"duration_ms": ("latency:ms",)},
    ),
    # TensorZero's table of the calls of models. Its input includes the cache.
    _Gateway(
        lambda record: {"model_provider_name", "response_time_ms", "inference_id"} <= record.keys(),
        {
            "provider": ("model_provider_name",), "cached_input_tokens": ("provider_cache_read_input_tokens",),
            "cache_write_tokens": ("provider_cache_write_input_tokens",),
        },
    ),
    _kong("proxy"), _kong("ai-proxy"), _kong("ai-proxy-advanced"),
    _ollama(""), _ollama("response."), _dify("USD"), _dify("another"),
    _sglang("", "meta_info.id"), _sglang("out.", "rid"),
    _Gateway(
        lambda record: {"tokens_predicted", "tokens_evaluated"} <= record.keys(),
        {
            "input_tokens": ("tokens_evaluated",), "output_tokens": ("tokens_predicted",),
            "finish_reason": ("stop_type",), "server_ttft_ms": ("timings.prompt_ms:ms",),
        },
    ),
    # Every line of a stream has the whole response so far.
    _Gateway(
        lambda record: str(record.get("type")).startswith("response.") and at(record, "response.id") is not None,
        {
            "call_id": ("response.id",), "response_id": ("response.id",), "start_time": ("response.created_at",),
            "model": ("response.model",), "end_time": ("response.completed_at",),
        },
    ),
    _Gateway(
        lambda record: "responseId" in record and ("candidates" in record or "usageMetadata" in record),
        {"call_id": ("responseId",), "response_id": ("responseId",)},
    ),
    _Gateway(_is_answer, {"response_id": ("id",)}),
)  # fmt: skip


def find_gateway(head: Sequence[Record]) -> Names:
    """Return the paths of the gateway whose log a file is; empty when it is none of these."""
    for gateway in _KNOWN:
        if any(gateway.is_one(record) for record in head):
            return {
                column: paths for column, paths in gateway.paths.items()
                if any(at(record, paths[0].partition(":")[0]) is not None for record in head)
            }  # fmt: skip
    return {}
