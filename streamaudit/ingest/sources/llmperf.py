"""llmperf ``*_individual_responses.json``: an array of requests in seconds, with no id, no time and no model.

A call's id is the fingerprint of its content and the ordinal among equal ones, so that shuffling changes nothing.
An error row writes a TTFT of 0 and one token: both mean nothing was measured.
"""

from collections.abc import Sequence

from streamaudit.ingest.sources.registry import Match, Record, Source


def _recognise(head: Sequence[Record]) -> Match | None:
    for record in head:
        if "ttft_s" in record and "end_to_end_latency_s" in record:
            return Match("individual responses", "ttft_s + end_to_end_latency_s")
    return None


_SQL = """
WITH printed AS (
    SELECT
        *,
        md5(concat_ws('|', error_code, ttft_s, end_to_end_latency_s, inter_token_latency_s, number_input_tokens,
            number_output_tokens, start_time, end_time)) AS fingerprint,
        nullif(error_code, '') IS NOT NULL AS is_error
    FROM records
)
SELECT
    line,
    CASE WHEN ttft_s IS NULL AND end_to_end_latency_s IS NULL AND error_code IS NULL THEN NULL ELSE 'llm' END AS kind,
    fingerprint || '-' || row_number() OVER (PARTITION BY fingerprint) AS call_id,
    first_filled(json_extract_string(record, $map_tenant)) AS tenant,
    filled_rank(json_extract_string(record, $map_tenant), -1) * 0 AS tenant_rank,
    first_filled(json_extract_string(record, $map_route)) AS route,
    filled_rank(json_extract_string(record, $map_route), -1) * 0 AS route_rank,
    first_filled(json_extract_string(record, $map_deploy)) AS deploy,
    filled_rank(json_extract_string(record, $map_deploy), -1) * 0 AS deploy_rank,
    first_filled(json_extract_string(record, $map_model)) AS model,
    first_filled(json_extract_string(record, $map_user_id)) AS user_id,
    first_filled(json_extract_string(record, $map_session_id)) AS session_id,
    first_filled(json_extract_string(record, $map_environment)) AS environment,
    first_filled(json_extract_string(record, $map_service)) AS service,
    first_filled(json_extract_string(record, $map_region)) AS region,
    first_filled(json_extract_string(record, $map_transport)) AS transport,
    tokens_of(first_filled(json_extract_string(record, $map_rendered_tokens))) AS rendered_tokens,
    filled_rank(json_extract_string(record, $map_rendered_tokens), -1) * 0 AS rendered_tokens_rank,
    tokens_of(first_filled(json_extract_string(record, $map_delivered_tokens))) AS delivered_tokens,
    filled_rank(json_extract_string(record, $map_delivered_tokens), -1) * 0 AS delivered_tokens_rank,
    bool_of(first_filled(json_extract_string(record, $map_cancelled))) AS cancel_flag,
    epoch_utc(start_time) AS start_time,
    epoch_utc(end_time) AS end_time,
    number_of(end_to_end_latency_s) * 1000 AS duration_ms,
    CASE WHEN NOT is_error AND number_of(ttft_s) > 0 THEN true END AS streamed,
    number_of(ttft_s) * 1000 AS ttft_ms,
    tokens_of(number_input_tokens) AS input_tokens,
    CASE WHEN NOT is_error THEN tokens_of(number_output_tokens) END AS output_tokens,
    CASE WHEN NOT is_error AND len($map_cancelled) = 0 THEN 'completed' END AS said_outcome,
    CASE WHEN NOT is_error THEN 'completed' END AS app_outcome,
    is_error AS failed,
    says_timeout(error_code) AS error_timeout,
    try_cast(error_code AS INTEGER) AS http_status,
    code_word(error_code) AS error_type
FROM printed
"""

_READS = {
    "call_id": "fingerprint of the record and its ordinal", "start_time": "start_time", "end_time": "end_time",
    "duration_ms": "end_to_end_latency_s", "ttft_ms": "ttft_s", "streamed": "ttft_s above 0",
    "input_tokens": "number_input_tokens", "output_tokens": "number_output_tokens", "http_status": "error_code",
    "error_type": "error_code",
}  # fmt: skip

_REMEDIES = {
    "start_time": "llmperf writes no instants: its calls are in no time window",
    "model": "the export names no model: --map model=PATH, or one --source NAME for each run",
    "tenant": "a benchmark has none; --map tenant=PATH if yours does",
    "cost": "a benchmark reports no cost",
    "chunk_times": "llmperf keeps only their mean",
}

SOURCE = Source(
    name="llmperf",
    version=1,
    recognise=_recognise,
    fields=dict.fromkeys(
        (
            "error_code", "ttft_s", "end_to_end_latency_s", "inter_token_latency_s", "number_input_tokens",
            "number_output_tokens", "start_time", "end_time",
        ),
        "VARCHAR",
    ),
    sql=_SQL,
    needs=(("ttft_s",), ("end_to_end_latency_s",)),
    reads=_READS,
    remedies=_REMEDIES,
)  # fmt: skip
