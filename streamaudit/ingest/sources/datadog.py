"""Datadog LLM Observability spans: Export API pages or their items (``attributes``), or the attributes alone.

``start_ns`` may hold milliseconds, so its unit is read off its magnitude; ``duration`` is nanoseconds;
``estimated_*_cost`` is nanodollars, a cost sent by a tracer is dollars (Export API and cost documentation).

Traces are found at SITE/llm/traces?query=… with the filters of the export API
(https://docs.datadoghq.com/llm_observability/guide/ragas_quickstart/ shows such an address).
"""

from streamaudit.ingest.sources._app_keys import expand_app_keys
from streamaudit.ingest.sources._datadog_shapes import FIELDS, NEEDS, SPANS, recognise
from streamaudit.ingest.sources._otel_semconv import CAPS
from streamaudit.ingest.sources.registry import Source

_SQL = (
    "WITH "
    + SPANS
    + """, parts AS (
    SELECT
        line, record, is_empty, a,
        a.started AS started,
        a.duration_ms AS duration_ms,
        filled(json_extract_string(a.metadata, $app_paths)) AS app,
        filled(json_extract_string(a.metrics, $app_paths)) AS measured,
        tag_values(a.tags, list_concat($tag_keys, ['env', 'service', 'user_id', 'usr.id',
            'session_id', 'version', 'git.commit.sha', 'git_commit_sha', 'ml_app', 'error_type', 'integration',
            'error.type']))
            AS tagged,
        json_extract_string(a.metrics, ['/input_tokens', '/output_tokens', '/cache_read_input_tokens',
            '/cache_write_input_tokens', '/reasoning_output_tokens', '/time_to_first_token', '/timeToFirstToken',
            '/ttft_ms', '/estimated_total_cost', '/estimated_input_cost', '/estimated_output_cost', '/total_cost',
            '/input_cost', '/output_cost']) AS m,
        list_transform(json_extract_string(a.metrics, ['/input_tokens', '/prompt_tokens', '/output_tokens',
            '/completion_tokens', '/cache_read_input_tokens', '/cache_write_input_tokens', '/total_tokens',
            '/ephemeral_1h_input_tokens', '/audio_input_tokens', '/audio_output_tokens']), lambda v: tokens_of(v))
            AS counts,
        -- LiteLLM puts what was cached among the metadata only.
        list_transform(json_extract_string(a.metadata, ['/usage_object/cache_read_input_tokens',
            '/usage_object/prompt_tokens_details/cached_tokens', '/usage_object/cache_creation_input_tokens',
            '/usage_object/prompt_tokens_details/cache_creation_tokens']), lambda v: tokens_of(v)) AS gateway_counts
    FROM spans
), found AS (
    SELECT
        *,
        tagged[len($tag_keys) + 1:] AS own_tags,
        coalesce(own_tags[10], own_tags[12]) AS error_tag,
        json_extract_string(a.metadata, ['/user_api_key_team_alias', '/user_api_key_team_id', '/user_api_key_org_id'])
            AS gateway_teams,
        list_concat(counts[1:4], [first_count(list_prepend(counts[5], gateway_counts[1:2])),
            first_count(list_prepend(counts[6], gateway_counts[3:4]))], counts[7:]) AS c,
        first_count(c[1:2]) AS given_tokens, first_count(c[3:4]) AS out_tokens,
        -- No call has neither: dd-trace writes 0 for a stream of Bedrock whose usage it did not see.
        coalesce(a.span_kind = 'llm' AND given_tokens = 0 AND coalesce(out_tokens, 0) = 0 AND coalesce(c[5], 0) = 0
            AND bool_of(first_filled(app[cache_hit])) IS DISTINCT FROM true, false) AS is_blank,
        bool_of(first_filled(app[stream])) AS stream_flag,
        coalesce(number_of(m[6]), number_of(m[7])) AS ttft_s,
        coalesce(number_of(a.metadata->>'$.latency_metrics.time_to_first_token_ms'), number_of(m[8]),
            number_of(a.metadata->>'ttft_ms'), number_of(a.metrics->>'time_to_first_token_ms'),
            number_of(a.metadata->>'time_to_first_token_ms'),
            number_of(a.metadata->>'$."gen_ai.response.time_to_first_chunk"') * 1000) AS other_ttft_ms
    FROM parts
), timed AS (
    SELECT
        *,
        -- Seconds by contract. A value that is then not below the duration is unusable: another unit would be a guess,
        -- and a wrong one makes the slowest call the fastest.
        coalesce(ttft_s * 1000, other_ttft_ms) AS recorded_ttft_ms
    FROM found
), judged AS (
    SELECT
        *,
        -- LiteLLM writes a TTFT close to the duration for calls that never streamed.
        stream_flag IS DISTINCT FROM true AND duration_ms IS NOT NULL
            AND abs(duration_ms - recorded_ttft_ms) <= greatest(0.01 * duration_ms, 5) AS ttft_is_duration,
        CASE WHEN NOT is_blank THEN coalesce(
            number_of(m[9]) / 1e9,
            -- Dollars as sent; a figure that is no plausible price per token is in an unknown unit.
            CASE WHEN number_of(m[12]) / nullif(coalesce(given_tokens, 0)::HUGEINT + coalesce(out_tokens, 0), 0)
                BETWEEN 1e-9 AND 1e-3 THEN number_of(m[12]) END,
            number_of(a.metadata->>'$.spend_metrics.response_cost')
        ) END AS total_usd
    FROM timed
)
SELECT
    line, record,
    CASE
        WHEN is_empty THEN 'other'
        WHEN a.span_id IS NULL AND a.start_ns IS NULL AND a.span_kind IS NULL THEN NULL
        -- Around the calls of the Vercel AI SDK, whatever totals it has.
        WHEN regexp_matches(a.name, '^ai[.](stream|generate)(Text|Object)$') THEN 'span'
        WHEN a.span_kind = 'llm' THEN 'llm'
        WHEN a.span_kind = 'embedding' THEN 'embedding'
        WHEN a.span_kind = 'experiment' THEN 'other'
        ELSE 'span'
    END AS kind,
    nullif(a.span_id, '') AS call_id,
    nullif(a.trace_id, '') AS trace_id,
    CASE WHEN a.parent_id NOT IN ('undefined', '0', '') THEN a.parent_id END AS parent_id,
    first_filled(app[logical_request_id]) AS logical_request_id,
    try_cast(first_filled(app[attempt_number]) AS INTEGER) AS attempt_number,
    first_filled(app[response_id]) AS response_id,
    nullif(a.name, '') AS name,
    a.span_kind AS span_kind,
    undated(a.model_name) AS model,
    a.model_name AS response_model,
    a.model_provider AS provider,
    coalesce(
        filled_rank(app[tenant], 99),
        filled_rank(tagged[tenant], 199), filled_rank(gateway_teams, 299)
    ) AS tenant_rank,
    coalesce(
        first_filled(app[tenant]),
        first_filled(tagged[tenant]), first_filled(gateway_teams)
    ) AS tenant,
    coalesce(
        filled_rank(app[route], 99),
        filled_rank(tagged[route], 199), CASE WHEN a.name <> '' THEN 300 END
    ) AS route_rank,
    coalesce(
        first_filled(app[route]),
        first_filled(tagged[route]), nullif(a.name, '')
    ) AS route,
    coalesce(
        filled_rank(list_append(own_tags[6:8], a.version), 0),
        filled_rank(app[deploy], 99),
        filled_rank(tagged[deploy], 199)
    ) AS deploy_rank,
    coalesce(
        first_filled(list_append(own_tags[6:8], a.version)),
        first_filled(app[deploy]), first_filled(tagged[deploy])
    ) AS deploy,
    coalesce(first_filled(own_tags[3:4]), a.user_id) AS user_id,
    coalesce(nullif(a.session_id, ''), own_tags[5]) AS session_id,
    coalesce(own_tags[1], nullif(a.env, '')) AS environment,
    coalesce(own_tags[2], nullif(a.service, ''), nullif(a.ml_app, ''), own_tags[9]) AS service,
    coalesce(first_filled(app[region]), first_filled(tagged[region])) AS region,
    coalesce(transport_of(list_concat(app[transport], tagged[transport])), app[transport][1], tagged[transport][1])
        AS transport,
    started AS start_time,
    later_by(started, duration_ms) AS end_time,
    duration_ms,
    stream_flag AS streamed,
    CASE WHEN NOT coalesce(ttft_is_duration, false) THEN recorded_ttft_ms END AS ttft_ms,
    number_of(coalesce(first_filled(app[ttvt_ms]),
        first_filled(measured[ttvt_ms]))) AS ttvt_ms,
    CASE WHEN ttft_is_duration THEN 'equals_duration' END AS ttft_basis,
    CASE WHEN is_blank THEN NULL
        -- Tracers before July 2025 give Anthropic's own count, which leaves out what was cached; the Claude Agent SDK's
        -- gives none where all of it was.
        WHEN given_tokens IS NULL AND own_tags[11] = 'claude_agent_sdk' THEN tokens_with(c[5], c[6], 0)
        ELSE whole_input(given_tokens, c[5], c[6], out_tokens, c[7]) END AS input_tokens,
    c[5] AS cached_input_tokens,
    c[6] AS cache_write_tokens,
    c[8] AS cache_write_1h_tokens,
    c[9] AS audio_input_tokens,
    CASE WHEN NOT is_blank THEN out_tokens END AS output_tokens,
    c[7] AS total_tokens,
    c[10] AS audio_output_tokens,
    -- Of the answer; metadata.service_tier is what the request asked for.
    nullif(a.service_tier, '') AS service_tier,
    -- dd-trace for Python before December 2025 has OpenAI's among the metadata.
    coalesce(tokens_of(m[5]), tokens_of(a.metadata->>'reasoning_tokens')) AS reasoning_tokens,
    coalesce(
        filled_rank(app[delivered_tokens], 99),
        filled_rank(measured[delivered_tokens], 149),
        filled_rank(tagged[delivered_tokens], 199)
    ) AS delivered_tokens_rank,
    tokens_of(coalesce(
        first_filled(app[delivered_tokens]),
        first_filled(measured[delivered_tokens]),
        first_filled(tagged[delivered_tokens])
    )) AS delivered_tokens,
    coalesce(
        filled_rank(app[rendered_tokens], 99),
        filled_rank(measured[rendered_tokens], 149),
        filled_rank(tagged[rendered_tokens], 199)
    ) AS rendered_tokens_rank,
    tokens_of(coalesce(
        first_filled(app[rendered_tokens]),
        first_filled(measured[rendered_tokens]),
        first_filled(tagged[rendered_tokens])
    )) AS rendered_tokens,
    tokens_of(coalesce(first_filled(app[max_tokens]), first_filled(json_extract_string(a.metadata, {caps}))))
        AS max_tokens,
    bool_of(first_filled(app[cache_hit])) AS cache_hit,
    total_usd AS cost_usd,
    coalesce(number_of(m[10]) / 1e9, CASE WHEN total_usd = number_of(m[12]) THEN number_of(m[13]) END)
        AS input_cost_usd,
    coalesce(number_of(m[11]) / 1e9, CASE WHEN total_usd = number_of(m[12]) THEN number_of(m[14]) END)
        AS output_cost_usd,
    outcome_word(coalesce(first_filled(app[outcome]), first_filled(tagged[outcome]))) AS app_outcome,
    -- Here too, since whether a call was cut decides below whose count its usage is.
    CASE WHEN len($map_cancelled) > 0 THEN bool_of(first_filled(json_extract_string(record, $map_cancelled)))
        ELSE flag_of(list_concat(app[cancelled], tagged[cancelled])) END AS cancel_flag,
    a.status = 'error' AS failed,
    coalesce(says_cancelled(coalesce(error_tag, a.error_type, a.metadata->>'error_type')), false)
        OR (a.status = 'error' AND message_says_cancelled(error_class(a.error_message), a.error_message))
        AS error_cancelled,
    coalesce(says_timeout(coalesce(error_tag, a.error_type, a.metadata->>'error_type')), false)
        OR (a.status = 'error' AND message_says_timeout(error_class(a.error_message), a.error_message))
        AS error_timeout,
    code_word(first_filled(app[cancelled_by])) AS cancelled_by,
    number_of(first_filled(app[cancelled_at_ms])) AS cancelled_at_ms,
    tokens_of(first_filled(app[rendered_chars])) AS rendered_chars,
    tokens_of(first_filled(app[rendered_chunks])) AS rendered_chunks,
    bool_of(first_filled(app[upstream_cancelled])) AS upstream_cancelled,
    number_of(first_filled(app[upstream_end_ms])) AS upstream_end_ms,
    code_word(coalesce(first_filled(app[finish_reason]), first_filled(tagged[finish_reason]))) AS finish_reason,
    try_cast(first_filled(app[http_status]) AS INTEGER) AS http_status,
    CASE WHEN a.status = 'error' THEN code_word(coalesce(error_tag, a.error_type, a.metadata->>'error_type')) END
        AS error_type,
    CASE WHEN a.span_kind = 'llm' AND a.input IS NOT NULL THEN md5($salt || a.input::VARCHAR) END AS input_hash,
    CASE WHEN a.span_kind = 'llm' THEN nullif(a.answer_chars, 0) END AS output_chars,
    CASE WHEN a.span_kind = 'llm' THEN nullif(a.answer_chars, 0) END AS visible_output_chars,
    CASE WHEN a.span_kind = 'llm' THEN a.retractions END AS retractions,
    -- dd-trace for Python estimates the usage of an unfinished OpenAI stream from the text it received; the detail
    -- keys that a finished one carries are then missing.
    coalesce(usage_word(first_filled(app[usage_source])),
        CASE WHEN own_tags[11] = 'openai' AND m[3] IS NULL AND m[5] IS NULL
        AND (cancel_flag OR app_outcome <> 'completed' OR failed OR error_cancelled OR error_timeout
            OR says_cancelled(finish_reason) OR http_status IN (499, 460, 408, 504, 524))
        THEN 'tokenizer' END, CASE WHEN a.is_estimate THEN 'tokenizer' END) AS usage_basis,
    -- Only the tracer's own events record it; the export API does not show that spans were sampled.
    CASE WHEN number_of(a._dd->>'sample_rate') BETWEEN 0 AND 1 THEN number_of(a._dd->>'sample_rate') END AS sample_rate,
    a.for_diversity AS for_diversity
FROM judged
"""
)

