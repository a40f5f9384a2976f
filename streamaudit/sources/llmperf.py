"""llmperf ``*_individual_responses.json``: an array of requests in seconds, with no id, no time and no model.

A call's id is the fingerprint of its content and the ordinal among equal ones, so that shuffling changes nothing.
An error row writes a TTFT of 0 and one token: both mean nothing was measured.
"""

from collections.abc import Sequence

from streamaudit.sources import Match, Record, Source


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
    first_filled(json_extract_string(record, $map_model)) AS model,
    epoch_utc(start_time) AS start_time,
    epoch_utc(end_time) AS end_time,
    number_of(end_to_end_latency_s) * 1000 AS duration_ms,
    CASE WHEN NOT is_error AND number_of(ttft_s) > 0 THEN true END AS streamed,
    number_of(ttft_s) * 1000 AS ttft_ms,
    tokens_of(number_input_tokens) AS input_tokens,
    CASE WHEN NOT is_error THEN tokens_of(number_output_tokens) END AS output_tokens,
    CASE WHEN NOT is_error THEN 'completed' END AS said_outcome,
    is_error AS failed,
    says_timeout(error_code) AS error_timeout,
    try_cast(error_code AS INTEGER) AS http_status,
    code_word(error_code) AS error_type
FROM printed
"""

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
)  # fmt: skip
