"""What other observers logged, in notes, in the findings of hops and on the timeline of a call."""

from pathlib import Path

import pytest

from streamaudit.audits.coverage import run as run_coverage
from streamaudit.audits.explain.report import run as run_explain
from streamaudit.audits.failures.report import run as run_audits
from streamaudit.audits.scope.scope import Scope
from streamaudit.audits.tax import run as run_tax
from streamaudit.audits.ttft import run as run_ttft
from streamaudit.ingest.evidence import join
from streamaudit.ingest.readers.reader import Reader
from streamaudit.report.model import Report
from streamaudit.store.providers import ProviderOverrides
from streamaudit.store.store import Store
from tests.support import Record, ingest, raw_call, write_lines


def bring(store: Store, folder: Path, records: list[Record], *logs: list[Record]) -> None:
    """Ingest calls, and join each log."""
    ingest(store, write_lines(folder / "calls.jsonl", records))
    for number, lines in enumerate(logs):
        with Reader() as reader:
            assert join(store, reader, str(write_lines(folder / f"log-{number}.jsonl", lines)), None).problem is None


def notes(report: Report) -> dict[str, str]:
    return {note.code: note.message for note in report.notes}


def left(name: str, **fields: object) -> Record:
    return raw_call(name, outcome="cancelled", stream=True, **fields)


def haproxy(name: str, ms: str) -> Record:
    return {"request_id": name, "term": "CD", "bytes_to_client": "900", "Tr": "100", "Ta": ms}


def test_figures_that_contradict_each_other_are_counted(store: Store, tmp_path: Path) -> None:
    records = [left("a", streamed_output_tokens=40), left("b", streamed_output_tokens=140), left("c")]
    bring(store, tmp_path, records, [{"request_id": name, "rendered_tokens": 60} for name in "abc"])
    found = notes(run_tax(store, Scope()))
    assert found["rendered_exceeds_delivered"].startswith("1 call ")
    assert found["delivered_exceeds_billed"].startswith("1 call ")


def test_a_first_byte_is_set_against_the_first_token(store: Store, tmp_path: Path) -> None:
    """A response that opens early and is silent is not one that answers early."""
    records = [raw_call(f"c{number}", stream=True, ttft_ms=1000 + number) for number in range(3)]
    log = [{"request_id": f"c{number}", "delivered_chunks": 9, "bytes": 90, "cancelled": False, "ttft_ms": 100}
        for number in range(3)]  # fmt: skip
    bring(store, tmp_path, records, log)
    said = notes(run_ttft(store, Scope()))["ttfb"]
    assert "of 3 calls" in said and "901 ms" in said


def test_coverage_says_what_a_log_would_bring(store: Store, tmp_path: Path) -> None:
    """The interval of the one call without any count; nothing is left to narrow where the page reported."""
    bring(store, tmp_path, [left("a"), left("b")], [{"request_id": "b", "rendered_tokens": 60}])
    message = notes(run_coverage(store, Scope()))["edge_log"]
    assert "1 cancelled call is an interval, 100 tokens wide" in message and "instrument nginx" in message


def test_a_timeline_has_what_each_observer_saw(store: Store, tmp_path: Path) -> None:
    page = {"request_id": "a", "rendered_chars": 20, "rendered_chunks": 2, "first_paint_ms": 700, "cancelled": True,
        "left_at_ms": 950}  # fmt: skip
    bring(store, tmp_path, [left("a", ttft_ms=600)], [haproxy("a", "3600")], [page])
    timeline = next(table for table in run_explain(store, "a").tables if table.name == "timeline")
    moments = {(row["event"], row["evidence"]): row["at_ms"] for row in timeline.records()}
    assert moments["edge_first_byte", "haproxy: ttfb_ms"] == 100
    assert moments["client_first_text", "recorder: client_ttft_ms"] == 700
    assert moments["edge_cut", "recorder: cancelled_at_ms"] == 950
    assert moments["edge_closed_upstream", "haproxy: upstream_held_ms"] == 3600


@pytest.mark.parametrize(
    ("hops", "words"), [({}, "at its next write only"), ({"haproxy": "never"}, "never passes an abort on")]
)
def test_the_hop_that_kept_an_abort_back_is_named(tmp_path: Path, hops: dict[str, str], words: str) -> None:
    """The client knows when it left, the proxy until when it kept the provider's stream; the configuration knows how
    that proxy is set."""
    records = [left(f"c{number}", cancelled_at_ms=450, duration_ms=460) for number in range(3)]
    with Store.in_memory(providers=ProviderOverrides(hops=hops)) as store:
        bring(store, tmp_path, records, [haproxy(f"c{number}", "3600") for number in range(3)])
        rows = run_audits(store, Scope()).tables[0].records()
        (orphan,) = [row for row in rows if row["finding"] == "orphan"]
    assert f"behind haproxy, which {'passes an abort on ' if not hops else ''}{words}" in str(orphan["evidence"])
