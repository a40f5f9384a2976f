"""Every audit finds what is planted, leaves its twins alone, and says when it cannot answer."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamaudit.audits.failures.base import discover, limits_of, parse_gates
from streamaudit.audits.failures.report import run
from streamaudit.audits.scope.scope import Scope
from streamaudit.store.store import Store
from tests.audits.failures.cases import CLEAN, PLANTED, Record, set_apart, stream, streams
from tests.once import once
from tests.sampling import keep
from tests.support import ingest, store_of, write_lines

ALARMS = ("critical", "warning")
MEANT = {"a fast decoder": ("batch_like",)}
"""A queue of ten seconds is no buffering, and a long wait all the same."""


def audited(records: list[Record], folder: Path, *names: str, **options: Any) -> dict[str, list[dict[str, Any]]]:
    """The tables of a run over these records."""
    with store_of(write_lines(folder / "calls.jsonl", records)) as store:
        report = run(store, Scope(), names, **options)
    return {table.name: list(table.records()) for table in report.tables}


CASES = {f"{place}-{case.finding}": case for place, case in enumerate(PLANTED)}


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Every planted case and every twin, each an environment of its own."""
    with Store.open(once(tmp_path_factory, "failure-cases", _fill), write=False) as store:
        yield store


def _fill(folder: Path) -> Path:
    records = {**{name: case.records for name, case in CASES.items()}, **CLEAN}
    lines = [one for name, those in records.items() for one in set_apart(name, those)]
    # Answers are read in every file, whichever lines it begins with.
    lines.sort(key=lambda line: "output_text" not in line)
    path = write_lines(folder / "calls.jsonl", lines)
    with Store.open(folder / "cases.duckdb", write=True) as store:
        (result,) = ingest(store, path)
        assert result.problem is None and not result.rejects, result.problem
    return folder / "cases.duckdb"


def of_case(store: Store, name: str, *names: str) -> dict[str, list[dict[str, Any]]]:
    """The tables of a run over one case."""
    report = run(store, Scope(only=(("environment", name),)), names)
    return {table.name: list(table.records()) for table in report.tables}


@pytest.mark.parametrize("name", CASES)
def test_what_is_planted_is_found(name: str, cases: Store) -> None:
    """The finding names its calls, its numbers and a remedy, and no other alarm of its audit is raised."""
    case = CASES[name]
    tables = of_case(cases, name, case.audit)
    found = {row["finding"]: row for row in tables["findings"]}
    assert case.finding in found
    row = found[case.finding]
    assert row["affected_calls"] == case.affected
    ids = {record["request_id"] for record in set_apart(name, case.records)}
    assert 1 <= len(row["examples"].split()) <= 3 and set(row["examples"].split()) <= ids
    assert any(sign.isdigit() for sign in row["evidence"]) and row["remedy"].endswith(".")
    assert not re.search(r"(^|\s)-(\s|[,.;])|\bNone\b|(?<![\d.,])1 (calls|sessions|streams)\b", row["evidence"])
    assert [one["status"] for one in tables["audits"]] == ["findings"]


def test_every_finding_is_planted_or_waits_for_steps() -> None:
    """A finding code without a planted case is one that needs steps of traces, which its own test has."""
    codes = {code for audit in discover().values() for code in audit.KINDS}
    of_steps = {"double_tool", "silent_task", "tool_silence", "turn_over_budget", "engine_abort"}
    assert codes - {case.finding for case in PLANTED} == of_steps


@pytest.mark.parametrize("name", keep(CLEAN, list(CLEAN)[::3]))
def test_a_twin_is_left_alone(name: str, cases: Store) -> None:
    """What looks like a failure and is none raises no alarm, whichever audit looks at it."""
    found = of_case(cases, name)["findings"]
    alarms = [row for row in found if row["severity"] in ALARMS and row["finding"] not in MEANT.get(name, ())]
    assert [(row["finding"], row["evidence"]) for row in alarms] == []


