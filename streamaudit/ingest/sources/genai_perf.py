"""NVIDIA genai-perf (Perf Analyzer) ``profile_export.json``: one object a run, with the instant of every response.

Instants are epoch nanoseconds. A stream's last responses may be its usage and ``[DONE]``, so the duration may end a
little after the last token (NVIDIA perf_analyzer, docs/genai-perf, profile export).
"""

from collections.abc import Sequence

from streamaudit.ingest.sources._common import normalise
from streamaudit.ingest.sources.registry import Match, Record, Source


def _recognise(head: Sequence[Record]) -> Match | None:
    for record in head:
        runs = record.get("experiments")
        if isinstance(runs, list) and runs and isinstance(runs[0], dict) and "requests" in runs[0]:
            return Match("profile export", "experiments[].requests")
    return None


_PREPARED = """
    WITH runs AS (
        SELECT line, record, endpoint, is_empty, unnest(listed) AS run, generate_subscripts(listed, 1) AS run_number
        FROM (
            SELECT line, record, endpoint, coalesce(service_kind, endpoint, experiments::VARCHAR) IS NULL AS is_empty,
                coalesce(nullif(list_filter(from_json(experiments, '[{"requests": ["JSON"]}]'),
                    lambda e: e.requests IS NOT NULL), []), [NULL]) AS listed
            FROM records
        )
    ), opened AS (
        SELECT line, record, is_empty, endpoint, run_number, unnest(listed) AS request,
            generate_subscripts(listed, 1) AS number
        FROM (SELECT *, coalesce(nullif(run.requests, []), [NULL]) AS listed FROM runs)
    ), typed AS (
        SELECT *, request->>'timestamp' AS began_ns,
            try_cast(request->'response_timestamps' AS BIGINT[]) AS heard,
            json_of(request->>'$.request_inputs.payload') AS asked,
            list_transform(from_json(request->'response_outputs', '[{"response": "VARCHAR"}]'), lambda o: o.response)
                AS answers
        FROM opened
    ), timed AS (
        SELECT *,
            list_transform(heard, lambda ns: (ns - try_cast(began_ns AS BIGINT)) / 1e6) AS offsets,
            try_cast(nullif(regexp_extract(list_filter(answers, lambda r: contains(r, '"usage":{'))[-1],
                '"usage":(\\{(?:[^{}]|\\{[^{}]*\\})*\\})', 1), '') AS JSON) AS counted
        FROM typed
    )
    SELECT
        line, record, CASE WHEN is_empty THEN NULL WHEN began_ns IS NULL THEN 'other' ELSE 'llm' END AS kind,
        'benchmark' AS service_tier,
        [nullif(endpoint, '')] AS own_routes,
        concat_ws('/', began_ns, run_number, number) AS call_id,
        nullif(asked->>'model', '') AS model, 'local' AS provider, nullif(asked->>'model', '') AS response_model,
        epoch_utc(began_ns) AS start_time, offsets[-1] AS duration_ms,
        CASE WHEN len(offsets) > 1 THEN true ELSE bool_of(asked->>'stream') END AS streamed,
        CASE WHEN len(offsets) > 1 OR bool_of(asked->>'stream') THEN offsets[1] END AS ttft_ms,
        nullif(len(offsets), 0) AS chunk_count,
        CASE WHEN len(offsets) > 1 THEN offsets END AS chunk_offsets_ms,
        tokens_of(counted->>'prompt_tokens') AS input_tokens, tokens_of(counted->>'completion_tokens') AS output_tokens,
        tokens_of(counted->>'$.completion_tokens_details.reasoning_tokens') AS reasoning_tokens,
        tokens_of(coalesce(asked->>'max_tokens', asked->>'max_completion_tokens')) AS max_tokens,
        CASE WHEN len(heard) > 0 THEN 'completed' END AS app_outcome, coalesce(len(heard), 0) = 0 AS failed
    FROM timed
"""

_READS = {
    "call_id": "timestamp and the place in the file", "model": "request_inputs.payload.model",
    "response_model": "request_inputs.payload.model", "start_time": "timestamp",
    "duration_ms": "the last of response_timestamps - timestamp", "ttft_ms": "the first of response_timestamps",
    "streamed": "several response_timestamps, or request_inputs.payload.stream",
    "chunk_count": "response_timestamps", "chunk_offsets_ms": "response_timestamps",
    "input_tokens": "usage in the responses", "output_tokens": "usage in the responses",
    "reasoning_tokens": "usage in the responses", "max_tokens": "request_inputs.payload.max_tokens",
}  # fmt: skip

_REMEDIES = {
    "usage": "run with --extra-inputs stream_options:{include_usage:true}: otherwise no response has token counts",
    "input_tokens": "run with --extra-inputs stream_options:{include_usage:true}",
    "tenant": "a benchmark has none",
    "cost": "a benchmark reports no cost; a price file of your own (prices in the configuration) prices its model",
}

SOURCE = Source(
    name="genai_perf",
    version=2,
    recognise=_recognise,
    fields={"service_kind": "VARCHAR", "endpoint": "VARCHAR", "experiments": "JSON"},
    sql=normalise(_PREPARED),
    own_keys={"route": ("endpoint",)},
    time_field="timestamp",
    needs=(("experiments",),),
    reads=_READS,
    remedies=_REMEDIES,
)
