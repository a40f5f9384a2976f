"""The page about growth: what was measured, and on paper what larger sizes would take, with every assumption named."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.generate import HERE
from benchmarks.page import around

KEPT = HERE / "growth.json"
PAGE = HERE.parent / "docs" / "growth.md"

Measured = dict[str, float]

ON_PAPER = (1e8, 1e9, 1e10, 1e11)
CORES = {"DuckDB": 16, "Spark": 256}
"""Cores of the one machine, and of the cluster, that the paper tables assume."""
USD_PER_CORE_HOUR = 0.04
USD_PER_GB_MONTH = 0.023


def keep(found: Mapping[str, Any], kept: Path = KEPT, page: Path = PAGE) -> None:
    """Replace the kept figures and those on the page."""
    kept.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    before, after = around(page.read_text("utf-8"), "growth")
    page.write_text(f"{before}\n\n{tables(found)}\n\n{after}", "utf-8")


def tables(found: Mapping[str, Any]) -> str:
    """Everything that follows from the measured figures, as markdown."""
    about = found["about"]
    return "\n\n".join([
        f"On {about['date']}, {about['machine']}, load {about['load']}; {about['runs']} run"
        f"{'s' if about['runs'] > 1 else ''} of each question.{about.get('note', '')}",
        "### Measured", _table(*_measured(found)),
        f"Making the first million took {found['cpu_s']['ingest']:.1f} CPU s to ingest "
        f"{found['json_bytes'] / 1e6:,.0f} MB of JSON lines and {found['cpu_s']['export']:.1f} CPU s to export; "
        f"the store has {found['store_bytes'] / 1e6:,.0f} bytes a call, the folder {_bytes_a_call(found):,.0f}.",
        "### What a call adds", _table(*_slopes_table(found)),
        "### On paper", _table(*_paper(found)),
    ])  # fmt: skip


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _measured(found: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Wall and CPU seconds by question, size and engine."""
    sizes = list(found["sizes"])
    head = ["wall s (CPU s)", *(f"{engine}, {size} M" for engine in found["engines"] for size in sizes)]
    rows = [
        [question, *(_pair(engine.get(size, {}).get(question)) for engine in found["engines"].values()
                     for size in sizes)]
        for question in found["questions"]
    ]  # fmt: skip
    return head, rows


def _usd(value: float) -> str:
    return f"{value:,.2f}" if value >= 0.01 else "<0.01"


def _pair(one: Measured | None) -> str:
    return f"{one['wall_s']:.1f} ({one['cpu_s']:.1f})" if one else "-"


def slope(engine: Mapping[str, Mapping[str, Measured]], question: str, what: str) -> float:
    """What a million calls adds, between the smallest and the largest size; never below zero."""
    sizes = sorted(engine, key=int)
    least, most = engine[sizes[0]][question][what], engine[sizes[-1]][question][what]
    if sizes[0] == sizes[-1]:
        return least / int(sizes[0])
    return max(0.0, (most - least) / (int(sizes[-1]) - int(sizes[0])))


def _slopes_table(found: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    last = _spark(found)
    head = ["core-µs a call (fixed CPU s)", *found["engines"], *(["bytes shuffled a call (at most)"] if last else [])]
    largest = max(found["sizes"], key=int)
    rows = []
    for question in found["questions"]:
        row = [question]
        for engine in found["engines"].values():
            if len(engine) < 2:  # a slope needs two sizes
                row.append("-")
                continue
            a_million = slope(engine, question, "cpu_s")
            least = min(engine, key=int)
            fixed = max(0.0, engine[least][question]["cpu_s"] - a_million * int(least))
            row.append(f"{a_million:.2f} ({fixed:.1f})")
        if last:
            shuffled = last[largest][question]["shuffle_bytes"]
            row.append(f"{slope(last, question, 'shuffle_bytes') / 1e6:.2f} ({shuffled / 1e6:.1f} MB)")
        rows.append(row)
    return head, rows


def _spark(found: Mapping[str, Any]) -> Mapping[str, Mapping[str, Measured]]:
    """The largest cluster that was measured in two sizes; nothing where none was."""
    clusters = [sizes for name, sizes in found["engines"].items() if name.startswith("Spark") and len(sizes) > 1]
    return clusters[-1] if clusters else {}


def _paper(found: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """What each size would take, by the slopes."""
    return ["calls", *(f"1e{round(len(str(int(calls))) - 1)}" for calls in ON_PAPER)], [
        [name, *cells] for name, cells in _paper_rows(found)
    ]


def _paper_rows(found: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    a_call = _bytes_a_call(found)
    first = found["cpu_s"]
    report, diff = found["questions"][0], found["questions"][-1]
    local, spark = found["engines"]["DuckDB"], _spark(found)
    hours = {step: seconds / 1e6 / 3600 for step, seconds in first.items()}
    local_h = slope(local, report, "cpu_s") / 1e6 / 3600
    yield "JSON lines in", [_size(calls * found["json_bytes"] / 1e6) for calls in ON_PAPER]
    yield "exported Parquet", [_size(calls * a_call) for calls in ON_PAPER]
    yield "ingest, core-hours", [_hours(calls * hours["ingest"]) for calls in ON_PAPER]
    yield "export, core-hours", [_hours(calls * hours["export"]) for calls in ON_PAPER]
    yield f"{report}, DuckDB, core-hours", [_hours(calls * local_h) for calls in ON_PAPER]
    yield f"the same, wall on {CORES['DuckDB']} cores", [_wall(calls * local_h / CORES["DuckDB"]) for calls in ON_PAPER]
    yield "USD to ingest and export once", [
        _usd(calls * (hours['ingest'] + hours['export']) * USD_PER_CORE_HOUR) for calls in ON_PAPER
    ]
    yield "USD a month to keep the Parquet", [_usd(calls * a_call / 1e9 * USD_PER_GB_MONTH) for calls in ON_PAPER]
    if not spark:
        return
    spark_h = slope(spark, report, "cpu_s") / 1e6 / 3600
    yield f"{report}, Spark, core-hours", [_hours(calls * spark_h) for calls in ON_PAPER]
    yield f"the same, wall on {CORES['Spark']} cores", [_wall(calls * spark_h / CORES["Spark"]) for calls in ON_PAPER]
    yield "USD of one report on Spark", [_usd(calls * spark_h * USD_PER_CORE_HOUR) for calls in ON_PAPER]
    for question in (report, diff):
        yield f"shuffled by one {question}", [
            _size(calls * slope(spark, question, "shuffle_bytes") / 1e6) for calls in ON_PAPER
        ]


def _bytes_a_call(found: Mapping[str, Any]) -> float:
    size = max(found["sizes"], key=int)
    return float(found["sizes"][size]["bytes"]) / (int(size) * 1e6)


def _size(amount: float) -> str:
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if amount >= unit:
            return f"{amount / unit:,.1f} {name}"
    return f"{amount / 1e3:,.0f} kB"


def _hours(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= 100 else f"{amount:.2g}"


def _wall(hours: float) -> str:
    if hours >= 2:
        return f"{hours:,.1f} h"
    return f"{hours * 60:,.0f} min" if hours * 60 >= 2 else f"{hours * 3600:,.1f} s"