def test_an_audit_that_lacks_its_data_says_so(tmp_path: Path) -> None:
    """Silence never looks like health: too few calls to judge is no clean bill."""
    tables = audited([stream("only")], tmp_path)
    assert {row["status"] for row in tables["audits"]} == {"cannot_answer"}
    assert all(row["needs"] for row in tables["audits"])
    tables = audited(streams("many", 40), tmp_path)
    status = {row["audit"]: (row["status"], row["calls_examined"]) for row in tables["audits"]}
    assert status["buffering"] == ("clean", 40)
    assert status["transport"] == ("cannot_answer", 0)


def test_a_gate_does_not_pass_on_silence(tmp_path: Path) -> None:
    """Without the data to judge, or without the audit, a gate is undecided; a clean audit passes it."""
    gate = parse_gates(["transport_failures:critical"])
    with store_of(write_lines(tmp_path / "calls.jsonl", streams("many", 40))) as store:
        assert run(store, Scope(), ("transport",), gates=gate).verdict == "insufficient"
        assert run(store, Scope(), ("buffering",), gates=gate).verdict == "insufficient"
        assert run(store, Scope(), ("buffering",), gates=parse_gates(["burst"])).verdict == "pass"


def test_a_threshold_decides(tmp_path: Path) -> None:
    """What is given goes before the default."""
    case = next(one for one in PLANTED if one.finding == "stall")
    assert audited(case.records, tmp_path, "stalls", limits={"stalls": {"stall_ms": 6000}})["findings"] == []


def test_findings_are_ranked_by_severity_then_money(tmp_path: Path) -> None:
    """Critical findings come first; among equals the dearest."""
    records = [record for case in PLANTED if case.audit in ("retries", "stalls", "false-ok")
        for record in case.records]  # fmt: skip
    unique = {record["request_id"]: record for record in records}
    rows = audited(list(unique.values()), tmp_path)["findings"]
    order = [("critical", "warning", "info").index(row["severity"]) for row in rows]
    assert order == sorted(order) and len(rows) > 3
    worst = [row["usd_at_stake"] or 0 for row in rows if row["severity"] == "critical"]
    assert worst == sorted(worst, reverse=True)


def test_what_came_after_is_priced_by_the_calls_own_cost(tmp_path: Path) -> None:
    """A source that reports costs needs no price table; half of the output of a call of 2 cents came too late."""
    cut = {"outcome": "cancelled", "cancelled_at_ms": 1000, "duration_ms": 1000, "finish_reason": None}
    cost = {"model": "our-own", "input_cost_usd": 0.1, "output_cost_usd": 0.02, "cost_usd": 0.12}
    records = streams("deaf", 5, **cut, **cost, upstream_end_ms=4400, delivered_tokens=100)
    (row,) = audited(records, tmp_path, "orphans")["findings"]
    assert row["usd_at_stake"] == pytest.approx(5 * 0.02 / 2)


def test_evidence_is_a_sentence_without_a_price_too(tmp_path: Path) -> None:
    """Of a model without a price the sentence leaves the money out."""
    case = next(one for one in PLANTED if one.finding == "cache_miss")
    for model, priced in (("gpt-4o-mini", True), ("our-own-model", False)):
        records = [{**record, "model": model} for record in case.records]
        (row,) = (one for one in audited(records, tmp_path, "cache")["findings"] if one["finding"] == "cache_miss")
        assert (row["usd_at_stake"] is not None, "$" in row["evidence"]) == (priced, priced)
        assert " - " not in row["evidence"]


