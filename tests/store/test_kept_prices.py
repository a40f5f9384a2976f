"""Prices kept in a store give the costs that the price list gives, for as long as they rest on what they did."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from streamaudit.ingest.retention import forget
from streamaudit.store.pricing import kept
from streamaudit.store.pricing.own_prices import PriceFile
from streamaudit.store.store import Store
from tests.support import Record, calls, ingest, raw_call, write_lines

MODELS = ("gpt-4o-mini", "gpt-4o", "deepseek-chat", "claude-haiku-4-5", "no-such-model", "gemini-2.5-pro")
INGEST = """
import sys
from streamaudit.cli.main import main
sys.argv = ["streamaudit", "ingest", "-q", "--db", *sys.argv[1:]]
try:
    main()
finally:
    print("genai_prices" in sys.modules)
"""


def records(prefix: str, day: str = "2026-11-16") -> list[Record]:
    """A call of each model, and one with more input."""
    return [
        raw_call(f"{prefix}-{model}-{size}", model=model, input_tokens=size, start_time=f"{day}T08:00:00Z")
        for model in MODELS for size in (1_000, 300_000)
    ]  # fmt: skip


def costs(store: Store) -> dict[str, tuple[float | None, str]]:
    """Cost and basis of each call, by the name without its prefix."""
    return {name[2:]: (call["cost_usd"], call["cost_basis"]) for name, call in sorted(calls(store).items())}


def write_prices(path: Path, *lines: str) -> PriceFile:
    """A price file of one's own."""
    path.write_text("\n".join(("model,since,input_usd_per_mtok,output_usd_per_mtok", *lines)) + "\n")
    return PriceFile(path, "streamaudit.toml:1")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store that has priced each model once."""
    path = tmp_path / "calls.duckdb"
    with Store.open(path, write=True) as store:
        ingest(store, write_lines(tmp_path / "a.jsonl", records("a")))
    return path


def test_a_model_priced_before_needs_no_price_list(path: Path, tmp_path: Path) -> None:
    """Not even on another day, where its price does not depend on that."""

    def ingest_apart(*records: Record) -> bool:
        file = write_lines(tmp_path / "more.jsonl", records)
        run = subprocess.run(
            [sys.executable, "-c", INGEST, str(path), str(file)], capture_output=True, text=True, check=True
        )
        return run.stdout.strip() == "True"

    known = raw_call("k", model="gpt-4o", input_tokens=7, start_time="2026-12-24T08:00:00Z")
    assert not ingest_apart(known, raw_call("u", model="no-such-model", input_tokens=7))
    assert ingest_apart(raw_call("o", model="o3", input_tokens=7))


def test_kept_prices_give_the_same_costs(path: Path, tmp_path: Path) -> None:
    """As a store that has kept none."""
    with Store.open(path, write=True) as store, Store.in_memory() as other:
        for day in ("2026-11-16", "2025-01-31"):
            more = write_lines(tmp_path / f"{day}.jsonl", records(day[:1], day))
            ingest(store, more)
            ingest(other, more)
        assert {name: cost for name, cost in costs(store).items() if name in costs(other)} == costs(other)
        assert any(cost is not None for cost, _ in costs(other).values())


def test_prices_of_ones_own_are_not_those_kept_before(path: Path, tmp_path: Path) -> None:
    """Nor those of another day, nor of a file that has changed since."""
    prices = write_prices(tmp_path / "prices.csv", "gpt-4o,,1000,0", "gpt-4o,2026-11-17,2000,0")

    def cost(name: str, day: str) -> float:
        call = raw_call(name, model="gpt-4o", input_tokens=1000, start_time=f"2026-11-{day}T08:00:00Z")
        ingest(store, write_lines(tmp_path / f"{name}.jsonl", [call]), prices=prices)
        return float(calls(store)[name]["cost_usd"])

    with Store.open(path, write=True) as store:
        assert [cost("p", "16"), cost("q", "17"), cost("r", "16"), cost("s", "17")] == [1.0, 2.0, 1.0, 2.0]
        write_prices(prices.path, "gpt-4o,,3000,0")
        assert cost("t", "17") == 3.0


def test_another_price_list_makes_them_void(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept is used under its stamp alone."""
    with Store.open(path, write=True) as store:
        entry = json.loads(store.one("SELECT value FROM store.meta WHERE key = 'prices'")[0])
        for _, ranges in entry["prices"]:
            for one in ranges:
                one[2] = 0.5
        store.run("UPDATE store.meta SET value = $text WHERE key = 'prices'", {"text": json.dumps(entry)})
        ingest(store, write_lines(tmp_path / "b.jsonl", [raw_call("b", model="gpt-4o", input_tokens=1000)]))
        assert calls(store)["b"]["input_cost_usd"] == 500
        monkeypatch.setattr(kept, "_digest_list", lambda: "another version")
        ingest(store, write_lines(tmp_path / "c.jsonl", [raw_call("c", model="gpt-4o", input_tokens=1000)]))
        assert calls(store)["c"]["input_cost_usd"] < 1


def test_a_deletion_leaves_no_name_of_a_model(tmp_path: Path) -> None:
    """It may be that of a user's own model."""
    path = tmp_path / "calls.duckdb"
    with Store.open(path, write=True) as store:
        ingest(store, write_lines(tmp_path / "a.jsonl", [raw_call("a", model="ft:of-one-user", user_id="u")]))
        assert b"ft:of-one-user" in "".join(row[0] for row in store.query("SELECT value FROM store.meta")).encode()
        forget(store, "u")
    assert b"of-one-user" not in path.read_bytes()
