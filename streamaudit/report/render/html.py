"""A self-contained HTML page: figures and their coverage first, then charts, then every table.

The charts are SVG drawn when the page is made, so it loads no library and shows them without scripts. Its policy allows
only the page's own style and script, by their hash. Names from traces are text everywhere.
"""

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from typing import Any

from streamaudit import __version__
from streamaudit.report import escape
from streamaudit.report.finding import VERDICTS
from streamaudit.report.model import NO_WINDOW, Column, Report, Table, Value
from streamaudit.report.numbers import header, is_known, iso
from streamaudit.report.render import _charts, _text
from streamaudit.report.render._grid import Grid, grid, sections
from streamaudit.report.render._work import WIDTH, work
from streamaudit.report.render.formats import Screen

SUFFIXES = (".html", ".htm")
ALL_GROUPS = True
_WIDE, _NARROW = 820, 350
_CARDS = 6
_COMPARED = {"figure", "value", "before", "change_ratio"}


@dataclass(frozen=True, slots=True)
class _Cell:
    """A cell: ``shown`` is displayed; ``raw`` is used to sort and download, empty where both are the same."""

    shown: str
    raw: str | None
    prose: bool = False
    """It holds a sentence, which may take several lines."""


@dataclass(frozen=True, slots=True)
class _Heading:
    text: str
    help: str
    figure: bool
    wide: bool
    raw: str


def render(report: Report, screen: Screen) -> str:
    """Return the page; UsageError when the extra ``html`` is not installed."""
    try:
        import jinja2
    except ImportError:
        raise _charts.missing_packages() from None
    files = resources.files("streamaudit.report.render") / "_page"
    style, script = (_minimal((files / name).read_text(encoding="utf-8")) for name in ("page.css", "page.js"))
    roles = "".join(f"--{role}:{colour};" for role, colour in _charts.COLOURS.items())
    style = f":root{{{roles}}}\n{style}"
    template = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        (files / "page.html.j2").read_text(encoding="utf-8")
    )
    shown = sections(report)
    text = template.render(
        verdict=_text.verdict(report), title=_safe(report.title), report=report,
        version=__version__, style=_trust(style), script=_trust(script),
        policy=f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; "
        "base-uri 'none'; form-action 'none'",
        window="" if report.interval is NO_WINDOW else _safe(_text.interval(report.interval)),
        filters=_safe(_text.filters(report)), headline=_safe(report.answer), cards=_cards(report),
        coverage=_coverage(report), charts=_draw(report, aside=False), later=_draw(report, aside=True),
        work=work(report), drawing_width=WIDTH, notes=list(map(_safe, _text.notes(report, wide=True))),
        tables=[_table(table, total, place) for place, (table, total) in enumerate(shown)],
        made=f"{report.generated_at:%Y-%m-%d %H:%M} UTC",
    )  # fmt: skip
    return text.rstrip("\n") + "\n"


def _safe(text: str) -> str:
    return escape.terminal(text)


def _minimal(text: str) -> str:
    return "\n".join(line.strip() for line in text.splitlines() if line.strip())


def _trust(text: str) -> Any:
    """Mark a text of this package, or one that Vega has escaped, as safe to embed unescaped."""
    from markupsafe import Markup

    return Markup(text)


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _draw(report: Report, *, aside: bool) -> list[dict[str, Any]]:
    """Return each chart twice, for a desk and for a phone; the style shows one of them.

    ``aside`` selects the charts of tables that come after all others.
    """
    later = {table.name for table in report.tables if table.aside}
    return [
        {
            "title": one.title, "description": _safe(one.description), "table": one.table,
            "wide": _trust(_inline(one.spec(_WIDE))), "narrow": _trust(_inline(one.spec(_NARROW))),
        }
        for one in _charts.pictures(report) if (one.table in later) is aside
    ]  # fmt: skip


def _inline(spec: dict[str, Any]) -> str:
    """Return a chart with colours by role, so that a page's theme sets them. Its figure describes it in words."""
    drawn = _charts.svg(spec)
    for role, colour in _charts.COLOURS.items():
        drawn = drawn.replace(f'"{colour}"', f'"var(--{role})"')
    return re.sub(r"-?\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", drawn)


