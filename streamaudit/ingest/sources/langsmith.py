"""LangSmith runs: JSON lines of its API or SDK, or the Parquet files of a bulk export with the same columns.

Times lack their zone and are UTC; ``first_token_time`` is an instant; costs are decimals, often as text;
``session_id`` is the project (docs.smith.langchain.com, run data format and bulk export).
"""

from collections.abc import Sequence

from streamaudit.ingest.sources._common import LEARNT, normalise
from streamaudit.ingest.sources.registry import Match, Record, Source

_TEXT = (
    "id", "trace_id", "parent_run_id", "dotted_order", "name", "run_type", "start_time", "end_time", "first_token_time",
    "status", "error", "prompt_tokens", "completion_tokens", "prompt_cost", "completion_cost", "total_cost",
)  # fmt: skip
_JSON = ("prompt_token_details", "completion_token_details", "tags", "events", "extra", "inputs", "outputs")


def _recognise(head: Sequence[Record]) -> Match | None:
    for record in head:
        if "run_type" in record and "dotted_order" in record:
            return Match("runs", "run_type + dotted_order")
    return None


_PREPARED = """
    WITH opened AS (
        SELECT * EXCLUDE (extra, events, tags),
            CASE WHEN json_type(extra) = 'VARCHAR' THEN json_of(extra->>'$') ELSE extra END AS extra,
            CASE WHEN json_type(events) = 'VARCHAR' THEN json_of(events->>'$') ELSE events END AS events,
            CASE WHEN json_type(tags) = 'VARCHAR' THEN json_of(tags->>'$') ELSE tags END AS tags
        FROM records
    ), told AS (
        SELECT *,
            extra->'metadata' AS meta,
            instant_utc(nullif(start_time, '')) AS began, instant_utc(nullif(end_time, '')) AS ended,
            list_transform(list_filter(
                from_json(events, '[{"name": "VARCHAR", "time": "VARCHAR"}]'), lambda e: e.name = 'new_token'),
                lambda e: instant_utc(e."time")) AS heard,
            bool_of(coalesce(extra->>'$.invocation_params.stream', extra->>'$.invocation_params.streaming'))
                AS stream_flag
        FROM opened
    )
    SELECT
        line, record,
        CASE WHEN id IS NULL AND run_type IS NULL THEN NULL WHEN run_type = 'llm' THEN 'llm'
            WHEN run_type = 'embedding' THEN 'embedding' ELSE 'span' END AS kind,
        meta AS given, try_cast(tags AS VARCHAR[]) AS labels,
        CASE WHEN run_type <> 'llm' THEN [name] END AS own_routes, [meta->>'revision_id'] AS own_deploys,
        nullif(id, '') AS call_id, nullif(trace_id, '') AS trace_id, nullif(parent_run_id, '') AS parent_id,
        nullif(name, '') AS name, run_type AS span_kind,
        undated(coalesce(nullif(meta->>'ls_model_name', ''), nullif(extra->>'$.invocation_params.model', ''),
            nullif(extra->>'$.invocation_params.model_name', ''))) AS model,
        coalesce(nullif(outputs->>'$.llm_output.model_name', ''), nullif(meta->>'ls_model_name', '')) AS response_model,
        lower(nullif(meta->>'ls_provider', '')) AS provider,
        coalesce(meta->>'user_id', meta->>'user') AS user_id,
        coalesce(meta->>'session_id', meta->>'thread_id', meta->>'conversation_id') AS session_id,
        coalesce(meta->>'environment', meta->>'env') AS environment, meta->>'service' AS service,
        began AS start_time, ended AS end_time, span_ms(began, ended) AS duration_ms, stream_flag AS streamed,
        span_ms(began, coalesce(instant_utc(nullif(first_token_time, '')), list_min(heard))) AS ttft_ms,
        nullif(len(heard), 0) AS chunk_count,
        CASE WHEN len(heard) > 0 THEN list_transform(list_sort(heard), lambda heard_at: span_ms(began, heard_at)) END
            AS chunk_offsets_ms,
        tokens_of(prompt_tokens) AS input_tokens, tokens_of(completion_tokens) AS output_tokens,
        coalesce(tokens_of(prompt_token_details->>'cache_read'), tokens_of(prompt_token_details->>'cached_tokens'))
            AS cached_input_tokens,
        tokens_of(prompt_token_details->>'cache_creation') AS cache_write_tokens,
        coalesce(tokens_of(completion_token_details->>'reasoning'),
            tokens_of(completion_token_details->>'reasoning_tokens')) AS reasoning_tokens,
        tokens_of(coalesce(extra->>'$.invocation_params.max_tokens',
            extra->>'$.invocation_params.max_completion_tokens')) AS max_tokens,
        number_of(total_cost) AS cost_usd, number_of(prompt_cost) AS input_cost_usd,
        number_of(completion_cost) AS output_cost_usd,
        CASE WHEN status = 'success' THEN 'completed' END AS app_outcome,
        status = 'error' OR nullif(error, '') IS NOT NULL AS failed,
        message_says_cancelled(nullif(error, '')) AS error_cancelled,
        message_says_timeout(nullif(error, '')) AS error_timeout, error_class(error) AS error_type,
        coalesce(outputs->>'$.generations[0][0].generation_info.finish_reason',
            outputs->>'$.choices[0].finish_reason') AS finish_reason,
        CASE WHEN run_type = 'llm' AND inputs IS NOT NULL THEN md5($salt || inputs::VARCHAR) END AS input_hash,
        CASE WHEN run_type = 'llm' THEN nullif(length(coalesce(outputs->>'$.generations[0][0].text',
            outputs->>'$.choices[0].message.content')), 0) END AS output_chars
    FROM told
"""

