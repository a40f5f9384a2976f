"""Pictures and pages: what is drawn, what is refused, and that no name is more than text."""

import re
import struct
from dataclasses import replace

import pytest

from streamaudit.errors import UsageError
from streamaudit.report.model import Column, Interval, Mark, Report, Row, Table
from streamaudit.report.render._charts import pictures
from streamaudit.report.render._charts._rows import break_name
from streamaudit.report.render.formats import Screen, load, render_bytes

HOSTILE = "</script><img src=x onerror=alert(1)>\u202e"
DIFF = tuple(map(Column, ("tenant", "verdict", "metric", "stat", "change_ratio", "ci_low_ratio", "ci_high_ratio")))


def drawn() -> Report:
    """Every shape that has a chart, with a hostile name in each."""
    steps = (("billed", 100), ("hidden", None), ("unread", 30), ("rendered", 70))
    buckets = (
        Column("tenant"),
        Column("bucket_low_ms", "ms"),
        Column("bucket_high_ms", "ms"),
        Column("calls", "calls"),
    )
    parts = (Column("tenant"), Column("tax_hidden_tokens", "tokens"), Column("tax_unread_tokens", "tokens"))
    trend = (Column("day"), Column("ttft_p50_ms", "ms"), Column("deploy"))
    return Report(
        "report",
        Interval(None, None),
        (
            Table(
                "h", buckets, ((HOSTILE, 100.0, 178.0, 30), (HOSTILE, 178.0, 316.0, 5)), ("tenant",), shape="histogram"
            ),
            Table("s", parts, ((HOSTILE, 5, 7), ("b", None, None)), ("tenant",), shape="stacked"),
            Table(
                "w", (Column("step"), Column("tokens", "tokens")), steps, shape="waterfall",
                marks={(2, "tokens"): Mark(prefix="≥ ")},
            ),
            Table("t", trend, (("1", 5.0, None), (HOSTILE, None, HOSTILE), ("3", 6.0, None)), ("day",), shape="trend"),
            Table(
                "d", DIFF,
                (
                    (HOSTILE, "regression", "ttft_ms", "p50", 0.5, 0.2, None),
                    ("b", "no change", "ttft_ms", "p50", 0, -0.1, 0.1),
                ),
                ("tenant",), shape="intervals",
            ),
        ),
    )  # fmt: skip


def test_every_shape_has_its_labels_in_the_picture() -> None:
    """Bounds and unknown parts read as they do elsewhere; a name is text and never an element."""
    picture = load("svg").render(drawn(), Screen())
    texts = set(re.findall(r"<text[^>]*>([^<]*)</text>", picture))
    assert {"billed", "≥ 30", "unknown", "rendered", "regression", "no change", "b · TTFT p50"} <= texts
    assert "<img" not in picture and "<script" not in picture and "\u202e" not in picture
    assert "href" not in picture.replace("xmlns:xlink", "") and " style=" not in picture


def test_a_png_is_a_picture_of_the_same() -> None:
    """Twice the size of the points, and not one colour."""
    picture = render_bytes("png", drawn(), Screen())
    width, height = struct.unpack(">II", picture[16:24])
    assert picture.startswith(b"\x89PNG") and 1400 < width < 2400 and height > 800
    assert len(picture) > 20_000


@pytest.mark.parametrize("name", ["png", "svg"])
def test_nothing_to_draw_is_said(name: str, awkward_report: Report) -> None:
    """A report of rows without groups has no picture."""
    rows = tuple(replace(table, shape="rows", by=()) for table in awkward_report.tables)
    with pytest.raises(UsageError, match="nothing to draw"):
        load(name).render(replace(awkward_report, tables=rows), Screen())


