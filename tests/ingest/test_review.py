"""Bugs that a review found, each with the smallest input that showed it."""

from pathlib import Path
from typing import Any

import pytest

from streamaudit.errors import UsageError
from streamaudit.ingest.mapping import parse_mapping
from streamaudit.store.store import Store
from tests.reused import empty_store
from tests.support import audit, ingest, raw_call, store_of, stored_calls, write_lines


def test_an_overwritten_file_under_a_new_mapping_keeps_the_calls_it_held_before(tmp_path: Path) -> None:
    """Only what the file brings again is replaced: the exports behind the rest are gone."""
    path = write_lines(tmp_path / "today.jsonl", [raw_call("r1", org="a"), raw_call("r2", org="b")])
    with empty_store() as store:
        ingest(store, path)
        ingest(store, write_lines(path, [raw_call("r3", org="c")]), mapping=["tenant=org"])
        assert sorted(stored_calls(store)) == ["r1", "r2", "r3"]


def test_unknown_reasoning_is_no_hidden_tax(tmp_path: Path) -> None:
    """With reasoning unknown, delivered minus rendered is unread and the rest cannot be split."""
    call = raw_call("a", outcome="cancelled", output_tokens=500, streamed_output_tokens=300, rendered_output_tokens=100)
    with store_of(write_lines(tmp_path / "a.jsonl", [call])) as store:
        total = audit(store, "tax")["total"][0]
    parts = {name: total[f"tax_{name}_tokens"] for name in ("hidden", "undelivered", "unread", "unsplit")}
    assert parts == {"hidden": None, "undelivered": None, "unread": 200, "unsplit": 200}


BAD_ENDS: list[tuple[dict[str, Any], str]] = [
    ({"cancelled": False, "client_disconnected": True}, "cancelled"),
    ({"canceled": True}, "cancelled"),
    ({"finish_reason": "error"}, "error"),
    ({"finish_reason": "timeout"}, "timeout"),
    ({"finish_reason": "user_disconnected"}, "cancelled"),
    ({"outcome": "disconnected"}, "cancelled"),
    ({"metadata": {"outcome": "success"}, "http_status_code": 499}, "cancelled"),
    ({"result": {"outcome": "success"}, "http_status_code": 499}, "cancelled"),
    ({"result": {"outcome": "cancelled"}, "http_status_code": 200, "status": "ok"}, "cancelled"),
]


@pytest.mark.parametrize("place", ["", "metadata", "result"])
def test_evidence_of_a_bad_end_is_not_outvoted(tmp_path: Path, place: str) -> None:
    """Any flag that is true counts, and a success among an application's own keys, in whichever place a file has them,
    yields to evidence."""
    cases = [case for case in BAD_ENDS if next((key for key in ("metadata", "result") if key in case[0]), "") == place]
    records = [
        raw_call(str(number), **{"outcome": None, "finish_reason": None, "output_tokens": 50, **fields})
        for number, (fields, _) in enumerate(cases)
    ]
    with store_of(write_lines(tmp_path / "a.jsonl", records)) as store:
        found = stored_calls(store)
    assert [(fields, found[str(number)]["outcome"]) for number, (fields, _) in enumerate(cases)] == cases


def test_a_mapped_outcome_is_the_records_own_word(tmp_path: Path) -> None:
    """Other than at a path that was guessed, a success that the user points to stands, at the same path too."""
    call = raw_call("a", outcome=None, finish_reason=None, result={"outcome": "success"}, http_status_code=499)
    with store_of(write_lines(tmp_path / "a.jsonl", [call]), mapping=["outcome=result.outcome"]) as store:
        found = stored_calls(store)["a"]
    assert (found["outcome"], found["cancel_evidence"]) == ("completed", "outcome")


