"""SVG: the charts of a report below each other, for a pull request or a page."""

from streamaudit.report.model import Report
from streamaudit.report.render import _charts
from streamaudit.report.render.formats import Screen

SUFFIXES = (".svg",)
ALL_GROUPS = False


def render(report: Report, screen: Screen) -> str:
    """Return one picture; UsageError when the report has nothing to draw or the extra ``html`` is not installed."""
    return _charts.combine(report) + "\n"
