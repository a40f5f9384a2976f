"""Voice turns as LiveKit Agents, Pipecat and raw lines record them: sums turn by turn, and stages that are unknown."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from streamaudit.audits.failures.report import run
from streamaudit.audits.scope.scope import Scope
from streamaudit.store.store import Store
from tests.audits.failures.voice_cases import SHAPES, Turn, in_langfuse, livekit, pipecat, raw, turns
from tests.sampling import keep
from tests.support import Record, content, rows_of, store_of, write_lines


def judged(records: list[Record], folder: Path) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The audit's status of these records, and its finding where there is one."""
    with store_of(write_lines(folder / "turns.jsonl", records)) as store:
        return judge(store)


def judge(store: Store, **limits: float) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The same of a store."""
    found, audits = run(store, Scope(), ("voice",), limits={"voice": limits}).tables
    (status,) = audits.records()
    findings: Sequence[dict[str, Any]] = list(found.records())
    return status, findings[0] if findings else None


@pytest.mark.parametrize("shape", keep(SHAPES, ["livekit", "pipecat", "raw", "livekit in langfuse"]))
def test_slow_turns_are_found_and_their_slowest_stage_named(shape: str, tmp_path: Path) -> None:
    """480 ms of first token in every turn; the finding counts turns, in every framework's own names and units."""
    status, row = judged(SHAPES[shape](turns(24, llm=480.0)), tmp_path)
    assert row and status["status"] == "findings"
    assert (row["calls"], row["affected_calls"]) == (24, 24)
    assert "first token with 480 ms" in row["evidence"]
    assert ("at least" in row["evidence"]) == shape.startswith("pipecat")


@pytest.mark.parametrize("shape", keep(SHAPES, ["livekit 1.8", "pipecat in langfuse"]))
def test_turns_within_the_budget_are_left_alone(shape: str, tmp_path: Path) -> None:
    """Where every stage is known the bill is clean; Pipecat's endpointing is known through its measured latency."""
    status, row = judged(SHAPES[shape](turns(24, measured=299.0)), tmp_path)
    assert row is None and (status["status"], status["calls_examined"]) == ("clean", 24)


def test_percentiles_are_of_the_sums(tmp_path: Path) -> None:
    """One slow stage a turn, never two: each turn takes 270 ms, the 95th percentiles of the stages add up to 470 ms."""
    mixed = [Turn(50 + n / 8, 20, 180 if n % 2 else 20, 20 if n % 2 else 180) for n in range(40)]
    with store_of(write_lines(tmp_path / "turns.jsonl", raw(mixed))) as store:
        assert judge(store)[1] is None
        _, row = judge(store, budget_ms=250)
    assert row and "p95 275 ms" in row["evidence"] and row["affected_calls"] == 40


def test_a_stage_of_zero_or_of_a_setting_is_unknown(tmp_path: Path) -> None:
    """A sum without it proves no short turn, and does prove a long one."""
    fixed = [Turn(endpointing=500, stt=20, llm=40, tts=20) for _ in range(24)]
    status, row = judged(raw(fixed), tmp_path)
    assert row is None and (status["status"], status["calls_examined"]) == ("cannot_answer", 0)
    status, row = judged(raw(turns(24, stt=0.0)), tmp_path)
    assert row is None and status["status"] == "cannot_answer"
    status, row = judged(livekit(turns(24, endpointing=None, stt=None)), tmp_path)
    assert row is None and status["status"] == "cannot_answer"
    status, row = judged(raw([Turn(endpointing=500, stt=200, llm=400, tts=200) for _ in range(24)]), tmp_path)
    assert row and "at least 800 ms" in row["evidence"]


