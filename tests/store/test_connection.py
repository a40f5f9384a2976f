"""A connection writes nothing but what it is asked for, and keeps statements that were parsed within limits."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from streamaudit.store import connection
from streamaudit.store.connection import Database

SLOW = """
from streamaudit.store.store import Store
with Store.in_memory() as store:
    store.run("SET progress_bar_time = 0")
    store.query("SELECT sum(hash(range)) FROM range(20000000)")
"""


def test_no_bar_is_drawn_where_python_seems_interactive() -> None:
    """DuckDB takes a process without a file, such as a notebook, for a person at a terminal."""
    done = subprocess.run([sys.executable, "-c", SLOW], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")


def test_one_statement_serves_connections_and_threads_at_once() -> None:
    def ask(number: int) -> list[int]:
        with Database(None) as database:
            database.run("CREATE TABLE of_connection AS SELECT $number AS n", {"number": number})
            return [database.one("SELECT n + $more FROM of_connection", {"more": more})[0] for more in range(50)]

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(ask, [0, 1000, 2000, 3000])) == [
            [number + more for more in range(50)] for number in (0, 1000, 2000, 3000)
        ]


def test_texts_beyond_a_length_in_all_are_parsed_again() -> None:
    """Small files whose fields differ have statements of their own, however many are read."""
    longest = 60_000
    with Database(None) as database:
        for number in range(40):
            assert database.query(f"SELECT {number} /* {'x' * (longest - 100)} */") == [(number,)]
            assert sum(map(len, connection._parsed)) <= connection._MOST_PARSED + longest
        assert database.query(f"SELECT 0 /* {'x' * (longest - 100)} */") == [(0,)]
