"""Latencies between chunks and per output token: numpy over the same values, and read only where they are asked for."""

from pathlib import Path
from random import Random

import numpy as np
import pytest

from streamaudit.audits.metrics import column
from streamaudit.audits.overview import COLUMNS
from streamaudit.report.model import Column
from streamaudit.store.store import Store
from tests.support import AUDITS, Record, audit, grouped, ingest, raw_call, total, write_lines


def chunked(name: str, offsets: list[float], **more: object) -> Record:
    """A call whose chunks arrived at these offsets, and at its client a little later and in other steps."""
    client = [offset + 5 + index % 3 for index, offset in enumerate(offsets)]
    return raw_call(
        name, stream=True, duration_ms=60_000, chunk_offsets_ms=offsets, client_chunk_offsets_ms=client, **more
    )


def test_inter_chunk_percentiles_are_numpy_s_over_the_gaps_of_all_calls(tmp_path: Path, store: Store) -> None:
    """Pooled over the calls of a group, on both sides; a percentile needs as many gaps as any other needs calls."""
    rng = Random(11)
    offsets = {
        "many": [sorted(rng.uniform(100, 50_000) for _ in range(30)) for _ in range(12)],
        "few": [sorted(rng.uniform(100, 9000) for _ in range(8)) for _ in range(2)],
        "single": [[250.0]],
    }
    records = [
        chunked(f"{tenant}-{n}", one, tenant=tenant) for tenant, several in offsets.items()
        for n, one in enumerate(several)
    ]  # fmt: skip
    ingest(store, write_lines(tmp_path / "calls.jsonl", [*records, raw_call("none", tenant="none")]))
    for name in ("report", "ttft"):
        rows = grouped(store, name, "tenant", gaps=True)
        for tenant, several in offsets.items():
            for side, kept in (("itl", "chunk_offsets_ms"), ("client_itl", "client_chunk_offsets_ms")):
                own = [record[kept] for record in records if record["tenant"] == tenant]
                gaps = np.concatenate([np.diff(one) for one in own])
                assert rows[tenant][f"{side}_gaps"] == len(gaps) == sum(len(one) - 1 for one in several)
                assert rows[tenant][f"{side}_calls"] == sum(len(one) > 1 for one in several)
                for percentile, least in (("p50", 1), ("p90", 10), ("p95", 20), ("p99", 100)):
                    expected = np.quantile(gaps, int(percentile[1:]) / 100) if len(gaps) >= least else None
                    assert rows[tenant][f"{side}_{percentile}_ms"] == (expected and pytest.approx(float(expected)))
        assert (rows["none"]["itl_calls"], rows["none"]["itl_p50_ms"]) == (0, None)


def test_chunk_times_are_read_only_where_they_are_asked_for(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lists take most of a store; a report without ``--itl`` has no column of them and reads none."""
    ingest(store, write_lines(tmp_path / "calls.jsonl", [chunked("a", [100, 150])]))
    asked: list[str] = []
    query = store.query

    def record(sql: str, params: Record | None = None) -> list[tuple[object, ...]]:
        asked.append(sql)
        return query(sql, params)

    monkeypatch.setattr(store, "query", record)
    assert "itl_p50_ms" not in total(store, "report")
    assert asked and not [sql for sql in asked if "unnest(chunk_offsets_ms" in sql]
    assert total(store, "report", gaps=True)["itl_p50_ms"] == 50


def test_an_unknown_chunk_time_makes_no_gap(tmp_path: Path, store: Store) -> None:
    """A NULL in the list, or a time that goes back, is no gap of the length between its neighbours."""
    records = [chunked("a", [100, 150])]
    records[0]["chunk_offsets_ms"] = [100, 150, None, 400, 390, 440]
    ingest(store, write_lines(tmp_path / "calls.jsonl", records))
    row = total(store, "report", gaps=True)
    assert (row["itl_gaps"], row["itl_p50_ms"], row["itl_calls"]) == (2, 50, 1)


def test_percentiles_of_time_per_output_token_are_numpy_s(tmp_path: Path, store: Store) -> None:
    """By group, of completed streams with more than one token; below the least number of calls there is none."""
    rng = Random(7)
    records = [
        raw_call(
            f"{size}-{n}", tenant=f"t{size}", stream=True, time_to_first_chunk_ms=rng.uniform(100, 900),
            duration_ms=rng.uniform(1000, 9000), output_tokens=rng.randrange(2, 900),
        )
        for size in (9, 10, 20, 100) for n in range(size)
    ]  # fmt: skip
    others = [
        raw_call("one", tenant="t9", stream=True, time_to_first_chunk_ms=5, output_tokens=1),
        raw_call("left", tenant="t9", stream=True, time_to_first_chunk_ms=5, outcome="cancelled"),
    ]
    ingest(store, write_lines(tmp_path / "calls.jsonl", [*records, *others]))
    for name in ("report", "ttft"):
        rows = grouped(store, name, "tenant")
        for size in (9, 10, 20, 100):
            paces = [
                (one["duration_ms"] - one["time_to_first_chunk_ms"]) / (one["output_tokens"] - 1)
                for one in records if one["tenant"] == f"t{size}"
            ]  # fmt: skip
            row = rows[f"t{size}"]
            assert row["tpot_calls"] == size
            for percentile, least in (("p50", 1), ("p90", 10), ("p95", 20), ("p99", 100)):
                expected = float(np.quantile(paces, int(percentile[1:]) / 100)) if size >= least else None
                assert row[f"tpot_{percentile}_ms"] == (expected and pytest.approx(expected, rel=1e-6))


def test_too_few_calls_for_a_percentile_are_counted_in_its_cell(tmp_path: Path, store: Store) -> None:
    """Of every latency, not only of the first token: how many calls, or gaps, there were."""
    records = [
        chunked(str(n), [100.0, 150.0, 210.0], time_to_first_output_token_ms=120, output_tokens=9) for n in range(3)
    ]
    ingest(store, write_lines(tmp_path / "calls.jsonl", records))
    table = AUDITS["ttft"].run(store, AUDITS["ttft"].Scope(), gaps=True).tables[0]
    marks = {name: mark.instead for (_, name), mark in table.marks.items() if mark.instead}
    assert marks["ttft_p90_ms"] == marks["ttvt_p95_ms"] == marks["tpot_p99_ms"] == "n=3"
    assert marks["itl_p90_ms"] == "n=6"
    assert audit(store, "ttft", gaps=True)["total"][0]["itl_p90_ms"] is None


def test_each_column_says_whose_clock_it_is() -> None:
    """Server side and client side are two measurements under two names."""
    assert "server side" in column("itl_p50_ms").help
    assert "client side" in column("client_itl_p50_ms").help
    assert Column("tpot_p50_ms").name in {one.name for one in COLUMNS}
