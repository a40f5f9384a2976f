"""What people read below the figures: one sentence for a cause, only where a figure that is shown rests on it."""

import json
from pathlib import Path

import pytest

from streamaudit.audits.base import discover
from streamaudit.audits.scope.scope import Scope
from streamaudit.report.model import Report
from streamaudit.report.render import json as as_json
from streamaudit.report.render._text import notes as read
from streamaudit.report.render.formats import Screen
from tests.support import raw_call, store_of, write_lines

AUDITS = discover()
PRICED = {"cost_usd": 0.01, "output_cost_usd": 0.006, "provider": "openai"}
BARE = {"output_tokens": None, "provider": "openai"}


def reports(
    tmp_path: Path, records: list[dict[str, object]], *names: str
) -> dict[str, Report]:
    """The reports of these calls by those names."""
    with store_of(write_lines(tmp_path / "calls.jsonl", records)) as store:
        return {name: AUDITS[name].run(store, Scope()) for name in names}


def test_calls_without_usage_or_cost_are_one_sentence_where_it_matters(tmp_path: Path) -> None:
    """The same two calls lack both; waits need neither. Data keeps a note for each."""
    calls = [raw_call(f"r{number}", **(BARE if number < 2 else PRICED)) for number in range(8)]
    found = reports(tmp_path, calls, "report", "ttft", "tax")
    assert read(found["report"]) == ["2 calls (25.0 %) have no usage or cost; totals exclude them"]
    assert read(found["tax"]) == read(found["report"])
    assert read(found["ttft"]) == []
    stored = json.loads(as_json.render(found["ttft"], Screen()))["notes"]
    assert {note["code"]: note["count"] for note in stored} == {"usage_unknown": 2, "cost_unknown": 2}


@pytest.mark.parametrize(("lacking", "sentences"), [
    ([BARE], ["1 call (50.0 %) has no usage or cost; totals exclude it"]),
    ([{**PRICED, "cost_usd": None, "output_cost_usd": None, "model": "nameless"}] * 3,
     ["3 calls (75.0 %) have no cost; totals exclude them"]),
    ([BARE, {**PRICED, "cost_usd": None, "output_cost_usd": None, "model": "nameless"}],
     ["2 calls (66.7 %) have no cost, 1 of them no usage; totals exclude them"]),
    ([{**PRICED, "outcome": "went away"}], ["1 call (50.0 %) does not record how it ended (1 call by an unknown word); "
                                            "rates and tax are lower bounds"]),
    ([PRICED], []),
    ([{**PRICED, "cost_usd": None, "output_cost_usd": None, "input_tokens": 9}] * 2,
     ["2 calls (66.7 %) are priced at list price; their source reports no cost"]),
    ([{**PRICED, "output_cost_usd": None}], []),
    ([{**PRICED, "output_cost_usd": None, "outcome": "cancelled"}],
     ["1 cancelled call reports one cost for input and output; its tax in dollars follows list prices"]),
])  # fmt: skip
def test_a_note_has_its_count_its_share_and_its_plural(
    tmp_path: Path, lacking: list[dict[str, object]], sentences: list[str]
) -> None:
    """Of little data, and none where nothing is lacking."""
    calls = [raw_call(f"r{number}", **fields) for number, fields in enumerate([PRICED, *lacking])]
    assert read(reports(tmp_path, calls, "report")["report"]) == sentences


def test_no_call_has_one_note(tmp_path: Path) -> None:
    """Nothing is known, and that is said once."""
    with store_of(write_lines(tmp_path / "calls.jsonl", [raw_call("r1", **PRICED)])) as store:
        for name in ("report", "ttft", "tax"):
            assert len(read(AUDITS[name].run(store, Scope(only=(("tenant", "x"),))))) == 1
