"""The same signs on a figure wherever it is shown: bounds, estimates, and no middle below its low end."""

from pathlib import Path

import pytest

from streamaudit.audits import history, overview, tax
from streamaudit.audits.diff.question import Ask, Side
from streamaudit.audits.diff.report import run as diff
from streamaudit.audits.scope.scope import Scope
from streamaudit.report.escape import terminal
from streamaudit.report.model import Report, Table
from streamaudit.report.render._grid import grid
from streamaudit.report.render.formats import Screen, load
from streamaudit.store.store import Store
from tests.support import Record, ingest, raw_call, write_lines

PRICED = {"output_cost_usd": 0.1, "cost_usd": 0.1}


def left(name: str, **fields: object) -> Record:
    """A call that its user left, billed 100 tokens for 10 cents."""
    return raw_call(name, outcome="cancelled", **{**PRICED, **fields})


EXACT = left("exact", rendered_tokens=90)
BOUNDED = left("bounded", usage_source="provider_partial", rendered_tokens=20, max_tokens=400)
"""More billed than shown by at least 80 tokens, and no value."""
ESTIMATED = left("estimated", time_to_first_chunk_ms=100, cancelled_at_ms=1000)


def cells(table: Table, row: int = 0) -> dict[str, str]:
    """What a screen shows of a row, by column."""
    shown = grid(table, None, terminal, wide=True).rows[row]
    return {column.name: cell.text for column, cell in zip(table.columns, shown, strict=True)}


def named(report: Report, name: str) -> Table:
    """One table of a report."""
    return next(table for table in report.tables if table.name == name)


def test_a_middle_below_its_low_end_is_never_shown(tmp_path: Path, store: Store) -> None:
    """10 exact tokens and at least 80 of a call that has no value: 90 at least, which is what every screen shows."""
    ingest(store, write_lines(tmp_path / "calls.jsonl", [EXACT, BOUNDED, raw_call("done", tenant_id="x", **PRICED)]))
    plain = tax.run(store, Scope())
    for report in (plain, tax.run(store, Scope(), split=True), overview.run(store, Scope())):
        table = named(report, "total")
        record = next(table.records())
        assert (record["tax_low_tokens"], record["tax_tokens"]) == (90, 10)
        shown = cells(table)
        assert shown["tax_low_tokens"] == shown["tax_tokens"] == "≥ 90"
        assert (shown["tax_low_usd"], shown["tax_usd"]) == ("≥ $0.09", "$0.09–0.39")
        assert record["tax_usd"] == pytest.approx(0.01)
    whole = cells(named(plain, "total"))
    assert whole["tax_per_1000_calls_usd"] == whole["tax_per_tenant_usd"] == "-"
    ended = named(plain, "by_outcome")
    assert next(ended.records())["unseen_output_tokens"] == 10
    assert cells(ended)["unseen_output_tokens"] == "≥ 90" == cells(ended, 4)["unseen_output_tokens"]
    by_model = tax.run(store, Scope(by=("model",)), split=True)
    assert "≥ 90" in load("html").render(by_model, Screen())
    drawn = load("table").render(by_model, Screen()).split("tax parts")[1]
    assert next(line for line in drawn.splitlines() if line.startswith("gpt-4o-mini")).endswith(" ≥ 90")


def test_the_whole_of_a_bar_has_the_mark_of_the_tax(tmp_path: Path, store: Store) -> None:
    """The bars of --split end in the tax of their row, as the table above them shows it."""
    ingest(store, write_lines(tmp_path / "calls.jsonl", [left("a", rendered_tokens=40, reasoning_tokens=0), ESTIMATED]))
    report = tax.run(store, Scope(by=("model",)), split=True)
    text = cells(named(report, "by_model"))["tax_tokens"]
    assert text[0] in "≥~"
    drawn = load("table").render(report, Screen()).split("tax parts")[1]
    assert next(line for line in drawn.splitlines() if line.startswith("gpt-4o-mini")).endswith(text)


