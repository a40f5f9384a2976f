"""``weekly``: its figures are those of the other reports over the same weeks, its movers are what was made to move."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamaudit.audits.scope.scope import Scope
from streamaudit.audits.weekly.completeness import reach_notes
from streamaudit.audits.weekly.period import choose_period, find_earlier_start
from streamaudit.audits.weekly.report import parse_dimensions, run
from streamaudit.errors import UsageError
from streamaudit.report.model import Report
from streamaudit.store.pulls import Position, write_position
from streamaudit.store.store import Store
from tests.support import Record, audit, grouped, ingest, raw_call, store_of, write_lines

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
FIRST = datetime(2026, 11, 9, tzinfo=UTC)
A_DAY = 96
Selected = tuple[tuple[str, str], ...]


def call(name: str, start: datetime, **fields: Any) -> Record:
    """One priced call, streamed to the end."""
    return raw_call(
        name, start_time=start.isoformat().replace("+00:00", "Z"),
        **{"output_tokens": 400, "rendered_tokens": 400, "input_tokens": 100, "output_cost_usd": 0.04,
           "cost_usd": 0.05, "duration_ms": 8000, "stream": True, **fields},
    )  # fmt: skip


def two_weeks(days: int = 14) -> list[Record]:
    """Four tenants. In the second week globex leaves early on /chat twenty times as often, and from the Thursday of
    that week on, under a new deploy, first tokens on /search take twice as long."""
    dice = np.random.default_rng(5)
    records = []
    for number in range(days * A_DAY):
        start = FIRST + timedelta(days=1) * number / A_DAY
        tenant = ("acme", "globex", "initech", "hooli")[number % 4]
        route = ("/chat", "/search")[number // 4 % 2]
        second, late = start >= FIRST + timedelta(days=7), start >= FIRST + timedelta(days=10)
        ttft = 400 * float(np.exp(0.2 * dice.standard_normal())) * (2 if late and route == "/search" else 1)
        leaves = dice.random() < (0.6 if second and (tenant, route) == ("globex", "/chat") else 0.03)
        ended = {"outcome": "cancelled", "rendered_tokens": 50, "cancelled_at_ms": 5000} if leaves else {}
        records.append(call(
            f"c{number}", start, tenant_id=tenant, route=route, service_version="v2" if late else "v1",
            time_to_first_chunk_ms=round(ttft, 3), **ended,
        ))  # fmt: skip
    return records


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The two weeks in a store."""
    with store_of(write_lines(tmp_path_factory.mktemp("weeks") / "calls.jsonl", two_weeks())) as store:
        yield store


@pytest.fixture(scope="module")
def summary(filled: Store) -> Report:
    """The summary of week 47 of the two weeks."""
    return weekly(filled)


def week_of(first_day: int) -> dict[str, Any]:
    """The window of seven days from so many days after the first."""
    return {"since": FIRST + timedelta(days=first_day), "until": FIRST + timedelta(days=first_day + 7)}


def weekly(store: Store, by: tuple[str, ...] = (), movers: int = 2, **scope: Any) -> Report:
    """The summary of week 47."""
    period = choose_period("week", week="2026-W47", now=NOW)
    return run(store, Scope(by=by, **scope), period, movers=movers)


def rows(report: Report, name: str) -> list[Record]:
    """The rows of one table; none when it is not there."""
    return next((list(table.records()) for table in report.tables if table.name == name), [])


def test_its_figures_are_those_of_the_reports_of_either_week(filled: Store, summary: Report) -> None:
    """Nothing is computed anew that another report computes."""
    weeks = [audit(filled, "report", **week_of(first))["total"][0] for first in (7, 0)]
    found = {row["figure"]: row for row in rows(summary, "figures")}
    for name in ("calls", "ttft_p50_ms", "ttft_p95_ms", "cancel_rate", "tax_low_tokens", "tax_low_usd", "cost_usd"):
        assert [found[name]["value"], found[name]["before"]] == [week[name] for week in weeks], name
        assert found[name]["change_ratio"] == pytest.approx(weeks[0][name] / weeks[1][name] - 1)
    assert found["tax_low_usd"]["high"] == weeks[0]["tax_high_usd"]
    assert found["error_rate"]["value"] == weeks[0]["errors"] / weeks[0]["calls"]
    assert found["ttft_p95_ms"]["coverage"] == weeks[0]["ttft_calls"] / weeks[0]["streamed_calls"]
    assert found["cancel_rate"]["verdict"] == "regression"


