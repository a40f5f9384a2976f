"""``ingest --watch``: what comes to a folder is read, the store is free in between, and a signal is a good end."""

import json
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.running import PATIENCE_S, Cli, stored_calls, wait_until
from tests.cli.traffic import as_lines, calls

STORE = "store.duckdb"


@contextmanager
def watching(cli: Cli, number: int) -> Iterator[Path]:
    """A folder that a process follows until the block ends; then it is stopped by a signal, and ends well."""
    folder = cli.folder / "logs"
    folder.mkdir()
    process = cli.start("ingest", "logs", "--watch", "--every", "0.1s", "--db", STORE)

    def holds(count: int) -> bool:
        return stored_calls_when_free(cli.folder / STORE) == count

    try:
        (folder / "app.jsonl").write_text(as_lines(calls(3)))
        wait_until(lambda: holds(3), process, every_s=0.1)
        yield folder
        wait_until(lambda: holds(12), process, every_s=0.1)
        process.send_signal(number)
        _, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, err
        # The signal may come between a commit and the count of it.
        assert re.search(rb"stopped: ([3-9]|1[0-2]) new calls", err) and b"Traceback" not in err, err
    finally:
        process.kill()


def stored_calls_when_free(store: Path) -> int:
    """How many calls there are; -1 while the other process writes."""
    try:
        return stored_calls(store)
    except Exception:
        return -1


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.proof)])
def test_what_comes_to_a_folder_is_read(cli: Cli, number: int) -> None:
    """A log that grows in the middle of a line, a new file, one in a new folder; others read the store meanwhile."""
    with watching(cli, number) as folder:
        text = as_lines(calls(3, start=10))
        with (folder / "app.jsonl").open("a") as log:
            log.write(text[:50])
            log.flush()
            (folder / "deep").mkdir()
            (folder / "deep" / "b.json").write_text(json.dumps(calls(3, start=20)))
            log.write(text[50:])
        (folder / "c.jsonl").write_text(as_lines(calls(3, start=30)))
        assert cli.run("report", "--db", STORE, "--wait", "1m").code == 0


def test_what_cannot_be_watched_is_refused(cli: Cli) -> None:
    """Standard input ends by itself; a dry run keeps nothing."""
    for words in (["-"], ["logs", "--dry-run"], ["logs", "--rejects", "r.csv"]):
        done = cli.run("ingest", *words, "--watch")
        assert done.code == 2 and "--watch takes files and folders" in done.err
