"""Spans that gateways send of a request: OpenRouter's Broadcast, and LiteLLM's callback when it is called twice."""

from pathlib import Path
from typing import Any

from tests.support import Record, store_of, stored_calls, total, write_lines

TRACE, ROOT, START_MS = "9b1de41a703bf6c7f0831bba77573c3e", "9b1de41a703bf6c7", 1794816000000


def span(name: str, number: int, ms: tuple[int, int], attributes: Record, **fields: Any) -> Record:
    """A batch of one span, as Broadcast sends each."""
    values = [{"key": key, "value": {kind_of(value): value}} for key, value in attributes.items()]
    start, end = (str((START_MS + at) * 1_000_000) for at in ms)
    parent = {"parentSpanId": ROOT} if number else {}
    return {
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "openrouter"}}]},
        "scopeSpans": [{"scope": {"name": fields.pop("scope", "openrouter")}, "spans": [{
            "traceId": TRACE, "spanId": f"{number:016x}" if number else ROOT, "name": name, "kind": 3,
            "startTimeUnixNano": start, "endTimeUnixNano": end, "status": {"code": 1}, "attributes": values, **parent,
            **fields,
        }]}],
    }  # fmt: skip


def kind_of(value: object) -> str:
    return {str: "stringValue", int: "intValue", float: "doubleValue"}[type(value)]


ASKED: Record = {
    "span.type": "generation", "gen_ai.operation.name": "chat", "gen_ai.provider.name": "anthropic",
    "gen_ai.request.model": "anthropic/claude-haiku-4.5", "gen_ai.response.id": "gen-1",
}  # fmt: skip
ANSWERED = {
    **ASKED, "gen_ai.usage.input_tokens": 2489, "gen_ai.usage.output_tokens": 569,
    "gen_ai.usage.input_tokens.cached": 1000, "gen_ai.usage.input_tokens.cache_write": 100,
    "gen_ai.usage.input_tokens.cache_write_1h": 60, "gen_ai.usage.total_cost": 0.005334,
    "gen_ai.response.finish_reasons": '["tool_calls"]', "trace.metadata.openrouter.first_token_ms": 996.0,
}  # fmt: skip


def below(number: int, name: str, code: int = 1) -> Record:
    """A step of a request below its root: a host that was tried, or its answer."""
    attributes = {"span.type": "span", "gen_ai.operation.name": "chat", "gen_ai.response.id": f"gen-1:{name}"}
    return span(name, number, (number * 100, 4000), attributes, status={"code": code})


def test_a_broadcast_of_openrouter_is_one_call(tmp_path: Path) -> None:
    """Its hosts and its answer have the operation of a call, but neither model nor usage."""
    left = {"code": 2, "message": "The client has disconnected"}
    steps = [below(1, "provider attempt 1: Azure", 2), below(2, "provider attempt 2: Host"), below(3, "generation")]
    whole = {"resourceSpans": [span("LLM Generation", 0, (0, 3723), ANSWERED), *steps]}
    cut = {"resourceSpans": [span("LLM Generation", 0, (0, 3723), ASKED, status=left), *steps]}
    expected = {
        "ttft_ms": 996.0, "streamed": True, "cost_usd": 0.005334, "input_tokens": 2489, "output_tokens": 569,
        "cached_input_tokens": 1000, "cache_write_tokens": 100, "cache_write_1h_tokens": 60, "provider": "openrouter",
        "outcome": "completed", "counted": True,
    }  # fmt: skip
    with store_of(write_lines(tmp_path / "whole.jsonl", [whole])) as store:
        (call,) = stored_calls(store).values()
        assert {column: call[column] for column in expected} == expected
    with store_of(write_lines(tmp_path / "cut.jsonl", [cut])) as store:
        (call,) = stored_calls(store).values()
        assert (call["outcome"], call["counted"], call["output_tokens"]) == ("cancelled", True, None)


def test_an_answer_that_a_callback_logged_twice_counts_once(tmp_path: Path) -> None:
    """Steps of one trace, one start, one answer and one output are one call; another start or output is another."""
    def step(number: int, ms: int, **fields: Any) -> Record:
        return span("litellm_request", number, (ms, 4000 + number), {**ANSWERED, **fields}, scope="litellm")

    twice = [step(1, 20), step(2, 20), step(3, 90), step(4, 20, **{"gen_ai.usage.output_tokens": 7})]
    for name, parts in {"together": [twice], "apart": [twice[2:], twice[1:2], twice[:1]]}.items():
        paths = [
            write_lines(tmp_path / f"{name}-{place}.jsonl", [{"resourceSpans": part}])
            for place, part in enumerate(parts)
        ]
        with store_of(*paths) as store:
            assert total(store, "report")["calls"] == 3
            (again,) = [call for call in stored_calls(store).values() if not call["counted"]]
            assert (again["uncounted_reason"], again["call_id"][-1]) == ("same_response", "2")
