"""Session files of coding agents: several lines a call, copies in other files, and what an interruption leaves."""

from datetime import datetime
from pathlib import Path

from sample_traces.sessions import SESSION, claude_code, claude_code_user, codex, codex_count, codex_session
from streamaudit.store.store import Store
from tests.support import Record, equation, ingest, rows_of, store_of, stored_calls, write_lines


def test_an_answer_of_several_lines_is_one_call_with_its_last_usage(tmp_path: Path) -> None:
    """The input has the cache inside; the first line's time stands for the start; a copy elsewhere adds nothing."""
    lines = [claude_code_user(0), claude_code("m1", 1, 3), claude_code("m1", 2, 40), claude_code_user(3)]
    first = write_lines(tmp_path / "one.jsonl", lines)
    copy = write_lines(tmp_path / "resumed.jsonl", [*lines, claude_code("m2", 9, 7), claude_code_user(10)])
    with store_of(first, copy) as store:
        found = stored_calls(store)
    assert set(found) == {"m1", "m2"}
    expected = {
        "input_tokens": 3210, "cached_input_tokens": 3000, "cache_write_tokens": 200, "cache_write_1h_tokens": 150,
        "output_tokens": 40, "model": "claude-sonnet-4-5", "provider": "anthropic", "route": "shop", "deploy": "2.0.1",
        "session_id": SESSION, "start_time": datetime(2026, 11, 16, 8, 0, 1), "duration_ms": None,
        "outcome": "completed", "usage_basis": "provider",
    }  # fmt: skip
    assert {name: found["m1"][name] for name in expected} == expected
    # A message without a reason, of a few tokens, is one of which the last line was never written.
    assert (found["m2"]["outcome"], found["m2"]["usage_basis"], found["m2"]["cost_usd"]) == (
        "completed", "partial", None)


def test_an_interrupted_answer_keeps_no_final_count(tmp_path: Path) -> None:
    """What stands there is the count that opened the stream. An interrupted tool cuts no answer."""
    lines = [
        claude_code("m1", 1, 4), claude_code_user(2, "[Request interrupted by user]"),
        claude_code("m2", 3, 50), claude_code_user(4, "[Request interrupted by user for tool use]"),
    ]  # fmt: skip
    with store_of(write_lines(tmp_path / "session.jsonl", lines)) as store:
        found = stored_calls(store)
    assert (found["m1"]["outcome"], found["m1"]["usage_basis"]) == ("cancelled", "partial")
    assert (found["m2"]["outcome"], found["m2"]["usage_basis"]) == ("completed", "provider")


def test_a_message_of_the_program_is_no_call(store: Store, tmp_path: Path) -> None:
    """It answers with a model of no name."""
    line = claude_code("m1", 1, 0)
    line["message"]["model"] = "<synthetic>"
    (result,) = ingest(store, write_lines(tmp_path / "session.jsonl", [line, claude_code("m2", 2, 5)]))
    assert equation(result) == (2, 1, 0, 0, 0, 1)


def test_each_token_count_of_a_rollout_is_a_call(tmp_path: Path) -> None:
    """The model is the turn's; a count that repeats the totals is none; totals alone give the difference."""
    lines = [
        *codex_session(), codex_count(3, 100, 100), codex_count(4, 100, 100), codex_count(5, 300, None),
        codex(6, "event_msg", type="token_count", info=None), codex(7, "event_msg", type="turn_aborted", turn_id="t"),
    ]  # fmt: skip
    with store_of(write_lines(tmp_path / "rollout.jsonl", lines)) as store:
        found = sorted(stored_calls(store).values(), key=lambda call: call["start_time"])
        spans = rows_of(store, "store.spans")
    assert [call["input_tokens"] for call in found] == [100, 200]
    expected = {
        "cached_input_tokens": 50, "output_tokens": 10, "reasoning_tokens": 5, "model": "gpt-5-codex",
        "provider": "openai", "service": "codex_cli", "deploy": "0.50.0", "route": "shop", "session_id": SESSION,
        "logical_request_id": "turn-1", "outcome": "completed", "duration_ms": None,
    }  # fmt: skip
    assert {name: found[0][name] for name in expected} == expected
    assert [span["name"] for span in spans] == ["turn_aborted"]


def test_a_resumed_rollout_repeats_its_calls(store: Store, tmp_path: Path) -> None:
    """The lines of the parent session stand in the new file as they were."""
    old = [*codex_session(), codex_count(3, 100, 100)]
    parent = write_lines(tmp_path / "a.jsonl", old)
    resumed = write_lines(tmp_path / "b.jsonl", [*old, codex_count(5, 150, 50)])
    first, second = ingest(store, parent, resumed)
    assert (equation(first)[1], equation(second)[1:3]) == (1, (1, 1))


def test_a_fork_that_repeats_its_parent_adds_only_its_own_calls(tmp_path: Path) -> None:
    """With other times or as it was, with the head of its parent or without. Twins may have equal counts."""
    head = codex_session()
    calls = [codex_count(3, 100, 100), codex_count(5, 300, 200)]
    parent = write_lines(tmp_path / "a.jsonl", [*head, *calls])

    def fork(name: str, *lines: Record, **meta: object) -> Path:
        own = codex(20, "session_meta", id=f"session-{name}", originator="codex_cli", cli_version="0.50.0", **meta)
        return write_lines(tmp_path / f"{name}.jsonl", [own, *lines, codex_count(40, 450, 150)])

    again = [{**line, "timestamp": "2026-11-16T08:00:20.500Z"} for line in (*head, *calls)]
    stamped = fork("b", *again, forked_from_id=SESSION)
    headless = fork("c", *again[1:], source={"subagent": {"thread_spawn": {"parent_thread_id": SESSION}}})
    as_it_was = fork("d", *head, *calls, parent_thread_id=SESSION)
    with store_of(as_it_was, stamped, parent, headless) as store:
        found = sorted(stored_calls(store).values(), key=lambda call: (call["start_time"], call["session_id"]))
    assert [call["input_tokens"] for call in found] == [100, 200, 150, 150, 150]
    assert [call["start_time"].second for call in found] == [3, 5, 40, 40, 40]
    assert [call["session_id"] for call in found] == [SESSION] * 2 + ["session-b", "session-c", "session-d"]


def test_a_count_has_its_tier_and_what_was_written_to_the_cache(store: Store, tmp_path: Path) -> None:
    """Which have prices of their own; the totals of a fork alone say nothing of its first call."""
    count = codex_count(3, 1000, 1000)
    count["payload"]["info"]["last_token_usage"]["cache_write_input_tokens"] = 300
    count["payload"]["service_tier"] = "priority"
    forked = codex(4, "session_meta", id="session-b", forked_from_id="session-x")
    ingest(store, write_lines(tmp_path / "a.jsonl", [*codex_session(), count]))
    ingest(store, write_lines(tmp_path / "b.jsonl", [forked, codex_count(30, 900_000, None)]))
    (call,) = stored_calls(store).values()
    assert (call["cache_write_tokens"], call["service_tier"], call["input_tokens"]) == (300, "priority", 1000)