def test_groups_are_drawn_by_their_waits_and_their_tax() -> None:
    """The figures stand beside the marks; what is unknown has none and is counted; the twelve largest are drawn."""
    columns = (
        Column("tenant"), Column("ttft_p50_ms", "ms"), Column("ttft_p95_ms", "ms"), Column("tax_tokens", "tokens"),
    )  # fmt: skip
    rows: list[Row] = [(f"t{index}", 100.0 + index, 1000.0 + index, 7 * index) for index in range(20)]
    rows[2:4] = [("no wait", None, None, 5), ("no tax", 200.0, 900.0, None)]
    report = replace(drawn(), tables=(Table("by_tenant", columns, tuple(rows), ("tenant",)),))
    taxes, waits = pictures(report)
    assert "12 of 20 groups" in waits.description and "1 group of unknown tax not drawn" in taxes.description
    shown = load("svg").render(report, Screen())
    assert "119 ms · 1.02 s" in shown and ">133<" in shown and shown.count(">t4<") == 0
    drawn_names = re.findall(r">(t\d+)<", shown)
    largest = [f"t{index}" for index in range(19, 7, -1)]
    assert drawn_names == [*largest, *largest]
    assert shown.count(">no wait<") == shown.count(">no tax<") == 0


def test_groups_of_time_are_drawn_in_their_order() -> None:
    """Days are not ranked, and all of a month are there."""
    columns = (Column("day"), Column("ttft_p50_ms", "ms"), Column("ttft_p95_ms", "ms"))
    rows: tuple[Row, ...] = tuple((f"2026-11-{day:02d}", 100.0, 1000.0 + day * 7 % 13) for day in range(1, 31))
    (picture,) = pictures(replace(drawn(), tables=(Table("by_day", columns, rows, ("day",)),)))
    shown = re.findall(r"'text': '(2026-11-\d\d)'", str(picture.spec(820)))
    assert shown == [row[0] for row in rows] and "slowest" not in picture.description


def test_dollars_are_drawn_where_they_are_known() -> None:
    """The bar ends at the low end, a lighter part at the value, and the text has both ends."""
    names = ("tax_tokens", "tax_low_tokens"), ("tax_usd", "tax_low_usd", "tax_high_usd")
    columns = (Column("tenant"), *(Column(name, "tokens") for name in names[0]),
               *(Column(name, "usd") for name in names[1]))  # fmt: skip
    rows: tuple[Row, ...] = (("a", 900, 900, 1.0, 1.0, 1.0), ("b", 500, 400, 4.0, 2.5, 6.0))
    marks = {(1, "tax_usd"): Mark(between=("tax_low_usd", "tax_high_usd"))}
    (picture,) = pictures(replace(drawn(), tables=(Table("by_tenant", columns, rows, ("tenant",), marks=marks),)))
    bars = picture.spec(820)["layer"][0]["data"]["values"]
    assert [(one["low"], one["end"], one["text"]) for one in bars] == [(2.5, 4.0, "$2.50–6.00"), (1.0, 1.0, "$1.00")]
    assert "lighter part is estimated" in picture.description


def interval_rows(*ends: tuple[float | None, float | None]) -> Table:
    """Regressions of +10 % with these intervals."""
    rows = tuple((f"t{n}", "regression", "ttft", "p50", 0.1, low, high) for n, (low, high) in enumerate(ends))
    return Table("by_tenant", DIFF, rows, ("tenant",), shape="intervals")


def test_the_axis_of_a_diff_covers_every_interval() -> None:
    """The end of the widest interval is on the axis, to the number that the text after it says."""
    (picture,) = pictures(replace(drawn(), tables=(interval_rows((0.05, 0.2), (0.01, 0.847), (-0.3, 0.5)),)))
    text = str(picture.spec(820))
    (domain,) = set(re.findall(r"'domain': \[(-?[\d.]+), (-?[\d.]+)\], 'nice'", text))
    assert float(domain[0]) < -0.3 and float(domain[1]) > 0.847
    assert "(+1.0 % to +84.7 %)" in text and "triangle-right" not in text and "beyond" not in picture.description


