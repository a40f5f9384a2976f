"""Findings: what they may hold, and that renderers read them and not the words of a cell."""

from dataclasses import replace

import pytest

from streamaudit.report.finding import Finding, Severity, Status
from streamaudit.report.model import Column, Interval, Report, Table
from streamaudit.report.redact import redact_report
from streamaudit.report.render._message import post
from streamaudit.report.render.formats import Screen, load

BURST = Finding(
    audit="buffering", code="burst", severity="critical", group={"route": "/chat"}, calls=200, affected_calls=50,
    tokens_at_stake=9_000, usd_at_stake=1.5, evidence="90 % of the chunks of 50 calls arrived within 5 ms",
    examples=("a", "b", "c"), remedy="turn off proxy_buffering",
)  # fmt: skip
COLUMNS = (Column("route"), Column("finding"), Column("calls", "calls"), Column("evidence"))


def report_of(finding: Finding | None) -> Report:
    """A report with one row, as an audit gives it."""
    row = ("/chat", "burst", 200, BURST.evidence)
    table = Table("findings", COLUMNS, (row,), ("route",), findings={0: finding} if finding else {})
    return Report("streamaudit audit", Interval(None, None), (table,), ("route",))


def render(name: str, report: Report) -> str:
    """The report in one format."""
    return load(name).render(report, Screen(120))


def test_the_share_is_unknown_where_a_part_of_it_is() -> None:
    """Unknown is not zero, and a share of no call is none."""
    assert BURST.affected_share == 0.25
    assert replace(BURST, affected_calls=None).affected_share is None
    assert replace(BURST, calls=None).affected_share is None
    assert replace(BURST, calls=0, affected_calls=0).affected_share is None


def test_more_than_three_examples_are_refused() -> None:
    """A finding is one row: a list of all its calls is another question."""
    with pytest.raises(ValueError, match="at most 3 examples, not 4"):
        replace(BURST, examples=("a", "b", "c", "d"))


@pytest.mark.parametrize(
    ("severity", "status", "junit", "github", "failed"),
    [
        ("critical", "open", "<failure ", "::error ", True),
        ("warning", "open", "", "::warning ", False),
        ("info", "open", "", "", False),
        ("critical", "undecided", "<skipped ", "", False),
        ("critical", "accepted", "<skipped ", "", False),
        ("critical", "passed", "", "", False),
    ],
)
def test_renderers_read_severity_and_status(
    severity: Severity, status: Status, junit: str, github: str, failed: bool
) -> None:
    """The same word in the cell fails, warns, is skipped or passes as the finding says."""
    report = report_of(replace(BURST, severity=severity, status=status))
    xml, annotations = render("junit", report), render("github", report)
    assert [tag for tag in ("<failure ", "<skipped ") if tag in xml] == [junit] * bool(junit)
    assert [level for level in ("::error ", "::warning ") if level in annotations] == [github] * bool(github)
    assert ("**burst**" in render("markdown", report)) == failed
    assert post(report).failed == failed
    assert not github or BURST.evidence.replace("%", "%25") in annotations


def test_a_word_in_a_cell_is_no_finding() -> None:
    """A column of a query that happens to hold such words is data."""
    table = Table("result", (Column("verdict"),), (("fail",), ("regression",)))
    report = Report("streamaudit sql", Interval(None, None), (table,))
    assert "<failure" not in render("junit", report) and "::error" not in render("github", report)
    assert "**" not in render("markdown", report).partition("| verdict |")[2] and not post(report).failed


def test_the_reason_of_a_row_without_a_finding_is_said() -> None:
    """Such as why a call is in no percentile."""
    table = Table("excluded", (Column("reason"), Column("calls", "calls")), (("not_streamed", 8),))
    report = Report("ttft", Interval(None, None), (table,))
    assert render("github", report) == "::notice title=ttft excluded::excluded: calls 8: not_streamed\n"


def test_a_group_is_redacted_in_the_finding_too() -> None:
    """The values of hidden dimensions leave in no part of a report."""
    found = redact_report(report_of(BURST), ("route",), "key").tables[0]
    assert found.findings[0].group == {"route": found.rows[0][0]}
    assert "/chat" not in str(found)
