"""Charts of figures over time, and of changes between two sides with their intervals."""

import math
from collections.abc import Iterator
from datetime import date
from typing import Any

from streamaudit.report import escape
from streamaudit.report.model import Column, Report, Table, Value
from streamaudit.report.numbers import NUMBERS, is_known
from streamaudit.report.render._charts._drawing import (
    COLOURS,
    GROUPS,
    INTERVALS,
    Picture,
    Spec,
    change_text,
    chart,
    heading,
    names_of,
    number,
    plain,
    safe,
    tick_ms,
)
from streamaudit.report.render._charts._rows import Rows
from streamaudit.report.render._grid import grid
from streamaudit.report.render._text import by_words, figure_name

_SIGNS = {
    "regression": ("triangle-up", "bad"), "improvement": ("triangle-down", "good"), "no change": ("circle", "quiet"),
}  # fmt: skip
_FAR = 3.0
"""An end that is this many times as far out as nine of ten comparisons is beyond the axis, which then has an arrow."""
_GAP = 28


def trend(report: Report, table: Table) -> Iterator[Picture]:
    """Yield each figure over the periods."""
    if len(table.rows) < 2:
        return
    figures = [c for c in table.columns if c.name not in table.by and not c.wide and c.unit is not None]
    figures = [c for c in figures if any(isinstance(row[table.position(c.name)], int | float) for row in table.rows)]
    if not figures:
        return
    periods = _periods(names_of(table))

    def draw(width: int) -> Spec:
        across = min(3 if width > 900 else 2 if width > 560 else 1, len(figures))
        each = (width - _GAP * (across - 1)) // across
        rows = [figures[at : at + across] for at in range(0, len(figures), across)]
        return {"vconcat": [
            {"hconcat": [one_figure(column, each) for column in row], "spacing": _GAP} for row in rows
        ], "spacing": 20}  # fmt: skip

    def one_figure(column: Column, width: int) -> Spec:
        import altair as alt

        place, inner = table.position(column.name), width - 68
        factor, suffix = {"ratio": (100.0, " %"), "ms": (1.0, " ms")}.get(str(column.unit), (1.0, ""))
        write = NUMBERS[column.unit]
        rows = [{
            "period": period, "value": value * factor if isinstance(value, int | float) and is_known(value) else None,
            "says": f"{period}: {write(value) if isinstance(value, int | float) else 'unknown'}",
        } for period, value in zip(periods, [row[place] for row in table.rows], strict=True)]  # fmt: skip
        marks = _labels(table, periods, column.name, inner)
        every = max(1, math.ceil(len(periods) * (8 * max(map(len, periods)) + 16) / max(inner, 1)))
        x = alt.X("period:N", sort=periods, title=None, axis=alt.Axis(
            ticks=False, labelAngle=0, labelPadding=8, values=periods[::every], labelOverlap=False, labelLimit=inner,
        ))  # fmt: skip
        y = alt.Y("value:Q", title=None, scale=alt.Scale(zero=True, nice=True), axis=alt.Axis(
            tickCount=3, labelExpr=_axis_label(column, suffix), minExtent=54, maxExtent=54, domain=False, ticks=False,
        ))  # fmt: skip
        point = {"color": COLOURS["a"], "size": 26, "filled": True}
        line = chart(rows).mark_line(color=COLOURS["a"], strokeWidth=2, point=point)
        layers: list[Any] = [line.encode(x=x, y=y, description=alt.Description("says:N"))]
        if marks:
            at = chart(marks)
            layers.append(at.mark_rule(color=COLOURS["b"], strokeDash=[4, 3], strokeWidth=1.5).encode(x=x))
            for align in ("left", "center", "right"):
                if aligned := [mark for mark in marks if mark["align"] == align and mark["text"]]:
                    text = chart(aligned).mark_text(align=align, y=-4, baseline="bottom", color=COLOURS["ink"])
                    layers.append(text.encode(x=x, text=alt.Text("text:N")))
        name = heading(figure_name(column))
        name["offset"] = 22 if marks else 6
        return {**plain(alt.layer(*layers)), "width": inner, "height": 84, "title": name}

    names = ", ".join(map(figure_name, figures))
    text = f"{names}{by_words(table.by)}"
    if table.breaks or _deploys(table, periods):
        text += "; dashed where a level changed or a deploy began"
    yield Picture(table.name, "Over time", text, draw)


