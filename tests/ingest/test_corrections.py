"""Visible corrections: what is found in labelled answers, what is kept of them, and what is never kept."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamaudit.ingest.corrections import macros, may_have_corrections, read_markers
from streamaudit.store.store import Store
from tests.docs.corrections import LANGUAGES, count, judge, page
from tests.reused import empty_store
from tests.sampling import keep
from tests.support import (
    Record,
    content,
    datadog_span,
    langfuse_row,
    otel_batch,
    otel_span,
    raw_call,
    store_of,
    stored_calls,
    write_lines,
)

ANSWER = "The zebra has 40 stripes. Wait, that's not right. The zebra has about 70."
AT = ANSWER.index("Wait")


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with empty_store() as store:
        store.script(macros())
        yield store


def test_labelled_answers_are_judged_as_the_docs_say(store: Store) -> None:
    """Few false alarms come first: a share of corrections that is too high cannot be trusted at all."""
    judged = list(judge(store))
    assert set(read_markers()) - {one["marker"] for _, found in judged for one in found} <= {"zh.budui"}
    counts = count(judged)
    assert counts["all"]["answers"] >= 200 and all(counts[one]["answers"] >= 50 for one in LANGUAGES)
    for language, one in counts.items():
        assert one["found"] / (one["found"] + one["wrong"]) >= 0.95, language
        assert one["found"] / one["corrected"] >= 0.85, language
    assert (Path(__file__).parents[2] / "docs" / "corrections.md").read_text(encoding="utf-8") == page()


SENTENCES: list[tuple[str | None, list[tuple[str, int]] | None]] = [
    (ANSWER, [("en.wait", AT)]),
    ("Wait, that's not right. It has 70.", []),
    ("One.\n\n- **Wait, no.** Two.", [("en.wait", 10)]),
    ("One. Scratch that, two. Oops, I meant three.", [("en.scratch_that", 5), ("en.oops", 24)]),
    ("One. \"Wait, no\", he said. `Wait, no.` Two.", []),
    ("One. ```\nWait, no. Scratch that.\n``` Correction: two.", []),
    ("One. ```\nWait, no.\n```\nCorrection: two.", [("en.correction", 23)]),
    ("<think>One. Wait, no. Two.</think> The answer is two.", []),
    ("An unclosed `block. Wait, no. Two.", [("en.wait", 20)]),
    ("漢字 😀. Wait, no. Two.", [("en.wait", 6)]),
    ("七。等等，不对。", [("zh.dengdeng", 2)]),
    ("", None),
    (None, None),
]


def test_a_correction_is_a_sentence_of_the_answer_itself(store: Store) -> None:
    """Places count characters, as ``output_chars`` does."""
    found = store.query(
        "SELECT corrections_of(answer) FROM (SELECT unnest($answers::VARCHAR[]) AS answer)",
        {"answers": [answer for answer, _ in SENTENCES]},
    )
    places = [one and [(each["marker"], each["offset_chars"]) for each in one] for (one,) in found]
    assert list(zip((answer for answer, _ in SENTENCES), places, strict=True)) == SENTENCES


def answers(text: str) -> dict[str, list[Record]]:
    """An answer in each format that holds its text."""
    moments = {"start_time": "2026-11-16 08:00:00.000000", "end_time": "2026-11-16 08:00:05.000000",
               "completion_start_time": "2026-11-16 08:00:01.000000"}  # fmt: skip
    body = {"choices": [{"message": {"role": "assistant", "content": text}}]}
    return {
        "langfuse": [langfuse_row("a", output=text, **moments), langfuse_row("b", output={"content": text})],
        "datadog": [datadog_span("a", meta={"span": {"kind": "llm"}, "output": {"value": text}}),
                    datadog_span("b", meta={"output": {"messages": [{"role": "assistant", "content": text}]}})],
        "otel": [otel_batch(otel_span("a", {"gen_ai.completion.0.content": text}), otel_span("b", {
            "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": [{"content": text}]}])}))],
        "raw": [raw_call("a", output_text=text), raw_call("b", response_text=text)],
        "attempts": [raw_call("a", schema="streamaudit.attempt/1", output_text=text)],
        "helicone": [{"request_id": "a", "request_created_at": "2026-11-16T08:00:00Z", "delay_ms": 4000,
            "request_model": "gpt-4o-mini", "completion_tokens": 9, "prompt_tokens": 9, "response_body": body}],
        "litellm": [{"id": "a", "litellm_call_id": "a", "call_type": "acompletion", "startTime": 1_794_816_000.0,
            "endTime": 1_794_816_004.0, "completionStartTime": 1_794_816_001.0, "model": "gpt-4o-mini",
            "prompt_tokens": 8, "completion_tokens": 9, "total_tokens": 17, "status": "success", "response": body}],
        "langsmith": [{"id": "7a0a2ea7-54f4-4ea8-9b43-000000000001", "trace_id": "7a0a2ea7-54f4-4ea8-9b43-000000000001",
            "run_type": "llm", "name": "ChatOpenAI", "dotted_order": "20261116T080000000000Z7a0a2ea7",
            "start_time": "2026-11-16T08:00:00.000000", "end_time": "2026-11-16T08:00:04.000000", "outputs": body,
            "extra": {"metadata": {"ls_model_name": "gpt-4o-mini"}}, "inputs": {}}],
    }  # fmt: skip


@pytest.mark.parametrize("source", keep(answers(""), ["langfuse", "otel", "raw", "litellm"]))
def test_every_source_that_has_the_text_is_read_and_none_of_it_kept(source: str, tmp_path: Path) -> None:
    """Marker and place, and no word of the answer in any table."""
    with store_of(write_lines(tmp_path / "calls.jsonl", answers(ANSWER)[source])) as store:
        found = [call["retractions"] for call in stored_calls(store).values()]
        assert found and {tuple((one["marker"], one["offset_chars"]) for one in some) for some in found} == {
            (("en.wait", AT),)
        }
        assert "zebra" not in str(content(store)) and "right" not in str(content(store))


def test_an_answer_without_a_correction_is_none_that_was_not_recorded(tmp_path: Path) -> None:
    records = [raw_call("a"), raw_call("b", output_text="It has 70 stripes."), raw_call("c", output_text="")]
    with store_of(write_lines(tmp_path / "calls.jsonl", records)) as store:
        retractions = {name: call["retractions"] for name, call in stored_calls(store).items()}
    assert retractions == {"a": None, "b": [], "c": None}


def test_a_correction_is_shown_when_its_place_in_the_stream_arrives(tmp_path: Path) -> None:
    """A quarter into 100 characters: a quarter from the first token to the end, or the chunk that holds it."""
    text = "x" * 23 + ". Wait, no." + "x" * 66
    whole = {"output_text": text, "ttft_ms": 1000, "duration_ms": 5000}
    records = [
        raw_call("a", **whole), raw_call("b", **whole, ttvt_ms=3000),
        raw_call("c", **whole, chunk_offsets_ms=[1000, 1200, 4000, 4900]),
        raw_call("d", output_text=text, stream=False),
    ]  # fmt: skip
    with store_of(write_lines(tmp_path / "calls.jsonl", records)) as store:
        found = {name: call["retractions"][0]["offset_ms"] for name, call in stored_calls(store).items()}
    assert found == {"a": 2000.0, "b": 3500.0, "c": 1200.0, "d": None}


@pytest.mark.parametrize("ascii_only", [True, False])
def test_a_file_in_which_no_sentence_follows_another_is_not_searched(store: Store, ascii_only: bool) -> None:
    """However the end of a sentence is written in JSON; what it gives is what a search gives."""
    found = [answer for answer, corrections in ((one["text"], found) for one, found in judge(store)) if corrections]
    assert found
    for answer in [*found, "Done\nWait, no.", 'He said "no." Wait, no.']:
        nested = json.dumps({"text": json.dumps(answer, ensure_ascii=ascii_only)}, ensure_ascii=ascii_only)
        assert may_have_corrections(json.dumps({"text": answer}, ensure_ascii=ascii_only))
        assert may_have_corrections(nested)
    assert not may_have_corrections(json.dumps({"at": "2026-11-16T08:00:00.5Z", "text": "Wait, no: \"70\" and/or 80"}))
    for answer in (None, "", "Wait, no"):
        both = store.one("SELECT corrections_of($answer), no_corrections_of($answer)", {"answer": answer})
        assert both[0] == both[1]
