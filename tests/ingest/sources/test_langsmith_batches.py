"""LangSmith as its SDKs send it: runs that are posted when they begin and patched when they end."""

import json
from pathlib import Path
from typing import Any

from sample_traces.records import langsmith
from tests.support import Record, calls, equation, ingest, store_of, stored_calls, total, write_lines

RUN = "33c08c32-435c-4788-b973-b5bee4a3{}"


def posted(number: int, **fields: Any) -> Record:
    """A run that has begun."""
    name = RUN.format(f"{number:04}")
    return {
        "id": name, "trace_id": name, "dotted_order": f"20261116T080000000000Z{name}", "name": "ChatOpenAI",
        "run_type": "llm", "start_time": "2026-11-16T08:00:00.000000+00:00",
        "inputs": {"model": "gpt-4o-mini", "stream": True, "max_tokens": 300},
        "extra": {"metadata": {"ls_provider": "openai", "tenant": "acme"}}, **fields,
    }  # fmt: skip


def patched(number: int, **fields: Any) -> Record:
    """The same run at its end."""
    name = RUN.format(f"{number:04}")
    usage = {
        "input_tokens": 50, "output_tokens": 100, "total_tokens": 150,
        "input_token_details": {"cache_read": 20, "audio": 3}, "output_token_details": {"reasoning": 40},
    }  # fmt: skip
    return {
        "id": name, "trace_id": name, "dotted_order": f"20261116T080000000000Z{name}",
        "end_time": 1794816005000, "events": [{"name": "new_token", "time": "2026-11-16T08:00:00.734000"}],
        "outputs": {
            "id": f"chatcmpl-{number}", "model": "gpt-4o-mini-2024-07-18", "usage_metadata": usage,
            "service_tier": "default",
            "choices": [{"finish_reason": "stop", "message": {"content": "Hello"}}],
        }, **fields,
    }  # fmt: skip


def without(record: Record, *names: str) -> Record:
    return {name: value for name, value in record.items() if name not in names}


WANTED = {
    "input_tokens": 50, "output_tokens": 100, "cached_input_tokens": 20, "reasoning_tokens": 40,
    "audio_input_tokens": 3, "max_tokens": 300, "ttft_ms": 734.0, "duration_ms": 5000.0, "model": "gpt-4o-mini",
    "response_model": "gpt-4o-mini-2024-07-18", "provider": "openai", "tenant": "acme", "outcome": "completed",
    "finish_reason": "stop", "streamed": True, "service_tier": "default",
}  # fmt: skip
SENDINGS: dict[str, list[Record]] = {
    "in one batch": [{"post": [posted(1)], "patch": [patched(1)]}],
    "in two batches": [{"post": [posted(2)]}, {"patch": [patched(2)]}],
    "the patch first": [{"patch": [patched(3)], "post": []}, {"post": [posted(3)], "patch": []}],
    "a patch without its id": [{"post": [posted(4)], "patch": [without(patched(4), "id")]}],
    "a finish reason inside one": [{"post": [posted(5)], "patch": [patched(5, outputs={
        **patched(5)["outputs"], "choices": [{"finish_reason": {"index": 0, "finish_reason": "stop"}}]})]}],
    "usage under OpenAI's names": [{"post": [posted(6)], "patch": [patched(6, outputs={
        **without(patched(6)["outputs"], "usage_metadata"), "usage": {
            "prompt_tokens": 50, "completion_tokens": 100, "prompt_tokens_details": {"cached_tokens": 20},
            "completion_tokens_details": {"reasoning_tokens": 40}}})]}],
}  # fmt: skip


def test_a_patch_completes_the_run_that_was_posted(tmp_path: Path) -> None:
    """However the two are spread over batches; it is one call."""
    batches = [batch for sent in SENDINGS.values() for batch in sent]
    with store_of(write_lines(tmp_path / "batches.jsonl", batches)) as store:
        found = calls(store)
    assert len(found) == len(SENDINGS)
    for number, sending in enumerate(SENDINGS, start=1):
        call, wanted = found[RUN.format(f"{number:04}")], {**WANTED, "response_id": f"chatcmpl-{number}"}
        wanted = without(wanted, "audio_input_tokens") if sending == "usage under OpenAI's names" else wanted
        assert {column: call[column] for column in wanted} == wanted, sending


