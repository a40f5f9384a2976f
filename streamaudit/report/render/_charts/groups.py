"""Charts of groups side by side: the wait for the first token as p50 and p95, and the cancellation tax."""

from collections.abc import Iterator
from typing import Any

from streamaudit.report import escape
from streamaudit.report.model import Report, Table
from streamaudit.report.numbers import ms
from streamaudit.report.render._charts._drawing import COLOURS, GROUPS, Picture, Spec, chart, names_of, number, plain
from streamaudit.report.render._grid import grid

_WAIT = ("ttft_p50_ms", "ttft_p95_ms")
_TAX, _TAX_LOW = "tax_tokens", "tax_low_tokens"


def groups(report: Report, table: Table) -> Iterator[Picture]:
    """Yield pictures of a table of groups for which the report has no other chart."""
    names = {column.name for column in table.columns}
    if not table.by or len(table.rows) < 2:
        return
    if names.issuperset(_WAIT):
        yield from _waits(table)
    if _TAX in names:
        yield from _taxes(table)


def _more(table: Table) -> str:
    return f"; the first {GROUPS} of {len(table.rows)} groups" if len(table.rows) > GROUPS else ""


def _waits(table: Table) -> Iterator[Picture]:
    low, high = (table.position(name) for name in _WAIT)
    known = [row[low] is not None and row[high] is not None and number(row[low]) > 0 for row in table.rows[:GROUPS]]
    if not any(known):
        return

    def draw(width: int) -> Spec:
        import altair as alt

        names = names_of(table, GROUPS, 26 if width > 500 else 14)
        rows: list[dict[str, Any]] = [
            {"name": name, "p50": number(row[low]), "p95": number(row[high]),
             "text": f"{ms(number(row[low]))} · {ms(number(row[high]))}"}
            for name, row, is_known in zip(names, table.rows, known, strict=False) if is_known
        ]  # fmt: skip
        ends = [min(row["p50"] for row in rows), max(row["p95"] for row in rows)]
        ticks = [10.0**power * step for power in range(-1, 7) for step in (1, 2, 5)]
        scale = alt.Scale(type="log", domain=[ends[0] * 0.8, ends[1] * (2.2 if width > 500 else 6)], nice=False)
        axis = alt.Axis(
            values=[tick for tick in ticks if ends[0] * 0.8 <= tick <= ends[1]],
            labelExpr="datum.value < 1000 ? datum.value + ' ms' : datum.value / 1000 + ' s'",
            title="time to first token, log scale",
        )
        y = alt.Y("name:N", sort=names, title=None, axis=_names(alt))
        base = chart(rows)
        bar = base.mark_rule(color=COLOURS["a"], strokeWidth=4, opacity=0.45).encode(
            x=alt.X("p50:Q", scale=scale, axis=axis), x2="p95:Q", y=y, description="text:N"
        )
        dots = base.mark_point(filled=True, size=70, color=COLOURS["a"], opacity=1).encode(
            x=alt.X("p50:Q", scale=scale), y=y
        )
        tips = base.mark_tick(color=COLOURS["a"], thickness=3, size=14).encode(x=alt.X("p95:Q", scale=scale), y=y)
        says = base.mark_text(align="left", dx=8, color=COLOURS["ink"]).encode(
            x=alt.X("p95:Q", scale=scale), y=y, text="text:N"
        )
        return {**plain(alt.layer(bar, dots, tips, says)), "width": _room(width), "height": {"step": 28}}

    yield Picture(
        table.name, "Time to first token: p50 and p95",
        f"A dot at the median and a line to the 95th percentile, by group, on a logarithmic axis{_more(table)}", draw,
    )  # fmt: skip


def _taxes(table: Table) -> Iterator[Picture]:
    place = table.position(_TAX)
    if not any(number(row[place]) for row in table.rows[:GROUPS]):
        return
    cells = grid(table, None, escape.terminal, wide=True).rows
    low = table.position(_TAX_LOW) if any(column.name == _TAX_LOW for column in table.columns) else place

    def draw(width: int) -> Spec:
        import altair as alt

        names = names_of(table, GROUPS, 26 if width > 500 else 14)
        rows: list[dict[str, Any]] = [
            {"name": name, "end": max(number(row[place]), number(row[low])), "zero": 0, "text": cell[place].text}
            for name, row, cell in zip(names, table.rows, cells, strict=False) if row[place] is not None
        ]  # fmt: skip
        most = max(row["end"] for row in rows)
        x = alt.Scale(domain=[0, most * (1.2 if width > 500 else 1.5)], nice=False)
        y = alt.Y("name:N", sort=names, title=None, axis=_names(alt))
        base = chart(rows)
        bars = base.mark_bar(height=16, color=COLOURS["b"]).encode(
            x=alt.X("zero:Q", scale=x, title="tokens", axis=alt.Axis(tickCount=4, format="~s")), x2="end:Q", y=y,
            description="text:N",
        )  # fmt: skip
        says = base.mark_text(align="left", dx=6, color=COLOURS["ink"]).encode(
            x=alt.X("end:Q", scale=x), y=y, text="text:N"
        )
        return {**plain(alt.layer(bars, says)), "width": _room(width), "height": {"step": 28}}

    unknown = sum(row[place] is None for row in table.rows[:GROUPS])
    lacking = f"; {unknown} groups of unknown tax have no bar" if unknown else ""
    text = f"Tokens billed and never shown, by group, of cancelled calls whose tax has a value{lacking}{_more(table)}"
    yield Picture(table.name, "Cancellation tax", text, draw)


def _names(alt: Any) -> Any:
    return alt.Axis(labelLimit=240, ticks=False, domain=False, labelColor=COLOURS["ink"])


def _room(width: int) -> int:
    return width - (230 if width > 500 else 140)