def test_the_worst_calls_come_by_low_end_then_value_then_high_end(tmp_path: Path, store: Store) -> None:
    """With the signs that a group has; of what is not known nothing is assumed."""
    records = [
        left("low", rendered_tokens=10),
        BOUNDED,
        left("value", time_to_first_chunk_ms=100, cancelled_at_ms=200, reasoning_tokens=0),
        left("smaller value", time_to_first_chunk_ms=100, cancelled_at_ms=3000, reasoning_tokens=0),
        left("only a high end"),
        left("nothing", output_tokens=None, cost_usd=None, output_cost_usd=None),
    ]
    ingest(store, write_lines(tmp_path / "calls.jsonl", records))
    table = named(tax.run(store, Scope(), top_calls=10), "top_calls")
    rows = list(table.records())
    assert [row["call_id"] for row in rows] == [
        "low", "bounded", "value", "smaller value", "only a high end", "nothing"
    ]  # fmt: skip
    assert cells(table)["tax_tokens"] == "90"
    assert cells(table, 1)["tax_low_tokens"] == "≥ 80" and cells(table, 1)["tax_high_tokens"] == "≤ 380"
    assert cells(table, 2)["tax_tokens"].startswith("~ ")
    unknown = cells(table, 5)
    assert (unknown["tax_low_tokens"], unknown["tax_tokens"], unknown["tax_high_tokens"]) == ("≥ 0", "-", "-")


def test_beside_what_is_unknown_stands_how_much_an_interval_sizes(tmp_path: Path, store: Store) -> None:
    """Of five cancelled calls one is exact, two have an interval, one is open and one is unknown."""
    records = [
        EXACT, BOUNDED, left("estimated", delivered_tokens=50, reasoning_tokens=0),
        left("open", output_tokens=None, rendered_tokens=30, delivered_tokens=60), left("unknown", output_tokens=None),
    ]  # fmt: skip
    ingest(store, write_lines(tmp_path / "calls.jsonl", records))
    report = tax.run(store, Scope())
    row = next(named(report, "total").records())
    assert (row["tax_unknown_rate"], row["tax_interval_rate"]) == (0.2, 0.4)
    ended = next(named(report, "by_outcome").records())
    assert (ended["interval_calls"], ended["unknown_calls"], ended["calls"]) == (2, 1, 5)
    said = next(note.message for note in report.notes if note.code == "tax_unknown")
    assert said.startswith("1 cancelled call (20.0 %) cannot be sized")
    assert said.endswith("; 40.0 % of all have a range")


def by_day(day: int, *, unknown: bool) -> list[Record]:
    """Four calls of a day under a deploy: two completed, one left, and one that may not say how it ended."""
    start = f"2026-11-{day:02d}T10:00:0"
    more = {"service_version": f"v{day}", "time_to_first_chunk_ms": 100, **PRICED}
    return [
        raw_call(f"{day}a", start_time=f"{start}1Z", **more), raw_call(f"{day}b", start_time=f"{start}2Z", **more),
        left(f"{day}c", start_time=f"{start}3Z", service_version=f"v{day}",
             **({"time_to_first_chunk_ms": 100, "cancelled_at_ms": 1000} if unknown else {"rendered_tokens": 9})),
        raw_call(f"{day}d", start_time=f"{start}4Z", **{**more, "outcome": "unknown" if unknown else "error",
                 "cost_usd": None if unknown else 0.1}),
    ]  # fmt: skip


def test_history_and_diff_mark_what_leaves_calls_out_or_rests_on_estimates(tmp_path: Path, store: Store) -> None:
    """As the report of the same calls does, on the day, and the side, that has such calls."""
    records = [*by_day(2, unknown=False), *by_day(3, unknown=True)]
    untimed = raw_call("untimed", start_time=None, outcome="unknown")
    ingest(store, write_lines(tmp_path / "calls.jsonl", [*records, untimed]))
    days = named(history.run(store, Scope(by=("day",))), "by_day")
    assert [row[0] for row in days.rows] == ["2026-11-02", "2026-11-03"]
    reported = named(overview.run(store, Scope(by=("day",))), "by_day")
    for row in (0, 1):
        mine, theirs = cells(days, row), cells(reported, row)
        assert [mine[name] for name in ("day", "calls", "cancel_rate", "cost_usd")] == [
            theirs[name] for name in ("day", "calls", "cancel_rate", "cost_usd")
        ]
    signs = [{name: cells(days, row)[name][:2] for name in ("cancel_rate", "tax_rate", "cost_usd")} for row in (0, 1)]
    assert signs[0]["cancel_rate"] == "25" and signs[1]["cancel_rate"] == "≥ "
    assert signs[0]["tax_rate"][0] not in "≥~" and signs[1]["tax_rate"] == "~ "
    assert signs[1]["cost_usd"] == "≥ " != signs[0]["cost_usd"]

    rates = ("cancel_rate", "error_rate", "tax_rate")
    compared = named(diff(store, Scope(), Ask("deploy", Side("v2"), Side("v3"), metrics=rates)), "total")
    place = {record["metric"]: index for index, record in enumerate(compared.records())}
    for metric in rates:
        shown = cells(compared, place[metric])
        assert shown["head_value"].startswith("~ "), metric
        assert not shown["base_value"].startswith("~ "), metric
