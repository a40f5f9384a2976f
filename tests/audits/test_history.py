"""``history``: figures in order, and a change of level found where it was put and nowhere else."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from streamaudit.audits.diff.question import Ask, Side
from streamaudit.audits.diff.report import run as diff
from streamaudit.audits.history import MIN_PERIODS, run, shifts
from streamaudit.audits.scope.scope import Scope
from streamaudit.store.store import Store
from tests.support import Record, audit, raw_call, store_of, write_lines


def series(seed: int, levels: list[tuple[int, float]], noise: float = 0.03) -> list[float]:
    """Values around levels, each for so many periods."""
    dice = np.random.default_rng(seed)
    return [float(level * np.exp(noise * dice.standard_normal())) for length, level in levels for _ in range(length)]


def test_a_shift_is_found_where_it_is() -> None:
    """Of 40 series with one shift of a quarter, at least 38 have it at its place or beside it; two shifts are two."""
    found = [shifts(series(seed, [(10, 400.0), (10, 500.0)])) for seed in range(40)]
    assert sum(len(one) == 1 and abs(one[0] - 10) <= 1 for one in found) >= 38
    assert shifts(series(1, [(8, 400.0), (8, 600.0), (8, 300.0)])) == [8, 16]


def test_noise_is_rarely_a_shift() -> None:
    """Of 100 series without one."""
    assert sum(bool(shifts(series(seed, [(20, 400.0)]))) for seed in range(100)) <= 5


def test_too_few_or_equal_values_have_no_shift() -> None:
    """Nothing fails where there is nothing to measure noise on."""
    assert shifts([]) == shifts([400.0] * (MIN_PERIODS - 1)) == shifts([400.0] * 30) == []
    assert shifts([400.0] * 10 + [800.0] * 10) == [10]


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Store]:
    """Twelve days of 40 calls; the last five wait twice as long."""
    records: list[Record] = []
    for day in range(1, 13):
        slow = 2.0 if day > 7 else 1.0
        records += [
            raw_call(
                f"{day}-{number}", start_time=f"2026-11-{day:02d}T{number % 24:02d}:00:00Z", duration_ms=9000,
                time_to_first_chunk_ms=slow * (300 + number * 10 + day * 7 % 5), service_version=f"v{day // 4}",
                outcome="cancelled" if number % 10 == 0 else "completed",
            )
            for number in range(40)
        ]  # fmt: skip
    with store_of(write_lines(tmp_path / "calls.jsonl", records)) as store:
        yield store


def test_the_figures_are_those_of_the_report(filled: Store) -> None:
    """The same days, in order, with the same percentiles and rates; deploys stand in the order of their first call."""
    report = run(filled, Scope(by=("day",)))
    rows = list(report.tables[0].records())
    expected = {row["day"]: row for row in audit(filled, "report", "day")["by_day"]}
    assert [row["day"] for row in rows] == sorted(expected)
    for row in rows:
        for name in ("calls", "ttft_p50_ms", "ttft_p95_ms", "cancel_rate", "cost_usd"):
            assert row[name] == expected[row["day"]][name], name
    deploys = run(filled, Scope(by=("deploy",)))
    assert [row["deploy"] for row in deploys.tables[0].records()] == ["v0", "v1", "v2", "v3"]
    assert "few_periods" in {note.code for note in deploys.notes}


def test_what_nobody_knows_is_no_rate_of_0(tmp_path: Path) -> None:
    """Cancelled calls without usage have no tax rate, calls that do not say how they ended no rates at all."""
    records = [
        raw_call(f"a{n}", start_time="2026-11-16T08:00:00Z", outcome="cancelled" if n % 2 else "completed",
            output_tokens=None if n % 2 else 50) for n in range(40)
    ] + [
        raw_call(f"b{n}", start_time="2026-11-17T08:00:00Z", outcome="unknown", output_tokens=None) for n in range(40)
    ]  # fmt: skip
    with store_of(write_lines(tmp_path / "calls.jsonl", records)) as store:
        rows = {row["day"]: row for row in run(store, Scope(by=("day",))).tables[0].records()}
        assert (rows["2026-11-16"]["cancel_rate"], rows["2026-11-16"]["tax_rate"]) == (0.5, None)
        assert {rows["2026-11-17"][name] for name in ("cancel_rate", "error_rate", "tax_rate")} == {None}
        ask = Ask("operation", Side("chat", None, datetime(2026, 11, 17)), Side("chat", datetime(2026, 11, 17)))
        found = {row["metric"]: row for row in diff(store, Scope(), ask).tables[0].records()}
        assert found["tax_rate"]["base_value"] is None
        assert (found["cancel_rate"]["base_value"], found["cancel_rate"]["head_value"]) == (0.5, None)
        assert found["cancel_rate"]["head_n"] == 0


def test_a_change_is_listed_and_drawn_before_its_first_period(filled: Store) -> None:
    """With the means before and after, and nothing for what did not change."""
    report = run(filled, Scope(by=("day",)))
    changes = {row["metric"]: row for row in report.tables[2].records()}
    assert set(changes) == {"ttft_p50_ms", "ttft_p95_ms"}
    assert changes["ttft_p50_ms"]["at"] == "2026-11-08"
    assert changes["ttft_p50_ms"]["change_ratio"] == pytest.approx(1.0, abs=0.02)
    assert set(report.tables[0].breaks) == {7}
