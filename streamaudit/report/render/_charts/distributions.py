"""Time to first token: a distribution for each group, on one logarithmic axis."""

from collections.abc import Iterator
from typing import Any

from streamaudit.report.model import Report, Table
from streamaudit.report.numbers import ms
from streamaudit.report.render._charts._drawing import COLOURS, GROUPS, Picture, Spec, chart, plain, tick_ms
from streamaudit.report.render._charts._rows import break_name
from streamaudit.report.render._grid import markers
from streamaudit.report.render._histogram import distributions


def histogram(report: Report, table: Table) -> Iterator[Picture]:
    groups = [one for one in distributions(table, markers(report, table)) if one.calls]
    if not groups:
        return
    shown = groups[:GROUPS]
    low = min(bucket.low for one in shown for bucket in one.buckets if bucket.calls)
    high = max(bucket.high for one in shown for bucket in one.buckets if bucket.calls)
    ticks = [10.0**power * step for power in range(-1, 7) for step in (1, 3)]
    ticks = [tick for tick in ticks if low <= tick <= high]
    more = f"; the first {GROUPS} of {len(groups)} groups" if len(groups) > GROUPS else ""

    def draw(width: int) -> Spec:
        return {"vconcat": [one_group(one, width, one is shown[-1]) for one in shown], "spacing": 10}

    def one_group(one: Any, width: int, last: bool) -> Spec:
        import altair as alt

        bars = [
            {
                "low": b.low,
                "high": b.high,
                "calls": b.calls or 0,
                "says": f"{ms(b.low)} to {ms(b.high)}: {b.calls} calls",
            }
            for b in one.buckets
            if b.calls
        ]
        marks = [
            {"at": value, "name": name, "says": f"{name} {ms(value)}"}
            for name, value in one.percentiles.items()
            if name in ("p50", "p95")
        ]
        scale = alt.Scale(type="log", domain=[low, high], nice=False)
        axis = alt.Axis(
            values=ticks,
            labelExpr=tick_ms(),
            title="time to first token, log scale" if last else None,
            labels=last,
            ticks=last,
            domain=True,
            labelFlush=True,
        )
        most = max(bar["calls"] for bar in bars)
        y = alt.Scale(domain=[0, most * 1.05])
        layers: list[Any] = [
            chart(bars).mark_rect(color=COLOURS["a"], stroke=COLOURS["paper"], strokeWidth=1).encode(
                x=alt.X("low:Q", scale=scale, axis=axis), x2=alt.X2("high:Q"),
                y=alt.Y("calls:Q", scale=y, axis=None), y2=alt.Y2Datum(0), description=alt.Description("says:N"),
            )
        ]  # fmt: skip
        if marks:
            at = chart(marks)
            layers += [
                at.mark_rule(color=COLOURS["ink"], strokeWidth=1.5, strokeDash=[4, 3]).encode(
                    x=alt.X("at:Q", scale=scale), description=alt.Description("says:N")
                ),
            ]
        says = "".join(f" · {mark['says']}" for mark in marks)
        heading = {
            "text": break_name(one.name or "all calls", max(width // 9, 16)),
            "subtitle": f"n = {one.calls:,}{says}",
            "anchor": "start",
            "fontSize": 13,
            "fontWeight": 600,
            "subtitleFontSize": 12,
            "offset": 4,
        }
        # The first and the last tick have half of their label outside.
        height = 160 if len(shown) == 1 else 64
        return {**plain(alt.layer(*layers)), "width": width - 24, "height": height, "title": heading}

    yield Picture(
        table.name,
        "Time to first token",
        f"Distribution of the time to first token by group, on a logarithmic axis, p50 and p95 marked{more}",
        draw,
    )