def _periods(names: list[str]) -> list[str]:
    """Return days as ``2 Nov``, where they are of one year, and other periods as they are."""
    try:
        days = [date.fromisoformat(name) for name in names if len(name) == len("2026-11-02")]
    except ValueError:
        return names
    if len(days) < len(names) or len({day.year for day in days}) > 1:
        return names
    return [f"{day.day} {day:%b}" for day in days]


def _axis_label(column: Column, suffix: str) -> str:
    if column.unit == "ms":
        return tick_ms()
    prefix = "$" if column.unit == "usd" else ""
    # Large counts in short, small ones in full.
    return f"'{prefix}' + (datum.value < 10000 ? format(datum.value, ',') : format(datum.value, '~s')) + '{suffix}'"


def _labels(table: Table, periods: list[str], figure: str, width: int) -> list[dict[str, str]]:
    """Return the periods to mark, each with its text unless that would touch the one before."""
    texts, changed = _deploys(table, periods), set()
    for index, changes in table.breaks.items():
        if figure in changes:
            changed.add(periods[index])
            # Two labels at one place would overlap; where there is little room only the change fits.
            change, deploy = change_text(changes[figure]), texts.get(periods[index])
            texts[periods[index]] = f"{deploy} · {change}" if deploy and width > 500 else change
    places = {period: (index + 0.5) / len(periods) * width for index, period in enumerate(periods)}
    spans: dict[str, tuple[float, float]] = {}
    # A change of the figure itself is named before a deploy that would lie on its text.
    for period in sorted(texts, key=lambda one: (one not in changed, places[one])):
        room = 7.0 * len(texts[period])
        start = min(max(places[period] - room / 2, 0.0), max(width - room, 0.0))
        if all(start > end + 8 or start + room + 8 < begin for begin, end in spans.values()):
            spans[period] = start, start + room
    return [
        {"period": period, "text": text if period in spans else "", "align": _align(places[period], len(text), width)}
        for period, text in texts.items()
    ]


def _align(at: float, characters: int, width: int) -> str:
    """Return the alignment of a text at a place, so that it stays within the width."""
    half = 7.0 * characters / 2
    return "left" if at < half else "right" if at > width - half else "center"


def _deploys(table: Table, periods: list[str]) -> dict[str, str]:
    """Return by period the deploys that began in it."""
    if "deploy" in table.by or "deploy" not in {column.name for column in table.columns}:
        return {}
    place = table.position("deploy")
    return {p: safe(str(row[place]), 18) for p, row in zip(periods, table.rows, strict=True) if row[place]}


