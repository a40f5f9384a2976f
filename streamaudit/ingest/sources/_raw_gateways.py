"""Logs of gateways that are one call a line under names of their own: the paths of their figures, with the units that
their documentation gives (developers.cloudflare.com, AI Gateway logs; developer.konghq.com, AI audit log; portkey.ai,
logs export, whose costs are cents).
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
            "route": ("request.uri",),
        },
    )  # fmt: skip


_KNOWN = (
    _Gateway(
        lambda record: {"req_units", "res_units", "ai_model"} <= record.keys(),
        {
            "call_id": ("id",), "logical_request_id": ("trace_id",), "start_time": ("created_at",),
            "duration_ms": ("response_time:ms",), "model": ("ai_model",), "provider": ("ai_org",),
            "input_tokens": ("req_units",), "output_tokens": ("res_units",), "cost_usd": ("cost:cents",),
            "http_status": ("response_status_code",),
        },
    ),
    _Gateway(
        lambda record: {"tokens_in", "tokens_out", "cached", "duration", "response_content_type"} <= record.keys(),
        {"duration_ms": ("duration:ms",), "route": ("path",)},
    ),
    _kong("proxy"), _kong("ai-proxy"), _kong("ai-proxy-advanced"),
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
