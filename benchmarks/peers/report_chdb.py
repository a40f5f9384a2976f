"""The report's question answered from the lean file by ClickHouse in the process: ``report_chdb.py FILE``."""

import importlib
import sys
from typing import Any

chdb: Any = importlib.import_module("chdb")

_QUERY = """
SELECT * EXCEPT (ttft, duration) FROM (
SELECT
    request_model AS model, route, tenant_id AS tenant, count() AS calls,
    countIf(outcome = 'cancelled') AS cancelled_calls,
    sum(output_tokens) AS output_tokens,
    sumIf(t.output_tokens - t.rendered_output_tokens, outcome = 'cancelled') AS tax_tokens,
    sum(cost_usd) AS cost_usd,
    quantilesExactInclusive(0.5, 0.9, 0.95, 0.99)(time_to_first_chunk_ms) AS ttft,
    quantilesExactInclusive(0.5, 0.95)(t.duration_ms) AS duration,
    ttft[1] AS ttft_p50_ms, ttft[2] AS ttft_p90_ms, ttft[3] AS ttft_p95_ms, ttft[4] AS ttft_p99_ms,
    duration[1] AS duration_p50_ms, duration[2] AS duration_p95_ms
FROM file('{file}', 'JSONEachRow', 'request_model String, route String, tenant_id String, outcome String,
    time_to_first_chunk_ms Nullable(Float64), duration_ms Nullable(Float64), output_tokens Nullable(Int64),
    rendered_output_tokens Nullable(Int64), cost_usd Nullable(Float64)') AS t
GROUP BY request_model, route, tenant_id
)
SETTINGS input_format_skip_unknown_fields = 1, format_csv_null_representation = ''
"""


def main(file: str) -> None:
    """Print one line per model, route and tenant."""
    quoted = file.replace("\\", "\\\\").replace("'", "\\'")
    sys.stdout.write(str(chdb.query(_QUERY.replace("{file}", quoted), "CSVWithNames")))


if __name__ == "__main__":
    main(sys.argv[1])
