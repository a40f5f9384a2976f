"""A figure by period next to each group: its values, its gaps, and the line that a screen draws."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from streamaudit.audits import history, overview
from streamaudit.audits.scope.scope import Scope
from streamaudit.errors import UsageError
from streamaudit.report.frames import Result
from streamaudit.report.model import NO_WINDOW, Column, Json, Report, Table
from streamaudit.report.render._sparkline import MOST, draw
from streamaudit.report.render.formats import Screen, load
from streamaudit.store.store import Store
from tests.support import ingest, raw_call, write_lines

GAP = "\N{FIGURE SPACE}"


def streamed(number: int, at: datetime, **fields: object) -> dict[str, object]:
    """A streamed call at a moment."""
    return raw_call(f"r{number}", start_time=at.isoformat(), stream=True, duration_ms=9000, **fields)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Three days: tenant a waits 100, then nothing, then 300 ms; tenant b 200 ms on every day."""
    made = Store.in_memory()
    first = datetime(2026, 11, 16, 8, tzinfo=UTC)
    records: list[dict[str, object]] = []
    for day in range(3):
        at = first + timedelta(days=day)
        records.append(streamed(len(records), at, tenant_id="b", time_to_first_chunk_ms=200))
        if day != 1:
            records.append(streamed(len(records), at, tenant_id="a", time_to_first_chunk_ms=100 * (day + 1)))
    ingest(made, write_lines(tmp_path_factory.mktemp("trend") / "calls.jsonl", records))
    return made


def test_a_group_has_a_value_for_each_day_and_none_for_a_day_without_calls(store: Store) -> None:
    """Of every day of the interval, in the order of time, the total too; a day without a call is unknown, not 0."""
    result = Result(overview.run(store, Scope(by=("tenant",)), trend=True))
    rows = {row["tenant"]: row["ttft_p50_by_day_ms"] for row in result.tables["by_tenant"].rows()}
    assert rows == {"a": [100.0, None, 300.0], "b": [200.0, 200.0, 200.0]}
    (total,) = result.tables["total"].rows()
    assert total["ttft_p50_by_day_ms"] == [150.0, 200.0, 250.0]
    stored = json.loads(result.to_json())["tables"][0]["rows"]
    assert [row["ttft_p50_by_day_ms"] for row in stored] == [[200.0, 200.0, 200.0], [100.0, None, 300.0]]
    values = result.tables["by_tenant"].to_arrow().column("ttft_p50_by_day_ms")
    assert str(values.type) == "list<item: double>" and values.to_pylist()[1] == [100.0, None, 300.0]
    assert f"▁{GAP}█" in load("table").render(result.report, Screen(120))


def test_the_zone_decides_the_day_and_the_window_the_number_of_days(store: Store) -> None:
    """A window wider than the data has gaps at its ends; a long one is shown by week, a longer one by month."""
    since, until = datetime(2026, 11, 15, tzinfo=UTC), datetime(2026, 11, 19, tzinfo=UTC)
    (total,) = Result(overview.run(store, Scope(since=since, until=until), trend=True)).tables["total"].rows()
    assert total["ttft_p50_by_day_ms"] == [None, 150.0, 200.0, 250.0]
    for days, name, periods in ((70, "ttft_p50_by_week_ms", 11), (400, "ttft_p50_by_month_ms", 14)):
        wide = Scope(since=datetime(2026, 11, 18, tzinfo=UTC) - timedelta(days=days), until=until)
        (total,) = Result(overview.run(store, wide, trend=True)).tables["total"].rows()
        assert len(total[name]) == periods and {value for value in total[name] if value} == {200.0}


def test_the_rest_has_no_line_and_four_dimensions_no_room(store: Store) -> None:
    """The others are many groups; a period takes one of four places."""
    report = overview.run(store, Scope(by=("tenant",), top=1), trend=True)
    rows = list(report.tables[0].records())
    assert rows[-1]["rest"] and rows[-1]["ttft_p50_by_day_ms"] is None
    with pytest.raises(UsageError, match="at most 3"):
        overview.run(store, Scope(by=("tenant", "model", "route", "deploy")), trend=True)


def test_history_has_every_figure_over_its_periods(store: Store) -> None:
    """As lists in data, as lines on a screen."""
    tables = Result(history.run(store, Scope(by=("day",)))).tables
    trends = {row["figure"]: row for row in tables["trends"].rows()}
    waits = trends["ttft_p50_ms"]
    assert (waits["trend"], waits["latest"], waits["lowest"]) == ([150.0, 200.0, 250.0], 250.0, 150.0)
    assert trends["calls"]["trend"] == [2.0, 1.0, 2.0]


@pytest.mark.parametrize(("values", "line"), [
    ([1.0, 8.0], "▁█"),
    ([100.0, 103.0, 98.0, 120.0], "▄▄▄▆"),
    ([5.0, None, 5.0], f"▄{GAP}▄"),
    ([0.0, 0.0, 7.0], "▁▁█"),
    ([0.0], "▁"),
    ([None], ""),
    ([], ""),
])  # fmt: skip
def test_a_line_goes_from_the_lowest_to_the_highest(values: list[float | None], line: str) -> None:
    """Noise of a few percent is no mountain, a gap is no zero, nothing known is no line."""
    assert draw(values) == line


def test_a_line_shows_the_newest_periods() -> None:
    """So that it fits a screen."""
    assert draw([1.0] * 100 + [9.0]) == "▁" * (MOST - 1) + "█"


def test_where_only_ascii_is_taken_a_line_is_of_ascii() -> None:
    """And a list in the other formats."""
    column = Column("ttft_p50_by_day_ms", "ms", trend=True)
    table = Table("total", (Column("calls", "calls"), column), ((3, Json("[1.0, null, 8.0]")),))
    report = Report("t", NO_WINDOW, (table,))
    shown = load("table").render(report, Screen(80, unicode=False))
    assert shown.isascii() and "_ #" in shown
    assert "3,\"[1.0, null, 8.0]\"" in load("csv").render(report, Screen())
