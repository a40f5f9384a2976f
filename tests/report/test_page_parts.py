"""What a page says above its tables: its title, the sentences of the answer, the tiles, and names that break."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from streamaudit.report.finding import Finding
from streamaudit.report.model import NO_WINDOW, Column, Interval, Json, Report, Table
from streamaudit.report.render._cards import cards, coverage
from streamaudit.report.render._page_tables import break_names, break_words
from streamaudit.report.render._text import period, title
from streamaudit.report.render._work import work
from streamaudit.report.render.formats import Screen, load

COLUMNS = (
    Column("calls", "calls", kept=True), Column("ttft_p50_ms", "ms", kept=True),
    Column("tax_usd", "usd", kept=True), Column("cost_usd", "usd", kept=True),
    Column("cost_known_rate", "ratio", wide=True),
)  # fmt: skip
TOTAL = Table("total", COLUMNS, ((9, 400.0, 1.5, 20.0, 0.9),))
BY_TENANT = Table("by_tenant", (Column("tenant"), *COLUMNS), (("a/b", 9, 400.0, 1.5, 20.0, 0.9),), ("tenant",))


def report(*tables: Table) -> Report:
    """A report by tenant of four weeks."""
    window = Interval(datetime(2026, 11, 2, tzinfo=UTC), datetime(2026, 11, 29, tzinfo=UTC))
    return Report("streamaudit report", window, tables, ("tenant",), subject="cancellation tax")


def moment(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


@pytest.mark.parametrize(("since", "until", "says"), [
    ("2026-11-02", "2026-11-29", "2–28 Nov 2026"), ("2026-11-02", "2026-11-03", "2 Nov 2026"),
    ("2026-10-26", "2026-11-02", "26 Oct – 1 Nov 2026"), ("2025-12-29", "2026-01-05", "29 Dec 2025 – 4 Jan 2026"),
    ("2026-11-02T00:01", "2026-11-28T23:58", "2–28 Nov 2026"),
    ("2026-11-02T08:00", "2026-11-02T09:30", "2 Nov 2026, 08:00–09:30"),
    ("2026-11-02T08:00", "2026-11-02T08:00:14", "2 Nov 2026, 08:00"),
    ("2026-11-02T22:00", "2026-11-03T02:00", "2 Nov 2026 22:00 – 3 Nov 2026 02:00"),
])  # fmt: skip
def test_a_title_says_when(since: str, until: str, says: str) -> None:
    """Days as people write them; times only of a window that is short and not of whole days."""
    assert period(Interval(moment(since), moment(until))) == says


def test_a_title_says_what_and_by_what() -> None:
    """The groups only where the first table has them; a window open on a side, or none."""
    grouped = report(BY_TENANT, TOTAL)
    assert title(grouped) == "Cancellation tax by tenant, 2–28 Nov 2026"
    assert title(report(TOTAL)) == "Cancellation tax, 2–28 Nov 2026"
    assert title(replace(grouped, interval=NO_WINDOW)) == "Cancellation tax by tenant"
    since = Interval(datetime(2026, 11, 2, tzinfo=UTC), None)
    assert title(replace(report(TOTAL), interval=since, subject="")) == "Streamaudit report, since 2 Nov 2026"


def test_sentences_do_not_end_within_a_name() -> None:
    """They are parted before the names are filled in; a number with a point ends none."""
    one = replace(
        report(TOTAL), headline="At least $1.50 (0.7 %). TTFT +54 % since {0}. 2 of {1} are new.",
        headline_names=(("deploy", "api 4. New"), ("route", None)),
    )  # fmt: skip
    assert one.sentences == ("At least $1.50 (0.7 %).", "TTFT +54 % since api 4. New.", "2 of - are new.")
    assert " ".join(one.sentences) == one.answer


def test_tiles_have_money_first_and_coverage_no_figure_of_theirs() -> None:
    assert [(card["name"], card["value"]) for card in cards(report(TOTAL))] == [
        ("cancellation tax", "$1.50"), ("cost", "$20.00"), ("calls", "9"), ("TTFT p50", "400 ms"),
    ]  # fmt: skip
    assert [(one["name"], one["value"]) for one in coverage(report(TOTAL))] == [("cost known for", "90.0 %")]


def test_what_a_row_is_stays_visible_on_a_phone() -> None:
    """Columns that give way there are figures; a text in front of them is the name of the row."""
    columns = (Column("outcome"), Column("calls", "calls"), Column("tax_usd", "usd", kept=True))
    table = Table("by_outcome", columns, (("cancelled", 9, 1.0), ("error", 2, None)))
    page = load("html").render(report(table), Screen())
    assert re.findall(r'<th scope="col" data-n="(\w+)"(?: class="([^"]*)")?', page) == [
        ("outcome", ""), ("calls", "n x"), ("tax_usd", "n"),
    ]  # fmt: skip


def test_tiles_of_a_diff_count_the_groups_once() -> None:
    """The total's own comparisons are no further regressions: the answer above says the same number."""
    worse = {0: Finding(audit="diff", code="regression", severity="critical")}
    names = ("verdict", "metric", "stat", "change_ratio", "ci_low_ratio", "ci_high_ratio")
    row = ("regression", "ttft", "p50", 0.5, 0.4, 0.6)
    table = Table("by_route", (Column("route"), *map(Column, names)), (("/a", *row),), ("route",), shape="intervals",
                  findings=worse)  # fmt: skip
    total = Table("total", tuple(map(Column, names)), (row,), shape="intervals", findings=worse)
    assert [(card["name"], card["value"]) for card in cards(report(table, total))][:2] == [
        ("regressions", "1"), ("improvements", "0"),
    ]  # fmt: skip