def test_what_was_made_to_move_is_named_with_what_made_it(filled: Store) -> None:
    """A tenant's tax, mostly of one route; the route whose first tokens the new deploy slowed down; the deploy."""
    report = weekly(filled, movers=1)
    found = {(row["dimension"], row["figure"]): row for row in rows(report, "movers")}
    taxed = found["tenant", "tax_low_usd"]
    assert (taxed["name"], taxed["from_route"], taxed["from_tenant"]) == ("globex", "/chat", None)
    by_tenant = [grouped(filled, "tax", "tenant", **week_of(first))["globex"] for first in (7, 0)]
    assert [taxed["value"], taxed["before"]] == [pytest.approx(one["tax_low_usd"]) for one in by_tenant]
    slower = [row for row in rows(report, "movers") if row["dimension"] == "route" and row["verdict"] == "regression"]
    assert [row["name"] for row in slower if row["figure"].startswith("ttft")] in ([], ["/search"])
    deployed = next(row for row in rows(report, "movers") if row["dimension"] == "deploy")
    assert (deployed["name"], deployed["verdict"], deployed["figure"][:4]) == ("v2", "regression", "ttft")
    live = rows(report, "new_deploys")
    assert [(row["deploy"], row["first_call"]) for row in live] == [("v2", FIRST + timedelta(days=10))]
    assert re.search(r"Tax rate \+.+ % \(.+ → .+\) since v2, on /chat \+.+ % \(95 % interval", report.answer)
    assert "; also worse: TTFT, cancel rate." in report.answer


@pytest.mark.proof
@pytest.mark.parametrize("only", [(), (("tenant", "acme,hooli"),)])
def test_the_order_of_the_records_changes_nothing(filled: Store, only: Selected, tmp_path: Path) -> None:
    """Also where several values made more than half of a change because others took away from it."""
    with store_of(write_lines(tmp_path / "calls.jsonl", two_weeks()[::-1])) as store:
        assert weekly(store, movers=9, only=only).tables == weekly(filled, movers=9, only=only).tables


def test_a_quiet_week_has_no_movers(tmp_path: Path) -> None:
    """The same week twice: nothing is better, worse or dearer by a tenth."""
    week = two_weeks(7)
    again = [
        {**one, "request_id": f"again-{one['request_id']}",
         "start_time": (datetime.fromisoformat(one["start_time"]) + timedelta(days=7)).isoformat()} for one in week
    ]  # fmt: skip
    with store_of(write_lines(tmp_path / "calls.jsonl", [*week, *again])) as store:
        report = weekly(store)
    assert rows(report, "movers") == rows(report, "new_deploys") == []
    assert report.headline.endswith(" Nothing is clearly better or worse.")
    assert {row["change_ratio"] for row in rows(report, "figures")} <= {0.0, None}


def test_a_week_whose_data_ends_early_looks_incomplete(summary: Report, tmp_path: Path) -> None:
    """Hours before its end, with the hour; a week that goes on to its end does not."""
    assert not [note for note in summary.notes if note.code.startswith("incomplete")]
    short = [one for one in two_weeks() if one["start_time"] < "2026-11-22T19:00"]
    with store_of(write_lines(tmp_path / "short.jsonl", short)) as store:
        said = [note.message for note in weekly(store).notes if note.code == "incomplete"]
    assert said == ["data until Sunday 18:45 UTC, 5 hours before the end: it looks incomplete"]


def test_data_that_is_pulled_reaches_until_its_last_pull(tmp_path: Path) -> None:
    """Where that was before the end, or failed, a note says so and why; one that is complete needs none."""
    end = datetime(2026, 11, 23, tzinfo=UTC)
    scope = Scope(since=end - timedelta(days=7), until=end, tz="Europe/Paris")

    def said(*positions: Position) -> list[str]:
        with store_of() as store:
            for position in positions:
                write_position(store, position)
            scope.prepare(store)
            return [note.message for note in reach_notes(store, scope)]

    broken = Position("langfuse", "https://a", until=end - timedelta(hours=34), failed_at=end, reason="a answers 500")
    why = "the last pull of langfuse failed (a answers 500)"
    assert said(broken) == [f"data until Saturday 15:00 Europe/Paris, 34 hours before the end: {why}"]
    late = replace(broken, until=end + timedelta(hours=8))
    assert said(late) == [f"{why}; data until 2026-11-23 09:00 Europe/Paris"]
    assert said(replace(late, failed_at=None)) == []
    early = Position("datadog", "https://b", until=end - timedelta(minutes=20))
    assert said(early) == [
        "data until Monday 00:40 Europe/Paris, 20 minutes before the end: datadog was last pulled then"
    ]
    never = replace(broken, source="datadog", until=None)
    assert said(replace(late, failed_at=None), never, replace(broken, until=end - timedelta(days=30))) == [
        "no data of datadog yet: the last pull of datadog failed (a answers 500)",
        f"data of langfuse until 2026-10-24 02:00 Europe/Paris, 720 hours before the end: {why}",
    ]


def test_of_two_sources_the_one_that_stopped_is_named(tmp_path: Path) -> None:
    """The others go on, so the whole does not end early."""
    records = two_weeks()
    stopped = [one for one in records[::2] if one["start_time"] < "2026-11-21"]
    scope = Scope(**week_of(7))
    with store_of(write_lines(tmp_path / "a.jsonl", records[1::2])) as store:
        ingest(store, write_lines(tmp_path / "b.jsonl", stopped), source="gateway")
        scope.prepare(store)
        said = {note.code: note.message for note in reach_notes(store, scope)}
    assert list(said) == ["incomplete_gateway"]
    expected = "data of gateway until Friday 23:30 UTC, 48 hours before the end: it looks incomplete"
    assert said["incomplete_gateway"] == expected


