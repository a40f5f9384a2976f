"""The headline figures of both periods, side by side, with the verdict of the comparison at the same mix."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from streamaudit.audits.diff.compare import Compared
from streamaudit.audits.diff.finding import finding_of
from streamaudit.audits.metrics import METRICS
from streamaudit.report.finding import Finding
from streamaudit.report.model import Column, Mark, Note, Row, Table, Value

FIGURES = (
    Column("figure", None, "which figure", kept=True, whole=True),
    Column("value", None, "of this period; of a tax its low end", unit_from="unit", kept=True),
    Column("high", None, "high end of a tax; NULL when some calls have none", unit_from="unit"),
    Column("before", None, "of the period before; of a tax its low end", unit_from="unit", kept=True),
    Column("change_ratio", "ratio", "value / before - 1", kept=True, signed=True),
    Column("verdict", None, "regression, improvement, no change or inconclusive, at the mix before", kept=True),
    Column("coverage", "ratio", "share of the calls it could be of that it is of"),
    Column("trend", None, "of the last eight periods, oldest first; NULL where it is not known", trend=True,
        kept=True),
    Column("change_at_base_mix_ratio", "ratio", "change at the mix of models, routes and tenants before", wide=True,
        signed=True),
    Column("ci_low_ratio", "ratio", "95 % interval of it, low end", wide=True, signed=True),
    Column("ci_high_ratio", "ratio", "95 % interval, high end; NULL has no bound", wide=True, signed=True),
    Column("p_adjusted", None, "p value, corrected for all comparisons of the summary", wide=True),
    Column("unit", None, "unit of the values", wide=True),
    Column("reason", None, "why it is inconclusive", wide=True),
)  # fmt: skip


def figures(
    head: Table, base: Table, totals: list[Compared], notes: Sequence[Note], lines: Mapping[str, Value]
) -> Table:  # fmt: skip
    """Return one row per figure, from the totals of both periods' reports and the comparisons of all calls.

    ``lines`` has figures over the last periods by name; a screen has no column for them where there are none.
    """
    now, then = next(head.records()), next(base.records())
    compared = {(row.metric, row.found.stat): row.found for row in totals}
    estimated = {(row.metric, row.found.stat): row.estimated for row in totals}
    unpriced = next((note.count for note in notes if note.code == "cost_unknown"), 0) or 0
    with_outcome = _share(now["calls"], now["outcome_unknown_calls"])
    with_ttft = _part(now["ttft_calls"], now["streamed_calls"])
    with_usage = _number(now["cancelled_usage_known_rate"])
    listed_rows: list[tuple[str, str, tuple[str, str] | None, float | None]] = [
        ("calls", "", None, None),
        ("ttft_p50_ms", "", ("ttft", "p50"), with_ttft),
        ("ttft_p95_ms", "", ("ttft", "p95"), with_ttft),
        ("cancel_rate", "", ("cancel_rate", "rate"), with_outcome),
        ("error_rate", "", ("error_rate", "rate"), with_outcome),
        ("tax_low_tokens", "tax_high_tokens", None, with_usage),
        ("tax_low_usd", "tax_high_usd", None, with_usage),
        ("tax_rate", "", ("tax_rate", "rate"), with_usage),
        ("cost_usd", "", None, _share(now["calls"], unpriced)),
    ]
    rows: list[Row] = []
    marks: dict[tuple[int, str], Mark] = {}
    findings: dict[int, Finding] = {}
    for index, (name, high, key, coverage) in enumerate(listed_rows):
        found = compared.get(key) if key else None
        value, before = _figure(name, now), _figure(name, then)
        if name == "tax_rate" and found:
            value, before = found.head_value, found.base_value_all
        judged = found is not None and not found.gate
        rows.append((
            name, value, now[high] if high else None, before, relative(value, before),
            found.verdict if found else None, coverage, lines.get(name),
            *(map(ten_digits, (found.change_ratio, found.ci_low_ratio, found.ci_high_ratio, found.p_adjusted))
              if found and judged else (None,) * 4),
            METRICS[name].unit, found.reason or None if found else None,
        ))  # fmt: skip
        blank = (("high", high), ("verdict", found), ("reason", found and found.reason), ("trend", lines.get(name)))
        for column, given in blank:
            if not given:
                marks[(index, column)] = Mark(instead=" ")
        if found:
            findings[index] = finding_of(found, {})
        if coverage is None:
            marks[(index, "coverage")] = Mark(instead=" ")
        if name == "tax_rate" and key and key in estimated:
            for column, rests in zip(("before", "value"), estimated[key], strict=True):
                if rests:
                    marks[(index, column)] = Mark(prefix="~ ")
        for column, table, of in (("value", head, name), ("before", base, name), ("high", head, high)):
            if (0, of) in table.marks:
                marks[(index, column)] = table.marks[(0, of)]
    columns = tuple(replace(column, wide=column.wide or (column.trend and not lines)) for column in FIGURES)
    return Table("figures", columns, tuple(rows), marks=marks, findings=findings)


def _figure(name: str, record: dict[str, Value]) -> float | None:
    if name == "error_rate":
        known = record["outcome_unknown_calls"] != record["calls"]
        return _part(record["errors"], record["calls"]) if known else None
    return None if name == "tax_rate" else _number(record[name])


def _number(value: Value) -> float | int | None:
    return value if isinstance(value, int | float) else None


def _part(part: Value, whole: Value) -> float | None:
    return part / whole if isinstance(part, int) and isinstance(whole, int) and whole else None


def _share(calls: Value, without: Value) -> float | None:
    return 1 - without / calls if isinstance(calls, int) and isinstance(without, int) and calls else None


def relative(value: float | None, before: float | None) -> float | None:
    """Return the relative change; NULL when either is unknown or there was nothing."""
    return ten_digits(value / before - 1) if value is not None and before else None


def ten_digits(value: float | None) -> float | None:
    """Return a figure without the digits that differ between machines."""
    return None if value is None else float(f"{value:.10g}")
