"""The screen: tables for people, in the terminal's width or, off a terminal, in their natural width."""

import io
import re
from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from streamaudit.report import escape
from streamaudit.report.model import NO_WINDOW, Report
from streamaudit.report.render import _facts, _stacked, _text, _timeline
from streamaudit.report.render._grid import grid, markers, name_details, sections, sums_of_parts
from streamaudit.report.render._histogram import draw, subject
from streamaudit.report.render._layout import Line, fold, lay_out
from streamaudit.report.render.formats import Screen

SUFFIXES = (".txt",)
ALL_GROUPS = False

_MOST_TEXT = 20_000
_LONG_NAME = re.compile(r"\S{1001,}")
_VERDICTS = {"pass": "bold green", "fail": "bold red", "insufficient": "bold yellow"}


def render(report: Report, screen: Screen) -> str:
    """Return the report as text; styled only when the screen has colour."""
    lines = [*_heading(report, screen), *_tables(report, screen), *_notes(report, screen)]
    if screen.width is not None:
        lines = [folded for line in lines for folded in _fold(line, screen.width)]
    lines = [line._replace(text=escape.line(line.text)) for line in lines]
    return _style(lines) if screen.color else "".join(f"{line.text}\n" for line in lines)


def _heading(report: Report, screen: Screen) -> Iterator[Line]:
    about = [report.title] if report.interval is NO_WINDOW else [report.title, _text.interval(report.interval)]
    yield Line(_safe("   ".join(about), screen), "bold")
    if report.filters:
        yield Line(_safe(f"filters: {_text.filters(report)}", screen))
    if report.answer:
        yield Line(_safe(report.answer, screen))
    if report.verdict:
        yield Line(f"verdict: {_text.verdict(report)}", _VERDICTS[report.verdict])


def _tables(report: Report, screen: Screen) -> Iterator[Line]:
    shown = sections(report, details=screen.wide)
    unknown = False
    for position, (table, total) in enumerate(shown):
        yield Line("")
        title = _safe(_text.table_title(table, position), screen)
        if table.shape == "histogram":
            title = "   ".join(filter(None, [title, subject(table, screen.unicode)]))
        if title:
            yield Line(title, "bold")
        if table.shape == "histogram":
            yield from map(Line, draw(table, markers(report, table), screen))
        elif table.shape == "timeline":
            yield from map(Line, _timeline.draw(table, screen))
        elif table.shape == "stacked":
            sums = sums_of_parts(report, table, lambda text: _safe_name(text, screen))
            yield from map(Line, _stacked.draw(table, sums, lambda text: _safe_name(text, screen), screen))
        elif table.shape == "facts":
            unknown |= _facts.shows_unknown(table)
            yield from _facts.draw(table, screen)
        elif not table.rows and total is None:
            yield Line(_text.NO_ROWS, "dim")
        else:
            cells = grid(table, total, lambda text: _safe_name(text, screen), screen.wide)
            unknown |= cells.shows_unknown
            yield from lay_out(cells, screen, alone=len(shown) == 1 and table.name == "total")
    left_out = "" if screen.wide else name_details(report)
    if unknown or left_out:
        yield Line("")
    if unknown:
        yield Line(_text.LEGEND, "dim")
    if left_out:
        yield Line(f"hidden: {left_out} (--wide)", "dim")


def _notes(report: Report, screen: Screen) -> Iterator[Line]:
    notes = _text.notes(report, wide=screen.wide)
    if notes:
        yield Line("")
    for note in notes:
        yield Line(_safe(f"note: {note}", screen))


def _fold(line: Line, width: int) -> list[Line]:
    parts = list(fold(line.text, width))
    return [line] if parts == [line.text] else [Line(part.rstrip(), line.style) for part in parts]


def _safe(text: str, screen: Screen) -> str:
    text = _LONG_NAME.sub(lambda found: escape.shorten(found.group()), escape.shorten(text, _MOST_TEXT))
    return escape.terminal(text, unicode=screen.unicode)


def _safe_name(text: str, screen: Screen) -> str:
    return escape.terminal(escape.shorten(text), unicode=screen.unicode)


def _style(lines: list[Line]) -> str:
    console = Console(
        file=io.StringIO(), force_terminal=True, color_system="standard", no_color=False, width=1 << 16,
        legacy_windows=False, markup=False, emoji=False, highlight=False,
    )  # fmt: skip
    with console.capture() as captured:
        for line in lines:
            text = Text(line.text, style=line.style)
            for start, end, style in line.spans:
                text.stylize(style, start, end)
            console.print(text, soft_wrap=True)
    return captured.get()
