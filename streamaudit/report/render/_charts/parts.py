"""Charts of the tax: its parts by group, and the steps from billed to rendered."""

from collections.abc import Iterator
from typing import Any

from streamaudit.report import escape
from streamaudit.report.model import Report, Table
from streamaudit.report.numbers import NUMBERS, header
from streamaudit.report.render._charts._drawing import COLOURS, GROUPS, Picture, Spec, chart, names_of, plain
from streamaudit.report.render._grid import grid, sums_of_parts

PARTS = ("a", "b", "c", "d")


def stacked_bars(report: Report, table: Table) -> Iterator[Picture]:
    depth = len(table.by)
    parts = table.columns[depth:][: len(PARTS)]
    amounts = [[value if isinstance(value, int) else 0 for value in row[depth:]] for row in table.rows[:GROUPS]]
    if not any(map(any, amounts)):
        return
    labels = [header(part).removeprefix("tax ").removesuffix(" tokens") for part in parts]
    more = f"; the first {GROUPS} of {len(table.rows)} rows" if len(table.rows) > GROUPS else ""

    def draw(width: int) -> Spec:
        import altair as alt

        names = names_of(table, GROUPS, 26 if width > 500 else 14)
        sums = sums_of_parts(report, table, escape.terminal)
        rows: list[dict[str, Any]] = []
        ends: list[dict[str, Any]] = []
        for name, row, each in zip(names, table.rows, amounts, strict=False):
            start = 0
            for index, amount in enumerate(each[: len(parts)]):
                if amount:
                    rows.append(
                        {
                            "name": name,
                            "part": labels[index],
                            "start": start,
                            "end": start + amount,
                            "says": f"{name}: {labels[index]} {NUMBERS['tokens'](amount)} tokens",
                        }
                    )
                start += amount
            unknown = all(value is None for value in row[depth:])
            ends.append(
                {
                    "name": name,
                    "end": start,
                    "text": "unknown" if unknown else sums[len(ends)] or NUMBERS["tokens"](start),
                }
            )
        y = alt.Y(
            "name:N",
            sort=names,
            title=None,
            axis=alt.Axis(labelLimit=240, ticks=False, domain=False, labelColor=COLOURS["ink"]),
        )
        room = max(end["end"] for end in ends) * (1.16 if width > 500 else 1.35)
        x = alt.Scale(domain=[0, room], nice=False)
        colour = alt.Color(
            "part:N",
            scale=alt.Scale(domain=labels, range=[COLOURS[role] for role in PARTS[: len(parts)]]),
            legend=alt.Legend(orient="top", title=None, columns=4 if width > 500 else 2),
        )
        bars = (
            chart(rows)
            .mark_bar(height=16, stroke=COLOURS["paper"], strokeWidth=1)
            .encode(
                x=alt.X("start:Q", scale=x, title="tokens", axis=alt.Axis(tickCount=4, format="~s")),
                x2="end:Q",
                y=y,
                color=colour,
                description="says:N",
            )
        )
        texts = (
            chart(ends)
            .mark_text(align="left", dx=6, color=COLOURS["ink"])
            .encode(x=alt.X("end:Q", scale=x), y=y, text="text:N")
        )
        return {**plain(alt.layer(bars, texts)), "width": width - (230 if width > 500 else 140), "height": {"step": 28}}

    yield Picture(
        table.name,
        "Cancellation tax by owner",
        f"Tokens that nobody saw, by who can act on them: {', '.join(labels)}{more}",
        draw,
    )


def waterfall(report: Report, table: Table) -> Iterator[Picture]:
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
        rows.append(
            {
                "name": name,
                "start": start,
                "end": end,
                "text": text,
                "colour": COLOURS[role],
                "says": f"{name}: {text} tokens",
            }
        )

    def draw(width: int) -> Spec:
        import altair as alt

        names = [row["name"] for row in rows]
        x = alt.Scale(domain=[0, rows[0]["end"] * (1.16 if width > 500 else 1.4)], nice=False)
        y = alt.Y("name:N", sort=names, title=None, axis=alt.Axis(ticks=False, domain=False, labelColor=COLOURS["ink"]))
        base = chart(rows)
        bars = base.mark_bar(height=18).encode(
            x=alt.X("start:Q", scale=x, title="tokens", axis=alt.Axis(tickCount=4, format="~s")),
            x2="end:Q",
            y=y,
            color=alt.Color("colour:N", scale=None),
            description="says:N",
        )
        texts = base.mark_text(align="left", dx=6).encode(x=alt.X("end:Q", scale=x), y=y, text="text:N")
        return {**plain(alt.layer(bars, texts)), "width": width - 130, "height": {"step": 30}}

    steps = ", ".join(f"{row['name']} {row['text']}" for row in rows)
    yield Picture(
        table.name, "From billed to rendered", f"Output tokens of cancelled calls whose tax has a value: {steps}", draw
    )