def test_a_mapping_to_the_guessed_path_takes_effect_in_a_store(store: Store, tmp_path: Path) -> None:
    """It changes the weight of the word, so the unchanged file is read again."""
    call = raw_call("a", outcome=None, finish_reason=None, result={"outcome": "success"}, http_status_code=499)
    path = write_lines(tmp_path / "a.jsonl", [call])
    ingest(store, path)
    assert stored_calls(store)["a"]["outcome"] == "cancelled"
    ingest(store, path, mapping=["outcome=result.outcome"])
    assert stored_calls(store)["a"]["outcome"] == "completed"


def test_a_cached_input_above_the_input_is_no_part_of_it(tmp_path: Path) -> None:
    """Whatever its name: taken for a part it would make a negative cost."""
    tokens = {"request_model": "claude-sonnet-4-5", "provider": "anthropic", "input_tokens": 10, "output_tokens": 5}
    lines = [raw_call("a", **tokens, cached_input_tokens=5000), raw_call("b", **tokens, cache_read_input_tokens=5000)]
    with store_of(write_lines(tmp_path / "a.jsonl", lines)) as store:
        found = stored_calls(store)
    for call in found.values():
        assert (call["input_tokens"], call["cached_input_tokens"]) == (5010, 5000)
        assert call["cost_usd"] == pytest.approx(10 * 3e-6 + 5000 * 0.3e-6 + 5 * 15e-6)


def test_a_cancelled_cache_hit_pays_no_tax(tmp_path: Path) -> None:
    """Nothing was billed, whatever the record counts."""
    call = raw_call("a", outcome="cancelled", cache_hit=True, output_tokens=1000, rendered_output_tokens=0)
    with store_of(write_lines(tmp_path / "a.jsonl", [call])) as store:
        assert audit(store, "tax")["total"][0]["tax_tokens"] == 0


@pytest.mark.parametrize("path", [
    "input", "prompt", "messages", "output.text", "attributes.input", "answer", "Reply", "metadata.userQuestion",
    "body.tenant", "METADATA.Transcript.org", "x.answer", "delta", "a.choices.id", "Messages.role",
])  # fmt: skip
def test_prompts_and_answers_cannot_be_mapped_to_a_column(path: str) -> None:
    """A mapping that would store text is refused before anything is read."""
    with pytest.raises(UsageError, match="never stored"):
        parse_mapping([f"tenant={path}"])


@pytest.mark.parametrize("long", ["what is this? " * 15, "word " * 13])
def test_a_mapped_field_of_texts_refuses_the_file_and_one_text_is_left_out(tmp_path: Path, long: str) -> None:
    """Nothing of such a file is stored, whatever the field is called."""
    texts = write_lines(tmp_path / "a.jsonl", [raw_call(f"t{n}", org=long) for n in range(5)])
    names = [raw_call(f"n{n}", org="acme") for n in range(120)]
    mixed = write_lines(tmp_path / "b.jsonl", [*names, raw_call("odd", org=long)])
    with empty_store() as store:
        refused, taken = ingest(store, texts, mixed, mapping=["tenant=org"])
        assert refused.problem and "never stored" in refused.problem
        assert taken.problem is None
        found = stored_calls(store)
        assert (found["n1"]["tenant"], found["odd"]["tenant"], len(found)) == ("acme", None, 121)


def test_an_id_that_is_a_step_and_a_call_does_not_multiply(tmp_path: Path) -> None:
    """A chain of ids that came both ways is walked once, not once per way at every level."""
    rows = [
        {
            "id": f"n{depth}", "trace_id": "t", "parent_observation_id": f"n{depth - 1}" if depth else "",
            "type": kind, "name": "step", "start_time": "2026-11-20 10:00:00", "end_time": "2026-11-20 10:00:01",
            "usage_details": {"output": 5},
        }
        for depth in range(18)
        for kind in ("SPAN", "GENERATION")
    ]  # fmt: skip
    with store_of(write_lines(tmp_path / "a.jsonl", rows)) as store:
        assert store.one("SELECT count(*) FROM ancestry")[0] <= 18 * 17
