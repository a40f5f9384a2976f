"""Suppressed findings: listed as held with their reason, through their day, and in no gate's way."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from streamaudit.audits.failures.base import codes, parse_gates
from streamaudit.audits.failures.report import run
from streamaudit.audits.failures.suppressions import parse_suppression
from streamaudit.audits.holds import Wrong
from streamaudit.audits.scope.scope import Scope
from streamaudit.errors import UsageError
from streamaudit.report.model import Report
from tests.audits.failures.cases import PLANTED, streams
from tests.support import store_of, write_lines

BURST = next(case for case in PLANTED if case.finding == "burst")
TODAY = date(2026, 12, 1)


def audit(folder: Path, *entries: dict[str, Any], gate: str = "burst", name: str = "buffering") -> Report:
    """The planted burst of ``/chat``, audited with these suppressions."""
    with store_of(write_lines(folder / "calls.jsonl", BURST.records)) as store:
        listed = [parse_suppression(entry, f"toml:{number}") for number, entry in enumerate(entries)]
        return run(store, Scope(), (name,), gates=parse_gates([gate]), suppressions=listed, today=TODAY)


def entry(**fields: Any) -> dict[str, Any]:
    return {"finding": "burst", "reason": "ticket 812", "until": date(2026, 12, 1), **fields}


def test_a_suppressed_finding_is_listed_and_passes_the_gate(tmp_path: Path) -> None:
    """Through its last day, with the reason; without the entry the same gate fails."""
    assert audit(tmp_path).verdict == "fail"
    report = audit(tmp_path, entry(where="route=/ch*"))
    (row,) = report.tables[0].records()
    assert row["finding"] == "burst" and row["held"] == "until 2026-12-01: ticket 812"
    assert report.verdict == "pass" and "1 held" in report.headline
    assert report.tables[0].findings[0].is_skipped


def test_an_expired_suppression_holds_nothing_and_says_so(tmp_path: Path) -> None:
    """From the day after, the finding is open again, and the row says until when it was held."""
    report = audit(tmp_path, entry(until=date(2026, 11, 30)))
    (row,) = report.tables[0].records()
    assert row["held"] == "was held until 2026-11-30: ticket 812"
    assert report.verdict == "fail" and "held" not in report.headline


def test_a_suppression_for_other_groups_holds_nothing_and_is_reported(tmp_path: Path) -> None:
    """Another route, a dimension that the finding is not grouped by, and a finding that is not there."""
    for other in (entry(where="route=/other"), entry(where="tenant=acme"), entry(finding=["coalesced"])):
        report = audit(tmp_path, other)
        assert report.verdict == "fail"
        assert [note.message for note in report.notes if note.code == "suppression_unused"] == [
            f"toml:0: the suppression of {'coalesced' if 'coalesced' in other['finding'] else 'burst'} fits no finding"
        ]
    # An audit that cannot answer is no evidence that the entry is of no use.
    report = audit(tmp_path, entry(finding="transport_failures"), name="transport")
    assert not [note for note in report.notes if note.code == "suppression_unused"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"finding": "brust"}, "did you mean burst?"),
        ({"reason": " "}, "no reason"),
        ({"until": "soon"}, "no day"),
        ({"where": "rout=/chat"}, "did you mean route?"),
        ({"untill": "2026-12-01"}, "did you mean until?"),
    ],
)
def test_an_entry_needs_a_finding_a_reason_and_a_day(wrong: dict[str, Any], said: str) -> None:
    """What is missing or misspelt is named."""
    with pytest.raises(Wrong, match=said.replace("?", r"\?")):
        parse_suppression(entry(**wrong))


def test_every_finding_can_be_a_gate_and_a_misspelt_one_is_refused() -> None:
    """With and without a severity; the nearest name is offered."""
    for code in codes():
        assert parse_gates([code]) == {code: "info"} and parse_gates([f"{code}:critical"]) == {code: "critical"}
        with pytest.raises(UsageError, match="unknown finding") as caught:
            parse_gates([f"{code}x"])
        assert caught.value.hint == f"did you mean {code}?"
    with pytest.raises(UsageError, match="no severity"):
        parse_gates(["burst:grave"])


def test_a_test_report_fails_what_the_gate_fails_and_skips_what_has_no_answer(tmp_path: Path) -> None:
    """A warning fails if the gate asks for it, a critical finding does not if it asks for another."""
    report = audit(tmp_path, gate="burst:warning")
    assert report.tables[0].findings[0].is_failure
    report = audit(tmp_path, gate="burst:critical")
    assert not report.tables[0].findings[0].is_failure and report.tables[0].findings[0].is_warning
    with store_of(write_lines(tmp_path / "steady.jsonl", streams("steady", 30))) as store:
        audits = run(store, Scope()).tables[1]
    for index, row in enumerate(audits.records()):
        found = audits.findings.get(index)
        assert row["status"] == "clean" or (found is not None and found.is_skipped and found.evidence)
