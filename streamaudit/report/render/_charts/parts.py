"""Charts of the tax: its parts by group, and the steps from billed to rendered."""

from collections.abc import Iterator
from typing import Any

from streamaudit.report import escape
from streamaudit.report.model import Report, Table
from streamaudit.report.numbers import NUMBERS, header
from streamaudit.report.render._charts._drawing import (
    COLOURS,
    Picture,
    Spec,
    chart,
    choose_rows,
    count_shown,
    names_of,
    number,
)
from streamaudit.report.render._charts._rows import Rows
from streamaudit.report.render._grid import grid, sums_of_parts
from streamaudit.report.render._text import by_words

PARTS = ("a", "b", "c", "d")


def stacked_bars(report: Report, table: Table) -> Iterator[Picture]:
    """Yield the parts of each row's whole as a bar."""
    depth = len(table.by)
    parts = table.columns[depth:][: len(PARTS)]
    sizes = [sum(number(value) for value in row[depth : depth + len(parts)]) for row in table.rows]
    if not any(sizes):
        return
    shown = choose_rows(table, list(range(len(table.rows))), sizes)
    labels = [header(part).removeprefix("tax ").removesuffix(" tokens") for part in parts]

    def draw(width: int) -> Spec:
        import altair as alt

        names, sums = names_of(table, shown), sums_of_parts(report, table, escape.terminal)
        ends: list[dict[str, Any]] = []
        for i in shown:
            unknown = all(value is None for value in table.rows[i][depth:])
            ends.append({"end": sizes[i], "text": "unknown" if unknown else sums[i] or NUMBERS["tokens"](sizes[i])})
        layout = Rows(names, width, [one["text"] for one in ends])
        rows: list[dict[str, Any]] = []
        for index, i in enumerate(shown):
            ends[index] |= layout.place(index)
            start = 0.0
            for label, value in zip(labels, table.rows[i][depth:], strict=False):
                if amount := number(value):
                    says = f"{names[index]}: {label} {NUMBERS['tokens'](amount)} tokens"
                    rows.append({"part": label, "start": start, "end": start + amount, "says": says}
                                | layout.place(index))  # fmt: skip
                start += amount
        domain = [0.0, max(sizes[i] for i in shown)]
        axis = alt.Axis(tickCount=4, format="~s", title="tokens")
        colour = alt.Color(
            "part:N", scale=alt.Scale(domain=labels, range=[COLOURS[role] for role in PARTS[: len(parts)]]),
            legend=alt.Legend(orient="top", title=None, columns=4 if width > 500 else 2),
        )  # fmt: skip
        bars = chart(rows).mark_rect(stroke=COLOURS["paper"], strokeWidth=1).encode(
            x=layout.x("start", domain, axis), x2=alt.X2("end:Q"), y=layout.y("y1"), y2=alt.Y2("y2:Q"), color=colour,
            description=alt.Description("says:N"),
        )  # fmt: skip
        return layout.spec(bars, layout.ends(ends, "end", domain, axis=axis))

    yield Picture(
        table.name, f"Who can act on the cancellation tax{by_words(table.by)}",
        f"Tokens that no user saw, by who can act on them: {', '.join(labels)}{count_shown(table, shown)}", draw,
    )  # fmt: skip


def waterfall(report: Report, table: Table) -> Iterator[Picture]:
    """Yield the steps from the whole to what is left."""
    step, amount = table.position("step"), table.position("tokens")
    values = [row[amount] for row in table.rows]
    if not values or not isinstance(values[0], int) or not values[0]:
        return
    cells = grid(table, None, escape.terminal).rows
    rows: list[dict[str, Any]] = []
    left = values[0]
    for index, row in enumerate(table.rows):
        value, name = row[amount], str(row[step])
        text = cells[index][amount].text if isinstance(value, int) else "unknown"
        whole = index in (0, len(table.rows) - 1)
        size = value if isinstance(value, int) else 0
        start, end = (0, size) if whole else (left - size, left)
        left = left if whole else left - size
        role = "quiet" if index == 0 else "good" if whole else PARTS[(index - 1) % len(PARTS)]
        rows.append({"name": name, "start": start, "end": end, "text": text, "colour": COLOURS[role],
                     "says": f"{name}: {text} tokens"})  # fmt: skip

    def draw(width: int) -> Spec:
        import altair as alt

        layout = Rows([row["name"] for row in rows], width, [row["text"] for row in rows], mark=18.0)
        placed = [row | layout.place(index) for index, row in enumerate(rows)]
        domain = [0.0, float(rows[0]["end"])]
        axis = alt.Axis(tickCount=4, format="~s", title="tokens")
        bars = chart(placed).mark_rect().encode(
            x=layout.x("start", domain, axis), x2=alt.X2("end:Q"), y=layout.y("y1"), y2=alt.Y2("y2:Q"),
            color=alt.Color("colour:N", scale=None), description=alt.Description("says:N"),
        )  # fmt: skip
        return layout.spec(bars, layout.ends(placed, "end", domain, axis=axis))

    steps = ", ".join(f"{row['name']} {row['text']}" for row in rows)
    yield Picture(
        table.name, "From billed to rendered", f"Output tokens of cancelled calls whose tax has a value: {steps}", draw
    )
