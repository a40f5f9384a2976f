"""Logs of calls that people write themselves: usual names, units in names, nested figures, no id, ordinary words."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from streamaudit.ingest.pipeline import Ingest
from streamaudit.ingest.readers.reader import Reader
from streamaudit.ingest.results import Options
from streamaudit.ingest.sources.registry import Match
from streamaudit.ingest.voting import elect
from streamaudit.store.store import Store
from tests.reused import empty_store
from tests.support import Record, equation, ingest, store_of, stored_calls, write_lines

START = datetime(2026, 11, 16, 8)
FIGURES = {"model": "gpt-4o-mini", "input_tokens": 100, "output_tokens": 20, "duration_ms": 1500.0, "start_time": START}

# One call in the spelling of a log; what it must become beside FIGURES.
SPELLINGS: dict[str, tuple[Record, dict[str, Any]]] = {
    "seconds since 1970, and milliseconds": (
        {"ts": 1794816000.0, "model": "gpt-4o-mini", "latency_ms": 1500, "prompt_tokens": 100, "completion_tokens": 20,
         "cost_est_usd": 0.01, "step": "plan"},
        {"cost_usd": 0.01, "route": "plan"},
    ),
    "seconds by name": (
        {"timestamp": "2026-11-16T08:00:00Z", "model_name": "gpt-4o-mini", "latency_sec": 1.5, "tokens_in": 100,
         "tokens_out": 20, "cached_tokens": 50, "thinking_tokens": 7, "first_token_ms": 300},
        {"cached_input_tokens": 50, "reasoning_tokens": 7, "ttft_ms": 300.0},
    ),
    "elapsed is of seconds": (
        {"created_at": "2026-11-16 08:00:00", "llm_model": "gpt-4o-mini", "elapsed": 1.5, "in_tokens": 100,
         "out_tokens": 20},
        {},
    ),
    "a provider's usage as it came": (
        {"time": "2026-11-16T08:00:00Z", "model": "gpt-4o-mini", "duration_seconds": 1.5,
         "usage": {"prompt_tokens": 100, "completion_tokens": 20, "prompt_tokens_details": {"cached_tokens": 30},
                   "completion_tokens_details": {"reasoning_tokens": 9}}},
        {"cached_input_tokens": 30, "reasoning_tokens": 9},
    ),
    "Anthropic's usage leaves the cache out": (
        {"time": "2026-11-16T08:00:00Z", "model": "gpt-4o-mini", "duration_s": 1.5,
         "usage": {"input_tokens": 10, "output_tokens": 20, "cache_read_input_tokens": 60,
                   "cache_creation_input_tokens": 30}},
        {"cached_input_tokens": 60, "cache_write_tokens": 30},
    ),
    "camel case": (
        {"startedAt": "2026-11-16T08:00:00Z", "modelName": "gpt-4o-mini", "latencyMs": 1500, "promptTokens": 100,
         "completionTokens": 20, "requestId": "r-1", "finishReason": "stop"},
        {"call_id": "r-1", "finish_reason": "stop", "outcome": "completed"},
    ),
    "objects around the figures": (
        {"@timestamp": "2026-11-16T08:00:00Z", "request": {"model": "gpt-4o-mini", "id": "r-2"},
         "response": {"model": "gpt-4o-mini-2024-07-18", "id": "resp-1", "usage": {"input_tokens": 100,
                                                                                "output_tokens": 20}},
         "timing": {"duration_ms": 1500, "ttft_ms": 250}},
        {"call_id": "r-2", "response_id": "resp-1", "response_model": "gpt-4o-mini-2024-07-18", "ttft_ms": 250.0},
    ),
    "a start and an end in nanoseconds": (
        {"start": 1794816000000000000, "end": 1794816001500000000, "model": "gpt-4o-mini",
         "input": {"tokens": 100}, "output": {"tokens": 20}},
        {},
    ),
    "a start, an end and a first token in milliseconds": (
        {"start_ms": 1794816000000, "end_ms": 1794816001500, "first_token_at_ms": 1794816000250, "timestamp": None,
         "model": "gpt-4o-mini", "tokens_in": 100, "tokens_out": 20},
        {"ttft_ms": 250.0},
    ),
    "attributes of OpenTelemetry, written out": (
        {"ts": 1794816000, "latency_ms": 1500, "gen_ai.request.model": "gpt-4o-mini", "gen_ai.usage.input_tokens": 100,
         "gen_ai.usage.output_tokens": 20, "gen_ai.response.model": "gpt-4o-mini-2024-07-18"},
        {"response_model": "gpt-4o-mini-2024-07-18"},
    ),
    "times that say their unit, and a cut by any subject": (
        {"ts": "2026-11-16T08:00:00Z", "model": "gpt-4o-mini", "latency": "1.5s", "timing": {"ttft": "320 ms"},
         "prompt_tokens": 100, "completion_tokens": 20, "streamAborted": True, "not_cancelled": True},
        {"ttft_ms": 320.0, "outcome": "cancelled"},
    ),
    "MongoDB's export": (
        {"_id": {"$oid": "665f1c"}, "created_at": {"$date": "2026-11-16T08:00:00Z"}, "model": "gpt-4o-mini",
         "latency_ms": {"$numberInt": "1500"}, "prompt_tokens": 100, "completion_tokens": 20, "cancel": True},
        {"call_id": "665f1c", "outcome": "cancelled"},
    ),
    "the headings of a table": (
        {"Date": "2026-11-16 08:00:00", "Model": "gpt-4o-mini", "Prompt Tokens": "100",
         "Completion Tokens": "20", "Cost ($)": "$0.0123", "Latency (ms)": "1500", "Status": "Cancelled"},
        {"cost_usd": 0.0123, "outcome": "cancelled"},
    ),
    "Portkey's export, in cents": (
        {"id": "pk-1", "trace_id": "tr-1", "created_at": "2026-11-16T08:00:00Z", "ai_org": "openai",
         "ai_model": "gpt-4o-mini", "req_units": 100, "res_units": 20, "total_units": 120, "cost": 1.5,
         "cost_currency": "USD", "response_time": 1500, "response_status_code": 499, "metadata": {"tenant": "acme"}},
        {"call_id": "pk-1", "logical_request_id": "tr-1", "provider": "openai", "cost_usd": 0.015, "tenant": "acme",
         "outcome": "cancelled"},
    ),
    "Cloudflare's AI Gateway": (
        {"id": "01J", "created_at": "2026-11-16T08:00:00Z", "provider": "openai", "model": "gpt-4o-mini",
         "path": "chat/completions", "duration": 1500, "request_type": "", "response_content_type": "text/event-stream",
         "status_code": 200, "success": True, "cached": False, "tokens_in": 100, "tokens_out": 20, "cost": 0.002,
         "step": 0},
        {"call_id": "01J", "cost_usd": 0.002, "route": "chat/completions", "cache_hit": False, "outcome": "completed"},
    ),
    "Kong's AI Proxy": (
        {"started_at": 1794816000000, "latencies": {"request": 1500, "proxy": 1490}, "response": {"status": 200},
         "request": {"id": "k-1", "uri": "/chat"}, "ai": {"proxy": {
             "usage": {"prompt_tokens": 100, "completion_tokens": 20, "cost": 0.002, "time_to_first_token": 400},
             "meta": {"request_model": "gpt-4o-mini", "provider_name": "azure", "llm_latency": 1480}}}},
        {"call_id": "k-1", "provider": "azure", "cost_usd": 0.002, "ttft_ms": 400.0, "route": "/chat",
         "http_status": 200},
    ),
    "a flag in camel case": (
        {"ts": 1794816000, "latency_ms": 1500, "model": "gpt-4o-mini", "tokens_in": 100, "tokens_out": 20,
         "stoppedByUser": True},
        {"outcome": "cancelled"},
    ),
    "what was billed, delivered and shown": (
        {"ts": 1794816000, "latency_ms": 1500, "model": "gpt-4o-mini", "tokens_in": 100, "billed_output_tokens": 20,
         "tokens_streamed": 12, "displayed_tokens": 9, "user_cancelled": True},
        {"delivered_tokens": 12, "rendered_tokens": 9, "outcome": "cancelled"},
    ),
    "an end and a duration": (
        {"finished_at": "2026-11-16T08:00:01.5Z", "model": "gpt-4o-mini", "elapsed_seconds": 1.5, "tokens_prompt": 100,
         "tokens_completion": 20},
        {},
    ),
    "a 0 under one name and a count under another": (
        {"ts": 1794816000, "model": "gpt-4o-mini", "latency_ms": 1500, "input_tokens": 0, "prompt_tokens": 100,
         "output_tokens": 20},
        {},
    ),
}  # fmt: skip


def read_each(paths: list[Path]) -> Iterator[Record]:
    """The call of each file, all of them read in one run."""
    with empty_store() as store, Reader() as reader:
        results = list(Ingest(store, Options()).files(reader, dict.fromkeys(map(str, paths), False)))
        assert [result.problem for result in results] == [None] * len(paths)
        found = sorted(stored_calls(store).values(), key=lambda call: call["load_id"])
    assert len({call["load_id"] for call in found}) == len(found) == len(paths)
    yield from found


def test_a_log_of_ones_own_is_read_without_a_map(tmp_path: Path) -> None:
    """The usual names are found, with the unit that a name ends in, wherever they stand."""
    paths = [write_lines(tmp_path / f"log{n}.jsonl", [record]) for n, (record, _) in enumerate(SPELLINGS.values())]
    for (name, (_, others)), call in zip(SPELLINGS.items(), read_each(paths), strict=True):
        expected = {**FIGURES, **others}
        assert {column: call[column] for column in expected} == expected, name


def ended(**fields: Any) -> Record:
    """A call with all of its usage, and what its log says of its end."""
    return {"ts": 1794816000, "model": "m", "latency_ms": 900, "tokens_in": 10, "tokens_out": 5, **fields}


ENDS: dict[str, tuple[Record, str]] = {
    "a status": (ended(status="success"), "completed"),
    "a failed status": (ended(status="failed"), "error"),
    "a cancelled status": (ended(status="cancelled"), "cancelled"),
    "a timeout": (ended(status="timeout"), "timeout"),
    "a status that is HTTP's": (ended(status=429), "error"),
    "a status that is 499": (ended(status=499), "cancelled"),
    "ok": (ended(ok=True), "completed"),
    "not ok": (ended(ok=False), "error"),
    "no success": (ended(success=False), "error"),
    "an error": (ended(error="RateLimitError: CONFIDENTIAL-PROMPT-1"), "error"),
    "an error message beside a success": (ended(status="success", error_message="it broke"), "error"),
    "an error that is a deadline": (ended(error="Request timed out"), "timeout"),
    "an error that is a cancel": (ended(status="error", error="CancelledError()"), "cancelled"),
    "an error object": (ended(error={"type": "overloaded_error", "message": "CONFIDENTIAL-PROMPT-1"}), "error"),
    "no error": (ended(error=None, status="ok"), "completed"),
    "an error that is false": (ended(error=False), "completed"),
    "an error flag": (ended(is_error=True), "error"),
    "an unknown outcome stays unknown": (ended(outcome="unknown"), "unknown"),
    "an unknown outcome with a finish reason": (ended(outcome="unknown", finish_reason="stop"), "unknown"),
    "less delivered than generated": (ended(delivered_tokens=3), "unknown"),
    "less rendered than generated": (ended(rendered_tokens=4), "unknown"),
    "all of the visible output delivered": (ended(delivered_tokens=4, reasoning_tokens=1), "completed"),
    "a cut time after the end": (ended(cancelled_at_ms=901), "unknown"),
}  # fmt: skip

# The same in words that are no outcome's own, which only a home-made log has.
USUAL_ENDS: dict[str, tuple[Record, str]] = {
    "a flag of who left": (ended(was_cancelled=True), "cancelled"),
    "a flag of the user's": (ended(user_cancelled="true", status="ok"), "cancelled"),
    "a flag that is down": (ended(is_cancelled=False), "completed"),
    "an instant at which the client left": (
        ended(disconnected_at="2026-11-16T08:00:00.5Z", finish_reason=None), "cancelled",
    ),
    "no such instant": (ended(disconnected_at=None), "completed"),
    "a reason for a cancel": (ended(cancel_reason="navigated_away"), "cancelled"),
    "no reason for a cancel": (ended(cancel_reason="none"), "completed"),
    "a deadline as the reason": (ended(cancel_reason="timeout"), "completed"),
    "a reason of the end": (ended(end_reason="user_abort"), "cancelled"),
    "a reason of a usual end": (ended(end_reason="stop"), "completed"),
    "a status of the completion": (ended(completion_status="cancelled"), "cancelled"),
    "a state": (ended(state="cancelled"), "cancelled"),
    "a state that failed": (ended(state="failed"), "error"),
    "a state of another kind": (ended(state="CA"), "completed"),
    "an event of who left": (ended(event="stream_cancelled"), "cancelled"),
    "another event": (ended(event="llm_call"), "completed"),
    "not completed": (ended(completed=False), "interrupted"),
    "not finished, since the user left": (ended(finished=False, was_cancelled=True), "cancelled"),
}  # fmt: skip

OWN_NAMES = {
    "id": "request_id", "ts": "start_time_unix_s", "latency_ms": "duration_ms", "tokens_in": "input_tokens",
    "tokens_out": "output_tokens",
}  # fmt: skip


@pytest.mark.parametrize("own", [False, True], ids=["usual names", "own names"])
def test_ordinary_words_decide_how_a_call_ended(own: bool, tmp_path: Path) -> None:
    """Usage alone makes no failure a success, under the usual names and under streamaudit's own."""
    records = [{"id": name, **record} for name, (record, _) in ENDS.items()]
    if own:  # is_error is a usual name alone
        records = [
            {OWN_NAMES.get(key, key): value for key, value in record.items()}
            for record in records if "is_error" not in record
        ]  # fmt: skip
    with store_of(write_lines(tmp_path / "calls.jsonl", records)) as store:
        found = stored_calls(store)
    assert len(found) == len(records)
    assert {name: call["outcome"] for name, call in found.items()} == {name: ENDS[name][1] for name in found}
    assert "CONFIDENTIAL" not in str(found)


