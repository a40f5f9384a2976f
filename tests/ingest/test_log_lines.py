"""Calls in the lines of a log: behind other text, and in the records of what collects logs."""

import json
import re
import shlex
import shutil
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.reused import empty_store
from tests.support import ingest, store_of, stored_calls, write_lines

_CALL = {"request_id": "r-1", "start_time": "2026-11-20T10:00:00Z", "request_model": "m", "output_tokens": 5}


@pytest.mark.parametrize("first", ["starting up", "[2026-11-20 INFO] starting up", "<banner>"])
def test_a_log_line_before_the_records_costs_only_itself(tmp_path: Path, first: str) -> None:
    """The line is rejected with its number and the call behind it is kept."""
    with empty_store() as store:
        (result,) = ingest(store, write_lines(tmp_path / "app.jsonl", [first, _CALL]))
    assert result.counts is not None
    assert (result.counts.new, result.counts.rejected) == (1, 1)
    assert [(reject.line, reject.reason) for reject in result.rejects] == [(1, "malformed JSON")]


_LOGGED = {"model": "gpt-4o-mini", "tenant": "acme", "prompt_tokens": 50, "completion_tokens": 20, "latency_ms": 900}
_TEXT = json.dumps(_LOGGED)
_INSTANT = "2026-11-20T10:00:00.000Z"
_EPOCH_NS = "1795168800000000000"
_AS_TEXT: dict[str, Any] = {
    "Docker": {"log": f"{_TEXT}\n", "stream": "stdout", "time": _INSTANT},
    "CloudWatch": {"events": [{"timestamp": 1795168800000, "message": _TEXT}], "nextToken": "t"},
    "Elasticsearch": {"_index": "app", "_source": {"@timestamp": _INSTANT, "message": _TEXT}},
    "Loki's answer": {"status": "success", "data": {"result": [{"stream": {}, "values": [[_EPOCH_NS, _TEXT]]}]}},
    "Loki's client": {"labels": {"app": "a"}, "line": _TEXT, "timestamp": _INSTANT},
}
_LINES = {
    "kubectl": f"{_INSTANT} {_TEXT}",
    "docker compose": f"api-1  | {_TEXT}",
    "Python's logging": f"2026-11-20 10:00:00,000 INFO app.llm: {_TEXT}",
}


def _follow(told: str, path: Path) -> Path:
    """What the command of a refusal writes, without the ingest at its end."""
    (command,) = re.findall(r"((?:jq|sed) .*) \| streamaudit ingest -", told)
    if command.startswith("jq") and shutil.which("jq") is None:
        pytest.skip("no jq: apt-get install jq")
    words = [str(path) if word == "FILE" else word for word in shlex.split(command)]
    target = path.with_name("taken.jsonl")
    target.write_bytes(subprocess.run(words, check=True, capture_output=True).stdout)
    return target


@pytest.mark.parametrize("name", [*_AS_TEXT, *_LINES])
def test_the_command_that_a_refusal_names_takes_the_calls_out(tmp_path: Path, name: str) -> None:
    """With the collector's time where it has one; lines that are no calls are left out."""
    path = tmp_path / "app.log"
    if name in _LINES:
        path.write_text(f"{_LINES[name]}\n{_LINES[name].replace('50', '51')}\nshutting down\n")
    else:
        other = json.loads(json.dumps(_AS_TEXT[name]).replace("prompt_tokens\\\": 50", "prompt_tokens\\\": 51"))
        write_lines(path, [_AS_TEXT[name], other])
    with empty_store() as store:
        (refused,) = ingest(store, path)
    with store_of(_follow(f"{refused.problem}{refused.hint}", path)) as store:
        calls = stored_calls(store).values()
    assert sorted(call["input_tokens"] for call in calls) == [50, 51]
    started = None if name in _LINES else datetime(2026, 11, 20, 10)
    assert {(call["tenant"], call["duration_ms"], call["start_time"]) for call in calls} == {("acme", 900.0, started)}


@pytest.mark.parametrize("outer", [
    {"insertId": "a", "timestamp": _INSTANT, "severity": "INFO", "jsonPayload": _LOGGED, "labels": {"app": "b"}},
    {"_index": "app", "_id": "a", "_source": {"@timestamp": _INSTANT, **_LOGGED}},
    {"time": 1795168800, "host": "h", "event": _LOGGED},
], ids=["Google Cloud", "Elasticsearch", "Splunk"])  # fmt: skip
def test_a_record_inside_another_is_read_as_if_it_were_alone(tmp_path: Path, outer: dict[str, Any]) -> None:
    """Also its tenant, which inside other objects may be about something else."""
    with store_of(write_lines(tmp_path / "log.jsonl", [outer])) as store:
        (call,) = stored_calls(store).values()
    expected = {"tenant": "acme", "input_tokens": 50, "duration_ms": 900.0, "start_time": datetime(2026, 11, 20, 10)}
    assert {column: call[column] for column in expected} == expected
