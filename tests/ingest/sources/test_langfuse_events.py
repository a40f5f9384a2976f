"""Langfuse as its older SDKs sent it: observations that are created when they begin and updated when they end."""

import json
from pathlib import Path

import pytest

from tests.support import Record, calls, store_of, write_lines

SENT = "2026-11-16T08:00:0{}.000Z"


def event(kind: str, number: int, /, sent: int = 0, **body: object) -> Record:
    """One event about an observation, or about the common trace."""
    return {"id": f"{kind}-{number}-{sent}", "type": kind, "timestamp": SENT.format(sent),
            "body": {"id": f"o{number}", "traceId": "t", **body}}  # fmt: skip


TRACE: Record = {
    "id": "e", "type": "trace-create", "timestamp": SENT.format(9),
    "body": {"id": "t", "timestamp": SENT.format(0), "name": "POST /chat", "userId": "u1", "release": "9"},
}  # fmt: skip
BEGUN = event("generation-create", 1, startTime=SENT.format(0), model="gpt-4o-mini", metadata={"tenant": "acme"},
              endTime=None)  # fmt: skip
ENDED = event("generation-update", 1, 5, endTime=SENT.format(5), completionStartTime=SENT.format(1), model=None,
              output="Hello", usage={"input": 50, "output": 100, "total": 150, "unit": "TOKENS"})  # fmt: skip
WHOLE = event(
    "observation-create", 2, type="GENERATION", startTime=SENT.format(0), endTime=SENT.format(4), model="gpt-4o-mini",
    usageDetails={
        "prompt_tokens": 900, "completion_tokens": 90, "total_tokens": 990,
        "prompt_tokens_details": {"cached_tokens": 400, "audio_tokens": None},
        "completion_tokens_details": {"reasoning_tokens": 33},
    }, costDetails={"total": 0.5},
)  # fmt: skip
LEFT = event("generation-create", 3, startTime=SENT.format(0), endTime=SENT.format(2), level="ERROR",
             statusMessage="AbortError: This operation was aborted",
             usage={"promptTokens": 9, "completionTokens": 3, "totalTokens": 12, "totalCost": 0.02})  # fmt: skip
STEP = event("span-create", 4, startTime=SENT.format(0), endTime=SENT.format(5))
EVENTS = [ENDED, BEGUN, WHOLE, LEFT, STEP, TRACE, {"id": "s", "type": "score-create", "body": {"id": "s", "value": 1}}]


@pytest.mark.parametrize("container", ["lines", "a list", "a request"])
def test_an_update_completes_the_observation_that_was_created(tmp_path: Path, container: str) -> None:
    """In any order, in each container; a field without a value changes nothing."""
    path = tmp_path / "events.json"
    if container == "lines":
        write_lines(path, EVENTS)
    else:
        path.write_text(json.dumps(EVENTS if container == "a list" else {"batch": EVENTS, "metadata": {}}))
    with store_of(path) as store:
        found = calls(store)
    assert set(found) == {"o1", "o2", "o3"}
    of_trace = {"user_id": "u1", "deploy": "9", "route": "POST /chat"}
    for name, wanted in {
        "o1": {**of_trace, "model": "gpt-4o-mini", "tenant": "acme", "ttft_ms": 1000.0, "duration_ms": 5000.0,
               "input_tokens": 50, "output_tokens": 100, "usage_basis": "provider", "outcome": "completed"},
        "o2": {**of_trace, "input_tokens": 900, "cached_input_tokens": 400, "output_tokens": 90, "reasoning_tokens": 33,
               "cost_usd": 0.5},
        "o3": {"outcome": "cancelled", "input_tokens": 9, "output_tokens": 3, "cost_usd": 0.02},
    }.items():  # fmt: skip
        assert {column: found[name][column] for column in wanted} == wanted
