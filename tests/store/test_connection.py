"""A connection writes nothing but what it is asked for."""

import subprocess
import sys

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
