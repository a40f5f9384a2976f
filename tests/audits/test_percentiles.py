"""Percentiles are exact: numpy's linear quantiles over the raw values, and nothing below the least number of calls."""

import json
from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
import pytest

from sample_traces import Fleet, write_raw
from streamaudit.audits import ttft
from streamaudit.audits.scope.scope import Scope
from streamaudit.audits.targets import parse_targets
from streamaudit.audits.ttft import OTEL_BOUNDS_MS
from streamaudit.report.render.formats import Screen, load
from streamaudit.store.store import Store
from tests.support import Record, audit, grouped, ingest, raw_call, store_of, total, write_lines

LEAST = {"p50": 1, "p90": 10, "p95": 20, "p99": 100}


def sized_groups() -> list[Record]:
    """One group of calls for every size that a percentile begins at, and for one call less."""
    rng = Random(5)
    sizes = sorted({size + extra for size in LEAST.values() for extra in (-1, 0)} - {0})
    return [
        raw_call(
            f"{size}-{n}", tenant=f"t{size}", time_to_first_chunk_ms=rng.lognormvariate(6, 1),
            time_to_first_output_token_ms=rng.lognormvariate(7, 1), duration_ms=rng.uniform(1e6, 2e6),
            output_tokens=rng.randrange(2, 900), cost_usd=0.01, output_cost_usd=0.01,
        )
        for size in sizes
        for n in range(size)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def groups() -> list[Record]:
    """The same groups for every test here."""
    return sized_groups()


def quantile(values: list[float], name: str) -> object:
    """What a percentile of these values must be: numpy's to the microsecond, or unknown."""
    if len(values) < LEAST[name]:
        return None
    return pytest.approx(float(np.quantile(values, int(name[1:]) / 100)), abs=1e-3)


def test_every_percentile_is_numpy_s_and_absent_below_its_least_number_of_calls(
    groups: list[Record], tmp_path: Path, store: Store
) -> None:
    """p50 shows from 1 call, p90 from 10, p95 from 20, p99 from 100; one call less leaves the cell unknown."""
    ingest(store, write_lines(tmp_path / "calls.jsonl", groups))
    reported, timed = grouped(store, "report", "tenant"), grouped(store, "ttft", "tenant")
    assert set(reported) == {record["tenant"] for record in groups} == set(timed)
    for tenant in reported:
        own = [record for record in groups if record["tenant"] == tenant]
        first = [record["time_to_first_chunk_ms"] for record in own]
        visible = [record["time_to_first_output_token_ms"] for record in own]
        durations = [record["duration_ms"] for record in own]
        for name in LEAST:
            assert reported[tenant][f"ttft_{name}_ms"] == quantile(first, name)
            assert timed[tenant][f"ttft_{name}_ms"] == quantile(first, name)
        for name in ("p50", "p95"):
            assert reported[tenant][f"duration_{name}_ms"] == quantile(durations, name)
            assert timed[tenant][f"ttvt_{name}_ms"] == quantile(visible, name)
        speeds = [
            1000 * (record["output_tokens"] - 1) / (record["duration_ms"] - record["time_to_first_chunk_ms"])
            for record in own
        ]
        assert reported[tenant]["output_tokens_per_s_p50"] == pytest.approx(float(np.median(speeds)), rel=1e-9)


def test_the_first_chunk_and_the_first_visible_token_are_never_merged(tmp_path: Path, store: Store) -> None:
    """A reasoning model is fast in one and slow in the other."""
    records = [raw_call("a", time_to_first_chunk_ms=100, time_to_first_output_token_ms=900)]
    ingest(store, write_lines(tmp_path / "calls.jsonl", records))
    row = total(store, "ttft")
    assert (row["ttft_p50_ms"], row["ttvt_p50_ms"], row["ttvt_calls"]) == (100, 900, 1)


def test_percentiles_of_a_fleet_are_numpy_s_over_its_usable_calls(fleet: Fleet, tmp_path: Path) -> None:
    """The fleet's own first tokens, without cache hits, non-streams and errors, give the report's percentiles."""
    write_raw(fleet, tmp_path / "raw.jsonl")
    usable = [
        call.ttft_us / 1000
        for call in fleet.calls
        if call.counted and call.operation == "chat" and call.streamed and not call.cache_hit and call.ttft_us
        and call.ttft_us < call.duration_us
    ]  # fmt: skip
    with store_of(tmp_path / "raw.jsonl") as filled:
        row = total(filled, "report")
    assert row["ttft_calls"] == len(usable)
    for name in LEAST:
        assert row[f"ttft_{name}_ms"] == quantile(usable, name)


def test_an_slo_share_and_its_apdex_are_counted_over_calls_with_a_first_token(tmp_path: Path, store: Store) -> None:
    """Within 1 second 2 of 4, within 4 seconds 3 of 4; a stream without a first token is in neither part."""
    waits = [("a", 400), ("b", 1000), ("c", 3000), ("d", 4001), ("e", None)]
    records = [raw_call(name, time_to_first_chunk_ms=wait, duration_ms=9000, stream=True) for name, wait in waits]
    ingest(store, write_lines(tmp_path / "calls.jsonl", records))
    row = audit(store, "ttft", slo_ms=1000.0)["total"][0]
    assert (row["slo_rate"], row["apdex"], row["slo_unknown_calls"]) == (0.5, (2 + 0.5) / 4, 1)


def test_the_histogram_holds_every_usable_call_once_in_the_bucket_it_belongs_to(
    groups: list[Record], tmp_path: Path, store: Store
) -> None:
    """Buckets join without gap, hold low < value <= high, and their counts are those of the values."""
    ingest(store, write_lines(tmp_path / "calls.jsonl", groups))
    values = np.array([record["time_to_first_chunk_ms"] for record in groups])
    rows = audit(store, "ttft")["histogram"]
    assert sum(row["calls"] for row in rows) == len(values)
    for row, after in pairwise(rows):
        assert row["bucket_high_ms"] == pytest.approx(after["bucket_low_ms"], rel=1e-9)
    for row in rows:
        inside = (values > row["bucket_low_ms"]) & (values <= row["bucket_high_ms"])
        assert row["calls"] == inside.sum()


@pytest.mark.parametrize(("bounds", "edge"), [(None, 100.0), ((100.0, 300.0, 1000.0), 300.0), (OTEL_BOUNDS_MS, 320.0)])
def test_a_bucket_includes_its_upper_edge(
    bounds: tuple[float, ...] | None, edge: float, tmp_path: Path, store: Store
) -> None:
    """As ``le`` of Prometheus and the bounds of OpenTelemetry, so that buckets up to a target add up to its share."""
    waits = [edge * 0.999, edge, edge * 1.001]
    records = [raw_call(str(n), stream=True, time_to_first_chunk_ms=wait) for n, wait in enumerate(waits)]
    ingest(store, write_lines(tmp_path / "calls.jsonl", records))
    report = ttft.run(store, Scope(), buckets_ms=bounds, slo_ms=edge)
    histogram = next(table for table in report.tables if table.name == "histogram")
    rows = list(histogram.records())
    assert [row["calls"] for row in rows] == [2, 1]
    assert rows[0]["bucket_high_ms"] == rows[1]["bucket_low_ms"] == pytest.approx(edge)
    written = json.loads(load("json").render(report, Screen()))
    columns = next(table["columns"] for table in written["tables"] if table["name"] == "histogram")
    assert {one["name"]: one.get("bound") for one in columns} == {
        "bucket_low_ms": "gt", "bucket_high_ms": "le", "calls": None
    }  # fmt: skip
    assert next(report.tables[0].records())["slo_rate"] == 2 / 3


def test_a_request_that_failed_after_its_first_token_did_wait_for_it(tmp_path: Path, store: Store) -> None:
    """A benchmark's row with an error code and a real TTFT counts there, and nowhere that an answer is asked for."""
    failed = {"stream": True, "outcome": "error", "status_code": 500, "duration_ms": 3000}
    records = [
        raw_call("after", time_to_first_chunk_ms=900, chunk_count=3, **failed),
        raw_call("without a chunk", time_to_first_chunk_ms=800, chunk_count=0, **failed),
        raw_call("good", stream=True, time_to_first_chunk_ms=100, duration_ms=1100, output_tokens=11),
    ]
    ingest(store, write_lines(tmp_path / "calls.jsonl", records))
    row = audit(store, "ttft", targets=parse_targets("ttft=1s"))["total"][0]
    assert (row["ttft_calls"], row["ttft_p50_ms"], row["tpot_calls"], row["tpot_p50_ms"]) == (2, 500, 1, 100)
    assert (row["goodput_met_calls"], row["goodput_missed_calls"]) == (1, 2)
