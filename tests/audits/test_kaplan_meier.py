"""Kaplan-Meier percentiles against a plain product over the same waits."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from sample_traces import simulate, write_raw
from streamaudit.audits import ttft
from streamaudit.audits.scope.scope import Scope
from streamaudit.ingest.pipeline import Ingest
from streamaudit.ingest.readers.reader import Reader
from streamaudit.ingest.results import Options
from streamaudit.store.store import Store

_WAITS = """
SELECT CASE WHEN ttft_status = 'usable' THEN ttft_ms ELSE coalesce(cancelled_at_ms, duration_ms) END,
    ttft_status = 'usable'
FROM call_outcome WHERE counted AND operation <> 'embedding' AND ttft_status IN ('usable', 'censored')
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
    with Store.in_memory() as store, Reader() as reader:
        Ingest(store, Options()).file(reader, str(path))
        waits = [row for row in store.query(_WAITS) if row[0] is not None]
        row = next(ttft.run(store, Scope(), censored=True).tables[0].records())
    assert any(not seen for _, seen in waits)
    for share, name in ((0.5, "p50"), (0.9, "p90"), (0.95, "p95"), (0.99, "p99")):
        assert row[f"ttft_km_{name}_ms"] == pytest.approx(_by_hand(waits, share), rel=1e-12)
