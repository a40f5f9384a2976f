"""Typed tables: the unit decides the type, NULL stays null, and other libraries take a table as it is."""

import io
from datetime import UTC, datetime
from typing import Any

import duckdb
import polars
import pyarrow as pa
import pyarrow.parquet
import pytest

from streamaudit.report.frames import ArrowRows, Frame, Result, sql_types
from streamaudit.report.model import NO_WINDOW, Column, Json, Report, Table
from streamaudit.report.render.formats import Screen, render_bytes

WHEN = datetime(2026, 11, 16, 8, 0)
TABLE = Table(
    "by_tenant",
    (
        Column("tenant"), Column("calls", "calls"), Column("ttft_p50_ms", "ms"), Column("cost_usd", "usd"),
        Column("tokens_per_call", "tokens"), Column("streamed"), Column("first_call"), Column("empty"),
    ),
    (
        ("acme", 2, 300, 0.5, 10, True, WHEN, None),
        (None, 0, None, None, None, None, None, None),
        (None, 3, 1.5, float("nan"), 2.5, False, WHEN.replace(tzinfo=UTC), None),
    ),
    ("tenant",), rest_row=2, rest_groups=4,
)  # fmt: skip
TYPES = {
    "tenant": pa.string(), "calls": pa.int64(), "ttft_p50_ms": pa.float64(), "cost_usd": pa.float64(),
    "tokens_per_call": pa.float64(), "streamed": pa.bool_(), "first_call": pa.timestamp("us", "UTC"),
    "empty": pa.string(), "rest": pa.bool_(),
}  # fmt: skip
ROWS = [
    ("acme", 2, 300.0, 0.5, 10.0, True, WHEN.replace(tzinfo=UTC), None, False),
    (None, 0, None, None, None, None, None, None, False),
    (None, 3, 1.5, None, 2.5, False, WHEN.replace(tzinfo=UTC), None, True),
]


def test_the_unit_decides_the_type_and_null_stays_null() -> None:
    found = Frame(TABLE).to_arrow()
    assert {field.name: field.type for field in found.schema} == TYPES
    assert [tuple(row.values()) for row in found.to_pylist()] == ROWS


def test_a_table_without_rows_has_the_same_types() -> None:
    """But for columns whose values alone tell it."""
    empty = Frame(Table("by_tenant", TABLE.columns, (), ("tenant",))).to_arrow()
    by_value = ("streamed", "first_call", "rest")
    assert {field.name: field.type for field in empty.schema if field.name not in by_value} == {
        name: kind for name, kind in TYPES.items() if name not in by_value
    }


def test_polars_pandas_and_duckdb_take_a_table_as_it_is() -> None:
    """Each through the Arrow interface, without help from this package."""
    import pandas  # takes long to load, and no other test needs it

    frame = Frame(TABLE)
    assert polars.DataFrame(frame).rows() == frame.to_polars().rows() == ROWS
    taken = pandas.DataFrame.from_arrow(frame)
    assert list(taken["calls"]) == [2, 0, 3] and taken["ttft_p50_ms"].isna().tolist() == [False, True, False]
    assert str(taken["first_call"].dtype).endswith("UTC]")
    with duckdb.connect() as connection:
        assert connection.execute("SELECT sum(calls), count(ttft_p50_ms) FROM frame").fetchall() == [(5, 2)]


def test_rows_are_dictionaries_with_moments_in_utc() -> None:
    first, unknown, rest = Frame(TABLE).rows()
    assert (first["tenant"], first["first_call"]) == ("acme", WHEN.replace(tzinfo=UTC))
    assert unknown["ttft_p50_ms"] is None and "rest" not in unknown and rest["rest"] is True


def test_figures_of_different_kinds_are_texts() -> None:
    """As in the table of an explained call."""
    table = Table("figures", (Column("value"),), ((1,), ("x",), (True,), (WHEN,), (None,), (Json("[1]"),)))
    assert [row["value"] for row in Frame(table).to_arrow().to_pylist()] == [
        "1", "x", "true", "2026-11-16T08:00:00Z", None, "[1]",
    ]  # fmt: skip


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_files_hold_the_first_table_with_its_types(form: str) -> None:
    report = Report("t", NO_WINDOW, (TABLE, Table("total", (Column("n"),), ((1,),))))
    content = render_bytes(form, report, Screen())
    reader: Any = pyarrow.parquet.read_table if form == "parquet" else lambda file: pa.ipc.open_stream(file).read_all()
    found = reader(io.BytesIO(content))
    assert {field.name: field.type for field in found.schema} == TYPES
    assert [tuple(row.values()) for row in found.to_pylist()] == ROWS
    assert render_bytes(form, Report("t", NO_WINDOW, ()), Screen()) == b""


def test_rows_from_the_database_stay_arrow_until_a_renderer_asks() -> None:
    """Then they are the values that JSON and CSV know; a sum of counts is a BIGINT where it fits."""
    with duckdb.connect() as connection:
        data = sql_types(connection.sql(
            "SELECT 7::HUGEINT AS n, 99999999999999999999::HUGEINT AS large, 1.5::DECIMAL(9, 2) AS d, "
            "TIMESTAMP '2026-11-16 08:00' AS at, [1, NULL] AS list, DATE '2026-11-16' AS day, NULL::VARCHAR AS nothing"
        ).to_arrow_table())  # fmt: skip
    assert [str(field.type) for field in data.schema][:4] == [
        "int64", "decimal128(38, 0)", "decimal128(9, 2)", "timestamp[us, tz=UTC]",
    ]  # fmt: skip
    table = Table("result", tuple(map(Column, data.column_names)), ArrowRows(data))
    result = Result(Report("sql", NO_WINDOW, (table,)))
    assert result.tables["result"].to_arrow() is data
    assert render_bytes("csv", result.report, Screen()).decode().splitlines()[1] == (
        '7,99999999999999999999,1.5,2026-11-16T08:00:00Z,"[1, null]",2026-11-16,'
    )
