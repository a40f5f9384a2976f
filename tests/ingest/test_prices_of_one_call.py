"""A call that takes its usage from another step of the same call has the user's own price for it, however both came."""

from collections.abc import Callable
from pathlib import Path

import pytest

from streamaudit.ingest.pipeline import Ingest
from streamaudit.ingest.readers.reader import Reader
from streamaudit.ingest.results import Options
from streamaudit.ingest.retention import unload
from streamaudit.ingest.stores import merge_store
from streamaudit.store.pricing.own_prices import PriceFile
from streamaudit.store.store import Store
from tests.support import Record, ingest, raw_call, write_lines

OUTER: Record = raw_call("outer", trace_id="t", model=None, input_tokens=1_000, output_tokens=2_000, duration_ms=5_000)
"""A framework's step, which has the usage and no model."""
INNER: Record = raw_call(
    "inner", trace_id="t", parent_id="outer", model="gpt-4o", input_tokens=None, output_tokens=None, duration_ms=4_000
)
OWN_COST = 1_000 * 100e-6 + 2_000 * 200e-6
"""USD at the user's own price; the bundled one is a fraction of it."""


@pytest.fixture
def prices(tmp_path: Path) -> PriceFile:
    """The user's own price of the model."""
    path = tmp_path / "prices.csv"
    path.write_text("model,input_usd_per_mtok,output_usd_per_mtok\ngpt-4o,100,200\n")
    return PriceFile(path, "streamaudit.toml:1")


def in_one_file(folder: Path, store: Store, prices: PriceFile) -> None:
    ingest(store, write_lines(folder / "both.jsonl", [OUTER, INNER]), prices=prices)


def outer_last(folder: Path, store: Store, prices: PriceFile) -> None:
    for record in (INNER, OUTER):
        ingest(store, write_lines(folder / f"{record['request_id']}.jsonl", [record]), prices=prices)


def outer_with_other_files(folder: Path, store: Store, prices: PriceFile) -> None:
    """No record of these files has a parent, so that they are loaded together."""
    ingest(store, write_lines(folder / "inner.jsonl", [INNER]), prices=prices)
    names = [str(write_lines(folder / f"{one['request_id']}.jsonl", [one])) for one in (OUTER, raw_call("z"))]
    with Reader() as reader:
        list(Ingest(store, Options(prices=prices)).files(reader, dict.fromkeys(names, False)))


def from_another_store(folder: Path, store: Store, prices: PriceFile) -> None:
    ingest(store, write_lines(folder / "inner.jsonl", [INNER]), prices=prices)
    with Store.open(folder / "other.duckdb", write=True) as other:
        ingest(other, write_lines(folder / "outer.jsonl", [OUTER]), prices=prices)
    merge_store(store, folder / "other.duckdb", prices)


def after_a_deletion(folder: Path, store: Store, prices: PriceFile) -> None:
    """What is left of a trace is judged again."""
    in_one_file(folder, store, prices)
    more = raw_call("more", trace_id="t", parent_id="outer", model="other", start_time="2026-11-16T20:00:00Z")
    ingest(store, write_lines(folder / "more.jsonl", [more]), prices=prices)
    unload(store, 2, prices)


@pytest.mark.parametrize(
    "write", [in_one_file, outer_last, outer_with_other_files, from_another_store, after_a_deletion]
)
def test_usage_of_another_step_has_the_own_price(
    write: Callable[[Path, Store, PriceFile], None], tmp_path: Path, prices: PriceFile
) -> None:
    with Store.open(tmp_path / "calls.duckdb", write=True) as kept:
        write(tmp_path, kept, prices)
        found = kept.query("SELECT counted, cost_usd FROM store.calls WHERE call_id = 'inner'")
    assert found == [(True, pytest.approx(OWN_COST))]
