"""The report's question answered from the lean file by one DuckDB query: ``report_duckdb.py FILE``."""

import csv
import sys

import duckdb

_QUERY = """
SELECT
    model, route, tenant, calls, cancelled_calls, output_tokens, tax_tokens, cost_usd,
    ttft[1] AS ttft_p50_ms, ttft[2] AS ttft_p90_ms, ttft[3] AS ttft_p95_ms, ttft[4] AS ttft_p99_ms,
    duration[1] AS duration_p50_ms, duration[2] AS duration_p95_ms
FROM (
    SELECT
        request_model AS model, route, tenant_id AS tenant, count(*) AS calls,
        quantile_cont(time_to_first_chunk_ms, [0.5, 0.9, 0.95, 0.99]) AS ttft,
        quantile_cont(duration_ms, [0.5, 0.95]) AS duration,
        count(*) FILTER (outcome = 'cancelled') AS cancelled_calls,
        sum(output_tokens) AS output_tokens,
        sum(output_tokens - rendered_output_tokens) FILTER (outcome = 'cancelled') AS tax_tokens,
        sum(cost_usd) AS cost_usd
    FROM read_json($file, format = 'newline_delimited', ignore_errors = true, columns = {
        request_model: 'VARCHAR', route: 'VARCHAR', tenant_id: 'VARCHAR', outcome: 'VARCHAR',
        time_to_first_chunk_ms: 'DOUBLE', duration_ms: 'DOUBLE', output_tokens: 'BIGINT',
        rendered_output_tokens: 'BIGINT', cost_usd: 'DOUBLE'})
    GROUP BY ALL
)
"""


def main(file: str) -> None:
    """Print one line per model, route and tenant."""
    with duckdb.connect() as connection:
        connection.execute(_QUERY, {"file": file})
        lines = csv.writer(sys.stdout)
        lines.writerow(column[0] for column in connection.description or ())
        lines.writerows(connection.fetchall())


if __name__ == "__main__":
    main(sys.argv[1])
