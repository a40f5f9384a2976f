"""PNG: the charts of a report below each other, at twice the size of a screen's points."""

from streamaudit.report.model import Report
from streamaudit.report.render import _charts
from streamaudit.report.render.formats import Screen

SUFFIXES = (".png",)
ALL_GROUPS = False


def render(report: Report, screen: Screen) -> bytes:
    """Return one picture; UsageError when the report has nothing to draw or the extra ``html`` is not installed."""
    drawn = _charts.combine(report)
    import vl_convert

    return vl_convert.svg_to_png(drawn, scale=2)
