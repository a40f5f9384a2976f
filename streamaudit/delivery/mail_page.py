"""The page of a mail: tables and inline styles, which every mail program shows, and its chart as a picture inside it.

Everything is in the mail: it loads nothing. The texts are those of the letter, which are harmless already.
"""

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from streamaudit.delivery.message import Letter
from streamaudit.errors import UsageError
from streamaudit.report.escape import message
from streamaudit.report.render import _charts
from streamaudit.report.render._cards import Card, cards

CHART = "chart.png"
"""Name of the picture, by which the page refers to it."""
_WIDTH, _CHART_WIDTH, _DRAWN_WIDTH = 600, 552, 600
_INK, _QUIET, _LINE, _BLUE = "#1f2933", "#5b6770", "#d9dee2", "#0b6fa4"
_KINDS = {"bad": "#b5421a", "good": "#0c7c66"}
_FONT = "font-family:'Segoe UI','Helvetica Neue',Arial,sans-serif"
_ACROSS = 2


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture and its content in words."""

    png: bytes
    description: str


def draw_chart(letter: Letter) -> Chart | None:
    """Return the figures of the last periods as a picture; None with fewer than two, or without the packages for it."""
    trend = {table.name for table in letter.report.tables if table.shape == "trend"}
    picture = next((one for one in _charts.pictures(letter.report) if one.table in trend), None)
    if picture is None:
        return None
    try:
        svg = _charts.svg({**picture.spec(_DRAWN_WIDTH), "background": "#ffffff"})
        import vl_convert
    except (UsageError, ImportError):
        return None
    return Chart(vl_convert.svg_to_png(svg, scale=2), picture.description)


def make_page(letter: Letter, chart: Chart | None) -> str:
    """Return the HTML of a mail."""
    rows = "".join(
        f'<tr><td style="padding:{padding};{_FONT}">{part}</td></tr>' for padding, part in _parts(letter, chart)
    )
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{letter.title}</title></head>\n'
        f'<body style="margin:0;padding:0;background:#f2f4f5">'
        f'<table role="presentation" width="100%" cellpadding="0" cellspacing="0" style="background:#f2f4f5"><tr>'
        f'<td align="center" style="padding:16px 8px">'
        f'<table role="presentation" width="{_WIDTH}" cellpadding="0" cellspacing="0" '
        f'style="width:100%;max-width:{_WIDTH}px;background:#ffffff;color:{_INK};text-align:left">{rows}</table>'
        f"</td></tr></table></body></html>\n"
    )


def _parts(letter: Letter, chart: Chart | None) -> Iterator[tuple[str, str]]:
    """Yield the padding and the content of each row."""
    if letter.headline:
        first, *others = letter.headline
        lines = f'<p style="margin:0;font-size:20px;line-height:1.35;font-weight:600">{first}</p>'
        lines += "".join(f'<p style="margin:8px 0 0;font-size:15px;line-height:1.5">{one}</p>' for one in others)
        yield "24px 24px 12px", f'<div style="border-left:4px solid {_BLUE};padding-left:14px">{lines}</div>'
    size = "13px" if letter.headline else "20px"
    yield "0 24px 8px", f'<h1 style="margin:0;font-size:{size};font-weight:400;color:{_QUIET}">{letter.title}</h1>'
    tiles = cards(letter.report)
    if tiles:
        yield "8px 24px", _tiles(tiles)
    if chart:
        text = html.escape(message(chart.description), quote=True).replace("&amp;", "&")
        yield "12px 24px", (
            f'<img src="cid:{CHART}" width="{_CHART_WIDTH}" alt="{text}" '
            f'style="display:block;width:100%;max-width:{_CHART_WIDTH}px;height:auto">'
        )
    for section in _without_tiles(letter.sections, tiles):
        yield "6px 24px", _section(section)
    if letter.report_url:
        address = html.escape(letter.report_url, quote=True)
        yield "14px 24px", (
            f'<a href="{address}" style="display:inline-block;background:{_BLUE};color:#ffffff;text-decoration:none;'
            'padding:10px 18px;font-size:15px">Open the report</a>'
        )
    yield "12px 24px 24px", f'<p style="margin:0;font-size:12px;color:{_QUIET}">{letter.footer}</p>'


def _without_tiles(sections: Sequence[str], tiles: list[Card]) -> list[str]:
    """Return the sections without the one that has the figures which the tiles show."""
    name = message(tiles[0]["name"]).lower() if tiles else None
    return [one for one in sections if name is None or not one.lower().startswith(name)]


def _tiles(tiles: list[Card]) -> str:
    cells = [_tile(card) for card in tiles]
    cells += ["<td></td>"] * (-len(cells) % _ACROSS)
    rows = "".join(f"<tr>{''.join(cells[at : at + _ACROSS])}</tr>" for at in range(0, len(cells), _ACROSS))
    return f'<table role="presentation" width="100%" cellpadding="0" cellspacing="0">{rows}</table>'


def _tile(card: Card) -> str:
    colour = _KINDS.get(card.get("kind", ""), _LINE)
    name = message(card["name"])
    return (
        f'<td width="{100 // _ACROSS}%" valign="top" '
        f'style="border-top:2px solid {colour};padding:8px 12px 12px 0;{_FONT}">'
        f'<div style="font-size:13px;color:{_QUIET}">{name[:1].upper()}{name[1:]}</div>'
        f'<div style="font-size:20px;font-weight:600">{message(card["value"])}</div>'
        f'<div style="font-size:12px;color:{_QUIET}">{message(card.get("beside", ""))}</div></td>'
    )


def _section(text: str) -> str:
    first, *rest = text.split("\n")
    title = f'<h2 style="margin:6px 0 4px;font-size:15px">{first.removesuffix(":")}</h2>' if first.endswith(":") else ""
    lines = rest if title else [first, *rest]
    return title + "".join(f'<p style="margin:0 0 4px;font-size:14px;line-height:1.45">{line}</p>' for line in lines)
