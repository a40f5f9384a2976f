"""The interface between audits and renderers: tables of raw values with named columns and units, and notes.

A renderer gets nothing else: no SQL and no vendor, and it computes no figure. NULL (``None``) means unknown and is
never shown as zero. Text values come from trace data and are hostile until a renderer escapes them.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal

from streamaudit.report.finding import Finding

Value = str | int | float | bool | datetime | None
Row = tuple[Value, ...]


class Json(str):
    """A value that is a JSON document: embedded as JSON in JSON output, shown as text everywhere else."""

    __slots__ = ()


_SENTENCE_END = re.compile(r"(?<=\.) (?=[A-Z0-9{])")
"""Between two sentences of a headline, whose names are still places."""

Unit = Literal["ms", "tokens", "usd", "ratio", "calls", "tokens_per_s", "bytes", "usd_per_mtok", "usd_per_token"]
"""``ratio`` is a share (0.05 = 5 %); ``usd`` dollars; ``calls`` a count of calls or records."""

Shape = Literal["rows", "histogram", "timeline", "facts", "stacked", "trend", "waterfall", "intervals"]
"""The way a screen may draw a table: ``rows``; ``histogram`` (columns ``bucket_low_ms``, ``bucket_high_ms``, ``calls``
after the dimensions; the markers come from the table named in ``markers_from``); ``timeline`` (columns ``event`` and
``at_ms``: the moments of one call on a ruler); ``facts`` (a heading for each value of the dimensions, under it one line
per row: label, figures, and sentences in the remaining width. A column ``unit`` gives the unit of the row's ``value``);
``stacked`` (the columns after the dimensions are parts of a whole: one bar a row); ``trend`` (one dimension, the
period, rows in its order, then figures; a text column ``deploy`` names what was first deployed in a period);
``waterfall`` (columns ``step`` and one or more amounts: the first row is the whole, the last what is left, those
between are subtracted); ``intervals`` (columns ``change_ratio``, ``ci_low_ratio``, ``ci_high_ratio`` and ``verdict``:
a change with its interval, NULL without a bound). The last three are rows to a screen, pictures elsewhere."""

ROWS: tuple[Shape, ...] = ("rows", "trend", "waterfall", "intervals")
"""The shapes that a screen shows as rows."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its machine name (unit in the name), the unit to display, and its one-line meaning."""

    name: str
    unit: Unit | None = None
    help: str = ""
    wide: bool = False
    """Shown on a screen only when there is room or ``--wide`` is given; always in json, jsonl and csv."""
    whole: bool = False
    """Holds names that users copy: a screen without room leaves out other columns and never shortens these."""
    prose: bool = False
    """Holds sentences, which a screen may break into lines; only in tables of the shape ``facts``."""
    unit_from: str = ""
    """The column that holds the unit of each row's value, where rows have different ones."""
    kept: bool = False
    """Always visible if possible: a screen without room leaves out other columns first."""
    essential: bool = False
    """Visible at any width: a screen without room for it gives each figure a line of its own."""
    trend: bool = False
    """Holds lists of numbers, one a period (``Json``; None without a value), which a screen draws as a line."""
    together: str = ""
    """Columns with the same word here are visible together or not at all."""
    signed: bool = False
    """A change: shown with its sign, and as 0.0 % where it rounds to nothing."""
    bound: Literal["", "gt", "le"] = ""
    """The way an edge of a bucket bounds its values: ``gt`` above it, ``le`` up to and including it."""
    of_call: bool = False
    """Dollars of single calls, which are often below a cent: a screen then shows two significant digits."""
    dimension_from: str = ""
    """The column that names the dimension of each row's value, where rows have different ones."""
    label: str = ""
    """The heading, where the name without its unit would repeat another column's."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Text that a screen adds to a cell: ``prefix`` (``≥ ``), ``suffix`` (`` + 3 open``), or ``instead`` of ``-``.

    ``shows`` is the column whose value a screen shows instead of the cell's own, which says less: a sum below its own
    low end. Empty, it shows the cell as unknown.
    """

    prefix: str = ""
    suffix: str = ""
    instead: str = ""
    shows: str | None = None
    between: tuple[str, str] | None = None
    """The columns of a low and a high end that a screen shows instead of the cell's own value, as ``$0.90–1.40``; a
    high end that is NULL, or ``open`` for other reasons, is ``?``."""
    open: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A named table of raw values.

    ``by`` names the leading dimension columns. ``rest_row`` is the index of the row that combines all groups beyond
    ``--top`` (its dimensions are NULL), ``rest_groups`` how many groups it combines. A NULL dimension elsewhere is the
    group of calls without a value. ``marks`` adds text to single cells for display, by (row index, column name).
    """

    name: str
    columns: tuple[Column, ...]
    rows: Sequence[Row]
    by: tuple[str, ...] = ()
    rest_row: int | None = None
    rest_groups: int = 0
    rest_is: Literal["other", "earlier"] = "other"
    """Relation of the combined groups to those shown: ``earlier`` in time, or just ``other`` ones."""
    shape: Shape = "rows"
    markers_from: str | None = None
    """For a histogram: the name of the table with the percentiles (same dimensions) to mark on the ruler."""
    title: str = ""
    marks: dict[tuple[int, str], Mark] = field(default_factory=dict)
    edges_ms: tuple[float, ...] = ()
    """For a histogram with fixed buckets: their upper ends, also of those without a call. Empty for others."""
    breaks: dict[int, dict[str, float]] = field(default_factory=dict)
    """For display only: the relative change by column where a series changes, by index of the row after it."""
    findings: Mapping[int, Finding] = field(default_factory=dict)
    """Findings by row index: renderers take severity and status from here, never from the words of a cell."""
    aside: bool = False
    """Left out on a screen for its length; in data formats, and drawn on a page."""
    leads: bool = False
    """Shown before all other tables, whose order data formats keep."""
    detail: bool = False
    """Shown on a screen with ``--wide`` alone; a page and data formats have it."""
    detail_rows: frozenset[int] = frozenset()
    """Indexes of the rows of which the same holds."""

    def records(self) -> Iterator[dict[str, Value]]:
        """Yield the rows as dictionaries in column order; the rest row carries ``"rest": True``."""
        names = [column.name for column in self.columns]
        for index, row in enumerate(self.rows):
            record = dict(zip(names, row, strict=True))
            if index == self.rest_row:
                record["rest"] = True
            yield record

    def groups(self) -> Iterator[dict[str, Value]]:
        """Yield the rows of groups that have a name: not the rest row, nor the calls without a value."""
        return (
            record for record in self.records()
            if "rest" not in record and any(record[name] is not None for name in self.by)
        )  # fmt: skip

    def select(self, places: Sequence[int]) -> "Table":
        """Return the table with the rows at these places only, in this order, their marks and findings with them."""
        new = {old: at for at, old in enumerate(places)}
        return replace(
            self, rows=tuple(self.rows[old] for old in places),
            marks={(new[row], name): mark for (row, name), mark in self.marks.items() if row in new},
            findings={new[row]: finding for row, finding in self.findings.items() if row in new},
            rest_row=new.get(self.rest_row) if self.rest_row is not None else None,
            breaks={new[row]: one for row, one in self.breaks.items() if row in new},
            detail_rows=frozenset(new[row] for row in self.detail_rows if row in new),
        )  # fmt: skip

    def position(self, name: str) -> int:
        """Return the index of a column; KeyError when the table has no such column."""
        for index, column in enumerate(self.columns):
            if column.name == name:
                return index
        raise KeyError(name)


@dataclass(frozen=True, slots=True)
class Note:
    """A caveat of the figures; ``count`` is the number of calls (or records) that it concerns."""

    code: str
    message: str
    count: int | None = None
    about: tuple[str, ...] = ()
    """Beginnings of the names of columns that it qualifies: people see it only with one of them; empty for always."""
    redacted: str = ""
    """The message where it must name no value of a dimension; empty where it names none."""
    data_only: bool = False
    """People read the same in another note, or in the headline."""

    def qualifies(self, name: str) -> bool:
        """Return whether it qualifies a figure of this name."""
        return not self.about or name.startswith(self.about)


@dataclass(frozen=True, slots=True)
class Interval:
    """The window a report covers; None on a side means the data's own end. Shown in zone ``tz``.

    A report that does not cover calls in time has ``NO_WINDOW``.
    """

    since: datetime | None
    until: datetime | None
    tz: str = "UTC"
    last_call: datetime | None = None
    """The start of the last call in it; None without a call that has a start."""


NO_WINDOW = Interval(None, None)


@dataclass(frozen=True, slots=True)
class Report:
    """An answer: the query (interval, filters, by), the tables, and the notes."""

    title: str
    interval: Interval
    tables: tuple[Table, ...]
    by: tuple[str, ...] = ()
    filters: dict[str, str] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    verdict: Literal["pass", "fail", "insufficient"] | None = None
    generated_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    subject: str = ""
    """Subject of the report, for the title of a page, where ``title`` is the name of a command."""
    command: str = ""
    """The command that gives this report."""
    headline: str = ""
    """The answer in one or two plain sentences, from figures only. Where it has to name groups, each is a place
    ``{0}``, ``{1}`` … that ``headline_names`` fills, so that a name can be replaced by an alias."""
    headline_names: tuple[tuple[str, Value], ...] = ()
    """Dimension and value of each place in the headline, in their order; without any the headline is literal."""

    @property
    def answer(self) -> str:
        """The headline with its names. It then holds trace text, which a renderer must escape."""
        return self._fill(self.headline)

    @property
    def sentences(self) -> tuple[str, ...]:
        """The headline's sentences, each with its names; a name never ends one."""
        return tuple(self._fill(one) for one in _SENTENCE_END.split(self.headline) if one)

    def _fill(self, text: str) -> str:
        if not self.headline_names:
            return text
        return text.format(*("-" if value is None else value for _, value in self.headline_names))
