"""Fit a grid into a width at the least cost to the reader.

First headings take two lines, then names are shortened, then columns are left out, and at last each figure has a line
of its own. A figure is never cut.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rich.cells import cell_len, chop_cells

from streamaudit.report.render._grid import Cell, Grid, Heading
from streamaudit.report.render.formats import Screen

_GAP = "  "
_NAME_MIN, _NAME_GOOD = 6, 24
_PROTECTED_FIGURES = 2
_UNIT = re.compile(r"(?<=\d) (?=(%|ms|s|[kMBT])(?!\w))")
_PAGE = 100
"""Off a terminal a single row longer than this many cells becomes a list."""


class Line(NamedTuple):
    """A line of output and the rich style it has where there is colour."""

    text: str
    style: str = ""
    spans: tuple[tuple[int, int, str], ...] = ()
    """Parts with a style of their own: first character, the one after the last, style."""


@dataclass(frozen=True, slots=True)
class _Size:
    """Widths of one column in cells: its widest head, its widest tail, its heading on one line, on two, and the longest
    word of its heading."""

    head: int
    tail: int
    flat: int
    stacked: int
    word: int
    is_name: bool
    whole: bool = False

    def width(self, stacked: bool, name_cap: int) -> int:
        heading = self.stacked if stacked else self.flat
        if self.whole:
            return max(self.head, heading)
        if self.is_name:
            # Headings of names wrap, never inside a word that is no name itself.
            return max(min(self.head, name_cap), min(heading, max(name_cap, min(self.word, _NAME_GOOD))))
        return max(self.head + self.tail, heading)


@dataclass(frozen=True, slots=True)
class _Plan:
    """The columns to show, in blocks below each other, and their widths."""

    blocks: list[list[int]]
    stacked: bool = False
    name_cap: int = 1 << 30
    hidden: tuple[int, ...] = ()


def lay_out(grid: Grid, screen: Screen, alone: bool = False) -> list[Line]:
    """Return the grid as lines. ``alone``: nothing else is shown, so a single long row may become a list."""
    sizes = [_size(heading, [row[i] for row in grid.rows]) for i, heading in enumerate(grid.headings)]
    if alone and len(grid.rows) == 1 and _width(sizes, range(len(sizes)), False) > (screen.width or _PAGE):
        return _as_lists(grid)
    plan = _plan(grid.headings, sizes, screen)
    if plan is None:
        return _as_lists(grid)
    lines: list[Line] = []
    for block in plan.blocks:
        lines += [Line("")] if lines else []
        lines += _block(grid, sizes, block, plan, screen)
    if plan.hidden:
        names = ", ".join(grid.headings[i].text for i in plan.hidden)
        lines.append(Line(f"hidden: {names} (--wide)", "dim"))
    return lines


def shorten(text: str, width: int, unicode: bool = True) -> str:
    """Return the text cut in its middle to at most ``width`` cells."""
    if cell_len(text) <= width:
        return text
    dots = "…" if unicode else ".."
    room = max(width - len(dots), 0)
    front = chop_cells(text, max(room - room // 2, 1))[0] if room else ""
    back = chop_cells(text[::-1], room // 2)[0][::-1] if room // 2 else ""
    return front + dots + back


def pad(text: str, width: int) -> str:
    """Return the text with spaces after it up to ``width`` cells."""
    return text + " " * (width - cell_len(text))


def fold(text: str, width: int) -> Iterator[str]:
    """Yield the text as lines of at most ``width`` cells, broken between words where possible, not before a unit."""
    if cell_len(text) <= width:
        yield text
        return
    line = ""
    for word in _UNIT.sub("\0", text).split(" "):
        word = word.replace("\0", " ")
        if line and cell_len(line) + 1 + cell_len(word) > width:
            yield line
            line = ""
        line = f"{line} {word}" if line else word
        if cell_len(line) > width:
            *full, line = chop_cells(line, width)
            yield from full
    yield line


def _size(heading: Heading, cells: Sequence[Cell]) -> _Size:
    return _Size(
        head=max((cell_len(cell.head) for cell in cells), default=0),
        tail=max((cell_len(cell.tail) for cell in cells), default=0),
        flat=cell_len(heading.text),
        stacked=max(map(cell_len, stack(heading.text))),
        word=max(map(cell_len, heading.text.split(" "))),
        is_name=not heading.figure,
        whole=heading.whole,
    )


def stack(text: str) -> list[str]:
    """Return a heading on two lines, as evenly as its words allow."""
    words = text.split(" ")
    ways = [[" ".join(words[:i]), " ".join(words[i:])] for i in range(1, len(words))]
    return min(ways, key=lambda way: max(map(cell_len, way)), default=[text])


def _width(sizes: Sequence[_Size], columns: Sequence[int], stacked: bool, name_cap: int = 1 << 30) -> int:
    return sum(sizes[i].width(stacked, name_cap) for i in columns) + len(_GAP) * (len(columns) - 1)


def _plan(headings: Sequence[Heading], sizes: Sequence[_Size], screen: Screen) -> _Plan | None:
    """Return the columns to show, or None when not even the protected ones fit side by side."""
    everything = list(range(len(headings)))
    if screen.width is None:
        return _Plan([everything])
    dimensions = [i for i in everything if headings[i].dimension]
    figures = [i for i in everything if not headings[i].dimension]
    if screen.wide:
        return _in_blocks(dimensions, figures, sizes, screen.width)
    # Kept columns stay longest; otherwise the columns on the right go first.
    by_worth = sorted(figures, key=lambda i: (not headings[i].essential, not headings[i].kept))
    least = max(min(_PROTECTED_FIGURES, len(figures)), sum(heading.essential for heading in headings))
    for count in range(len(figures), least - 1, -1):
        kept, hidden = _split(headings, dimensions, by_worth, count)
        for stacked in (False, True):
            if _width(sizes, kept, stacked, _NAME_GOOD) <= screen.width:
                return _Plan([kept], stacked, _widest_cap(sizes, kept, stacked, screen.width), hidden)
    kept, hidden = _split(headings, dimensions, by_worth, least)
    if _width(sizes, kept, True, _NAME_MIN) <= screen.width:
        return _Plan([kept], True, _widest_cap(sizes, kept, True, screen.width), hidden)
    return None


def _split(
    headings: Sequence[Heading], dimensions: list[int], by_worth: list[int], count: int
) -> tuple[list[int], tuple[int, ...]]:
    """Return the first ``count`` columns and the others; of columns that go together none is kept alone."""
    apart = {headings[i].together for i in by_worth[count:]} - {""}
    kept = [i for i in by_worth[:count] if headings[i].together not in apart]
    return dimensions + sorted(kept), tuple(sorted(set(by_worth) - set(kept)))


def _widest_cap(sizes: Sequence[_Size], columns: Sequence[int], stacked: bool, width: int) -> int:
    caps = range(min(max((sizes[i].head for i in columns if sizes[i].is_name), default=0), width), _NAME_MIN, -1)
    return next((cap for cap in caps if _width(sizes, columns, stacked, cap) <= width), _NAME_MIN)


def _in_blocks(dimensions: list[int], figures: list[int], sizes: Sequence[_Size], width: int) -> _Plan | None:
    """Return a plan of every column: as many as fit, then the others below with the names repeated."""
    if _width(sizes, [*dimensions, *figures], False) <= width:
        return _Plan([[*dimensions, *figures]])
    blocks: list[list[int]] = []
    cap = max(_widest_cap(sizes, dimensions, True, width // 3), _NAME_MIN)
    for figure in figures:
        if blocks and _width(sizes, [*blocks[-1], figure], True, cap) <= width:
            blocks[-1].append(figure)
        else:
            blocks.append([*dimensions, figure])
    fits = all(_width(sizes, block, True, cap) <= width for block in blocks)
    return _Plan(blocks or [dimensions], True, cap) if fits else None


def _block(grid: Grid, sizes: Sequence[_Size], columns: list[int], plan: _Plan, screen: Screen) -> list[Line]:
    widths = [sizes[i].width(plan.stacked, plan.name_cap) for i in columns]
    rule = Line(("─" if screen.drawing else "-") * (sum(widths) + len(_GAP) * (len(columns) - 1)), "dim")
    lines = [*_headings([grid.headings[i] for i in columns], widths, plan.stacked, screen.unicode), rule]
    for index, row in enumerate(grid.rows):
        if index == grid.total:
            lines.append(rule)
        texts = [_cell(row[i], sizes[i], width, screen.unicode) for i, width in zip(columns, widths, strict=True)]
        style = "bold" if index == grid.total else "dim" if index == grid.rest else ""
        lines.append(Line(_GAP.join(texts).rstrip(), style, tuple(_spans([row[i].style for i in columns], texts))))
    return lines


def _spans(styles: Sequence[str], texts: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    start = 0
    for style, text in zip(styles, texts, strict=True):
        if style:
            yield start, start + len(text), style
        start += len(text) + len(_GAP)


def _headings(headings: Sequence[Heading], widths: Sequence[int], stacked: bool, unicode: bool) -> list[Line]:
    texts = []
    for heading, width in zip(headings, widths, strict=True):
        if heading.figure or heading.whole:
            texts.append(stack(heading.text) if stacked and cell_len(heading.text) > width else [heading.text])
        elif max(map(cell_len, heading.text.split(" "))) > width:
            texts.append([shorten(heading.text, width, unicode)])
        else:
            texts.append(list(fold(heading.text, width)))
    height = max(map(len, texts), default=0)
    lines = []
    for level in range(height):
        cells = []
        for heading, width, text in zip(headings, widths, texts, strict=True):
            part = ([""] * (height - len(text)) + text)[level]
            cells.append(" " * (width - cell_len(part)) + part if heading.figure else pad(part, width))
        lines.append(Line(_GAP.join(cells).rstrip(), "bold"))
    return lines


def _cell(cell: Cell, size: _Size, width: int, unicode: bool) -> str:
    if size.is_name:
        return pad(shorten(cell.text, width, unicode), width)
    tail = pad(cell.tail, size.tail)
    return " " * (width - size.tail - cell_len(cell.head)) + cell.head + tail


def _as_lists(grid: Grid) -> list[Line]:
    """Return every row as a list of names and values."""
    labels = max((cell_len(heading.text) for heading in grid.headings), default=0)
    figures = [i for i, heading in enumerate(grid.headings) if heading.figure]
    head = max((cell_len(row[i].head) for row in grid.rows for i in figures), default=0)
    lines: list[Line] = []
    for row in grid.rows:
        lines += [Line("")] if lines else []
        for heading, cell in zip(grid.headings, row, strict=True):
            indent = " " * (head - cell_len(cell.head)) if heading.figure else ""
            start = f"{pad(heading.text, labels)}{_GAP}{indent}"
            spans = ((len(start), len(start) + len(cell.text), cell.style),) if cell.style else ()
            lines.append(Line(start + cell.text, spans=spans))
    return lines
