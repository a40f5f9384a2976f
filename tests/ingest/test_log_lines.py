"""Files in which something else stands before the JSON."""

from pathlib import Path

import pytest

from tests.reused import empty_store
from tests.support import ingest, write_lines

_CALL = {"request_id": "r-1", "start_time": "2026-11-20T10:00:00Z", "request_model": "m", "output_tokens": 5}


@pytest.mark.parametrize("first", ["starting up", "[2026-11-20 INFO] starting up", "<banner>"])
def test_a_log_line_before_the_records_costs_only_itself(tmp_path: Path, first: str) -> None:
    """The line is rejected with its number and the call behind it is kept."""
    with empty_store() as store:
        (result,) = ingest(store, write_lines(tmp_path / "app.jsonl", [first, _CALL]))
    assert result.counts is not None
    assert (result.counts.new, result.counts.rejected) == (1, 1)
    assert [(reject.line, reject.reason) for reject in result.rejects] == [(1, "malformed JSON")]