def test_a_log_may_say_who_left_in_other_words(tmp_path: Path) -> None:
    """Flags, instants and reasons of a cut; a word that says nothing of the end leaves it to the rest."""
    records = [{"id": name, **record} for name, (record, _) in USUAL_ENDS.items()]
    with store_of(write_lines(tmp_path / "calls.jsonl", records)) as store:
        found = {name: call["outcome"] for name, call in stored_calls(store).items()}
    assert found == {name: outcome for name, (_, outcome) in USUAL_ENDS.items()}


def test_a_failed_call_with_zeros_has_no_usage(tmp_path: Path) -> None:
    """Zeros of an error are not measured; a completed call may well have answered nothing."""
    records = [ended(tokens_in=0, tokens_out=0, ok=False, id="a"), ended(tokens_out=0, id="b")]
    with store_of(write_lines(tmp_path / "calls.jsonl", records)) as store:
        found = stored_calls(store)
    assert (found["a"]["input_tokens"], found["a"]["output_tokens"]) == (None, None)
    assert (found["b"]["input_tokens"], found["b"]["output_tokens"]) == (10, 0)


def test_lines_without_an_id_count_once_however_often_they_are_read(store: Store, tmp_path: Path) -> None:
    """Equal lines are calls of their own; the file again, grown, moved or as an array, adds what is new."""
    lines = [ended(), ended(), ended(tokens_out=6), {"event": "started", "port": 8080}]
    path = write_lines(tmp_path / "calls.jsonl", lines)
    assert equation(*ingest(store, path)) == (4, 3, 0, 0, 0, 1)
    write_lines(path, [*lines, ended(tokens_out=7)])
    assert equation(*ingest(store, path))[1:3] == (1, 3)
    moved = tmp_path / "moved.json"
    moved.write_text(json.dumps(lines))
    assert equation(*ingest(store, moved))[1:3] == (0, 3)
    assert len(stored_calls(store)) == 4


