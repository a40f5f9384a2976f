"""Langfuse, shape by shape: traces beside their observations, downloads, tables of the UI, a bucket's two tables."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from streamaudit.ingest.selection import drop_superseded, window_end
from streamaudit.store.store import Store
from tests.reused import empty_store
from tests.support import Record, ingest, langfuse_row, stored_calls, write_lines

START = "2026-11-16 08:00:00.000000"


def bare(name: str, /, **fields: Any) -> Record:
    """A row of the legacy table: it knows nothing of its trace."""
    row = langfuse_row(name, trace_id="t", **fields)
    return {
        key: value
        for key, value in row.items()
        if key not in ("user_id", "session_id", "trace_name", "release", "tags")
    }


TRACE: Record = {
    "id": "t", "timestamp": "2026-11-16 08:00:00.000", "name": "POST /chat", "environment": "prod", "project_id": "p",
    "metadata": {"tenant_id": "acme"}, "user_id": "u1", "session_id": "s1", "release": "9", "version": None,
    "public": False, "bookmarked": False, "tags": ["beta"], "input": "CONFIDENTIAL-PROMPT-1", "output": None,
}  # fmt: skip
KNOWN = {"tenant": "acme", "user_id": "u1", "session_id": "s1", "deploy": "9", "route": "POST /chat"}


def camel(record: Record) -> Record:
    """The same in the names of the UI and the API."""

    def name(key: str) -> str:
        first, *rest = key.split("_")
        return first + "".join(map(str.title, rest))

    return {name(key): value for key, value in record.items()}


def test_what_a_trace_knows_reaches_its_calls_in_any_order(tmp_path: Path) -> None:
    """The two tables of a legacy bucket export come as files of their own; a trace counts as no call."""
    rows = write_lines(tmp_path / "observations.jsonl", [bare("a"), bare("b", parent_observation_id="a")])
    traces = write_lines(tmp_path / "traces.jsonl", [TRACE])
    for order in ((rows, traces), (traces, rows)):
        with empty_store() as store:
            results = ingest(store, *order)
            assert [result.problem for result in results] == [None, None]
            assert sum(result.counts.not_calls for result in results if result.counts) == 1
            for call in stored_calls(store).values():
                assert {column: call[column] for column in KNOWN} == KNOWN


DOWNLOADS: dict[str, Any] = {
    "an old download": {"trace": {**camel(TRACE), "metadata": '{"tenant_id":"acme"}'}, "observations": [bare("a")]},
    "a trace of the API with its observations": {
        **camel(TRACE), "htmlPath": "/project/p/traces/t", "observations": [bare("a")], "scores": [{"id": "s"}],
    },
    "a new download": {"observations": [langfuse_row(
        "a", trace_id="t", user_id="u1", session_id="s1", release="9", trace_name="POST /chat",
        metadata={"tenant_id": "acme"})], "scores": []},
}  # fmt: skip


@pytest.mark.parametrize("name", DOWNLOADS)
def test_a_download_holds_its_trace(store: Store, tmp_path: Path, name: str) -> None:
    """One trace a file, pretty-printed as the browser saves it."""
    path = tmp_path / "trace.json"
    path.write_text(json.dumps(DOWNLOADS[name], indent=2))
    (result,) = ingest(store, path)
    assert result.problem is None, result.problem
    call = stored_calls(store)["a"]
    assert {column: call[column] for column in KNOWN} == KNOWN


def test_a_list_of_traces_is_for_joining(store: Store, tmp_path: Path) -> None:
    """Their observations are ids only: no calls, and nothing rejected."""
    listed = {**camel(TRACE), "htmlPath": "/x", "observations": ["a", "b"], "scores": []}
    (result,) = ingest(store, write_lines(tmp_path / "page.json", [{"data": [listed], "meta": {"page": 1}}]))
    assert result.counts is not None
    assert (result.counts.not_calls, result.counts.rejected, len(stored_calls(store))) == (1, 0, 0)


def test_dates_of_a_table_from_the_browser_have_quotes_of_their_own(store: Store, tmp_path: Path) -> None:
    """After the CSV's quotes are gone, another pair is left; answers may break their line."""
    row = {
        "id": "a", "traceId": "t", "type": "GENERATION", "startTime": '"2026-11-16T08:00:00.000Z"',
        "endTime": '"2026-11-16T08:00:05.000Z"', "completionStartTime": '"2026-11-16T08:00:00.734Z"',
        "traceTags": '["tenant:acme"]', "model": "gpt-4o-mini", "usageDetails": '{"input":50,"output":100,"total":150}',
        "providedUsageDetails": '{"input":50,"output":100}', "metadata": '{"route":"/v1/chat"}', "output": "one\ntwo",
        "inputPrice": '"0.0000025"',
    }  # fmt: skip
    path = tmp_path / "1-lf-observations-export-p.csv"
    with path.open("w", newline="") as out:
        table = csv.DictWriter(out, list(row), quoting=csv.QUOTE_ALL)
        table.writeheader()
        table.writerow(row)
    ingest(store, path)
    call = stored_calls(store)["a"]
    assert (call["ttft_ms"], call["duration_ms"], call["output_tokens"]) == (734.0, 5000.0, 100)
    assert (call["tenant"], call["route"], f"{call['start_time']}") == ("acme", "/v1/chat", "2026-11-16 08:00:00")


def test_an_empty_window_is_no_failure(store: Store, tmp_path: Path) -> None:
    """Files of an hour without calls."""
    for name, content in (("a.jsonl", ""), ("b.json", "[]")):
        (tmp_path / name).write_text(content)
    assert all(result.empty for result in ingest(store, tmp_path / "a.jsonl", tmp_path / "b.json"))


def test_of_a_buckets_two_tables_one_is_read() -> None:
    """The legacy one is left out where the enriched one stands beside it, and nowhere else."""
    names = ["p/observations/1.jsonl", "p/observations_v2/1.jsonl", "p/traces/1.jsonl", "q/observations/1.jsonl"]
    kept, left_out = drop_superseded(dict.fromkeys(names, True))
    assert (list(kept), left_out) == (names[1:], {"p/observations/": "p/observations_v2/"})


def test_a_stamp_is_the_end_of_its_window() -> None:
    """What other names have is no stamp."""
    assert str(window_end("p/observations_v2/2026-11-20T10-00-00.jsonl.gz")) == "2026-11-20 10:00:00+00:00"
    assert window_end("p/observations_v2/2026-11-20.jsonl") is None
    assert window_end("p/traces/2026-11-20T10-00-00.jsonl.gz") is None
    assert window_end("p/observations_v2/2026-19-39T10-00-00.jsonl.gz") is None


def test_an_archive_of_logs_ends_with_its_hour() -> None:
    assert str(window_end("dd/dt=20261116/hour=23/archive.json.gz")) == "2026-11-17 00:00:00+00:00"
    assert window_end("dd/dt=20261931/hour=23/archive.json.gz") is None
