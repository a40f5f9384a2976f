"""A report as a short message: one line each, no longer than is read, nothing hidden in it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from streamaudit.report.finding import Finding
from streamaudit.report.model import Column, Interval, Mark, Note, Report, Table
from streamaudit.report.render._message import MOST_LINES, MOST_SECTIONS, post

WEEK = Interval(datetime(2026, 11, 16, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC))
FIGURES = Table(
    "figures",
    (
        Column("figure"), Column("value", unit_from="unit"), Column("high", unit_from="unit"),
        Column("before", unit_from="unit"), Column("change_ratio", "ratio"), Column("verdict"),
        Column("coverage", "ratio"), Column("unit"),
    ),
    (
        ("ttft_p95_ms", 2190.0, None, 1190.0, 0.833, "too little data", 0.99, "ms"),
        ("tax_low_usd", 41.2, 60.0, 19.0, 1.168, None, 0.86, "usd"),
        ("cost_usd", 310.0, None, None, None, None, None, "usd"),
    ),
    marks={
        (0, "high"): Mark(instead=" "), (1, "value"): Mark("≥ "), (1, "high"): Mark("≤ "),
        (2, "high"): Mark(instead=" "), (0, "change_ratio"): Mark("+"), (1, "change_ratio"): Mark("+"),
    },
    findings={0: Finding(audit="diff", code="too little data", severity="info", status="undecided")},
)  # fmt: skip
MOVERS = Table(
    "movers",
    (
        Column("dimension"), Column("name", dimension_from="dimension"), Column("figure"),
        Column("value", unit_from="unit"), Column("before", unit_from="unit"), Column("change", unit_from="unit"),
        Column("change_ratio", "ratio"), Column("verdict"), Column("unit"), Column("from_route"),
    ),
    (("tenant", "acme", "tax_low_usd", 41.2, 19.0, 22.2, 1.168, None, "usd", "/chat"),
     ("route", "/search", "ttft_p50_ms", 300.0, 400.0, -100.0, -0.25, "improvement", "ms", None)),
    title="what moved most", marks={(0, "change_ratio"): Mark("+")},
    findings={1: Finding(audit="diff", code="improvement", severity="info", status="passed")},
)  # fmt: skip


def report(*tables: Table, notes: tuple[Note, ...] = ()) -> Report:
    """A report of a week."""
    headline = "Worse: TTFT p95. Nothing else moved."
    return Report("summary of week 2026-W47", WEEK, tables, notes=notes, headline=headline)


def test_figures_and_movers_are_sentences() -> None:
    """Money first: both ends, what it was, how sure that is, and of how much it is known; why it moved."""
    made = post(report(FIGURES, MOVERS), "https://reports.example/47")
    assert made.title == "summary of week 2026-W47 · 2026-11-16 .. 2026-11-22 UTC"
    assert made.headline == ("Worse: TTFT p95.", "Nothing else moved.")
    assert made.text.startswith("Worse: TTFT p95.\nNothing else moved.\n\nsummary of week 2026-W47")
    assert made.sections[0].splitlines() == [
        "Cancellation tax $41.20–60.00 (was $19.00, +116.8 %, known for 86.0 %)",
        "Cost $310.00",
        "TTFT p95 2.19 s (was 1.19 s, +83.3 %, inconclusive, known for 99.0 %)",
    ]
    assert made.sections[1].splitlines() == [
        "What moved most:",
        "▲ tenant acme: cancellation tax $41.20 (was $19.00, +116.8 %), mostly route /chat",
        "▼ route /search: TTFT p50 300 ms (was 400 ms, -25.0 %, improvement)",
    ]
    assert made.footer == "all of it: https://reports.example/47"
    assert made.text.endswith("\n\nall of it: https://reports.example/47\n")


def test_a_long_report_is_cut_and_says_so() -> None:
    """Lines, sections and notes have an end, and what is left out is counted."""
    many = replace(MOVERS, rows=tuple(MOVERS.rows) * 50)
    notes = tuple(Note(f"n{number}", f"caveat {number}") for number in range(9))
    made = post(report(*[replace(many, name=f"t{number}") for number in range(20)], notes=notes))
    assert len(made.sections) == MOST_SECTIONS
    assert made.sections[0].splitlines()[-1] == f"and {100 - MOST_LINES} more"
    assert post(report(MOVERS, notes=notes)).sections[-1].splitlines()[-1] == "· and 5 more notes"


def test_hostile_names_stay_in_their_line(hostile: list[str], report_of: Callable[..., Report]) -> None:
    """Line breaks, escapes and signs that turn text around are spelled; nothing else is lost."""
    columns = (Column("tenant"), Column("calls", "calls"))
    for name in hostile:
        made = post(report_of(columns, [(name, 3)], ("tenant",)))
        (line,) = [line for section in made.sections for line in section.splitlines()]
        assert line.endswith(": 3 calls")
        assert line.isprintable()


def test_it_fails_when_a_gate_or_a_comparison_did() -> None:
    """What a chat may colour."""
    assert not post(report(FIGURES)).failed
    worse = replace(MOVERS, findings={1: Finding(audit="diff", code="regression", severity="critical")})
    assert post(report(worse)).failed
    assert post(replace(report(FIGURES), verdict="fail")).failed
    assert not post(replace(report(FIGURES), verdict="insufficient")).failed


def test_a_recipient_reads_words_in_place_of_signs_and_times_without_letters() -> None:
    """Chats show an escaped ``<`` as ``&lt;``; a name keeps its signs."""
    columns = Column("deploy"), Column("first_call"), Column("calls", "calls"), Column("cost_usd", "usd")
    rows = (("<v2>", datetime(2026, 11, 18, 12, 29, 27, tzinfo=UTC), 1475, 0.001),)
    table = Table("new_deploys", columns, rows, ("deploy",), title="went live")
    made = post(replace(report(table), headline="TTFT p95 +65.0 % (1.50 s → 2.45 s, p < 0.0001)."))
    assert made.headline == ("TTFT p95 +65.0 % (1.50 s → 2.45 s, p under 0.0001).",)
    assert made.sections[0].splitlines()[-1] == "<v2>: first call 2026-11-18 12:29 UTC, 1,475 calls, cost under $0.01"
