"""Labelled rows of a chart: a name next to or above each mark, the marks in between, a text after them.

Positions are in points from the left and top edge of the drawing. A name is broken into lines at ``/``, ``-`` and
spaces, and next to its mark takes at most two fifths of the width; on a phone it is above its mark.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from streamaudit.report.render._charts._drawing import COLOURS, Spec, chart, plain
from streamaudit.report.render._layout import shorten

if TYPE_CHECKING:
    import altair

PHONE = 500
"""A drawing narrower than this has names above their marks."""
_CHARACTER, _LINE = 7.0, 15.0
"""Width of an average character of the wider fonts and height of a line, at 12 points."""
_MOST_LINES = 8
_SHARE = 0.4
"""Share of the width that names next to their marks may take."""
_BREAKS = re.compile(r"(?<=[/\- ])(?=[^/\- ])")
_INSIDE = re.compile(r"(?<=[_.:])")


def break_name(name: str, characters: int) -> list[str]:
    """Return a name as lines of at most that length, broken at separators; only a longer word is shortened."""
    parts = [
        piece for part in _BREAKS.split(name)
        for piece in ([part] if len(part.rstrip()) <= characters else _INSIDE.split(part))
    ]  # fmt: skip
    lines = [""]
    for part in parts:
        piece = shorten(part, characters) if len(part.rstrip()) > characters else part
        if lines[-1] and len(lines[-1]) + len(piece.rstrip()) > characters:
            lines.append("")
        lines[-1] += piece
    if len(lines) > _MOST_LINES:
        lines = [*lines[: _MOST_LINES - 2], f"… {lines[-2]}", lines[-1]]
    return [line.strip() for line in lines]


@dataclass(frozen=True)
class Rows:
    """A layout of rows ``width`` points wide; ``texts`` are the longest texts after the marks."""

    names: Sequence[str]
    width: int
    texts: Sequence[str] = ()
    mark: float = 16.0
    """Height of a mark."""

    @property
    def is_narrow(self) -> bool:
        """Whether names are above their marks."""
        return self.width < PHONE

    @cached_property
    def lines(self) -> list[list[str]]:
        """The lines of each name."""
        room = self.width if self.is_narrow else self.width * _SHARE - 10
        return [break_name(name, int(room / _CHARACTER)) for name in self.names]

    @property
    def left(self) -> float:
        """Left edge of the marks."""
        if self.is_narrow:
            return 1.0
        return max((len(line) for name in self.lines for line in name), default=0) * _CHARACTER + 10

    @property
    def right(self) -> float:
        """Right edge of the marks, which leaves room for the texts after them."""
        after = max(map(len, self.texts), default=0) * _CHARACTER + 10 if self.texts else 4.0
        return max(self.width - after, self.left + 40)

    @cached_property
    def tops(self) -> list[float]:
        """Top edge of every row, then the height of all."""
        tops = [2.0]
        for lines in self.lines:
            name = len(lines) * _LINE
            tops.append(tops[-1] + (name + self.mark + 10 if self.is_narrow else max(name, self.mark) + 10))
        return tops

    @property
    def height(self) -> float:
        """Height of all rows."""
        return self.tops[-1]

    def middle(self, row: int) -> float:
        """Return the middle of a row's mark."""
        if self.is_narrow:
            return self.tops[row] + len(self.lines[row]) * _LINE + self.mark / 2 + 1
        return (self.tops[row] + self.tops[row + 1]) / 2 - 3

    def x(self, field: str, domain: Sequence[float], axis: Any = None, **scale: Any) -> "altair.X":
        """Return the channel that places a field between the edges of the marks."""
        import altair as alt

        return alt.X(
            f"{field}:Q", axis=axis, scale=alt.Scale(domain=domain, range=[self.left, self.right], nice=False, **scale)
        )

    def y(self, field: str = "y") -> "altair.Y":
        """Return the channel that places a field which holds a position."""
        import altair as alt

        return alt.Y(f"{field}:Q", axis=None, scale=alt.Scale(domain=[0, self.height], range=[0, self.height]))

    def place(self, row: int) -> dict[str, float]:
        """Return the middle, the top and the bottom of a row's mark as fields ``y``, ``y1`` and ``y2``."""
        middle = self.middle(row)
        return {"y": middle, "y1": middle - self.mark / 2, "y2": middle + self.mark / 2}

    def labels(self) -> Any:
        """Return the names."""
        import altair as alt

        found = []
        for row, lines in enumerate(self.lines):
            first = self.tops[row] + _LINE / 2 if self.is_narrow else self.middle(row) - (len(lines) - 1) * _LINE / 2
            found += [{"text": line, "y": first + at * _LINE} for at, line in enumerate(lines)]
        left = alt.XValue(0)  # type: ignore[no-untyped-call]
        channels = {"x": left, "y": self.y(), "text": alt.Text("text:N")}
        if not self.is_narrow:
            return _text(found, COLOURS["ink"]).encode(**channels)
        # Names above their marks lie on the grid's lines, which a rim in the page's colour interrupts.
        rim = _text(found, COLOURS["paper"], stroke=COLOURS["paper"], strokeWidth=5).encode(**channels)
        layer: Any = alt.layer
        return layer(rim, _text(found, COLOURS["ink"]).encode(**channels))

    def ends(self, rows: list[dict[str, Any]], field: str, domain: Sequence[float], **scale: Any) -> Any:
        """Return the text after each mark, which ends at a field."""
        import altair as alt

        base = chart(rows).mark_text(align="left", baseline="middle", dx=7, color=COLOURS["ink"])
        return base.encode(x=self.x(field, domain, **scale), y=self.y(), text=alt.Text("text:N"))

    def spec(self, *layers: Any) -> Spec:
        """Return the drawing of these layers and the names."""
        import altair as alt

        layer: Any = alt.layer
        return {**plain(layer(*layers, self.labels())), "width": self.width, "height": self.height}


def _text(rows: list[dict[str, Any]], colour: str, **style: Any) -> Any:
    return chart(rows).mark_text(align="left", baseline="middle", color=colour, **style)
