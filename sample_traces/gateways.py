"""Write a fleet the way gateways and tracers log it: LiteLLM's payloads and spend rows, LangSmith's runs, Helicone's
requests."""

from collections.abc import Iterator
from pathlib import Path

from sample_traces.model import Call, Fleet, Step, instant
from sample_traces.otel import own_attributes
from sample_traces.writers import Record, answer_text, call_answer, dump, ms, prompt_text, write_lines, write_text


def write_litellm(fleet: Fleet, path: str | Path) -> None:
    """Write logging payloads one after another, without line ends between them, as ``cat`` makes of a folder."""
    write_text(path, [dump(_payload(fleet, call)) for call in _seen(fleet)])


def write_litellm_rows(fleet: Fleet, path: str | Path) -> None:
    """Write rows of the spend log: times as text, metadata as JSON text, a cache hit as a word."""
    write_lines(path, (_row(fleet, call) for call in _seen(fleet)))


def write_langsmith(fleet: Fleet, path: str | Path) -> None:
    """Write runs, a line each, steps among them."""
    spans: list[Call | Step] = [*fleet.calls, *fleet.steps]
    ordered = sorted(spans, key=lambda one: one.start_us)
    write_lines(path, (_run(fleet, one) if isinstance(one, Call) else _chain(one) for one in ordered))


def write_helicone(fleet: Fleet, path: str | Path) -> None:
    """Write requests, a line each."""
    write_lines(path, (_request(fleet, call) for call in _seen(fleet)))


def _seen(fleet: Fleet) -> Iterator[Call]:
    """What a gateway sees: every attempt at a provider, and nothing of the libraries around it."""
    yield from (call for call in fleet.calls if call.scenario != "nested_outer")


def _known(values: Record) -> Record:
    return {name: value for name, value in values.items() if value is not None}


def _own(call: Call) -> Record:
    own: Record = {name: value for name, value in own_attributes(call).items() if not name.startswith("llm.cost.")}
    return own | {"route": call.route, "release": call.deploy, "logical_request_id": None}


def _usage(call: Call) -> Record:
    details: Record = {"reasoning_tokens": call.reasoning_tokens}
    cached: Record = {"cached_tokens": call.cached_input_tokens}
    return _known({
        "prompt_tokens": call.input_tokens, "completion_tokens": call.output_tokens,
        "completion_tokens_details": _known(details) or None, "prompt_tokens_details": _known(cached),
    })  # fmt: skip


def _wrong(call: Call) -> Record | None:
    if call.outcome == "cancelled":
        return {"error_code": "499", "error_class": "ClientDisconnected", "error_message": "Client disconnected"}
    if call.error_type:
        return {"error_code": str(call.http_status), "error_class": call.error_type, "error_message": "private"}
    return None


def _payload(fleet: Fleet, call: Call) -> Record:
    first = call.ttft_us if call.streamed else call.duration_us
    started = call.start_us
    failed = call.outcome in ("error", "timeout")
    return {
        "id": f"chatcmpl-{call.number}", "litellm_call_id": call.call_id, "trace_id": call.trace_id,
        # Of the answers of Anthropic, only those of this path are read to their end when the client has left.
        "call_type": "aembedding" if call.operation == "embedding"
        else "anthropic_messages" if call.provider == "anthropic" else "acompletion",
        "stream": call.streamed if call.operation == "chat" else None, "status": "failure" if failed else "success",
        "startTime": started / 1e6, "endTime": call.end_us / 1e6,
        "completionStartTime": None if first is None else (started + first) / 1e6,
        "response_time": (first or call.duration_us) / 1e6, "prompt_tokens": call.input_tokens or 0,
        "completion_tokens": call.output_tokens or 0, "response_cost": call.cost_usd or 0.0,
        "cost_breakdown": {"input_cost": call.input_cost_usd, "output_cost": call.output_cost_usd},
        "model": call.logged_model, "model_group": call.model, "custom_llm_provider": call.provider,
        "end_user": call.user_id, "session_id": call.session_id, "cache_hit": call.cache_hit or None,
        "request_tags": [f"version:{call.deploy}"], "error_information": _wrong(call),
        "metadata": {
            "usage_object": _usage(call), "spend_logs_metadata": _own(call),
            "user_api_key_request_route": "/v1/chat/completions",
        },
        "model_parameters": _known({"stream": call.streamed, "max_tokens": call.max_tokens}),
        "messages": [{"role": "user", "content": prompt_text(fleet, call.number)}],
        "response": {"choices": [{
            "finish_reason": call.finish_reason, "message": {"content": call_answer(fleet, call)}}]},
    }  # fmt: skip


