"""The figures that a page and a mail show first: of the total, of both periods, or the verdicts of a comparison."""

from collections.abc import Iterator

from streamaudit.report import escape
from streamaudit.report.finding import VERDICTS
from streamaudit.report.model import Column, Report, Table, Value
from streamaudit.report.numbers import UNKNOWN, header
from streamaudit.report.render._grid import Cell, grid
from streamaudit.report.render._text import figure_name, join_range

Card = dict[str, str]
"""``name``, ``value`` and ``help``, the comparison with it, and ``kind``: ``bad`` or ``good`` for a verdict."""

_CARDS = 6
_FIRST = ("tax_low_usd", "tax_usd", "cost_usd")
"""Figures that come before all others."""
_IN_TABLE = ("tax_low_tokens", "tax_rate")
"""Figures of a summary that say in another unit what a card says already."""
_IF_NEWS = ("error_rate",)
"""Figures of a summary with a card only if they have changed."""
_COMPARED = {"figure", "value", "before", "change_ratio"}
_VERDICTS = {
    "regression": ("regressions", "bad"), "improvement": ("improvements", "good"), "no change": ("no change", ""),
    "too little data": ("inconclusive", ""),
}  # fmt: skip
_KINDS = {"regression": "bad", "improvement": "good"}


def cards(report: Report) -> list[Card]:
    """Return the figures to see first, money before waits."""
    periods = summary(report)
    if periods is not None:
        return sorted(_summarise(periods), key=lambda card: _rank(card["column"]))
    table = total(report)
    if table is None:
        return []
    if table.shape == "intervals":
        compared = next(one for one in report.tables if one.shape == "intervals")
        codes = [finding.code for finding in compared.findings.values()]
        return [
            {"name": _VERDICTS[code][0], "value": f"{codes.count(code):,}", "help": "",
             "kind": _VERDICTS[code][1] if code in codes else ""} for code in VERDICTS
        ]  # fmt: skip
    cells = grid(table, None, escape.terminal, wide=True)
    found = [
        (column, {"name": figure_name(column), "value": cell.text, "help": column.help, "column": column.name})
        for column, cell, heading in zip(table.columns, cells.rows[0], cells.headings, strict=True)
        if heading.figure and (not column.wide or column.name in _FIRST[1:])
    ]  # fmt: skip
    kept = sorted(
        range(len(found)), key=lambda at: (found[at][0].name not in _FIRST, not found[at][0].kept, at)
    )[:_CARDS]  # fmt: skip
    chosen = sorted(kept, key=lambda at: (_rank(found[at][0].name), at))
    for column, card in found:
        if column.name.endswith("_ratio"):  # its amount may be a card too
            card["name"] += " share"
    return [found[at][1] for at in chosen]


def _rank(name: str) -> int:
    return _FIRST.index(name) if name in _FIRST else len(_FIRST)


def summary(report: Report) -> Table | None:
    """Return the table whose rows are figures of two periods."""
    for table in report.tables:
        names = {column.name for column in table.columns}
        if names >= _COMPARED and "dimension" not in names:
            return table
    return None


def total(report: Report) -> Table | None:
    """Return the table of the total, if it has a row."""
    return next((table for table in report.tables if table.name == "total" and table.rows), None)


def _summarise(table: Table) -> Iterator[Card]:
    """Yield a card for each figure of a summary: its value, its previous value, and the verdict if there is one."""
    names = [column.name for column in table.columns]
    rows = grid(table, None, escape.terminal, wide=True).rows
    for index, (record, cells) in enumerate(zip(table.records(), rows, strict=True)):
        name = str(record["figure"])
        if name in _IN_TABLE or (record["value"] is None and record["before"] is None):
            continue
        finding = table.findings.get(index)
        if name in _IF_NEWS and not (finding and finding.code in _KINDS):
            continue
        shown = dict(zip(names, cells, strict=True))
        figure = Column(name.replace("tax_low", "tax"), "ms" if record.get("unit") == "ms" else None)
        details = []
        if record["before"] is not None:
            details.append(f"was {shown['before'].text}, {shown['change_ratio'].text}")
        if finding:
            details.append(finding.word)
        coverage = record.get("coverage")
        if isinstance(coverage, float) and coverage < 1:
            details.append(f"known for {shown['coverage'].text}")
        yield {
            "name": figure_name(figure), "value": join_ends(shown, record.get("high")), "help": "", "column": name,
            "beside": " · ".join(details), "kind": _KINDS.get(finding.code, "") if finding else "",
        }  # fmt: skip


def join_ends(shown: dict[str, Cell], high: Value) -> str:
    """Return a value, or its low and its high end as one: ``$14.64–14.75``."""
    low = shown["value"].text
    if high is None or "high" not in shown or shown["high"].text.strip() in ("", UNKNOWN):
        return low
    return join_range(low.removeprefix("≥ "), shown["high"].text.removeprefix("≤ "))


def coverage(report: Report) -> list[Card]:
    """Return the share of calls that the figures rest on, where a total has it."""
    table = total(report)
    if table is None or table.shape == "intervals":
        return []
    on_cards = {card["column"] for card in cards(report)}
    cells = grid(table, None, escape.terminal, wide=True).rows[0]
    return [
        {"name": name, "value": cell.text, "help": column.help}
        for column, cell in zip(table.columns, cells, strict=True)
        if column.name not in on_cards and (name := _covered(column))
    ]  # fmt: skip


def _covered(column: Column) -> str:
    """Return the words for what a column says of coverage; empty for other columns."""
    if column.name == "outcome_unknown_calls":
        return "calls of unknown outcome"
    if column.name == "ttft_calls":
        return "calls with a TTFT"
    if column.name.endswith("_known_rate"):
        return f"{header(column).removesuffix(' known rate')} known for"
    return header(column) if column.name.endswith("_coverage") else ""