def _cards(report: Report) -> list[dict[str, str]]:
    """Return the figures to see first: of the total, of both periods, or the verdicts of a comparison."""
    summary = next((table for table in report.tables if {c.name for c in table.columns} >= _COMPARED), None)
    if summary is not None:
        return list(_summary_cards(summary))
    table = _total(report)
    if table is None:
        return []
    if table.shape == "intervals":
        compared = [one for one in report.tables if one.shape == "intervals"]
        judged = [finding for one in compared for finding in one.findings.values()]
        words = {code: next((one.word for one in judged if one.code == code), code) for code in VERDICTS}
        codes = [one.code for one in judged]
        return [{"name": words[code], "value": f"{codes.count(code):,}", "help": ""} for code in VERDICTS]
    cells = grid(table, None, _safe)
    columns = [column for column in table.columns if not column.wide]
    found = [
        (not column.kept, {"name": header(column), "value": cell.text, "help": column.help})
        for column, cell, heading in zip(columns, cells.rows[0], cells.headings, strict=True) if heading.figure
    ]  # fmt: skip
    kept = sorted(range(len(found)), key=lambda index: (found[index][0], index))[:_CARDS]
    return [found[index][1] for index in sorted(kept)]


def _summary_cards(table: Table) -> Iterator[dict[str, str]]:
    """Yield a card for each figure of a summary: its value, its previous value, and the verdict if there is one."""
    names = [column.name for column in table.columns]
    for index, (record, cells) in enumerate(
        zip(table.records(), grid(table, None, _safe, wide=True).rows, strict=True)
    ):
        shown = {name: cell.text for name, cell in zip(names, cells, strict=True)}
        figure = Column(str(record["figure"]), "ms" if record.get("unit") == "ms" else None)
        was = f"was {shown['before']}, {shown['change_ratio']}" if record["before"] is not None else ""
        finding = table.findings.get(index)
        details = [was, finding.word if was and finding else ""]
        coverage = record.get("coverage")
        if isinstance(coverage, float) and coverage < 1:
            details.append(f"known of {shown['coverage']}")
        yield {"name": header(figure), "value": shown["value"], "help": "", "beside": "; ".join(filter(None, details))}


def _coverage(report: Report) -> list[dict[str, str]]:
    """Return the share of calls that the figures rest on, where a total has it."""
    table = _total(report)
    if table is None or table.shape == "intervals":
        return []
    cells = grid(table, None, _safe, wide=True).rows[0]
    return [
        {"name": header(column), "value": cell.text, "help": column.help}
        for column, cell in zip(table.columns, cells, strict=True)
        if column.name.endswith(("_known_rate", "_coverage", "outcome_unknown_calls", "ttft_calls"))
    ]


def _total(report: Report) -> Table | None:
    return next((table for table in report.tables if table.name == "total" and table.rows), None)


def _table(table: Table, total: Table | None, place: int) -> dict[str, Any]:
    cells = grid(table, total, _safe, wide=True)
    headings = [
        _Heading(heading.text, column.help, heading.figure, column.wide and column.name not in table.by, column.name)
        for heading, column in zip(cells.headings, table.columns, strict=True)
    ]
    return {
        "id": f"t{place}", "name": table.name, "title": _safe(_text.table_title(table, 1)), "headings": headings,
        "rows": list(_rows(table, cells, total)), "wide": any(heading.wide for heading in headings),
        "count": len(table.rows),
    }  # fmt: skip


def _rows(table: Table, cells: Grid, total: Table | None) -> Any:
    data = iter(table.rows)
    breaks = set(table.breaks)
    index = 0
    for place, shown in enumerate(cells.rows):
        if index in breaks:  # the chart and a table of its own show where a series changes
            breaks.remove(index)
            continue
        if place == cells.total and total is not None:
            values: tuple[Value, ...] = (*["total"] * bool(table.by), *[None] * (len(table.by) - 1), *total.rows[0])
            kind = "total"
        else:
            values, kind = next(data), "rest" if index == table.rest_row else ""
            index += 1
        yield kind, [_cell(cell.text, value, c) for cell, value, c in zip(shown, values, table.columns, strict=True)]


def _cell(shown: str, value: Value, column: Column) -> _Cell:
    raw = _raw(value)
    return _Cell(shown, None if raw == shown else _on_one_line(raw), column.prose)


def _on_one_line(text: str) -> Any:
    """Escape a value for an attribute, line breaks included: no name starts a line of the file."""
    from markupsafe import Markup, escape

    return escape(text).replace("\n", Markup("&#10;")).replace("\r", Markup("&#13;"))


def _raw(value: Value) -> str:
    """Return the value as a cell of CSV before quoting; empty when it is unknown."""
    if isinstance(value, str):
        return escape.csv(value).replace("\x00", "")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return iso(value)
    return str(value) if is_known(value) else ""
