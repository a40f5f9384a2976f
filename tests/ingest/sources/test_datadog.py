"""Datadog, trap by trap: units, tags, and values that a library filled in."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from streamaudit.store.store import Store
from tests.support import Record, calls, datadog_span, ingest, store_of, stored_calls, total, write_lines

START = datetime(2026, 11, 16, 8)
TOKENS = {"input_tokens": 50.0, "output_tokens": 100.0}
DETAILED = {**TOKENS, "reasoning_output_tokens": 0.0, "cache_read_input_tokens": 0.0}


def tagged(*tags: str, **fields: Any) -> Record:
    """A span with tags."""
    return {"tags": list(tags), **fields}


def timed(**fields: Any) -> Record:
    """A span with tokens and a time to first token."""
    return {"metrics": {**DETAILED, **fields}}


Case = tuple[Record, dict[str, Any]]

CASES: dict[str, Case] = {
    "cached tokens that a gateway left among its metadata": (
        {"metrics": {"input_tokens": 900, "output_tokens": 90, "total_tokens": 990}, "metadata": {"usage_object": {
            "prompt_tokens_details": {"cached_tokens": 400}, "cache_creation_input_tokens": 300}}},
        {"input_tokens": 900, "cached_input_tokens": 400, "cache_write_tokens": 300},
    ),
    "tags as an object": (
        {"tags": {"tenant_id": "acme", "version": 3, "env": "prod"}},
        {"tenant": "acme", "deploy": "3", "environment": "prod"},
    ),
    "tags as one text": ({"tags": "env:prod, tenant_id:acme,version:3"}, {"tenant": "acme", "deploy": "3"}),
    "a class of error in a tag with a dot": (
        {**tagged("error.type:AbortError"), "status": "error", "metrics": {}}, {"outcome": "cancelled"},
    ),
    # Units.
    "a start in nanoseconds": (
        {"start_ns": 1_794_816_000_123_456_789}, {"start_time": START.replace(microsecond=123456)},
    ),
    "a start in milliseconds under the name of nanoseconds": (
        {"start_ns": 1_794_816_000_123}, {"start_time": START.replace(microsecond=123000), "duration_ms": 5000.0},
    ),
    "a start as text": ({"start_ns": "1794816000000000000"}, {"start_time": START}),
    "a duration is nanoseconds": (
        {"duration": 1.5e9}, {"duration_ms": 1500.0, "end_time": START.replace(second=1, microsecond=500000)},
    ),
    "a first token in seconds": (
        timed(time_to_first_token=0.734), {"ttft_ms": 734.0, "ttft_status": "usable", "streamed": True},
    ),
    "a first token sent in milliseconds under the name of seconds": (
        timed(time_to_first_token=734), {"ttft_status": "not_below_duration"},
    ),
    "a first token in milliseconds by name": (timed(ttft_ms=734), {"ttft_ms": 734.0, "ttft_status": "usable"}),
    "a first token in milliseconds by its long name": (timed(time_to_first_token_ms=734), {"ttft_ms": 734.0}),
    "reasoning among the metadata": (
        {"metrics": TOKENS, "metadata": {"reasoning_tokens": 64}}, {"reasoning_tokens": 64},
    ),
    "half a second in a shorter call is no half a millisecond": (
        {**timed(time_to_first_token=0.5), "duration": 1.5e8}, {"ttft_status": "not_below_duration"},
    ),
    "a first token under JavaScript's name": (timed(timeToFirstToken=0.5), {"ttft_ms": 500.0}),
    "LiteLLM's first token in metadata": (
        {"metadata": {"latency_metrics": {"time_to_first_token_ms": 612.4}}},
        {"ttft_ms": 612.4, "ttft_status": "usable"},
    ),
    "a first token above the duration in any unit": (
        timed(time_to_first_token=9000), {"ttft_status": "not_below_duration"},
    ),
    "a first token of 0 means unknown": (timed(time_to_first_token=0.0), {"ttft_status": "not_positive"}),
    "a negative first token": (timed(time_to_first_token=-0.5), {"ttft_status": "not_positive"}),
    "LiteLLM's duration in the place of a first token": (
        timed(time_to_first_token=4.99), {"ttft_ms": None, "ttft_status": "not_below_duration", "streamed": None},
    ),
    "a late first token of a stream": (
        {**timed(time_to_first_token=4.99), "metadata": {"stream": True}}, {"ttft_ms": 4990.0, "ttft_status": "usable"},
    ),
    "a first token of a call that did not stream": (
        {**timed(time_to_first_token=1.0), "metadata": {"is_streamed_request": False}}, {"ttft_status": "not_streamed"},
    ),
    "a cache hit": (
        {**timed(time_to_first_token=0.002), "metadata": {"cache_hit": True}},
        {"ttft_status": "cache_hit", "cost_usd": 0.0},
    ),
    # Tokens.
    "input without what was cached": (
        {"metrics": {"input_tokens": 21.0, "output_tokens": 100.0, "cache_read_input_tokens": 5000.0,
                     "cache_write_input_tokens": 300.0}},
        {"input_tokens": 5321, "cached_input_tokens": 5000, "cache_write_tokens": 300},
    ),
    "input without what was cached, by its total": (
        {"metrics": {"input_tokens": 600.0, "output_tokens": 100.0, "cache_read_input_tokens": 500.0,
                     "total_tokens": 1200.0}}, {"input_tokens": 1100},
    ),
    "input with what was cached": (
        {"metrics": {"input_tokens": 600.0, "output_tokens": 100.0, "cache_read_input_tokens": 500.0,
                     "non_cached_input_tokens": 100.0, "total_tokens": 700.0}}, {"input_tokens": 600},
    ),
    "a turn that the cache served whole": (
        tagged("integration:claude_agent_sdk", metrics={"output_tokens": 9.0, "cache_read_input_tokens": 5000.0}),
        {"input_tokens": 5000, "output_tokens": 9},
    ),
    "usage of zeros that nobody counted": (
        {"metrics": {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0, "estimated_total_cost": 0}},
        {"input_tokens": None, "output_tokens": None, "cost_usd": None},
    ),
    "names of older tracers": (
        {"metrics": {"prompt_tokens": 50.0, "completion_tokens": 100.0, "output_tokens": 0}},
        {"input_tokens": 50, "output_tokens": 100},
    ),
    "kinds of tokens": (
        {"metrics": {**TOKENS, "cache_write_input_tokens": 9.0, "ephemeral_1h_input_tokens": 4.0,
                     "audio_input_tokens": 5.0, "audio_output_tokens": 6.0}},
        {"cache_write_1h_tokens": 4, "audio_input_tokens": 5, "audio_output_tokens": 6},
    ),
    "a tier that was only asked for": ({"metadata": {"service_tier": "priority"}}, {"service_tier": None}),
    "a cap of Gemini": ({"metadata": {"maxOutputTokens": 700}}, {"max_tokens": 700}),
    "an answer that is incomplete": (
        {"metadata": {"finish_reason": "incomplete"}}, {"outcome": "completed", "ended_by": "length"},
    ),
    "a default for the model, the name in the metadata": (
        {"model_name": "unknown_model", "model_provider": "langchain", "metadata": {}},
        {"model": None, "provider": None},
    ),
    # Money: nanodollars as estimated, dollars as sent.
    "nanodollars": (
        {"metrics": {**TOKENS, "estimated_total_cost": 3e6, "estimated_input_cost": 1e6, "estimated_output_cost": 2e6}},
        {"cost_usd": 0.003, "input_cost_usd": 0.001, "output_cost_usd": 0.002, "cost_basis": "reported"},
    ),
    "dollars": (
        {"metrics": {**TOKENS, "total_cost": 0.003, "input_cost": 0.001, "output_cost": 0.002}},
        {"cost_usd": 0.003, "output_cost_usd": 0.002},
    ),
    "dollars that no token costs": (
        {"model_name": "our-own", "metrics": {**TOKENS, "total_cost": 3e6}}, {"cost_usd": None, "cost_basis": "none"},
    ),
    # Tags.
    "a value with colons": (
        tagged("tenant_id:urn:acme:eu", "route:http://x/y"), {"tenant": "urn:acme:eu", "route": "http://x/y"},
    ),
    "a repeated key": (tagged("source:llm-observability", "source:integration", "tenant_id:acme"), {"tenant": "acme"}),
    "an empty version": (tagged("version:", "ddtrace.version:4.1.0", "agent_version:9"), {"deploy": None}),
    "a commit in place of an empty version": (tagged("version:", "git.commit.sha:3f9c1ab"), {"deploy": None}),
    "a version": (tagged("version:2026.11.16-1", "git.commit.sha:3f9c1ab"), {"deploy": "2026.11.16-1"}),
    "a tag without a colon": (tagged("spot", "tenant_id:acme"), {"tenant": "acme"}),
    "a key that only begins alike": (tagged("tenant_id_old:x", "tenant_identity:y"), {"tenant": None}),
    "environment, service and session": (
        tagged("env:prod", "service:chat", "session_id:s1", "user_id:u1"),
        {"environment": "prod", "service": "chat", "session_id": "s1", "user_id": "u1", "tenant": None},
    ),
    # How it ended, and what a library filled in.
    "a cancelled stream that dd-trace estimated": (
        tagged("integration:openai", metrics=TOKENS, metadata={"cancelled": True, "rendered_tokens": 98}),
        {"usage_basis": "tokenizer", "tax_class": "unknown", "tax_best": None, "tax_high": None},
    ),
    "an estimated stream cancelled by a tag": (
        tagged("integration:openai", "stream_status:aborted", metrics=TOKENS),
        {"outcome": "cancelled", "tax_class": "unknown"},
    ),
    "an estimated stream cancelled by its finish reason": (
        tagged("integration:openai", metrics=TOKENS, metadata={"finish_reason": "abort", "rendered_tokens": 98}),
        {"outcome": "cancelled", "usage_basis": "tokenizer", "tax_class": "unknown"},
    ),
    "an estimated stream cancelled by an exception": (
        tagged("integration:openai", "error_type:cancellederror", status="error", metrics=TOKENS),
        {"outcome": "cancelled", "usage_basis": "tokenizer", "tax_class": "unknown"},
    ),
    "a finished stream without details": (
        tagged("integration:openai", metrics=TOKENS), {"outcome": "completed", "usage_basis": "provider"},
    ),
    "a cancelled stream with the provider's details": (
        tagged("integration:openai", metrics=DETAILED, metadata={"cancelled": True, "rendered_tokens": 98}),
        {"usage_basis": "provider", "tax_class": "exact", "tax_best": 2},
    ),
    "a cancelled stream without output tokens": (
        {"metrics": {"input_tokens": 50.0}, "metadata": {"cancelled": True}},
        {"output_tokens": None, "tax_class": "unknown", "tax_best": None},
    ),
    "an abort by its error type": (
        tagged("error:1", "error_type:apiuseraborterror", status="error"),
        {"outcome": "cancelled", "cancel_evidence": "error"},
    ),
    "a timeout by its error type": (tagged("error_type:readtimeout", status="error"), {"outcome": "timeout"}),
    "an error": (
        tagged("error_type:ratelimiterror", status="error"), {"outcome": "error", "error_type": "ratelimiterror"},
    ),
    "an abort on a span that is ok": (tagged("error_type:aborterror"), {"outcome": "cancelled", "error_type": None}),
    "a stream status in a tag": (tagged("stream_status:client_disconnected"), {"outcome": "cancelled"}),
    # Names that mean nothing.
    "an unknown model": (
        {"model_name": "unknown_model", "model_provider": "custom"},
        {"model": None, "response_model": None, "provider": None},
    ),
    "a dated model": ({"model_name": "gpt-4o-2024-08-06"}, {"model": "gpt-4o", "response_model": "gpt-4o-2024-08-06"}),
    "a parent that is not there": ({"parent_id": "undefined"}, {"parent_id": None}),
    "rendered tokens as a metric": (
        {"metrics": {**DETAILED, "rendered_tokens": 30.0}, "metadata": {"cancelled": True}},
        {"rendered_tokens": None, "tax_class": "bounded"},
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Record]]:
    """Every case in one file, by its name."""
    path = tmp_path_factory.mktemp("datadog") / "cases.jsonl"
    write_lines(path, [datadog_span(name, **changes) for name, (changes, _) in CASES.items()])
    with store_of(path) as store:
        yield calls(store)


@pytest.mark.parametrize("name", CASES)
def test_a_datadog_trap_becomes_what_it_means(stored: dict[str, Record], name: str) -> None:
    """The case's name says what the span holds; two lose their value because another key fills the whole source."""
    _, expected = CASES[name]
    assert {column: stored[name][column] for column in expected} == expected


