"""Output is what was billed, reasoning included, also where a provider counts the reasoning beside its answer."""

from pathlib import Path

import pytest

from sample_traces.records import helicone, langsmith, litellm
from streamaudit.store.store import Store
from tests.support import (
    Record,
    datadog_span,
    ingest,
    langfuse_row,
    otel_batch,
    otel_span,
    raw_call,
    stored_calls,
    write_lines,
)

COUNTS = {"prompt_tokens": 300, "completion_tokens": 1000}
DETAILS = {"completion_tokens_details": {"reasoning_tokens": 500}}


def records(total: int) -> dict[str, Record]:
    """300 tokens in, 1,000 out and 500 of reasoning in each format, with this total."""
    usage = {**COUNTS, **DETAILS, "total_tokens": total}
    attributes = {
        "gen_ai.usage.input_tokens": 300, "gen_ai.usage.output_tokens": 1000,
        "gen_ai.usage.reasoning.output_tokens": 500, "gen_ai.usage.total_tokens": total,
    }  # fmt: skip
    metrics = {"input_tokens": 300, "output_tokens": 1000, "reasoning_output_tokens": 500, "total_tokens": total}
    return {
        "raw": raw_call("a", input_tokens=300, output_tokens=1000, reasoning_tokens=500, total_tokens=total),
        "log": raw_call("a", output_tokens=None, usage=usage),
        "litellm": litellm("a", **COUNTS, total_tokens=total, metadata={"usage_object": usage}),
        "langsmith": langsmith("a", **COUNTS, total_tokens=total, completion_token_details={"reasoning": 500}),
        "helicone": helicone("a", **COUNTS, total_tokens=total, reasoning_tokens=500),
        "otel": otel_batch(otel_span("a", attributes)),
        "datadog": datadog_span("a", metrics=metrics),
        "langfuse": langfuse_row("a", usage_details={
            "input": 300, "output": 1000, "output_reasoning_tokens": 500, "total": total,
        }),
    }  # fmt: skip


@pytest.mark.parametrize("name", records(0))
def test_a_total_decides_whether_the_output_has_the_reasoning(store: Store, tmp_path: Path, name: str) -> None:
    """It has each token once: 1,800 is all three, 1,300 has the reasoning within the output."""
    (beside,) = ingest(store, write_lines(tmp_path / "beside.jsonl", [records(1800)[name]]))
    (call,) = stored_calls(store).values()
    assert (call["output_tokens"], call["reasoning_tokens"]) == (1500, 500)
    assert beside.doubts.with_unexplained == 0


@pytest.mark.parametrize("name", records(0))
def test_reasoning_within_the_output_is_not_added(store: Store, tmp_path: Path, name: str) -> None:
    """The contract of OpenAI and Anthropic."""
    ingest(store, write_lines(tmp_path / "within.jsonl", [records(1300)[name]]))
    (call,) = stored_calls(store).values()
    assert (call["input_tokens"], call["output_tokens"]) == (300, 1000)


def test_more_reasoning_than_output_is_beside_it(store: Store, tmp_path: Path) -> None:
    """Also where no total says so."""
    ingest(store, write_lines(tmp_path / "calls.jsonl", [raw_call("a", output_tokens=100, reasoning_tokens=500)]))
    assert stored_calls(store)["a"]["output_tokens"] == 600
