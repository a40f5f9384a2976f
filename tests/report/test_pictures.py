"""Pictures and pages: what is drawn, what is refused, and that no name is more than text."""

import re
import struct
from dataclasses import replace

import pytest

from streamaudit.errors import UsageError
from streamaudit.report.model import Column, Interval, Mark, Report, Row, Table
from streamaudit.report.render._charts import pictures
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
    assert {"billed", "≥ 30", "unknown", "rendered", "regression", "no change", "ttft p50"} <= texts
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
    """The figures stand beside the marks; what is unknown has none and is counted; twelve groups are drawn."""
    columns = (
        Column("tenant"), Column("ttft_p50_ms", "ms"), Column("ttft_p95_ms", "ms"), Column("tax_tokens", "tokens"),
    )  # fmt: skip
    rows: list[Row] = [(f"t{index}", 100.0 + index, 1000.0 + index, 7 * index) for index in range(20)]
    rows[2:4] = [("no wait", None, None, 5), ("no tax", 200.0, 900.0, None)]
    report = replace(drawn(), tables=(Table("by_tenant", columns, tuple(rows), ("tenant",)),))
    waits, taxes = pictures(report)
    assert "the first 12 of 20 groups" in waits.description and "1 groups of unknown tax" in taxes.description
    shown = load("svg").render(report, Screen())
    assert "104 ms · 1.00 s" in shown and ">28<" in shown and "t15" not in shown
    assert shown.count(">no wait<") == shown.count(">no tax<") == 1


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


def test_two_hundred_groups_are_a_small_page() -> None:
    """All rows, twelve of them drawn, in less than 2 MB."""
    one = drawn().tables[1]
    figures = tuple(Column(f"figure_{index}_tokens", "tokens", "a figure", wide=True) for index in range(40))
    rows = tuple((f"tenant {index}", index, 5) for index in range(200))
    wide = tuple((*row, *range(1_000_000, 1_000_040)) for row in rows)
    tables = (Table("by_tenant", (*one.columns, *figures), wide, ("tenant",)), replace(one, rows=rows))
    page = render_bytes("html", replace(drawn(), tables=tables), Screen())
    assert len(page) < 2_000_000 and page.count(b"<tr>") >= 400 and b"the first 12 of 200 rows" in page
