"""A report's tables as typed columns: for polars, pandas, DuckDB and any reader of the Arrow interface.

A column's unit decides its type, so that it is the same in every window: counts are BIGINT, amounts are DOUBLE, times
are in UTC. NULL stays null. pyarrow and polars are imported by the methods that need them, never before.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, overload

from streamaudit.report.model import Column, Json, Note, Report, Row, Table, Value
from streamaudit.report.numbers import is_known, utc

if TYPE_CHECKING:
    import polars
    import pyarrow

_COUNTS = ("calls", "tokens", "bytes")
_AMOUNTS = ("ms", "usd", "ratio", "tokens_per_s", "usd_per_mtok", "usd_per_token")


class ArrowRows(Sequence[Row]):
    """Rows fetched from the database as an Arrow table, converted to Python values only when a renderer needs them."""

    __slots__ = ("_rows", "data")

    def __init__(self, data: "pyarrow.Table") -> None:
        self.data = data
        self._rows: tuple[Row, ...] | None = None

    def __len__(self) -> int:
        return int(self.data.num_rows)

    @overload
    def __getitem__(self, index: int) -> Row: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...

    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        return self._build_rows()[index]

    def __iter__(self) -> Iterator[Row]:
        return iter(self._build_rows())

    def _build_rows(self) -> tuple[Row, ...]:
        if self._rows is None:
            columns = ([_report_value(value) for value in column.to_pylist()] for column in self.data.columns)
            self._rows = tuple(zip(*columns, strict=True))
        return self._rows


@dataclass(frozen=True, slots=True)
class Frame:
    """A table of a result, which polars, pandas and DuckDB accept: it offers ``__arrow_c_stream__``."""

    table: Table

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of the columns, dimensions first."""
        return tuple(column.name for column in self.table.columns)

    def __len__(self) -> int:
        return len(self.table.rows)

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows as dictionaries of Python values; times are in UTC, NULL is None.

        The row that combines all groups beyond ``top`` has ``"rest": True`` in addition.
        """
        trends = {column.name for column in self.table.columns if column.trend}
        return [
            {name: json.loads(value) if name in trends and isinstance(value, str) else _to_utc(value)
             for name, value in record.items()}
            for record in self.table.records()
        ]  # fmt: skip

    def to_arrow(self) -> "pyarrow.Table":
        """Return a ``pyarrow.Table``; a boolean column ``rest`` comes last if a row combines other groups."""
        import pyarrow as pa

        table = self.table
        if isinstance(table.rows, ArrowRows):
            return table.rows.data
        names = list(self.columns)
        arrays = [
            _array(column, [row[index] for row in table.rows], is_dimension=column.name in table.by)
            for index, column in enumerate(table.columns)
        ]
        if table.rest_row is not None:
            names.append("rest")
            arrays.append(pa.array([index == table.rest_row for index in range(len(table.rows))], pa.bool_()))
        return pa.Table.from_arrays(arrays, names=names)

    def to_polars(self) -> "polars.DataFrame":
        """Return a ``polars.DataFrame``."""
        import polars

        return polars.DataFrame(self)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Return the table as an Arrow stream (the Arrow PyCapsule interface)."""
        return self.to_arrow().__arrow_c_stream__(requested_schema)


@dataclass(frozen=True, slots=True)
class Result:
    """The answer to one query: typed tables by name, notes, and the whole as JSON."""

    report: Report
    """The report that renderers take."""

    @property
    def tables(self) -> dict[str, Frame]:
        """Return the tables by name, such as ``by_tenant`` and ``total``, in the order of the report."""
        return {table.name: Frame(table) for table in self.report.tables}

    @property
    def notes(self) -> tuple[Note, ...]:
        """Return the notes that qualify the figures."""
        return self.report.notes

    @property
    def verdict(self) -> str | None:
        """Return ``pass``, ``fail`` or ``insufficient``; None for a query without a gate."""
        return self.report.verdict

    def to_json(self) -> str:
        """Return the report as ``--format json`` prints it (``docs/report.schema.json``)."""
        from streamaudit.report.render.formats import Screen, load

        return load("json").render(self.report, Screen())


def sql_types(data: "pyarrow.Table") -> "pyarrow.Table":
    """Return the rows of a statement with the documented types of a result.

    Times are UTC in the store, and a sum of counts is a BIGINT where it fits one.
    """
    import pyarrow as pa

    for index, field in enumerate(data.schema):
        kind = field.type
        if pa.types.is_timestamp(kind):
            data = data.set_column(index, field.name, data.column(index).cast(pa.timestamp("us", "UTC")))
        elif pa.types.is_decimal(kind) and kind.scale == 0:
            try:
                data = data.set_column(index, field.name, data.column(index).cast(pa.int64()))
            except pa.ArrowInvalid:  # larger than a BIGINT: keep it exact
                continue
    return data


def _array(column: Column, values: Sequence[Value], *, is_dimension: bool) -> "pyarrow.Array[Any]":
    import pyarrow as pa

    if column.trend:
        lists = [json.loads(value) if isinstance(value, str) else None for value in values]
        return pa.array(lists, pa.list_(pa.float64()))
    kind = pa.string() if is_dimension else _kind(column, values)
    if pa.types.is_timestamp(kind):
        return pa.array([_to_utc(value) for value in values], kind)
    if pa.types.is_string(kind):
        return pa.array([None if value is None else _text(value) for value in values], kind)
    if pa.types.is_floating(kind):
        return pa.array([float(value) if is_known(value) else None for value in values], kind)  # type: ignore[arg-type]
    return pa.array(values, kind)


def _kind(column: Column, values: Sequence[Value]) -> "pyarrow.DataType":
    """Return the type of a column: that of its unit or, without one unit for all rows, that of its values."""
    import pyarrow as pa

    found = {type(value) for value in values if value is not None}
    if column.unit in _AMOUNTS or (column.unit_from and found <= {int, float}):
        return pa.float64()
    if column.unit in _COUNTS:
        # A mean of tokens may have decimals.
        return pa.float64() if float in found or "_per_" in column.name else pa.int64()
    if found == {bool}:
        return pa.bool_()
    if found == {int}:
        return pa.int64()
    if found and found <= {int, float}:
        return pa.float64()
    return pa.timestamp("us", "UTC") if found == {datetime} else pa.string()


def _text(value: Value) -> str:
    if isinstance(value, datetime):
        return utc(value).isoformat().replace("+00:00", "Z")
    return str(value).lower() if isinstance(value, bool) else str(value)


def _to_utc(value: Any) -> Any:
    """Return a time in UTC, assuming UTC where it has no zone; return every other value unchanged."""
    return utc(value) if isinstance(value, datetime) else value


def _report_value(value: Any) -> Value:
    """Convert a value from Arrow to a report's value."""
    if value is None or isinstance(value, str | bool | int | float | datetime):
        return value
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() and value.as_tuple().exponent == 0 else float(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | dict | tuple):
        return Json(json.dumps(value, default=str, ensure_ascii=False))
    return value.hex() if isinstance(value, bytes) else str(value)
