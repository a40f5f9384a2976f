"""Prometheus text: one gauge a figure of the first table, a classic histogram of waits where the report has one.

Valid both as the text format 0.0.4, which node_exporter's textfile collector reads, and as OpenMetrics 1.0: only gauges
and classic histograms are spelled alike in the two, and no sample has a timestamp. Names carry base units; a figure
that is unknown has no sample, since NaN would be a value. No two series have the same labels, whatever names a trace
holds.

Sources: prometheus/docs ``instrumenting/exposition_formats.md`` and ``specs/om/open_metrics_spec.md``.
"""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from streamaudit.report import escape
from streamaudit.report.model import ROWS, Column, Report, Row, Table, Value
from streamaudit.report.numbers import is_known
from streamaudit.report.render.formats import Screen

SUFFIXES = (".prom",)
ALL_GROUPS = False

Labels = tuple[tuple[str, str], ...]

_NONE, _OTHERS = "(none)", "(other)"
"""Label values of the calls without a value, and of all groups beyond ``--top``. An empty label would be no label."""
_LABEL_LENGTH = 200
_UNITS = ("seconds", "tokens", "usd", "ratio", "calls", "bytes")
_NOT_IN_NAME = re.compile(r"\W", re.ASCII)


@dataclass(slots=True)
class _Family:
    """A metric: its type, its help, and its samples in the order in which they are written."""

    name: str
    kind: str
    help: str
    samples: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        unit = self.name.rpartition("_")[2]
        yield f"# TYPE {self.name} {self.kind}"
        if unit in _UNITS:
            yield f"# UNIT {self.name} {unit}"
        yield f"# HELP {self.name} {self.help}"
        yield from self.samples


def render(report: Report, screen: Screen) -> str:
    """Return the metrics of a report; of one without figures those about the report itself."""
    families = [*_about(report), *_gauges(report), *_histograms(report)]
    lines = itertools.chain.from_iterable(family.lines() for family in families if family.samples)
    return "".join(f"{line}\n" for line in (*lines, "# EOF"))


def _about(report: Report) -> Iterator[_Family]:
    """Yield gauges that tell how old the figures are and what they cover."""
    window, table = report.interval, _figures(report)
    labels = (("command", _command(report)), ("by", ",".join(map(_label_name, report.by))))
    moments: tuple[tuple[str, datetime | None, str], ...] = (
        ("last_success", report.generated_at, "When these figures were computed."),
        ("window_start", window.since, "Beginning of the window that the figures cover."),
        ("window_end", window.until, "End of the window that the figures cover."),
        ("data_until", window.last_call, "Start of the last call in the window."),
    )
    for name, moment, text in moments:
        one = _Family(f"streamaudit_{name}_timestamp_seconds", "gauge", text)
        if moment is not None:
            one.samples.append(_sample(one.name, labels, moment.timestamp()))
        yield one
    folded = _Family("streamaudit_folded_groups", "gauge", "Groups beyond --top, which share the label (other).")
    folded.samples.append(_sample(folded.name, labels, table.rest_groups if table else 0))
    yield folded


def _figures(report: Report) -> Table | None:
    return next((table for table in report.tables[:1] if table.shape in (*ROWS, "stacked", "facts")), None)


def _gauges(report: Report) -> Iterator[_Family]:
    table = _figures(report)
    if table is None:
        return
    rows = list(_labelled(table))
    command = _command(report)
    prefix = "" if command == "report" else f"{command}_"
    for index, column in enumerate(table.columns):
        if column.name in table.by or column.trend or column.unit_from or column.unit is None:
            continue
        name, factor = _in_base_units(column)
        one = _Family(f"streamaudit_{prefix}{name}", "gauge", _help(column))
        for labels, row in rows:
            value = row[index]
            if isinstance(value, int | float) and is_known(value):
                one.samples.append(_sample(one.name, labels, value * factor if factor != 1 else value))
        yield one


def _histograms(report: Report) -> Iterator[_Family]:
    for table in report.tables:
        if table.shape != "histogram":
            continue
        command = _command(report)
        sums = _sums(report, table, f"{command}_sum_ms")
        text = f"{command} of the calls in the window: no counter"
        one = _Family(f"streamaudit_{command}_seconds", "histogram", text)
        if sums:
            buckets = [(labels, row) for labels, row in _labelled(table, unique=False)]
            for labels, found in itertools.groupby(buckets, key=lambda pair: pair[0]):
                one.samples += _series(one.name, labels, table, [row for _, row in found], sums.get(labels))
        yield one


