"""Histograms worked by hand: bars for one group, a shared ruler for several."""

import pytest

from streamaudit.report.model import Column, Row, Table, Value
from streamaudit.report.render._histogram import draw, subject
from streamaudit.report.render.formats import Screen

BUCKETS = (Column("bucket_low_ms", "ms"), Column("bucket_high_ms", "ms"), Column("calls", "calls"))
PERCENTILES = tuple(Column(f"ttft_{p}_ms", "ms") for p in ("p50", "p90", "p95", "p99"))
EDGES = [100.0, 178.0, 316.0, 562.0, 1000.0, 1778.0]


def one_group(counts: dict[int, int], *percentiles: Value) -> tuple[Table, Table]:
    """A histogram with these counts by number of bucket, and its percentiles."""
    rows = tuple((EDGES[i], EDGES[i + 1], calls) for i, calls in counts.items())
    table = Table("histogram", BUCKETS, rows, shape="histogram", markers_from="total")
    return table, Table("total", (Column("calls", "calls"), *PERCENTILES), ((sum(counts.values()), *percentiles),))


def groups(*several: tuple[Value, list[tuple[float, float, int]]]) -> Table:
    """A histogram by model."""
    rows = tuple((name, *bucket) for name, buckets in several for bucket in buckets)
    return Table("histogram", (Column("model"), *BUCKETS), rows, ("model",), shape="histogram", markers_from="by_model")


def test_bars_counts_and_markers() -> None:
    """The longest bar is the full forty, the others in proportion, each percentile at the bucket it falls in."""
    table, markers = one_group({0: 50, 1: 400, 2: 200, 3: 3, 4: 1}, 250.0, 400.0, 562.0, None)
    assert draw(table, markers, Screen()) == [
        "100 ms |#####                                      50",
        "178 ms |########################################  400   < p50 250 ms",
        "316 ms |####################                      200   < p90 400 ms  p95 562 ms",
        "562 ms |.                                           3",
        " 1.0 s |.                                           1",
    ]


def test_blocks_on_a_unicode_terminal() -> None:
    """Bars are true to an eighth of a character, and one call is still seen."""
    table, markers = one_group({0: 1, 1: 1000, 2: 512}, None, None, None, None)
    assert draw(table, markers, Screen(28)) == [
        "100 ms │▏                  1",
        "178 ms │█████████████  1,000",
        "316 ms │██████▋          512",
    ]


def test_percentiles_in_one_bucket_share_a_line() -> None:
    """Several markers of a bucket are joined."""
    table, markers = one_group({0: 10, 1: 1}, 110.0, 150.0, 177.0, 200.0)
    lines = draw(table, markers, Screen())
    assert lines[0].endswith("< p50 110 ms  p90 150 ms  p95 177 ms")
    assert lines[1].endswith("< p99 200 ms")


def test_unknown_percentiles_have_no_marker() -> None:
    """NULL is no place on the ruler, and without a table of percentiles there are none."""
    table, markers = one_group({0: 10, 1: 1}, 110.0, None, None, None)
    assert sum("<" in line for line in draw(table, markers, Screen())) == 1
    assert not any("<" in line for line in draw(table, None, Screen()))


@pytest.mark.parametrize("counts", [{0: 5, 1: 0, 2: 0, 3: 5}, {0: 5, 3: 5}])
def test_empty_buckets_inside_the_range_are_drawn(counts: dict[int, int]) -> None:
    """A gap is seen as a gap, whether the table holds its empty buckets or leaves them out."""
    table, markers = one_group(counts, None, None, None, None)
    lines = draw(table, markers, Screen())
    assert [line.split()[-1] for line in lines] == ["5", "0", "0", "5"]
    assert [line.partition("|")[0] for line in lines] == ["100 ms ", "178 ms ", "316 ms ", "562 ms "]


def test_an_uneven_gap_is_one_empty_line() -> None:
    """Where the width of the missing buckets cannot be known, the gap is one bucket."""
    rows: tuple[Row, ...] = ((10.0, 20.0, 5), (1000.0, 2000.0, 5))
    lines = draw(Table("histogram", BUCKETS, rows, shape="histogram"), None, Screen())
    assert [line.partition("|")[0] for line in lines] == ["10 ms ", "20 ms ", "1.0 s "]


def test_markers_move_below_where_there_is_no_room() -> None:
    """A narrow terminal keeps its bars and lists the percentiles under them."""
    table, markers = one_group({0: 10, 1: 5}, 110.0, 150.0, 177.0, 200.0)
    lines = draw(table, markers, Screen(24))
    assert lines[0] == "100 ms │████████████  10"
    assert lines[-1] == "p50 110 ms  p90 150 ms  p95 177 ms  p99 200 ms"


def test_open_ends_are_drawn() -> None:
    """A bucket without a lower or an upper bound has a line of its own."""
    rows: tuple[Row, ...] = ((None, 10.0, 1), (10.0, 100.0, 2), (100.0, None, 3))
    lines = draw(Table("histogram", BUCKETS, rows, shape="histogram"), None, Screen())
    assert [line.split()[-1] for line in lines] == ["1", "2", "3"]


def test_bounds_too_close_for_short_labels_get_long_ones() -> None:
    """Two buckets never carry the same label."""
    rows: tuple[Row, ...] = ((1260.0, 1270.0, 1), (1270.0, 1300.0, 1))
    lines = draw(Table("histogram", BUCKETS, rows, shape="histogram"), None, Screen())
    assert [line.partition(" |")[0] for line in lines] == ["1.26 s", "1.27 s"]


