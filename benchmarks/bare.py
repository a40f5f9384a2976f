"""The same work by DuckDB alone, as a process of its own: what streamaudit is compared with.

``bare.py load KIND FILE DB`` stores a file's fields as text; ``bare.py scan KIND FILE`` only parses them;
``bare.py groups DB`` and ``bare.py report DB`` ask a store the report's question, without and with the total.
"""

import json
import sys
from itertools import islice

import duckdb

from streamaudit.ingest.sources.langfuse import SOURCE as LANGFUSE
from streamaudit.ingest.sources.raw import SOURCE as RAW

THREADS = 2

_READ = """
FROM read_json($file, format = 'newline_delimited', ignore_errors = true, columns = $columns)
"""
_GROUPS = """
SELECT
    {keys} count(*), count(*) FILTER (streamed), count(ttft_ms), quantile_cont(ttft_ms, [0.5, 0.9, 0.95, 0.99]),
    quantile_cont(duration_ms, [0.5, 0.95]),
    median(1000 * (output_tokens - 1) / (duration_ms - ttft_ms)) FILTER (outcome = 'completed' AND output_tokens > 1),
    count(*) FILTER (outcome = 'error'), count(*) FILTER (outcome = 'timeout'),
    count(*) FILTER (outcome = 'cancelled'), sum(input_tokens), sum(output_tokens), sum(reasoning_tokens),
    sum(output_tokens - rendered_tokens) FILTER (outcome = 'cancelled'), sum(cost_usd), count(output_tokens)
FROM calls
GROUP BY ALL
"""
_KEYS = "model, route, tenant,"


def fields(kind: str, file: str) -> dict[str, str]:
    """Text-heavy: every field the source declares. Lean: the declared fields that occur in the file, as text."""
    if kind == "text":
        return dict(LANGFUSE.fields)
    with open(file, encoding="utf-8") as lines:
        present = {key for line in islice(lines, 5000) for key in json.loads(line)}
    return {name: "VARCHAR" for name in RAW.fields if name in present}


def load(kind: str, file: str, target: str) -> None:
    """Store the fields in a file database."""
    with _connect(target) as connection:
        connection.execute(f"CREATE TABLE records AS SELECT * {_READ}", {"file": file, "columns": fields(kind, file)})


def scan(kind: str, file: str) -> None:
    """Parse the fields and store nothing."""
    with _connect(":memory:") as connection:
        connection.execute(f"SELECT count(COLUMNS(*)) {_READ}", {"file": file, "columns": fields(kind, file)})


def ask(store: str, total: bool) -> None:
    """The report's figures per model, route and tenant; with ``total`` also over all calls."""
    with duckdb.connect(store, read_only=True) as connection:
        connection.execute(f"SET threads = {THREADS}")
        rows = connection.execute(_GROUPS.format(keys=_KEYS)).fetchall()
        if total:
            rows += connection.execute(_GROUPS.format(keys="")).fetchall()
        print(len(rows))


def _connect(target: str) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(target)
    connection.execute(f"SET threads = {THREADS}; SET preserve_insertion_order = false")
    return connection


def main(verb: str, *rest: str) -> None:
    """Command line."""
    if verb == "load":
        load(*rest)
    elif verb == "scan":
        scan(*rest)
    else:
        ask(rest[0], total=verb == "report")


if __name__ == "__main__":
    main(*sys.argv[1:])
