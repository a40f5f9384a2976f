"""Logs of servers joined to calls: whichever id they carry, however they are rotated, and every line accounted for."""

import json
from pathlib import Path

from streamaudit.ingest.evidence import Joined, join
from streamaudit.ingest.readers.reader import Reader
from streamaudit.store.store import Store
from tests.reused import empty_store
from tests.support import Record, calls, ingest, raw_call, rows_of, write_lines


def line(key: str, **fields: str) -> Record:
    """A line of nginx for a stream that its client left after 1.2 s."""
    usual = {
        "request_id": key, "status": "200", "completion": "", "body_bytes_sent": "4000", "request_time": "1.200",
        "upstream_header_time": "0.100", "upstream_response_time": "1.199", "ct": "text/event-stream",
    }  # fmt: skip
    return {**usual, **fields}


def joined(store: Store, path: Path, on: str | None = None) -> Joined:
    """Join one log; it must be readable."""
    with Reader() as reader:
        found = join(store, reader, str(path), on)
    assert found.problem is None, found.problem
    return found


def test_a_log_tells_who_left_and_when(store: Store, tmp_path: Path) -> None:
    """The application drained the streams and saw both complete; a stream of which no byte left was not seen."""
    ingest(store, write_lines(tmp_path / "calls.jsonl", [raw_call(name) for name in ("stayed", "left", "early")]))
    log = write_lines(tmp_path / "access.log", [
        line("stayed", completion="OK"), line("left"),
        line("early", status="499", body_bytes_sent="0", request_time="0.050"),
        line("health", ct="text/html"), line("-"), line("elsewhere"),
    ])  # fmt: skip
    found = joined(store, log)
    assert (found.kind, found.read, found.rejected, found.matched, found.unmatched) == ("request_id", 6, 2, 3, 1)
    assert dict(found.reasons) == {"no stream": 1, "no id to join by": 1}
    assert (found.remarks.cut, found.remarks.complete) == (3, 1)
    known = calls(store)
    assert {name: known[name]["outcome"] for name in known} == {
        "stayed": "completed", "left": "cancelled", "early": "cancelled",
    }  # fmt: skip
    assert (known["left"]["cancelled_at_ms"], known["left"]["ttfb_ms"]) == (1200, 100)
    assert known["early"]["tax_class"] == "exact" and known["early"]["tax_best"] == 100


def test_a_client_that_closes_when_the_answer_is_whole_has_not_left_early(store: Store, tmp_path: Path) -> None:
    """Clients close after the last event; the proxy then logs a cut stream."""
    record = raw_call("a", finish_reason="stop", duration_ms=1100)
    ingest(store, write_lines(tmp_path / "calls.jsonl", [record, raw_call("b", finish_reason="stop")]))
    joined(store, write_lines(tmp_path / "access.log", [line("a"), line("b")]))
    assert {name: call["outcome"] for name, call in calls(store).items()} == {"a": "completed", "b": "cancelled"}


def test_the_id_is_the_one_that_calls_have(store: Store, tmp_path: Path) -> None:
    """LiteLLM's own id of the request, the server's id that was passed on to it, the trace of a traceparent: whichever
    the calls are known by is found without a flag."""
    trace = "0af7651916cd43dd8448eb211c80319c"
    record = line("from-outside", nginx_request_id="of-nginx", upstream_http_x_litellm_call_id="of-litellm",
        http_traceparent=f"00-{trace}-b7ad6b7169203331-01", upstream_http_x_generation_id="gen-1")  # fmt: skip
    log = write_lines(tmp_path / "access.log", [record])
    known = {
        "of-litellm": ("request_id", "litellm_call_id"), "of-nginx": ("request_id", "own_id"),
        "from-outside": ("request_id", "request_id"),
    }  # fmt: skip
    for call_id, (kind, field) in known.items():
        with empty_store() as other:
            ingest(other, write_lines(tmp_path / "calls.jsonl", [raw_call(call_id)]))
            found = joined(other, log)
            assert (found.kind, found.id_field, found.matched) == (kind, field, 1)
    for name, value, kind in (("trace_id", trace, "trace_id"), ("response_id", "gen-1", "response_id")):
        with empty_store() as other:
            ingest(other, write_lines(tmp_path / "calls.jsonl", [raw_call("x", **{name: value})]))
            assert joined(other, log).kind == kind
            assert calls(other)["x"]["outcome"] == "cancelled"
    assert joined(store, log, "trace_id").kind == "trace_id"


