"""Charts of figures over time, and of changes between two sides with their intervals."""

import math
from collections.abc import Iterator
from typing import Any

from streamaudit.report import escape
from streamaudit.report.model import Column, Report, Table
from streamaudit.report.numbers import NUMBERS, header, is_known
from streamaudit.report.render._charts._drawing import (
    COLOURS,
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
)
from streamaudit.report.render._grid import grid
from streamaudit.report.render._layout import shorten

_SIGNS = {
    "regression": ("triangle-up", "bad"), "improvement": ("triangle-down", "good"), "no change": ("circle", "quiet"),
}  # fmt: skip


def trend(report: Report, table: Table) -> Iterator[Picture]:
    if len(table.rows) < 2:
        return
    figures = [c for c in table.columns if c.name not in table.by and not c.wide and c.unit is not None]
    figures = [c for c in figures if any(isinstance(row[table.position(c.name)], int | float) for row in table.rows)]
    if not figures:
        return

    def draw(width: int) -> Spec:
        periods = names_of(table, len(table.rows), 16)
        return {"vconcat": [one_figure(c, periods, width, c is figures[-1]) for c in figures], "spacing": 14}

    def one_figure(column: Column, periods: list[str], width: int, last: bool) -> Spec:
        import altair as alt

        place = table.position(column.name)
        factor, suffix = {"ratio": (100.0, " %"), "ms": (1.0, " ms")}.get(str(column.unit), (1.0, ""))
        write = NUMBERS[column.unit]
        values = [row[place] for row in table.rows]
        rows = [
            {
                "period": p,
                "value": v * factor if isinstance(v, int | float) and is_known(v) else None,
                "says": f"{p}: {write(v) if isinstance(v, int | float) else 'unknown'}",
            }
            for p, v in zip(periods, values, strict=True)
        ]
        texts = _deploys(table, periods)
        for index, changes in table.breaks.items():
            if column.name in changes:
                # Two labels at one place would overlap; on a phone only the change fits.
                change, deploy = change_text(changes[column.name]), texts.get(periods[index])
                texts[periods[index]] = f"{deploy} · {change}" if deploy and width > 500 else change
        marks = [{"period": period, "text": text} for period, text in texts.items()]
        every = max(1, math.ceil(len(periods) * 100 / max(width - 90, 1)))
        x = alt.X(
            "period:N",
            sort=periods,
            title=None,
            axis=alt.Axis(
                labels=last, ticks=False, labelAngle=0, labelPadding=8, values=periods[::every], labelFlush=True
            ),
        )
        y = alt.Y(
            "value:Q",
            title=None,
            scale=alt.Scale(zero=True, nice=True),
            axis=alt.Axis(
                tickCount=3, labelExpr=f"format(datum.value, ',') + '{suffix}'", minExtent=58, domain=False, ticks=False
            ),
        )
        line = (
            chart(rows)
            .mark_line(color=COLOURS["a"], strokeWidth=2, point={"color": COLOURS["a"], "size": 26, "filled": True})
            .encode(x=x, y=y, description="says:N")
        )
        layers: list[Any] = [line]
        if marks:
            at = chart(marks)
            layers += [
                at.mark_rule(color=COLOURS["b"], strokeDash=[4, 3], strokeWidth=1.5).encode(x=x),
                at.mark_text(align="center", y=-3, baseline="bottom", color=COLOURS["ink"]).encode(x=x, text="text:N"),
            ]
        return {**plain(alt.layer(*layers)), "width": width - 90, "height": 84, "title": heading(header(column))}

    names = ", ".join(header(column) for column in figures)
    yield Picture(
        table.name,
        "Over time",
        f"{names} by {', '.join(table.by)}; dashed where a level changed or a deploy began",
        draw,
    )


