"""Usage that is no measurement of what was billed: a low end in sums, never an exact part of them."""

from pathlib import Path

import pytest

from streamaudit.audits.base import discover
from streamaudit.audits.scope.scope import Scope
from tests.reused import empty_store
from tests.support import Record, audit, calls, grouped, ingest, raw_call, store_of, total, write_lines

IN, OUT = 3e-6, 15e-6  # claude-sonnet-4-5, USD per token


def anthropic(name: str, /, **fields: object) -> Record:
    """A completed call of 1,000 input and 100 output tokens."""
    return raw_call(name, **{"provider": "anthropic", "model": "claude-sonnet-4-5", "input_tokens": 1000, **fields})


def cut(name: str, /, **fields: object) -> Record:
    """A call whose user left after 2 s of 5, without the usage that ends a stream."""
    return anthropic(name, outcome="cancelled", cancelled_at_ms=2000, ttft_ms=400, **fields)


UNMEASURED = {
    "opening": (cut("opening", output_tokens=4), None, 1000 * IN),
    "opening, delivered": (cut("opening, delivered", output_tokens=4, delivered_tokens=60), 60, 1000 * IN + 60 * OUT),
    "partial": (cut("partial", output_tokens=40, usage_source="partial"), 40, 1000 * IN + 40 * OUT),
    "tokenizer": (cut("tokenizer", output_tokens=40, usage_source="estimated"), None, None),
    "completed, tokenizer": (anthropic("completed, tokenizer", usage_source="estimated"), None, None),
    "an estimate of the output": (cut("an estimate of the output", output_tokens=4, input_tokens=None), None, None),
}


@pytest.fixture(scope="module")
def unmeasured(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Record], dict[str, Record]]:
    """The call of each case, and the row of the report of its tenant, which has no other."""
    records = [{**record, "tenant": name} for name, (record, _, _) in UNMEASURED.items()]
    with store_of(write_lines(tmp_path_factory.mktemp("unmeasured") / "x.jsonl", records)) as store:
        return calls(store), grouped(store, "report", "tenant")


@pytest.mark.parametrize("name", UNMEASURED)
def test_usage_that_is_no_measurement_has_a_low_end_and_no_cost(
    unmeasured: tuple[dict[str, Record], dict[str, Record]], name: str
) -> None:
    _, output, cost = UNMEASURED[name]
    call, row = (found[name] for found in unmeasured)
    assert (call["cost_usd"], call["output_cost_usd"], call["cost_basis"]) == (None, None, "none")
    assert (call["output_low"], row["output_tokens"]) == (output, output)
    assert row["cost_usd"] == call["cost_low_usd"] == (None if cost is None else pytest.approx(cost))
    assert row["usage_known_rate"] == 0


def test_a_fleet_with_cut_calls_is_marked_as_a_lower_bound(tmp_path: Path) -> None:
    """80 of 1,000 calls have the number that opened their stream: no figure counts it as what they cost."""
    records = [*(anthropic(f"c{n}") for n in range(920)), *(cut(f"x{n}", output_tokens=4) for n in range(80))]
    with empty_store() as store:
        ingest(store, write_lines(tmp_path / "x.jsonl", records))
        row = total(store, "report")
        report = discover()["report"].run(store, Scope())
        known = {row["capability"]: row["known_rate"] for row in audit(store, "coverage")["capabilities"]}
    assert row["output_tokens"] == 92_000
    assert row["cost_usd"] == pytest.approx(1000 * 1000 * IN + 92_000 * OUT)
    assert (row["usage_known_rate"], row["cancelled_usage_known_rate"]) == (0.92, 0)
    table = next(table for table in report.tables if table.name == "total")
    assert {name for (_, name), mark in table.marks.items() if mark.prefix == "≥ "} >= {"output_tokens", "cost_usd"}
    assert {note.code: note.count for note in report.notes}["usage_unknown"] == 80
    assert (known["usage"], known["cost"]) == (0.92, 0.92)


def test_a_reported_cost_is_the_sources_and_stays(tmp_path: Path) -> None:
    record = cut("reported", output_tokens=4, cost_usd=0.01)
    with store_of(write_lines(tmp_path / "x.jsonl", [record])) as store:
        assert total(store, "report")["cost_usd"] == 0.01
