"""Charts of groups side by side: the wait for the first token as p50 and p95, and the cancellation tax."""

from collections.abc import Iterator
from typing import Any

from streamaudit.report import escape
from streamaudit.report.model import Report, Table, Value
from streamaudit.report.numbers import count, ms
from streamaudit.report.render._charts._drawing import (
    COLOURS,
    Picture,
    Spec,
    chart,
    choose_rows,
    count_shown,
    in_time,
    names_of,
    number,
    tick_ms,
)
from streamaudit.report.render._charts._rows import Rows
from streamaudit.report.render._grid import grid
from streamaudit.report.render._text import by_words

_WAIT = ("ttft_p50_ms", "ttft_p95_ms")
_TAX = ("tax_low_usd", "tax_usd"), ("tax_low_tokens", "tax_tokens")
"""Columns of the low end and the value, in dollars and in tokens."""


def groups(report: Report, table: Table) -> Iterator[Picture]:
    """Yield pictures of a table of groups for which the report has no other chart."""
    names = {column.name for column in table.columns}
    if not table.by or len(table.rows) < 2:
        return
    if names.issuperset(_TAX[1]) or "tax_tokens" in names:
        yield from _taxes(table)
    if names.issuperset(_WAIT):
        yield from _waits(table)


def _waits(table: Table) -> Iterator[Picture]:
    low, high = (table.position(name) for name in _WAIT)
    known = [i for i, row in enumerate(table.rows) if number(row[low]) > 0 and row[high] is not None]
    shown = choose_rows(table, known, [number(row[high]) for row in table.rows])
    if len(shown) < 2:
        return

    def draw(width: int) -> Spec:
        import altair as alt

        rows: list[dict[str, Any]] = [
            {"p50": number(table.rows[i][low]), "p95": number(table.rows[i][high]),
             "text": f"{ms(number(table.rows[i][low]))} · {ms(number(table.rows[i][high]))}"}
            for i in shown
        ]  # fmt: skip
        names = names_of(table, shown)
        layout = Rows(names, width, [row["text"] for row in rows])
        for index, row in enumerate(rows):
            row |= layout.place(index) | {"says": f"{names[index]}: {row['text']}"}
        ends = [min(row["p50"] for row in rows) * 0.85, max(row["p95"] for row in rows) * 1.02]
        ticks = [10.0**power * step for power in range(-1, 7) for step in ((1, 2, 5) if width > 600 else (1, 3))]
        axis = alt.Axis(
            values=[tick for tick in ticks if ends[0] <= tick <= ends[1]], labelExpr=tick_ms(),
            title="time to first token, log scale",
        )  # fmt: skip
        base = chart(rows)
        bar = base.mark_rule(color=COLOURS["a"], strokeWidth=4, opacity=0.45).encode(
            x=layout.x("p50", ends, axis, type="log"), x2=alt.X2("p95:Q"), y=layout.y(),
            description=alt.Description("says:N"),
        )
        dots = base.mark_point(filled=True, size=70, color=COLOURS["a"], opacity=1).encode(
            x=layout.x("p50", ends, axis, type="log"), y=layout.y()
        )
        tips = base.mark_rule(color=COLOURS["a"], strokeWidth=3).encode(
            x=layout.x("p95", ends, axis, type="log"), y=layout.y("y1"), y2=alt.Y2("y2:Q")
        )
        return layout.spec(bar, dots, tips, layout.ends(rows, "p95", ends, axis=axis, type="log"))

    order = "" if in_time(table) else ", slowest first"
    text = f"A dot at the median and a line to the 95th percentile{order}, on a logarithmic axis"
    yield Picture(
        table.name, f"Time to first token{by_words(table.by)}: p50 and p95", text + count_shown(table, shown), draw
    )


def _taxes(table: Table) -> Iterator[Picture]:
    names = [column.name for column in table.columns]
    pairs = [pair for pair in _TAX if pair[1] in names]
    # Dollars, unless most of the tax has no price.
    low_name, name = next((pair for pair in pairs if _is_known(table, pair[1])), pairs[-1])
    place = table.position(name)
    low = table.position(low_name) if low_name in names else place
    ends = [max(number(row[place]), number(row[low])) for row in table.rows]
    known = [i for i, row in enumerate(table.rows) if not _is_unknown(row[place]) or not _is_unknown(row[low])]
    shown = choose_rows(table, [i for i in known if ends[i]], ends)
    if not shown:
        return
    cells = grid(table, None, escape.terminal, wide=True).rows

    def draw(width: int) -> Spec:
        import altair as alt

        rows: list[dict[str, Any]] = [
            {"low": number(table.rows[i][low]), "end": ends[i], "zero": 0.0, "text": cells[i][place].text}
            for i in shown
        ]  # fmt: skip
        texts = names_of(table, shown)
        layout = Rows(texts, width, [row["text"] for row in rows])
        for index, row in enumerate(rows):
            row |= layout.place(index) | {"says": f"{texts[index]}: {row['text']}"}
        domain = [0.0, max(row["end"] for row in rows)]
        unit, form = ("US dollars", _money_form(domain[1])) if name.endswith("_usd") else ("tokens", "~s")
        axis = alt.Axis(tickCount=4, format=form, title=unit)
        base = chart(rows)
        bars = base.mark_rect(color=COLOURS["b"]).encode(
            x=layout.x("zero", domain, axis), x2=alt.X2("low:Q"), y=layout.y("y1"), y2=alt.Y2("y2:Q"),
            description=alt.Description("says:N"),
        )
        more = base.mark_rect(color=COLOURS["b"], opacity=0.4).encode(
            x=layout.x("low", domain, axis), x2=alt.X2("end:Q"), y=layout.y("y1"), y2=alt.Y2("y2:Q")
        )
        return layout.spec(bars, more, layout.ends(rows, "end", domain, axis=axis))

    text = "Paid for output of cancelled calls that no user saw" if name.endswith("_usd") else \
        "Output tokens of cancelled calls, billed and never shown"  # fmt: skip
    if any(ends[i] > number(table.rows[i][low]) for i in shown):
        text += "; the lighter part is estimated"
    if lacking := len(table.rows) - len(known):
        text += f"; {count(lacking, 'group')} of unknown tax not drawn"
    yield Picture(table.name, f"Cancellation tax{by_words(table.by)}", text + count_shown(table, shown), draw)


def _money_form(most: float) -> str:
    """Return the format of Vega for dollars on an axis that ends at ``most``."""
    return "$~s" if most >= 10_000 else "$,.2~f" if most >= 1 else "$.5~f"


def _is_known(table: Table, name: str) -> bool:
    """Return whether most groups with a tax in tokens have one in this unit."""
    taxed = [row for row in table.rows if number(row[table.position("tax_tokens")])]
    return 2 * sum(not _is_unknown(row[table.position(name)]) for row in taxed) >= max(len(taxed), 1)


def _is_unknown(value: Value) -> bool:
    return not isinstance(value, int | float)