def test_an_end_beyond_the_axis_has_an_arrow() -> None:
    """One interval far beyond all others, and one without a bound, do not squeeze the others; both are marked."""
    table = interval_rows(*[(0.05, 0.2)] * 20, (0.05, 30.0), (None, 0.2))
    (picture,) = pictures(replace(drawn(), tables=(table,)))
    text = str(picture.spec(820))
    ((low, high),) = set(re.findall(r"'domain': \[(-?[\d.]+), (-?[\d.]+)\], 'nice'", text))
    assert float(low) > -0.1 and float(high) < 1
    assert "triangle-right" in text and "triangle-left" in text and "(+5.0 % to +3,000.0 %)" in text
    assert "an arrow is an end beyond the axis" in picture.description


def test_a_long_name_is_broken_and_never_cut() -> None:
    """At separators, on lines that fit; only a word longer than a line is shortened."""
    route = "POST /v1/organizations/{organization_id}/conversations/{conversation_id}/messages:stream"
    for width in (28, 36, 52):
        lines = break_name(route, width)
        assert "".join(lines).replace(" ", "") == route.replace(" ", "") and max(map(len, lines)) <= width
        assert all(line[-1] in "/-" for line in lines[:-1])
    assert break_name("x" * 90, 20) == ["xxxxxxxxxx…xxxxxxxxx"]


def test_the_title_of_a_distribution_has_the_whole_name() -> None:
    """On a phone it takes several lines; its ends alone would not tell two routes apart."""
    route = "POST /v1/organizations/{organization_id}/conversations/{conversation_id}/messages:stream"
    report = drawn()
    waits = replace(report.tables[0], rows=((route, 100.0, 178.0, 30),))
    (picture,) = pictures(replace(report, tables=(waits,)))
    (one,) = picture.spec(342)["vconcat"]
    assert "".join(one["title"]["text"]).replace(" ", "") == route.replace(" ", "")


def test_a_change_and_a_deploy_on_one_day_do_not_cover_each_other() -> None:
    """They are one text; on a phone, where there is room for one, the change."""
    columns = (Column("day"), Column("ttft_p50_ms", "ms"), Column("deploy"))
    rows: tuple[Row, ...] = (("1", 5.0, None), ("2", 9.0, "v2"), ("3", 9.0, "v3"))
    table = Table("t", columns, rows, ("day",), shape="trend", breaks={1: {"ttft_p50_ms": 0.8}})
    (picture,) = pictures(replace(drawn(), tables=(table,)))
    texts = [re.findall(r"'text': '([^']+)'", str(picture.spec(width))) for width in (820, 360)]
    assert [sorted(set(each) & {"v2", "v3", "+80.0 %", "v2 · +80.0 %"}) for each in texts] == [
        ["v2 · +80.0 %", "v3"], ["+80.0 %", "v3"],
    ]  # fmt: skip


def test_a_change_is_named_before_a_deploy_next_to_it() -> None:
    """Where both texts do not fit, the figure's own change has its place, and the deploy's line stays."""
    columns = (Column("day"), Column("ttft_p50_ms", "ms"), Column("deploy"))
    rows: tuple[Row, ...] = tuple((f"2026-11-{day:02d}", 5.0, {14: "2026.11.14-2"}.get(day)) for day in range(9, 23))
    table = Table("t", columns, rows, ("day",), shape="trend", breaks={7: {"ttft_p50_ms": 0.4}})
    (picture,) = pictures(replace(drawn(), tables=(table,)))
    text = str(picture.spec(350))
    assert "'period': '16 Nov', 'text': '+40.0 %'" in text and "'period': '14 Nov', 'text': ''" in text


def test_two_hundred_groups_are_a_small_page() -> None:
    """All rows, twelve of them drawn, in less than 2 MB."""
    one = drawn().tables[1]
    figures = tuple(Column(f"figure_{index}_tokens", "tokens", "a figure", wide=True) for index in range(40))
    rows = tuple((f"tenant {index}", index, 5) for index in range(200))
    wide = tuple((*row, *range(1_000_000, 1_000_040)) for row in rows)
    tables = (Table("by_tenant", (*one.columns, *figures), wide, ("tenant",)), replace(one, rows=rows))
    page = render_bytes("html", replace(drawn(), tables=tables), Screen())
    assert len(page) < 2_000_000 and page.count(b"<tr>") >= 400 and b"12 of 200 groups" in page