def noted(path: Path, *mapping: str) -> tuple[Any, tuple[str, ...]]:
    """What a load says of values that look wrong, and of what it assumed."""
    from streamaudit.ingest.mapping import parse_mapping

    with Reader() as reader, empty_store() as store:
        result = Ingest(store, Options(parse_mapping(list(mapping)))).file(reader, str(path))
    assert result.problem is None and result.match is not None
    return result.doubts, result.match.notes


def test_seconds_among_milliseconds_are_said(tmp_path: Path) -> None:
    """Two groups of rows a thousand times apart; not fast failures beside slow answers, nor a wide spread."""
    mixed = [ended(latency_ms=1.2 + n / 10) for n in range(5)] + [ended(latency_ms=900 + 40 * n) for n in range(30)]
    doubts, _ = noted(write_lines(tmp_path / "mixed.jsonl", mixed))
    assert doubts.mixed == {"duration_ms": (5, 30)}
    failing = [ended(latency_ms=1.2, ok=False) for _ in range(5)] + [ended(latency_ms=900 + n) for n in range(30)]
    spread = [ended(latency_ms=1.5**n) for n in range(1, 30)]
    for name, records in (("failing", failing), ("spread", spread)):
        assert noted(write_lines(tmp_path / f"{name}.jsonl", records))[0].mixed == {}


