"""Findings of two neighbouring weeks: new, worse, gone, or not judged, and what a summary and a post make of them."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from streamaudit.audits.failures.changes import Change, compare_windows
from streamaudit.audits.failures.suppressions import parse_suppression
from streamaudit.audits.scope.scope import Scope
from streamaudit.audits.weekly.period import choose_period
from streamaudit.audits.weekly.report import run
from streamaudit.report.render._message import post
from streamaudit.store.store import Store
from tests.audits.failures.cases import Record, stream, streams
from tests.support import store_of, write_lines

MONDAY = datetime(2026, 11, 16, tzinfo=UTC)
"""The border: the earlier records lie in the week before."""
BEFORE = Scope(since=MONDAY - timedelta(days=7), until=MONDAY + timedelta(days=7))


def held_back(name: str, count: int, route: str) -> list[Record]:
    return streams(name, count, route=route, ttft_ms=4350)


def a_week_before(records: list[Record]) -> list[Record]:
    """The same records a week earlier, under other ids."""
    return [
        {
            **one, "request_id": f"past-{one['request_id']}", "session_id": f"past-{one.get('session_id')}",
            "start_time": (datetime.fromisoformat(one["start_time"]) - timedelta(days=7)).isoformat(),
        }
        for one in records
    ]  # fmt: skip


NOW = [
    *held_back("fresh", 10, "/new"), *streams("steady", 20, route="/new"),
    *held_back("more", 30, "/worse"), *streams("some", 10, route="/worse"),
    *held_back("same", 10, "/same"),
    *streams("mended", 20, route="/gone"),
]  # fmt: skip
PAST = a_week_before([
    *streams("fine", 20, route="/new"),
    *held_back("few", 10, "/worse"), *streams("many", 30, route="/worse"),
    *held_back("same", 10, "/same"),
    *held_back("broken", 10, "/gone"),
    *held_back("closed", 10, "/closed"),
])  # fmt: skip


@pytest.fixture(scope="module")
def two_weeks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store with both weeks."""
    with store_of(write_lines(tmp_path_factory.mktemp("weeks") / "calls.jsonl", [*NOW, *PAST])) as store:
        yield store


def compare(store: Store, **options: Any) -> list[Change]:
    found = compare_windows(store, BEFORE, MONDAY, **options)
    return [one for one in found if one.finding.code == "burst"]


def kinds(changes: list[Change]) -> dict[str | None, str]:
    return {one.finding.group["route"]: one.kind for one in changes}


def test_findings_are_compared_with_the_week_before(two_weeks: Store) -> None:
    """A route without calls this week is not mended; one that is as bad as before is open and no news."""
    found = kinds(compare(two_weeks))
    assert found == {"/new": "new", "/worse": "worse", "/same": "open", "/gone": "gone", "/closed": "not judged"}


def test_too_little_data_is_no_recovery(tmp_path: Path) -> None:
    """Where the audit has nothing to judge this week, nothing is gone."""
    with store_of(write_lines(tmp_path / "calls.jsonl", [*streams("few", 5, route="/gone"), *PAST])) as store:
        found = kinds(compare(store))
    assert set(found.values()) == {"not judged"}


def test_a_suppressed_finding_is_no_news(two_weeks: Store) -> None:
    """It is held, through its day."""
    held = parse_suppression(
        {"finding": "burst", "reason": "ticket", "until": date(2026, 12, 1), "where": "route=/new"}
    )
    found = kinds(compare(two_weeks, suppressions=[held], today=date(2026, 12, 1)))
    assert found["/new"] == "held"
    found = kinds(compare(two_weeks, suppressions=[held], today=date(2026, 12, 2)))
    assert found["/new"] == "new"


def test_a_summary_and_its_post_say_what_changed(two_weeks: Store) -> None:
    """A few rows, a number in the headline, a line each in the post; without a week before there is no news."""
    report = run(two_weeks, Scope(), choose_period("week", week="2026-W47"))
    first = run(two_weeks, Scope(), choose_period("week", week="2026-W46"))
    # A stream that is held back is also nearly all wait.
    assert "Streaming failures: 2 new, 2 worse, 2 gone" in report.headline
    (table,) = (table for table in report.tables if table.name == "failures")
    rows = {row["change"]: row for row in table.records() if row["finding"] == "burst"}
    assert len(table.rows) == 6
    assert rows["worse"]["affected_calls"] == 30 and rows["worse"]["affected_before"] == 10
    assert rows["gone"]["affected_calls"] is None
    sent = "\n".join(post(report).sections)
    assert "new: burst gpt-4o-mini /new, 10 calls" in sent
    assert "worse: burst gpt-4o-mini /worse, 30 calls, 10 calls before" in sent
    assert "failures" not in [table.name for table in first.tables]
    assert [note.message for note in first.notes if note.code == "failures"] == [
        "streaming failures: 8 open; streamaudit audit --week 2026-W46 lists them"
    ]


def test_money_for_input_sent_twice_is_a_mover(tmp_path: Path) -> None:
    """Sessions that carry 400,000 tokens from call to call, three as many as the week before, without a cache."""
    def sessions(count: int) -> list[Record]:
        return [
            stream(f"s{number}-{turn}", turn, session_id=f"s{number}", tenant=f"t{number % 2}", cached_input_tokens=0,
                input_tokens=400_000 + turn, input_cost_usd=0.4, output_cost_usd=0.0) for number in range(count)
            for turn in range(4)
        ]  # fmt: skip

    records = [*sessions(6), *a_week_before(sessions(2))]
    with store_of(write_lines(tmp_path / "calls.jsonl", records)) as store:
        report = run(store, Scope(), choose_period("week", week="2026-W47"))
    (table,) = (table for table in report.tables if table.name == "movers")
    rows = {row["figure"]: row for row in table.records()}
    assert rows["reread_usd"]["value"] == pytest.approx(6 * 3 * 0.4, rel=1e-3)
    assert rows["reread_usd"]["before"] == pytest.approx(2 * 3 * 0.4, rel=1e-3)
    assert rows["cache_missed_usd"]["value"] == pytest.approx(6 * 3 * 0.36, rel=1e-3)
    assert rows["cache_missed_usd"]["dimension"] == "route"
