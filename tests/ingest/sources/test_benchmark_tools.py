"""AIPerf and llmperf: both generations of field names, and identities where the format has none."""

import json
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from sample_traces.benchmarks import aiperf, genai_perf, guided, guidellm, inference_perf, llmperf, sglang, vllm
from streamaudit.audits.scope.scope import Scope
from streamaudit.store.store import Store
from tests.support import (
    AUDITS,
    Record,
    calls,
    content,
    equation,
    ingest,
    rows_of,
    store_of,
    stored_calls,
    total,
    write_lines,
)


@pytest.mark.parametrize("early", [True, False], ids=["early", "current"])
def test_both_generations_of_aiperf_names_give_the_same_call(store: Store, tmp_path: Path, early: bool) -> None:
    """Times in the unit beside them, chunks from the gaps, tokens with their reasoning."""
    (result,) = ingest(store, write_lines(tmp_path / "run.jsonl", [aiperf("a", early=early)]))
    assert result.match is not None and result.match.variant == ("early" if early else "current")
    call = calls(store)["a"]
    expected = {
        "trace_id": "trace-a", "session_id": "c", "duration_ms": 1300.0, "ttft_ms": 400.0, "streamed": True,
        "chunk_offsets_ms": [400.0, 650.0, 1050.0, 1300.0], "chunk_count": 4, "input_tokens": 550, "output_tokens": 90,
        "reasoning_tokens": 60, "outcome": "completed", "tax_class": None,
    }  # fmt: skip
    assert {name: call[name] for name in expected} == expected
    assert f"{call['start_time']:%Y-%m-%d %H:%M:%S}" == "2026-11-16 08:00:00"
    assert (call["end_time"] - call["start_time"]).total_seconds() == 1.3


@pytest.mark.parametrize("early", [True, False], ids=["early", "current"])
def test_a_cancelled_aiperf_request_has_an_unknown_tax(store: Store, tmp_path: Path, early: bool) -> None:
    """Neither generation writes tokens for it: unknown, not 0."""
    ingest(store, write_lines(tmp_path / "run.jsonl", [aiperf("a", early=early, cancelled=True)]))
    call = calls(store)["a"]
    assert (call["outcome"], call["tax_class"]) == ("cancelled", "unknown")
    assert (call["tax_low"], call["tax_best"], call["tax_high"]) == (0, None, None)
    assert call["cancelled_at_ms"] == (None if early else 500.0)
    assert (call["output_tokens"], call["usage_basis"], call["ttft_status"]) == (None, "none", "censored")


def runs() -> list[Record]:
    """Requests of which some are equal to the last digit, and errors, which often are."""
    rng = Random(3)
    distinct = [llmperf(rng.uniform(0.1, 0.9), rng.uniform(1, 3)) for _ in range(20)]
    return [*distinct, *distinct[:3], distinct[0], *[llmperf(0, 0, 429)] * 4, llmperf(0, 0, "timeout")]


def test_llmperf_ids_do_not_depend_on_the_order_of_rows(tmp_path: Path) -> None:
    """Shuffling the array changes nothing in the store; reading both files finds everything repeated."""
    rows = runs()
    paths = [tmp_path / f"{number}.json" for number in range(2)]
    for number, path in enumerate(paths):
        Random(number).shuffle(rows)
        path.write_text(json.dumps(rows))
    with store_of(paths[0]) as store:
        assert total(store, "report")["calls"] == len(rows)
        wanted = content(store)
    with store_of() as store:
        (first,) = ingest(store, paths[1])
        assert content(store) == wanted
        (again,) = ingest(store, paths[0])
        assert [equation(first), equation(again)] == [(29, 29, 0, 0, 0, 0), (29, 0, 29, 0, 0, 0)]


def test_an_llmperf_error_row_measured_nothing(store: Store, tmp_path: Path) -> None:
    """Its TTFT of 0 and its one token mean unknown, and its message is not kept; forks write when a request began."""
    (tmp_path / "run.json").write_text(
        json.dumps([llmperf(0, 0, 429), {**llmperf(0.3, 1.0), "start_time": 1_794_816_000.5}])
    )
    ingest(store, tmp_path / "run.json")
    row = total(store, "report")
    assert (row["calls"], row["errors"], row["ttft_calls"], row["ttft_p50_ms"]) == (2, 1, 1, 300.0)
    assert (row["output_tokens"], row["usage_known_rate"]) == (100, 0.5)
    starts = [call["start_time"] for call in stored_calls(store).values()]
    assert sorted(f"{start:%H:%M:%S.%f}" if start else "" for start in starts) == ["", "08:00:00.500000"]


