"""Single records of gateways, tracers and logs, made up: of each one call."""

from typing import Any

Record = dict[str, Any]

START_S = 1_794_816_000


def litellm(name: str, /, **fields: Any) -> Record:
    """A logging payload of a stream."""
    return {
        "id": f"chatcmpl-{name}", "litellm_call_id": name, "trace_id": f"trace-{name}", "call_type": "acompletion",
        "stream": True, "status": "success", "startTime": START_S + 0.0, "completionStartTime": START_S + 0.734,
        "endTime": START_S + 5.0, "response_time": 0.734, "prompt_tokens": 50, "completion_tokens": 100,
        "response_cost": 0.003, "model": "openai/gpt-4o-mini", "model_group": "gpt-4o-mini",
        "custom_llm_provider": "openai", "cache_hit": None, "error_information": None,
        "metadata": {"user_api_key_team_alias": "acme", "user_api_key_request_route": "/v1/chat/completions"}, **fields,
    }  # fmt: skip


def spend_row(name: str, /, **fields: Any) -> Record:
    """A row of the spend log."""
    return {
        "request_id": name, "call_type": "acompletion", "spend": 0.003, "prompt_tokens": 50, "completion_tokens": 100,
        "startTime": "2026-11-16T08:00:00Z", "completionStartTime": "2026-11-16T08:00:00.734Z",
        "endTime": "2026-11-16T08:00:05Z", "model": "gpt-4o-mini", "custom_llm_provider": "openai", "team_id": "acme",
        "cache_hit": "False", "status": "success", "metadata": "{}", **fields,
    }  # fmt: skip


def langsmith(name: str, /, **fields: Any) -> Record:
    """A run of a model."""
    return {
        "id": name, "trace_id": f"trace-{name}", "parent_run_id": None, "dotted_order": f"20261116T080000{name}",
        "name": "ChatOpenAI", "run_type": "llm", "start_time": "2026-11-16T08:00:00.000000",
        "first_token_time": "2026-11-16T08:00:00.734000", "end_time": "2026-11-16T08:00:05.000000",
        "status": "success", "error": None, "prompt_tokens": 50, "completion_tokens": 100, "total_cost": "0.003",
        "prompt_cost": "0.001", "completion_cost": "0.002", "tags": ["prod"],
        "extra": {"metadata": {"ls_model_name": "gpt-4o-mini-2024-07-18", "ls_provider": "openai", "tenant": "acme"}},
        **fields,
    }  # fmt: skip


def helicone(name: str, /, **fields: Any) -> Record:
    """A request."""
    return {
        "request_id": name, "response_id": f"resp-{name}", "request_created_at": "2026-11-16T08:00:00.000Z",
        "response_created_at": "2026-11-16T08:00:05.000Z", "request_path": "/v1/chat/completions",
        "response_status": 200, "request_model": "gpt-4o-mini", "response_model": "gpt-4o-mini-2024-07-18",
        "provider": "OPENAI", "delay_ms": 5000, "time_to_first_token": 734, "prompt_tokens": 50,
        "completion_tokens": 100, "cost": 0.003, "request_user_id": "u1",
        "request_properties": {"tenant": "acme", "release": "9"}, "cache_reference_id": None, **fields,
    }  # fmt: skip


def openrouter(name: str, /, **fields: Any) -> Record:
    """A generation, in the body that answers for it."""
    return {"data": {
        "id": name, "upstream_id": f"up-{name}", "created_at": "2026-11-16T08:00:00.000000+00:00",
        "model": "vendor/large", "provider_name": "Host", "streamed": True, "cancelled": None, "finish_reason": "stop",
        "native_finish_reason": "stop", "latency": 442, "generation_time": 457, "tokens_prompt": 40,
        "tokens_completion": 90, "native_tokens_prompt": 50, "native_tokens_completion": 100,
        "native_tokens_reasoning": 20, "native_tokens_cached": 0, "total_cost": 0.003, "external_user": "u1", **fields,
    }}  # fmt: skip


def log(name: str = "log-1", /, **fields: Any) -> Record:
    """A line of a Datadog log archive that an application wrote of its call."""
    known = {"model": "gpt-4o-mini", "ttft_ms": 734, "duration_ms": 6412, "output_tokens": 288, "tenant": "Acme"}
    return {
        "_id": name, "date": "2026-11-16T08:00:10.000Z", "service": "shop", "message": "llm_call",
        "tags": ["env:prod", "version:9"], "attributes": {**known, **fields},
    }  # fmt: skip