_READS = {
    "call_id": "id", "parent_id": "parent_run_id", "operation": "run_type",
    "model": "extra.metadata.ls_model_name, extra.invocation_params.model, without its date",
    "response_model": "outputs.llm_output.model_name, extra.metadata.ls_model_name",
    "provider": "extra.metadata.ls_provider", "user_id": "extra.metadata.user_id",
    "session_id": "extra.metadata.session_id, thread_id, conversation_id",
    "environment": "extra.metadata.environment", "service": "extra.metadata.service",
    "duration_ms": "end_time - start_time", "streamed": "extra.invocation_params.stream; a first token proves it",
    "ttft_ms": "first_token_time - start_time, the first event new_token",
    "chunk_count": "events new_token", "chunk_offsets_ms": "events new_token", "input_tokens": "prompt_tokens",
    "output_tokens": "completion_tokens", "cached_input_tokens": "prompt_token_details.cache_read",
    "cache_write_tokens": "prompt_token_details.cache_creation",
    "reasoning_tokens": "completion_token_details.reasoning", "max_tokens": "extra.invocation_params.max_tokens",
    "cost_usd": "total_cost", "input_cost_usd": "prompt_cost", "output_cost_usd": "completion_cost",
    "error_type": "the class at the head of error", "finish_reason": "outputs",
    "output_chars": "length of the answer in outputs", "visible_output_chars": "length of the answer in outputs",
}  # fmt: skip

_REMEDIES = {
    **LEARNT,
    "streamed": "stream through the traced client: a first token time proves it",
    "ttft": "stream through the traced client: LangSmith then has first_token_time",
    "chunk_times": "a tracer that records new_token events has them; export events too",
    "outcome": "a run cancelled early may never appear and stays pending if it does: set outcome in its metadata",
    "usage": "return usage_metadata from the model, or ask for stream_options.include_usage",
    "reasoning": "return usage_metadata with output_token_details",
    "billed_at_cut": "drain the stream after the cut and set usage on the run",
    "finish_reason": "export outputs too",
    "cost": "give the model a price in LangSmith, or provider, model and token counts, which price it",
    "user": "set user_id in the metadata",
    "session": "set session_id or thread_id in the metadata",
    "environment": "set environment in the metadata",
    "model": "set ls_model_name in the metadata",
    "provider": "set ls_provider in the metadata",
    "deploy": "set LANGSMITH_REVISION_ID, or release in the metadata",
    "http_status": "set http_status in the metadata",
    "response_id": "set response_id in the metadata",
}

SOURCE = Source(
    name="langsmith",
    version=2,
    recognise=_recognise,
    fields={**dict.fromkeys(_TEXT, "VARCHAR"), **dict.fromkeys(_JSON, "JSON")},
    sql=normalise(_PREPARED),
    own_keys={"route": ("name", "ancestor"), "deploy": ("extra.metadata.revision_id",)},
    id_field="id",
    time_field="start_time",
    needs=(("run_type",), ("dotted_order",)),
    reads=_READS,
    remedies=_REMEDIES,
)
