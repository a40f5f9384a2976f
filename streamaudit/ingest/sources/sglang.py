"""SGLang ``bench_serving --output-file F --output-details``: one line a run, whose lists hold a value for each request.

Seconds in the lists. The line has no date and no start times, so its calls are in no time window. ``itls`` are gaps
between chunks, not tokens (sgl-project/sglang, python/sglang/bench_serving.py).
"""

from collections.abc import Sequence

from streamaudit.ingest.sources._common import LEARNT, normalise
from streamaudit.ingest.sources.registry import Match, Record, Refusal, Source

_JSON = ("input_lens", "output_lens", "ttfts", "itls", "errors", "server_info")


def _recognise(head: Sequence[Record]) -> Match | Refusal | None:
    for record in head:
        if "model_id" in record:
            continue
        if isinstance(record.get("ttfts"), list) and isinstance(record.get("itls"), list):
            return Match("output details", "ttfts + itls")
        if "mean_ttft_ms" in record and ("completed" in record or "backend" in record):
            return Refusal("an SGLang result without its requests", "run the benchmark again with --output-details")
    return None


_PREPARED = """
    WITH runs AS (
        SELECT line, record, backend, tag, server_info, md5(record::VARCHAR) AS digest,
            try_cast(ttfts AS DOUBLE[]) AS firsts,
            list_zip(try_cast(input_lens AS VARCHAR[]), try_cast(output_lens AS VARCHAR[]),
                try_cast(ttfts AS DOUBLE[]), from_json(itls, '[["DOUBLE"]]'), try_cast(errors AS VARCHAR[])) AS columns
        FROM records
    ), numbered AS (
        -- Equal lines are runs of their own.
        SELECT * EXCLUDE (columns, firsts), digest || '-' || row_number() OVER (PARTITION BY digest) AS run,
            coalesce(len(firsts), 0) AS measured,
            coalesce(nullif(columns[:greatest(coalesce(len(firsts), 0), 1)], []), [NULL]) AS requests
        FROM runs
    ), spread AS (
        SELECT * EXCLUDE (requests), unnest(requests) AS request, generate_subscripts(requests, 1) AS number
        FROM numbered
    ), opened AS (
        SELECT * EXCLUDE (request), request[1] AS input_len, request[2] AS output_len, request[3] AS first_s,
            request[4] AS gap_s, nullif(request[5], '') AS fault
        FROM spread
    ), arrivals AS (
        SELECT run, number, list(after_s ORDER BY place) AS after_first_s
        FROM (
            SELECT run, number, place, sum(gap) OVER (PARTITION BY run, number ORDER BY place) AS after_s
            FROM (
                SELECT run, number, unnest(gap_s) AS gap, generate_subscripts(gap_s, 1) AS place
                FROM opened WHERE first_s > 0
            )
        )
        GROUP BY ALL
    ), timed AS (
        SELECT *, fault IS NULL AND first_s > 0 AS is_whole,
            error_class(string_split(trim(fault, chr(10) || ' '), chr(10))[-1]) AS class
        FROM opened LEFT JOIN arrivals USING (run, number)
    )
    SELECT
        line, record, CASE WHEN record IS NULL OR json_type(record) <> 'OBJECT' THEN NULL
            WHEN number > measured THEN 'other' ELSE 'llm' END AS kind, 'benchmark' AS service_tier,
        [nullif(tag, '')] AS own_routes, [nullif(server_info->>'$.version', '')] AS own_deploys,
        'run-' || run || '/' || number AS call_id,
        coalesce(server_info->>'$.served_model_name', server_info->>'$.model_path') AS model,
        'sglang' AS provider, nullif(backend, '') AS service,
        CASE WHEN is_whole THEN (first_s + coalesce(list_sum(gap_s), 0)) * 1000 END AS duration_ms,
        CASE WHEN first_s > 0 THEN true END AS streamed, CASE WHEN first_s > 0 THEN first_s * 1000 END AS ttft_ms,
        CASE WHEN first_s > 0 THEN len(gap_s) + 1 END AS chunk_count,
        CASE WHEN first_s > 0 THEN list_transform(list_prepend(0, coalesce(after_first_s, [])),
            lambda after: (first_s + coalesce(after, 0)) * 1000) END AS chunk_offsets_ms,
        tokens_of(input_len) AS input_tokens, CASE WHEN is_whole THEN tokens_of(output_len) END AS output_tokens,
        CASE WHEN is_whole THEN 'completed' END AS app_outcome, fault IS NOT NULL AS failed,
        says_cancelled(class) AS error_cancelled, says_timeout(class) AS error_timeout, class AS error_type
    FROM timed
"""

_READS = {
    "call_id": "digest of the line and the place in the lists",
    "model": "server_info.served_model_name, server_info.model_path", "service": "backend", "ttft_ms": "ttfts",
    "streamed": "ttfts above 0", "duration_ms": "ttfts + itls", "chunk_count": "itls",
    "chunk_offsets_ms": "ttfts and itls", "input_tokens": "input_lens", "output_tokens": "output_lens",
    "error_type": "errors",
}  # fmt: skip

_REMEDIES = {
    **LEARNT,
    "start_time": "SGLang writes no instants: its calls are in no time window",
    "tenant": "a benchmark has none; --map tenant=PATH if yours does",
    "route": "give each run a --tag",
    "deploy": "server_info.version is taken; --map deploy=tag takes the run's tag",
    "cost": "a benchmark reports no cost, and your own server has no provider's price",
    "outcome": "a failed request is known by its error; SGLang cancels none",
}

SOURCE = Source(
    name="sglang",
    version=1,
    recognise=_recognise,
    fields={**dict.fromkeys(("backend", "tag"), "VARCHAR"), **dict.fromkeys(_JSON, "JSON")},
    whole=True,
    sql=normalise(_PREPARED),
    own_keys={"route": ("tag",), "deploy": ("server_info.version",)},
    needs=(("ttfts",), ("itls",)),
    reads=_READS,
    remedies=_REMEDIES,
)