def test_a_total_above_its_parts_is_said(tmp_path: Path) -> None:
    """Its tokens are in no figure."""
    records = [ended(total_tokens=40), ended(total_tokens=15)]
    doubts, notes = noted(write_lines(tmp_path / "calls.jsonl", records))
    assert (doubts.with_unexplained, doubts.unexplained_tokens) == (1, 25)
    assert notes == ("ts is taken for the start of a call: if it is written at its end, --map end_time=ts",)


def test_a_lone_time_can_be_mapped_as_the_end(tmp_path: Path) -> None:
    """The start then lies before it by the duration."""
    path = write_lines(tmp_path / "calls.jsonl", [ended(ts="2026-11-16T08:00:00.9Z")])
    with store_of(path, mapping=["end=ts"]) as store:
        (call,) = stored_calls(store).values()
    assert (call["start_time"], call["duration_ms"]) == (START, 900.0)


def test_a_mapped_value_of_another_kind_is_counted(tmp_path: Path) -> None:
    """It is unknown, and not taken for a path that is not there."""
    path = write_lines(tmp_path / "calls.jsonl", [ended(took="fast"), ended(took="1.5")])
    doubts, _ = noted(path, "duration=took:s")
    assert doubts.misfits == {"duration_ms": 1}
    with store_of(path, mapping=["duration=took:s"]) as store:
        assert sorted(call["duration_ms"] or 0 for call in stored_calls(store).values()) == [0, 1500.0]


