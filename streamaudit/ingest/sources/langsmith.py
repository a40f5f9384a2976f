"""LangSmith runs: JSON lines of its API or SDK, Parquet files of a bulk export with the same columns, or the batches of
an SDK, ``{"post": [...], "patch": [...]}``, in which a patch completes the run that was posted.

Times lack their zone and are UTC; ``first_token_time`` is an instant; costs are decimals, often as text;
``session_id`` is the project (docs.smith.langchain.com, run data format and bulk export).
"""

import json
from collections.abc import Sequence
from dataclasses import replace

from streamaudit.ingest.sources._common import LEARNT, normalise
from streamaudit.ingest.sources._otel_semconv import CAPS
from streamaudit.ingest.sources.registry import Match, Record, Refusal, Source

_TEXT = (
    "id", "trace_id", "parent_run_id", "dotted_order", "name", "run_type", "start_time", "end_time", "first_token_time",
    "status", "error", "prompt_tokens", "completion_tokens", "total_tokens", "prompt_cost", "completion_cost",
    "total_cost",
)  # fmt: skip
_JSON = ("prompt_token_details", "completion_token_details", "tags", "events", "extra", "inputs", "outputs")


_TELLING = ("dotted_order", "parent_run_id", "first_token_time", "parent_run_ids", "child_run_ids")
"""Fields that only a run has next to its type: who lists runs chooses which to have."""


def _recognise(head: Sequence[Record]) -> Match | Refusal | None:
    for record in head:
        listed = (record.get(key) for key in ("post", "patch"))
        runs = [run for runs in listed if isinstance(runs, list) for run in runs if isinstance(run, dict)]
        if any("run_type" in run or "dotted_order" in run for run in runs):
            return Match("batches of an SDK", "post + patch", reading=BATCHES)
        telling = next((key for key in _TELLING if key in record), None)
        if "run_type" in record and telling:
            return Match("runs", f"run_type + {telling}")
    return None


