"""GuideLLM ``benchmarks.json``: one object a run, whose benchmarks list their requests by how they ended.

Instants are epoch seconds. Requests under ``incomplete`` were cut when the benchmark's time was up: no user left
(vllm-project/guidellm, report format version 2).
"""

from collections.abc import Sequence

from streamaudit.ingest.sources._common import normalise
from streamaudit.ingest.sources.registry import Match, Record, Refusal, Source


def _recognise(head: Sequence[Record]) -> Match | Refusal | None:
    for record in head:
        if _is_emptied(record.get("benchmarks")):
            return Refusal(
                "a GuideLLM report without its requests",
                "run the benchmark again and keep them: --sample-requests N in GuideLLM before 0.4, later a sample "
                "size other than 0, and read the JSON output",
            )
        runs = record.get("benchmarks")
        if isinstance(runs, list) and runs and isinstance(runs[0], dict) and isinstance(runs[0].get("requests"), dict):
            return Match("report", "benchmarks[].requests")
    return None


def _is_emptied(runs: object) -> bool:
    """Whether no benchmark of a report has a request, although each has its figures."""
    if not (isinstance(runs, list) and runs and all(isinstance(run, dict) and "metrics" in run for run in runs)):
        return False
    return not any(
        run.get("requests", {}).get(how)
        for run in runs
        if isinstance(run.get("requests", {}), dict)
        for how in ("successful", "incomplete", "errored")
    )


_PREPARED = """
    WITH runs AS (
        SELECT line, record, is_empty, unnest(listed) AS run
        FROM (
            SELECT line, record, coalesce(metadata, benchmarks) IS NULL AS is_empty,
                coalesce(nullif(list_filter(from_json(benchmarks, '[{"requests": {"successful": ["JSON"],
                    "incomplete": ["JSON"], "errored": ["JSON"]},
                    "config": "JSON"}]'), lambda b: b.requests IS NOT NULL), []), [NULL]) AS listed
            FROM records
        )
    ), listed AS (
        SELECT line, record, is_empty, config, unnest(requests) AS one
        FROM (
            SELECT line, record, is_empty, run.config AS config, coalesce(nullif(list_concat(
                list_transform(run.requests.successful, lambda r: struct_pack(how := 'completed', r := r)),
                list_concat(
                    list_transform(run.requests.incomplete, lambda r: struct_pack(how := 'interrupted', r := r)),
                    list_transform(run.requests.errored, lambda r: struct_pack(how := 'error', r := r)))), []), [NULL])
                AS requests
            FROM runs
        )
    ), typed AS (
        SELECT *, coalesce(r.info.timings.request_start, r.request_start_time) AS began_s,
            coalesce(r.info.timings.request_end, r.request_end_time) AS ended_s,
            number_of(r.time_to_first_token_ms) AS first_ms
        FROM (
            SELECT line, record, is_empty, config, one.how AS how, one.r AS whole, from_json(one.r, '{"request_id":
                "VARCHAR", "response_id": "VARCHAR", "request_type": "VARCHAR", "model": "VARCHAR",
                "request_start_time": "VARCHAR", "request_end_time": "VARCHAR", "request_latency": "VARCHAR",
                "time_to_first_token_ms": "VARCHAR", "time_to_first_output_token_ms": "VARCHAR",
                "prompt_tokens": "VARCHAR", "output_tokens": "VARCHAR", "cached_tokens": "VARCHAR",
                "input_metrics": {"text_tokens": "VARCHAR"}, "output_metrics": {"text_tokens": "VARCHAR"},
                "info": {"conversation_id": "VARCHAR", "error": "VARCHAR",
                    "timings": {"request_start": "VARCHAR", "request_end": "VARCHAR"}}}') AS r
            FROM listed
        )
    )
    SELECT
        line, record, CASE WHEN is_empty THEN NULL WHEN whole IS NULL THEN 'other' ELSE 'llm' END AS kind,
        'benchmark' AS service_tier,
        [nullif(r.request_type, '')] AS own_routes,
        coalesce(nullif(r.request_id, ''), concat_ws('/', began_s, md5(whole::VARCHAR))) AS call_id,
        nullif(r.response_id, '') AS response_id,
        nullif(coalesce(r.model, config->>'$.backend.model', config->>'model'), '') AS model, 'local' AS provider,
        nullif(r.info.conversation_id, '') AS session_id,
        epoch_utc(began_s) AS start_time, epoch_utc(ended_s) AS end_time,
        coalesce(number_of(r.request_latency) * 1000, (number_of(ended_s) - number_of(began_s)) * 1000)
            AS duration_ms,
        CASE WHEN first_ms > 0 THEN true END AS streamed, CASE WHEN first_ms > 0 THEN first_ms END AS ttft_ms,
        number_of(r.time_to_first_output_token_ms) AS ttvt_ms,
        tokens_of(coalesce(r.prompt_tokens, r.input_metrics.text_tokens)) AS input_tokens,
        CASE WHEN how <> 'error' THEN tokens_of(coalesce(r.output_tokens, r.output_metrics.text_tokens)) END
            AS output_tokens,
        tokens_of(r.cached_tokens) AS cached_input_tokens,
        CASE WHEN how <> 'completed' THEN 'tokenizer' END AS usage_basis,
        CASE WHEN how <> 'error' THEN how END AS app_outcome, how = 'error' AS failed,
        error_class(r.info.error) AS error_type,
        message_says_timeout(error_class(r.info.error), r.info.error) AS error_timeout
    FROM typed
"""

_READS = {
    "call_id": "request_id", "response_id": "response_id", "model": "the benchmark's configuration",
    "session_id": "info.conversation_id", "start_time": "request_start_time, info.timings.request_start",
    "end_time": "request_end_time, info.timings.request_end", "duration_ms": "request_latency",
    "ttft_ms": "time_to_first_token_ms", "ttvt_ms": "time_to_first_output_token_ms",
    "streamed": "time_to_first_token_ms above 0", "input_tokens": "prompt_tokens", "output_tokens": "output_tokens",
    "cached_input_tokens": "cached_tokens", "error_type": "info.error",
}  # fmt: skip

_REMEDIES = {
    "chunk_times": "GuideLLM keeps the first and the last only",
    "tenant": "a benchmark has none",
    "model": "the report names no model: --map model=PATH, or one --source NAME for each run",
    "cost": "a benchmark reports no cost, and your own server has no provider's price; "
    "--map provider=PATH names a provider, a price file of your own (prices in the configuration) prices its model",
    "outcome": "requests cut when the time was up are interrupted: no user left",
}

SOURCE = Source(
    name="guidellm",
    version=5,
    recognise=_recognise,
    fields={"metadata": "JSON", "benchmarks": "JSON"},
    sql=normalise(_PREPARED),
    own_keys={"route": ("request_type",)},
    id_field="request_id",
    time_field="request_start_time",
    needs=(("benchmarks",),),
    reads=_READS,
    remedies=_REMEDIES,
)
