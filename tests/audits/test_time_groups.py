"""Groups of time: one name for every hour, also where the clocks repeat one, in the order in which they happened."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from streamaudit.audits import history, overview
from streamaudit.audits.scope.scope import Scope
from streamaudit.report.render.formats import Screen, load
from streamaudit.store.store import Store
from tests.support import Record, audit, ingest, raw_call, write_lines


def calls_at(first: str, count: int, minutes: int, **more: object) -> list[Record]:
    """Calls at even distances, more of them on some places than on others."""
    start = datetime.fromisoformat(first)
    moments = [start + timedelta(minutes=minutes * n) for n in range(count)]
    return [raw_call(f"{first}-{n}", start_time=f"{at.isoformat()}Z", **more) for n, at in enumerate(moments)]


@pytest.mark.parametrize(
    ("zone", "first", "hours", "repeated"),
    [
        ("Europe/Berlin", "2026-10-24T22:00", 25, ["2026-10-25 02:00+02:00", "2026-10-25 02:00+01:00"]),
        ("America/New_York", "2026-11-01T04:00", 25, ["2026-11-01 01:00-04:00", "2026-11-01 01:00-05:00"]),
        ("Australia/Lord_Howe", "2026-04-04T13:00", 25, ["2026-04-05 01:00+11:00", "2026-04-05 01:00+10:30"]),
        ("Europe/Berlin", "2026-03-28T23:00", 23, []),
        ("UTC", "2026-10-25T00:00", 24, []),
    ],
)
def test_every_hour_of_a_day_has_a_row_of_its_own_in_order(
    zone: str, first: str, hours: int, repeated: list[str], tmp_path: Path, store: Store
) -> None:
    """25 hours at the end of summer time, of which the two of one name carry their offset; 23 at its start."""
    length = timedelta(hours=24.5 if "Lord" in zone else hours)
    records = calls_at(first, int(length / timedelta(minutes=10)), 10)
    ingest(store, write_lines(tmp_path / "calls.jsonl", records))
    report = overview.run(store, Scope(by=("hour",), tz=zone))
    written = json.loads(load("json").render(report, Screen()))["tables"][0]["rows"]
    names = [row["hour"] for row in written]
    assert len(names) == len(set(names)) == hours
    assert [name for name in names if len(name) > 16] == repeated
    assert sum(row["calls"] for row in written) == len(records)
    screen = load("table").render(report, Screen())
    lines = [line for line in screen.splitlines() if line.startswith("2026-")]
    assert [line.split("  ")[0].strip() for line in lines] == names
    clock = [name[:16] for name in names]
    assert clock == sorted(clock)


def test_times_come_in_order_whatever_their_size(tmp_path: Path, store: Store) -> None:
    """With --top the newest ones, oldest first; the earlier ones and calls without a time are the rest."""
    sizes = {"2026-11-02": 1, "2026-11-03": 5, "2026-11-04": 2, "2026-11-05": 4}
    records = [record for day, size in sizes.items() for record in calls_at(f"{day}T10:00", size, 1)]
    ingest(store, write_lines(tmp_path / "calls.jsonl", records))
    for name in ("report", "tax", "ttft"):
        rows = audit(store, name, "day")["by_day"]
        assert [(row["day"], row["calls"]) for row in rows] == list(sizes.items())
        rows = audit(store, name, "day", top=2)["by_day"]
        assert [(row["day"], row["calls"]) for row in rows] == [("2026-11-04", 2), ("2026-11-05", 4), (None, 6)]
        assert rows[-1]["rest"] is True
    screen = load("table").render(overview.run(store, Scope(by=("day",), top=2)), Screen())
    assert "(2 earlier)" in screen
    assert [row[0] for row in history.run(store, Scope(by=("day",))).tables[0].rows] == list(sizes)


def test_times_of_groups_come_in_order_within_each_group(tmp_path: Path, store: Store) -> None:
    """Groups by the rank of their first row, the times of each in order; times first, then groups by rank."""
    counts = {("a", "2026-11-02"): 3, ("a", "2026-11-03"): 1, ("b", "2026-11-02"): 2, ("b", "2026-11-03"): 9}
    records = [
        record for (tenant, day), count in counts.items()
        for record in calls_at(f"{day}T{10 if tenant == 'a' else 11}:00", count, 1, tenant=tenant)
    ]  # fmt: skip
    ingest(store, write_lines(tmp_path / "calls.jsonl", records))
    found = [(row["tenant"], row["day"][-2:]) for row in audit(store, "report", "tenant,day")["by_tenant_day"]]
    assert found == [("b", "02"), ("b", "03"), ("a", "02"), ("a", "03")]
    found = [(row["day"][-2:], row["tenant"]) for row in audit(store, "report", "day,tenant")["by_day_tenant"]]
    assert found == [("02", "a"), ("02", "b"), ("03", "b"), ("03", "a")]
    rows = audit(store, "report", "day,tenant", top=3)["by_day_tenant"]
    assert [(row["day"], row["tenant"]) for row in rows[:3]] == [
        ("2026-11-02", "a"), ("2026-11-03", "b"), ("2026-11-03", "a")
    ]  # fmt: skip
