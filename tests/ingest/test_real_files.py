"""Real files of benchmark tools, read where they lie: what their publishers say of them comes out."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from streamaudit.store.store import Store
from tests.support import Record, audit, calls, equation, ingest, store_of, total, write_lines

REAL = Path(__file__).parents[3] / "shared" / "real"
AIPERF = REAL / "aiperf_run1_profile_export.jsonl"
LLMPERF = ("llmperf_groq_70b.json", "llmperf_replicate_70b.json")

pytestmark = pytest.mark.skipif(not AIPERF.exists(), reason=f"the real files are not at {REAL}")


@pytest.fixture(scope="module")
def aiperf() -> Iterator[Store]:
    """A store with the AIPerf run."""
    with store_of(AIPERF) as store:
        yield store


def test_an_aiperf_run_is_read_whole(store: Store) -> None:
    """100 requests, all of them calls, none twice and none refused."""
    (result,) = ingest(store, AIPERF)
    assert equation(result) == (100, 100, 0, 0, 0, 0)
    assert result.source is not None and result.source.name == "aiperf"


def test_the_cancelled_requests_of_an_aiperf_run_have_an_unknown_tax(aiperf: Store) -> None:
    """11 cancelled rows carry no tokens, so their tax is unknown and never 0; the 89 finished ones have none."""
    row = total(aiperf, "tax")
    assert (row["calls"], row["cancelled_calls"], row["tax_unknown_calls"]) == (100, 11, 11)
    assert (row["tax_tokens"], row["tax_high_tokens"], row["tax_usd"]) == (None, None, None)
    assert (row["tax_low_tokens"], row["tax_open_calls"], row["cancelled_usage_known_rate"]) == (0, 11, 0.0)
    outcomes = [call["outcome"] for call in calls(aiperf).values()]
    assert (outcomes.count("completed"), outcomes.count("cancelled")) == (89, 11)


def test_the_first_tokens_of_an_aiperf_run_are_those_it_measured(aiperf: Store) -> None:
    """Minimum 464.66, median 2369.32 and maximum 3853.86 ms over the 89 finished requests."""
    waits = [call["ttft_ms"] for call in calls(aiperf).values() if call["ttft_status"] == "usable"]
    assert len(waits) == 89
    assert [round(value, 2) for value in (min(waits), max(waits))] == [464.66, 3853.86]
    assert round(total(aiperf, "ttft")["ttft_p50_ms"], 2) == 2369.32
    assert total(aiperf, "ttft")["censored_calls"] == 11


def test_the_chunks_of_an_aiperf_run_end_when_the_request_does(aiperf: Store) -> None:
    """TTFT plus all gaps is the duration within 1 ms, and the largest gap of the run is 164.6 ms."""
    largest = 0.0
    for call in calls(aiperf).values():
        if call["outcome"] == "completed":
            offsets = call["chunk_offsets_ms"]
            assert offsets[0] == call["ttft_ms"]
            assert offsets[-1] == pytest.approx(call["duration_ms"], abs=1)
            assert call["chunk_count"] == len(offsets)
            largest = max(largest, *np.diff(offsets))
    assert round(largest, 1) == 164.6


def test_the_reasoning_of_an_aiperf_run_is_hidden_and_not_tax(aiperf: Store) -> None:
    """19,792 of 21,624 output tokens are reasoning, 59 requests show nothing at all, and no tax comes of it."""
    row = total(aiperf, "report")
    assert (row["output_tokens"], row["hidden_tokens"]) == (21_624, 19_792)
    finished = [call for call in calls(aiperf).values() if call["outcome"] == "completed"]
    silent = [call for call in finished if call["output_tokens"] == call["reasoning_tokens"]]
    assert len(silent) == 59
    assert all(call["tax_class"] is None and call["tax_best"] is None for call in silent)


def test_an_aiperf_run_is_the_same_under_the_names_of_today(aiperf: Store, store: Store, tmp_path: Path) -> None:
    """What early and current releases call by other names comes out equal."""
    records = [json.loads(line) for line in AIPERF.read_text().splitlines()]
    for record in records:
        metadata, metrics = record["metadata"], record["metrics"]
        del metadata["credit_phase"]
        metadata |= {"benchmark_phase": "profiling", "was_cancelled": bool(record["error"])}
        metadata["request_start_ns"] = metadata.pop("timestamp_ns")
        if "ttft" in metrics:
            metrics["time_to_first_token"] = metrics.pop("ttft")
    (result,) = ingest(store, write_lines(tmp_path / "current.jsonl", records))
    assert result.match is not None and result.match.variant == "current"
    assert audit(store, "report") == audit(aiperf, "report")
    assert audit(store, "ttft") == audit(aiperf, "ttft")


@pytest.mark.parametrize("name", LLMPERF)
def test_the_percentiles_of_an_llmperf_run_are_linear_over_rows_without_an_error(store: Store, name: str) -> None:
    """TTFT, duration and tokens are those of the rows that carry no error code."""
    rows: list[Record] = json.loads((REAL / name).read_text())
    good = [row for row in rows if row["error_code"] is None]
    (result,) = ingest(store, REAL / name)
    assert equation(result) == (len(rows), len(rows), 0, 0, 0, 0)
    report = total(store, "report")
    waits = [row["ttft_s"] * 1000 for row in good]
    assert (report["ttft_calls"], report["errors"]) == (len(good), len(rows) - len(good))
    for percent, least in ((50, 1), (90, 10), (95, 20), (99, 100)):
        assert len(waits) >= least
        assert report[f"ttft_p{percent}_ms"] == pytest.approx(np.quantile(waits, percent / 100), abs=1e-3)
    assert report["output_tokens"] == sum(row["number_output_tokens"] for row in good)
    assert report["input_tokens"] == sum(row["number_input_tokens"] for row in rows)
    assert report["tax_tokens"] == 0
