"""Facts under headings: figures in line, sentences in the room that is left, on every width."""

import pytest
from rich.cells import cell_len

from streamaudit.report.model import Column, Interval, Mark, Report, Row, Table
from streamaudit.report.render._facts import draw
from streamaudit.report.render.formats import Screen, load

COLUMNS = (
    Column("group"), Column("figure"), Column("value"), Column("unit"), Column("rule", prose=True),
    Column("from", prose=True),
)  # fmt: skip
SHARES = (Column("source"), Column("capability"), Column("known_rate", "ratio"), Column("rests_on", prose=True))
SENTENCE = "the recorded value is the end of the call, not its first token"


def facts(*rows: Row) -> Table:
    """A table of figures with rules and fields."""
    return Table("figures", COLUMNS, rows, ("group",), shape="facts")


def texts(table: Table, screen: Screen) -> list[str]:
    return [line.text for line in draw(table, screen)]


def test_values_have_their_rows_unit_and_sentences_stand_beside_them() -> None:
    """The second sentence is named; a heading for each group."""
    table = facts(
        ("time", "ttft_ms", 505.0, "ms", "the source measured it", "ttft_ms"),
        ("time", "ttvt_ms", None, "ms", "the export has none", None),
        ("tokens", "output_tokens", 0, "tokens", None, "usage.output"),
        ("tokens", "cache_hit", False, None, None, None),
    )
    assert texts(table, Screen()) == [
        "time",
        "  ttft_ms        505 ms  the source measured it",
        "                         from: ttft_ms",
        "  ttvt_ms        -       the export has none",
        "",
        "tokens",
        "  output_tokens  0       from: usage.output",
        "  cache_hit      no",
    ]


def test_shares_are_drawn_small_and_no_share_differs_from_a_share_of_none() -> None:
    """Almost all is not all, hardly any is not none, and unknown has no bar."""
    rows: tuple[Row, ...] = (
        ("raw", "all", 1.0, "x"), ("raw", "almost", 0.9996, "x"), ("raw", "some", 0.001, "x"),
        ("raw", "none", 0.0, "x"), ("raw", "unknown", None, "x"),
    )  # fmt: skip
    marks = {(4, "known_rate"): Mark(instead="no cut calls")}
    table = Table("capabilities", SHARES, rows, ("source",), shape="facts", marks=marks)
    assert texts(table, Screen())[1:] == [
        "  all      ########## 100.0 %  x",
        "  almost   #########. >99.9 %  x",
        "  some     #.........   0.1 %  x",
        "  none     ..........     0 %  x",
        "  unknown  no cut calls        x",
    ]
    assert "██████████ 100.0 %" in texts(table, Screen(80))[1]


@pytest.mark.parametrize("width", [24, 40, 60, 80, 120])
def test_no_line_is_too_long_and_no_word_is_lost(width: int) -> None:
    """Sentences are broken between words; a value too long for its place stands below its label."""
    rows: tuple[Row, ...] = (
        ("time", "stopped_before_first_token", None, "ms", SENTENCE, "a, b"),
        ("time", "file", "/a/very/long/path/" + "x" * 90, None, SENTENCE, None),
    )
    report = Report("explain", Interval(None, None), (facts(*rows),))
    lines = load("table").render(report, Screen(width)).splitlines()
    assert max(map(cell_len, lines)) <= width
    words = " ".join(lines).split()
    assert [word for word in SENTENCE.split() if word not in words] == []
    assert "".join(lines).replace(" ", "").count("x" * 90) == 1


def test_hostile_values_are_made_harmless() -> None:
    """Sentences too: they may name a key of the user's."""
    bad = "\x1b[31mred\u202e"
    report = Report("explain", Interval(None, None), (facts((bad, bad, bad, None, bad, bad)),))
    for name in ("table", "markdown"):
        text = load(name).render(report, Screen(80))
        assert "\x1b" not in text and "\u202e" not in text


def test_markdown_makes_a_table_of_them_without_the_unit() -> None:
    """Every value with its unit."""
    table = facts(("time", "ttft_ms", 505.0, "ms", "measured", None), ("time", "ttvt_ms", None, "ms", "none", None))
    text = load("markdown").render(Report("explain", Interval(None, None), (table,)), Screen())
    assert "| group | figure | value | rule | from |" in text
    assert "| time | ttft\\_ms | 505 ms | measured |  |" in text
    assert "| time | ttvt\\_ms | - | none |  |" in text
    assert "unknown, not zero" in text


def test_findings_name_their_columns_or_their_figures() -> None:
    """Columns have names where they fit; in a narrow terminal each figure has its name, and nothing is one per line."""
    columns = (
        Column("finding"), Column("severity"), Column("route"), Column("affected_calls", "calls"),
        Column("affected_share", "ratio"), Column("usd_at_stake", "usd"), Column("evidence", prose=True),
    )  # fmt: skip
    row: Row = ("cache_lost_on_deploy", "critical", "/v1/support/tickets", 45, 0.375, 25.73, "The hit rate fell.")
    table = Table("findings", columns, (row,), shape="facts")
    wide = [line.text for line in draw(table, Screen(width=120))]
    assert [text.split() for text in wide[:2]] == [
        ["affected", "affected", "usd", "at"], ["finding", "severity", "route", "calls", "share", "stake"],
    ]  # fmt: skip
    narrow = [line.text.strip() for line in draw(table, Screen(width=60))]
    assert narrow == [
        "cache_lost_on_deploy  critical  /v1/support/tickets", "affected calls 45  affected share 37.5 %",
        "usd at stake $25.73", "The hit rate fell.",
    ]  # fmt: skip
    beside = [line.text for line in draw(table, Screen())]
    assert beside[-1] == "    The hit rate fell."