def test_a_week_without_calls_is_a_report(filled: Store) -> None:
    """It says so, says where there are calls, and knows no figure but their number."""
    report = run(filled, Scope(), choose_period("week", week="2026-W30", now=NOW))
    assert report.headline == "No calls in this period."
    assert {"empty", "data_range"} <= {note.code for note in report.notes}
    figures = {row["figure"]: row["value"] for row in rows(report, "figures")}
    assert figures.pop("calls") == 0
    assert set(figures.values()) == {None}
    assert rows(report, "movers") == []


def test_the_first_week_has_nothing_beside_it(filled: Store) -> None:
    """No change, no mover and no new deploy where there was nothing before."""
    report = run(filled, Scope(), choose_period("week", week="2026-W46", now=NOW))
    assert {row["change_ratio"] for row in rows(report, "figures")} == {None}
    assert rows(report, "movers") == rows(report, "new_deploys") == []
    assert "no_base" in {note.code for note in report.notes}


def test_filters_and_other_dimensions_hold_everywhere(filled: Store) -> None:
    """Only one tenant's calls are in it; movers are looked for where it was asked."""
    report = weekly(filled, ("route",), only=(("tenant", "globex"),))
    figures = {row["figure"]: row["value"] for row in rows(report, "figures")}
    assert figures["calls"] == 7 * A_DAY // 4
    assert {row["dimension"] for row in rows(report, "movers")} <= {"route", "deploy"}
    with pytest.raises(UsageError, match="at most 3"):
        parse_dimensions("tenant,route,model,region")
    with pytest.raises(UsageError, match="tenannt"):
        parse_dimensions("tenannt")


def test_the_trend_is_the_history_of_the_last_weeks(summary: Report) -> None:
    """In order, and not on a screen."""
    trend = next(table for table in summary.tables if table.name == "trend")
    assert trend.aside and trend.shape == "trend"
    assert [row["week"] for row in trend.records()] == ["2026-W46", "2026-W47"]
    assert [row["calls"] for row in trend.records()] == [7 * A_DAY, 7 * A_DAY]


def utc(text: str) -> datetime:
    """A moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "asked", "now", "expected", "names"),
    [
        # Sunday evening in New York is Monday in UTC: the week is not over there.
        ("week", {"tz": "America/New_York"}, "2026-11-23T03:00", ("2026-11-02T05:00", "2026-11-09T05:00",
            "2026-11-16T05:00"), ("2026-W46", "2026-W45")),
        # 2026 has 53 ISO weeks, and its last one ends in January.
        ("week", {}, "2027-01-05T00:00", ("2026-12-21T00:00", "2026-12-28T00:00", "2027-01-04T00:00"),
            ("2026-W53", "2026-W52")),
        # The clocks go back on 25 October: that week has an hour more.
        ("week", {"tz": "Europe/Paris", "week": "2026-W43"}, "2026-11-25T00:00", ("2026-10-11T22:00",
            "2026-10-18T22:00", "2026-10-25T23:00"), ("2026-W43", "2026-W42")),
        # In São Paulo a day of 2018 began at one o'clock.
        ("day", {"tz": "America/Sao_Paulo"}, "2018-11-05T12:00", ("2018-11-03T03:00", "2018-11-04T03:00",
            "2018-11-05T02:00"), ("2018-11-04", "2018-11-03")),
        ("month", {"tz": "Europe/Paris"}, "2027-01-01T00:00", ("2026-10-31T23:00", "2026-11-30T23:00",
            "2026-12-31T23:00"), ("2026-12", "2026-11")),
    ],
)  # fmt: skip
def test_a_period_is_whole_in_its_zone(
    kind: str, asked: dict[str, str], now: str, expected: tuple[str, ...], names: tuple[str, str]
) -> None:
    """Its ends are midnights of that zone, whatever the clocks do."""
    found = choose_period(kind, **asked, now=utc(now))
    assert (found.before, found.since, found.until) == tuple(map(utc, expected))
    assert (found.name, found.before_name) == names


def test_a_window_is_set_beside_the_one_before_it() -> None:
    """Of equal length; one without an end, a week of a month, and a kind that is none are refused."""
    found = choose_period("week", since="2026-11-20", until="2026-11-22", now=NOW)
    assert (found.kind, found.before) == ("window", utc("2026-11-18T00:00"))
    assert choose_period("week", last="7d", now=NOW).until == NOW
    for asked in ({"since": "2026-11-20"}, {"week": "2026-W47"}):
        with pytest.raises(UsageError):
            choose_period("month", **asked, now=NOW)
    with pytest.raises(UsageError):
        choose_period("year", now=NOW)


def test_the_trend_begins_whole_periods_earlier() -> None:
    """Months have no common length."""
    assert find_earlier_start(choose_period("month", now=NOW), 7, "UTC") == utc("2026-03-01T00:00")
    in_paris = choose_period("week", tz="Europe/Paris", week="2026-W47", now=NOW)
    assert find_earlier_start(in_paris, 7, "Europe/Paris") == utc("2026-09-27T22:00")