def test_calls_without_a_start_time_are_in_no_window_and_counted_in_a_note(store: Store, tmp_path: Path) -> None:
    """llmperf writes no times: without a window its calls are there, with one they are left out and said."""
    from datetime import UTC, datetime

    (tmp_path / "run.json").write_text(json.dumps(runs()))
    ingest(store, tmp_path / "run.json")
    windows: tuple[tuple[str, dict[str, Any], int, int | None], ...] = (
        ("report", {}, 29, None), ("report", {"since": datetime(2020, 1, 1, tzinfo=UTC)}, 0, 29),
        *((name, {"until": datetime(2030, 1, 1, tzinfo=UTC)}, 0, 29) for name in ("report", "ttft", "tax")),
    )  # fmt: skip
    for name, window, count, left_out in windows:
        report = AUDITS[name].run(store, Scope(**window))
        (found,) = next(table for table in report.tables if table.name == "total").records()
        assert found["calls"] == count
        assert {note.code: note.count for note in report.notes}.get("no_start_time") == left_out


def test_a_vllm_result_is_a_call_for_each_place_in_its_columns(store: Store, tmp_path: Path) -> None:
    """Gaps are between chunks, of which each may hold several tokens; starts are set on the run's date; a failure
    measured nothing, not 0, or the first token before it; older runs have neither latencies nor starts."""
    fault = "Traceback (most recent call last):\n  File x\naiohttp.client_exceptions.ServerTimeoutError: private"
    result = vllm(
        "9", input_lens=[812, 7, 7], output_lens=[9, 0, 3], ttfts=[0.48, 0.0, 0.3], errors=["", fault, fault],
        itls=[[0.02, 0.021, 0.9], [], [0.1]], latencies=[1.421, 0.0, 0.0], start_times=[81234.1, 81234.35, 81235.1],
    )  # fmt: skip
    older = {name: value for name, value in vllm("10").items() if name not in ("latencies", "start_times")}
    path = tmp_path / "runs.json"
    path.write_text(json.dumps(result) + json.dumps(older))
    ingest(store, path)
    found = {name.removeprefix("20261116-080000/org/model/"): call for name, call in stored_calls(store).items()}
    whole, failed, broken, other = (found[place] for place in ("9/1", "9/2", "9/3", "10/1"))
    assert (whole["ttft_ms"], whole["duration_ms"], whole["output_tokens"], whole["deploy"]) == (480.0, 1421.0, 9, "9")
    assert (broken["outcome"], broken["ttft_ms"], broken["output_tokens"]) == ("timeout", 300.0, None)
    assert (other["duration_ms"], other["start_time"]) == (1421.0, whole["start_time"])
    assert [round(at, 6) for at in whole["chunk_offsets_ms"]] == [480.0, 500.0, 521.0, 1421.0]
    assert (failed["start_time"] - whole["start_time"]).total_seconds() == 0.25
    assert (failed["outcome"], failed["ttft_ms"], failed["output_tokens"]) == ("timeout", None, None)
    assert other["deploy"] == "10" and f"{whole['start_time']:%H:%M:%S}" == "07:59:58"


def test_a_vllm_result_without_its_requests_is_refused(store: Store, tmp_path: Path) -> None:
    """Means alone are no calls; which option saves them is said."""
    kept = {name: value for name, value in vllm("a").items() if not isinstance(value, list)}
    (result,) = ingest(store, write_lines(tmp_path / "run.json", [kept]))
    assert result.problem is not None and "vLLM" in result.problem
    assert result.hint is not None and "--save-detailed" in result.hint


def test_a_genai_perf_export_has_an_instant_for_every_response(store: Store, tmp_path: Path) -> None:
    """The first is the TTFT, the last the end; tokens are there when the stream said its usage."""
    one, two = genai_perf("a"), genai_perf("b")
    one["experiments"] += two["experiments"]
    two["experiments"][0]["requests"][0] |= {"response_outputs": [], "response_timestamps": []}
    path = tmp_path / "profile_export.json"
    path.write_text(json.dumps(one, indent=1))
    ingest(store, path)
    first, second = sorted(calls(store).values(), key=lambda call: str(call["start_time"]) + call["call_id"])
    expected = {
        "ttft_ms": 400.0, "duration_ms": 700.0, "chunk_offsets_ms": [400.0, 500.0, 700.0], "input_tokens": 7,
        "output_tokens": 9, "reasoning_tokens": 2, "model": "m", "route": "v1/chat/completions", "max_tokens": 50,
    }  # fmt: skip
    assert {name: first[name] for name in expected} == expected
    assert (second["outcome"], second["ttft_ms"], second["output_tokens"]) == ("error", None, None)


def test_a_guidellm_report_tells_who_was_cut_from_who_left(store: Store, tmp_path: Path) -> None:
    """What the benchmark's own clock cut is interrupted, and no user's cancel."""
    path = tmp_path / "benchmarks.json"
    wrong = {"status": "errored", "error": "ReadTimeout: private"}
    path.write_text(json.dumps(guidellm("a", incomplete=[guided("b")], errored=[guided("c", info=wrong)]), indent=1))
    ingest(store, path)
    found = stored_calls(store)
    assert {name: call["outcome"] for name, call in found.items()} == {
        "a": "completed", "b": "interrupted", "c": "timeout",
    }  # fmt: skip
    assert (found["a"]["ttft_ms"], found["a"]["duration_ms"], found["a"]["output_tokens"]) == (300.0, 2000.0, 9)
    assert found["a"]["ttvt_ms"] == 700.0 and f"{found['a']['end_time']:%H:%M:%S}" == "08:00:02"
    assert found["b"]["usage_basis"] == "tokenizer" and total(store, "report")["cancelled_calls"] == 0