def intervals(report: Report, table: Table) -> Iterator[Picture]:
    """Yield the changes with their intervals, on an axis that covers them; what is beyond it has an arrow."""
    records = [
        (i, r) for i, r in enumerate(table.records())
        if isinstance(r["change_ratio"], float | int) and r["verdict"] in _SIGNS
    ]  # fmt: skip
    if not records:
        return
    moved = sum(record["verdict"] != "no change" for _, record in records)
    shown = records[: min(max(moved, GROUPS), INTERVALS)]
    low_end, high_end = _reach([record for _, record in shown])
    left = len(table.rows) - len(records)
    more = f"; {left:,} inconclusive, in the table only" if left else ""
    more += f"; the first {len(shown)} of {len(records)}" if len(records) > len(shown) else ""

    def draw(width: int) -> Spec:
        import altair as alt

        cells = grid(table, None, escape.terminal).rows
        rows: list[dict[str, Any]] = []
        for index, record in shown:
            group = " · ".join(cell.text for cell in cells[index][: len(table.by)] if cell.text)
            figure = " ".join(filter(None, (_metric(record["metric"]), str(record["stat"] or "").replace("rate", ""))))
            low, high, change = (record[name] for name in ("ci_low_ratio", "ci_high_ratio", "change_ratio"))
            text = change_text(number(change))
            if width >= 600:
                ends = [change_text(number(end)) if end is not None else "?" for end in (low, high)]
                text += f"  ({ends[0]} to {ends[1]})"
            rows.append({
                "name": f"{group} · {figure}" if group else figure, "text": text, "verdict": record["verdict"],
                "low": low_end if low is None else min(max(number(low), low_end), high_end),
                "high": high_end if high is None else max(min(number(high), high_end), low_end),
                "change": max(min(number(change), high_end), low_end), "right": high_end,
                "below": low is None or number(low) < low_end, "above": high is None or number(high) > high_end,
            })  # fmt: skip
        layout = Rows([row["name"] for row in rows], width, [row["text"] for row in rows], mark=14.0)
        for index, row in enumerate(rows):
            row |= layout.place(index) | {"says": f"{row['name']}: {row['text']}, {row['verdict']}"}
        signs, domain = list(_SIGNS), [low_end, high_end]
        colour = alt.Color(
            "verdict:N", scale=alt.Scale(domain=signs, range=[COLOURS[_SIGNS[one][1]] for one in signs]),
            legend=alt.Legend(orient="top", title=None, columns=3),
        )  # fmt: skip
        shape = alt.Shape(
            "verdict:N", scale=alt.Scale(domain=signs, range=[_SIGNS[one][0] for one in signs]),
            legend=alt.Legend(orient="top", title=None),
        )  # fmt: skip
        room = layout.right - layout.left
        axis = alt.Axis(
            labelExpr="datum.value === 0 ? '0 %' : format(datum.value * 100, '+,.12~g') + ' %'",
            tickCount=max(min(int(room / 80), 7), 2), title="change against the base, 95 % interval",
        )  # fmt: skip
        base = chart(rows)
        layers: list[Any] = [
            chart([{"zero": 0, "y": 0.0, "bottom": layout.height}]).mark_rule(color=COLOURS["ink"]).encode(
                x=layout.x("zero", domain, axis), y=layout.y(), y2=alt.Y2("bottom:Q")),
            base.mark_rule(strokeWidth=2).encode(x=layout.x("low", domain, axis), x2=alt.X2("high:Q"), y=layout.y(),
                color=colour),
        ]  # fmt: skip
        for beyond, end, turn in (("below", "low", "triangle-left"), ("above", "high", "triangle-right")):
            if clipped := [row for row in rows if row[beyond]]:
                arrow = chart(clipped).mark_point(size=60, filled=True, opacity=1, shape=turn)
                layers.append(arrow.encode(x=layout.x(end, domain, axis), y=layout.y(), color=colour))
        layers += [
            base.mark_point(size=90, filled=True, opacity=1).encode(
                x=layout.x("change", domain, axis), y=layout.y(), color=colour, shape=shape,
                description=alt.Description("says:N")),
            layout.ends(rows, "right", domain, axis=axis),
        ]  # fmt: skip
        return layout.spec(*layers)

    text = "Change of each figure with its 95 % interval; triangles are verdicts"
    if any(record[end] is None or not low_end <= number(record[end]) <= high_end for _, record in shown
           for end in ("ci_low_ratio", "ci_high_ratio")):  # fmt: skip
        text += ", an arrow is an end beyond the axis"
    yield Picture(table.name, f"Change against the base{by_words(table.by) or ', total'}", text + more, draw)


def _metric(value: Value) -> str:
    return figure_name(Column(str(value).removesuffix("_ms")))


def _reach(records: list[dict[str, Value]]) -> tuple[float, float]:
    """Return the ends of an axis that has zero and all intervals, except ends that are far beyond the others."""
    ends = [
        [number(record[name]) for name in ("change_ratio", "ci_low_ratio", "ci_high_ratio") if record[name] is not None]
        for record in records
    ]  # fmt: skip
    extents = sorted(max(map(abs, each)) for each in ends)
    far = max(_FAR * extents[int(0.9 * (len(extents) - 1))], 0.05)
    every = [end for each in ends for end in each]
    low, high = max(min(*every, 0.0), -far), min(max(*every, 0.0), far)
    margin = max(0.03 * (high - low), 0.005)
    return low - margin, high + margin
