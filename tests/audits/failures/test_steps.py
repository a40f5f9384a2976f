"""Findings that need the steps around a call: tools that are repeated, tools that fail in silence, silent tasks."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from streamaudit.audits.failures.report import run
from streamaudit.audits.scope.scope import Scope
from tests.audits.failures.cases import START, Record
from tests.support import langfuse_row, store_of, write_lines


def at(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).strftime("%Y-%m-%d %H:%M:%S.%f")


def step(name: str, trace: str, begin: float, end: float, /, **fields: Any) -> Record:
    """A step of a trace between two moments, in seconds."""
    return langfuse_row(name, trace_id=trace, start_time=at(begin), end_time=at(end), **fields)


def answer(name: str, trace: str, begin: float, first: float, end: float) -> Record:
    """A call that shows something from its first token on."""
    return step(name, trace, begin, end, completion_start_time=at(first), session_id=f"s-{trace}")


def tool(name: str, trace: str, begin: float, end: float, *, failed: bool = False) -> Record:
    level = "ERROR" if failed else "DEFAULT"
    return step(name, trace, begin, end, type="TOOL", name="search", level=level, usage_details={})


def findings(records: list[Record], folder: Path, *names: str) -> dict[str, dict[str, Any]]:
    with store_of(write_lines(folder / "rows.jsonl", records)) as store:
        report = run(store, Scope(), names)
    return {str(row["finding"]): row for row in report.tables[0].records()}


def task(number: int, waits: float, *, failed: bool = False, again: bool = False) -> list[Record]:
    """A call, a tool that takes its time, perhaps once more, and a second call."""
    trace, begin = f"t{number}", 100.0 * number
    done = begin + 2 + waits
    steps = [
        answer(f"a{number}", trace, begin, begin + 0.5, begin + 1),
        tool(f"x{number}", trace, begin + 1, begin + 1.5 if again else done, failed=failed or again),
        answer(f"b{number}", trace, done, done + 0.5, done + 2),
    ]
    return [*steps, tool(f"y{number}", trace, begin + 1.6, done)] if again else steps


def test_a_tool_that_is_called_again_after_it_failed_is_found(tmp_path: Path) -> None:
    """The same name again in one trace after a failure; one that succeeded at once is none."""
    twice = [one for number in range(4) for one in task(number, 2, again=True)]
    once = [one for number in range(10, 14) for one in task(number, 2)]
    found = findings([*twice, *once], tmp_path, "retries")
    assert found["double_tool"]["affected_calls"] == 4
    assert "double_tool" not in findings(once, tmp_path, "retries")


def test_a_task_that_shows_nothing_for_long_is_found(tmp_path: Path) -> None:
    """Fifteen seconds of a tool between two answers; two seconds are none."""
    silent = [one for number in range(6) for one in task(number, 15)]
    lively = [one for number in range(10, 20) for one in task(number, 2)]
    found = findings([*silent, *lively], tmp_path, "silence")
    assert (found["silent_task"]["affected_calls"], found["silent_task"]["calls"]) == (6, 16)
    assert "silent_task" not in findings(lively, tmp_path, "silence")


def test_a_tool_that_fails_and_leaves_the_user_waiting_is_found(tmp_path: Path) -> None:
    """After the failure nothing visible comes for ten seconds; an answer soon after it is none."""
    dark = [
        one for number in range(6)
        for one in (*task(number, 1, failed=True)[:2], answer(f"c{number}", f"t{number}", 100.0 * number + 30,
            100.0 * number + 31, 100.0 * number + 33))
    ]  # fmt: skip
    answered = [one for number in range(10, 16) for one in task(number, 1, failed=True)]
    assert findings([*dark, *answered], tmp_path, "silence")["tool_silence"]["affected_calls"] == 6
    assert "tool_silence" not in findings(answered, tmp_path, "silence")
