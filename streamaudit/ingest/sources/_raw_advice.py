"""Texts for explain and coverage on raw lines: the fields that are read, and what to record."""

from streamaudit.ingest.sources._raw_names import list_names

READS = {
    "call_id": "request_id, call_id, id, span_id", "parent_id": "parent_span_id, parent_id",
    "model": "request_model, model, else response_model without its date", "session_id": "conversation_id, session_id",
    "transport": "transport, else protocol, scheme, url, api_base where they tell it; a realtime model",
    "service": "service_name, service", "operation": "operation_name, operation",
    "start_time": "start_time, start_time_unix_ns, _ms or _s, timestamp",
    "duration_ms": "duration_ms, else end_time - start_time",
    "end_time": "end_time, else start_time + duration_ms",
    "streamed": "stream, streamed; a usable TTFT proves it",
    "ttft_ms": "time_to_first_chunk_ms, ttft_ms, else the first of chunk_offsets_ms",
    "ttvt_ms": "time_to_first_output_token_ms, ttvt_ms",
    "server_ttft_ms": "server_time_to_first_token_ms, server_ttft_ms",
    "chunk_count": "chunk_count, else the number of chunk_offsets_ms",
    "cached_input_tokens": "cache_read_input_tokens, cached_input_tokens",
    "cache_write_tokens": "cache_write_input_tokens, cache_write_tokens",
    "reasoning_tokens": "reasoning_output_tokens, reasoning_tokens", "usage_basis": "usage_source, usage_basis",
    "finish_reason": "finish_reason, stop_reason", "http_status": "http_status_code, http_status",
    "source_updated_at": "updated_at", "retractions": "corrections in output_text or response_text, which is not kept",
}  # fmt: skip

REMEDIES = {
    "duration": "write duration_ms, or end_time",
    "streamed": "write stream: true or false",
    "ttft": "write time_to_first_chunk_ms",
    "ttvt": "write time_to_first_output_token_ms",
    "chunk_times": "write chunk_offsets_ms, a list of milliseconds after start_time",
    "client_chunk_times": "write client_chunk_offsets_ms, the same as the client saw it",
    "usage": "write output_tokens from the provider's usage; OpenAI sends it only with stream_options.include_usage",
    "input_tokens": "write input_tokens",
    "reasoning": "write reasoning_output_tokens",
    "billed_at_cut": "write output_tokens of cut calls too: drain the stream, or fetch the provider's count later",
    "rendered": "write rendered_output_tokens, as the client reports it",
    "delivered": "write streamed_output_tokens, counted where you write to the client",
    "cancel_time": "write cancelled_at_ms",
    "provider_stop": "write upstream_end_ms, or upstream_cancelled",
    "outcome": "write outcome: completed, cancelled, timeout or error",
    "finish_reason": "write finish_reason",
    "http_status": "write http_status_code",
    "cost": "write cost_usd, or provider, response_model and both token counts, which price it",
    "tenant": "write tenant_id; --map tenant=PATH takes another key",
    "user": "write user_id",
    "session": "write conversation_id",
    "route": "write route",
    "deploy": "write service_version",
    "environment": "write environment",
    "region": "write region",
    "transport": "write transport: sse, websocket, grpc or http",
    "model": "write request_model",
    "provider": "write provider",
    "trace": "write trace_id and parent_span_id",
    "response_id": "write response_id",
    "logical_request": "write logical_request_id, the same for all attempts",
    "input_hash": "write input_hash",
}

TOP_KEYS = {
    column: list_names(wide=True)[column]
    for column in ("tenant", "route", "deploy", "rendered_tokens", "delivered_tokens")
}
