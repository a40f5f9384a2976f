"""Records of one request id: attempts of their own, or versions of one, the same in whatever order they arrive."""

from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.reused import empty_store
from tests.support import (
    Record,
    calls,
    content,
    equation,
    ingest,
    langfuse_row,
    raw_call,
    rows_of,
    store_of,
    stored_calls,
    write_lines,
)

START = datetime(2026, 11, 16, 8)


def record(name: str, after_ms: float = 0.0, /, **fields: Any) -> Record:
    """One record of a request, that many milliseconds after the first."""
    start = (START + timedelta(milliseconds=after_ms)).isoformat(timespec="microseconds")
    return raw_call(name, start_time=start + "Z", **fields)


def litellm_row(start: float, **fields: Any) -> Record:
    """One payload of LiteLLM; every one has the same call id, as all attempts of a proxied request do."""
    return {
        "id": "gen-1", "litellm_call_id": "call-1", "trace_id": "trace-1", "call_type": "acompletion", "stream": True,
        "status": "success", "startTime": start, "endTime": start + 5, "completionStartTime": start + 1,
        "prompt_tokens": 20, "completion_tokens": 100, "total_tokens": 120, "response_cost": 0.01, "model": "gpt-4o",
        "custom_llm_provider": "openai", "metadata": {}, **fields,
    }  # fmt: skip


def test_records_that_differ_in_start_number_or_response_are_attempts(tmp_path: Path) -> None:
    records = [
        record("start", outcome="error"), record("start", 1.001),
        record("number", attempt_number=1, outcome="error"), record("number", attempt_number=2),
        record("response", response_id="r1", outcome="error"), record("response", response_id="r2"),
    ]  # fmt: skip
    with store_of(write_lines(tmp_path / "x.jsonl", records)) as store:
        found = stored_calls(store)
    assert sorted(found) == ["number#1", "number#2", "response#1", "response#2", "start#1", "start#2"]
    assert all(call["logical_request_id"] == call["request_id"] == name.split("#")[0] for name, call in found.items())
    assert [found[f"start#{n}"]["outcome"] for n in (1, 2)] == ["error", "completed"]


def test_all_other_records_are_versions_of_one_call(tmp_path: Path) -> None:
    """A millisecond of rounding, and what one of them does not know, make no attempt."""
    records = [
        record("a", outcome=None, duration_ms=None, output_tokens=None), record("a", 1.0, response_id="r1"),
        record("a", 0.6, attempt_number=1, response_id="r1"), record("a", 0.6, attempt_number=1, response_id="r1"),
    ]  # fmt: skip
    with empty_store() as store:
        (result,) = ingest(store, write_lines(tmp_path / "x.jsonl", records))
        assert equation(result) == (4, 1, 3, 0, 0, 0)
        (call,) = stored_calls(store).values()
    assert (call["call_id"], call["request_id"], call["logical_request_id"]) == ("a", None, None)
    assert (call["output_tokens"], len(call["versions"])) == (100, 3)


def test_retries_and_fallbacks_of_a_proxy_are_attempts_and_a_callback_fired_twice_is_not(tmp_path: Path) -> None:
    failed = litellm_row(1_763_800_000.1, id="call-1", status="failure", completion_tokens=0, response_cost=0,
        error_information={"error_code": "429", "error_class": "RateLimitError"})  # fmt: skip
    fallback = litellm_row(1_763_800_001.2)
    with store_of(write_lines(tmp_path / "x.jsonl", [failed, fallback, fallback])) as store:
        found = stored_calls(store)
    assert {name: call["outcome"] for name, call in found.items()} == {"call-1#1": "error", "call-1#2": "completed"}
    assert {call["logical_request_id"] for call in found.values()} == {"trace-1"}


def test_an_id_that_names_an_attempt_has_versions_only(tmp_path: Path) -> None:
    rows = [langfuse_row("a"), langfuse_row("a", start_time="2026-11-16 07:59:58.000000")]
    with store_of(write_lines(tmp_path / "x.jsonl", rows)) as store:
        assert list(stored_calls(store)) == ["a"]


