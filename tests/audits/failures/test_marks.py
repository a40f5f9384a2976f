"""The findings that one call shows: on its timeline, whatever its route shows, and never on a call without them."""

from pathlib import Path

import pytest

from streamaudit.audits.explain.report import run as explain
from streamaudit.audits.failures.report import run
from streamaudit.audits.scope.scope import Scope
from tests.audits.failures.cases import PLANTED, STEADY, Planted, stream, streams
from tests.support import store_of, write_lines

CASES = list({case.audit: case for case in reversed(PLANTED)}.values())


@pytest.mark.parametrize("case", [pytest.param(case, marks=pytest.mark.proof if place % 6 else ()) for place, case
                                  in enumerate(CASES)], ids=lambda case: case.finding)  # fmt: skip
def test_an_example_shows_the_finding_on_its_timeline(case: Planted, tmp_path: Path) -> None:
    """Every example opens; the first is marked with the finding, at a moment of the call, and says what to do."""
    with store_of(write_lines(tmp_path / "calls.jsonl", case.records)) as store:
        found = next(row for row in run(store, Scope(), (case.audit,)).tables[0].records()
            if row["finding"] == case.finding)  # fmt: skip
        first, *others = str(found["examples"]).split()
        tables = {table.name: list(table.records()) for table in explain(store, first).tables}
        assert all(explain(store, other).headline for other in others[:1])
    (mark,) = [row for row in tables["timeline"] if row["event"] == f"finding_{case.finding}"]
    assert isinstance(mark["at_ms"], float) and mark["at_ms"] <= 101_000
    row = next(row for row in tables["findings"] if row["finding"] == case.finding)
    assert row["remedy"] == found["remedy"] and row["evidence"] and row["at_ms"] == mark["at_ms"]


def test_a_call_without_a_failure_has_no_mark(tmp_path: Path) -> None:
    """Next to bursts, cuts and retries a steady stream stays clean."""
    records = [
        *streams("steady", 30), *streams("held", 10, ttft_ms=4350),
        *[stream(f"cut{n}", n, outcome="timeout", duration_ms=60_010, finish_reason=None) for n in range(10)],
    ]  # fmt: skip
    with store_of(write_lines(tmp_path / "calls.jsonl", records)) as store:
        names = [[table.name for table in explain(store, call).tables] for call in ("steady3", "held3", "cut3")]
    assert ["findings" in tables for tables in names] == [False, True, True]



def test_one_cut_at_a_whole_second_is_no_limit(tmp_path: Path) -> None:
    """A limit that is on no list takes several cuts; one stream that broke off after 7 s of silence is chance."""
    odd = stream("odd", outcome="interrupted", chunk_offsets_ms=STEADY[:12], duration_ms=STEADY[11] + 7000,
        finish_reason=None)  # fmt: skip
    with store_of(write_lines(tmp_path / "calls.jsonl", [odd, *streams("steady", 30)])) as store:
        tables = {table.name: list(table.records()) for table in explain(store, "odd").tables}
    assert not {"idle_cut", "deadline_cut"} & {row["finding"] for row in tables.get("findings", ())}