def test_a_commit_is_the_deploy_of_a_source_without_versions(store: Store, tmp_path: Path) -> None:
    """An empty version tag is no version, so the next key that occurs fills the source."""
    spans = [datadog_span("a", tags=["version:", "git.commit.sha:3f9c1ab"]), datadog_span("b", tags=["version:"])]
    ingest(store, write_lines(tmp_path / "spans.jsonl", spans))
    assert {name: call["deploy"] for name, call in stored_calls(store).items()} == {"a": "3f9c1ab", "b": None}


def test_rendered_tokens_may_be_a_metric(store: Store, tmp_path: Path) -> None:
    """Where an application sent them as a metric, they give an exact tax."""
    span = datadog_span("a", metrics={**DETAILED, "rendered_tokens": 30.0}, metadata={"cancelled": True})
    ingest(store, write_lines(tmp_path / "spans.jsonl", [span]))
    assert total(store, "tax")["tax_exact_tokens"] == 70
    assert stored_calls(store)["a"]["rendered_basis"] == "metrics.rendered_tokens"


def test_only_llm_spans_are_calls(store: Store, tmp_path: Path) -> None:
    """Agents, workflows, tasks and tools carry sums that must not be added; experiments are nobody's traffic."""
    kinds = ("llm", "agent", "workflow", "task", "tool", "retrieval", "experiment", "embedding")
    spans = [datadog_span(kind, span_kind=kind) for kind in kinds]
    (result,) = ingest(store, write_lines(tmp_path / "spans.jsonl", spans))
    assert result.counts is not None and result.counts.not_calls == 6
    assert total(store, "report")["calls"] == 1
    assert set(stored_calls(store)) == {"llm", "embedding"}
    kept = {row[0] for row in store.query("SELECT span_id FROM store.spans")}
    assert kept == set(kinds) - {"llm", "embedding", "experiment"}


def test_the_outer_step_of_the_vercel_sdk_is_no_call(store: Store, tmp_path: Path) -> None:
    """Whatever it counts."""
    outer = datadog_span("outer", name="ai.streamText", trace_id="t", metrics={"output_tokens": 60})
    inner = datadog_span("inner", name="ai.streamText.doStream", trace_id="t", parent_id="outer", metrics=TOKENS)
    ingest(store, write_lines(tmp_path / "spans.jsonl", [outer, inner]))
    assert total(store, "report")["output_tokens"] == 100
