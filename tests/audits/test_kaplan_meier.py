"""Kaplan-Meier percentiles against a plain product over the same waits."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from sample_traces import simulate, write_raw
from streamaudit.audits import ttft
from streamaudit.audits.diff.question import Ask, Side
from streamaudit.audits.diff.report import run as diff
from streamaudit.audits.scope.scope import Scope
from streamaudit.audits.targets import parse_targets
from streamaudit.ingest.pipeline import Ingest
from streamaudit.ingest.readers.reader import Reader
from streamaudit.ingest.results import Options
from streamaudit.store.views.refresh import refresh
from tests.reused import empty_store
from tests.support import Record, raw_call, store_of, write_lines

_WAITS = """
SELECT CASE WHEN ttft_status = 'usable' THEN ttft_ms ELSE coalesce(cancelled_at_ms, duration_ms) END,
    ttft_status = 'usable'
FROM refreshed_calls WHERE counted AND operation <> 'embedding' AND ttft_status IN ('usable', 'censored')
"""


def _by_hand(waits: list[tuple[float, bool]], share: float) -> float | None:
    survival = 1.0
    for moment in sorted({wait for wait, _ in waits}):
        at_risk = sum(1 for wait, _ in waits if wait >= moment)
        arrived = sum(1 for wait, seen in waits if wait == moment and seen)
        survival *= 1 - arrived / at_risk
        if survival <= 1 - share + 1e-12:
            return moment
    return None


@pytest.mark.parametrize("seed", [3, 4])
def test_percentiles_equal_the_product_over_all_waits(tmp_path: Path, seed: int) -> None:
    """A censored wait stays at risk until its cut, so percentiles move up, by exactly the product-limit estimate."""
    path = tmp_path / "fleet.jsonl"
    write_raw(simulate(600, seed, datetime(2026, 11, 9, tzinfo=UTC), 7), path)
    with empty_store() as store, Reader() as reader:
        Ingest(store, Options()).file(reader, str(path))
        refresh(store)
        waits = [row for row in store.query(_WAITS) if row[0] is not None]
        row = next(ttft.run(store, Scope(), censored=True).tables[0].records())
    assert any(not seen for _, seen in waits)
    for share, name in ((0.5, "p50"), (0.9, "p90"), (0.95, "p95"), (0.99, "p99")):
        assert row[f"ttft_km_{name}_ms"] == pytest.approx(_by_hand(waits, share), rel=1e-12)


def thinking(tenant: str, *, recorded: bool, count: int = 40) -> list[Record]:
    """Calls of a reasoning model: the first chunk after 200 ms, the first visible token later, unless the user left."""
    dice = np.random.default_rng(9)
    records = []
    for number in range(count):
        visible, patience = (float(np.round(dice.exponential(mean), 1)) + 300 for mean in (2000, 6000))
        name = f"{tenant}-{number}"
        kept = {"tenant": tenant, "model": tenant, "stream": True, "time_to_first_chunk_ms": 200.0}
        if visible <= patience:
            seen = {"time_to_first_output_token_ms": visible} if recorded else {}
            records.append(raw_call(name, duration_ms=visible + 1000, **kept, **seen))
        else:
            records.append(raw_call(
                name, outcome="cancelled", cancelled_at_ms=patience, duration_ms=20_000, output_tokens=None, **kept,
            ))  # fmt: skip
    return records


def test_a_call_cut_between_its_first_chunk_and_its_first_visible_token_waited_until_the_cut(tmp_path: Path) -> None:
    """It is in the curve of the visible token, censored at its cut; the diff gives the same percentiles."""
    records = thinking("thinker", recorded=True)
    cut = [record for record in records if record["outcome"] == "cancelled"]
    assert 5 < len(cut) < 20
    waits = [(record["time_to_first_output_token_ms"], True) for record in records if record not in cut]
    waits += [(record["cancelled_at_ms"], False) for record in cut]
    sides = [{**record, "service_version": version, "request_id": f"{record['request_id']}-{version}"}
        for version in ("v1", "v2") for record in records]  # fmt: skip
    with store_of(write_lines(tmp_path / "calls.jsonl", sides)) as store:
        row: Record = next(ttft.run(store, Scope(only=(("deploy", "v1"),)), censored=True).tables[0].records())
        ask = Ask("deploy", Side("v1"), Side("v2"), metrics=("ttvt",))
        compared = next(table for table in diff(store, Scope(), ask).tables if table.name == "total")
    assert row["ttvt_censored_calls"] == len(cut)
    assert row["ttvt_calls"] == len(waits) - len(cut)
    assert row["ttvt_p50_ms"] < row["ttvt_km_p50_ms"]
    for share, name in ((0.5, "p50"), (0.9, "p90")):
        assert row[f"ttvt_km_{name}_ms"] == pytest.approx(_by_hand(waits, share), rel=1e-12)
    found: dict[object, Record] = {one["stat"]: one for one in compared.records()}
    for name in ("p50", "p90"):
        assert found[name]["base_value"] == pytest.approx(row[f"ttvt_km_{name}_ms"], rel=0.02)
        assert found[name]["base_n"] == len(waits)


def test_a_missing_visible_token_is_a_wait_only_with_evidence(tmp_path: Path) -> None:
    """Not where the model's other calls do not record it, nor where something was shown; and where nothing visible was
    delivered it is one without them."""
    plain = thinking("plain", recorded=False)
    shown = [{**record, "tenant": "shown", "request_id": f"s{n}", "rendered_tokens": 5}
        for n, record in enumerate(thinking("thinker", recorded=True))]  # fmt: skip
    nothing = [{**record, "tenant": "nothing", "request_id": f"n{n}", "delivered_tokens": 0}
        for n, record in enumerate(thinking("plain", recorded=False)) if record["outcome"] == "cancelled"]  # fmt: skip
    path = write_lines(tmp_path / "calls.jsonl", [*plain, *shown, *nothing])
    with store_of(path) as store:
        found = ttft.run(store, Scope(by=("tenant",)), censored=True).tables[0].records()
        rows: dict[object, Record] = {row["tenant"]: row for row in found}
    assert rows["plain"]["ttvt_censored_calls"] == rows["shown"]["ttvt_censored_calls"] == 0
    assert rows["nothing"]["ttvt_censored_calls"] == len(nothing) > 5
    assert rows["nothing"]["ttvt_km_p50_ms"] is None


def test_goodput_misses_a_wait_for_the_visible_token_that_was_longer_than_its_target(tmp_path: Path) -> None:
    """A user who left after two seconds of hidden reasoning had waited longer than one."""
    records = thinking("thinker", recorded=True)
    waits = [record.get("time_to_first_output_token_ms") or record["cancelled_at_ms"] for record in records]
    with store_of(write_lines(tmp_path / "calls.jsonl", records)) as store:
        row: Record = next(ttft.run(store, Scope(), targets=parse_targets("ttvt=1s")).tables[0].records())
    assert row["goodput_missed_calls"] == sum(wait > 1000 for wait in waits)
