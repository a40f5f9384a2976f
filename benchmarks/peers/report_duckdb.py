"""The report's question answered from the lean file by one DuckDB query: ``report_duckdb.py FILE``."""

import sys

import duckdb

_QUERY = """
SELECT
    request_model, route, tenant_id, count(*) AS calls,
    quantile_cont(time_to_first_chunk_ms, [0.5, 0.9, 0.95, 0.99]) AS ttft_ms,
    quantile_cont(duration_ms, [0.5, 0.95]) AS duration_ms,
    count(*) FILTER (outcome = 'cancelled') AS cancelled_calls,
    sum(output_tokens) AS output_tokens,
    sum(output_tokens - rendered_output_tokens) FILTER (outcome = 'cancelled') AS tax_tokens,
    sum(cost_usd) AS cost_usd
FROM read_json($file, format = 'newline_delimited', ignore_errors = true, columns = {
    request_model: 'VARCHAR', route: 'VARCHAR', tenant_id: 'VARCHAR', outcome: 'VARCHAR',
    time_to_first_chunk_ms: 'DOUBLE', duration_ms: 'DOUBLE', output_tokens: 'BIGINT',
    rendered_output_tokens: 'BIGINT', cost_usd: 'DOUBLE'})
GROUP BY ALL
ORDER BY calls DESC
"""


def main(file: str) -> None:
    """Print one line per model, route and tenant."""
    with duckdb.connect() as connection:
        for row in connection.execute(_QUERY, {"file": file}).fetchall():
            print(*row, sep=",")


if __name__ == "__main__":
    main(sys.argv[1])