def test_what_tiles_show_is_folded() -> None:
    """The total alone is tiles and a closed list of all its figures; a table by groups stays open."""
    page = load("html").render(report(TOTAL), Screen())
    assert page.count("<details>") == 1 and "cost known rate" in page
    assert "<details>" not in load("html").render(report(BY_TENANT), Screen())


def test_a_trend_is_drawn_as_a_line() -> None:
    """With a gap where a period has no value, its figures in words, and the series itself to download."""
    column = Column("ttft_p50_by_day_ms", "ms", kept=True, trend=True)
    rows = (("a", Json("[400.0, null, 500.0, 600.0]")), ("b", Json("[null]")), ("c", None))
    table = Table("by_tenant", (Column("tenant"), column), rows, ("tenant",))
    page = load("html").render(report(table), Screen())
    (line,) = re.findall(r'<svg class="line"[^>]*aria-label="([^"]*)"[^>]*><path d="([^"]*)"', page)
    assert line[0] == "ttft p50 by day: 400 ms to 600 ms, lowest 400 ms, highest 600 ms"
    assert [step[0] for step in line[1].split(" ") if step[0].isalpha()] == ["M", "M", "L"]
    assert 'data-v="[400.0, null, 500.0, 600.0]"' in page and ">-</td>" in page


def test_names_break_after_separators_alone() -> None:
    """Escaped, and with no break in a word, unless a long one has dots."""
    assert break_names("POST /v1/<b>-c") == "POST /<wbr>v1/<wbr>&lt;b&gt;-<wbr>c"
    assert "<wbr>" not in break_names("claude.sonnet") and break_names(f"{'a' * 20}.{'b' * 20}").count("<wbr>") == 1
    assert break_names("/{session_id}/a_much_longer_name_than") == (
        "/<wbr>{session_id}/<wbr>a_<wbr>much_<wbr>longer_<wbr>name_<wbr>than"
    )


def test_a_sentence_breaks_in_its_long_names_alone() -> None:
    """A phone shows a route of an answer without cutting its words, and no number is parted from its sign."""
    said = break_words("TTFT -5.0 % on /v1/<b>/a-long-route/of-2 since api-4.18.0")
    assert said == "TTFT -5.0 % on /<wbr>v1/<wbr>&lt;b&gt;/<wbr>a-<wbr>long-<wbr>route/<wbr>of-<wbr>2 since api-4.18.0"


def test_an_essential_figure_is_on_a_page_of_any_width() -> None:
    """``change`` of a diff stays where figures that are not essential leave a tablet."""
    shown = Column("head", "ms", kept=True), Column("change", "ratio", essential=True)
    table = Table("total", (Column("verdict"), Column("n", "calls"), *shown), (("regression", 1, 2.0, 0.5),) * 2)
    page = load("html").render(report(table), Screen())
    assert re.findall(r'data-n="(\w+)" class="([^"]*)"', page) == [("n", "n x"), ("head", "n"), ("change", "n")]


def test_the_share_of_a_finding_is_as_precise_as_its_evidence() -> None:
    finding = Finding(
        audit="false-ok", code="error_in_stream", severity="critical", affected_calls=29, calls=823, remedy="Look.",
    )  # fmt: skip
    table = Table("findings", (Column("finding"),), (("error_in_stream",),), findings={0: finding})
    assert work(report(table))[0].figures == ("29 of 823 (3.5 %)",)