def test_a_patch_without_its_post_is_no_call_and_nothing_is_lost(tmp_path: Path) -> None:
    """What kind of run it was is not known; the others of the file are."""
    lines = [{"post": [posted(1)], "patch": [patched(1), patched(2)]}, {"post": [], "patch": []}]
    with store_of() as store:
        (result,) = ingest(store, write_lines(tmp_path / "batches.jsonl", lines))
        assert equation(result) == (2, 1, 0, 0, 0, 1)
        assert result.match is not None and result.match.variant == "batches of an SDK"
        assert total(store, "report")["calls"] == 1


def test_an_answer_of_the_responses_api_that_is_incomplete_reached_its_cap(tmp_path: Path) -> None:
    """Its status, and the reason beside it."""
    ended: dict[str, Record] = {
        "a": {"status": "incomplete"},
        "b": {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
    }  # fmt: skip
    runs = [langsmith(name, outputs=outputs) for name, outputs in ended.items()]
    with store_of(write_lines(tmp_path / "runs.jsonl", runs)) as store:
        found = {name: (call["outcome"], call["ended_by"]) for name, call in calls(store).items()}
    assert found["a"] == ("completed", "length")
    assert found["b"][1] != "length"


def test_the_outer_step_of_the_vercel_sdk_is_no_call(tmp_path: Path) -> None:
    """Whatever it counts."""
    runs = [langsmith("outer", name="ai.streamText", completion_tokens=60),
            langsmith("inner", name="ai.streamText.doStream", trace_id="trace-outer", parent_run_id="outer")]
    with store_of(write_lines(tmp_path / "runs.jsonl", runs)) as store:
        assert total(store, "report")["output_tokens"] == 100


def test_counts_of_runs_are_those_that_somebody_made(tmp_path: Path) -> None:
    """A 0 in a column yields to the usage in the outputs; input that leaves the cache out is made whole; an unknown
    name is none, a framework no provider."""
    runs = [
        langsmith("zero", completion_tokens=0, outputs={"usage_metadata": {"output_tokens": 7}}),
        langsmith("without", prompt_tokens=21, prompt_token_details={"cache_read": 5000}),
        langsmith("named", extra={"metadata": {"ls_model_name": "unknown", "ls_provider": "langchain"},
                                  "invocation_params": {"model": "gpt-4o", "maxOutputTokens": 9}}),
        langsmith("kept", prompt_tokens=600, prompt_token_details={
            "cache_creation": 0, "ephemeral_5m_input_tokens": 200, "ephemeral_1h_input_tokens": 300}),
        langsmith("logged", prompt_tokens=None, completion_tokens=None, total_tokens=None, total_cost=None,
                  prompt_cost=None, completion_cost=None, extra={"metadata": {"usage_metadata": {
                      "input_tokens": 40, "output_tokens": 8, "total_cost": 0.5, "input_cost": 0.1}}}),
    ]  # fmt: skip
    with store_of(write_lines(tmp_path / "runs.jsonl", runs)) as store:
        found = stored_calls(store)
    assert (found["zero"]["output_tokens"], found["without"]["input_tokens"]) == (7, 5021)
    assert [found["kept"][column] for column in ("cache_write_tokens", "cache_write_1h_tokens")] == [500, 300]
    assert [found["logged"][column] for column in ("input_tokens", "output_tokens", "cost_usd")] == [40, 8, 0.5]
    assert [found["named"][column] for column in ("model", "provider", "max_tokens")] == ["gpt-4o", "openai", 9]


def test_a_line_that_is_no_batch_is_rejected(tmp_path: Path) -> None:
    """It is rejected with its reason, and half of an emoji loses no batch."""
    cut = json.dumps({"post": [posted(3, end_time=1794816005000, status="success", name="cut")]})
    path = write_lines(tmp_path / "batches.jsonl", [
        {"post": [posted(1)], "patch": [patched(1)]}, '{"post": [', {"hello": 1}, cut.replace("cut", "cut \\ud83d"),
    ])  # fmt: skip
    with store_of() as store:
        (result,) = ingest(store, path)
        assert equation(result) == (4, 2, 0, 0, 2, 0)
        assert [(reject.line, reject.reason) for reject in result.rejects] == [
            (2, "malformed JSON"), (3, "no known field"),
        ]  # fmt: skip
        assert len(stored_calls(store)) == 2
