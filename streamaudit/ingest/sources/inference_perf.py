"""inference-perf ``per_request_lifecycle_metrics.json``: a list of requests with the times of their chunks.

Seconds of a monotonic clock, whose differences count and whose dates do not; an epoch is a date. ``request``,
``response`` and ``response_chunks`` hold prompts and answers and are not kept (kubernetes-sigs/inference-perf,
reportgen/base.py).
"""

from collections.abc import Sequence

from streamaudit.ingest.sources._common import LEARNT, normalise
from streamaudit.ingest.sources.registry import Match, Record, Refusal, Source


def _recognise(head: Sequence[Record]) -> Match | Refusal | None:
    for record in head:
        if "load_summary" in record and "successes" in record:
            return Refusal(
                "a summary of an inference-perf run, without its requests",
                "set report.request_lifecycle.per_request: true and read per_request_lifecycle_metrics.json",
            )
        info = record.get("info")
        if isinstance(info, dict) and {"start_time", "end_time", "request"} <= record.keys():
            return Match("per-request metrics", "info + start_time + request")
    return None


_PREPARED = """
    WITH typed AS (
        SELECT line, record, start_time, end_time, error, info, md5(record::VARCHAR) AS digest,
            -- The request is JSON text; only its model and its flag are looked at.
            json_extract_string(CASE WHEN json_valid(request) THEN request END, ['/model', '/stream', '/max_tokens'])
                AS asked,
            json_extract_string(info, ['/lora_adapter', '/labels/tenant', '/labels/tenant_id', '/output_tokens',
                '/input_tokens', '/request_metrics/text/input_tokens',
                '/response_metrics/server_usage/completion_tokens', '/response_metrics/server_usage/prompt_tokens',
                '/response_metrics/output_tokens']) AS i,
            coalesce(nullif(try_cast(json_extract(info, '/response_metrics/chunk_times') AS DOUBLE[]), []),
                nullif(try_cast(json_extract(info, '/chunk_times') AS DOUBLE[]), []),
                nullif(try_cast(json_extract(info, '/response_metrics/output_token_times') AS DOUBLE[]), []),
                nullif(try_cast(json_extract(info, '/output_token_times') AS DOUBLE[]), [])) AS arrivals_s
        FROM records
    ), timed AS (
        SELECT *, number_of(start_time) AS began_s, number_of(end_time) AS ended_s,
            nullif(nullif(error::VARCHAR, 'null'), '""') IS NOT NULL AS is_error,
            list_transform(arrivals_s, lambda t: (t - number_of(start_time)) * 1000) AS offsets_ms,
            coalesce(error->>'$.error_type', CASE WHEN json_type(error) = 'VARCHAR' THEN error->>'$' END) AS fault
        FROM typed
    )
    SELECT
        line, record, CASE WHEN began_s IS NULL AND info IS NULL THEN NULL ELSE 'llm' END AS kind,
        'benchmark' AS service_tier,
        'line-' || digest || '-' || row_number() OVER (PARTITION BY digest) AS call_id,
        [nullif(i[2], ''), nullif(i[3], '')] AS own_tenants, [nullif(i[1], '')] AS own_routes,
        nullif(asked[1], '') AS model, 'local' AS provider, tokens_of(asked[3]) AS max_tokens,
        CASE WHEN began_s >= 1e9 THEN epoch_utc(start_time) END AS start_time,
        CASE WHEN ended_s >= 1e9 THEN epoch_utc(end_time) END AS end_time,
        (ended_s - began_s) * 1000 AS duration_ms,
        coalesce(bool_of(asked[2]), CASE WHEN len(arrivals_s) > 1 THEN true END) AS streamed,
        CASE WHEN bool_of(asked[2]) IS DISTINCT FROM false THEN offsets_ms[1] END AS ttft_ms,
        CASE WHEN offsets_ms IS NOT NULL THEN 'first_chunk' END AS ttft_basis,
        len(offsets_ms) AS chunk_count, offsets_ms AS chunk_offsets_ms,
        tokens_of(coalesce(i[8], i[6], i[5])) AS input_tokens,
        CASE WHEN NOT is_error OR i[7] IS NOT NULL THEN tokens_of(coalesce(i[7], i[9], i[4])) END AS output_tokens,
        CASE WHEN i[7] IS NULL THEN 'tokenizer' END AS usage_basis,
        CASE WHEN NOT is_error THEN 'completed' END AS app_outcome, is_error AS failed,
        says_cancelled(fault) AS error_cancelled, says_timeout(fault) AS error_timeout,
        coalesce(error_class(fault), code_word(fault)) AS error_type
    FROM timed
"""

_READS = {
    "call_id": "digest of the record and its ordinal", "model": "model in request", "streamed": "stream in request",
    "start_time": "start_time, where it is an epoch", "end_time": "end_time, where it is an epoch",
    "duration_ms": "end_time - start_time", "ttft_ms": "first of the chunk times - start_time",
    "chunk_offsets_ms": "chunk_times, output_token_times", "chunk_count": "chunk_times, output_token_times",
    "input_tokens": "info.request_metrics.text.input_tokens, info.input_tokens",
    "output_tokens": "info.response_metrics.server_usage.completion_tokens, info.output_tokens",
    "max_tokens": "max_tokens in request", "error_type": "error.error_type",
}  # fmt: skip

_REMEDIES = {
    **LEARNT,
    "start_time": "inference-perf writes times of a monotonic clock: its calls are in no time window",
    "tenant": "set info.labels.tenant; a benchmark has none of its own",
    "route": "info.lora_adapter is taken; --map route=PATH takes another",
    "cost": "a benchmark reports no cost, and your own server has no provider's price",
    "usage": "server_usage is the server's own count; without it the tool tokenizes what it received",
}

SOURCE = Source(
    name="inference_perf",
    version=1,
    recognise=_recognise,
    fields={
        **dict.fromkeys(("start_time", "end_time", "request"), "VARCHAR"), "info": "JSON", "error": "JSON",
    },
    whole=True,
    sql=normalise(_PREPARED),
    own_keys={"tenant": ("info.labels.tenant", "info.labels.tenant_id"), "route": ("info.lora_adapter",)},
    needs=(("info",), ("start_time",), ("request",)),
    reads=_READS,
    remedies=_REMEDIES,
)  # fmt: skip