def test_a_run_of_thousands_is_one_long_line(store: Store, tmp_path: Path) -> None:
    """Longer than what is looked at first; its many commas make no table of it, and its columns are read once, not for
    every request."""
    many = 5_000
    gaps = [[(1 + (number * place) % 7) / 300 for place in range(1, 16)] for number in range(many)]
    run = vllm(
        "long", completed=many, input_lens=[812] * many, output_lens=[16] * many, ttfts=[0.48] * many,
        itls=gaps, latencies=[1.421] * many, errors=[""] * many, generated_texts=[],
        start_times=[81234.1 + number for number in range(many)],
    )  # fmt: skip
    text = json.dumps(run)
    assert len(text) > 1 << 20
    path = tmp_path / "run.json"
    path.write_text(text)
    (result,) = ingest(store, path)
    assert equation(result) == (many, many, 0, 0, 0, 0)
    stored = sorted(rows_of(store, "store.calls"), key=lambda one: one["start_time"])
    assert (stored[-1]["start_time"] - stored[0]["start_time"]).total_seconds() == many - 1
    assert {(one["ttft_ms"], one["input_tokens"], one["output_tokens"]) for one in stored} == {(480.0, 812, 16)}
    for one, told in zip(stored, gaps, strict=True):
        assert one["chunk_offsets_ms"] == pytest.approx(1000 * np.cumsum([0.48, *told]), abs=1e-6)
    path.write_text(text[:-100])
    (cut,) = ingest(store, path)
    assert cut.problem is not None


def test_an_sglang_result_is_a_call_for_each_place_in_its_lists(store: Store, tmp_path: Path) -> None:
    """Gaps are between chunks; a failure measured nothing; equal lines are two runs; there are no instants."""
    (result,) = ingest(store, write_lines(tmp_path / "result.jsonl", [sglang(), sglang(), sglang(tag="batch")]))
    assert equation(result)[:2] == (9, 9)
    first, _, failed = sorted((c for c in calls(store).values() if c["route"] == "batch"), key=lambda c: c["call_id"])
    expected = {
        "model": "openai/gpt-oss-120b", "deploy": "0.5.1", "ttft_ms": 500.0, "duration_ms": 800.0, "chunk_count": 3,
        "input_tokens": 10, "output_tokens": 3, "outcome": "completed", "start_time": None,
    }  # fmt: skip
    assert {name: first[name] for name in expected} == pytest.approx(expected)
    assert (failed["outcome"], failed["ttft_ms"], failed["output_tokens"]) == ("timeout", None, None)


def test_inference_perf_has_chunk_times_and_no_date(store: Store, tmp_path: Path) -> None:
    """The clock is monotonic, unless it is an epoch; the server's usage counts before the tool's own."""
    path = tmp_path / "per_request.json"
    error = {"error_type": "TimeoutError", "error_msg": "CONFIDENTIAL"}
    failed = inference_perf(error=error, info={"output_tokens": 0})
    path.write_text(json.dumps([inference_perf(), inference_perf(1_794_816_000.0), failed]))
    ingest(store, path)
    found = sorted(calls(store).values(), key=lambda call: (call["outcome"], call["start_time"] is not None))
    expected = {
        "model": "openai/gpt-oss-20b", "ttft_ms": 500.0, "duration_ms": 2000.0, "chunk_count": 3, "streamed": True,
        "input_tokens": 13, "output_tokens": 9, "usage_basis": "provider", "route": "adapter-1", "tenant": "acme",
    }  # fmt: skip
    for call in found[:2]:
        assert {name: call[name] for name in expected} == expected
    assert [call["start_time"] is None for call in found] == [True, False, True]
    assert (found[2]["outcome"], found[2]["output_tokens"]) == ("timeout", None)


def test_a_server_of_ones_own_has_no_providers_price(store: Store, tmp_path: Path) -> None:
    """Its model may be called openai/..., as the open weights are, or even like one that a provider sells."""
    sold = "openai/gpt-4o-mini"
    benchmarks = (
        sglang(server_info={"model_path": sold}), inference_perf(request=json.dumps({"model": sold, "stream": True})),
        vllm("a", model_id=sold),
    )  # fmt: skip
    for number, record in enumerate(benchmarks):
        ingest(store, write_lines(tmp_path / f"{number}.jsonl", [record]))
    assert {(call["cost_usd"], call["service_tier"]) for call in stored_calls(store).values()} == {(None, "benchmark")}