def test_the_subject_names_the_group_and_n() -> None:
    """n stands beside the title of a single histogram; several have theirs at the right."""
    assert subject(one_group({0: 1204}, None, None, None, None)[0], True) == "n = 1,204"
    assert subject(groups(("gpt\x1b", [(1.0, 10.0, 5)])), True) == "gpt\\x1b   n = 5"
    assert subject(groups(("a", [(1.0, 10.0, 5)]), ("b", [(1.0, 10.0, 5)])), True) == ""


def test_several_groups_share_one_ruler() -> None:
    """Two decades on sixty characters: each bucket of a decade is thirty wide, and the signs stand where they fall."""
    table = groups(("fast", [(100.0, 1000.0, 600), (1000.0, 10_000.0, 100)]), ("slow", [(1000.0, 10_000.0, 1200)]))
    rows: tuple[Row, ...] = (("fast", 700, 316.3, 900.0, 3163.0, None), ("slow", 1200, 1000.0, 9000.0, 10_000.0, None))
    markers = Table("by_model", (Column("model"), Column("calls", "calls"), *PERCENTILES), rows, ("model",))
    assert draw(table, markers, Screen()) == [
        "model  100 ms         316 ms         1.0 s          3.2 s                n",
        "fast   @@@@@@@@@@@@@@@o@@@@@@@@@@@@@@...............*..............    700",
        "slow                                 o@@@@@@@@@@@@@@@@@@@@@@@@@@@@*  1,200",
        "       o p50   * p95",
    ]


def test_few_calls_are_named_not_drawn() -> None:
    """Nineteen calls make no shape; twenty do."""
    table = groups(("few", [(10.0, 100.0, 19)]), ("enough", [(100.0, 1000.0, 20)]))
    lines = draw(table, None, Screen())
    assert lines[1] == "few     n = 19  too few"
    assert lines[2].startswith("enough  @@@@") and lines[2].endswith("  20")
    assert lines[0].startswith("model   100 ms")


def test_only_few_calls_everywhere() -> None:
    """Without a group to draw there is no ruler, and nothing fails."""
    table = groups(("a", [(10.0, 100.0, 1)]), (None, [(10.0, 100.0, 2)]))
    lines = draw(table, None, Screen(40))
    assert [line.split(maxsplit=1)[1] for line in lines[1:]] == ["n = 1  too few", "n = 2  too few"]


def test_the_rest_is_not_the_group_without_a_value() -> None:
    """From ``rest_row`` on the buckets belong to all other groups; NULL before it is a group of its own."""
    table = groups(("a", [(10.0, 100.0, 30)]), (None, [(10.0, 100.0, 40)]), (None, [(10.0, 100.0, 50)]))
    table = Table(**{**{f: getattr(table, f) for f in table.__slots__}, "rest_row": 2, "rest_groups": 7})
    names = [line.split("  ")[0] for line in draw(table, None, Screen())]
    assert names == ["model", "a", "-", "(7 others)", ""]


def test_a_narrow_bucket_is_not_lost() -> None:
    """A bucket thinner than a character still leaves a mark."""
    table = groups(("a", [(1.0, 1.001, 1), (1.001, 100_000.0, 9999)]), ("b", [(1.0, 100_000.0, 20)]))
    assert draw(table, None, Screen())[1].strip().startswith("a")
    table = groups(("a", [(1.0, 10.0, 9999), (5000.0, 5001.0, 1)]), ("b", [(1.0, 100_000.0, 20)]))
    assert draw(table, None, Screen())[1].count(".") == 1


def fine(first: int, counts: list[int]) -> Table:
    """Twelve buckets a decade from 10^(first/12) on."""
    edges = [10 ** ((first + place) / 12) for place in range(len(counts) + 1)]
    rows = tuple((low, high, calls) for low, high, calls in zip(edges[:-1], edges[1:], counts, strict=True))
    return Table("histogram", BUCKETS, rows, shape="histogram")


def test_more_buckets_than_lines_are_added_up_with_decades_as_edges() -> None:
    """Nothing is lost or smeared: each line is the sum of its buckets, and 10 ms, 100 ms and 1 s begin a line."""
    counts = [place + 1 for place in range(41)]
    lines = draw(fine(7, counts), None, Screen())
    assert len(lines) == 21
    assert sum(int(line.split()[-1]) for line in lines) == sum(counts)
    assert {"10 ms", "100 ms", "1.0 s"} <= {line.partition("|")[0].strip() for line in lines}
    assert [int(line.split()[-1]) for line in lines[:3]] == [1, 2 + 3, 4 + 5]


def test_a_ruler_has_a_character_for_each_bucket() -> None:
    """No bucket is drawn as several of one height, which would look like a plateau."""
    heights = [1, 2, 3, 4, 5, 6, 7, 8, 7, 6, 5, 4, 3, 2, 1] * 2
    both = [(name, [(10 ** (n / 12), 10 ** ((n + 1) / 12), calls * 10) for n, calls in enumerate(heights, 24)])
            for name in ("a", "b")]  # fmt: skip
    lines = draw(groups(*both), None, Screen(100))
    assert lines[1].split()[1] == "▁▂▃▄▅▆▇█▇▆▅▄▃▂▁" * 2


def test_names_have_the_room_that_a_short_ruler_leaves() -> None:
    """A name is not cut where there is space for it."""
    name = "a-model-with-quite-a-long-name"
    both = [(name, [(10 ** (n / 12), 10 ** ((n + 1) / 12), 50) for n in range(24, 40)]), ("b", [(100.0, 1e3, 50)])]
    assert draw(groups(*both), None, Screen(80))[1].startswith(name)


def test_no_rows() -> None:
    """An empty window has no histogram, and says so."""
    assert draw(groups(), None, Screen(80)) == ["no rows"]
