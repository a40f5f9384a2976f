"""Timelines worked by hand: one character is a hundred milliseconds on a ruler of sixty."""

import pytest
from rich.cells import cell_len

from streamaudit.report.model import Column, Interval, Report, Row, Table, Value
from streamaudit.report.render._timeline import draw
from streamaudit.report.render.formats import Screen, load

COLUMNS = (Column("event"), Column("at_ms", "ms"), Column("tokens", "tokens"), Column("evidence"))


def timeline(*moments: tuple[str, Value]) -> Table:
    """A table of moments."""
    rows: tuple[Row, ...] = tuple((event, at, None, "") for event, at in moments)
    return Table("timeline", COLUMNS, rows, shape="timeline")


CUT = timeline(
    ("request_issued", 0.0), ("first_chunk", 500.0), ("first_visible_token", 1000.0), ("chunk", 500.0),
    ("chunk", 550.0), ("chunk", 3000.0), ("cancelled", 2000.0), ("provider_stopped", 5500.0), ("end", 6000.0),
)  # fmt: skip


def test_every_moment_stands_in_proportion_and_the_fill_says_what_went_on() -> None:
    """Dots while waiting, equals signs while streaming, tildes after the user left; times at the left."""
    assert draw(CUT, Screen()) == [
        "        0         1 s       2 s       3 s       4 s       5 s",
        "  0 ms  o                                                             request issued",
        "500 ms  .....o                                                        first chunk",
        "             @                        -                               3 chunks from the provider",
        "1.00 s  .....=====o                                                   first visible token",
        "2.00 s  .....===============x                                         cancelled",
        "5.50 s  .....===============~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~o      provider stopped",
        "6.00 s  .....===============~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~|  end",
        "        . waiting for the first chunk   = streaming   ~ after the cut",
    ]


def test_a_terminal_gets_lines_and_anything_else_only_ascii() -> None:
    """The same moments at the same places."""
    assert "\n".join(draw(CUT, Screen())).isascii()
    assert "\n".join(draw(CUT, Screen(100, unicode=False))).isascii()
    drawn = draw(CUT, Screen(100))
    assert "━" in drawn[4] and "✕" in drawn[5] and "┤" in drawn[7]
    assert drawn[4].index("●") == draw(CUT, Screen())[4].index("o")


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_it_fits_the_terminal(width: int) -> None:
    """The ruler gives way, and its end stays at its right."""
    report = Report("explain", Interval(None, None), (CUT,))
    assert max(map(cell_len, load("table").render(report, Screen(width)).splitlines())) <= width
    lines = draw(CUT, Screen(width))
    ruler = lines[7].index("┤") + 1 - lines[1].index("●")
    assert ruler == max(min(60, width - 8 - 2 - len("3 chunks from the provider")), 16)


def test_a_moment_nobody_recorded_is_named_and_the_time_around_it_is_unknown() -> None:
    """A first chunk or a cut without a time is a dash and no sign on the ruler; nothing is drawn as known."""
    lines = draw(timeline(("request_issued", 0.0), ("first_chunk", None), ("end", 6000.0)), Screen())
    assert lines[2] == "     -" + " " * 64 + "first chunk"
    assert lines[3] == "6.00 s  " + "?" * 59 + "|  end"
    assert lines[4] == "        ? unknown"
    lines = draw(
        timeline(("request_issued", 0.0), ("first_chunk", 3000.0), ("cancelled", None), ("end", 6000.0)), Screen()
    )
    assert lines[-2] == "6.00 s  " + "." * 30 + "?" * 29 + "|  end"
    assert any(line.startswith("     -") and line.endswith("cancelled") for line in lines)


def test_a_call_of_which_only_the_request_is_known_needs_no_ruler() -> None:
    """No scale is made up."""
    lines = draw(timeline(("request_issued", 0.0), ("first_chunk", None), ("end", None)), Screen())
    assert lines == ["  0 ms  request issued", "     -  first chunk", "     -  end"]
    assert draw(timeline(), Screen()) == ["no rows"]


def test_moments_before_the_request_or_not_finite_do_not_break_the_drawing() -> None:
    """Clocks of two machines differ."""
    lines = draw(timeline(("request_issued", 0.0), ("cancelled", -20.0), ("end", 1000.0)), Screen(80))
    assert len({cell_len(line) for line in lines}) > 1
    assert draw(timeline(("request_issued", 0.0), ("end", float("nan"))), Screen())[-1] == "     -  end"


def test_markdown_holds_the_drawing_in_a_block() -> None:
    """The same ASCII lines, fenced."""
    text = load("markdown").render(Report("explain", Interval(None, None), (CUT,)), Screen())
    assert "```\n" + "\n".join(draw(CUT, Screen())) + "\n```" in text