def test_evidence_of_one_id_needs_no_flag(store: Store, tmp_path: Path) -> None:
    """A table with one column that is an id; of two, or of one that may be either, the file does not show which."""
    path = tmp_path / "rendered.csv"
    path.write_text("request_id,rendered_tokens\na,5\n")
    assert joined(store, path).kind == "request_id"
    for header in ("id,rendered_tokens", "request_id,trace_id,rendered_tokens"):
        path.write_text(f"{header}\n" + ",".join("5" for _ in header.split(",")) + "\n")
        with Reader() as reader:
            assert "add one of --on request_id" in (join(store, reader, str(path), None).problem or "")


def test_a_log_that_grew_or_was_rotated_is_kept_once_and_the_day_before_stays(store: Store, tmp_path: Path) -> None:
    """What is known by its first line: the same log under another name, and another log under the same name."""
    ingest(store, write_lines(tmp_path / "calls.jsonl", [raw_call(name) for name in "abc"]))
    log = write_lines(tmp_path / "access.log", [line("a")])
    joined(store, log)
    write_lines(log, [line("a"), line("b")])
    joined(store, log)
    assert len(rows_of(store, "store.evidence")) == 2
    rotated = log.rename(tmp_path / "access.log.1")
    write_lines(log, [line("c")])
    joined(store, log)
    joined(store, rotated)
    assert sorted(row["key"] for row in rows_of(store, "store.evidence")) == ["a", "b", "c"]


def test_of_a_pages_reports_the_last_decides(store: Store, tmp_path: Path) -> None:
    """A page that was hidden reports as if its reader had left; the reader came back and read to the end."""
    ingest(store, write_lines(tmp_path / "calls.jsonl", [raw_call("a"), raw_call("b")]))
    reports = [
        {"request_id": "a", "rendered_chars": 40, "rendered_chunks": 4, "cancelled": True, "left_at_ms": 900},
        {"request_id": "a", "rendered_chars": 400, "rendered_chunks": 40, "cancelled": False, "left_at_ms": 5000},
        {"request_id": "b", "rendered_chars": 40, "rendered_chunks": 4, "cancelled": True, "left_at_ms": 900},
    ]
    joined(store, write_lines(tmp_path / "beacons.jsonl", reports))
    assert {name: call["outcome"] for name, call in calls(store).items()} == {"a": "completed", "b": "cancelled"}


def test_an_id_without_calls_waits_for_them(store: Store, tmp_path: Path) -> None:
    log = write_lines(tmp_path / "access.log", [line("late")])
    assert joined(store, log).unmatched == 1
    ingest(store, write_lines(tmp_path / "calls.jsonl", [raw_call("late")]))
    assert calls(store)["late"]["outcome"] == "cancelled"


def test_lines_without_any_id_are_a_problem_that_says_what_to_log(store: Store, tmp_path: Path) -> None:
    record = {name: value for name, value in line("a").items() if name != "request_id"}
    with Reader() as reader:
        found = join(store, reader, str(write_lines(tmp_path / "access.log", [record])), None)
    assert found.problem is not None and "id" in found.problem and json.dumps(record) not in found.problem


def test_a_page_that_no_longer_knows_its_tokens_has_characters(store: Store, tmp_path: Path) -> None:
    """Of several reports of a page the furthest counts, in every unit."""
    ingest(store, write_lines(tmp_path / "calls.jsonl", [
        raw_call(name, outcome="cancelled", output_tokens=40) for name in ("known", "unknown")
    ]))  # fmt: skip
    reports: list[Record] = [
        {"request_id": "known", "rendered_chars": 20, "rendered_chunks": 4, "rendered_tokens": 5, "end": "hidden"},
        {"request_id": "known", "rendered_chars": 48, "rendered_chunks": 9, "rendered_tokens": 12, "end": "stop"},
        {"request_id": "unknown", "rendered_chars": 20, "rendered_chunks": 4, "rendered_tokens": 5, "end": "hidden"},
        {"request_id": "unknown", "rendered_chars": 48, "rendered_chunks": 9, "end": "stop"},
    ]
    joined(store, write_lines(tmp_path / "rendered.jsonl", reports))
    known = calls(store)
    assert (known["known"]["tax_class"], known["known"]["tax_best"]) == ("exact", 28)
    assert (known["unknown"]["rendered_tokens"], known["unknown"]["tax_rule"]) == (None, "rendered_text")
