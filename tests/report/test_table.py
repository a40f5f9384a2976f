"""The screen: widths, alignment, what is hidden and what is never cut."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from streamaudit.report.escape import terminal
from streamaudit.report.model import Column, Interval, Mark, Report, Table
from streamaudit.report.render._layout import fold, shorten
from streamaudit.report.render.formats import Screen, load

Make = Callable[..., Report]
WIDTHS = [18, 30, 40, 60, 80, 100, 120, 200]


def show(report: Report, screen: Screen) -> str:
    return load("table").render(report, screen)


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("unicode", [False, True])
@pytest.mark.parametrize("width", WIDTHS)
def test_no_line_is_longer_than_the_terminal(
    width: int, unicode: bool, wide: bool, awkward_report: Report, hostile_report: Report, empty_report: Report
) -> None:
    """Whatever the report, a line never wraps by itself."""
    for report in (awkward_report, hostile_report, empty_report):
        lines = show(report, Screen(width, unicode=unicode, wide=wide)).splitlines()
        assert max(map(cell_len, lines)) <= width


@pytest.mark.parametrize("width", WIDTHS)
def test_no_figure_is_ever_cut(width: int, awkward_report: Report) -> None:
    """A narrow terminal hides columns or goes to lists; the figures it shows are whole."""
    for line in show(awkward_report, Screen(width)).splitlines():
        name, *figures = re.split(r"\s{2,}", line)
        assert "…" not in "".join(figures) and (figures or "…" not in name)


def test_what_was_asked_for_is_hidden_last() -> None:
    """Where there is no room the columns on the right go first, but for those that were asked for."""
    names = ["first_figure", "second_figure", "third_figure", "fourth_figure"]
    columns = [Column("tenant"), *(Column(name, "tokens", kept=name.startswith("fourth")) for name in names)]
    table = Table("by_tenant", tuple(columns), (("acme", 1, 2, 3, 4),), by=("tenant",))
    text = show(Report("t", Interval(None, None), (table,), by=("tenant",)), Screen(32))
    assert "hidden: third figure (--wide)" in text


def test_nothing_is_cut_off_a_terminal(hostile_report: Report, hostile: list[str]) -> None:
    """In a pipe every name stands whole on its line, five hundred characters too."""
    output = show(hostile_report, Screen())
    assert "…" not in output
    assert all(terminal(name) in output for name in hostile)


def test_the_same_text_with_and_without_colour(awkward_report: Report) -> None:
    """Colour adds styles and nothing else; without it there is not one escape."""
    plain, styled = (show(awkward_report, Screen(80, color=color)) for color in (False, True))
    assert "\x1b" not in plain
    assert re.sub("\x1b\\[[0-9;]*m", "", styled) == plain != styled


def test_colour_ignores_the_environment(awkward_report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether there is colour was decided before; the renderer does not ask again."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "20")
    assert "\x1b[1m" in show(awkward_report, Screen(80, color=True))


def test_markup_in_names_is_text(report_of: Make) -> None:
    """Brackets and emoji codes are printed as they are."""
    report = report_of((Column("tenant"), Column("calls", "calls")), [("[red]a[/] :smile:", 1)], ("tenant",))
    assert "[red]a[/] :smile:" in show(report, Screen(80, color=True))


def test_columns_go_from_the_right_and_are_named(report_of: Make) -> None:
    """The dimension and the first two figures stay; the line below says what is not shown."""
    columns = (Column("tenant"), *(Column(f"figure_{i}", "calls") for i in range(1, 6)))
    output = show(report_of(columns, [("acme", *[1_000_000] * 5)], ("tenant",)), Screen(40))
    assert "tenant   figure 1   figure 2   figure 3" in output
    assert "hidden: figure 4, figure 5 (--wide)" in output


def test_wide_shows_what_the_hidden_line_promises(awkward_report: Report) -> None:
    """With --wide every column is there, below the others where the terminal is narrow, names repeated."""
    output = show(awkward_report, Screen(60, wide=True))
    assert "hidden" not in output
    assert output.count("acme") >= 2
    assert "2.52 s" in output and "tokens/s" in output


def test_wide_columns_need_wide(awkward_report: Report) -> None:
    """A column marked wide is not shown by default, however much room there is, and not reported as hidden."""
    assert "ttft p99" not in show(awkward_report, Screen(400))
    assert "ttft p99" in show(awkward_report, Screen(400, wide=True))


def test_numbers_line_up(report_of: Make) -> None:
    """Digits end in one column whatever unit follows, headings stand above them."""
    rows = [("a", 402.0, 7_120_331), ("b", 1430.0, 12), ("c", None, 0)]
    columns = (Column("tenant"), Column("ttft_p50_ms", "ms"), Column("tax_tokens", "tokens"))
    lines = show(report_of(columns, rows, ("tenant",)), Screen(80)).split("\n\n")[1].splitlines()
    assert lines == [
        "tenant  ttft p50  tax tokens",
        "────────────────────────────",
        "a         402 ms      7.12 M",
        "b        1.43 s         12",
        "c           -            0",
    ]


def test_the_total_is_the_last_row_of_its_groups(awkward_report: Report) -> None:
    """Groups, then the others, then the total, all under one heading."""
    block = show(awkward_report, Screen(80)).split("\n\n")[1].splitlines()
    assert block[-4].startswith("(41 others)")
    assert set(block[-3]) == {"─"}
    assert block[-2].startswith("total")


def test_a_total_of_other_columns_stands_alone(awkward_report: Report) -> None:
    """Only a total with the columns of its groups joins them."""
    groups, total = awkward_report.tables[:2]
    other = Table("total", total.columns[:1], ((3,),))
    assert "\ntotal\ncalls\n" in show(replace(awkward_report, tables=(groups, other)), Screen(80))


def test_the_total_follows_the_columns_of_its_groups(awkward_report: Report) -> None:
    """Which columns are wide is the groups' say; the total's figures stay under their headings."""
    groups, total = awkward_report.tables[:2]
    all_wide = replace(total, columns=tuple(replace(column, wide=True) for column in total.columns))
    screen = Screen(200)
    assert show(replace(awkward_report, tables=(groups, all_wide)), screen) == show(
        replace(awkward_report, tables=(groups, total)), screen
    )


def test_marks_decorate_single_cells(report_of: Make) -> None:
    """A bound, a remark behind a figure, and a text in place of the dash; an unknown value has no bound sign."""
    columns = (Column("tenant"), Column("tax_usd", "usd"))
    report = report_of(columns, [("a", 41.2), ("b", 84.1), ("c", None), ("d", None)], ("tenant",))
    marks = {
        (0, "tax_usd"): Mark(prefix="≥ "),
        (1, "tax_usd"): Mark(prefix="≤ ", suffix=" + 3 calls open"),
        (2, "tax_usd"): Mark(instead="too few"),
        (3, "tax_usd"): Mark(prefix="≥ "),
    }
    lines = show(replace(report, tables=(replace(report.tables[0], marks=marks),)), Screen(80)).splitlines()
    assert [line.split(maxsplit=1)[1] for line in lines[4:8]] == ["≥ $41.20", "≤ $84.10 + 3 calls open", "too few", "-"]
    assert ">= $41.20" in show(
        replace(report, tables=(replace(report.tables[0], marks=marks),)), Screen(80, unicode=False)
    )


def test_a_group_named_like_the_dash_is_quoted(report_of: Make) -> None:
    """The group of calls without a value is ``-``; groups whose names look like nothing are told apart."""
    report = report_of(
        (Column("tenant"), Column("calls", "calls")), [(None, 1), ("-", 2), ("", 3), (" a", 4)], ("tenant",)
    )
    lines = show(report, Screen()).splitlines()
    assert [line.rsplit("  ", 1)[0].rstrip() for line in lines[4:8]] == ["-", '"-"', '""', '" a"']


@pytest.mark.parametrize(("value", "there"), [(None, True), (0, False)])
def test_the_legend_comes_with_the_dash(value: int | None, there: bool, report_of: Make) -> None:
    """A dash is explained where there is one."""
    output = show(
        report_of((Column("tenant"), Column("tax_tokens", "tokens")), [("a", value)], ("tenant",)), Screen(80)
    )
    assert ("-  unknown, not zero" in output) is there


def test_a_column_of_unknowns_stays(report_of: Make) -> None:
    """That nothing is known about a figure is worth knowing."""
    output = show(report_of((Column("tenant"), Column("tax_tokens", "tokens")), [("a", None)], ("tenant",)), Screen(80))
    assert "tax tokens" in output


def test_a_lone_long_total_is_a_list(report_of: Make) -> None:
    """One row of many figures reads downwards; where it fits it stays a row."""
    columns = tuple(Column(f"figure_{i:02}", "calls") for i in range(14))
    report = report_of(columns, [tuple(range(14))], name="total")
    assert "figure 13  13\n" in show(report, Screen(80))
    assert "figure 13  13\n" in show(report, Screen())
    assert "figure 12  figure 13\n" in show(report, Screen(200))


def test_long_names_are_shortened_in_the_middle(report_of: Make) -> None:
    """Both ends of a name tell groups apart, so both stay."""
    name = "tenant-" + "x" * 500 + "-eu-west"
    report = report_of((Column("tenant"), Column("calls", "calls")), [(name, 12)], ("tenant",))
    line = show(report, Screen(40)).splitlines()[4]
    assert line.startswith("tenant-x") and line.endswith("-eu-west     12") and "…" in line


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])), st.integers(3, 40), st.booleans())
def test_shortening_keeps_to_its_width(text: str, width: int, unicode: bool) -> None:
    """Wide and combining characters included, a shortened name fits, and one that fits is whole."""
    short = shorten(terminal(text), width, unicode)
    assert cell_len(short) <= width
    if cell_len(terminal(text)) <= width:
        assert short == terminal(text)


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])), st.integers(2, 40))
def test_folding_loses_only_spaces(text: str, width: int) -> None:
    """Every line fits, and joined they are the text again but for the spaces they were broken at."""
    text = terminal(text)
    lines = list(fold(text, width))
    assert all(cell_len(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_what_was_asked_stands_first() -> None:
    """Title with interval and zone, filters, the headline and the verdict come before any figure."""
    report = Report(
        "report", Interval(None, None), (), filters={"only": "tenant=acme"}, headline="All is well.", verdict="pass"
    )
    assert show(report, Screen(80)) == "report   all time UTC\nfilters: only=tenant=acme\nAll is well.\nverdict: pass\n"


def test_two_ends_are_one_cell(report_of: Make) -> None:
    """A tax in dollars shows its low and its high end; a missing high end is a question, not a number."""
    columns = (Column("tenant"), Column("tax_usd", "usd"), Column("low_usd", "usd", wide=True),
               Column("high_usd", "usd", wide=True))  # fmt: skip
    rows = [("a", 1.26, 0.9, 1.4), ("b", None, 0.9, None), ("c", 0.001, 0.0004, 0.0019), ("d", 2.0, 2.0, 2.0),
            ("e", 0.002, 0.001, 0.02), ("f", 0.001, 0.0, 0.002)]  # fmt: skip
    report = report_of(columns, rows, ("tenant",))
    ends = Mark(between=("low_usd", "high_usd"))
    marks = {(row, "tax_usd"): replace(ends, open=row == 3) for row in range(len(rows))}
    lines = show(replace(report, tables=(replace(report.tables[0], marks=marks),)), Screen(80)).splitlines()
    assert [line.split(maxsplit=1)[1] for line in lines[4:10]] == [
        "$0.90–1.40", "$0.90–?", "<$0.01", "$2.00–?", "<$0.01–0.02", "<$0.01"
    ]  # fmt: skip
