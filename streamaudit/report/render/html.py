"""A self-contained HTML page: the answer, its figures and what they rest on, then charts, then every table.

The charts are SVG drawn when the page is made, so it loads no library and shows them without scripts. Its policy allows
only the page's own style and script, by their hash. Names from traces are text everywhere.
"""

import base64
import hashlib
import re
from importlib import resources
from typing import Any

from streamaudit import __version__
from streamaudit.report import escape
from streamaudit.report.model import NO_WINDOW, Report
from streamaudit.report.render import _charts, _text
from streamaudit.report.render._cards import cards, coverage, summary, total
from streamaudit.report.render._grid import sections
from streamaudit.report.render._page_tables import break_words, table
from streamaudit.report.render._work import WIDTH, call_drawing, work
from streamaudit.report.render.formats import Screen

SUFFIXES = (".html", ".htm")
ALL_GROUPS = True
_DRAWN = (("small", 350), ("middle", 640), ("large", 1040))
"""Every chart is drawn for a phone, a tablet and a desk, at these widths in points; the style shows one of them."""


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
    shown, found = _shown_already(report), work(report)
    text = template.render(
        title=_safe(_text.title(report)), verdict=_text.verdict(report), report=report, version=__version__,
        style=_trust(style), script=_trust(script),
        policy=f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; "
        "base-uri 'none'; form-action 'none'",
        window="" if report.interval is NO_WINDOW else _safe(_text.interval(report.interval)),
        filters=_safe(_text.filters(report)),
        sentences=[break_words(_keep_units(_safe(one))) for one in report.sentences],
        cards=cards(report), coverage=coverage(report), charts=_draw(report, aside=False),
        later=_draw(report, aside=True), call=call_drawing(report),
        work=[one for one in found if one.finding.severity != "info"],
        remarks=[one for one in found if one.finding.severity == "info"], drawing_width=WIDTH,
        notes=[break_words(_safe(one)) for one in _text.notes(report, wide=True)],
        code=_with_code, broken=break_words, tables=[
            table(one, whole, place, is_shown=one.name in shown)
            for place, (one, whole) in enumerate(sections(report))
        ],
        made=f"{report.generated_at:%Y-%m-%d %H:%M} UTC",
    )  # fmt: skip
    return text.rstrip("\n") + "\n"


def _shown_already(report: Report) -> set[str]:
    """Return the names of the tables that tiles or a chart show with every figure."""
    drawn = {one.table for one in _charts.pictures(report)}
    tiles = summary(report) or total(report)
    listed = {"findings"} if work(report) else {"timeline"} if call_drawing(report) else set()
    over_time = any(one.shape == "trend" and one.name in drawn for one in report.tables)
    for one in report.tables:
        is_chart = one.name in drawn and one.shape not in ("rows", "intervals")
        is_lines = over_time and any(column.trend for column in one.columns)
        if is_chart or is_lines or (one is tiles and one.shape == "rows"):
            listed.add(one.name)
    return listed


def _keep_units(text: str) -> str:
    """Return a text in which no line ends between a number and its unit."""
    return re.sub(r"(?<=\d) (?=(?:%|ms|s|min|h|M|B|USD)(?!\w))", "\N{NO-BREAK SPACE}", text)


def _with_code(text: str) -> Any:
    """Return a text as HTML, what is between two backticks as code."""
    from markupsafe import Markup, escape

    parts = [Markup("<code>{}</code>").format(one) if at % 2 else escape(one) for at, one in enumerate(text.split("`"))]
    return Markup("").join(parts) if len(parts) % 2 else text


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
    """Return each chart once for every width; ``aside`` selects those of tables that come after all others."""
    later = {one.name for one in report.tables if one.aside}
    return [
        {
            "title": _safe(one.title), "description": _safe(one.description),
            "drawn": [(name, _trust(_inline(one.spec(width)))) for name, width in _DRAWN],
        }
        for one in _charts.pictures(report) if (one.table in later) is aside
    ]  # fmt: skip


def _inline(spec: dict[str, Any]) -> str:
    """Return a chart with colours by role, so that a page's theme sets them. Its figure describes it in words."""
    drawn = _charts.svg(spec)
    for role, colour in _charts.COLOURS.items():
        drawn = drawn.replace(f'"{colour}"', f'"var(--{role})"')
    return re.sub(r"-?\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", drawn)
