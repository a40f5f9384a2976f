"""llmperf ``*_individual_responses.json``: an array of requests in seconds, with no id, no time and no model.

A call's id is the fingerprint of its content and the ordinal among equal ones, so that shuffling changes nothing.
An error row writes a TTFT of 0 and one token: both mean nothing was measured.
"""

from collections.abc import Sequence

from streamaudit.ingest.sources._common import normalise
from streamaudit.ingest.sources.registry import Match, Record, Refusal, Source


def _recognise(head: Sequence[Record]) -> Match | Refusal | None:
    for record in head:
        if isinstance(record.get("individual_responses"), list):
            return Refusal(
                "an llmperf result that holds its requests in a list",
                "jq -c '.individual_responses[]' FILE > responses.jsonl, and read that",
            )
        if "results_num_requests_started" in record or "results_ttft_s_quantiles_p50" in record:
            return Refusal(
                "a summary of an llmperf run, without its requests",
                "read the file of the same run that ends in _individual_responses.json",
            )
        if "ttft_s" in record and "end_to_end_latency_s" in record:
            return Match("individual responses", "ttft_s + end_to_end_latency_s")
    return None


_PREPARED = """
WITH printed AS (
    SELECT
        *,
        md5(concat_ws('|', error_code, ttft_s, end_to_end_latency_s, inter_token_latency_s, number_input_tokens,
            number_output_tokens, start_time, end_time)) AS fingerprint,
        nullif(error_code, '') IS NOT NULL AS is_error
    FROM records
)
SELECT
    line, record,
    CASE WHEN ttft_s IS NULL AND end_to_end_latency_s IS NULL AND error_code IS NULL THEN NULL ELSE 'llm' END AS kind,
    'benchmark' AS service_tier,
    fingerprint || '-' || row_number() OVER (PARTITION BY fingerprint) AS call_id,
    epoch_utc(start_time) AS start_time,
    epoch_utc(end_time) AS end_time,
    number_of(end_to_end_latency_s) * 1000 AS duration_ms,
    CASE WHEN NOT is_error AND number_of(ttft_s) > 0 THEN true END AS streamed,
    number_of(ttft_s) * 1000 AS ttft_ms,
    -- All of its clients speak HTTP.
    ['http://'] AS own_transports,
    tokens_of(number_input_tokens) AS input_tokens,
    CASE WHEN NOT is_error THEN tokens_of(number_output_tokens) END AS output_tokens,
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
    "input_tokens": "number_input_tokens", "output_tokens": "number_output_tokens",
    "transport": "HTTP, which its clients speak", "http_status": "error_code",
    "error_type": "error_code",
}  # fmt: skip

_REMEDIES = {
    "start_time": "llmperf writes no instants: its calls are in no time window",
    "model": "the export names no model: --map model=PATH, or one --source NAME for each run",
    "tenant": "a benchmark has none; --map tenant=PATH if yours does",
    "cost": "a benchmark reports no cost; a price file of your own (prices in the configuration) prices its model",
    "chunk_times": "llmperf keeps only their mean",
}

SOURCE = Source(
    name="llmperf",
    version=5,
    recognise=_recognise,
    fields=dict.fromkeys(
        (
            "error_code", "ttft_s", "end_to_end_latency_s", "inter_token_latency_s", "number_input_tokens",
            "number_output_tokens", "start_time", "end_time",
        ),
        "VARCHAR",
    ),
    sql=normalise(_PREPARED),
    needs=(("ttft_s",), ("end_to_end_latency_s",)),
    reads=_READS,
    remedies=_REMEDIES,
)  # fmt: skip