_READS = {
    "call_id": "span_id", "logical_request_id": "metadata.logical_request_id",
    "attempt_number": "metadata.attempt_number", "response_id": "metadata.response_id",
    "model": "model_name, without its date", "response_model": "model_name", "provider": "model_provider",
    "user_id": "tags.user_id, tags.usr.id", "session_id": "session_id, tags.session_id",
    "environment": "tags.env, env", "service": "tags.service, service, ml_app",
    "region": "metadata.region, tags.region",
    "transport": "metadata.transport, url.full, http.url, rpc.system, tags.transport, a realtime model",
    "operation": "span_kind", "start_time": "start_ns",
    "end_time": "start_ns + duration", "duration_ms": "duration",
    "streamed": "metadata.stream; a usable TTFT proves it",
    "ttft_ms": "metrics.time_to_first_token or timeToFirstToken in seconds, ttft_ms; "
        "metadata.latency_metrics.time_to_first_token_ms, ttft_ms, gen_ai.response.time_to_first_chunk",
    "ttvt_ms": "metrics.time_to_first_output_token_ms",
    "input_tokens": "metrics.input_tokens, prompt_tokens; with the cached ones where they are left out",
    "cached_input_tokens": "metrics.cache_read_input_tokens", "cache_write_tokens": "metrics.cache_write_input_tokens",
    "output_tokens": "metrics.output_tokens, completion_tokens", "reasoning_tokens": "metrics.reasoning_output_tokens",
    "max_tokens": "metadata.max_tokens", "cache_hit": "metadata.cache_hit",
    "cost_usd": "metrics.estimated_total_cost, total_cost; metadata.spend_metrics.response_cost",
    "input_cost_usd": "metrics.estimated_input_cost, input_cost",
    "output_cost_usd": "metrics.estimated_output_cost, output_cost", "cancelled_by": "metadata.cancelled_by",
    "cancelled_at_ms": "metadata.cancelled_at_ms", "upstream_cancelled": "metadata.upstream_cancelled",
    "upstream_end_ms": "metadata.upstream_end_ms", "finish_reason": "metadata.finish_reason, tags.finish_reason",
    "http_status": "metadata.http_status", "error_type": "tags.error_type, meta.error.type",
    "output_chars": "length of output.value or its messages",
    "visible_output_chars": "length of output.value or its messages",
}  # fmt: skip