HEADERS = (
    "Timestamp,Model,Latency (ms),Prompt Tokens,Completion Tokens,Cost (USD)",
    "Timestamp [UTC],Model,Latency [ms],Input Tokens,Output Tokens (billed),Cost ($)",
    "Start Time (UTC),Model Name,Total Latency (ms),tokens in,tokens out,Total Cost",
    "Created At,model,Duration [ms],Prompt Tokens (count),Completion Tokens (count),cost",
)


def test_a_header_in_words_is_understood(tmp_path: Path) -> None:
    """With blanks, brackets and capitals, as spreadsheets have it."""
    paths = [tmp_path / f"calls{number}.csv" for number in range(len(HEADERS))]
    for number, (path, header) in enumerate(zip(paths, HEADERS, strict=True)):
        path.write_text(f"{header}\n2026-11-16T08:00:00Z,gpt-4o-mini,1500,100,20,0.01{number}\n")
    for number, call in enumerate(read_each(paths)):
        expected = {**FIGURES, "cost_usd": float(f"0.01{number}")}
        assert {column: call[column] for column in expected} == expected, HEADERS[number]


def test_a_remark_in_brackets_that_changes_the_value_is_no_usual_name(tmp_path: Path) -> None:
    """Another currency, or a part of the input, is left to the one who knows."""
    path = tmp_path / "calls.csv"
    path.write_text(
        "Timestamp,Model,Latency (ms),Prompt Tokens (w/o cache),Completion Tokens,Cost (EUR)\n"
        "2026-11-16T08:00:00Z,our-model,1500,100,20,0.01\n"
    )
    with store_of(path) as store:
        (call,) = stored_calls(store).values()
    assert (call["input_tokens"], call["output_tokens"], call["cost_usd"]) == (None, 20, None)


