"""Shared parts of all charts: colours by role, texts, and the conversion to SVG.

All texts are data to Vega, never expressions or addresses, and the drawing has no access to any file or network.
Charts name the class of a channel (``alt.Text("text:N")``): Altair takes milliseconds to find that of a bare string.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from streamaudit.errors import UsageError
from streamaudit.report import escape
from streamaudit.report.model import Table, Value
from streamaudit.report.numbers import NUMBERS
from streamaudit.report.render._grid import grid
from streamaudit.report.render._layout import shorten

if TYPE_CHECKING:
    import altair

GROUPS, INTERVALS = 12, 30
"""Groups, or comparisons, in a picture; its table has all of them."""
PERIODS = 31
"""Groups of time in a picture."""
_TIME = ("hour", "day", "week", "month")
_NAME = 140
_PADDING = {"left": 1, "right": 1, "top": 3, "bottom": 3}
COLOURS = {
    "ink": "#1f2933", "quiet": "#5b6770", "line": "#d9dee2", "paper": "#fffffe",
    "a": "#0b6fa4", "b": "#c87600", "c": "#5a4fa2", "d": "#8a949c", "bad": "#b5421a", "good": "#0c7c66",
}  # fmt: skip
"""Colours by role. Blue, orange, violet and grey differ in lightness too, for every kind of colour vision."""
_FONT = "Inter, 'Segoe UI', 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"

Spec = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Picture:
    """A chart: its title, its content in a sentence for screen readers, and its drawing at a given width."""

    table: str
    title: str
    description: str
    draw: Callable[[int], Spec]

    def spec(self, width: int) -> Spec:
        """Return the drawing at a width; UsageError where the optional packages are not installed."""
        try:
            return self.draw(width)
        except ImportError:
            raise missing_packages() from None


def svg(spec: Spec) -> str:
    """Return a chart as SVG text."""
    try:
        import vl_convert
    except ImportError:
        raise missing_packages() from None
    # No address is allowed, so a chart can load nothing from a network.
    drawn = vl_convert.vegalite_to_svg(_apply_theme(spec), vl_version="6.4", allowed_base_urls=[])
    return re.sub(r' style="[^"]*"', "", drawn)  # a page's content policy allows no inline style


def missing_packages() -> UsageError:
    """Return the error for missing optional packages, with the command to install them."""
    return UsageError("pictures and pages need more packages", "pip install 'streamaudit[html]'")


def _apply_theme(spec: Spec) -> Spec:
    ink, quiet, line = COLOURS["ink"], COLOURS["quiet"], COLOURS["line"]
    axis = {
        "labelColor": quiet, "titleColor": quiet, "gridColor": line, "domainColor": line, "tickColor": line,
        "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "labelFont": _FONT, "titleFont": _FONT,
    }  # fmt: skip
    config = {
        "font": _FONT, "axis": axis, "view": {"stroke": None},
        "title": {"color": ink, "subtitleColor": quiet, "font": _FONT, "subtitleFont": _FONT},
        "legend": {"labelColor": ink, "labelFontSize": 12, "labelLimit": 220, "symbolStrokeWidth": 0},
        "text": {"color": ink, "fontSize": 12, "font": _FONT},
    }  # fmt: skip
    return {"$schema": "https://vega.github.io/schema/vega-lite/v6.json", "background": None, "padding": _PADDING,
            "config": config, **spec}  # fmt: skip


def heading(text: str, size: int = 13) -> Spec:
    return {"text": text, "anchor": "start", "fontSize": size, "fontWeight": 600, "offset": 6}


def safe(text: str, width: int = 60) -> str:
    return shorten(escape.terminal(text), width)


def chart(rows: list[dict[str, Any]]) -> "altair.Chart":
    """Return a chart without marks over these rows."""
    import altair as alt

    return alt.Chart(alt.Data(values=rows))  # type: ignore[no-untyped-call]


def plain(chart: Any) -> Spec:
    spec: Spec = chart.to_dict(validate=False, context={"datasets": {}})
    for name in ("$schema", "config"):
        spec.pop(name, None)
    return spec


def in_time(table: Table) -> bool:
    """Return whether the groups of a table are times."""
    return bool(table.by) and table.by[0] in _TIME


def choose_rows(table: Table, known: list[int], sizes: Sequence[float]) -> list[int]:
    """Return the rows to draw, largest first and the rest last; groups of time in their order, the newest ones."""
    if in_time(table):
        return known[-PERIODS:]
    named = sorted((i for i in known if i != table.rest_row), key=lambda i: -sizes[i])
    rest = [i for i in known if i == table.rest_row]
    return named[: GROUPS - len(rest)] + rest if rest else named[:GROUPS]


def count_shown(table: Table, shown: list[int]) -> str:
    """Return how many of the groups are drawn, where not all are."""
    whole, drawn = (len(table.rows) - (table.rest_row is not None), len([i for i in shown if i != table.rest_row]))
    return f"; {drawn} of {whole} groups" if drawn < whole else ""


def names_of(table: Table, rows: Sequence[int] | None = None) -> list[str]:
    """Return a distinct name for each of these rows, or of all; a longer one is cut in its middle."""
    chosen = range(len(table.rows)) if rows is None else rows
    if not table.by:
        return ["total"] * len(chosen)
    cells = grid(replace(table, breaks={}), None, escape.terminal).rows
    names = [" · ".join(cell.text for cell in cells[i][: len(table.by)] if cell.text) for i in chosen]
    short = [shorten(name, _NAME) for name in names]
    return [f"{name} ({index + 1})" if short.count(name) > 1 else name for index, name in enumerate(short)]


def tick_ms() -> str:
    """Return the expression of Vega that labels a tick in milliseconds."""
    return "datum.value < 1000 ? datum.value + ' ms' : datum.value / 1000 + ' s'"


def change_text(ratio: float) -> str:
    text = NUMBERS["ratio"](ratio)
    return f"+{text}" if text[0].isdigit() and ratio > 0 else text


def number(value: Value) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
