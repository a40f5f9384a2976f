"""GitHub Markdown: for pull requests, step summaries and chat."""

from collections.abc import Iterator, Sequence

from streamaudit.render import Screen, _escape, _facts, _timeline, _words
from streamaudit.render._grid import Grid, grid, markers, sections
from streamaudit.render._histogram import draw, subject
from streamaudit.report import NO_WINDOW, Report

SUFFIXES = (".md", ".markdown")
ALL_GROUPS = False


def render(report: Report, screen: Screen) -> str:
    """The report under a second-level heading, with the columns a screen shows."""
    blocks = [*_heading(report), *_tables(report, screen)]
    if report.notes:
        blocks.append("\n".join(f"- {_escape.markdown_line(_words.note(note))}" for note in report.notes))
    return "\n\n".join(blocks) + "\n"


def _heading(report: Report) -> Iterator[str]:
    yield f"## {_escape.markdown(report.title)}"
    if report.interval is not NO_WINDOW:
        yield _escape.markdown(_words.interval(report.interval))
    if report.filters:
        yield f"Filters: {_escape.markdown(_words.filters(report))}"
    if report.headline:
        yield _escape.markdown_line(report.headline)
    if report.verdict:
        yield f"Verdict: **{report.verdict}**"


def _tables(report: Report, screen: Screen) -> Iterator[str]:
    unknown = False
    for position, (table, total) in enumerate(sections(report)):
        if title := _words.table_title(table, position):
            yield f"### {_escape.markdown(title)}"
        if table.shape == "histogram":
            lines = draw(table, markers(report, table), Screen())
            yield _fenced([*filter(None, [subject(table, unicode=False)]), *lines])
        elif table.shape == "timeline":
            yield _fenced(_timeline.draw(table, Screen()))
        elif not table.rows and total is None:
            yield _words.NO_ROWS
        elif table.shape == "facts":
            cells = _facts.grid(table, _escape.markdown)
            unknown |= cells.shows_unknown
            yield "\n".join(_rows(cells))
        else:
            cells = grid(table, total, _escape.markdown, screen.wide)
            unknown |= cells.shows_unknown
            yield "\n".join(_rows(cells))
    if unknown:
        yield "`-` unknown, not zero"


def _rows(cells: Grid) -> Iterator[str]:
    yield _row([heading.text for heading in cells.headings])
    yield _row(["---:" if heading.figure else "---" for heading in cells.headings])
    for index, row in enumerate(cells.rows):
        texts = [cell.text for cell in row]
        yield _row([f"**{text}**" if text else "" for text in texts] if index == cells.total else texts)


def _row(texts: Sequence[str]) -> str:
    return f"| {' | '.join(texts)} |"


def _fenced(lines: Sequence[str]) -> str:
    # Longer than any run of backticks in a name, so that no name can close the block.
    fence = "```"
    while any(fence in line for line in lines):
        fence += "`"
    return "\n".join([fence, *lines, fence])
