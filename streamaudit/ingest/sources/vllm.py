"""vLLM ``bench serve --save-result --save-detailed``: one object a run, whose columns hold a value for each request.

Seconds in the columns. ``start_times`` are of a monotonic clock: they are set on the run's ``date`` less its
``duration``; the date names no zone and is taken for UTC. ``itls`` are gaps between chunks, not tokens
(vllm-project/vllm, vllm/benchmarks/serve.py).
"""

from collections.abc import Sequence

from streamaudit.ingest.sources._common import normalise
from streamaudit.ingest.sources.registry import Match, Record, Refusal, Source

_JSON = ("input_lens", "output_lens", "ttfts", "itls", "errors", "latencies", "start_times")


def _recognise(head: Sequence[Record]) -> Match | Refusal | None:
    for record in head:
        if "model_id" in record and isinstance(record.get("ttfts"), list) and isinstance(record.get("itls"), list):
            return Match("detailed result", "ttfts + itls")
        if "mean_ttft_ms" in record and "model_id" in record:
            return Refusal("a vLLM result without its requests", "run the benchmark again with --save-detailed")
    return None


_PREPARED = """
    WITH typed AS (
        SELECT line, record, row_number() OVER () AS run_number, "date" AS run, model_id, label, endpoint_type,
            try_cast(ttfts AS DOUBLE[]) AS firsts, try_cast(start_times AS DOUBLE[]) AS starts,
            list_zip(try_cast(input_lens AS VARCHAR[]), try_cast(output_lens AS VARCHAR[]), firsts,
                from_json(itls, '[["DOUBLE"]]'), try_cast(errors AS VARCHAR[]), try_cast(latencies AS DOUBLE[]), starts)
                AS columns,
            -- The date is stamped when the run has ended.
            later_by(try_strptime("date", '%Y%m%d-%H%M%S'), -1000 * coalesce(number_of(duration), 0)) AS began
        FROM records
    ), sized AS (
        SELECT * EXCLUDE (firsts, starts, columns), coalesce(len(firsts), 0) AS measured,
            list_min(starts) AS first_start, coalesce(nullif(columns[:greatest(measured, 1)], []), [NULL]) AS requests
        FROM typed
    ), spread AS (
        SELECT * EXCLUDE (requests), unnest(requests) AS request, generate_subscripts(requests, 1) AS number
        FROM sized
    ), opened AS (
        SELECT * EXCLUDE (request), request[1] AS input_len, request[2] AS output_len, request[3] AS first_s,
            request[4] AS gap_s, request[5] AS error_text, request[6] AS took_s, request[7] AS start_s
        FROM spread
    ), arrivals AS (
        SELECT run_number, number, list(after_s ORDER BY place) AS after_first_s
        FROM (
            SELECT run_number, number, place, sum(gap) OVER (PARTITION BY run_number, number ORDER BY place) AS after_s
            FROM (
                SELECT run_number, number, unnest(gap_s) AS gap, generate_subscripts(gap_s, 1) AS place
                FROM opened WHERE first_s > 0
            )
        )
        GROUP BY ALL
    ), timed AS (
        SELECT *, nullif(error_text, '') AS fault, start_s - first_start AS after_s,
            fault IS NULL AND first_s > 0 AS is_whole,
            -- An error is a whole traceback; its last line has the class.
            error_class(string_split(trim(fault, chr(10) || ' '), chr(10))[-1]) AS class,
            coalesce(nullif(took_s, 0), CASE WHEN fault IS NULL THEN first_s + coalesce(list_sum(gap_s), 0) END) * 1000
                AS took_ms
        FROM opened LEFT JOIN arrivals USING (run_number, number)
    )
    SELECT
        line, record, CASE WHEN run IS NULL AND model_id IS NULL THEN NULL WHEN number > measured THEN 'other'
            ELSE 'llm' END AS kind, 'benchmark' AS service_tier,
        [nullif(endpoint_type, '')] AS own_routes, [nullif(label, '')] AS own_deploys,
        concat_ws('/', run, model_id, label, number) AS call_id,
        nullif(model_id, '') AS model, nullif(model_id, '') AS response_model, 'vllm' AS provider,
        later_by(began, 1000 * coalesce(after_s, 0)) AS start_time,
        took_ms AS duration_ms, CASE WHEN first_s > 0 THEN true END AS streamed,
        CASE WHEN first_s > 0 THEN first_s * 1000 END AS ttft_ms,
        CASE WHEN first_s > 0 THEN len(gap_s) + 1 END AS chunk_count,
        CASE WHEN first_s > 0 THEN list_transform(list_prepend(0, coalesce(after_first_s, [])),
            lambda after: (first_s + coalesce(after, 0)) * 1000) END AS chunk_offsets_ms,
        tokens_of(input_len) AS input_tokens, CASE WHEN is_whole THEN tokens_of(output_len) END AS output_tokens,
        CASE WHEN is_whole THEN 'completed' END AS app_outcome, fault IS NOT NULL AS failed,
        says_cancelled(class) AS error_cancelled, says_timeout(class) AS error_timeout, class AS error_type
    FROM timed
"""

_READS = {
    "call_id": "date, model_id, label and the place in the columns", "model": "model_id", "response_model": "model_id",
    "start_time": "date - duration + start_times", "duration_ms": "latencies, or ttfts + itls", "ttft_ms": "ttfts",
    "streamed": "ttfts above 0", "chunk_count": "itls", "chunk_offsets_ms": "ttfts and itls",
    "input_tokens": "input_lens", "output_tokens": "output_lens", "error_type": "errors",
}  # fmt: skip

_REMEDIES = {
    "tenant": "a benchmark has none; --map tenant=PATH if yours does",
    "deploy": "give each run a --label",
    "cost": "a benchmark reports no cost; a price file of your own (prices in the configuration) prices its model",
    "outcome": "a failed request is recognised by its error; vLLM cancels none",
}

SOURCE = Source(
    name="vllm",
    version=5,
    recognise=_recognise,
    fields={
        **dict.fromkeys(("date", "duration", "model_id", "label", "backend", "endpoint_type"), "VARCHAR"),
        **dict.fromkeys(_JSON, "JSON"),
    },
    sql=normalise(_PREPARED),
    own_keys={"route": ("endpoint_type",), "deploy": ("label",)},
    time_field="date",
    needs=(("ttfts",), ("itls",)),
    reads=_READS,
    remedies=_REMEDIES,
)
