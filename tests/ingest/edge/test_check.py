"""A sample of a log is checked before it is read: the figures and ids it has, and why a line gives none."""

from pathlib import Path

import pytest

from streamaudit.errors import InputError
from streamaudit.ingest.edge_check import check_log
from streamaudit.report.model import Report
from tests.ingest.edge.test_joining import line
from tests.support import Record, raw_call, write_lines


def rows(report: Report, table: str) -> dict[object, Record]:
    """The rows of one table by their first column."""
    found = next(one for one in report.tables if one.name == table)
    return {next(iter(row.values())): dict(row) for row in found.records()}


def notes(report: Report) -> dict[str, str]:
    """The messages of the notes."""
    return {note.code: note.message for note in report.notes}


def test_a_sample_shows_figures_ids_and_reasons(tmp_path: Path) -> None:
    """Lines that give evidence, one of another response, one without an id, and one that is none of this log."""
    log = write_lines(tmp_path / "a log.jsonl", [
        line("a", completion="OK"), line("b", traceparent=f"00-{'ab' * 16}-{'cd' * 8}-01"), line("c", encoding="gzip"),
        line("other", ct="text/html"), line("-"), "GET /",
    ])  # fmt: skip
    report = check_log(str(log), "nginx")
    assert report.headline == "nginx access log: 3 of 6 lines give evidence (2 left by their client, 1 complete)"
    figures = rows(report, "figures")
    assert {name: figures[name]["known_lines"] for name in ("cancelled", "delivered_bytes", "ttfb_ms")} == {
        "cancelled": 3, "delivered_bytes": 2, "ttfb_ms": 3,
    }  # fmt: skip
    assert "rendered_chars" not in figures and "upper_bound" in notes(report)
    assert rows(report, "ids") == {
        "request_id": {"id": "request_id", "known_lines": 3, "on": "request_id"},
        "trace_id": {"id": "trace_id", "known_lines": 1, "on": "trace_id"},
    }
    assert {name: row["lines"] for name, row in rows(report, "lines").items()} == {
        "evidence": 3, "no id to join by": 1, "no line of this log": 1, "no stream": 1,
    }  # fmt: skip
    assert notes(report)["next"] == f"streamaudit ingest '{log}' --evidence"
    assert "compressed" in notes(report) and "other_log" not in notes(report)


def test_a_log_of_another_server_is_reported(tmp_path: Path) -> None:
    """Lines of nginx where those of Envoy should be; a page's own figures are always welcome."""
    log = write_lines(tmp_path / "access.jsonl", [line("a")])
    assert "nginx access log" in notes(check_log(str(log), "envoy"))["other_log"]
    page = {"request_id": "a", "rendered_chars": "40", "rendered_chunks": "5"}
    painted = write_lines(tmp_path / "rendered.jsonl", [page])
    report = check_log(str(painted), "nginx")
    assert "other_log" not in notes(report) and "upper_bound" not in notes(report)
    assert notes(report)["next"].endswith("rendered.jsonl --evidence --on request_id")


def test_streams_that_all_ended_well_have_ids_too(tmp_path: Path) -> None:
    """A recorder's lines have no type of response and no status."""
    log = write_lines(tmp_path / "delivered.jsonl", [{"request_id": "a", "delivered_chunks": 4, "cancelled": False}])
    assert rows(check_log(str(log)), "ids")["request_id"]["known_lines"] == 1


def test_traces_are_checked_as_traces(tmp_path: Path) -> None:
    """With the attributes of a recorder in them, and without."""
    ended = write_lines(tmp_path / "calls.jsonl", [
        raw_call("a", outcome="cancelled", cancelled_at_ms=900, streamed_output_tokens=40), raw_call("b"),
    ])  # fmt: skip
    figures = rows(check_log(str(ended)), "figures")
    assert {name: row["known_lines"] for name, row in figures.items()} == {
        "cancelled": 1, "cancelled_at_ms": 1, "delivered_tokens": 1,
    }  # fmt: skip
    silent = check_log(str(write_lines(tmp_path / "silent.jsonl", [raw_call("b")])))
    assert "nothing" in notes(silent) and notes(silent)["next"] == f"streamaudit ingest {tmp_path / 'silent.jsonl'}"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ([line("a", ct="text/html")], "no line of this nginx access log gives evidence: 1 no stream|has an id"),
        (["plain text"], "not JSON, CSV or Parquet"),
        ([{"a": 1}], "neither the log of a server or recorder nor calls"),
    ],
)
def test_a_log_that_gives_nothing_is_refused(text: list[object], reason: str, tmp_path: Path) -> None:
    """With the reason; so is a file that is no log at all, and one that is not there."""
    with pytest.raises(InputError, match=reason):
        check_log(str(write_lines(tmp_path / "odd.jsonl", text)))
    with pytest.raises(InputError, match="missing"):
        check_log(str(tmp_path / "missing.jsonl"))
