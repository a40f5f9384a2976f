"""AIPerf and llmperf: both generations of field names, and identities where the format has none."""

import json
from pathlib import Path
from random import Random

import pytest

from streamaudit.store import Store
from tests.sources.benchmarks import aiperf, llmperf
from tests.support import Record, calls, content, equation, ingest, notes, store_of, total, write_lines


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
    rows, seen = runs(), []
    paths = [tmp_path / f"{number}.json" for number in range(3)]
    for number, path in enumerate(paths):
        Random(number).shuffle(rows)
        path.write_text(json.dumps(rows))
        with store_of(path) as store:
            assert total(store, "report")["calls"] == len(rows)
            seen.append(content(store))
    assert seen[0] == seen[1] == seen[2]
    with Store.in_memory() as store:
        first, again, third = ingest(store, *paths)
        assert equation(first) == (29, 29, 0, 0, 0, 0)
        assert equation(again) == equation(third) == (29, 0, 29, 0, 0, 0)


def test_an_llmperf_error_row_measured_nothing(store: Store, tmp_path: Path) -> None:
    """Its TTFT of 0 and its one token mean unknown, and its message is not kept."""
    (tmp_path / "run.json").write_text(json.dumps([llmperf(0, 0, 429), llmperf(0.3, 1.0)]))
    ingest(store, tmp_path / "run.json")
    row = total(store, "report")
    assert (row["calls"], row["errors"], row["ttft_calls"], row["ttft_p50_ms"]) == (2, 1, 1, 300.0)
    assert (row["output_tokens"], row["usage_known_rate"]) == (100, 0.5)


def test_calls_without_a_start_time_are_in_no_window_and_counted_in_a_note(store: Store, tmp_path: Path) -> None:
    """llmperf writes no times: without a window its calls are there, with one they are left out and said."""
    from datetime import UTC, datetime

    (tmp_path / "run.json").write_text(json.dumps(runs()))
    ingest(store, tmp_path / "run.json")
    assert total(store, "report")["calls"] == 29
    assert "no_start_time" not in notes(store, "report")
    for window in ({"since": datetime(2020, 1, 1, tzinfo=UTC)}, {"until": datetime(2030, 1, 1, tzinfo=UTC)}):
        for name in ("report", "ttft", "tax"):
            assert total(store, name, **window)["calls"] == 0
            assert notes(store, name, **window)["no_start_time"] == 29