def test_evidence_by_the_id_of_several_attempts_joins_none_of_them(tmp_path: Path) -> None:
    from streamaudit.ingest.evidence import join
    from streamaudit.ingest.readers.reader import Reader

    log = write_lines(tmp_path / "x.jsonl", [record("a", outcome="cancelled"), record("a", 50), record("b", 9)])
    shown = write_lines(tmp_path / "shown.jsonl", [{"request_id": name, "rendered_tokens": 7} for name in "ab"])
    with store_of(log) as store, Reader() as reader:
        outcome = join(store, reader, str(shown), "request_id")
        assert (outcome.matched, outcome.ambiguous) == (1, 1)
        assert {name: call["rendered_tokens"] for name, call in calls(store).items()} == {
            "a#1": None, "a#2": None, "b": 7,
        }  # fmt: skip


records = st.builds(
    lambda after, number, response, tokens, outcome, basis, updated, chars: record(
        "", after, attempt_number=number, response_id=response, output_tokens=tokens, outcome=outcome,
        usage_source=basis, updated_at=updated, output_chars=chars,
    ),
    st.sampled_from([0.0, 0.4, 0.9, 1.0, 1.5, 2.2, 40.0]),
    st.sampled_from([None, None, 1, 2]),
    st.sampled_from([None, "r1", "r2", "r3"]),
    st.sampled_from([None, 90, 400]),
    st.sampled_from(["completed", "cancelled", "unknown"]),
    st.sampled_from(["provider", "partial", "estimated"]),
    st.sampled_from([None, "2026-11-16T09:00:00Z", "2026-11-16T12:00:00Z"]),
    st.sampled_from([10, 11]),
)  # fmt: skip


def _examples(number: int) -> settings:
    return settings(max_examples=number, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


REQUESTS = st.lists(st.lists(records, min_size=1, max_size=5), min_size=8, max_size=20)


@_examples(2)
@given(requests=REQUESTS, random=st.randoms())
def test_order_splitting_and_repetition_change_nothing(tmp_path: Path, requests: Any, random: Any) -> None:
    """Everything at once, record by record in another order, and all of it again: the same store."""
    _assert_order_changes_nothing(tmp_path, requests, random)


@pytest.mark.proof
@_examples(40)
@given(requests=REQUESTS, random=st.randoms())
def test_order_splitting_and_repetition_change_nothing_often(tmp_path: Path, requests: Any, random: Any) -> None:
    """The same of many more requests."""
    _assert_order_changes_nothing(tmp_path, requests, random)


def _assert_order_changes_nothing(tmp_path: Path, requests: Any, random: Any) -> None:
    named = [{**one, "request_id": f"q{n}"} for n, found in enumerate(requests) for one in found]
    whole = write_lines(tmp_path / "whole.jsonl", named)
    with store_of(whole) as store:
        wanted = content(store)
        ids = [row["call_id"] for row in rows_of(store, "store.calls")]
        assert len(set(ids)) == len(ids)
    random.shuffle(named)
    pieces = [
        write_lines(tmp_path / f"{n}.jsonl", named[n::4])
        for n in range(4)
    ]  # fmt: skip
    with store_of(*(piece for piece in pieces if piece.stat().st_size)) as store:
        assert content(store) == wanted
        again = write_lines(tmp_path / "again.jsonl", named[::-1])
        (result,) = ingest(store, again)
        assert equation(result)[1] == 0
        assert content(store) == wanted


def test_an_attempt_that_arrives_late_takes_its_place(tmp_path: Path) -> None:
    """An earlier attempt renumbers those that are stored; a record between two makes them one."""
    attempts = {-30.0: 3, 0.5: 2, 1.2: 2}
    found = [
        [record(f"at {late}", 0.0) for late in attempts],
        [record(f"at {late}", 2.0, output_tokens=7) for late in attempts],
        [record(f"at {late}", late, output_tokens=9) for late in attempts],
    ]
    with store_of(*(write_lines(tmp_path / f"{n}.jsonl", some) for n, some in enumerate(found))) as store:
        apart = content(store)
        stored = Counter(name.split("#")[0] for name in stored_calls(store))
    assert stored == {f"at {late}": count for late, count in attempts.items()}
    backwards = [one for some in found[::-1] for one in some]
    with store_of(write_lines(tmp_path / "all.jsonl", backwards)) as together:
        assert content(together) == apart
