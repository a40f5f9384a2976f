"""NVIDIA AIPerf ``profile_export.jsonl``: one benchmark request a line, with the early and the current field names.

Each metric is ``{"value", "unit"}``; instants are epoch nanoseconds. TTFT plus the chunk latencies is the duration.
"""

from collections.abc import Sequence

from streamaudit.ingest.sources._common import normalise
from streamaudit.ingest.sources.registry import Match, Record, Refusal, Source


def _is_summary(record: Record) -> bool:
    """Whether a record is an aggregate of a run: metrics with an average, at the top or under ``records``."""
    held = record.get("records") if isinstance(record.get("records"), dict) else record
    latency = held.get("request_latency") if isinstance(held, dict) else None
    return isinstance(latency, dict) and "avg" in latency


def _recognise(head: Sequence[Record]) -> Match | Refusal | None:
    for record in head:
        if _is_summary(record):
            return Refusal("a summary of an AIPerf run, without its requests", _RECORDS)
        metadata, metrics = record.get("metadata"), record.get("metrics")
        if isinstance(metadata, dict) and isinstance(metrics, dict) and "x_request_id" in metadata:
            early = "credit_phase" in metadata or "timestamp_ns" in metadata
            return Match("early" if early else "current", "metadata.x_request_id + metrics")
    return None


_RECORDS = (
    "read profile_export.jsonl, which is next to it (--export-level records, or --profile-export-file, writes it)"
)

_PREPARED = """
WITH parts AS (
    SELECT
        line, record, metadata, metrics, error,
        json_extract_string(metadata, ['/x_request_id', '/x_correlation_id', '/conversation_id', '/request_start_ns',
            '/timestamp_ns', '/request_end_ns', '/was_cancelled', '/cancellation_time_ns', '/turn_index']) AS d,
        json_extract_string(metrics, [
            '/time_to_first_token/value', '/time_to_first_token/unit', '/ttft/value', '/ttft/unit',
            '/request_latency/value', '/request_latency/unit', '/inter_chunk_latency/value',
            '/inter_chunk_latency/unit', '/input_sequence_length/value', '/output_sequence_length/value',
            '/reasoning_token_count/value', '/error_isl/value', '/time_to_first_output_token/value',
            '/time_to_first_output_token/unit', '/min_request_timestamp/value', '/max_response_timestamp/value'
        ]) AS m
    FROM records
), scaled AS (
    SELECT
        *,
        coalesce(epoch_utc(d[4]), epoch_utc(m[15]), epoch_utc(d[5])) AS started,
        coalesce(number_of(m[1]) * unit_ms(m[2]), number_of(m[3]) * unit_ms(m[4])) AS first_chunk_ms,
        coalesce(number_of(m[5]) * unit_ms(m[6]), (number_of(d[6]) - number_of(d[4])) / 1e6) AS took_ms,
        list_transform(try_cast(m[7] AS DOUBLE[]), lambda x: x * unit_ms(m[8])) AS gaps_ms
    FROM parts
), chunked AS (
    SELECT
        *,
        CASE WHEN gaps_ms IS NOT NULL AND first_chunk_ms IS NOT NULL THEN
            list_transform(generate_series(0, len(gaps_ms)),
                lambda i: first_chunk_ms + coalesce(list_sum(gaps_ms[:i]), 0)) END AS offsets_ms
    FROM scaled
)
SELECT
    line, record,
    CASE WHEN metadata IS NULL AND metrics IS NULL THEN NULL ELSE 'llm' END AS kind, 'benchmark' AS service_tier,
    nullif(d[1], '') AS call_id,
    nullif(d[2], '') AS trace_id,
    d[2] || '/' || d[9] AS logical_request_id,
    nullif(d[3], '') AS session_id,
    started AS start_time,
    coalesce(epoch_utc(d[6]), epoch_utc(m[16])) AS end_time,
    took_ms AS duration_ms,
    CASE WHEN first_chunk_ms IS NOT NULL THEN true END AS streamed,
    -- It reads the server-sent events of an HTTP endpoint.
    [CASE WHEN first_chunk_ms IS NOT NULL THEN 'sse' END] AS own_transports,
    first_chunk_ms AS ttft_ms,
    number_of(m[13]) * unit_ms(m[14]) AS ttvt_ms,
    len(offsets_ms) AS chunk_count,
    offsets_ms AS chunk_offsets_ms,
    coalesce(tokens_of(m[9]), tokens_of(m[12])) AS input_tokens,
    tokens_of(m[10]) AS output_tokens,
    tokens_of(m[11]) AS reasoning_tokens,
    -- The counts are AIPerf's own tokenization of what it received; on a finished request that is all there was.
    CASE WHEN error IS NOT NULL THEN 'tokenizer' END AS usage_basis,
    bool_of(d[7]) AS cancel_flag,
    CASE WHEN error IS NULL AND coalesce(bool_of(d[7]), false) = false THEN 'completed' END AS app_outcome,
    error IS NOT NULL AS failed,
    says_cancelled(coalesce(error->>'code', '') || ' ' || coalesce(error->>'type', '')) AS error_cancelled,
    says_timeout(error->>'type') AS error_timeout,
    CASE WHEN bool_of(d[7]) THEN (number_of(d[8]) - number_of(d[4])) / 1e6 END AS cancelled_at_ms,
    try_cast(error->>'code' AS INTEGER) AS http_status,
    code_word(error->>'type') AS error_type
FROM chunked
"""

_READS = {
    "call_id": "metadata.x_request_id", "trace_id": "metadata.x_correlation_id",
    "logical_request_id": "metadata.x_correlation_id and turn_index", "session_id": "metadata.conversation_id",
    "start_time": "metadata.request_start_ns", "end_time": "metadata.request_end_ns",
    "duration_ms": "metrics.request_latency", "ttft_ms": "metrics.time_to_first_token",
    "ttvt_ms": "metrics.time_to_first_output_token",
    "chunk_offsets_ms": "metrics.time_to_first_token and inter_chunk_latency",
    "chunk_count": "metrics.inter_chunk_latency", "input_tokens": "metrics.input_sequence_length",
    "output_tokens": "metrics.output_sequence_length", "reasoning_tokens": "metrics.reasoning_token_count",
    "transport": "server-sent events, which AIPerf reads where a request streamed",
    "cancelled_at_ms": "metadata.cancellation_time_ns", "http_status": "error.code", "error_type": "error.type",
}  # fmt: skip

_REMEDIES = {
    "ttft": "run AIPerf with --streaming",
    "streamed": "run AIPerf with --streaming",
    "chunk_times": "run AIPerf with --streaming",
    "billed_at_cut": "AIPerf tokenizes what it received: only the server's own log has the usage of cancelled requests",
    "model": "the export names no model: --map model=PATH, or one --source NAME for each run",
    "tenant": "a benchmark has none; --map tenant=PATH if yours does",
    "cost": "a benchmark reports no cost; a price file of your own (prices in the configuration) prices its model",
}

SOURCE = Source(
    name="aiperf",
    version=6,
    recognise=_recognise,
    fields={"metadata": "JSON", "metrics": "JSON", "error": "JSON"},
    sql=normalise(_PREPARED),
    id_field="metadata.x_request_id",
    time_field="metadata.request_start_ns",
    needs=(("metadata.x_request_id",), ("metrics",)),
    reads=_READS,
    remedies=_REMEDIES,
)