def _series(
    name: str, labels: Labels, table: Table, rows: Sequence[Row], total_ms: float | None
) -> Iterator[str]:  # fmt: skip
    """Yield the samples of one group: cumulative counts at every edge, and their sum."""
    high_at, calls_at = table.position("bucket_high_ms"), table.position("calls")
    counts = {row[high_at]: row[calls_at] for row in rows}
    ends = table.edges_ms or sorted(end for end in counts if isinstance(end, int | float))
    total = 0
    for end in ends:
        total += _count(counts.get(end))
        yield _sample(f"{name}_bucket", (*labels, ("le", _number(end / 1000))), total)
    total += _count(counts.get(None))
    yield _sample(f"{name}_bucket", (*labels, ("le", "+Inf")), total)
    yield _sample(f"{name}_count", labels, total)
    if total_ms is not None:
        yield _sample(f"{name}_sum", labels, total_ms / 1000)


def _count(value: Value) -> int:
    return value if isinstance(value, int) else 0


def _sums(report: Report, histogram: Table, name: str) -> Mapping[Labels, float]:
    """Return the sums in milliseconds by the labels of a group."""
    for table in report.tables:
        if table.name == histogram.markers_from and name in [column.name for column in table.columns]:
            at = table.position(name)
            found = ((labels, row[at]) for labels, row in _labelled(table))
            return {labels: value for labels, value in found if isinstance(value, int | float) and is_known(value)}
    return {}


def _labelled(table: Table, unique: bool = True) -> Iterator[tuple[Labels, Row]]:
    """Yield the rows with their labels: the dimensions, and short texts such as the name of a finding.

    With ``unique`` no two rows have the same labels: a number in parentheses sets them apart.
    """
    texts = [
        index for index, column in enumerate(table.columns)
        if column.name in table.by or (column.unit is None and not (column.prose or column.wide or column.unit_from))
    ]  # fmt: skip
    seen: dict[Labels, int] = {}
    for position, row in enumerate(table.rows):
        labels = tuple(
            (_label_name(table.columns[index].name), _label(row[index], position == table.rest_row))
            for index in texts
            if table.columns[index].name in table.by or isinstance(row[index], str)
        )
        seen[labels] = seen.get(labels, 0) + 1
        if unique and seen[labels] > 1 and labels:
            (name, last), number = labels[-1], seen[labels]
            labels = (*labels[:-1], (name, f"{last} ({number})"))
        yield labels, row


def _label(value: Value, is_rest: bool) -> str:
    if value is None:
        return _OTHERS if is_rest else _NONE
    if isinstance(value, datetime):
        return value.isoformat()
    return escape.shorten(escape.terminal(str(value)), _LABEL_LENGTH)


def _label_name(name: str) -> str:
    return _NOT_IN_NAME.sub("_", name)


def _command(report: Report) -> str:
    return _NOT_IN_NAME.sub("_", report.command or "report")


def _in_base_units(column: Column) -> tuple[str, float]:
    """Return the name of a figure with its base unit, and the factor to that unit."""
    name = _NOT_IN_NAME.sub("_", column.name)
    if column.unit == "ms":
        return f"{name.removesuffix('_ms')}_seconds", 0.001
    if column.unit == "ratio" and not name.endswith("_ratio"):
        return f"{name}_ratio", 1
    return name, 1


def _sample(name: str, labels: Labels, value: float) -> str:
    texts = ",".join(f'{key}="{_quoted(text)}"' for key, text in labels)
    return f"{name}{{{texts}}} {_number(value)}" if texts else f"{name} {_number(value)}"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _help(column: Column) -> str:
    words = re.sub("_ms$", "", column.name).replace("_", " ")
    text = f"{words}, in the window" + (f": {column.help}" if column.help else "")
    return text.replace("\\", "\\\\").replace("\n", " ").replace('"', "'")


def _number(value: float) -> str:
    """Return a number as both formats write it: ``0.1``, ``1.0`` for an edge of a bucket, ``12`` for a count."""
    if isinstance(value, int):
        return str(value)
    return repr(float(f"{value:.15g}"))
