"""Tables as pictures: choose a chart by the shape of a table, for ``html``, ``svg`` and ``png``."""

from collections.abc import Callable, Iterator

from streamaudit.errors import UsageError
from streamaudit.report.model import NO_WINDOW, Report, Table
from streamaudit.report.render import _text
from streamaudit.report.render._charts._drawing import COLOURS, Picture, heading, missing_packages, safe, svg
from streamaudit.report.render._charts.changes import intervals, trend
from streamaudit.report.render._charts.distributions import histogram
from streamaudit.report.render._charts.groups import groups
from streamaudit.report.render._charts.parts import stacked_bars, waterfall

__all__ = ["COLOURS", "Picture", "combine", "missing_packages", "pictures", "svg"]

WIDTH = 820
"""Width in points of a standalone picture."""

_MAKERS: dict[str, Callable[[Report, Table], Iterator[Picture]]] = {
    "histogram": histogram, "stacked": stacked_bars, "waterfall": waterfall, "trend": trend, "intervals": intervals,
}  # fmt: skip


def pictures(report: Report) -> list[Picture]:
    """Return the charts of a report in the order of its tables; empty when there is nothing to draw.

    Charts of groups are drawn only where no table has a chart for its shape.
    """
    found = [one for table in report.tables if (make := _MAKERS.get(table.shape)) for one in make(report, table)]
    return found or [one for table in report.tables if table.shape == "rows" for one in groups(report, table)]


def combine(report: Report, width: int = WIDTH) -> str:
    """Return all charts of a report below each other, with its title, as one SVG."""
    found = pictures(report)
    if not found:
        raise UsageError(
            f"{report.title}: there is nothing to draw in this report",
            "report and tax by group, ttft, diff and history have pictures; --format html shows every report",
        )
    parts = [{"title": heading(one.title, 15), **one.spec(width)} for one in found]
    about = safe(_text.interval(report.interval)) if report.interval is not NO_WINDOW else ""
    title = safe(_text.title(report), 90)
    return svg({
        "title": {"text": title, "subtitle": about, "anchor": "start", "fontSize": 18, "offset": 18},
        "vconcat": parts, "spacing": 36, "background": COLOURS["paper"], "padding": 20,
    })  # fmt: skip
