"""The planted traffic of the samples: every audit leaves the healthy twin of its planted route alone, and every example
of every finding opens in ``explain``, with the finding on its timeline."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamaudit.audits.explain.report import find
from streamaudit.audits.explain.report import run as explain
from streamaudit.audits.failures.base import discover
from streamaudit.audits.failures.marks import findings_of_calls
from streamaudit.audits.failures.report import examinations, run
from streamaudit.audits.scope.scope import Scope
from streamaudit.store.store import Store
from tests.audits.failures.cases import PLANTED as CASES
from tests.audits.failures.cases import Planted, Record
from tests.cli.running import SAMPLES
from tests.sampling import keep
from tests.support import calls, store_of, write_lines

PLANTED = json.loads((SAMPLES / "expected.json").read_text())["failures.jsonl.gz"]["findings"]


@pytest.fixture(scope="module")
def samples(sample_store: Path) -> Iterator[Store]:
    """All sample traces, to be read."""
    with Store.open(sample_store, write=False) as store:
        yield store


def test_every_audit_has_a_planted_route_and_a_clean_twin(samples: Store) -> None:
    """The twin has enough calls for a clean bill; nothing that any audit finds there is more than a remark."""
    assert sorted(one["audit"] for one in PLANTED) == sorted(discover())
    alarms = {
        (finding.code, finding.group["route"]) for audit in examinations(samples, Scope(by=("route",)))
        for finding in audit.findings if finding.severity != "info"
    }  # fmt: skip
    assert not [one for one in alarms if one[1] in {planted["twin"] for planted in PLANTED}]
    for planted in PLANTED:
        (found,) = examinations(samples, Scope(only=(("route", planted["twin"]),)), (planted["audit"],))
        remarks = {finding.severity for finding in found.findings}
        assert found.examined >= 20 and remarks <= {"info"}, planted["audit"]


def unmarked(store: Store, expected: dict[str, set[str]]) -> dict[str, set[str]]:
    """The findings of calls that are no example's own, by call; each call must be the only one of its id."""
    for call in expected:
        assert find(store, call, None)[1] == call
    every = calls(store)
    found = findings_of_calls(store, [every[call] for call in expected])
    listed = {call: {one.finding.code for one in marked} for call, marked in zip(expected, found, strict=True)}
    return {call: codes - listed[call] for call, codes in expected.items() if not codes <= listed[call]}


def examples(store: Store) -> dict[str, set[str]]:
    """The example calls of all findings, with the findings that each is an example of."""
    expected: dict[str, set[str]] = {}
    for row in run(store, Scope()).tables[0].records():
        for call in str(row["examples"]).split():
            expected.setdefault(call, set()).add(str(row["finding"]))
    return expected


@pytest.mark.proof
def test_every_example_of_the_samples_is_marked_with_its_findings(samples: Store) -> None:
    """Each of some eighty calls opens, and has each finding that lists it among its own."""
    expected = examples(samples)
    assert len(expected) > 60 and unmarked(samples, expected) == {}


def alone(case: Planted, number: int) -> list[Record]:
    """The records of a case, none of which has anything in common with those of another case."""
    own = ("request_id", "route", "session_id", "input_hash", "trace_id", "response_id", "provider")
    return [
        {**one, **{name: f"{one[name]}-{number}" for name in own if one.get(name) is not None}} for one in case.records
    ]


@pytest.mark.proof
def test_every_example_of_every_planted_case_is_marked_with_its_findings(tmp_path: Path) -> None:
    """All of them in one store, each on a route of its own."""
    # Backwards, since answers are read where the first lines of a file have some.
    records = [one for number, case in enumerate(CASES) for one in alone(case, number)][::-1]
    with store_of(write_lines(tmp_path / "calls.jsonl", records)) as store:
        expected = examples(store)
        assert unmarked(store, expected) == {}
    assert {case.finding for case in CASES} <= set().union(*expected.values())


GROUPED = ("drift", "cache_lost_on_deploy", "runaway_session", "turn_over_budget", "orphan")


@pytest.mark.parametrize("code", keep(GROUPED, ["turn_over_budget", "orphan"]))
def test_explain_marks_a_finding_of_a_group_on_the_timeline(code: str, samples: Store) -> None:
    """With the numbers of the group where only a group can show it."""
    (planted,) = (one for one in PLANTED if one["finding"] == code)
    row = next(row for row in run(samples, Scope(), (planted["audit"],)).tables[0].records() if row["finding"] == code)
    tables = {one.name: list(one.records()) for one in explain(samples, str(row["examples"]).split()[-1]).tables}
    (mark,) = [one for one in tables["timeline"] if one["event"] == f"finding_{code}"]
    (listed,) = [one for one in tables["findings"] if one["finding"] == code]
    assert mark["at_ms"] == listed["at_ms"] and listed["remedy"] == row["remedy"]
    assert (str(row["evidence"]) in str(listed["evidence"])) == (code != "orphan")