def _row(fleet: Fleet, call: Call) -> Record:
    payload = _payload(fleet, call)
    metadata = payload["metadata"]
    assert isinstance(metadata, dict)
    metadata |= {"error_information": payload["error_information"], "stream": payload["stream"]}
    first = call.ttft_us if call.streamed else call.duration_us
    kept = ("call_type", "status", "prompt_tokens", "completion_tokens", "model", "model_group", "custom_llm_provider",
            "end_user", "session_id", "response", "messages", "cost_breakdown", "model_parameters")  # fmt: skip
    return {
        **{name: payload[name] for name in kept}, "request_id": call.call_id, "spend": payload["response_cost"],
        "startTime": _zoned(call.start_us), "endTime": _zoned(call.end_us),
        "completionStartTime": None if first is None else _zoned(call.start_us + first),
        "metadata": dump(metadata), "cache_hit": str(call.cache_hit), "request_tags": dump(payload["request_tags"]),
    }  # fmt: skip


def _run(fleet: Fleet, call: Call) -> Record:
    metadata = _own(call) | {
        "ls_model_name": call.logged_model, "ls_provider": call.provider, "user_id": call.user_id,
        "session_id": call.session_id, "environment": call.environment, "service": call.service,
        "finish_reason": call.finish_reason,
    }  # fmt: skip
    costs = {
        "total_cost": call.cost_usd, "prompt_cost": call.input_cost_usd, "completion_cost": call.output_cost_usd,
    }  # fmt: skip
    return {
        "id": call.call_id, "trace_id": call.trace_id, "parent_run_id": call.parent_id, "name": "ChatOpenAI",
        "run_type": "embedding" if call.operation == "embedding" else "llm", **_times(call),
        "first_token_time": None if call.ttft_us is None else _bare(call.start_us + call.ttft_us),
        "status": "error" if call.error_type else "success",
        "error": f"{call.error_type}('{answer_text(fleet, call.number)}')" if call.error_type else None,
        "prompt_tokens": call.input_tokens, "completion_tokens": call.output_tokens,
        "prompt_token_details": _known({"cache_read": call.cached_input_tokens}),
        "completion_token_details": _known({"reasoning": call.reasoning_tokens}),
        **{name: None if cost is None else f"{cost:.12f}" for name, cost in costs.items()}, "tags": ["prod"],
        "extra": {"metadata": metadata, "invocation_params": _known({
            "stream": call.streamed if call.operation == "chat" else None, "max_tokens": call.max_tokens})},
        "inputs": {"messages": [[prompt_text(fleet, call.number)]]},
        "outputs": {"generations": [[{"text": call_answer(fleet, call)}]]},
    }  # fmt: skip


def _chain(step: Step) -> Record:
    return {
        "id": step.span_id, "trace_id": step.trace_id, "parent_run_id": step.parent_id, "name": step.name,
        "run_type": "tool" if step.kind == "tool" else "chain", **_times(step), "first_token_time": None,
        "status": "success", "error": None, "prompt_tokens": step.input_tokens, "completion_tokens": step.output_tokens,
        "extra": {"metadata": {}}, "inputs": {}, "outputs": {},
    }  # fmt: skip


def _times(one: Call | Step) -> Record:
    return {
        "dotted_order": f"{one.start_us}", "start_time": _bare(one.start_us), "end_time": _bare(one.end_us),
    }  # fmt: skip


def _request(fleet: Fleet, call: Call) -> Record:
    properties = _own(call) | {"environment": call.environment, "service": call.service}
    prompt, cached = call.input_tokens, call.cached_input_tokens
    return {
        "request_id": call.call_id, "response_id": f"resp-{call.number}",
        "request_created_at": _zoned(call.start_us), "response_created_at": _zoned(call.end_us),
        "request_path": "/v1/embeddings" if call.operation == "embedding" else "/v1/chat/completions",
        "response_status": call.http_status, "request_model": call.model, "response_model": call.logged_model,
        "provider": call.provider.upper(), "delay_ms": ms(call.duration_us), "time_to_first_token": ms(call.ttft_us),
        # The prompt leaves out its cached tokens, which the total has.
        "prompt_tokens": prompt and prompt - (cached or 0), "completion_tokens": call.output_tokens,
        "total_tokens": prompt and prompt + (call.output_tokens or 0),
        "reasoning_tokens": call.reasoning_tokens, "prompt_cache_read_tokens": cached,
        "cost": call.cost_usd, "request_user_id": call.user_id,
        "request_properties": {name: value for name, value in properties.items() if value is not None},
        "request_body": {
            "stream": call.streamed if call.operation == "chat" else None, "max_tokens": call.max_tokens,
            "messages": [{"role": "user", "content": prompt_text(fleet, call.number)}],
        },
        "response_body": {"error": {"type": call.error_type}} if call.error_type else {
            "choices": [{"finish_reason": call.finish_reason, "message": {"content": call_answer(fleet, call)}}]},
        "cache_enabled": True, "cache_reference_id": "c0ffee" if call.cache_hit else None,
    }  # fmt: skip


def _zoned(us: int) -> str:
    return instant(us).isoformat()


def _bare(us: int) -> str:
    return instant(us).replace(tzinfo=None).isoformat()