@pytest.mark.parametrize(
    "record",
    [
        {"prompt": "CONFIDENTIAL-PROMPT-1", "completion": "CONFIDENTIAL-1"},
        {"timestamp": "2026-11-16T08:00:00Z", "level": "info", "model": "m", "message": "loaded"},
        {"id": "a", "model": "m", "messages": [{"role": "user"}]},
    ],
)
def test_what_measures_nothing_is_no_log_of_calls(record: Record, store: Store, tmp_path: Path) -> None:
    """Data sets and server logs name models too."""
    (result,) = ingest(store, write_lines(tmp_path / "other.jsonl", [record]))
    assert "no known format" in (result.problem or "")


def test_a_day_without_a_time_is_no_start() -> None:
    record = {"Date": "2026-11-16", "model": "gpt-4o", "prompt_tokens": 9, "completion_tokens": 5}
    _, verdict = elect([record]) or (None, None)
    assert isinstance(verdict, Match) and verdict.reading is not None
    assert "start_time" not in verdict.reading.implied.paths


def unread(record: Record) -> dict[str, str]:
    _, verdict = elect([record]) or (None, None)
    assert isinstance(verdict, Match)
    return verdict.unread


def test_a_time_without_a_unit_is_named_with_the_map_that_reads_it(tmp_path: Path) -> None:
    """In the most likely unit, in a log of usual names and in one of the own, until a map or other fields tell it."""
    usual = {"ts": "2026-11-16T08:00:00Z", "model": "gpt-4o", "prompt_tokens": 9, "completion_tokens": 5}
    own = {"request_id": "a", "start_time": usual["ts"], "model": "gpt-4o", "input_tokens": 9, "output_tokens": 5}
    for unit, duration, ttft in (("s", 1.2, 0.3), ("ms", 1200, 300), ("ns", 1_200_000_000, 300_000_000)):
        named = unread({**usual, "latency": duration, "ttft": ttft})
        assert f"--map duration=latency:{unit} " in named["duration_ms"], named
        assert f"--map ttft=ttft:{unit} " in named["ttft_ms"], named
        named = unread({**own, "Latency": duration, "timing": {"TTFT": ttft}})
        assert f"--map duration=Latency:{unit} " in named["duration_ms"], named
        assert f"--map ttft=timing.TTFT:{unit} " in named["ttft_ms"], named
    known = {"first_token_at": "2026-11-16T08:00:00.3Z", "end": "2026-11-16T08:00:01.2Z"}
    assert not unread({**usual, **known, "latency": 1, "ttft": 1})
    with empty_store() as store:
        path = write_lines(tmp_path / "log.jsonl", [{**usual, "latency": 1.2, "ttft": 0.3}])
        (as_is,), (mapped,) = ingest(store, path), ingest(store, path, mapping=["duration=latency:s", "ttft=ttft:s"])
        (call,) = stored_calls(store).values()
    assert as_is.is_doubtful and not mapped.is_doubtful
    assert (call["duration_ms"], call["ttft_ms"]) == (1200, 300)


def test_lines_in_the_own_names_keep_their_fast_reading() -> None:
    """A name that is both streamaudit's own and usual makes no file a home-made log."""
    record = {"request_id": "a", "start_time": "2026-11-16T08:00:00Z", "model": "m", "duration_ms": 5, "ttft_ms": 1}
    _, verdict = elect([record]) or (None, None)
    assert isinstance(verdict, Match) and verdict.reading is None
