"""Double the calls of a store under new ids, so that a large store needs no larger file: ``multiply.py DB``."""

import sys

import duckdb

_DOUBLE = """
INSERT INTO calls SELECT * REPLACE (call_id || '-2' AS call_id, trace_id || '-2' AS trace_id) FROM calls
"""


def main(store: str) -> None:
    """Copy every call once."""
    with duckdb.connect(store) as connection:
        connection.execute(_DOUBLE)


if __name__ == "__main__":
    main(sys.argv[1])