def test_growth_and_cache_can_be_grouped_by_session_and_tenant(tmp_path: Path) -> None:
    """A session is compared with the usual one of all, as each is the only one of its group."""
    case = next(one for one in PLANTED if one.finding == "runaway_session")
    with store_of(write_lines(tmp_path / "calls.jsonl", case.records)) as store:
        report = run(store, Scope(by=("session_id",)), ("growth",))
    rows = {row["finding"]: row for row in report.tables[0].records()}
    assert rows["runaway_session"]["session_id"] == "run"
    missed = [record for one in PLANTED if one.finding == "cache_miss" for record in one.records]
    records = [{**record, "tenant": "acme"} for record in missed]
    with store_of(write_lines(tmp_path / "calls.jsonl", records)) as store:
        for by in ("tenant", "session_id", "route"):
            (row,) = run(store, Scope(by=(by,)), ("cache",)).tables[0].records()
            assert row[by] in ("acme", "miss", "/chat") and isinstance(row["usd_at_stake"], float)


def test_cached_input_is_priced_by_what_the_call_paid(tmp_path: Path) -> None:
    """Of 10,000 tokens at $10 a million 900 were read at a tenth; nine tenths of the price of the others were lost."""
    records = [
        stream(f"t{turn}", turn, session_id="s", input_tokens=10_000 + turn, cached_input_tokens=900, model="own",
            input_cost_usd=(10_000 + turn - 0.9 * 900) / 100_000, output_cost_usd=0.0) for turn in range(6)
    ]  # fmt: skip
    (row,) = audited(records, tmp_path, "cache")["findings"]
    again = sum(10_000 + turn - 900 for turn in range(5))
    assert row["usd_at_stake"] == pytest.approx(again * 0.9 / 100_000)


def test_a_stream_that_a_gateway_refused_was_never_ok(tmp_path: Path) -> None:
    """Cut with status 504: it has no finish reason, and no status of 200 either."""
    cut = streams("cut", 6, outcome="interrupted", finish_reason=None, http_status=504)
    assert audited([*streams("usual", 60), *cut], tmp_path, "false-ok")["findings"] == []


def test_groups_are_those_asked_for(tmp_path: Path) -> None:
    """``--by`` takes the place of the audit's own grouping, and groups add up to what is found in all."""
    case = next(one for one in PLANTED if one.finding == "burst")
    split = [{**record, "tenant": f"t{place % 2}"} for place, record in enumerate(case.records)]
    with store_of(write_lines(tmp_path / "calls.jsonl", split)) as store:
        report = run(store, Scope(by=("tenant",)), ("buffering",))
    rows = list(report.tables[0].records())
    assert {row["tenant"] for row in rows} == {"t0", "t1"}
    assert sum(row["affected_calls"] for row in rows if isinstance(row["affected_calls"], int)) == case.affected


@pytest.mark.parametrize("name", sorted(discover()))
def test_an_audit_says_what_it_is(name: str) -> None:
    """Its words are there, its thresholds have meanings, and its kinds their remedies."""
    audit = discover()[name]
    assert audit.FINDS and audit.NEEDS and audit.BY and audit.KINDS
    names = [one.name for one in limits_of(audit)]
    assert len(names) == len(set(names)) and all(one.help for one in limits_of(audit))
    for kind in audit.KINDS.values():
        for text in (kind.evidence, kind.remedy):
            assert text[0] != text[0].lower() or text[0] == "{"
            assert text.endswith(".") and not re.search(r"[.!?] [A-Z`{]", text), text
    assert re.search(r"; to get (it|them), [a-z]", audit.NEEDS) and not audit.NEEDS.endswith(".")


def test_the_fluidity_index_is_that_of_its_definition(tmp_path: Path) -> None:
    """Waits of 800, 100, 100, 500 and 100 ms against 1000 and 100 ms miss three deadlines of seven (Etalon's code)."""
    waits = [800, 100, 100, 500, 100, *[100] * 5]
    chunks = [sum(waits[: place + 1]) for place in range(len(waits))]
    records = streams("fits", 10, ttft_ms=800, chunk_offsets_ms=chunks, duration_ms=chunks[-1] + 5)
    row = audited(records, tmp_path, "pace")["findings"][0]
    assert f"{1 - 3 / 12:.2f}" in row["evidence"]