_BATCHED = """
    WITH sent AS (
        SELECT line, record, unnest(listed) AS sending
        FROM (
            SELECT line, record,
                list_concat(list_transform(post, lambda run: struct_pack(run := run, turn := 0)),
                    list_transform(patch, lambda run: struct_pack(run := run, turn := 1))) AS listed
            FROM records
        )
    ), whole AS (
        -- A run is posted when it begins and patched when it ends, maybe in another batch.
        SELECT any_value(line) AS line, any_value(record) AS record,
            list_reduce(list(sending.run ORDER BY sending.turn, line), lambda one, next: json_merge_patch(one, next))
                AS run
        FROM sent
        -- The end of its order is a run's id, which the JavaScript SDK leaves out of a patch.
        GROUP BY coalesce(nullif(sending.run->>'id', ''), nullif(right(sending.run->>'dotted_order', 36), ''),
            hash(sending.run)::VARCHAR)
        UNION ALL
        -- A line that is no batch is a record of its own, which no column fills.
        SELECT line, record, NULL::JSON FROM records WHERE post IS NULL AND patch IS NULL
    ), runs AS (
        SELECT line, record, unnest(from_json(run, '{structure}')) FROM whole
    ),
"""
_PREPARED = """
    WITH opened AS (
        SELECT * EXCLUDE (extra, events, tags, inputs, outputs, prompt_token_details, completion_token_details),
            opened(inputs) AS inputs, opened(outputs) AS outputs,
            opened(prompt_token_details) AS prompt_token_details,
            opened(completion_token_details) AS completion_token_details,
            CASE WHEN json_type(extra) = 'VARCHAR' THEN json_of(extra->>'$') ELSE extra END AS extra,
            CASE WHEN json_type(events) = 'VARCHAR' THEN json_of(events->>'$') ELSE events END AS events,
            CASE WHEN json_type(tags) = 'VARCHAR' THEN json_of(tags->>'$') ELSE tags END AS tags
        FROM records
    ), typed AS (
        SELECT *,
            extra->'metadata' AS meta,
            -- A patch that came without its post has the start among its order.
            coalesce(instant_utc(nullif(start_time, '')), in_range(try_strptime(
                regexp_extract(dotted_order, '(\\d{8}T\\d{12})Z[^.]*$', 1), '%Y%m%dT%H%M%S%f'))) AS began,
            instant_utc(nullif(end_time, '')) AS ended,
            -- What an SDK sends has the usage in its outputs; LangSmith itself moves it to columns.
            coalesce(outputs->'usage_metadata', outputs->'$.generations[0][0].message.kwargs.usage_metadata',
                outputs->'$.llm_output.usage_metadata', outputs->'usage', outputs->'$.llm_output.token_usage',
                extra->'$.metadata.usage_metadata') AS usage,
            coalesce(outputs->>'$.choices[0].finish_reason.finish_reason', outputs->>'$.choices[0].finish_reason')
                AS choice_reason,
            list_transform(list_filter(
                from_json(events, '[{"name": "VARCHAR", "time": "VARCHAR"}]'), lambda e: e.name = 'new_token'),
                lambda e: instant_utc(e."time")) AS heard,
            bool_of(coalesce(extra->>'$.invocation_params.stream', extra->>'$.invocation_params.streaming',
                inputs->>'stream'))
                AS stream_flag
        FROM opened
    ), counted AS (
        SELECT *,
            first_count([tokens_of(completion_tokens), tokens_of(usage->>'output_tokens'),
                tokens_of(usage->>'completion_tokens')]) AS produced,
            first_count([tokens_of(prompt_token_details->>'cache_read'),
                tokens_of(prompt_token_details->>'cached_tokens'),
                tokens_of(usage->>'$.input_token_details.cache_read'),
                tokens_of(usage->>'$.prompt_tokens_details.cached_tokens')]) AS cached,
            -- LangChain writes 0 here where it has the writes by lifetime.
            first_count([tokens_of(prompt_token_details->>'cache_creation'),
                tokens_of(usage->>'$.input_token_details.cache_creation'),
                list_sum(list_transform(['ephemeral_5m_input_tokens', 'ephemeral_1h_input_tokens'],
                    lambda k: first_count([tokens_of(prompt_token_details->>k),
                        tokens_of(usage->'input_token_details'->>k)])))]) AS written,
            number_of(coalesce(total_cost, usage->>'total_cost')) IS DISTINCT FROM 0 AS is_priced,
            CASE WHEN run_type = 'llm' THEN coalesce(outputs->>'$.generations[0][0].text',
                outputs->>'$.choices[0].message.content') END AS answer
        FROM typed
    )
    SELECT
        line, record,
        CASE WHEN id IS NULL AND run_type IS NULL THEN NULL WHEN run_type IS NULL THEN 'other'
            -- Around the calls of the Vercel AI SDK, whatever totals it has.
            WHEN regexp_matches(name, '^ai[.](stream|generate)(Text|Object)$') THEN 'span'
            WHEN run_type = 'llm' THEN 'llm'
            WHEN run_type = 'embedding' THEN 'embedding' ELSE 'span' END AS kind,
        meta AS given, try_cast(tags AS VARCHAR[]) AS labels,
        CASE WHEN run_type <> 'llm' THEN [name] END AS own_routes, [meta->>'revision_id'] AS own_deploys,
        coalesce(nullif(id, ''), nullif(right(dotted_order, 36), '')) AS call_id,
        nullif(trace_id, '') AS trace_id, nullif(parent_run_id, '') AS parent_id,
        nullif(name, '') AS name, run_type AS span_kind,
        undated(model_of([meta->>'ls_model_name', extra->>'$.invocation_params.model',
            extra->>'$.invocation_params.model_name', inputs->>'model'])) AS model,
        model_of([outputs->>'$.llm_output.model_name', outputs->>'model', meta->>'ls_model_name']) AS response_model,
        provider_of([meta->>'ls_provider', extra->>'$.invocation_params.provider']) AS provider,
        coalesce(outputs->>'id', outputs->>'$.generations[0][0].message.kwargs.response_metadata.id') AS response_id,
        lower(coalesce(outputs->>'service_tier', outputs->>'$.llm_output.service_tier',
            outputs->>'$.generations[0][0].message.kwargs.response_metadata.service_tier')) AS service_tier,
        coalesce(meta->>'user_id', meta->>'user') AS user_id,
        coalesce(meta->>'session_id', meta->>'thread_id', meta->>'conversation_id') AS session_id,
        coalesce(meta->>'environment', meta->>'env') AS environment, meta->>'service' AS service,
        began AS start_time, ended AS end_time, span_ms(began, ended) AS duration_ms, stream_flag AS streamed,
        span_ms(began, coalesce(instant_utc(nullif(first_token_time, '')), list_min(heard))) AS ttft_ms,
        nullif(len(heard), 0) AS chunk_count,
        CASE WHEN len(heard) > 0 THEN list_transform(list_sort(heard), lambda heard_at: span_ms(began, heard_at)) END
            AS chunk_offsets_ms,
        whole_input(
            first_count([tokens_of(prompt_tokens), tokens_of(usage->>'input_tokens'),
                tokens_of(usage->>'prompt_tokens')]),
            cached, written, produced, first_count([tokens_of(total_tokens), tokens_of(usage->>'total_tokens')])
        ) AS input_tokens,
        produced AS output_tokens,
        first_count([tokens_of(total_tokens), tokens_of(usage->>'total_tokens')]) AS total_tokens,
        cached AS cached_input_tokens, written AS cache_write_tokens,
        first_count([tokens_of(prompt_token_details->>'ephemeral_1h_input_tokens'),
            tokens_of(usage->>'$.input_token_details.ephemeral_1h_input_tokens')]) AS cache_write_1h_tokens,
        first_count([tokens_of(prompt_token_details->>'audio'), tokens_of(usage->>'$.input_token_details.audio')])
            AS audio_input_tokens,
        first_count([tokens_of(completion_token_details->>'audio'), tokens_of(usage->>'$.output_token_details.audio')])
            AS audio_output_tokens,
        first_count([tokens_of(completion_token_details->>'reasoning'),
            tokens_of(completion_token_details->>'reasoning_tokens'),
            tokens_of(usage->>'$.output_token_details.reasoning'),
            tokens_of(usage->>'$.completion_tokens_details.reasoning_tokens')]) AS reasoning_tokens,
        tokens_of(coalesce(first_filled(json_extract_string(extra->'invocation_params', {caps})),
            first_filled(json_extract_string(inputs, {caps})))) AS max_tokens,
        -- LangSmith computes costs, and writes 0 where it has no price of the model.
        CASE WHEN is_priced THEN number_of(coalesce(total_cost, usage->>'total_cost')) END AS cost_usd,
        CASE WHEN is_priced THEN number_of(coalesce(prompt_cost, usage->>'input_cost')) END AS input_cost_usd,
        CASE WHEN is_priced THEN number_of(coalesce(completion_cost, usage->>'output_cost')) END AS output_cost_usd,
        CASE WHEN status = 'success' THEN 'completed' END AS app_outcome,
        status = 'error' OR nullif(error, '') IS NOT NULL AS failed,
        message_says_cancelled(error_class(error), nullif(error, '')) AS error_cancelled,
        message_says_timeout(error_class(error), nullif(error, '')) AS error_timeout, error_class(error) AS error_type,
        coalesce(outputs->>'$.generations[0][0].generation_info.finish_reason', choice_reason,
            outputs->>'$.incomplete_details.reason',
            CASE WHEN outputs->>'status' = 'incomplete' THEN 'incomplete' END) AS finish_reason,
        CASE WHEN run_type = 'llm' AND inputs IS NOT NULL THEN md5($salt || inputs::VARCHAR) END AS input_hash,
        nullif(length(answer), 0) AS output_chars, corrections_of(answer) AS retractions
    FROM counted
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

_RUNS = _PREPARED.replace("{caps}", str(list(CAPS)))
_FIELDS = {**dict.fromkeys(_TEXT, "VARCHAR"), **dict.fromkeys(_JSON, "JSON")}

SOURCE = Source(
    name="langsmith",
    version=9,
    recognise=_recognise,
    fields=_FIELDS,
    sql=normalise(_RUNS),
    own_keys={"route": ("name", "ancestor"), "deploy": ("extra.metadata.revision_id",)},
    id_field="id",
    has_total=True,
    time_field="start_time",
    needs=(("run_type",), _TELLING),
    reads=_READS,
    remedies=_REMEDIES,
)

BATCHES = replace(
    SOURCE,
    fields={"post": "JSON[]", "patch": "JSON[]"},
    sql=normalise(
        _BATCHED.replace("{structure}", json.dumps(_FIELDS))
        + _RUNS.replace("    WITH opened AS (", "    opened AS (", 1).replace("FROM records", "FROM runs", 1)
    ),
    needs=(("post", "patch"),),
)
"""The same runs as an SDK sends them."""
