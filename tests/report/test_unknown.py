"""Unknown is never drawn as zero: in every format, for every unit, in every kind of table."""

import json

import pytest

from streamaudit.report.model import Column, Interval, Report, Row, Table, Unit
from streamaudit.report.render._histogram import draw
from streamaudit.report.render.formats import BINARY, Screen, formats, load

UNITS: list[Unit | None] = ["ms", "tokens", "usd", "ratio", "calls", "tokens_per_s", "bytes", "usd_per_mtok", None]
BUCKETS = (Column("bucket_low_ms", "ms"), Column("bucket_high_ms", "ms"), Column("calls", "calls"))


def report(*tables: Table) -> Report:
    return Report("report", Interval(None, None), tables)


def one(unit: Unit | None, value: int | float | None, shape: str) -> Report:
    """One figure in a table of its own; ``total`` is a lone row, ``rows`` has a dimension."""
    if shape == "facts":
        named = (Column("group"), Column("figure"), Column("value"), Column("unit"))
        row: Row = ("g", "figure", value, unit)
        return report(Table("figures", named, (row,), ("group",), shape="facts"))
    columns = (Column("tenant"), Column("figure", unit))
    return report(Table("by_tenant", columns, (("acme", value),), ("tenant",)))


@pytest.mark.parametrize("shape", ["rows", "facts"])
@pytest.mark.parametrize("name", sorted({*formats()} - {*BINARY, "svg"}))
def test_unknown_and_zero_differ_in_every_unit(name: str, shape: str) -> None:
    """A screen shows a dash for one and a 0 for the other; data formats an empty cell or null, and a 0."""
    for unit in UNITS:
        unknown, zero = (load(name).render(one(unit, value, shape), Screen()) for value in (None, 0))
        assert unknown != zero, unit
        if name in ("table", "markdown"):
            assert "unknown, not zero" in unknown and "unknown, not zero" not in zero
        if name == "json":
            values = [json.loads(text)["tables"][0]["rows"][0] for text in (unknown, zero)]
            assert None in values[0].values() and 0 in values[1].values()


def test_a_bucket_of_unknown_calls_is_a_dash_and_an_empty_one_a_zero() -> None:
    """Neither has a bar."""
    rows: tuple[Row, ...] = ((100.0, 178.0, 4), (178.0, 316.0, None), (316.0, 562.0, 0))
    lines = draw(Table("histogram", BUCKETS, rows, shape="histogram"), None, Screen())
    assert [line.split("|")[1].split() for line in lines] == [["#" * 40, "4"], ["-"], ["0"]]


def test_a_group_of_several_with_unknown_buckets_is_drawn_from_the_known_ones() -> None:
    """Nothing fails, and what is unknown leaves no mark."""
    rows: tuple[Row, ...] = (
        ("a", 100.0, 178.0, 30), ("a", 178.0, 316.0, None), ("b", 100.0, 178.0, 25), ("b", 178.0, 316.0, 25),
    )  # fmt: skip
    table = Table("histogram", (Column("model"), *BUCKETS), rows, ("model",), shape="histogram")
    lines = draw(table, None, Screen())
    assert lines[1].split()[-1] == "30" and lines[2].split()[-1] == "50"
    assert len(lines[1].split()[1]) < len(lines[2].split()[1])
