"""Findings counted by deploy: which deploy brought what, and no zero where there is too little to judge."""

from pathlib import Path

from streamaudit.audits import history
from streamaudit.audits.scope.scope import Scope
from tests.audits.failures.cases import PLANTED, Record, streams
from tests.support import store_of, write_lines


def at_day(records: list[Record], day: int, deploy: str) -> list[Record]:
    """The records on another day and under other ids, as those of a deploy."""
    return [
        {**one, "request_id": f"{deploy}-{one['request_id']}", "deploy": deploy,
            "start_time": one["start_time"].replace("2026-11-16", f"2026-11-{day}")} for one in records
    ]  # fmt: skip


def test_findings_are_counted_by_deploy_and_day(tmp_path: Path) -> None:
    """One route held back from the second deploy on; three calls of a third deploy say nothing."""
    records = [
        *at_day(streams("s", 30), 16, "v1"),
        *at_day([*streams("s", 20), *streams("h", 10, ttft_ms=4350)], 17, "v2"),
        *at_day(streams("s", 3), 18, "v3"),
    ]
    with store_of(write_lines(tmp_path / "calls.jsonl", records)) as store:
        for by, periods in (("deploy", ("v1", "v2", "v3")), ("day", ("2026-11-16", "2026-11-17", "2026-11-18"))):
            report = history.run(store, Scope(by=(by,)), findings=True)
            rows = {row[by]: (row["critical_findings"], row["warning_findings"]) for row in report.tables[0].records()}
            # What is held back is also nearly all wait.
            assert rows == {periods[0]: (0, 0), periods[1]: (0, 2), periods[2]: (None, None)}
            listed = [(row[by], row["finding"]) for row in report.tables[2].records()]
            assert listed == [(periods[1], "batch_like"), (periods[1], "burst")]
        plain = history.run(store, Scope(by=("deploy",)))
    assert "critical_findings" not in [column.name for column in plain.tables[0].columns]


def test_a_hit_rate_that_fell_counts_for_the_deploy_it_fell_with(tmp_path: Path) -> None:
    """The audit compares a deploy with the one before."""
    case = next(one for one in PLANTED if one.finding == "cache_lost_on_deploy")
    with store_of(write_lines(tmp_path / "calls.jsonl", case.records)) as store:
        report = history.run(store, Scope(by=("deploy",)), findings=True)
    found = [(row["deploy"], row["affected_calls"]) for row in report.tables[2].records()
        if row["finding"] == "cache_lost_on_deploy"]  # fmt: skip
    assert found == [("v2", case.affected)]
