"""GitHub Markdown: for pull requests, step summaries and chat.

Findings are visible; inconclusive rows, long tables after the first, and many notes are folded.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from streamaudit.report import escape
from streamaudit.report.finding import Finding
from streamaudit.report.model import NO_WINDOW, Report, Table
from streamaudit.report.render import _facts, _text, _timeline
from streamaudit.report.render._grid import Cell, Grid, grid, markers, sections
from streamaudit.report.render._histogram import draw, subject
from streamaudit.report.render.formats import Screen

SUFFIXES = (".md", ".markdown")
ALL_GROUPS = False

_CODE_HEADINGS = ("verdict", "finding")
OPEN_ROWS, OPEN_NOTES = 12, 4
"""Longer tables after the first are folded, and so are more notes than this."""


def render(report: Report, screen: Screen) -> str:
    """Return the report under a second-level heading, with the columns a screen shows."""
    blocks = [*_heading(report), *_tables(report, screen)]
    if found := _text.notes(report, wide=screen.wide):
        notes = "\n".join(f"- {escape.markdown_line(note)}" for note in found)
        blocks.append(_fold(f"{len(found)} notes", notes) if len(found) > OPEN_NOTES else notes)
    return "\n\n".join(blocks) + "\n"


def _heading(report: Report) -> Iterator[str]:
    yield f"## {escape.markdown(report.title)}"
    if report.verdict:
        yield f"Verdict: **{_text.verdict(report)}**"
    if report.answer:
        yield escape.markdown_line(report.answer)
    if report.interval is not NO_WINDOW:
        yield escape.markdown(_text.interval(report.interval))
    if report.filters:
        yield f"Filters: {escape.markdown(_text.filters(report))}"


def _tables(report: Report, screen: Screen) -> Iterator[str]:
    unknown = False
    for position, (table, total) in enumerate(sections(report, details=screen.wide)):
        title = _text.table_title(table, position)
        heading = f"### {escape.markdown(title)}" if title else ""
        if table.shape == "histogram":
            lines = draw(table, markers(report, table), Screen())
            yield from filter(None, [heading])
            yield _fence([*filter(None, [subject(table, unicode=False)]), *lines])
        elif table.shape == "timeline":
            yield from filter(None, [heading])
            yield _fence(_timeline.draw(table, Screen()))
        elif not table.rows and total is None:
            yield from filter(None, [heading])
            yield _text.NO_ROWS
        elif table.shape == "facts":
            cells = _facts.grid(table, escape.markdown)
            unknown |= cells.shows_unknown
            yield from filter(None, [heading])
            yield "\n".join(_rows(cells))
        else:
            cells = grid(table, total, escape.markdown, screen.wide)
            unknown |= cells.shows_unknown
            yield from _grid(cells, table, title if position else "", heading)
    if unknown:
        yield "`-` unknown, not zero"


def _grid(cells: Grid, table: Table, title: str, heading: str) -> Iterator[str]:
    """Yield a table, open or folded under its title; if it has verdicts, undecided rows are folded."""
    open_, folded = _split_undecided(cells, table)
    if title and len(open_.rows) > OPEN_ROWS:
        yield _fold(f"{escape.markdown(title)}: {_count_rows(len(cells.rows))}", "\n".join(_rows(cells)))
        return
    yield from filter(None, [heading])
    if open_.rows:
        yield "\n".join(_rows(open_))
    if folded.rows:
        yield _fold(f"{_count_rows(len(folded.rows))} inconclusive", "\n".join(_rows(folded)))


def _split_undecided(cells: Grid, table: Table) -> tuple[Grid, Grid]:
    found = [table.findings.get(index) for index in range(len(table.rows))]
    nothing = replace(cells, rows=[])
    # With a total or a break, grid rows and table rows differ; the figures of a summary stay together.
    is_plain = len(cells.rows) == len(found) and all(found)
    if not is_plain or not any(one and one.is_undecided for one in found):
        return _embolden(cells, found), nothing
    apart = [
        replace(cells, rows=[row for row, one in zip(cells.rows, found, strict=True)
            if (one is not None and one.is_undecided) is undecided], rest=None)
        for undecided in (False, True)
    ]  # fmt: skip
    return _embolden(apart[0], [one for one in found if one and not one.is_undecided]), apart[1]


def _embolden(cells: Grid, found: Sequence[Finding | None]) -> Grid:
    """Set what failed in bold: there are no colours here."""
    place = next((i for i, heading in enumerate(cells.headings) if heading.text in _CODE_HEADINGS), None)
    if place is None or len(cells.rows) != len(found):
        return cells
    rows: list[Sequence[Cell]] = [
        [cell._replace(head=f"**{cell.text}**", tail="") if i == place and one and one.is_failure else cell
            for i, cell in enumerate(row)]
        for row, one in zip(cells.rows, found, strict=True)
    ]  # fmt: skip
    return replace(cells, rows=rows)


def _count_rows(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows:,} rows"


def _fold(summary: str, body: str) -> str:
    # Without the empty lines GitHub parses the content as HTML.
    return f"<details>\n<summary>{summary}</summary>\n\n{body}\n\n</details>"


def _rows(cells: Grid) -> Iterator[str]:
    yield _row([heading.text for heading in cells.headings])
    yield _row(["---:" if heading.figure else "---" for heading in cells.headings])
    for index, row in enumerate(cells.rows):
        texts = [cell.text for cell in row]
        yield _row([f"**{text}**" if text else "" for text in texts] if index == cells.total else texts)


def _row(texts: Sequence[str]) -> str:
    return f"| {' | '.join(texts)} |"


def _fence(lines: Sequence[str]) -> str:
    # Longer than any run of backticks in a name, so that no name can close the block.
    fence = "```"
    while any(fence in line for line in lines):
        fence += "`"
    return "\n".join([fence, *lines, fence])