def _deploys(table: Table, periods: list[str]) -> dict[str, str]:
    """Return by period the deploys that began in it."""
    if "deploy" in table.by or "deploy" not in {column.name for column in table.columns}:
        return {}
    place = table.position("deploy")
    return {p: safe(str(row[place]), 18) for p, row in zip(periods, table.rows, strict=True) if row[place]}


def intervals(report: Report, table: Table) -> Iterator[Picture]:
    records = [
        (i, r)
        for i, r in enumerate(table.records())
        if isinstance(r["change_ratio"], float | int) and r["verdict"] in _SIGNS
    ]
    if not records:
        return
    shown = records[:INTERVALS]
    ends = sorted(
        abs(number(record[name]))
        for _, record in shown
        for name in ("change_ratio", "ci_low_ratio", "ci_high_ratio")
        if record[name] is not None
    )
    reach = max(ends[int(len(ends) * 0.95) - 1] if len(ends) > 20 else ends[-1], 0.05) * 1.1
    left = len(table.rows) - len(records)
    more = f"; {left} inconclusive are in the table only" if left else ""
    more += f"; the first {INTERVALS} of {len(records)}" if len(records) > INTERVALS else ""

    def draw(width: int) -> Spec:
        import altair as alt

        room = 30 if width > 500 else 18
        cells = grid(table, None, escape.terminal).rows
        groups = [" · ".join(cell.text for cell in row[: len(table.by)]) for row in cells]
        rows: list[dict[str, Any]] = []
        for index, record in shown:
            name = shorten(
                " ".join(
                    filter(None, [groups[index], str(record["metric"]).removesuffix("_ms"), str(record["stat"] or "")])
                ),
                room,
            )
            low, high = record["ci_low_ratio"], record["ci_high_ratio"]
            change = number(record["change_ratio"])
            name = name if name not in {row["name"] for row in rows} else f"{name} ({len(rows) + 1})"
            rows.append(
                {
                    "name": name,
                    "low": max(number(low), -reach) if low is not None else -reach,
                    "high": min(number(high), reach) if high is not None else reach,
                    "change": max(min(change, reach), -reach),
                    "verdict": record["verdict"],
                    "says": f"{name}: {change_text(change)}, {record['verdict']}",
                }
            )
        order = [row["name"] for row in rows]
        signs = list(_SIGNS)
        scale = alt.Scale(domain=[-reach, reach], nice=False)
        y = alt.Y(
            "name:N",
            sort=order,
            title=None,
            axis=alt.Axis(labelLimit=260, ticks=False, domain=False, labelColor=COLOURS["ink"]),
        )
        base = chart(rows)
        colour = alt.Color(
            "verdict:N",
            scale=alt.Scale(domain=signs, range=[COLOURS[_SIGNS[one][1]] for one in signs]),
            legend=alt.Legend(orient="top", title=None, columns=3),
        )
        shape = alt.Shape(
            "verdict:N",
            scale=alt.Scale(domain=signs, range=[_SIGNS[one][0] for one in signs]),
            legend=alt.Legend(orient="top", title=None),
        )
        axis = alt.Axis(format="+.0%", tickCount=5, title="change against the base, 95 % interval")
        zero = chart([{"zero": 0}]).mark_rule(color=COLOURS["ink"]).encode(x=alt.X("zero:Q", scale=scale))
        rules = base.mark_rule(strokeWidth=2).encode(
            x=alt.X("low:Q", scale=scale, axis=axis), x2="high:Q", y=y, color=colour
        )
        points = base.mark_point(size=90, filled=True, opacity=1).encode(
            x=alt.X("change:Q", scale=scale), y=y, color=colour, shape=shape, description="says:N"
        )
        return {
            **plain(alt.layer(zero, rules, points)),
            "width": width - (260 if width > 500 else 160),
            "height": {"step": 24},
        }

    title = "Change against the base" + (f" by {', '.join(table.by)}" if table.by else ", total")
    yield Picture(
        table.name, title, f"Change of each metric with its 95 % interval; triangles are verdicts{more}", draw
    )