def test_the_measured_wait_takes_precedence(tmp_path: Path) -> None:
    """LiveKit's stages overlap where it generates ahead of the turn's end: their sum is longer than the wait."""
    status, row = judged(livekit(turns(24, llm=900.0, measured=250.0)), tmp_path)
    assert row is None and status["status"] == "clean"
    status, row = judged(pipecat(turns(24, measured=1400.0, interrupted=True)), tmp_path)
    assert row and "1.4 s" in row["evidence"] and "what no stage records with 1.2 s" in row["evidence"]
    assert "users spoke over 100 % of the answers" in row["evidence"]


def test_an_answer_without_a_step_around_it_belongs_to_the_turn_before(tmp_path: Path) -> None:
    """Filters of an exporter may leave out the agent's turns."""
    (batch,) = livekit(turns(24, llm=480.0))
    (scope,) = batch["resourceSpans"][0]["scopeSpans"]
    scope["spans"] = [span for span in scope["spans"] if span["name"] not in ("agent_turn", "llm_node", "tts_node")]
    _, row = judged([batch], tmp_path)
    assert row and (row["calls"], row["affected_calls"]) == (24, 24) and "480 ms" in row["evidence"]


def test_speech_is_a_step_and_no_call_of_a_language_model(tmp_path: Path) -> None:
    """LiveKit names model and provider of the recogniser and of the voice on their spans."""
    lines = write_lines(tmp_path / "spans.jsonl", [*livekit(turns(2)), *pipecat(turns(2))])
    with store_of(lines) as store:
        calls = rows_of(store, "store.calls")
        steps = rows_of(store, "(SELECT kind, count(*) AS n FROM store.spans GROUP BY kind)")
        assert "zebra" not in str(content(store))
    assert sorted((call["name"], call["ttft_ms"]) for call in calls) == [
        ("llm", 80.0), ("llm", 80.0), ("llm_request", 80.0), ("llm_request", 80.0), ("llm_request", 2500.0),
        ("llm_request", 2500.0),
    ]  # fmt: skip
    assert {call["outcome"] for call in calls} == {"completed"} and {call["output_tokens"] for call in calls} == {40, 9}
    assert {row["kind"]: row["n"] for row in steps} == {
        "agent_turn": 4, "client": 2, "endpointing": 2, "llm_node": 2, "stt": 2, "tts": 6, "turn": 2, "user_turn": 2,
    }  # fmt: skip


def test_a_langfuse_export_gives_the_calls_and_steps_of_the_spans_themselves(tmp_path: Path) -> None:
    """Langfuse calls recognisers and voices generations; they are no calls of a language model here either."""
    found = []
    for form in (list[Record], in_langfuse):
        lines = [one for batch in (livekit(turns(3)), pipecat(turns(3)), livekit([Turn(cancelled=True)], "left"))
                 for one in form(batch)]  # fmt: skip
        with store_of(write_lines(tmp_path / "spans.jsonl", lines)) as store:
            calls = "(SELECT name, model, ttft_ms, input_tokens, output_tokens, outcome, cancel_evidence, usage_basis "
            calls += "FROM store.calls WHERE counted ORDER BY ALL)"
            steps = "(SELECT kind, stages, interrupted, count(*) AS n FROM store.spans "
            steps += "WHERE stages IS NOT NULL OR kind IN ('turn', 'agent_turn', 'tts') GROUP BY ALL ORDER BY ALL)"
            found.append((rows_of(store, calls), rows_of(store, steps)))
            assert "zebra" not in str(content(store))
    assert found[0] == found[1]


def test_a_request_that_was_cancelled_is_no_completed_call(tmp_path: Path) -> None:
    """LiveKit writes zeros for the usage of a request that it gave up because the user spoke on."""
    with store_of(write_lines(tmp_path / "spans.jsonl", livekit([Turn(cancelled=True), Turn()]))) as store:
        rows = rows_of(store, "store.calls")
    cancelled = [row for row in rows if row["outcome"] == "cancelled"]
    assert [(row["cancel_evidence"], row["output_tokens"]) for row in cancelled] == [("flag", None)]