_REMEDIES = {
    "streamed": "annotate metadata stream: true",
    "ttft": "annotate the metric time_to_first_token in seconds, or ttft_ms in milliseconds; most tracers do not",
    "ttvt": "annotate the metric time_to_first_output_token_ms",
    "chunk_times": "Datadog keeps none: log chunk_offsets_ms in JSON lines of your own",
    "client_chunk_times": "Datadog keeps none: log client_chunk_offsets_ms in JSON lines of your own",
    "usage": "ask for stream_options.include_usage: dd-trace-js does not, and without it a stream has no metrics",
    "input_tokens": "annotate the metric input_tokens",
    "reasoning": "annotate the metric reasoning_output_tokens",
    "billed_at_cut": "the tracer estimates or drops an aborted stream's usage: annotate the provider's output_tokens",
    "rendered": "annotate the metric rendered_tokens with what the client showed",
    "delivered": "annotate the metric delivered_tokens",
    "cancel_time": "annotate metadata cancelled_at_ms",
    "provider_stop": "annotate metadata upstream_end_ms",
    "outcome": "annotate metadata outcome, or cancelled: true, in a finally block around the stream",
    "finish_reason": "annotate metadata finish_reason",
    "http_status": "annotate metadata http_status",
    "cost": "use a model that Datadog has prices for, or annotate the metric total_cost in dollars",
    "tenant": "annotate the tag tenant_id; --map tenant=PATH takes another key of metadata",
    "user": "annotate the tag user_id",
    "session": "pass session_id to the root span",
    "route": "annotate the tag route; until then the root span's name is used",
    "deploy": "set DD_VERSION",
    "environment": "set DD_ENV",
    "region": "annotate the tag region",
    "transport": "annotate the tag transport",
    "model": "pass model_name to the llm span",
    "provider": "pass model_provider to the llm span",
    "response_id": "annotate metadata response_id",
    "logical_request": "annotate metadata logical_request_id",
    "input_hash": "export the input too: only its salted hash is kept",
}

SOURCE = Source(
    name="datadog",
    version=12,
    recognise=recognise,
    fields=FIELDS,
    sql=expand_app_keys(_SQL.replace("{caps}", str(list(CAPS)))),
    top_keys={"deploy": ("version", "git.commit.sha", "git_commit_sha", "custom.version")},
    own_keys={
        "route": ("ancestor",),
        "tenant": tuple(f"metadata.user_api_key_{name}" for name in ("team_alias", "team_id", "org_id")),
    },
    nested_rule="same_model",
    id_field="span_id",
    has_total=True,
    time_field="start_ns",
    needs=NEEDS,
    reads=_READS,
    remedies=_REMEDIES,
    trace_url="/llm/traces?query=trace_id:{trace_id}",
)
